"""The feed: what journals say becomes memory, in the background; what was withdrawn, has expired or is too old is forgotten.

A journal's entry leaves it once the contact's file has it, so whoever is killed in between only reads it again. Each step may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms, to_ms
from secondme.core.errors import DataError, SecondmeError
from secondme.core.ids import ContactId, mask_contact_id
from secondme.core.log import get_logger
from secondme.core.memory.facts import Spoken
from secondme.core.memory.messages import ANYBODY, MemoryMessage, SpokenBy
from secondme.core.messages import Speaker, split_told
from secondme.core.records import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from secondme.core.config.models import MemorySettings
    from secondme.core.memory.facts import Fact
    from secondme.core.memory.index import ConversationIndex
    from secondme.core.memory.keeper import MemoryKeeper
    from secondme.core.memory.store import JournalStore
    from secondme.core.ports import Clock
    from secondme.core.store.history import HistoryStore

log = get_logger(__name__)

_LOOK_S = 2.0
_AGAIN_S = 30.0
"""After a file, or the store, refused."""
_AT_ONCE = 32
_ENTRIES = 500
_TIDY_S = 3600.0
_FLUSH_S = 30.0
_REST_S = 600.0
"""After something refused: a budget that is spent, a model that is away."""
_AFTER_S = 1.0
_WHOSE = {"user": frozenset({"contact"}), "assistant": frozenset({"owner", "clone"})}
"""Nobody takes back, or changes, what somebody else said."""
_SPEAKERS: dict[str, SpokenBy] = {"incoming": "contact", "fromMe": "owner", "outgoing": "clone"}


@dataclass(slots=True)
class JournalChanges:
    """What a part of a journal comes to, in its order: the last word about each message counts."""

    said: dict[str, MemoryMessage] = field(default_factory=dict)
    expiring: dict[str, int] = field(default_factory=dict)
    """Of what was said: when its chat forgets it."""
    edited: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Role and new words of messages that were said before."""
    claims: dict[str, Spoken] = field(default_factory=dict)
    """What facts may come from: not what was only passed on."""
    gone: dict[str, str] = field(default_factory=dict)
    """Id -> role of who took it back; empty: its chat forgot it."""

    def leave_out(self, message_ids: Collection[str]) -> None:
        """Nothing is said of these messages."""
        for message_id in message_ids:
            for part in (self.said, self.expiring, self.edited, self.claims):
                part.pop(message_id, None)


