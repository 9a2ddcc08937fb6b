"""`secondme jobs` and `secondme remind`: what the clone does without being written to."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command, duration
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, message_result, note
from secondme.cli.prompts import confirm
from secondme.core.clock import rfc3339
from secondme.core.enums import Thinking

if TYPE_CHECKING:
    from secondme.core.jobs.desk import JobDesk, JobWish
    from secondme.core.jobs.records import JobKind, JobRecord, JobRun, JobView
    from secondme.core.jobs.schedule import AnySchedule
    from secondme.services import Services

app = typer.Typer(help="What the clone does by itself: reminders and digests for you, drafts for others.", no_args_is_help=True)

_Reference = Annotated[
    str, typer.Argument(metavar="JOB", autocompletion=completion.jobs, help="A job's id or name, or the beginning of its id.")
]
_Zone = Annotated[str, typer.Option(metavar="ZONE", help="An IANA time zone, like Europe/Berlin; yours by default.")]
_SHOWN = 5


@app.command("list")
@command("secondme.jobs.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Show every job: when it comes next, and what became of it last."""
    async with invocation.services() as services:
        desk = _desk(services)
        views, is_off = await desk.all(), await desk.is_off()
        names = {each.contact_id: each.shown_name for each in (await services.listing()).approved}

    def show(screen: Screen) -> None:
        if is_off:
            screen.hint("No job runs by itself: secondme jobs on", "warn")
        rows = [
            (
                view.job.id,
                view.job.name,
                _when(view.job.schedule),
                _next(view),
                names.get(view.job.target) or view.job.target,
                _last(view),
            )
            for view in views
        ]
        screen.table(
            ("job", "name", "when", "next", "for", "last"), rows, empty="No jobs yet. To see what there is: secondme jobs ready"
        )

    return CommandResult({"off": is_off, "jobs": [_data(view) for view in views]}, show)


@app.command()
@command("secondme.jobs.ready/1")
async def ready(
    invocation: Invocation,
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", autocompletion=completion.ready_jobs, help="One of them: it is shown what it would say now."
        ),
    ] = None,
    cron: Annotated[str, typer.Option(metavar="LINE", help="Another time: minute, hour, day, month, weekday.")] = "",
    zone: _Zone = "",
    yes: Annotated[bool, typer.Option("--yes", help="Switch it on without asking.")] = False,
) -> CommandResult:
    """Ready-made jobs: a digest, who waits for you, your week. Each is off until you switch it on, and shows first what it would say."""
    from secondme.core.jobs.desk import ready_job

    async with invocation.services(deciding=True) as services:
        desk = _desk(services)
        if job is None:
            return _ready_ones(await desk.ready())
        found = ready_job(job)
        text = await _preview(services, found.id)
        note(f"{found.title}, now:", "bold")
        note(text or f"(nothing: {found.says_nothing_when})", "" if text else "dim")
        if not yes:
            if not sys.stdin.isatty():
                return CommandResult(
                    {"id": found.id, "preview": text, "on": False},
                    lambda screen: screen.hint(f"Switch it on: secondme jobs ready {found.id} --yes"),
                )
            confirm(f"Switch it on ({cron or found.cron})?")
        kept = await desk.choose(found.id, cron_line=cron, zone=zone)
        view = await desk.find(kept.id)
    return CommandResult({**_data(view), "preview": text, "on": True}, lambda screen: _made(screen, view))


