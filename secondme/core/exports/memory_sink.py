"""Where whole conversations of exports go: into memory, with the digest of the file that gave them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from secondme.core.memory.facts import Spoken
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Speaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from secondme.core.exports.importer import ImportedMessage
    from secondme.core.ids import ContactId
    from secondme.core.memory.index import ConversationIndex
    from secondme.core.memory.keeper import MemoryKeeper

_MINUTE_MS = 60_000


class MemorySink:
    """A ConversationSink. `contacts` gives everybody who was approved."""

    def __init__(self, keeper: MemoryKeeper, contacts: Callable[[], Awaitable[Collection[ContactId]]]) -> None:
        self._keeper = keeper
        self._contacts = contacts

    async def replace(self, contact: ContactId, digest: str, messages: AsyncIterator[Sequence[ImportedMessage]]) -> None:
        """As the protocol says. What was also heard live, or was written by the clone, stays as it was heard: no fact comes from it twice,
        and none from the clone's words."""
        known = await self._of_source(contact, digest)
        kept: set[str] = set()
        try:
            async for batch in messages:
                fresh = await self._not_heard(contact, batch)
                await self._keeper.remember(contact, [_message(each) for each in fresh], [_claim(each) for each in fresh])
                kept.update(each.id for each in fresh)
        except BaseException:
            await self._keeper.forget_messages(contact, list(kept - known))
            raise
        if gone := known - kept:
            await self._keeper.forget_messages(contact, list(gone))
        await self._keeper.archive_sessions(contact)

    async def withdraw(self, digest: str, contacts: Collection[ContactId]) -> None:
        """As the protocol says, for everybody who is approved."""
        for contact in await self._contacts():
            if contact not in contacts and (gone := await self._of_source(contact, digest)):
                await self._keeper.forget_messages(contact, list(gone))

    async def _of_source(self, contact: ContactId, digest: str) -> set[str]:
        return await asyncio.to_thread(self._keeper.memories.read, contact, partial(_of_source, digest), otherwise=set[str]())

    async def _not_heard(self, contact: ContactId, batch: Sequence[ImportedMessage]) -> list[ImportedMessage]:
        """Those of the batch that nobody heard when they were said: the phone exports them in whole minutes."""
        first, last = (at_ms // _MINUTE_MS * _MINUTE_MS for at_ms in (batch[0].at_ms, batch[-1].at_ms + _MINUTE_MS))
        look = partial(_said_live, min(first, last), max(first, last))
        live = await asyncio.to_thread(self._keeper.memories.read, contact, look, otherwise=set[tuple[bool, int, str]]())
        return [each for each in batch if (each.speaker == "contact", each.at_ms // _MINUTE_MS, each.text) not in live]


def _message(each: ImportedMessage) -> MemoryMessage:
    return MemoryMessage(each.id, each.at_ms, each.speaker, each.text, source=each.digest)


def _claim(each: ImportedMessage) -> Spoken:
    return Spoken(each.id, each.at_ms, Speaker(each.speaker), each.text)


def _of_source(digest: str, index: ConversationIndex) -> set[str]:
    return index.of_source(digest)


def _said_live(from_ms: int, to_ms: int, index: ConversationIndex) -> set[tuple[bool, int, str]]:
    return index.said_live(from_ms, to_ms)
