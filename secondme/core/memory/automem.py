"""Conversations kept in AutoMem: slices of them go there, and what it finds comes back as messages that this machine has itself.

A contact is a tag made of a hash: AutoMem learns no id, number or name beside what is in the words. Its answers are only ever taken for
hashes of slices that are known here, so that nothing it says can end up in a prompt.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.memory.session_slices import session_slices
from secondme.core.providers.automem import MOST_AT_ONCE, NewMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondme.core.memory.automem_outbox import AutoMemOutbox, QueuedSlice
    from secondme.core.memory.session_slices import SpokenMessage
    from secondme.core.providers.automem import AutoMem

log = get_logger(__name__)

_ERASE_ROUNDS = 5
_MOST_FOUND = 50


@dataclass(frozen=True, slots=True)
class FoundSlice:
    """Messages of one conversation that AutoMem found; `score` is its own, between 0 and about 1."""

    session: int
    message_ids: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class LostSlices:
    """Conversations that lost a slice, and all messages that stood in the slices."""

    sessions: set[int]
    message_ids: set[str]


class AutoMemArchive:
    """What AutoMem has of every contact, kept as it should be. What cannot be done now is done by a later `flush`."""

    def __init__(self, server: AutoMem, outbox: AutoMemOutbox) -> None:
        self._server, self._outbox = server, outbox
        self._busy = asyncio.Lock()

    async def keep(self, contact_id: str, messages: Sequence[SpokenMessage], sessions: Iterable[int] | None = ()) -> int:
        """The conversations in `messages`, each of them whole, will be in AutoMem as they are now; how many slices are new. Repeatable: what
        is there already is not sent again, and what was edited replaces what it was; `sessions` (None: all others) without a message are
        gone. Nothing is sent yet."""
        contact = contact_key(contact_id)
        slices = {each.hash_for(contact): each for each in session_slices(messages)}
        whole = None if sessions is None else {message.session for message in messages}.union(sessions)
        return await asyncio.to_thread(self._outbox.replace_sessions, contact, slices, whole)

    def unsettled(self) -> int:
        """As AutoMemOutbox.waiting. Blocking."""
        return self._outbox.waiting()

    async def flush(self) -> int:
        """Everything that is due was tried: erasing first, then deleting, then storing; how many slices were stored. Repeatable.

        Raises what AutoMem raises (UnavailableError, CredentialsError, ConfigError, DataError); what failed is due again later, and
        nothing is lost.
        """
        async with self._busy:
            for contact, failures in await asyncio.to_thread(self._outbox.contacts_to_erase):
                await self._erase(contact, failures)
            await self._settle()
            stored = 0
            while rows := await asyncio.to_thread(self._outbox.take_waiting, MOST_AT_ONCE):
                stored += await self._store(rows)
            return stored

    async def recall(self, contact_id: str, question: str, most: int = _MOST_FOUND) -> list[FoundSlice]:
        """What AutoMem finds of this contact, the best first. Empty while it does not answer: memory works without it."""
        contact = contact_key(contact_id)
        try:
            found = await self._server.recall(question, _contact_tag(contact), most)
        except SecondmeError as error:
            log.info("automem_recall_failed", code=error.code)
            return []
        scores: dict[str, float] = {}
        for each in found:
            hash_ = each.metadata.get("hash")
            if isinstance(hash_, str):
                scores.setdefault(hash_, each.score)
        known = await asyncio.to_thread(self._outbox.messages_of, contact, scores)
        return [FoundSlice(*known[hash_], score) for hash_, score in scores.items() if hash_ in known]

    async def forget(self, contact_id: str) -> None:
        """AutoMem has nothing of the contact, nor has the outbox; it was asked, and said so. Repeatable.

        When it raises, the outbox has nothing of them any more, and every `flush` tries to erase the rest.
        """
        contact = contact_key(contact_id)
        await asyncio.to_thread(self._outbox.doom_contact, contact)
        async with self._busy:
            await self._erase(contact, 0)

    async def withdraw(self, contact_id: str, message_ids: Iterable[str]) -> LostSlices:
        """Every slice with one of these messages will be deleted by the next `settle`; what was lost, to be given to `keep` again without
        them. Repeatable."""
        return LostSlices(*await asyncio.to_thread(self._outbox.doom_messages, contact_key(contact_id), list(message_ids)))

    async def settle(self) -> None:
        """What is doubtful was looked up, and what is doomed deleted. Raises as `flush`, which does the rest later. Repeatable."""
        async with self._busy:
            await self._settle()

    async def close(self) -> None:
        """No file is open, no connection. Repeatable."""
        await self._server.close()
        await asyncio.to_thread(self._outbox.close)

    async def _settle(self) -> None:
        while doubtful := await asyncio.to_thread(self._outbox.doubtful, MOST_AT_ONCE):
            await self._look_up(doubtful)
        while doomed := await asyncio.to_thread(self._outbox.doomed, MOST_AT_ONCE):
            unknown = [row for row in doomed if row.memory_id is None]
            await self._look_up(unknown)  # they are gone, or have an id now
            for row in doomed:
                if row.memory_id is not None:
                    await self._delete(row, row.memory_id)

    async def _delete(self, row: QueuedSlice, memory_id: str) -> None:
        try:
            await self._server.delete(memory_id)
        except SecondmeError as error:
            await self._failed([row], error)
            raise
        await asyncio.to_thread(self._outbox.remove, [row.hash])

    async def _look_up(self, rows: Sequence[QueuedSlice]) -> None:
        """Each of these slices is known to be stored, once, or not to be. AutoMem may have them twice: an answer was lost, and then they
        were stored again."""
        for contact in dict.fromkeys(row.contact for row in rows):
            own = {row.hash: row for row in rows if row.contact == contact}
            ids: dict[str, str] = {}
            try:
                found = [each async for each in self._server.with_tag(_contact_tag(contact))]
                for each in found:
                    hash_ = each.metadata.get("hash")
                    if isinstance(hash_, str) and hash_ in own and ids.setdefault(hash_, each.id) != each.id:
                        await self._server.delete(each.id)
            except SecondmeError as error:
                await self._failed(list(own.values()), error)
                raise
            await asyncio.to_thread(self._outbox.stored, ids)
            await asyncio.to_thread(self._outbox.not_stored, own.keys() - ids.keys())

    async def _store(self, rows: Sequence[QueuedSlice]) -> int:
        """How many of the rows were stored. A batch that is refused is tried in halves, and what is refused by itself is given up."""
        try:
            ids = await self._server.store([_memory(row) for row in rows])
        except SecondmeError as error:
            await self._failed(rows, error)
            raise
        if ids is None and len(rows) == 1:
            log.warning("automem_refused_slice", characters=len(rows[0].content or ""))
            await asyncio.to_thread(self._outbox.remove, [rows[0].hash])
            return 0
        if ids is None:
            half = len(rows) // 2
            return await self._store(rows[:half]) + await self._store(rows[half:])
        pairs = {row.hash: memory_id for row, memory_id in zip(rows, ids, strict=True)}
        for unwanted in await asyncio.to_thread(self._outbox.stored, pairs):  # forgotten by somebody while it was on its way
            await self._server.delete(unwanted)
        return len(ids)

    async def _erase(self, contact: str, failures: int) -> None:
        tag = _contact_tag(contact)
        try:
            for _ in range(_ERASE_ROUNDS):
                await self._server.delete_with_tag(tag)
                if not await self._server.has_tag(tag):
                    await asyncio.to_thread(self._outbox.erased, contact)
                    return
            raise UnavailableError("automem_not_erased", "AutoMem still has something of a contact that was forgotten.")
        except SecondmeError as error:
            wait_s = error.retry_after_s if isinstance(error, UnavailableError) else None
            await asyncio.to_thread(self._outbox.not_erased, contact, failures, wait_s)
            raise

    async def _failed(self, rows: Sequence[QueuedSlice], error: SecondmeError) -> None:
        wait_s = error.retry_after_s if isinstance(error, UnavailableError) else None
        await asyncio.to_thread(self._outbox.failed, rows, wait_s)


def contact_key(contact_id: str) -> str:
    """What a contact is called outside of this machine: 16 hexadecimal digits."""
    return _digest(contact_id)


def _contact_tag(contact: str) -> str:
    return f"contact:{contact}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _memory(row: QueuedSlice) -> NewMemory:
    return NewMemory(
        content=row.content or "",
        tags=(_contact_tag(row.contact), f"session:{row.session}", "source:chat"),
        metadata={"hash": row.hash, "sess": row.session, "ts": row.at_ms},
        timestamp=from_ms(row.at_ms).isoformat(),
    )
