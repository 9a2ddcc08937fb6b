"""`secondme rehearse`: how much the clone sounds like its owner, before it may speak. Nothing is sent."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from secondme.cli.command import Invocation, command, duration
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, note
from secondme.cli.prompts import confirm
from secondme.core.clock import rfc3339
from secondme.core.format import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.errors import SecondmeError
    from secondme.core.records import ApprovedContact
    from secondme.core.rehearse.archive import RehearsalRun
    from secondme.core.rehearse.records import RehearsedAnswer
    from secondme.rehearsal_desk import RehearsalDesk, RehearsalPlan
    from secondme.services import Services

_MICROS = 1_000_000
_ITEMS = 20
_LIMITS = frozenset({"over_rehearsal_limit", "over_budget"})
"""What ends a run as the owner wished it."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed for a new run."""

    contact: tuple[str, ...]
    export: Path | None
    me: str
    bursts: int
    since: str
    persona: tuple[str, ...]
    model: tuple[str, ...]
    max_usd: float | None
    seed: int | None
    with_notes: bool
    against: str


@command("secondme.rehearse/1")
async def rehearse(  # noqa: PLR0913, PLR0917  typer reads options from a signature
    invocation: Invocation,
    contact: Annotated[
        list[str] | None,
        typer.Option(
            "--contact", metavar="ID", autocompletion=completion.approved, help="Only answers to them; several may be named."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="The chat in this export instead; it is kept nowhere.", readable=False),
    ] = None,
    me: Annotated[str, typer.Option("--me", metavar="NAME", help="Who you are in it.")] = "",
    bursts: Annotated[int, typer.Option("--bursts", metavar="N", min=1, max=500, help="How many of your answers.")] = 30,
    since: Annotated[str, typer.Option("--since", metavar="90d", help="No older ones.")] = "",
    persona: Annotated[
        list[str] | None,
        typer.Option("--persona", metavar="ID", autocompletion=completion.personas, help="In this voice; two are compared."),
    ] = None,
    model: Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="By this model; two are compared.")] = None,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", metavar="USD", min=0, help="It ends before it costs more; 0.50 unless said.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="The same answers again.")] = None,
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="RUN", help="The same answers as in that run, and compared with it: after another setting."
        ),
    ] = "",
    with_notes: Annotated[bool, typer.Option("--with-notes", help="With your notes on people, which are of today.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost.")] = False,
    resume: Annotated[
        str, typer.Option("--resume", metavar="RUN", help="Go on with a run; what was paid for is not paid again.")
    ] = "",
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Of this run, not the newest: show it, or what follows.")] = "",
    runs: Annotated[bool, typer.Option("--runs", help="Show the runs there are.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write it as a page to look at, side by side.")
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Tell yourself which answers are yours.")] = False,
    items: Annotated[int, typer.Option("--items", metavar="N", min=1, max=200, help="With --blind: of how many.")] = _ITEMS,
    for_friend: Annotated[
        Path | None,
        typer.Option(
            "--for-friend", metavar="FILE", help="With --contact: write a page on which they tell which answers are yours."
        ),
    ] = None,
    friend_result: Annotated[
        str, typer.Option("--friend-result", metavar="CODE", help="With --contact: what the code says that their page ended with.")
    ] = "",
    teach: Annotated[
        bool, typer.Option("--teach", help="Show what it got wrong, and teach it your own words; with --forget, it unlearns them.")
    ] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Delete the runs, or with --run that one.")] = False,
    with_texts: Annotated[bool, typer.Option("--with-texts", help="With --json: the words of the answers too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> CommandResult:
    """See how much the clone sounds like you: it answers your own past again, with only what was known then.

    Nothing is sent, and nothing is learnt. What it costs is said first.
    """
    asked: dict[str, object] = {"--runs": runs, "--blind": blind, "--teach": teach, "--forget": forget and not teach}
    asked |= {"--resume": resume, "--for-friend": for_friend, "--friend-result": friend_result}
    actions = [each for each, wanted in asked.items() if wanted]
    if len(actions) > 1:
        raise typer.BadParameter(f"{' and '.join(actions)} are two things: one at a time")
    typed = _Typed(
        tuple(contact or ()),
        export,
        me,
        bursts,
        since,
        tuple(persona or ()),
        tuple(model or ()),
        max_usd,
        seed,
        with_notes,
        against,
    )
    async with invocation.services(deciding=True) as services:
        from secondme.rehearsal_desk import RehearsalDesk

        desk = RehearsalDesk(services)
        desk.archive.expire(services.clock.now())
        if runs:
            return _runs(desk)
        if blind:
            return await _blind(desk, run, items)
        if for_friend or friend_result:
            return await _friend(services, desk, run, typed.contact, for_friend, friend_result)
        if teach:
            found = [each.contact_id for each in await _approved(services, typed.contact)]
            return await (_unlearnt(services, found, yes=yes) if forget else _taught(services, desk, run, found, yes=yes))
        if forget:
            return _forget(desk, run, yes=yes)
        if run:
            return _shown(desk, run, report, texts=with_texts)
        with _RunProgress() as progress:
            progress.say("Reading your past …")
            plan = await (desk.again(resume, max_usd) if resume else _plan(services, desk, typed))
        if dry_run:
            return _dry(plan)
        _ask(plan, yes=yes, as_json=invocation.as_json)
        return await _carried_out(desk, plan, report, texts=with_texts)


async def _plan(services: Services, desk: RehearsalDesk, typed: _Typed) -> RehearsalPlan:
    from secondme.cli.contact_lookup import find_approved, find_contact
    from secondme.core.admit.contact_lookup import EXACTLY
    from secondme.core.ids import ContactId
    from secondme.rehearsal_desk import RehearsalWishes

    found: list[ContactId] = []
    for each in typed.contact:
        if typed.export:
            found.append(await find_contact(services, each, EXACTLY))
        else:
            found.append(ContactId((await find_approved(services, each)).contact_id))
    wishes = RehearsalWishes(
        contacts=tuple(found),
        export=typed.export,
        me=typed.me,
        count=typed.bursts,
        since=duration(typed.since) if typed.since else None,
        personas=typed.persona,
        models=typed.model,
        max_usd=0.5 if typed.max_usd is None else typed.max_usd,
        seed=typed.seed,
        with_notes=typed.with_notes,
        against=typed.against,
    )
    return await desk.plan(wishes)


def _price(plan: RehearsalPlan) -> str:
    count, variants = len(plan.chosen), len(plan.head.variants)
    times = f" x {variants} variants" if variants > 1 else ""
    answers = "answer" if count == 1 else "answers"
    most = _usd(plan.head.max_micros)
    if plan.micros > plan.head.max_micros:
        return f"{count} {answers}{times}: about {_usd(plan.micros)}, and it stops at {most}. --max-usd allows more."
    return f"{count} {answers}{times}: about {_usd(plan.micros)} (at most {most}, then it stops)."


def _usd(micros: int) -> str:
    return f"${micros / _MICROS:.2f}" if micros >= _MICROS / 100 or not micros else f"${micros / _MICROS:.4f}"


def _ask(plan: RehearsalPlan, *, yes: bool, as_json: bool) -> None:
    """The owner knows what it costs, and said yes. Raises typer.Abort, and BadParameter where nobody can be asked."""
    if not as_json:
        note(_price(plan))
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")
    confirm("Nothing is sent. Go on?")


def _dry(plan: RehearsalPlan) -> CommandResult:
    contacts = sorted({each.contact for each in plan.chosen})
    data = {
        "dryRun": True,
        "answers": len(plan.chosen),
        "variants": [each.model_dump(mode="json") for each in plan.head.variants],
        "contacts": contacts,
        "seed": plan.head.seed,
        "estimateUsd": plan.micros / _MICROS,
        "mostUsd": min(plan.most, plan.head.max_micros) / _MICROS,
    }

    def show(screen: Screen) -> None:
        screen.line(_price(plan))
        first, last = plan.chosen[0].at, plan.chosen[-1].at
        people = counted(len(contacts), "person", "people")
        screen.line(f"To {people}, {first:%d %b %Y} - {last:%d %b %Y}. Seed {plan.head.seed}.", "dim")
        screen.line("Nobody was asked, and nothing was kept.", "dim")

    return CommandResult(data, show, schema="secondme.rehearse.plan/1")


async def _carried_out(desk: RehearsalDesk, plan: RehearsalPlan, report: Path | None, *, texts: bool) -> CommandResult:
    """The run, and what it came to. One that is interrupted says how to go on."""
    from secondme.core.providers.claude import Claude

    begun = ""

    def began(run_id: str) -> None:
        nonlocal begun
        begun = run_id

    try:
        with _RunProgress() as progress:
            end = await desk.run(plan, lambda settings: Claude(settings.model), progress.tell, began)
    except BaseException:
        if begun:
            note(f"What was answered is kept. To go on: secondme rehearse --resume {begun}")
        raise
    failed = [] if not end.ended or end.ended in _LIMITS else [_away(end.ended, end.run_id)]
    return _result(desk, desk.archive.load(end.run_id), report, texts=texts, ended=end.ended, errors=failed)


def _away(code: str, run_id: str) -> SecondmeError:
    from secondme.core.errors import UnavailableError

    return UnavailableError(code, "The model did not answer several times in a row.", f"secondme rehearse --resume {run_id}")


def _shown(desk: RehearsalDesk, run_id: str, report: Path | None, *, texts: bool) -> CommandResult:
    run = desk.archive.load(run_id)
    return _result(desk, run, report, texts=texts, ended="" if run.is_complete else "not_finished", errors=[])


def _result(
    desk: RehearsalDesk,
    run: RehearsalRun,
    page: Path | None,
    *,
    texts: bool,
    ended: str,
    errors: list[SecondmeError],
) -> CommandResult:
    from secondme.core.rehearse.report_text import lines

    found = desk.report(run)
    data: dict[str, Any] = {
        "run": run.head.id,
        "partial": bool(ended),
        "ended": ended,
        "costUsd": run.micros / _MICROS,
        **found.to_json(),
    }
    if texts:
        data["answers"] = [_with_texts(run, each) for each in run.answers.values()]
    where = desk.write_page(run, found, page) if page else None
    if where:
        data["page"] = str(where)

    def show(screen: Screen) -> None:
        for line in lines(found):
            screen.line(line)
        screen.line()
        if ended:
            screen.hint(f"{_ENDS.get(ended, 'It ended early.')} To go on: secondme rehearse --resume {run.head.id}", "warn")
        screen.line(f"It cost {_usd(run.micros)}. Run {run.head.id}.", "dim")
        if where:
            screen.line(f"Side by side: {where}", "accent")
        else:
            screen.hint(f"Side by side: secondme rehearse --run {run.head.id} --report rehearsal.html", "dim")
        screen.hint(f"Tell for yourself: secondme rehearse --run {run.head.id} --blind", "dim")

    return CommandResult(data, show, ExitCode.UNAVAILABLE if errors else ExitCode.DONE, errors)


_ENDS = {
    "over_rehearsal_limit": "It has spent what it may; --max-usd allows more.",
    "over_budget": "Today's budget is spent.",
    "not_finished": "It was not finished.",
}


def _with_texts(run: RehearsalRun, answer: RehearsedAnswer) -> dict[str, Any]:
    burst = run.bursts.get(answer.burst)
    return {
        "variant": answer.variant,
        "outcome": answer.outcome,
        "reason": answer.reason,
        "asked": list(burst.asked) if burst else [],
        "real": list(burst.real) if burst else [],
        "reply": list(answer.reply),
    }


async def _blind(desk: RehearsalDesk, run_id: str, items: int) -> CommandResult:
    """The owner said which answers are theirs, as far as they came; of the run's first variant."""
    from secondme.cli.blind_test import run_blind, show_blind

    with desk.archive.resume(run_id or desk.archive.latest().head.id) as file:
        summary = await run_blind(file, 0, items)
        data: dict[str, Any] = {"run": file.run.head.id, "done": summary.is_done, "pairs": summary.n}
        if summary.is_done:
            data |= {"right": summary.right, "noIdea": summary.no_idea, "same": summary.same, "remembered": summary.remembered}
    return CommandResult(data, lambda screen: show_blind(screen, summary, items), schema="secondme.rehearse.blind/1")


async def _friend(
    services: Services, desk: RehearsalDesk, run_id: str, references: Sequence[str], file: Path | None, code: str
) -> CommandResult:
    """The page for one friend is written, or the code that it ended with is read. It is sent by nobody but the owner."""
    from secondme.cli.contact_lookup import find_approved
    from secondme.cli.output import message_result
    from secondme.cli.prompts import ask_line
    from secondme.core.ids import ContactId
    from secondme.core.rehearse.friend_page import friend_page, read_friend_code

    if len(references) != 1:
        raise typer.BadParameter("name one person with --contact")
    run = desk.archive.load(run_id) if run_id else desk.archive.latest()
    friend = await find_approved(services, references[0])
    who = ContactId(friend.contact_id)
    if file is None:
        summary = read_friend_code(run, who, code)
        data = {"run": run.head.id, "pairs": summary.n, "right": summary.right, "noIdea": summary.no_idea}
        name = friend.shown_name or who
        return CommandResult(data, lambda screen: screen.line(summary.text(name)), schema="secondme.rehearse.friend/1")
    if not sys.stdin.isatty():
        raise typer.BadParameter("--for-friend needs a terminal: you type their name, so that it goes to nobody else")
    note("The page shows them your own conversation, and half of its answers are by an AI. You send it yourself.")
    page = friend_page(run, who, friend, ask_line("Their name: ").strip(), owner=services.settings.persona.name)
    desk.write_file(file, page)
    result = message_result(
        {"run": run.head.id, "page": str(file)},
        f"Written: {file}. They send you a code back:",
        f"secondme rehearse --contact {who} --friend-result CODE",
    )
    return CommandResult(result.data, result.show, schema="secondme.rehearse.friend-page/1")


def _runs(desk: RehearsalDesk) -> CommandResult:
    found = desk.archive.all()
    data = {
        "runs": [
            {
                "id": each.head.id,
                "begunAt": rfc3339(each.head.begun_at),
                "variants": [one.model_dump(mode="json") for one in each.head.variants],
                "answers": len(each.bursts),
                "complete": each.is_complete,
                "costUsd": each.micros / _MICROS,
            }
            for each in found
        ]
    }

    def show(screen: Screen) -> None:
        rows = [
            (
                each.head.id,
                ", ".join(one.persona or one.model for one in each.head.variants),
                str(len(each.bursts)),
                "" if each.is_complete else "not finished",
                _usd(each.micros),
            )
            for each in found
        ]
        screen.table(("run", "voice or model", "answers", "", "cost"), rows, empty="Nothing was rehearsed yet: secondme rehearse")

    return CommandResult(data, show, schema="secondme.rehearse.runs/1")


def _forget(desk: RehearsalDesk, run_id: str, *, yes: bool) -> CommandResult:
    from secondme.cli.output import message_result

    if run_id:
        desk.archive.load(run_id)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("without a terminal to ask on, add --yes")
        confirm(f"Delete {f'the run {run_id}' if run_id else 'every run'}?")
    count = desk.archive.forget(run_id or None)
    result = message_result({"deleted": count}, f"{count} {'run is' if count == 1 else 'runs are'} gone.")
    return CommandResult(result.data, result.show, schema="secondme.rehearse.forget/1")


async def _approved(services: Services, references: Sequence[str]) -> list[ApprovedContact]:
    """Those who were named; everybody when nobody was."""
    from secondme.cli.contact_lookup import find_approved

    if references:
        return [await find_approved(services, each) for each in references]
    return list((await services.listing()).approved)


async def _taught(services: Services, desk: RehearsalDesk, run_id: str, contacts: Sequence[str], *, yes: bool) -> CommandResult:
    """What the owner agreed to is kept with the contacts."""
    from secondme.core.ids import ContactId
    from secondme.core.rehearse.lessons import kept, proposals
    from secondme.core.text import safe_text

    run = desk.archive.load(run_id) if run_id else desk.archive.latest()
    known = {each.contact_id: each for each in (await services.listing()).approved}
    found = {who: lessons for who, lessons in proposals(run).items() if who in contacts and lessons}
    if not yes and found and not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")
    taught: list[dict[str, Any]] = []
    for who, lessons in found.items():
        agreed = []
        for lesson in lessons:
            if not yes:
                note(safe_text(f"To {known[who].shown_name or who}"), "bold")
                note(safe_text(f"  it wrote     {_indented(lesson.wrote)}"))
                note(safe_text(f"  you wrote    {_indented(lesson.real)}"))
                note(f"  so it was    {lesson.because}", "dim")
            if yes or _agrees("Teach it this?"):
                agreed.append(lesson)
        if agreed:
            await services.choices.set_lessons(ContactId(who), kept(known[who].lessons or (), agreed))
        taught += [{"contact": who, "because": each.because} for each in agreed]

    def show(screen: Screen) -> None:
        if not found:
            screen.line("Nothing it wrote there differs plainly enough from what you wrote to teach it by.")
            return
        count = len(taught)
        screen.line(f"{count} {'lesson is' if count == 1 else 'lessons are'} taught." if count else "Nothing is taught.")
        if count:
            screen.hint("See what they change: secondme rehearse", "dim")
            screen.hint("To take them back: secondme rehearse --teach --forget", "dim")

    return CommandResult({"run": run.head.id, "taught": taught}, show, schema="secondme.rehearse.teach/1")


def _indented(text: str) -> str:
    return text.replace("\n", "\n               ")


def _agrees(question: str) -> bool:
    """Whether the person said yes. Raises typer.Abort when they left."""
    return typer.confirm(question, default=False, err=True)


async def _unlearnt(services: Services, contacts: Sequence[str], *, yes: bool) -> CommandResult:
    """No lesson is kept with these contacts."""
    from secondme.cli.output import message_result
    from secondme.core.ids import ContactId

    having = [each for each in (await services.listing()).approved if each.contact_id in contacts and each.lessons]
    if having and not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("without a terminal to ask on, add --yes")
        confirm(f"Take back what it was taught about {'1 contact' if len(having) == 1 else f'{len(having)} contacts'}?")
    for each in having:
        await services.choices.set_lessons(ContactId(each.contact_id), ())
    result = message_result(
        {"contacts": [each.contact_id for each in having]}, "Nothing is taught any more." if having else "Nothing was taught."
    )
    return CommandResult(result.data, result.show, schema="secondme.rehearse.unteach/1")


class _RunProgress:
    """How far it is, on a terminal; elsewhere nothing."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def tell(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self.say(f"{done} of {total}")

    def say(self, text: str) -> None:
        """The line says this, in the place of what it said."""
        if self._is_shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
