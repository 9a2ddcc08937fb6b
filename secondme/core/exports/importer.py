"""The importer: each export is read twice as a stream; what is worth keeping goes into the history of a contact whom the owner
named or approved, and into how the owner writes. Nothing is sent or queued, and no model is asked.

Of anybody else nothing is kept: of a stranger's chat, or a group's, only the owner's own words are measured.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from secondme.core.errors import DataError
from secondme.core.exports.conversation import MOST_OVERALL, Gathering, SpokenTurn, by_name, other_of, owner_of
from secondme.core.exports.export_file import ExportFile, MemberChoice
from secondme.core.exports.telegram import TelegramExport
from secondme.core.exports.whatsapp import WhatsAppExport
from secondme.core.exports.whatsapp_headers import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

    from secondme.core.exports.message import ExportedChat
    from secondme.core.ids import ContactId
    from secondme.core.records import OwnMessage, Turn
    from secondme.core.remember.store import Recollected

WHATSAPP = MemberChoice(".txt", "_chat.txt", "whatsapp")
TELEGRAM = MemberChoice(".json", "result.json")
_AT_A_TIME = 100
"""Own messages given away together."""


class Keeps(Protocol):
    """Where what is read goes."""

    async def turns(self, contact: ContactId, turns: Sequence[Turn], *, named: bool) -> Recollected:
        """The turns are in the contact's history."""
        ...

    async def own(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool) -> int:
        """How many of the owner's messages were not there before. Without a contact they are measured only."""
        ...


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the owner said, and what the settings say."""

    zone: tzinfo
    """Where the exporting phone was."""
    now: datetime
    me: str = ""
    """As the export names the owner; empty when unsaid."""
    usual_name: str = ""
    """As the owner is usually called."""
    contact: ContactId | None = None
    """Whose chat it is."""
    approved: tuple[tuple[ContactId, str | None], ...] = ()
    """Who was approved, and how they are called."""


@dataclass(slots=True)
class ImportTally:
    """What became of messages."""

    found: int = 0
    added: int = 0
    known: int = 0

    def add(self, found: int, added: int, known: int) -> None:
        """So many more."""
        self.found += found
        self.added += added
        self.known += known


@dataclass(slots=True)
class ChatReport:
    """What became of one chat."""

    chat: ExportedChat
    me: str
    contact: ContactId | None
    why: str
    """named, name, id: how we know the contact; or why nothing of the other one is kept: group, nobody_else, unknown, several,
    not_approved, saved_messages, bot, channel.
    """


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    path: Path
    chats: list[ChatReport] = field(default_factory=list)
    whatsapp: WhatsAppExport | None = None
    unreadable: int = 0
    """Entries of Telegram's that are no message."""
    messages: int = 0
    turns: ImportTally = field(default_factory=ImportTally)
    own: ImportTally = field(default_factory=ImportTally)


