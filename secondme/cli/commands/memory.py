"""`secondme memory`: what the clone remembers of each person; searched, shown, and forgotten."""

from __future__ import annotations

import asyncio
import sys
from datetime import date, datetime, timedelta
from pathlib import Path  # typer reads it
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.contact_lookup import find_approved, find_contact
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen, message_result
from secondme.core.admit.contact_lookup import ERASABLE

if TYPE_CHECKING:
    from datetime import tzinfo

    from pydantic import BaseModel

    from secondme.core.ids import ContactId
    from secondme.core.memory.reports import FactReport, ForgottenReport, MemoryOverview
    from secondme.services import Services

app = typer.Typer(help="What the clone remembers of each person.", no_args_is_help=True)

_Contact = Annotated[str, typer.Argument(metavar="CONTACT", help="A name, number or id.", autocompletion=completion.approved)]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_LINE = 200
_FACTS = 20


@app.command()
@command("secondme.memory.status/1")
async def status(invocation: Invocation) -> CommandResult:
    """How much is remembered, of how many people, and who is sent what for it."""
    from secondme.core.format import counted, size

    async with invocation.services() as services:
        found = await services.memory_desk.status()

    def show(screen: Screen) -> None:
        if not found.enabled:
            screen.line("Memory is off: the clone knows the newest turns of a conversation, and no more.", "warn")
            screen.hint(screen.typed("secondme config set memory.enabled true"), "dim")
        screen.line(
            f"{counted(found.contacts, 'person', 'people')}, {size(found.bytes)}; at most {found.budget_tokens:,} tokens of it for a reply"
        )
        if found.waiting:
            screen.line(f"{counted(found.waiting, 'contact')} with something that is not read yet.")
        if found.enabled and not found.filled:
            screen.line("It begins when a gateway runs: what the histories hold is remembered then.", "dim")
        if found.damaged:
            screen.line(f"{counted(found.damaged, 'damaged file')} set aside: {screen.typed('secondme memory index')}", "warn")
        if found.unsent:
            changes = counted(found.unsent, "change")
            screen.line(f"{changes} that a server has not taken yet: stored there, or erased, once it answers.", "warn")
        sent = ", ".join(found.recipients)
        screen.line(
            f"What people write goes to {sent}, to be found again." if sent else "Nothing of it leaves this machine.", "dim"
        )

    return CommandResult(_data(found), show)


@app.command()
@command("secondme.memory.search/1")
async def search(
    invocation: Invocation,
    contact: _Contact,
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="What you look for, as a question or in words.")],
    limit: Annotated[int, typer.Option(min=1, max=150, help="How many, the best.")] = 10,
) -> CommandResult:
    """Find what was said with somebody, as a reply would find it."""
    from secondme.core.gateway.trace_messages import found_by

    async with invocation.services() as services:
        who = await find_contact(services, contact)
        hits = await services.memory_desk.search(who, " ".join(words), limit)

    def show(screen: Screen) -> None:
        cells = [(each.at[:10], each.speaker, " ".join(each.text.split())[:_LINE], found_by(each.why)) for each in hits]
        screen.table(("said", "by", "words", "found by"), cells, empty="Nothing like that was said.")

    return CommandResult({"contact": who, "hits": [_data(each) for each in hits]}, show)


@app.command()
@command("secondme.memory.show/1")
async def show(invocation: Invocation, contact: _Contact) -> CommandResult:
    """What is remembered of somebody: how much, since when, from where, and which facts."""
    async with invocation.services() as services:
        who = await find_contact(services, contact)
        found = await services.memory_desk.overview(who)

    def display(screen: Screen) -> None:
        for each in found:
            _show_overview(screen, each)

    return CommandResult({"contacts": [_data(each) for each in found]}, display)


