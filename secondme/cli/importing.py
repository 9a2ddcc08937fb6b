"""How does an import run at a terminal? Whose words they are, where they go, what is shown meanwhile, and what it came to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

from secondme.cli.output import CommandResult, ExitCode, Screen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from pathlib import Path

    from rich.progress import Progress, TaskID

    from secondme.cli.command import Invocation
    from secondme.core.config.loader import Settings
    from secondme.core.errors import SecondmeError
    from secondme.core.exports.importer import ChatReport, FileReport, Tally
    from secondme.core.exports.message import Chat
    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact, OwnMessage, Turn
    from secondme.core.remember.store import Recollected
    from secondme.core.store.client import Store

_MOST_PEOPLE = 50
"""Named in the result; a group may have thousands."""
_MOST_CHATS = 20
"""Shown to a person; a script gets all."""
_WHY = {
    "named": "kept, as you named them",
    "name": "kept: let in under this name",
    "id": "kept: let in",
    "group": "a group: of the others nothing is kept",
    "nobody_else": "nobody else wrote",
    "unknown": "of the other one nothing is kept: nobody you let in has this name. --contact ID keeps it",
    "several": "of the other one nothing is kept: several whom you let in have this name. --contact ID keeps it",
    "not_approved": "of the other one nothing is kept: not let in. --contact ID keeps it",
    "saved_messages": "your own notes: nothing is kept",
    "bot": "a bot: nothing is kept",
    "channel": "a channel: nothing is kept",
}


class _Stores:
    """Where what is read goes: the stores, or nowhere."""

    def __init__(self, store: Store, *, execute: bool) -> None:
        from secondme.core.remember.store import RecollectionStore, StyleStore

        self._recollection = RecollectionStore(store, execute=execute)
        self._style = StyleStore(store)
        self._execute = execute

    async def turns(self, contact: ContactId, turns: Sequence[Turn], *, named: bool) -> Recollected:
        """See `Keeps`."""
        return await self._recollection.recollect(contact, turns, named=named)

    async def own(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool) -> int:
        """See `Keeps`. In a dry run, what would be new as far as that can be told without writing."""
        if self._execute:
            return await self._style.add(contact, messages, named=named)
        known = {message.id for message in await self._style.own(contact)} if contact else set()
        return sum(message.id not in known for message in messages)


class _Bar:
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
        if self._bar is not None:
            self._bar.stop()

    def advance(self, path: Path, more: int, total: int) -> None:
        """So many more bytes of `path` were read. From whichever thread."""
        from secondme.core.text import safe_name

        if self._bar is None:
            return
        if path not in self._tasks:
            self._tasks[path] = self._bar.add_task(safe_name(path.name), total=total)
        self._bar.update(self._tasks[path], advance=more, total=total)


async def import_files(
    invocation: Invocation, platform: str, files: Sequence[Path], said: tuple[str, str, str], *, dry_run: bool
) -> CommandResult:
    """Each of `files` is imported; one that cannot be read does not keep the others out. `said`: --me, --contact, --timezone."""
    from secondme.cli.compose import open_store, pairing_store
    from secondme.core.clock import SystemClock
    from secondme.core.errors import DataError, NotFoundError
    from secondme.core.exports.importer import Importer, Wishes

    setup = invocation.setup()
    zone = _zone(said[2], setup.settings)
    reports: list[FileReport] = []
    errors: list[SecondmeError] = []
    async with open_store(setup) as store:
        approved = (await pairing_store(store, setup.settings).listing()).approved
        wishes = Wishes(
            zone=zone,
            now=SystemClock().now(),
            me=said[0],
            usual_name=setup.settings.persona.name,
            contact=_contact(said[1], approved) if said[1] else None,
            approved=tuple((_id(each), each.display_name) for each in approved),
        )
        with _Bar() as bar:
            importer = Importer(_Stores(store, execute=not dry_run), wishes, bar.advance)
            for path in files:
                try:
                    reports.append(await (importer.whatsapp(path) if platform == "whatsapp" else importer.telegram(path)))
                except (DataError, NotFoundError) as error:
                    errors.append(error)
    if len(errors) == 1 and not reports:
        raise errors[0]
    data = {"dryRun": dry_run, "timezone": str(zone), "files": [_file(report, zone) for report in reports]}
    code = ExitCode.BAD_INPUT if errors else ExitCode.DONE
    return CommandResult(data, lambda screen: _show(screen, data), code, errors, schema=f"secondme.import.{platform}/1")


def _zone(typed: str, settings: Settings) -> tzinfo:
    from zoneinfo import ZoneInfo

    import typer

    from secondme.cli.clone import zone_of

    if not typed:
        return zone_of(settings)
    try:
        return ZoneInfo(typed)
    except (KeyError, ValueError, OSError) as error:
        raise typer.BadParameter("--timezone takes a name like Europe/Madrid") from error


def _contact(typed: str, approved: Sequence[ApprovedContact]) -> ContactId:
    """Whom --contact means: somebody who was let in, by id or name, or anybody by a whole id."""
    from secondme.cli.contact_lookup import approved_contact
    from secondme.core.errors import NotFoundError
    from secondme.core.ids import contact_id, is_contact_id

    whole = typed.replace("@s.whatsapp.net", "@c.us")  # the same person
    try:
        return _id(approved_contact(whole, approved))
    except NotFoundError:
        if is_contact_id(whole) and (":" in whole or "@" in whole):
            return contact_id(whole)
        raise


def _id(contact: ApprovedContact) -> ContactId:
    from secondme.core.ids import ContactId

    return ContactId(contact.contact_id)


def _file(report: FileReport, zone: tzinfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": report.path.name,
        "chats": [_chat(each, zone) for each in report.chats],
        "messages": {**_kinds(report), "all": report.messages, "unreadable": report.unreadable},
        "turns": _tally(report.turns),
        "ownMessages": _tally(report.own),
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
    from secondme.core.exports.message import Kind

    return {kind.value: sum(each.chat.kinds[kind] for each in report.chats) for kind in Kind}


def _tally(tally: Tally) -> dict[str, int]:
    return {"found": tally.found, "added": tally.added, "known": tally.known}


def _chat(report: ChatReport, zone: tzinfo) -> dict[str, Any]:
    from secondme.core.clock import rfc3339
    from secondme.core.text import safe_name

    chat: Chat = report.chat
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


def _show(screen: Screen, data: dict[str, Any]) -> None:
    for file in data["files"]:
        screen.line(file["file"], "bold")
        kinds = ", ".join(
            f"{file['messages'][kind]} {kind}" for kind in ("text", "media", "system", "deleted") if file["messages"][kind]
        )
        screen.line(f"  {file['messages']['all']} messages: {kinds or 'none'}.")
        if "lines" in file:
            _show_lines(screen, file)
        for chat in file["chats"][:_MOST_CHATS]:
            _show_chat(screen, chat)
        if len(file["chats"]) > _MOST_CHATS:
            screen.line(f"  and {len(file['chats']) - _MOST_CHATS} more chats", "dim")
        for what, tally in (("Turns for the history", file["turns"]), ("Your own messages to learn from", file["ownMessages"])):
            screen.line(f"  {what}: {tally['found']} found, {tally['added']} new, {tally['known']} known before.")
    if data["dryRun"]:
        screen.line("Nothing was changed. Without --dry-run it is kept.")


def _show_lines(screen: Screen, file: dict[str, Any]) -> None:
    lines = file["lines"]
    screen.line(
        f"  {lines['all']} lines: {lines['messages']} begin a message, {lines['continuations']} go on, {lines['preamble']} stand before."
    )
    order = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}[file["dateOrder"]]
    screen.line(f"  Lines begin like {file['dialect']}; dates are {order}.")
    if file["dateOrderAmbiguous"]:
        screen.line("  That order is a guess: every date of this file could be read both ways. Look at the dates below.", "warn")


def _show_chat(screen: Screen, chat: dict[str, Any]) -> None:
    people = ", ".join(f"{each['name']} ({each['messages']})" for each in chat["people"][:6])
    screen.line(f"  {chat['title'] + ': ' if chat['title'] else ''}{people or 'nobody'}; {chat['from'][:10]} to {chat['to'][:10]}.")
    who = f"You are {chat['me']}; " if chat["me"] else ""
    screen.line(f"  {who}{chat['contact'] + ': ' if chat['contact'] else ''}{_WHY[chat['why']]}.")