@app.command()
@command("secondme.jobs.add/1")
async def add(  # noqa: PLR0913, PLR0917  an option for each thing that a job is
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="What you call it.")],
    cron: Annotated[str, typer.Option(metavar="LINE", help="Five fields: minute, hour, day, month, weekday.")] = "",
    every: Annotated[timedelta | None, typer.Option(parser=duration, metavar="15m..", help="In steps, like 2h.")] = None,
    at: Annotated[str, typer.Option(metavar="WHEN", help="Once, like 'tomorrow 9:00'.")] = "",
    when: Annotated[str, typer.Option(metavar="TRIGGER", help="When something is so, like 'owed 6h' or 'budget 80'.")] = "",
    on_call: Annotated[bool, typer.Option("--on-call", help="Only when you or a program runs it.")] = False,
    zone: _Zone = "",
    say: Annotated[str | None, typer.Option(metavar="TEXT", help="Tell you these words.")] = None,
    ask: Annotated[str | None, typer.Option(metavar="TEXT", help="Ask the clone, and tell you its answer: one call.")] = None,
    write: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Have it write to somebody (--to): a draft for you to send.")
    ] = None,
    to: Annotated[str, typer.Option(metavar="self|CONTACT", autocompletion=completion.approved, help="For whom.")] = "self",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Not after that.")] = "",
    thinking: Annotated[Thinking | None, typer.Option(help="How much it thinks first.")] = None,
    loud: Annotated[bool, typer.Option("--loud", help="Tell you at night too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show when it would come, and keep nothing.")] = False,
) -> CommandResult:
    """Make a job. It speaks to you; what it writes for others waits for you as a draft."""
    async with invocation.services(deciding=True) as services:
        desk = _desk(services)
        wish = _wish(
            name,
            say,
            ask,
            write,
            cron=cron,
            every=every,
            at=at,
            when=when,
            on_call=on_call,
            zone=zone,
            until=until,
            thinking=thinking,
            loud=loud,
        )
        wish = await _aimed(services, wish, to)
        if dry_run:
            job = await desk.draw(wish)
            return CommandResult(
                {"job": _record(job), "next": [rfc3339(each) for each in _coming(job)]}, lambda screen: _show_coming(screen, job)
            )
        job = await desk.add(wish)
        view = await desk.find(job.id)
    return CommandResult(_data(view), lambda screen: _made(screen, view))


@app.command()
@command("secondme.jobs.edit/1")
async def edit(  # noqa: PLR0913, PLR0917  as above
    invocation: Invocation,
    job: _Reference,
    cron: Annotated[str, typer.Option(metavar="LINE", help="Five fields: minute, hour, day, month, weekday.")] = "",
    every: Annotated[timedelta | None, typer.Option(parser=duration, metavar="15m..", help="In steps, like 2h.")] = None,
    at: Annotated[str, typer.Option(metavar="WHEN", help="Once, like 'tomorrow 9:00'.")] = "",
    zone: _Zone = "",
    text: Annotated[str | None, typer.Option(help="Its words.")] = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
) -> CommandResult:
    """Change when a job comes, what it says, or its name. For whom it is stays as it was."""
    async with invocation.services(deciding=True) as services:
        kept = await _desk(services).edit(job, cron_line=cron, gap=every, at=at, zone=zone, text=text, name=name)
        view = await _desk(services).find(kept.id)
    return CommandResult(_data(view), lambda screen: _made(screen, view))


@app.command()
@command("secondme.jobs.show/1")
async def show(invocation: Invocation, job: _Reference) -> CommandResult:
    """Show one job: what it does, when it comes, and what became of it."""
    async with invocation.services() as services:
        view = await _desk(services).find(job)
        runs = await services.jobs.runs(view.job.id)

    def shown(screen: Screen) -> None:
        screen.line(f"{view.job.id}  {view.job.name}", "bold")
        screen.line(f"{view.job.kind} for {view.job.target}; {_when(view.job.schedule)}; made by {view.job.origin}")
        if view.job.text:
            screen.line(view.job.text)
        _show_coming(screen, view.job, view)
        _show_runs(screen, runs[:_SHOWN])

    return CommandResult({**_data(view), "runs": [_run(each) for each in runs[:_SHOWN]]}, shown)


@app.command()
@command("secondme.jobs.runs/1")
async def runs(invocation: Invocation, job: _Reference) -> CommandResult:
    """Show what became of a job's runs, the newest first."""
    async with invocation.services() as services:
        found = await _desk(services).runs(job)
    return CommandResult({"runs": [_run(each) for each in found]}, lambda screen: _show_runs(screen, found))


@app.command()
@command("secondme.jobs.preview/1")
async def preview(invocation: Invocation, job: _Reference) -> CommandResult:
    """Show what a job would say if it came now. Nothing is sent or kept, and no model is asked."""
    async with invocation.services() as services:
        view = await _desk(services).find(job)
        text = await _preview(services, view.job.id) if not view.job.text else view.job.text

    def shown(screen: Screen) -> None:
        screen.line(text or "It would say nothing now.", "" if text else "dim")
        _show_coming(screen, view.job, view)

    return CommandResult({"id": view.job.id, "text": text, "next": [rfc3339(each) for each in _coming(view.job)]}, shown)


