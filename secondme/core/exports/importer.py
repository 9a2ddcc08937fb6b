"""The importer: each export is read twice as a stream; what is worth keeping goes into the history of a contact whom the owner
named or approved, and into how the owner writes. Nothing is sent or queued, and no model is asked.

Of anybody else nothing is kept: of a stranger's chat, or a group's, only the owner's own words are measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from secondme.core.clock import from_ms, to_ms
from secondme.core.errors import DataError
from secondme.core.exports.conversation import (
    HISTORY_AGE,
    MOST_OVERALL,
    Gathering,
    SpokenTurn,
    by_name,
    other_of,
    owner_of,
)
from secondme.core.exports.export_file import ExportFile, MemberChoice
from secondme.core.exports.telegram import TelegramExport
from secondme.core.exports.whatsapp import WhatsAppExport
from secondme.core.exports.whatsapp_headers import WallClock, latest_day
from secondme.core.remember.store import measure_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from secondme.core.exports.message import ExportedChat
    from secondme.core.ids import ContactId
    from secondme.core.records import OwnMessage, Turn
    from secondme.core.remember.store import Recollected

WHATSAPP = MemberChoice(".txt", "_chat.txt", "whatsapp")
TELEGRAM = MemberChoice(".json", "result.json")
_AT_A_TIME = 100
"""Own messages given away together."""
BATCH = 500
"""At most so many messages are handed on together."""


class Keeps(Protocol):
    """Where what is read goes. Every row carries the digest of its file, and what that file gave before is replaced."""

    async def turns(self, contact: ContactId, turns: Sequence[Turn], *, named: bool, digest: str) -> Recollected:
        """The turns are in the contact's history, and no others of this file."""
        ...

    async def own(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool, digest: str) -> int:
        """How many of the owner's messages were not there before. Without a contact they are measured only."""
        ...

    async def given(self, contact: ContactId | None, digest: str) -> set[str]:
        """The ids of the owner's messages that this file gave, now or before; without a contact those of their measures."""
        ...

    async def retract(self, contact: ContactId | None, digest: str, ids: Collection[str]) -> int:
        """How many of these ids are not of this file any more; what no other file gave is gone."""
        ...

    def contacts(self, digest: str) -> AsyncIterator[ContactId]:
        """Everybody of whom this file gave something that is still there; some of them twice."""
        ...


class ImportedMessage(NamedTuple):
    """One message of a conversation that is kept."""

    contact: ContactId
    id: str
    """`import:` and a hash; the same whenever this message is imported again, from whichever file."""
    at_ms: int
    """Unix time; messages of one minute stand a millisecond apart, in the order of the file."""
    speaker: Literal["contact", "owner"]
    text: str
    digest: str
    """Of the file."""


class ConversationSink(Protocol):
    """Takes whole conversations of exports, however old they are: what is to be remembered longer than a history lives."""

    async def replace(self, contact: ContactId, digest: str, messages: AsyncIterator[Sequence[ImportedMessage]]) -> None:
        """Of the file with this digest, `contact` has exactly these messages, once this returns. They come in the order of the file, at
        most `BATCH` at a time. What other files gave, or was kept as it was said, is as before; but of two exports of the same chat the newer
        one counts. Nothing has changed when `messages` raises. Repeatable.
        """
        ...

    async def withdraw(self, digest: str, contacts: Collection[ContactId]) -> None:
        """Of the file with this digest, nobody but `contacts` has any message. Repeatable."""
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
    not_approved, not_in_it, saved_messages, bot, channel.
    """


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    path: Path
    chats: list[ChatReport] = field(default_factory=list)
    whatsapp: WhatsAppExport | None = None
    unreadable: int = 0
    """Entries of Telegram's that are no message."""
    impossible_dates: int = 0
    """Lines with a day that no calendar has; what they say is not kept."""
    future_dates: int = 0
    """Messages that are dated after tomorrow."""
    is_contact_unused: bool = False
    """The owner named a contact, and no chat of this file is kept as theirs."""
    remembered: int = 0
    """Messages that memory has of this file now."""
    replaced: int = 0
    """Rows that this file gave before and does not give any more."""
    messages: int = 0
    turns: ImportTally = field(default_factory=ImportTally)
    own: ImportTally = field(default_factory=ImportTally)


class _Step(NamedTuple):
    """How far a chat was read."""

    row: ChatReport
    gathered: Gathering
    is_over: bool


class _NotKeptError(Exception):
    """The contact may not be kept after all. Ends what is handed on; nobody sees it."""