class MemoryFeed:
    """Keeps the memories of one home in step with what is said."""

    def __init__(
        self,
        journals: JournalStore,
        keeper: MemoryKeeper,
        history: HistoryStore,
        contacts: Callable[[], Awaitable[Collection[ContactId]]],
        settings: MemorySettings,
        clock: Clock,
    ) -> None:
        """`contacts` gives everybody who was approved."""
        self._journals = journals
        self._keeper = keeper
        self._memories = keeper.memories
        self._history = history
        self._contacts = contacts
        self._settings = settings
        self._clock = clock
        self.extract: Callable[[ContactId, Sequence[Spoken]], Awaitable[list[Fact]]] | None = None
        """Reads facts out of a conversation that is over, with a model; None: only rules do."""
        self.tell: Callable[[dict[str, str]], Awaitable[None]] | None = None
        """Tells whoever listens, the owner's own chat among them."""
        self._ending: dict[ContactId, float] = {}
        """When a contact's conversation counts as over, if nothing more is said."""
        self._next_flush = 0.0
        self._later: dict[ContactId, float] = {}
        """Contacts whose file refused, and when they are tried again."""

    async def run(self) -> None:
        """Until cancelled, what is said is remembered within seconds."""
        next_tidy = self._clock.monotonic()
        await self._begin_anew()
        while True:
            wait_s = _LOOK_S
            try:
                is_quiet = await self._journals.is_quiet(self._clock.now_ms())
                if not is_quiet:
                    await self.begin()
                    while await self.catch_up():
                        pass
                await self.mend()
                if not is_quiet:
                    await self.expire()
                await self.read_ended()
                if self._keeper.meaning is not None and await self._keeper.meaning.step():
                    wait_s = 0.0
                if self._keeper.graph is not None:
                    await self._keeper.graph.step()
                if self._clock.monotonic() >= next_tidy:
                    next_tidy = self._clock.monotonic() + _TIDY_S
                    await self.tidy()
            except SecondmeError as error:
                log.debug("memory_put_off", code=error.code)
                wait_s = _AGAIN_S / 6
            await self._clock.sleep(wait_s)

    async def _begin_anew(self) -> None:
        """What the last process left undone is done: conversations that nobody read, messages without a vector."""
        with contextlib.suppress(SecondmeError):
            contacts = await self._contacts()
            if self._keeper.meaning is not None:
                self._keeper.meaning.changed(*contacts)
            if self._keeper.graph is not None:
                self._keeper.graph.changed(*contacts)
            if self.extract is not None or self._keeper.archive is not None:
                self._ending = dict.fromkeys(contacts, self._clock.monotonic())

    async def begin(self) -> None:
        """Journals are written from now on, and what the histories hold is remembered. Repeatable, and cheap the second time."""
        if await self._journals.is_filled():
            return
        await self._journals.switch(on=True)
        for contact in await self._contacts():
            await self.fill(contact)
        await self._journals.filled()
        log.info("memory_filled")

    async def fill(self, contact: ContactId) -> int:
        """What the history still holds of the contact is remembered; returns how many messages are new. Repeatable."""
        _, before_ms = await self._journals.forgotten(contact)
        turns = [turn for turn in await self._history.said(contact) if to_ms(turn.timestamp) > before_ms]
        return await self._apply(contact, changes_of(turn.encode() for turn in turns))

    async def read_waiting(self, contact: ContactId) -> None:
        """Everything that the contact's journal holds is remembered. Repeatable."""
        while entries := await self._journals.read(contact, _ENTRIES):
            await self._read(contact, entries)

    async def catch_up(self) -> bool:
        """One step: the next entries of the contacts that wait longest are remembered. True when there was something, and there may be more."""
        now, done = self._clock.monotonic(), False
        for contact in await self._journals.due(_AT_ONCE):
            if self._later.get(contact, 0.0) > now:
                continue
            try:
                entries = await self._journals.read(contact, _ENTRIES)
                await self._read(contact, entries)
            except SecondmeError as error:
                self._later[contact] = now + _AGAIN_S
                log.warning("memory_refused", contact=mask_contact_id(contact), code=error.code)
                if not isinstance(error, DataError):
                    raise
            else:
                self._later.pop(contact, None)
                done = done or len(entries) == _ENTRIES
        return done

    async def _read(self, contact: ContactId, entries: list[bytes]) -> None:
        """The oldest entries of the contact's journal are remembered, and leave it."""
        before = self._memories.identity(contact)
        changes = changes_of(entries)
        await self._apply(contact, changes)
        if not await self._journals.unlist(contact, entries):  # somebody else read them, maybe to forget them
            gone, _ = await self._journals.forgotten(contact)
            await self._keeper.forget_messages(contact, [each for each in changes.said if each in gone])
            await self._forget_if_forgotten(contact, before)

    async def mend(self) -> None:
        """Who lost a damaged file has what the history still holds in a new one, and the owner hears of it."""
        for contact in map(ContactId, self._memories.damaged()):
            log.error("memory_damaged", contact=mask_contact_id(contact))
            await self.fill(contact)
            if self.tell is not None:
                await self.tell({"type": "memory_damaged", "contactId": contact})
            self._memories.mended(contact)

    async def read_ended(self) -> None:
        """Conversations that are over are read: by the small model for facts, where the owner wants that, and for AutoMem."""
        idle_ms = int(self._settings.idle_minutes * 60_000)
        for contact in [each for each, due in self._ending.items() if due <= self._clock.monotonic()]:
            self._ending[contact] = self._clock.monotonic() + _REST_S
            sessions = await asyncio.to_thread(
                self._memories.read, contact, partial(_unread, self._clock.now_ms() - idle_ms), otherwise=list[int]()
            )
            for session in sessions:
                if self.extract is not None:
                    await self._keeper.remember_facts(contact, await self.extract(contact, await self._spoken(contact, session)))
                await self._keeper.archive_sessions(contact, [session])
                await asyncio.to_thread(self._memories.read, contact, partial(_mark_read, session), otherwise=None)
            del self._ending[contact]
        if self._keeper.archive is not None and self._clock.monotonic() >= self._next_flush:
            self._next_flush = self._clock.monotonic() + _FLUSH_S
            await self._keeper.archive.flush()

    async def _spoken(self, contact: ContactId, session: int) -> list[Spoken]:
        said = await asyncio.to_thread(partial(self._memories.spoken, contact, [session], own=True))
        return [Spoken(message_id, at_ms, Speaker(speaker), text) for message_id, at_ms, speaker, text, _ in said]

    async def _forget_if_forgotten(self, contact: ContactId, before: int | None) -> None:
        """Who was forgotten while their journal was read is not remembered because of it: the file is another one than `before` then."""
        if self._memories.identity(contact) != before and contact not in await self._contacts():
            await self._keeper.forget_contact(contact)

    async def expire(self) -> None:
        """What its chat forgets by now is forgotten here too."""
        now_ms = self._clock.now_ms()
        for contact in await self._journals.expiring(now_ms):
            await self._journals.expect(contact, await self._keeper.forget_expired(contact, now_ms))

    async def tidy(self) -> None:
        """What is older than `memory.keep_days` is forgotten."""
        if self._settings.keep_days:
            before_ms = to_ms(from_ms(self._clock.now_ms()) - timedelta(days=self._settings.keep_days))
            for contact in await self._contacts():
                await self._keeper.forget_before(contact, before_ms)

    async def _apply(self, contact: ContactId, changes: JournalChanges) -> int:
        changes.leave_out((await self._journals.forgotten(contact))[0])
        # platforms' clocks have whole seconds: what came later stands later, and what is known keeps its place
        first = self._clock.now_ms() * 1000
        said = [replace(each, rank=first + number) for number, each in enumerate(changes.said.values())]
        count = await self._keeper.remember(contact, said, changes.claims.values())
        if said and (self.extract is not None or self._keeper.archive is not None):
            self._ending[contact] = self._clock.monotonic() + self._settings.idle_minutes * 60 + _AFTER_S
        for message_id, (role, words) in changes.edited.items():
            if await self._keeper.edit(contact, message_id, words, by=_WHOSE.get(role, ANYBODY)):
                known = await asyncio.to_thread(self._memories.named, contact, [message_id])
                await self._keeper.remember(
                    contact, [], [Spoken(each.id, each.at_ms, Speaker(each.speaker), _own_words(words)) for each in known]
                )
        for role in set(changes.gone.values()):
            ids = [message_id for message_id, whose in changes.gone.items() if whose == role]
            await self._keeper.forget_messages(contact, ids, by=_WHOSE.get(role, ANYBODY))
        if changes.expiring:
            await self._journals.expect(contact, min(changes.expiring.values()), sooner=True)
        return count


