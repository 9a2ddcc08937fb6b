"""`secondme import`: what you said elsewhere becomes what the clone knows of you."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, note
from secondme.core.clock import rfc3339
from secondme.core.errors import DataError, NotFoundError, SecondmeError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence
    from datetime import tzinfo

    from rich.progress import Progress, TaskID

    from secondme.core.exports.importer import ChatReport, FileReport, ImportOptions, ImportTally
    from secondme.core.ids import ContactId
    from secondme.core.records import OwnMessage, Turn
    from secondme.core.remember.store import Recollected
    from secondme.services import Services

app = typer.Typer(help="Read chats that WhatsApp or Telegram exported. Nothing is sent.", no_args_is_help=True)

_Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="As it was exported.", readable=False)]
_Me = Annotated[str, typer.Option("--me", metavar="NAME", help="Who you are in it.")]
_Contact = Annotated[
    str,
    typer.Option(
        "--contact", metavar="ID", autocompletion=completion.approved, help="Whose chat it is; then what they said is kept too."
    ),
]
_Timezone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Where the phone was, like Europe/Madrid.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be kept.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say how the file was read, too.")]


@dataclass(frozen=True, slots=True)
class ImportWishes:
    """What the owner typed beside the files."""

    me: str = ""
    contact: str = ""
    timezone: str = ""
    dry_run: bool = field(default=False, kw_only=True)
    verbose: bool = field(default=False, kw_only=True)


_WHO = frozenset({"owner_unknown", "no_such_person", "name_not_unique"})
"""Errors that a choice of the file's authors mends."""
_MOST_PEOPLE = 50
"""Named in the result; a group may have thousands."""
_MOST_CHATS = 20
"""Shown to a person; a script gets all."""
_MOST_NAMED = 3
_WHY = {
    "named": "kept {kept}, as you said",
    "name": "kept {kept}, whom you approved under this name",
    "id": "kept {kept}, whom you approved",
    "group": "a group: only what you wrote is learnt from",
    "nobody_else": "nobody else wrote in it",
    "unknown": "what {other} wrote is not kept: nobody whom you approved has this name. If you know who it is, add --contact ID",
    "several": "what {other} wrote is not kept: several whom you approved have this name. Say which one with --contact ID",
    "not_approved": "what {other} wrote is not kept: you have not approved them. --contact ID keeps it all the same",
    "not_in_it": "nothing of it is kept: you wrote nothing in it",
    "saved_messages": "nothing of it is kept: these are your own notes",
    "bot": "nothing of it is kept: a bot",
    "channel": "nothing of it is kept: a channel",
}
"""Why the other one's words are kept or not; `{kept}` and `{other}` are filled in."""
_ORDERS = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}


@app.command()
@command("secondme.import.whatsapp/1")
async def whatsapp(
    invocation: Invocation,
    files: _Files,
    me: _Me = "",
    contact: _Contact = "",
    timezone: _Timezone = "",
    dry_run: _DryRun = False,
    verbose: _Verbose = False,
) -> CommandResult:
    """Read WhatsApp's exports: a .txt, or the .zip with it. What you wrote teaches the clone your style; repeating it changes nothing."""
    return await import_files(invocation, "whatsapp", files, ImportWishes(me, contact, timezone, dry_run=dry_run, verbose=verbose))


@app.command()
@command("secondme.import.telegram/1")
async def telegram(
    invocation: Invocation,
    files: _Files,
    me: _Me = "",
    contact: _Contact = "",
    timezone: _Timezone = "",
    dry_run: _DryRun = False,
    verbose: _Verbose = False,
) -> CommandResult:
    """Read Telegram's exports in JSON, of one chat or of the whole account."""
    return await import_files(invocation, "telegram", files, ImportWishes(me, contact, timezone, dry_run=dry_run, verbose=verbose))


