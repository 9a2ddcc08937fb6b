"""Jobs as their owner steers them: command line, screen, API and the owner's chat all come here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms, to_ms
from secondme.core.errors import DataError, NotFoundError
from secondme.core.files import table
from secondme.core.ids import ContactId, new_id
from secondme.core.jobs.moments import TypedMoment, read_moment
from secondme.core.jobs.policy import GRANTABLE
from secondme.core.jobs.records import SELF, JobRecord
from secondme.core.jobs.schedule import AtSchedule, CallSchedule, TriggerSchedule, cron, every, next_after, zone_of
from secondme.core.security_log import SecurityEvent
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.enums import Thinking
    from secondme.core.jobs.records import JobKind, JobRun, JobView
    from secondme.core.jobs.schedule import AnySchedule
    from secondme.core.jobs.store import JobGrant, JobStore
    from secondme.core.records import ApprovedContact
    from secondme.core.security_log import SecurityLog

_LONGEST = 4_000
_LONGEST_NAME = 64
_UNDO = timedelta(minutes=10)
_GRACE_S: dict[str, int] = {"say": 0, "watch": 900, "ask": 7_200, "write": 14_400, "followup": 43_200}
"""How late a job may run, by kind: a reminder whenever, a look round hardly; others half a day."""
_USUAL_GRACE_S = 43_200
_VALID_S = 12 * 3600
_MOST_UNTIL = timedelta(days=366)
GRANT_LASTS = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class JobWish:
    """A job as the owner says it. Exactly one of `cron`, `every`, `at`, `when` and `on_call` says when."""

    name: str
    kind: JobKind
    cron: str = ""
    every: timedelta | None = None
    at: str = ""
    """A time as people type it."""
    when: str = ""
    """A trigger, and what it is about: `unanswered 24h`, `budget 80`."""
    on_call: bool = False
    zone: str = ""
    """Empty: the owner's."""
    target: str = SELF
    text: str = ""
    thinking: Thinking | None = None
    persona: str | None = None
    loud: bool = False
    until: str = ""
    max_runs: int = 0


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job that only has to be switched on."""

    id: str
    title: str
    kind: JobKind
    cron: str
    says_nothing_when: str


class JobDesk:
    """The owner's decisions about jobs. `by` is where they are made."""

    def __init__(self, store: JobStore, security: SecurityLog, zone: str, by: str) -> None:
        self._store = store
        self._security = security
        self._zone = zone
        self._by = by

    async def all(self) -> list[JobView]:
        """Every job, the oldest first; one that cannot be read is left out, and the doctor finds it."""
        return (await self._store.all())[0]

    async def find(self, reference: str) -> JobView:
        """The job with this id or name, or whose id begins so. Raises NotFoundError."""
        return await self._store.find(reference)

    async def runs(self, reference: str) -> list[JobRun]:
        """What became of a job's runs, the newest first. Raises NotFoundError."""
        return await self._store.runs((await self.find(reference)).job.id)

    async def draw(self, wish: JobWish) -> JobRecord:
        """The job that a wish describes; it is not kept yet. Raises DataError for a time, a zone or words that it cannot have."""
        now = from_ms(await self._store.now_ms())
        name = safe_name(wish.name)[:_LONGEST_NAME] or wish.kind
        text = _words(wish.kind, wish.text)
        until = read_moment(wish.until, now, wish.zone or self._zone).at if wish.until else None
        is_for_contact = wish.target != SELF
        if is_for_contact and until is None:
            until = now + _MOST_UNTIL  # nothing that writes to people goes on for ever
        return JobRecord(
            id=new_id()[:8],
            name=name,
            kind=wish.kind,
            target=wish.target,
            schedule=self._schedule(wish, now),
            text=text,
            thinking=wish.thinking,
            persona=wish.persona,
            loud=wish.loud,
            grace_s=_GRACE_S.get(wish.kind, _USUAL_GRACE_S),
            valid_s=_VALID_S if is_for_contact else 0,
            max_runs=wish.max_runs,
            until=until,
            origin=self._by,
            created_at=now,
            edited_at=now,
        )

    async def keep(self, job: JobRecord) -> JobRecord:
        """The job runs from now on. Raises BusyError when there are a hundred."""
        return await self._keep(job)

    async def _keep(self, job: JobRecord, *, enabled: bool = True, why: str = "") -> JobRecord:
        await self._make_room()
        kept = await self._store.put(job, enabled=enabled, why="" if enabled else why)
        await self._write(SecurityEvent.JOB_MADE if job.rev == 0 else SecurityEvent.JOB_CHANGED, kept)
        return kept

    async def add(self, wish: JobWish) -> JobRecord:
        """`draw` and `keep`."""
        return await self.keep(await self.draw(wish))

    async def remind(self, when_and_text: str, *, zone: str = "") -> tuple[JobRecord, TypedMoment]:
        """The owner is told the words behind the time, at that time; what they typed begins with it. Raises DataError."""
        now = from_ms(await self._store.now_ms())
        moment = read_moment(when_and_text, now, zone or self._zone)
        if not moment.rest.strip():
            raise DataError("no_words", "What shall I remind you of?", "Like: remind tomorrow 9:00 call the dentist")
        return await self.remind_at(moment, moment.rest), moment

    async def remind_at(self, moment: TypedMoment, text: str) -> JobRecord:
        """As `remind`, for a time that was read. At night too: the owner named the time."""
        text = safe_text(text).strip()
        if not text:
            raise DataError("no_words", "What shall I remind you of?", "Like: secondme remind 'tomorrow 9:00' call the dentist")
        wish = JobWish(" ".join(text.split())[:40], "say", text=text, loud=True)
        now = from_ms(await self._store.now_ms())
        zone = str(getattr(moment.at.tzinfo, "key", "") or self._zone)
        schedule = AtSchedule(at_ms=to_ms(moment.at), zone=zone)
        job = await self.draw(replace(wish, on_call=True))
        return await self.keep(job.model_copy(update={"schedule": schedule, "created_at": now}))

    async def moment(self, typed: str, zone: str = "") -> TypedMoment:
        """The time that `typed` is, whole. Raises DataError."""
        moment = read_moment(typed, from_ms(await self._store.now_ms()), zone or self._zone)
        if moment.rest.strip():
            raise DataError("bad_time", f"I do not understand {safe_name(moment.rest)!r} behind the time.", "Like: tomorrow 9:00")
        return moment

    async def edit(
        self,
        reference: str,
        *,
        cron_line: str = "",
        gap: timedelta | None = None,
        at: str = "",
        zone: str = "",
        text: str | None = None,
        name: str | None = None,
    ) -> JobRecord:
        """The job comes and says from now on what is given here; a run that is under way comes to nothing. Raises NotFoundError, DataError, BusyError."""
        view = await self.find(reference)
        before = view.job
        changes: dict[str, object] = {"edited_at": from_ms(await self._store.now_ms())}
        if cron_line or gap is not None or at:
            wish = JobWish(before.name, before.kind, cron=cron_line, every=gap, at=at, zone=zone or before.schedule.zone)
            changes["schedule"] = self._schedule(wish, from_ms(await self._store.now_ms()))
        if text is not None and before.origin == "ready":
            raise DataError("ready_made", "A ready-made job has no words of its own.", "secondme jobs add, for one that says them")
        if text is not None:
            changes["text"] = _words(before.kind, text)
        if name is not None:
            changes["name"] = safe_name(name)[:_LONGEST_NAME] or before.name
        return await self._keep(
            before.model_copy(update=changes), enabled=view.state.enabled or view.state.why == "done", why=view.state.why
        )

    async def pause(self, reference: str) -> JobView:
        """The job does not run until it is resumed. Repeatable. Raises NotFoundError."""
        return await self._switch(reference, enabled=False)

    async def resume(self, reference: str) -> JobView:
        """The job runs again, from its next time on, whatever had disabled it. Repeatable. Raises NotFoundError; DataError for one that is over."""
        return await self._switch(reference, enabled=True)

    async def remove(self, reference: str) -> JobRecord:
        """The job is no more. Raises NotFoundError."""
        job = (await self.find(reference)).job
        await self._store.remove(job.id)
        await self._write(SecurityEvent.JOB_REMOVED, job)
        return job

    async def undo(self, reference: str) -> JobRecord:
        """What was made in the last ten minutes is no more. Raises NotFoundError, and DataError for an older one."""
        view = await self.find(reference)
        if from_ms(await self._store.now_ms()) - view.job.created_at > _UNDO:
            raise DataError(
                "too_late", "That was made more than ten minutes ago.", f"off {view.job.id}, or secondme jobs remove {view.job.id}"
            )
        return await self.remove(view.job.id)

    async def switch_all(self, *, on: bool) -> None:
        """Jobs run by themselves, or none does. Repeatable."""
        await self._store.switch(on=on)
        await self._security.record(SecurityEvent.JOBS_SWITCHED, enabled=on, by=self._by)

    async def is_off(self) -> bool:
        """True when no job runs by itself."""
        return await self._store.is_off()

    # Ready-made ones

    async def ready(self) -> list[tuple[ReadyJob, bool]]:
        """Every ready-made job, and whether it is on."""
        on = {view.job.id for view in await self.all() if view.state.enabled}
        return [(each, each.id in on) for each in ready_jobs()]

    async def choose(self, name: str, *, cron_line: str = "", zone: str = "") -> JobRecord:
        """A ready-made job is on, at its own time or at another. Repeatable. Raises NotFoundError, DataError."""
        ready = ready_job(name)
        now = from_ms(await self._store.now_ms())
        schedule = cron(cron_line or ready.cron, zone or self._zone, now)
        try:
            before = (await self._store.view(ready.id)).job
        except NotFoundError:
            before = None
        job = JobRecord(
            id=ready.id,
            rev=before.rev if before else 0,
            name=ready.title,
            kind=ready.kind,
            schedule=schedule,
            grace_s=_GRACE_S.get(ready.kind, _USUAL_GRACE_S),
            valid_s=_VALID_S,
            origin="ready",
            created_at=before.created_at if before else now,
            edited_at=now,
        )
        return await self.keep(job)

    # Who may be written to

    async def allow(self, contact: ApprovedContact, category: str, lasts: timedelta = GRANT_LASTS) -> datetime:
        """Jobs may write to the contact by themselves until then, where `jobs.reach` is `allowed`. Raises DataError for what is never sent unseen."""
        if category not in GRANTABLE:
            raise DataError(
                "not_grantable",
                f"{safe_name(category)!r} never leaves without your word.",
                f"One of: {', '.join(sorted(GRANTABLE))}",
            )
        until = from_ms(await self._store.now_ms()) + lasts
        await self._store.allow(ContactId(contact.contact_id), category, to_ms(until))
        await self._security.record(SecurityEvent.GRANT_GIVEN, contact=contact.contact_id, category=category, by=self._by)
        return until

    async def disallow(self, contact: ApprovedContact, category: str) -> None:
        """Jobs ask before they write to the contact. Repeatable."""
        await self._store.allow(ContactId(contact.contact_id), category, None)
        await self._security.record(SecurityEvent.GRANT_ENDED, contact=contact.contact_id, category=category, by=self._by)

    async def allowed(self, contacts: Sequence[ApprovedContact]) -> list[JobGrant]:
        """What jobs may write by themselves, and until when; what has ended is not in it."""
        now = from_ms(await self._store.now_ms())
        found = await self._store.grants([ContactId(each.contact_id) for each in contacts])
        return [grant for grant in found if grant.until > now]

    async def _switch(self, reference: str, *, enabled: bool) -> JobView:
        view = await self.find(reference)
        if view.state.enabled != enabled:
            if (
                enabled
                and isinstance(view.job.schedule, AtSchedule)
                and next_after(view.job.schedule, await self._store.now_ms()) is None
            ):
                raise DataError("over", "Its time is over.", "secondme jobs edit ID --at WHEN")
            job = view.job.model_copy(update={"edited_at": from_ms(await self._store.now_ms())})
            kept = await self._store.put(job, enabled=enabled, why="" if enabled else "paused")
            await self._write(SecurityEvent.JOB_CHANGED, kept)
        return await self._store.view(view.job.id)

    async def _make_room(self) -> None:
        """Reminders that are over make room for new jobs."""
        views = await self.all()
        done = [view for view in views if view.state.why == "done"]
        for view in done[: max(0, len(done) - _KEPT_DONE)]:
            await self._store.remove(view.job.id)

    def _schedule(self, wish: JobWish, now: datetime) -> AnySchedule:
        zone = wish.zone or self._zone
        said = [bool(wish.cron), wish.every is not None, bool(wish.at), bool(wish.when), wish.on_call]
        if sum(said) != 1:
            raise DataError("no_schedule", "Say when: one of --cron, --every, --at and --when.", "secondme jobs add --help")
        if wish.cron:
            return cron(wish.cron, zone, now)
        if wish.every is not None:
            return every(wish.every, zone, now)
        if wish.at:
            moment = read_moment(wish.at, now, zone)
            if moment.rest.strip():
                raise DataError(
                    "bad_time", f"I do not understand {safe_name(moment.rest)!r} behind the time.", "Like: tomorrow 9:00"
                )
            return AtSchedule(at_ms=to_ms(moment.at), zone=zone, said=wish.at)
        zone_of(zone)
        return trigger(wish.when, zone) if wish.when else CallSchedule(zone=zone)

    async def _write(self, event: SecurityEvent, job: JobRecord) -> None:
        contact = job.target if job.target != SELF else None
        await self._security.record(event, contact=contact, job=job.id, kind=job.kind, by=self._by)


