"""Where whole conversations of exports go: into memory, with the digest of the file that gave them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from secondme.core.memory.facts import Spoken
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Speaker
from secondme.core.remember.store import SAME_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from secondme.core.exports.importer import ImportedMessage
    from secondme.core.ids import ContactId
    from secondme.core.memory.index import ConversationIndex
    from secondme.core.memory.keeper import MemoryKeeper


class MemorySink:
    """A ConversationSink. `contacts` gives everybody who was approved."""

    def __init__(
        self,
        keeper: MemoryKeeper,
        contacts: Callable[[], Awaitable[Collection[ContactId]]],
        read_heard: Callable[[ContactId], Awaitable[None]],
    ) -> None:
        """`read_heard` remembers what was heard of a contact, as far as it is not yet."""
        self._keeper = keeper
        self._contacts = contacts
        self._read_heard = read_heard

    async def replace(self, contact: ContactId, digest: str, messages: AsyncIterator[Sequence[ImportedMessage]]) -> None:
        """As the protocol says. What was also heard live, or was written by the clone, stays as it was heard: no fact comes from it twice,
        and none from the clone's words. What a newer export of the same chat does not have any more is forgotten."""
        await self._read_heard(contact)
        known = await self._of_source(contact, digest)
        kept: set[str] = set()
        try:
            async for batch in messages:
                fresh = await self._not_heard(contact, batch)
                await self._keeper.remember(contact, [_message(each) for each in fresh], [_claim(each) for each in fresh])
                kept.update(each.id for each in fresh)
        except BaseException:
            await self._take_back(contact, digest, kept - known)
            raise
        await self._take_back(contact, digest, known - kept)
        for other, ids in outdated(await asyncio.to_thread(self._keeper.memories.messages, contact), digest).items():
            await self._take_back(contact, other, ids)
        await self._keeper.archive_sessions(contact)

    async def withdraw(self, digest: str, contacts: Collection[ContactId]) -> None:
        """As the protocol says, for everybody who is approved."""
        for contact in await self._contacts():
            if contact not in contacts:
                await self._take_back(contact, digest, await self._of_source(contact, digest))

    async def _take_back(self, contact: ContactId, digest: str, ids: Collection[str]) -> None:
        """The file with this digest gave none of these messages; those that nothing else gave are forgotten."""
        if ids:
            alone = await asyncio.to_thread(
                self._keeper.memories.read, contact, partial(_disown, digest, ids), otherwise=list[str]()
            )
            await self._keeper.forget_messages(contact, alone)

    async def _of_source(self, contact: ContactId, digest: str) -> set[str]:
        return await asyncio.to_thread(self._keeper.memories.read, contact, partial(_of_source, digest), otherwise=set[str]())

    async def _not_heard(self, contact: ContactId, batch: Sequence[ImportedMessage]) -> list[ImportedMessage]:
        """Those of the batch that nobody heard when they were said: the phone exports them in whole minutes, by its own clock."""
        first, last = min(each.at_ms for each in batch), max(each.at_ms for each in batch)
        look = partial(_said_live, first - SAME_MS, last + SAME_MS)
        heard: dict[tuple[bool, str], list[int]] = {}
        for is_theirs, at_ms, text in await asyncio.to_thread(self._keeper.memories.read, contact, look, otherwise=[]):
            heard.setdefault((is_theirs, text), []).append(at_ms)
        return [
            each
            for each in batch
            if all(abs(each.at_ms - at_ms) > SAME_MS for at_ms in heard.get((each.speaker == "contact", each.text), ()))
        ]


def outdated(said: Sequence[MemoryMessage], digest: str) -> dict[str, list[str]]:
    """What was edited or deleted between two exports of one chat, of which one is the file with this digest: the ids that the older one has
    and the newer one, in the time that it covers, has not; by the digest of the older one.

    Two files that have most of that time in common are of one chat. The one that goes on for longer is the newer; of two that end alike, the
    one that is asked about.
    """
    files: dict[str, dict[str, int]] = {}
    for each in said:
        for source in each.source.split():
            files.setdefault(source, {})[each.id] = each.at_ms
    ours = files.pop(digest, {})
    found = {}
    for other, theirs in files.items() if ours else ():
        is_older = max(ours.values()) < max(theirs.values())
        new, old = (theirs, ours) if is_older else (ours, theirs)
        first, last = min(new.values()), max(new.values())
        within = [name for name, at_ms in old.items() if first <= at_ms <= last]
        missing = [name for name in within if name not in new]
        if missing and 2 * len(missing) < len(within):
            found[digest if is_older else other] = missing
    return found


def _message(each: ImportedMessage) -> MemoryMessage:
    return MemoryMessage(each.id, each.at_ms, each.speaker, each.text, source=each.digest)


def _claim(each: ImportedMessage) -> Spoken:
    return Spoken(each.id, each.at_ms, Speaker(each.speaker), each.text)


def _of_source(digest: str, index: ConversationIndex) -> set[str]:
    return index.of_source(digest)


def _disown(digest: str, ids: Collection[str], index: ConversationIndex) -> list[str]:
    return index.disown(digest, ids)


def _said_live(from_ms: int, to_ms: int, index: ConversationIndex) -> list[tuple[bool, int, str]]:
    return index.said_live(from_ms, to_ms)