async def import_files(
    invocation: Invocation,
    platform: str,
    files: Sequence[Path],
    wishes: ImportWishes,
) -> CommandResult:
    """Each of `files` is imported; one that cannot be read does not keep the others out."""
    from secondme.cli.contact_lookup import find_contact
    from secondme.core.admit.contact_lookup import EXACTLY
    from secondme.core.exports.importer import Importer, ImportOptions
    from secondme.core.ids import ContactId
    from secondme.stores import time_zone

    typed_zone = _zone(wishes.timezone) if wishes.timezone else None
    reports: list[FileReport] = []
    errors: list[SecondmeError] = []
    async with invocation.services() as services:
        zone = typed_zone or time_zone(services.settings)
        approved = (await services.listing()).approved
        options = ImportOptions(
            zone=zone,
            now=services.clock.now(),
            me=wishes.me,
            usual_name=services.settings.persona.name,
            contact=await find_contact(services, wishes.contact, EXACTLY) if wishes.contact else None,
            approved=tuple((ContactId(each.contact_id), each.display_name) for each in approved),
        )
        with _ProgressBar() as bar:
            sink = services.memory_sink if services.settings.memory.enabled and not wishes.dry_run else None
            stores = _Stores(services, execute=not wishes.dry_run)

            async def read(path: Path, me: str) -> FileReport:
                importer = Importer(stores, replace(options, me=me), bar.advance, sink=sink)
                return await (importer.whatsapp(path) if platform == "whatsapp" else importer.telegram(path))

            for path in files:
                try:
                    try:
                        reports.append(await read(path, wishes.me))
                    except DataError as error:
                        me = await _asked(invocation, platform, path, error, bar, options)
                        reports.append(await read(path, me))
                except (DataError, NotFoundError) as error:
                    errors.append(error)
    if len(errors) == 1 and not reports:
        raise errors[0]
    data = {
        "dryRun": wishes.dry_run,
        "timezone": str(zone),
        "files": [_file(report, zone) for report in reports],
        "replaced": sum(report.replaced for report in reports),
        "warnings": [warning for report in reports for warning in _warnings(report)],
    }
    return CommandResult(
        data, lambda screen: _show(screen, data, verbose=wishes.verbose), ExitCode.BAD_INPUT if errors else ExitCode.DONE, errors
    )


async def _asked(
    invocation: Invocation, platform: str, path: Path, error: DataError, bar: _ProgressBar, options: ImportOptions
) -> str:
    """Who of the file's authors the person at the terminal says they are. Raises `error` where it is about something else, or nobody can be
    asked."""
    from secondme.cli.onboard.authors import ask_who
    from secondme.cli.prompts import GoneBackError
    from secondme.core.exports.authors import authors_of

    if error.code not in _WHO or invocation.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise error
    bar.end()
    authors = await authors_of(path, options.now.date(), platform)
    note(f"{safe_name(path.name)}: {error.message}" if options.me else safe_name(path.name))
    try:
        return await ask_who(authors, options.me or options.usual_name)
    except GoneBackError:
        raise error from None