@app.command()
@command("secondme.memory.facts/1")
async def facts(
    invocation: Invocation,
    contact: _Contact,
    forget: Annotated[
        list[str] | None, typer.Option("--forget", metavar="ID", help="Forget this fact; can be given again.")
    ] = None,
    correct: Annotated[
        str, typer.Option("--correct", metavar="ID=VALUE", help="Put this in the place of a fact that is wrong.")
    ] = "",
) -> CommandResult:
    """The facts that are known from what somebody said, each with who said it; one that is wrong is forgotten."""
    async with invocation.services() as services:
        who = await find_contact(services, contact, ERASABLE)
        gone = await services.memory_desk.forget_facts(who, forget) if forget else 0
        if correct:
            await _correct(services, who, correct)
        found = [fact for each in await services.memory_desk.overview(who) for fact in each.facts]

    def show(screen: Screen) -> None:
        if forget:
            screen.line(f"{gone} forgotten.")
        _show_facts(screen, found)

    return CommandResult({"facts": [_data(each) for each in found], "forgotten": gone}, show)


async def _correct(services: Services, who: ContactId, correct: str) -> None:
    from secondme.core.errors import NotFoundError

    fact, equals, value = correct.partition("=")
    if not equals or not value.strip():
        raise typer.BadParameter("--correct takes an id and a value, like 3f2a91c0=Oslo")
    if not await services.memory_desk.correct_fact(who, fact.strip(), value):
        raise NotFoundError("no_such_fact", "There is no such fact.", f"secondme memory facts {who}")


@app.command()
@command("secondme.memory.forget/1")
async def forget(
    invocation: Invocation,
    contact: _Contact,
    message: Annotated[
        list[str] | None, typer.Option("--message", metavar="ID", help="Only this message; can be given again.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Only from this day on.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Only up to this day.")] = None,
    yes: _Yes = False,
) -> CommandResult:
    """Forget what was said with somebody, or a part of it, to the last byte. There is no way back; histories and styles stay."""
    from secondme.stores import time_zone

    async with invocation.services() as services:
        who = await find_contact(services, contact, ERASABLE)
        what = "these messages" if message else "that time" if since or until else "everything that was said"
        _ask(f"Forget {what} with {who}, for good?", yes=yes)
        if message:
            done = await services.memory_desk.forget_messages(who, message)
        elif since or until:
            done = await services.memory_desk.forget_span(who, *_span(since, until, time_zone(services.settings)))
        else:
            done = await services.memory_desk.forget_all(who)
    return _forgotten(str(who), done)


@app.command("eval")
@command("secondme.memory.eval/1")
async def evaluate(
    invocation: Invocation,
    contact: _Contact,
    questions: Annotated[
        Path, typer.Argument(metavar="FILE", help='A line each: {"question": "...", "answer": "words that the message has"}')
    ],
) -> CommandResult:
    """Measure how well what was said with somebody is found again, by questions that you know the answers to. Changes nothing."""
    asked = _questions(questions)
    async with invocation.services() as services:
        done = await services.memory_desk.evaluate(await find_contact(services, contact), asked)

    def show(screen: Screen) -> None:
        cells = [(str(each.place or "-"), "yes" if each.in_budget else "no", each.question[:_LINE]) for each in done.questions]
        screen.table(("place", "shown", "question"), cells, empty="The file has no questions.")
        shares = ", ".join(f"{share:.0%} in the first {name}" for name, share in done.found.items() if name != "inBudget")
        screen.line(f"{shares}; {done.found['inBudget']:.0%} would be shown to a reply.", "dim")

    return CommandResult(_data(done), show)


def _questions(path: Path) -> list[tuple[str, list[str]]]:
    """Of a file of JSON lines: each question with its answers. Raises DataError naming the line that is none."""
    from secondme.core.errors import DataError
    from secondme.core.text import plain_text

    try:
        lines = plain_text(path.read_bytes()).splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError("unreadable_questions", f"{path} cannot be read.", "It is a text file, a question a line.") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found += [_question(line)] if line.strip() else []
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            fix = 'It looks like {"question": "When is her birthday?", "answer": "4 May"}.'
            raise DataError("bad_question", f"Line {number} of {path} is no question with its answer.", fix) from error
    return found