def _words(kind: JobKind, typed: str) -> str:
    text = safe_text(typed).strip()
    if kind in {"say", "ask", "write"} and not text:
        raise DataError("no_words", "A job that speaks needs words.", "Give them with --say, --ask or --write.")
    if len(text) > _LONGEST:
        raise DataError("long_text", f"A job's text has at most {_LONGEST:,} characters.")
    return text


_KEPT_DONE = 20

_TRIGGERS: dict[str, tuple[float, float, float]] = {
    "unanswered": (24, 1, 720),
    "owed": (4, 1, 168),
    "draft_waiting": (2, 1, 48),
    "pairing_waiting": (1, 1, 48),
    "channel_deaf": (1, 0.25, 48),
    "budget": (80, 10, 100),
}
"""Name -> what is usual, least and most: hours, or per cent."""


def trigger(typed: str, zone: str) -> TriggerSchedule:
    """The trigger that `typed` says, like `owed 6h` or `budget 80`. Raises DataError."""
    name, _, amount = " ".join(typed.split()).partition(" ")
    known = _TRIGGERS.get(name.replace("-", "_"))
    if known is None:
        raise DataError("unknown_trigger", f"There is no trigger {safe_name(name)!r}.", f"One of: {', '.join(sorted(_TRIGGERS))}")
    usual, least, most = known
    try:
        value = float(amount.removesuffix("h").removesuffix("%")) if amount else usual
    except ValueError:
        raise DataError("bad_trigger", f"{safe_name(amount)!r} is no number.", f"Like: {name} {usual:g}") from None
    if not least <= value <= most:
        raise DataError("bad_trigger", f"{name} takes {least:g} to {most:g}.", f"Like: {name} {usual:g}")
    return TriggerSchedule(name=name.replace("-", "_"), amount=value, zone=zone)