def changes_of(entries: Iterable[str | bytes]) -> JournalChanges:
    """What the entries of a journal come to. What cannot be read is nothing."""
    changes = JournalChanges()
    for entry in entries:
        try:
            raw = json.loads(entry)
        except (ValueError, RecursionError):
            continue
        if isinstance(raw, dict):
            _take(raw, entry, changes)
    return changes


def _take(raw: dict[str, Any], entry: str | bytes, changes: JournalChanges) -> None:
    gone = raw.get("gone")
    if isinstance(gone, str):
        changes.gone[gone] = str(raw.get("role", ""))
        changes.said.pop(gone, None)
        changes.claims.pop(gone, None)
        changes.edited.pop(gone, None)
    elif "timestamp" in raw:
        try:
            turn = Turn.decode(entry, "memory")
        except DataError:
            return
        if not turn.content.strip():
            return
        expires = {} if turn.expires_at is None else {turn.id: to_ms(turn.expires_at)}
        changes.said[turn.id] = MemoryMessage(
            turn.id,
            to_ms(turn.timestamp),
            _SPEAKERS[turn.type],
            turn.content,
            source=" ".join(turn.sources or ()),
            expires_ms=expires.get(turn.id, 0),
            forwarded=bool(turn.forwarded),
        )
        changes.expiring |= expires
        if not turn.forwarded:
            changes.claims[turn.id] = Spoken(
                turn.id, to_ms(turn.timestamp), Speaker(_SPEAKERS[turn.type]), _own_words(turn.content)
            )
        changes.gone.pop(turn.id, None)
    elif isinstance(raw.get("id"), str) and isinstance(raw.get("content"), str):
        changes.edited[raw["id"]] = (str(raw.get("role")), raw["content"])


def _own_words(content: str) -> str:
    """What somebody wrote and said: what can be seen in a picture is nobody's claim."""
    heard, typed = split_told(content)
    return "\n".join([*heard, typed]).strip()


def _unread(before_ms: int, index: ConversationIndex) -> list[int]:
    return index.unread(before_ms)


def _mark_read(session: int, index: ConversationIndex) -> None:
    index.mark_read(session)