@app.command()
@command("secondme.jobs.run/1")
async def run(invocation: Invocation, job: _Reference) -> CommandResult:
    """Run a job now, whatever its schedule says. It goes the same way as when it comes by itself."""
    from secondme.core.errors import BusyError

    async with invocation.services(deciding=True) as services:
        view = await _desk(services).find(job)
        from secondme.job_desk import run_now

        outcome = await run_now(services, view.job.id)
        if outcome in {"busy", "taken", "stopped", "changed"}:
            why = "The kill switch is on." if outcome == "stopped" else "It is being run already."
            raise BusyError(f"job_{outcome}", why, "secondme kill --off" if outcome == "stopped" else "secondme jobs list")
        found = await services.jobs.runs(view.job.id)
    reason = found[0].why.replace("_", " ") if found else ""
    said = _OUTCOMES.get(outcome, outcome) + (f" ({reason})." if reason else "")
    code = ExitCode.DONE if outcome in {"queued", "draft", "nothing", "idle"} else ExitCode.NO
    return CommandResult({"id": view.job.id, "outcome": outcome, "why": reason}, lambda screen: screen.hint(said), code)


@app.command()
@command("secondme.jobs.pause/1")
async def pause(invocation: Invocation, job: _Reference) -> CommandResult:
    """Stop a job until you resume it; a run that is under way comes to nothing."""
    async with invocation.services(deciding=True) as services:
        view = await _desk(services).pause(job)
    return message_result(_data(view), f"{view.job.name} is paused.")


@app.command()
@command("secondme.jobs.resume/1")
async def resume(invocation: Invocation, job: _Reference) -> CommandResult:
    """Let a job run again, from its next time on."""
    async with invocation.services(deciding=True) as services:
        view = await _desk(services).resume(job)
    return CommandResult(_data(view), lambda screen: _made(screen, view))


@app.command()
@command("secondme.jobs.remove/1")
async def remove(invocation: Invocation, job: _Reference) -> CommandResult:
    """Remove a job for good."""
    async with invocation.services(deciding=True) as services:
        gone = await _desk(services).remove(job)
    return message_result({"id": gone.id, "outcome": "removed"}, f"{gone.name} is removed.")


@app.command()
@command("secondme.jobs.off/1")
async def off(invocation: Invocation) -> CommandResult:
    """Let no job run by itself any more, until `jobs on`."""
    async with invocation.services(deciding=True) as services:
        await _desk(services).switch_all(on=False)
    return message_result({"off": True}, "No job runs by itself any more.")


@app.command()
@command("secondme.jobs.on/1")
async def on(invocation: Invocation) -> CommandResult:
    """Let jobs run by themselves again. What was missed meanwhile comes once, where it still matters."""
    async with invocation.services(deciding=True) as services:
        await _desk(services).switch_all(on=True)
    return message_result({"off": False}, "Jobs run by themselves.")