@cache
def ready_jobs() -> tuple[ReadyJob, ...]:
    """Every ready-made job."""
    return tuple(ReadyJob(id=name, **facts) for name, facts in table("jobs", "ready").items())


def ready_job(name: str) -> ReadyJob:
    """The ready-made job of that name. Raises NotFoundError."""
    found = next((each for each in ready_jobs() if each.id == name.casefold().strip()), None)
    if found is None:
        raise NotFoundError("unknown_job", f"There is no ready-made job {safe_name(name)!r}.", "secondme jobs ready")
    return found


class ProgramDesk(JobDesk):
    """The desk as programs come to it: they name a job by its whole id, and nothing else finds one. One that guesses would hit another."""

    async def find(self, reference: str) -> JobView:
        """The job with this id. Raises NotFoundError."""
        return await self._store.view(reference)


def coming(view: JobView, most: int = 5) -> list[datetime]:
    """Its next times, at most so many; none of a job that does not run by itself, or only looks whether something is so."""
    found: list[datetime] = []
    following = None if isinstance(view.job.schedule, TriggerSchedule) else view.next_at
    while following is not None and len(found) < most and (view.job.until is None or following <= view.job.until):
        found.append(following)
        after = next_after(view.job.schedule, to_ms(following))
        following = None if after is None else from_ms(after)
    return found
