"""What memory still has to read: in Redis, written by the scripts that remember, change and take back what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.ids import ContactId
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Collection

    from secondme.core.store.client import Store


_FILLING, _FILLED = b"1", b"2"
_MOST = 100
_MOST_FORGOTTEN = 10_000
_ALL = "*"


class JournalStore:
    """The journals of a store. Memory itself is files of a home."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def switch(self, *, on: bool) -> None:
        """From now on journals are written, or are not; switched on, memory is not yet `filled`. Repeatable."""
        client = self._store.client
        await self._store.call(client.set(keys.MEMORY_ON, _FILLING) if on else client.delete(keys.MEMORY_ON))

    async def filled(self) -> None:
        """What was said before the journals began is remembered too."""
        await self._store.call(self._store.client.set(keys.MEMORY_ON, _FILLED, xx=True))

    async def is_filled(self) -> bool:
        """Whether journals are written, and what was said before them is remembered."""
        return bool(await self._store.call(self._store.client.get(keys.MEMORY_ON)) == _FILLED)

    async def is_quiet(self, now_ms: int) -> bool:
        """True when journals are written, and nobody's is to be read, nor has anything expired by now. One round trip."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.get(keys.MEMORY_ON)
        pipe.exists(keys.MEMORY_DUE)
        pipe.zcount(keys.MEMORY_EXPIRING, "-inf", now_ms)
        (state, due, expired), broken = await self._store.look(pipe)
        return state == _FILLED and not due and not expired and not broken

    async def expect(self, contact: ContactId, at_ms: int | None, *, sooner: bool = False) -> None:
        """Something of the contact expires next at `at_ms`, or (None) nothing any more. `sooner`: what is expected earlier stays. Repeatable."""
        client = self._store.client
        if at_ms is None:
            await self._store.call(client.zrem(keys.MEMORY_EXPIRING, contact))
        else:
            await self._store.call(client.zadd(keys.MEMORY_EXPIRING, {contact: at_ms}, lt=sooner))

    async def expiring(self, now_ms: int) -> list[ContactId]:
        """Contacts of whom something has expired by now."""
        found = await self._store.call(
            self._store.client.zrange(keys.MEMORY_EXPIRING, "-inf", now_ms, byscore=True, offset=0, num=_MOST)
        )
        return [ContactId(contact.decode()) for contact in found]

    async def due(self, most: int) -> list[ContactId]:
        """Contacts with something to read, who waits longest first."""
        found = await self._store.call(self._store.client.zrange(keys.MEMORY_DUE, 0, most - 1))
        return [ContactId(contact.decode()) for contact in found]

    async def waits_ms(self, now_ms: int) -> int:
        """For how long the one who waits longest has waited; 0 when nobody does."""
        found = await self._store.call(self._store.client.zrange(keys.MEMORY_DUE, 0, 0, withscores=True))
        return max(0, now_ms - int(found[0][1])) if found else 0

    async def waiting(self) -> int:
        """How many contacts have something to read."""
        return int(await self._store.call(self._store.client.zcard(keys.MEMORY_DUE)))

    async def forget(self, contact: ContactId, message_ids: Collection[str], now_ms: int, *, whole: bool = False) -> None:
        """What histories and journals still hold of these messages is not remembered again; `whole`: nor anything else that was said by now.
        Repeatable."""
        client, key = self._store.client, keys.memory_forgotten(contact)
        marks = dict.fromkeys([*message_ids][-_MOST_FORGOTTEN:], now_ms) | ({_ALL: now_ms} if whole else {})
        if not marks:
            return
        await self._store.call(client.zadd(key, marks))
        await self._store.call(client.zremrangebyrank(key, 0, -_MOST_FORGOTTEN - 2))
        await self._store.call(client.pexpire(key, keys.SEEN_TTL_MS))

    async def forgotten(self, contact: ContactId) -> tuple[frozenset[str], int]:
        """Ids of messages that the owner forgot, and until when (ms) everything is forgotten; 0: not everything was."""
        found = await self._store.call(self._store.client.zrange(keys.memory_forgotten(contact), 0, -1, withscores=True))
        marks = {name.decode(): int(score) for name, score in found}
        before_ms = marks.pop(_ALL, 0)
        return frozenset(marks), before_ms

    async def read(self, contact: ContactId, most: int) -> list[bytes]:
        """The oldest entries of the contact's journal: JSON of a Turn, or of an object with `gone`."""
        entries: list[bytes] = await self._store.call(self._store.client.lrange(keys.memory_journal(contact), 0, most - 1))
        return entries

    async def unlist(self, contact: ContactId, read: list[bytes]) -> bool:
        """These entries, which `read` gave, are out of the journal; false when they are not its oldest any more. Repeatable."""
        left: int = await self._store.run("unlist", (contact, len(read), read[0] if read else b""), contact=contact)
        return left >= 0