def _zone(typed: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(typed)
    except (KeyError, ValueError, OSError) as error:
        raise typer.BadParameter("--timezone takes a name like Europe/Madrid") from error


class _Stores:
    """Where what is read goes: the stores, or nowhere."""

    def __init__(self, services: Services, *, execute: bool) -> None:
        from secondme.core.remember.store import RecollectionStore

        self._store = services.store
        self._recollection = RecollectionStore(services.store, execute=execute)
        self._style = services.style
        self._execute = execute

    async def turns(self, contact: ContactId, turns: Sequence[Turn], *, named: bool, digest: str) -> Recollected:
        """See `Keeps`."""
        return await self._recollection.recollect(contact, turns, named=named, digest=digest)

    async def own(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool, digest: str) -> int:
        """See `Keeps`. In a dry run, what would be new as far as that can be told without writing."""
        if self._execute:
            return await self._style.add(contact, messages, named=named, digest=digest)
        known = {message.id for message in await self._style.own(contact)} if contact else set()
        return sum(message.id not in known for message in messages)

    async def given(self, contact: ContactId | None, digest: str) -> set[str]:
        """See `Keeps`."""
        return await self._style.given(contact, digest)

    async def retract(self, contact: ContactId | None, digest: str, ids: Collection[str]) -> int:
        """See `Keeps`."""
        return await self._style.retract(contact, digest, ids, execute=self._execute)

    def contacts(self, digest: str) -> AsyncIterator[ContactId]:
        """See `Keeps`."""
        from secondme.core.remember.store import contacts_given

        return contacts_given(self._store, digest)


class _ProgressBar:
    """How far it is, on a terminal; elsewhere nothing. It draws itself ten times a second, however often it is told."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._tasks: dict[Path, TaskID] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            name = TextColumn("{task.description}", markup=False)
            self._bar = Progress(
                name, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
            )
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """It is gone, and draws nothing any more: the terminal is somebody else's. Repeatable."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def advance(self, path: Path, more: int, total: int) -> None:
        """So many more bytes of `path` were read. From whichever thread."""
        if self._bar is None:
            return
        if path not in self._tasks:
            self._tasks[path] = self._bar.add_task(safe_name(path.name), total=total)
        self._bar.update(self._tasks[path], advance=more, total=total)


def _warnings(report: FileReport) -> Iterator[dict[str, Any]]:
    """What the owner should know of a file: each with the file's name, a code, how many there are, and a sentence."""

    def warning(code: str, count: int, message: str) -> dict[str, Any]:
        return {"file": report.path.name, "code": code, "count": count, "message": message}

    if report.is_contact_unused:
        whys = sorted({_WHY[row.why].format(kept="", other="the other one") for row in report.chats}) or ["no chat"]
        yield warning("contact_not_used", 1, f"--contact was not used: {'; '.join(whys)}.")
    if count := report.impossible_dates:
        what = f"{count} line{' has' if count == 1 else 's have'} a date that is no day of the calendar"
        yield warning("impossible_dates", count, f"{what}. They begin no message, and what they say is not kept.")
    if count := report.future_dates:
        what = f"{count} message{' is' if count == 1 else 's are'} dated in the future"
        yield warning(
            "future_dates", count, f"{what}. They are in no history; the phone's clock was wrong, or the order of dates is."
        )
    if count := report.unreadable:
        what = f"{count} {'entry has' if count == 1 else 'entries have'} no date or number that can be read"
        yield warning("unreadable_entries", count, f"{what}. Nothing of them is kept.")


def _file(report: FileReport, zone: tzinfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": report.path.name,
        "chats": [_chat(each, zone) for each in report.chats],
        "messages": {**_kinds(report), "all": report.messages, "unreadable": report.unreadable},
        "turns": _tally(report.turns),
        "ownMessages": _tally(report.own),
        "remembered": report.remembered,
    }
    if report.whatsapp is not None:
        export = report.whatsapp
        row |= {
            "dialect": export.dialect.name,
            "dateOrder": export.order,
            "dateOrderBy": export.reason,
            "dateOrderAmbiguous": export.reason == "guess",
            "lines": {
                "all": export.lines,
                "messages": report.messages,
                "continuations": export.lines - export.preamble - report.messages,
                "preamble": export.preamble,
            },
        }
    return row


def _kinds(report: FileReport) -> dict[str, int]:
    from secondme.core.exports.message import ExportedKind

    return {kind.value: sum(each.chat.kinds[kind] for each in report.chats) for kind in ExportedKind}


def _tally(tally: ImportTally) -> dict[str, int]:
    return {"found": tally.found, "added": tally.added, "known": tally.known}


def _chat(report: ChatReport, zone: tzinfo) -> dict[str, Any]:
    chat = report.chat
    span = {"from": chat.span.first, "to": chat.span.last}
    return {
        "title": safe_name(chat.title),
        "messages": chat.messages,
        **{name: rfc3339(moment.replace(tzinfo=zone)) if moment else "" for name, moment in span.items()},
        "people": [
            {"name": safe_name(chat.name_of(who)), "messages": count} for who, count in chat.people.most_common(_MOST_PEOPLE)
        ],
        "me": safe_name(chat.name_of(report.me)),
        "contact": report.contact or "",
        "why": report.why,
    }


def _show(screen: Screen, data: dict[str, Any], *, verbose: bool) -> None:
    from secondme.core.format import counted

    for file in data["files"]:
        screen.line(file["file"], "bold")
        for chat in file["chats"][:_MOST_CHATS]:
            _show_chat(screen, chat)
        if len(file["chats"]) > _MOST_CHATS:
            screen.line(f"  and {len(file['chats']) - _MOST_CHATS} more chats", "dim")
        _show_kept(screen, file, dry_run=data["dryRun"])
        if file.get("dateOrderAmbiguous"):
            order = _ORDERS[file["dateOrder"]]
            screen.line(f"  Its dates were read as {order}. That is a guess: every one of them could be read both ways.", "warn")
        for warning in data["warnings"]:
            if warning["file"] == file["file"]:
                screen.line(f"  {warning['message']}", "warn")
        if verbose:
            _show_reading(screen, file)
    if data["replaced"]:
        verb = "would go" if data["dryRun"] else "are gone"
        screen.line(f"{counted(data['replaced'], 'row')} that these files gave before, and do not give any more, {verb}.")
    if data["dryRun"]:
        screen.line("Nothing was changed. Without --dry-run it is kept.")


def _show_chat(screen: Screen, chat: dict[str, Any]) -> None:
    """One chat: with whom, how long, and whether their words are kept, with the reason."""
    from secondme.core.format import counted

    others = [each["name"] for each in chat["people"] if each["name"] != chat["me"]]
    with_whom = chat["title"] or ", ".join(others[:3]) or "nobody else"
    if len(others) > _MOST_NAMED and not chat["title"]:
        with_whom = f"{', '.join(others[:3])} and {len(others) - 3} more"
    first, last = chat["from"][:10], chat["to"][:10]
    when = "" if not first else f", {first}" if first == last else f", {first} to {last}"
    you = f"; you are {chat['me']}" if chat["me"] else ""
    screen.line(f"  {counted(chat['messages'], 'message')} with {with_whom}{when}{you}")
    kept = f"as the chat with {chat['contact']}" if chat["contact"] else ""
    why = _WHY[chat["why"]].format(kept=kept, other=with_whom)
    screen.line(f"  {why[0].upper()}{why[1:]}.", "" if chat["contact"] else "dim")


def _show_kept(screen: Screen, file: dict[str, Any], *, dry_run: bool) -> None:
    """What the clone has of the file now, and, where that is nothing, why."""
    from secondme.core.exports.conversation import HISTORY_AGE
    from secondme.core.format import counted

    turns, own = file["turns"], file["ownMessages"]
    if own["found"]:
        screen.line(f"  How you write: {_news(own, 'of your messages', dry_run=dry_run)}.")
    elif any(chat["me"] for chat in file["chats"]):
        screen.line("  How you write: nothing, for you wrote no text in it.")
    if turns["found"]:
        screen.line(f"  What was said last: {_news(turns, 'messages', dry_run=dry_run)}.")
    elif any(chat["contact"] for chat in file["chats"]):
        screen.line(f"  What was said last: nothing, for all of it is older than {HISTORY_AGE.days} days.")
    if file["remembered"]:
        screen.line(f"  What is remembered: {counted(file['remembered'], 'message')}.")


def _news(tally: dict[str, int], what: str, *, dry_run: bool) -> str:
    """`120 of your messages, all new`; what is neither new nor known had no room beside newer ones."""
    new, known = tally["added"], tally["known"]
    left = tally["found"] - new - known
    parts = [(new, "would be new" if dry_run else "new"), (known, "there before"), (left, "older than what is needed")]
    told = [(count, word) for count, word in parts if count]
    if len(told) == 1:
        return f"{tally['found']} {what}, {'all ' if tally['found'] > 1 else ''}{told[0][1]}"
    return f"{tally['found']} {what}, {', '.join(f'{count} {word}' for count, word in told)}"


def _show_reading(screen: Screen, file: dict[str, Any]) -> None:
    """How the file was read."""
    kinds = ", ".join(
        f"{file['messages'][kind]} {kind}" for kind in ("text", "media", "system", "deleted") if file["messages"][kind]
    )
    screen.line(f"  Read: {file['messages']['all']} messages: {kinds or 'none'}.", "dim")
    if "lines" in file:
        lines = file["lines"]
        goes_on = f"{lines['continuations']} go on, {lines['preamble']} stand before"
        screen.line(f"  Read: {lines['all']} lines: {lines['messages']} begin a message, {goes_on}.", "dim")
        screen.line(f"  Read: lines begin like {file['dialect']}; dates are {_ORDERS[file['dateOrder']]}.", "dim")
    for chat in file["chats"][:_MOST_CHATS]:
        people = ", ".join(f"{each['name']} ({each['messages']})" for each in chat["people"])
        screen.line(f"  Read: in {chat['title'] or 'it'} speak {people or 'nobody'}.", "dim")