def _question(line: str) -> tuple[str, list[str]]:
    import json

    raw = json.loads(line)
    answers = raw["answer"] if isinstance(raw["answer"], list) else [raw["answer"]]
    if not all(isinstance(each, str) and each.strip() for each in (raw["question"], *answers)):
        raise TypeError
    return raw["question"], answers


@app.command()
@command("secondme.memory.index/1")
async def index(
    invocation: Invocation,
    contact: Annotated[
        str | None, typer.Argument(metavar="[CONTACT]", help="Only of them.", autocompletion=completion.approved)
    ] = None,
) -> CommandResult:
    """Make the index anew from what is remembered, and remember what the histories still hold. Changes nothing of what was said."""
    from secondme.core.errors import ConfigError
    from secondme.core.format import counted
    from secondme.core.ids import ContactId

    async with invocation.services() as services:
        if not services.settings.memory.enabled:
            raise ConfigError("memory_off", "Memory is off.", "secondme config set memory.enabled true")
        chosen = [await find_approved(services, contact)] if contact else (await services.listing()).approved
        added = 0
        for each in chosen:
            added += await services.memory_feed.fill(ContactId(each.contact_id))
            await asyncio.to_thread(services.memories.rebuild, each.contact_id)
    told = f"Made anew: {counted(len(chosen), 'index', 'indexes')}. Added: {counted(added, 'message')}."
    return message_result({"contacts": len(chosen), "added": added}, told)


def _span(since: datetime | None, until: datetime | None, zone: tzinfo) -> tuple[int, int]:
    """From the beginning of one day up to the end of the other, in ms; the last day there is has no end."""
    first = 0 if since is None else int(since.replace(tzinfo=zone).timestamp() * 1000)
    if until is None or until.date() == date.max:
        return first, 1 << 53
    return first, int((until + timedelta(days=1)).replace(tzinfo=zone).timestamp() * 1000)


def _ask(question: str, *, yes: bool) -> None:
    from secondme.cli.prompts import confirm

    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("without a terminal to ask on, add --yes")
        confirm(question)


def _forgotten(who: str, done: ForgottenReport) -> CommandResult:
    from secondme.core.format import counted

    def show(screen: Screen) -> None:
        screen.line(f"{counted(done.messages, 'message')} and {counted(done.facts, 'fact')} forgotten.")
        if done.left:
            screen.line(f"Words of it are still in {counted(done.left, 'file')}: stop the gateway, and try again.", "bad")
        elif done.messages:
            screen.line("Their files were searched: nothing of it is left.", "dim")

    return CommandResult({"contact": who, **_data(done)}, show)


def _show_overview(screen: Screen, each: MemoryOverview) -> None:
    if not each.messages:
        screen.line(f"{each.contact_id}: nothing is remembered.", "dim")
        return
    first, last = (each.first_at or "")[:10], (each.last_at or "")[:10]
    screen.line(f"{each.contact_id}: {each.messages:,} messages from {first} to {last}", "bold")
    screen.line(
        f"  {each.by_contact:,} theirs, {each.by_owner:,} yours, {each.by_clone:,} of the clone; {each.imported:,} from exports",
        "dim",
    )
    _show_facts(screen, each.facts[:_FACTS])


def _show_facts(screen: Screen, found: list[FactReport]) -> None:
    cells = [
        (
            *(each.id[:8], each.said_by, each.kind.replace("_", " "), each.value, each.said_at[:10]),
            f"{each.text[:_LINE]}{' (no more)' if each.until else ''}",
        )
        for each in found
    ]
    screen.table(("id", "said by", "what", "is", "said", "in the words"), cells, empty="No facts are known.")


def _data(report: BaseModel) -> dict[str, Any]:
    return report.model_dump(mode="json", by_alias=True)