class Importer:
    """Imports files, one after the other."""

    def __init__(
        self,
        keeps: Keeps,
        wishes: ImportOptions,
        progress: Callable[[Path, int, int], None] | None = None,
        *,
        sink: ConversationSink | None = None,
    ) -> None:
        """`progress` is told, from another thread, how many more bytes of a file were read and how many there are, both passes together.
        `sink` is given every conversation with a contact, whole.
        """
        self._keeps = keeps
        self._wishes = wishes
        self._progress = progress
        self._sink = sink
        self._is_stopping = False

    async def whatsapp(self, path: Path) -> FileReport:
        """A WhatsApp export, a text or a zip, is kept, and replaces what the same file gave before. Repeatable. Raises DataError,
        NotFoundError or UnavailableError."""
        return await self._import(FileReport(path), ExportFile(path, WHATSAPP), self._read_whatsapp)

    async def telegram(self, path: Path) -> FileReport:
        """A Telegram export in JSON, of one chat or an account, is kept, and replaces what the same file gave before. Repeatable. Raises
        as `whatsapp`."""
        return await self._import(FileReport(path), ExportFile(path, TELEGRAM), self._read_telegram)

    async def _import(
        self, report: FileReport, file: ExportFile, read: Callable[[FileReport, ExportFile], Iterator[_Step]]
    ) -> FileReport:
        steps, overall = read(report, file), _Newest()
        kept: dict[ContactId, set[str]] = {}
        while (step := await self._next(steps)) is not None:
            row, is_nobodys = step.row, step.row.contact is None
            report.chats.append(row)
            with contextlib.suppress(_NotKeptError):
                async with contextlib.aclosing(self._reading(report, file, step, steps, kept)) as reading:
                    if self._sink is not None and row.contact is not None:
                        await self._sink.replace(row.contact, file.digest, reading)
                    async for _ in reading:
                        pass  # nobody takes it, or not to its end
            report.own.found += step.gathered.found
            if is_nobodys:
                overall.add(step.gathered.own)
        said = overall.sorted()
        report.own.add(0, *await self._learn(None, said, named=False, digest=file.digest))
        await self._withdraw(report, file.digest, kept, said)
        report.is_contact_unused = self._wishes.contact is not None and all(row.why != "named" for row in report.chats)
        return report

    async def _next(self, steps: Iterator[_Step]) -> _Step | None:
        """The next step, read in a thread, which ends soon after this was cancelled: nobody waits for the rest of a large file."""
        try:
            return await asyncio.to_thread(next, steps, None)
        except asyncio.CancelledError:
            self._is_stopping = True
            raise

    async def _reading(
        self, report: FileReport, file: ExportFile, step: _Step, steps: Iterator[_Step], kept: dict[ContactId, set[str]]
    ) -> AsyncGenerator[Sequence[ImportedMessage], None]:
        """One chat to its end, what is handed on of it in batches; and then it is kept. Raises _NotKeptError when it may not be."""
        row, contact = step.row, step.row.contact
        latest: _Step | None = step
        handed = 0
        while latest is not None:
            if contact is not None and (waiting := step.gathered.take()):
                report.remembered += len(waiting) if self._sink is not None else 0
                handed += len(waiting)
                yield [_handed(contact, said, file.digest) for said in waiting]
            latest = None if latest.is_over else await self._next(steps)
        if contact is not None:
            await self._keep(report, row, contact, step.gathered, file.digest, kept)
            if row.contact is None:
                report.remembered -= handed if self._sink is not None else 0
                raise _NotKeptError

    async def _keep(
        self,
        report: FileReport,
        row: ChatReport,
        contact: ContactId,
        gathered: Gathering,
        digest: str,
        kept: dict[ContactId, set[str]],
    ) -> None:
        named = row.why == "named"
        since, now = self._wishes.now - HISTORY_AGE, self._wishes.now
        recent = [said.id for said in gathered.turns if since <= said.at <= now]
        fate = await self._keeps.turns(contact, [said.turn(digest) for said in gathered.turns], named=named, digest=digest)
        if fate.refused == "wrong_type":
            raise DataError("corrupt_record", f"The history of {contact} is no history; it was left as it is.")
        if fate.refused:  # it was revoked since the list was read
            row.contact, row.why = None, fate.refused
            return
        report.turns.add(len(recent), fate.added, sum(each in fate.moments for each in recent) - fate.added)
        report.replaced += fate.gone
        moments = fate.moments
        unknown = [
            said._replace(at=from_ms(moments.get(said.id, to_ms(said.at)))) for said in gathered.own if said.id not in fate.live
        ]  # the others were learnt from when they were said
        added, known = await self._learn(contact, unknown, named=named, digest=digest)
        report.own.add(0, added, known + len(gathered.own) - len(unknown))
        kept.setdefault(contact, set()).update(said.id for said in unknown)

    async def _withdraw(self, report: FileReport, digest: str, kept: dict[ContactId, set[str]], said: Sequence[SpokenTurn]) -> None:
        """Of this file nothing is there but what it gave now, whoever was thought to be meant before."""
        others = {contact async for contact in self._keeps.contacts(digest) if contact not in kept}
        for contact in sorted(others):
            report.replaced += (await self._keeps.turns(contact, [], named=True, digest=digest)).gone
        for contact in (*sorted(others), *kept):
            stale = await self._keeps.given(contact, digest) - kept.get(contact, set())
            report.replaced += await self._keeps.retract(contact, digest, stale)
        measured = {measure_id(contact, each) for contact, ids in kept.items() for each in ids}
        measured |= {measure_id(None, each.id) for each in said}
        await self._keeps.retract(None, digest, await self._keeps.given(None, digest) - measured)
        if self._sink is not None:
            await self._sink.withdraw(digest, list(kept))

    async def _learn(self, contact: ContactId | None, said: Sequence[SpokenTurn], *, named: bool, digest: str) -> tuple[int, int]:
        added = 0
        for start in range(0, len(said), _AT_A_TIME):
            messages = [each.own(digest) for each in said[start : start + _AT_A_TIME]]
            added += await self._keeps.own(contact, messages, named=named, digest=digest)
        return added, len(said) - added

    def _read_whatsapp(self, report: FileReport, file: ExportFile) -> Iterator[_Step]:
        wishes = self._wishes
        tell = self._teller(report.path, file.check())
        export = WhatsAppExport(file, today=wishes.now.date(), known=self._names())
        chat = export.survey(tell)
        owner = owner_of(chat, named=wishes.me, usual=wishes.usual_name, what=report.path.name)
        row = ChatReport(chat, owner, *self._whose(chat, owner, can_name=True))
        gathered = self._gathering(row, owner)
        future = datetime.combine(latest_day(wishes.now.date()) + timedelta(days=1), time())
        for message in export.messages(tell):
            report.messages += 1
            report.future_dates += message.at >= future
            gathered.add(message)
            if len(gathered.waiting) >= BATCH:
                yield _Step(row, gathered, is_over=False)
        report.whatsapp, report.impossible_dates = export, export.impossible_dates
        yield _Step(row, gathered, is_over=True)

    def _read_telegram(self, report: FileReport, file: ExportFile) -> Iterator[_Step]:
        tell = self._teller(report.path, file.check())
        export = TelegramExport(file)
        rows = [self._telegram_row(chat, export, report.path.name) for chat in export.survey(tell)]
        at, gathered = -1, None
        for number, message in export.messages(tell):
            report.messages += 1
            if number != at:
                if gathered is not None:
                    yield _Step(rows[at], gathered, is_over=True)
                at, gathered = number, self._gathering(rows[number], rows[number].me)
            assert gathered is not None
            report.future_dates += message.at.date() > latest_day(self._wishes.now.date())
            if not rows[at].chat.skipped:
                gathered.add(message)
            if len(gathered.waiting) >= BATCH:
                yield _Step(rows[at], gathered, is_over=False)
        report.unreadable = export.unreadable
        if gathered is not None:
            yield _Step(rows[at], gathered, is_over=True)

    def _telegram_row(self, chat: ExportedChat, export: TelegramExport, what: str) -> ChatReport:
        if chat.skipped:
            return ChatReport(chat, "", None, chat.skipped)
        named = self._wishes.me if chat.owner is None else ""  # what the export says is an id, and better than a name
        try:
            owner = owner_of(chat, named=named, usual=self._wishes.usual_name, what=what)
        except DataError as error:
            if error.code != "no_such_person" or len(export.chats) == 1:
                raise
            return ChatReport(chat, "", None, "not_in_it")
        is_only = sum(each.is_of_two for each in export.chats) == 1
        return ChatReport(chat, owner, *self._whose(chat, owner, can_name=is_only))

    def _gathering(self, row: ChatReport, owner: str) -> Gathering:
        clock = WallClock(self._wishes.zone)
        return Gathering(clock, owner, keeps_other=row.contact is not None, is_handed_on=self._sink is not None)

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


def _handed(contact: ContactId, said: SpokenTurn, digest: str) -> ImportedMessage:
    speaker: Literal["contact", "owner"] = "contact" if said.role == "user" else "owner"
    return ImportedMessage(contact, said.id, to_ms(said.at), speaker, said.words, digest)


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
