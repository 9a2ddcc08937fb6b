"""Checks of the queue: what waits, what was set aside, and what the owner has stopped."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from secondme.core.clock import from_ms, rfc3339
from secondme.core.doctor.check import NO_STORE, Check, DoctorContext, NotCheckedError, Ok, Outcome, found, verdict
from secondme.core.enums import PairingMode
from secondme.core.errors import SecondmeError
from secondme.core.format import counted, span
from secondme.core.gateway.trace_messages import why_held
from secondme.core.reply.store import SpendingStore
from secondme.core.send.store import DraftStore
from secondme.core.webhooks.store import WebhookStore

_LONG = timedelta(minutes=10)
"""Gathering, pacing and a slow model together take less."""
_EXPECTED = frozenset({"asleep", "paused", "gathering", "over_budget", "over_contact_budget"})
"""Reasons to wait that the owner chose, or that another check reports."""
_OF_MODEL = ("model_", "no_model_key", "certificate_", "proxy_")
_MICROS = 1_000_000


async def queue(subject: DoctorContext) -> Outcome:
    """Nobody waits longer than the settings explain."""
    seen = await subject.overview()
    backlog = seen.backlog
    if not backlog.queued:
        return Ok("nothing waits")
    age = _since(subject, backlog.oldest_ms)
    why = ", ".join(why_held(reason) for reason in sorted(backlog.waiting)) or "in the queue"
    waiting = "1 message waits" if backlog.queued == 1 else f"{backlog.queued} messages wait"
    told = f"{waiting}, the oldest for {span(age)}: {why}"
    is_explained = seen.everybody is not None or (backlog.waiting and set(backlog.waiting) <= _EXPECTED)
    if age <= _LONG or is_explained or not seen.runs:
        return Ok(told)
    of_model = any(reason.startswith(_OF_MODEL) for reason in backlog.waiting)
    fix = "secondme doctor model-key model" if of_model else "secondme status"
    return verdict(found("queue-waiting", count=backlog.queued, age=span(age), why=why, fix=fix))


async def dead_letters(subject: DoctorContext) -> Outcome:
    """Nothing was set aside."""
    count = (await subject.overview()).backlog.dead
    return verdict(found("dead-letters", count=count) if count else None, detail="none")


async def webhooks(subject: DoctorContext) -> Outcome:
    """What happens arrives where the owner wants it told."""
    store = await subject.store()
    try:
        listed = await WebhookStore(store).listed()
    except SecondmeError as error:
        raise NotCheckedError(NO_STORE) from error
    findings = []
    for each in listed:
        host = urlsplit(each.endpoint.url).hostname
        if each.state.disabled_at is not None:
            why = (
                "its server answered that it wants no more"
                if each.state.disabled_why == "gone"
                else "nothing arrived for three days"
            )
            findings.append(found("webhook-disabled", webhook=each.endpoint.id, host=host, why=why))
        elif each.state.dead:
            findings.append(found("webhook-dead", webhook=each.endpoint.id, host=host, count=each.state.dead))
    return verdict(*findings, detail=f"{counted(len(listed), 'webhook')}" if listed else "none")


async def drafts(subject: DoctorContext) -> Outcome:
    """How many replies wait for the owner. Never a finding: that they wait is what they are for."""
    store = await subject.store()
    try:
        held, _ = await DraftStore(store, subject.settings.drafts, subject.settings.jobs).held()
    except SecondmeError as error:
        raise NotCheckedError(NO_STORE) from error
    if not held:
        return Ok("none waits for you")
    oldest = subject.clock.now_ms() - int(min(each.held_at for each in held).timestamp() * 1000)
    replies = len({each.row.reply_id for each in held})
    return Ok(f"{replies} wait for you, the oldest for {span(timedelta(milliseconds=oldest))}: secondme drafts list")


async def budget(subject: DoctorContext) -> Outcome:
    """There is money left for today."""
    cap = subject.settings.budget.daily_usd
    store, now_ms = await subject.store(), subject.clock.now_ms()
    try:
        account = await SpendingStore(store).account(now_ms, 1, ())
    except SecondmeError as error:
        raise NotCheckedError(NO_STORE) from error
    day = account.days.get(f"{from_ms(now_ms):%Y-%m-%d}")
    spent = day.micros / _MICROS if day is not None else 0.0
    is_spent = day is not None and spent >= cap
    more = f"{max(1.0, spent) * 2:.0f}"
    told = f"{spent:.2f} of {cap:.2f} dollars today"
    return verdict(found("budget-spent", spent=f"{spent:.2f}", cap=f"{cap:.2f}", more=more) if is_spent else None, detail=told)


async def pauses(subject: DoctorContext) -> Outcome:
    """Nothing is stopped."""
    seen = await subject.overview()
    everybody = seen.everybody
    stopped = None
    if everybody is not None:
        since = rfc3339(from_ms(everybody.since_ms))
        until = f"until {rfc3339(from_ms(everybody.until_ms))}" if everybody.until_ms else "until you resume"
        stopped = found("kill-switch-on", since=since) if everybody.killed else found("paused", since=since, until=until)
    channels = [found("channel-paused", title=each.title, channel=each.id) for each in seen.channels if each.paused]
    return verdict(stopped, *channels, detail="nothing is paused")


async def pairing(subject: DoctorContext) -> Outcome:
    """Only the owner lets anybody in."""
    settings = subject.settings.pairing
    if settings.mode is PairingMode.SELF_VERIFY and settings.enabled:
        return verdict(found("pairing-self-verify"))
    told = settings.mode.value if settings.enabled else "closed: pairing.enabled"
    try:
        stats = (await subject.overview()).pairing
    except NotCheckedError:
        return Ok(told)
    return Ok(f"{told}; {stats.approved} approved, {stats.pending} waiting")


def _since(subject: DoctorContext, ms: int | None) -> timedelta:
    return timedelta(milliseconds=max(0, subject.clock.now_ms() - ms)) if ms else timedelta(0)


CHECKS = (
    Check("queue", "Queue", "How many messages wait, for how long, and why", queue),
    Check("dead-letters", "Dead letters", "Messages that could not be worked on", dead_letters),
    Check("webhooks", "Webhooks", "Whether what happens arrives where the owner wants it told", webhooks),
    Check("drafts", "Drafts", "Replies that wait for the owner", drafts),
    Check("budget", "Budget", "What models cost today, and the cap", budget),
    Check("pauses", "Pauses", "The kill switch, and pauses of everybody and of channels", pauses),
    Check("pairing", "Pairing", "Who approves people", pairing),
)