@app.command()
@command("secondme.jobs.allow/1")
async def allow(
    invocation: Invocation,
    contact: Annotated[str, typer.Argument(metavar="CONTACT", autocompletion=completion.approved, help="Who may be written to.")],
    category: Annotated[str, typer.Argument(autocompletion=completion.words("greet", "followup"), help="What: greet or followup.")],
    lasts: Annotated[
        timedelta | None, typer.Option("--for", parser=duration, metavar="1d..365d", help="For how long; 90 days by default.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> CommandResult:
    """Let jobs write to one person without asking you, in one category and for a time. Where `jobs.reach` is `allowed`."""
    from secondme.cli.contact_lookup import find_approved
    from secondme.core.jobs.desk import GRANT_LASTS

    async with invocation.services(deciding=True) as services:
        found = await find_approved(services, contact)
        if not yes:
            confirm(
                f"Jobs may write to {found.shown_name or found.contact_id} in your name without asking you ({category}). Is that what you want?"
            )
        until = await _desk(services).allow(found, category, lasts or GRANT_LASTS)
        reach = services.settings.jobs.reach

    def shown(screen: Screen) -> None:
        screen.line(f"{found.shown_name or found.contact_id}: {category}, until {until:%Y-%m-%d}.")
        if reach != "allowed":
            screen.hint("It has no effect yet: secondme config set jobs.reach allowed", "warn")

    return CommandResult({"contactId": found.contact_id, "category": category, "until": rfc3339(until), "reach": reach}, shown)


@app.command()
@command("secondme.jobs.disallow/1")
async def disallow(
    invocation: Invocation,
    contact: Annotated[
        str, typer.Argument(metavar="CONTACT", autocompletion=completion.approved, help="Whom they may write to now.")
    ],
    category: Annotated[str, typer.Argument(autocompletion=completion.words("greet", "followup"), help="What: greet or followup.")],
) -> CommandResult:
    """Have jobs ask you again before they write to somebody."""
    from secondme.cli.contact_lookup import find_approved

    async with invocation.services(deciding=True) as services:
        found = await find_approved(services, contact)
        await _desk(services).disallow(found, category)
    return message_result(
        {"contactId": found.contact_id, "category": category}, f"Jobs ask you before they write to {found.contact_id}."
    )


@app.command()
@command("secondme.jobs.allowed/1")
async def allowed(invocation: Invocation) -> CommandResult:
    """Show whom jobs may write to without asking you, and until when."""
    async with invocation.services() as services:
        approved = (await services.listing()).approved
        grants = await _desk(services).allowed(approved)

    def shown(screen: Screen) -> None:
        rows = [(each.contact_id, each.category, f"{each.until:%Y-%m-%d}") for each in grants]
        screen.table(("contact", "what", "until"), rows, empty="Nobody: jobs ask you before they write to anybody.")

    rows = [{"contactId": each.contact_id, "category": each.category, "until": rfc3339(each.until)} for each in grants]
    return CommandResult({"grants": rows}, shown)


@command("secondme.remind/1")
async def remind(
    invocation: Invocation,
    when: Annotated[str, typer.Argument(metavar="WHEN", help="A time in quotes, like 'in 2h', 'tomorrow 9:00' or '24.12. 18:00'.")],
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="What you want to be told.")],
    zone: _Zone = "",
) -> CommandResult:
    """Be reminded in your own chat: these words, at that time."""
    async with invocation.services(deciding=True) as services:
        desk = _desk(services)
        moment = await desk.moment(when, zone)
        job = await desk.remind_at(moment, " ".join(text))
        now = datetime.fromtimestamp(await services.jobs.now_ms() / 1000, UTC)
        chats = await services.own_chats()
    words = moment.in_words(now)

    def shown(screen: Screen) -> None:
        screen.line(f"{words}: {job.text}")
        screen.hint(f"Not after all: secondme jobs remove {job.id}", "dim")
        if not chats:
            screen.hint("No channel knows a chat of yours yet, where it could be said: secondme channels connect telegram", "warn")

    return CommandResult(
        {"id": job.id, "at": rfc3339(moment.at), "inWords": words, "text": job.text, "hasOwnChat": bool(chats)}, shown
    )


_OUTCOMES = {
    "queued": "It is on its way to you.",
    "draft": "A draft waits for you: secondme drafts list",
    "nothing": "It has nothing to say now.",
    "idle": "It has nothing new to say.",
    "waiting": "It waits",
    "refused": "It may not do that",
    "limit": "Enough was said for now",
    "failed": "It did not work, and is tried again",
    "given_up": "It did not work",
    "overtaken": "Something was said meanwhile: nothing was written.",
}


def _desk(services: Services) -> JobDesk:
    from secondme.job_desk import job_desk

    return job_desk(services)


async def _preview(services: Services, job: str) -> str:
    from secondme.job_desk import preview

    return await preview(services, job)


def _wish(name: str, say: str | None, ask: str | None, write: str | None, **rest: Any) -> JobWish:
    from secondme.core.jobs.desk import JobWish

    kinds: dict[JobKind, str | None] = {"say": say, "ask": ask, "write": write}
    chosen = [(kind, text) for kind, text in kinds.items() if text is not None]
    if len(chosen) != 1:
        raise typer.BadParameter("name one of --say, --ask and --write: what it does")
    return JobWish(name, chosen[0][0], text=chosen[0][1] or "", **rest)


async def _aimed(services: Services, wish: JobWish, to: str) -> JobWish:
    """The wish, for whom it is. Raises NotFoundError for somebody who was not approved."""
    from dataclasses import replace

    from secondme.cli.contact_lookup import find_contact
    from secondme.core.admit.contact_lookup import CONVERSATION

    if (wish.kind == "write") != (to != "self"):
        raise typer.BadParameter("--write goes with --to CONTACT; --say and --ask are for you")
    if to == "self":
        return wish
    return replace(wish, target=await find_contact(services, to, CONVERSATION))


def _ready_ones(found: list[Any]) -> CommandResult:
    def show(screen: Screen) -> None:
        rows = [(each.id, each.title, each.cron, "on" if is_on else "off", each.says_nothing_when) for each, is_on in found]
        screen.table(("job", "what", "when", "", "says nothing when"), rows, empty="")
        screen.hint("See what one would say: secondme jobs ready digest", "dim")

    rows = [{"id": each.id, "title": each.title, "cron": each.cron, "on": is_on} for each, is_on in found]
    return CommandResult({"ready": rows}, show)


def _made(screen: Screen, view: JobView) -> None:
    screen.line(f"{view.job.id}  {view.job.name}", "bold")
    _show_coming(screen, view.job, view)


def _coming(job: JobRecord) -> list[datetime]:
    """Its next five times."""
    from secondme.core.clock import from_ms, to_ms
    from secondme.core.jobs.schedule import next_after

    found: list[datetime] = []
    at = to_ms(datetime.now(UTC))  # noqa: TID251  for a person's eyes
    while len(found) < _SHOWN and (following := next_after(job.schedule, at)) is not None:
        if job.until is not None and from_ms(following) > job.until:
            break
        found.append(from_ms(following))
        at = following
    return found


def _show_coming(screen: Screen, job: JobRecord, view: JobView | None = None) -> None:
    from secondme.core.format import span
    from secondme.core.jobs.schedule import zone_of

    if view is not None and not view.state.enabled:
        screen.hint(f"It does not run: {_WHY_NOT.get(view.state.why, view.state.why)}", "warn")
        return
    if job.schedule.kind in {"trigger", "call"}:
        screen.line(f"It comes {_when(job.schedule)}.", "dim")
        return
    zone, now = zone_of(job.schedule.zone), datetime.now(UTC)  # noqa: TID251  as above
    for at in _coming(job):
        screen.line(f"  {at.astimezone(zone):%a %d %b %Y %H:%M} {job.schedule.zone}, in {span(at - now)}", "dim")


def _show_runs(screen: Screen, found: list[JobRun]) -> None:
    def cells(each: JobRun) -> tuple[str, ...]:
        what = each.outcome.replace("_", " ") + (f" ({each.why.replace('_', ' ')})" if each.why else "")
        skipped = f", {each.skipped} before it" if each.skipped else ""
        return f"{each.occurrence.astimezone():%a %d %b %H:%M}", what + skipped, f"{each.ms} ms", " ".join(each.platform_ids)

    screen.table(
        ("for", "what became of it", "took", "platform's id"), [cells(each) for each in found], empty="It has not run yet."
    )


_WHY_NOT = {
    "paused": "you paused it. secondme jobs resume ID",
    "done": "it is over.",
    "failed": "it came to nothing too often. secondme jobs resume ID",
    "broken": "it can never come to anything: see secondme jobs runs ID",
}


def _when(schedule: AnySchedule) -> str:
    match schedule.kind:
        case "cron":
            return schedule.expr
        case "every":
            from secondme.core.format import span

            return f"every {span(timedelta(seconds=schedule.every_s))}"
        case "at":
            return "once"
        case "trigger":
            return f"when {schedule.name.replace('_', ' ')} {schedule.amount:g}"
        case "call":
            return "when it is run"


def _next(view: JobView) -> str:
    from secondme.core.jobs.schedule import zone_of

    if not view.state.enabled:
        return view.state.why or "off"
    if view.state.is_open:
        return "now"
    return f"{view.next_at.astimezone(zone_of(view.job.schedule.zone)):%a %d %b %H:%M}" if view.next_at else "-"


def _last(view: JobView) -> str:
    return "" if view.last is None else view.last.outcome.replace("_", " ")


def _record(job: JobRecord) -> dict[str, Any]:
    row = job.to_dict()
    row |= {
        "createdAt": rfc3339(job.created_at),
        "editedAt": rfc3339(job.edited_at),
        "schedule": job.schedule.model_dump(by_alias=True),
    }
    if job.until is not None:
        row["until"] = rfc3339(job.until)
    return row


def _data(view: JobView) -> dict[str, Any]:
    state = {"enabled": view.state.enabled, "why": view.state.why, "running": view.state.is_open, "fails": view.state.fails}
    return {
        **_record(view.job),
        **state,
        "next": rfc3339(view.next_at) if view.next_at else None,
        "last": _run(view.last) if view.last else None,
    }


def _run(run: JobRun) -> dict[str, Any]:
    row = run.model_dump(by_alias=True, mode="json")
    row |= {"occurrence": rfc3339(run.occurrence), "at": rfc3339(run.at), "sentAt": rfc3339(run.sent_at) if run.sent_at else None}
    return row