class Importer:
    """Imports files, one after the other."""

    def __init__(self, keeps: Keeps, wishes: ImportOptions, progress: Callable[[Path, int, int], None] | None = None) -> None:
        """`progress` is told, from another thread, how many more bytes of a file were read and how many there are, both passes together."""
        self._keeps = keeps
        self._wishes = wishes
        self._progress = progress
        self._is_stopping = False

    async def whatsapp(self, path: Path) -> FileReport:
        """A WhatsApp export, a text or a zip, is kept. Repeatable. Raises DataError, NotFoundError or UnavailableError."""
        return await self._import(FileReport(path), self._read_whatsapp)

    async def telegram(self, path: Path) -> FileReport:
        """A Telegram export in JSON, of one chat or an account, is kept. Repeatable. Raises as `whatsapp`."""
        return await self._import(FileReport(path), self._read_telegram)

    async def _import(self, report: FileReport, read: Callable[[FileReport], Iterator[tuple[ChatReport, Gathering]]]) -> FileReport:
        chats, overall = read(report), _Newest()
        while (step := await self._next(chats)) is not None:
            row, gathered = step
            report.chats.append(row)
            report.own.found += gathered.found
            if row.contact is None:
                overall.add(gathered.own)
            else:
                await self._keep(report, row, row.contact, gathered)
        said = overall.sorted()
        report.own.add(0, *await self._learn(None, said, named=False))
        return report

    async def _next(self, chats: Iterator[tuple[ChatReport, Gathering]]) -> tuple[ChatReport, Gathering] | None:
        """The next chat, read in a thread, which ends soon after this was cancelled: nobody waits for the rest of a large file."""
        try:
            return await asyncio.to_thread(next, chats, None)
        except asyncio.CancelledError:
            self._is_stopping = True
            raise

    async def _keep(self, report: FileReport, row: ChatReport, contact: ContactId, gathered: Gathering) -> None:
        named = row.why == "named"
        turns = [said.turn() for said in gathered.turns]
        fate = await self._keeps.turns(contact, turns, named=named)
        if fate.refused == "wrong_type":
            raise DataError("corrupt_record", f"The history of {contact} is no history; it was left as it is.")
        if fate.refused:  # it was revoked since the list was read
            row.contact, row.why = None, fate.refused
            return
        report.turns.add(len(turns), fate.added, fate.known)
        unknown = [said for said in gathered.own if said.id not in fate.live]  # else it was learnt from when it was said
        added, known = await self._learn(contact, unknown, named=named)
        report.own.add(0, added, known + len(gathered.own) - len(unknown))

    async def _learn(self, contact: ContactId | None, said: Sequence[SpokenTurn], *, named: bool) -> tuple[int, int]:
        added = 0
        for start in range(0, len(said), _AT_A_TIME):
            messages = [each.own() for each in said[start : start + _AT_A_TIME]]
            added += await self._keeps.own(contact, messages, named=named)
        return added, len(said) - added

    def _read_whatsapp(self, report: FileReport) -> Iterator[tuple[ChatReport, Gathering]]:
        wishes, file = self._wishes, ExportFile(report.path, WHATSAPP).check()
        tell = self._teller(report.path, file)
        export = WhatsAppExport(file, today=wishes.now.date(), known=self._names())
        chat = export.survey(tell)
        owner = owner_of(chat, named=wishes.me, usual=wishes.usual_name, what=report.path.name)
        row = ChatReport(chat, owner, *self._whose(chat, owner, can_name=True))
        gathered = self._gathering(row, owner)
        for message in export.messages(tell):
            report.messages += 1
            gathered.add(message)
        report.whatsapp = export
        yield row, gathered

    def _read_telegram(self, report: FileReport) -> Iterator[tuple[ChatReport, Gathering]]:
        file = ExportFile(report.path, TELEGRAM).check()
        tell = self._teller(report.path, file)
        export = TelegramExport(file)
        rows = [self._telegram_row(chat, export, report.path.name) for chat in export.survey(tell)]
        at, gathered = -1, None
        for number, message in export.messages(tell):
            report.messages += 1
            if number != at:
                if gathered is not None:
                    yield rows[at], gathered
                at, gathered = number, self._gathering(rows[number], rows[number].me)
            assert gathered is not None
            if not rows[at].chat.skipped:
                gathered.add(message)
        report.unreadable = export.unreadable
        if gathered is not None:
            yield rows[at], gathered

    def _telegram_row(self, chat: ExportedChat, export: TelegramExport, what: str) -> ChatReport:
        if chat.skipped:
            return ChatReport(chat, "", None, chat.skipped)
        named = self._wishes.me if chat.owner is None else ""  # what the export says is an id, and better than a name
        owner = owner_of(chat, named=named, usual=self._wishes.usual_name, what=what)
        is_only = sum(each.is_of_two for each in export.chats) == 1
        return ChatReport(chat, owner, *self._whose(chat, owner, can_name=is_only))

    def _gathering(self, row: ChatReport, owner: str) -> Gathering:
        return Gathering(WallClock(self._wishes.zone), owner, self._wishes.now, keeps_other=row.contact is not None)

    def _whose(self, chat: ExportedChat, owner: str, *, can_name: bool) -> tuple[ContactId | None, str]:
        """Whose chat it is, and how we know; or nobody's, and why."""
        if chat.is_group or len(chat.people.keys() | {owner}) > 2:  # noqa: PLR2004  a chat of two
            return None, "group"
        if self._wishes.contact is not None:
            if not can_name:
                raise DataError(
                    "contact_needs_one_chat",
                    "--contact names one chat, and there are several.",
                    "Give the export of that chat alone.",
                )
            return self._wishes.contact, "named"
        if chat.partner is not None:
            approved = next((contact for contact, _ in self._wishes.approved if contact == chat.partner), None)
            return approved, "id" if approved else "not_approved"
        other = other_of(chat, owner)
        if other is None:
            return None, "nobody_else"
        found = by_name(chat.name_of(other), self._wishes.approved)
        if len(found) == 1:
            return found[0], "name"
        return None, "several" if found else "unknown"

    def _names(self) -> list[str]:
        return [name for name in (self._wishes.me, self._wishes.usual_name, *(name for _, name in self._wishes.approved)) if name]

    def _teller(self, path: Path, file: ExportFile) -> Callable[[int], None]:
        def tell(more: int) -> None:
            if self._is_stopping:
                raise _StoppedError
            if self._progress is not None:
                self._progress(path, more, file.size * 2)

        return tell


class _StoppedError(Exception):
    """Nobody wants to know the rest. Ends the thread that reads; nobody sees it."""


class _Newest:
    """The newest of what was said, over several chats."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, SpokenTurn]] = []
        self._count = 0

    def add(self, said: Sequence[SpokenTurn]) -> None:
        """More of it."""
        for each in said:
            self._count += 1
            push = heapq.heappushpop if len(self._heap) >= MOST_OVERALL else heapq.heappush
            push(self._heap, (each.at, self._count, each))

    def sorted(self) -> list[SpokenTurn]:
        """Oldest first."""
        return [said for _, _, said in sorted(self._heap, key=lambda each: each[:2])]
