"""The keeper: everything that is remembered is written, and forgotten, here; in the contact's file and in whatever else was chosen.

The file counts. A server (AutoMem, FalkorDB) that does not answer stops nothing: what is to be stored or erased there is done later, and
nothing of it is forgotten.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError
from secondme.core.ids import mask_contact_id
from secondme.core.log import get_logger
from secondme.core.memory.embedding_cache import text_hash
from secondme.core.memory.facts import facts_in
from secondme.core.memory.messages import ANYBODY
from secondme.core.memory.session_slices import SpokenMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from secondme.core.config.models import MemorySettings
    from secondme.core.ids import ContactId
    from secondme.core.memory.automem import AutoMemArchive
    from secondme.core.memory.embedding_cache import EmbeddingCache
    from secondme.core.memory.facts import Fact, Spoken
    from secondme.core.memory.graph import FactGraph
    from secondme.core.memory.library import Memories
    from secondme.core.memory.meaning import MeaningIndex
    from secondme.core.memory.messages import MemoryMessage

log = get_logger(__name__)


class MemoryKeeper:
    """Writes and forgets for one home."""

    def __init__(self, memories: Memories, settings: MemorySettings) -> None:
        self.memories = memories
        self.cache: EmbeddingCache | None = None
        self.meaning: MeaningIndex | None = None
        self.archive: AutoMemArchive | None = None
        self.graph: FactGraph | None = None
        self.tell_facts: Callable[[ContactId, Sequence[Fact]], Awaitable[None]] | None = None
        """Is told which facts of a contact were found, maybe again; with none, that some are gone."""
        self._settings = settings

    async def remember(self, contact: ContactId, messages: Sequence[MemoryMessage], claims: Iterable[Spoken] = ()) -> int:
        """The messages are remembered, and the facts that rules find in `claims`; how many messages are new or say something else now.
        Repeatable."""
        count = await asyncio.to_thread(self.memories.append, contact, messages) if messages else 0
        if self._settings.facts != "off":
            await self.remember_facts(
                contact, await asyncio.to_thread(lambda: [fact for each in claims for fact in facts_in(each)])
            )
        if self.meaning is not None and messages:
            self.meaning.changed(contact)
        return count

    async def remember_facts(self, contact: ContactId, facts: Sequence[Fact]) -> int:
        """The facts are remembered, as far as their messages are; how many are new. Repeatable."""
        count = await asyncio.to_thread(self.memories.add_facts, contact, facts) if facts else 0
        if facts and self.graph is not None:
            self.graph.changed(contact)
        if facts and self.tell_facts is not None:
            await self.tell_facts(contact, facts)
        return count

    async def forget_facts(self, contact: ContactId, keys: Collection[str]) -> int:
        """These facts are gone; how many there were. What was said stays. Repeatable. Raises BusyError, UnavailableError."""
        count = await asyncio.to_thread(self.memories.forget_facts, contact, keys)
        await self._settle_facts(contact)
        return count

    async def edit(self, contact: ContactId, message_id: str, text: str, by: Collection[str] = ANYBODY) -> bool:
        """True when the message is known and one of `by` said it; it says `text` now, everywhere. Repeatable."""
        await self._uncache([body for *_, body, _ in await asyncio.to_thread(self.memories.said_in, contact, [message_id])])
        if not await asyncio.to_thread(self.memories.edit, contact, message_id, text, by):
            return False
        await self._withdraw(contact, [message_id])
        await self._settle_facts(contact)
        if self.meaning is not None:
            self.meaning.changed(contact)
        return True

    async def forget_messages(self, contact: ContactId, message_ids: Sequence[str], by: Collection[str] = ANYBODY) -> int:
        """Nothing of these messages, as far as one of `by` said them, is left anywhere on this machine; servers that do not answer erase them
        later. Returns how many there were. Repeatable. Raises BusyError, UnavailableError."""
        said = await asyncio.to_thread(self.memories.said_in, contact, message_ids)
        meant = {message_id: body for message_id, _, speaker, body, _ in said if speaker in by}
        await self._uncache(meant.values())  # first: whoever is stopped after the next step does not know the words any more
        await asyncio.to_thread(self.memories.discard_damaged, contact, meant.values())
        count = await asyncio.to_thread(self.memories.forget_messages, contact, message_ids, by)
        await self._withdraw(contact, list(meant or message_ids))
        await self._settle_facts(contact)
        return count

    async def correct_fact(self, contact: ContactId, key: str, value: str, at_ms: int) -> bool:
        """True when the fact is known: the owner's `value` stands in its place, from the same messages. Raises as `forget_facts`."""
        is_known = await asyncio.to_thread(self.memories.correct_fact, contact, key, value, at_ms)
        await self._settle_facts(contact)
        return is_known

    async def forget_expired(self, contact: ContactId, now_ms: int) -> int | None:
        """As `forget_messages`, for what its chat forgets by now; returns when the next one expires, or None."""
        gone = await asyncio.to_thread(self.memories.expired, contact, now_ms)
        await self.forget_messages(contact, gone)  # also without any: the last time may have been cut short
        return await asyncio.to_thread(self.memories.next_expiry, contact)

    async def forget_before(self, contact: ContactId, at_ms: int) -> None:
        """As `forget_messages`, for everything older than `at_ms`."""
        await self.forget_messages(contact, await asyncio.to_thread(self.memories.older, contact, at_ms))

    async def forget_contact(self, contact: ContactId) -> bool:
        """Nothing of the contact is left anywhere on this machine; servers that do not answer erase it later. True when there was something.
        Repeatable."""
        if self.cache is not None:
            await self._uncache([each.text for each in await asyncio.to_thread(self.memories.messages, contact)])
        was = await asyncio.to_thread(self.memories.forget, contact)
        if self.archive is not None:
            try:
                await self.archive.forget(contact)
            except SecondmeError as error:
                log.warning("automem_erases_later", contact=mask_contact_id(contact), code=error.code)
        await self._settle_facts(contact)
        return was

    async def archive_sessions(self, contact: ContactId, sessions: Collection[int] | None = None) -> int:
        """These conversations (None: all) will be in AutoMem as they are now; how many slices are new. Repeatable, and nothing is sent yet."""
        if self.archive is None:
            return 0
        said = await asyncio.to_thread(self.memories.spoken, contact, sessions)
        return await self.archive.keep(contact, [SpokenMessage(*each) for each in said], sessions)

    async def close(self) -> None:
        """No file is open, no connection. Repeatable."""
        if self.meaning is not None:
            await self.meaning.close()
        if self.cache is not None:
            await asyncio.to_thread(self.cache.close)
        if self.archive is not None:
            await self.archive.close()
        if self.graph is not None:
            await self.graph.close()
        await asyncio.to_thread(self.memories.close)

    async def _uncache(self, texts: Collection[str]) -> None:
        if self.cache is not None and texts:
            await asyncio.to_thread(self.cache.erase, map(text_hash, texts))

    async def _withdraw(self, contact: ContactId, message_ids: Sequence[str]) -> None:
        """AutoMem loses what it has of these messages, and gets what is left of their conversations, which may be others now."""
        if self.archive is None or not message_ids:
            return
        try:
            lost = await self.archive.withdraw(contact, message_ids)
            left = await asyncio.to_thread(self.memories.said_in, contact, lost.message_ids)
            await self.archive_sessions(contact, lost.sessions | {session for *_, session in left})
            await self.archive.settle()
        except SecondmeError as error:
            log.warning("automem_erases_later", contact=mask_contact_id(contact), code=error.code)

    async def _settle_facts(self, contact: ContactId) -> None:
        """Who listens knows that facts are gone; they are out of the graph, now or once the server answers."""
        if self.tell_facts is not None:
            await self.tell_facts(contact, ())
        if self.graph is None:
            return
        self.graph.changed(contact)
        try:
            await self.graph.settle(contact)
        except SecondmeError as error:
            log.warning("graph_later", contact=mask_contact_id(contact), code=error.code)
