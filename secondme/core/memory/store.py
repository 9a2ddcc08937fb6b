"""What memory still has to read: in Redis, written by the scripts that remember, change and take back what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.ids import ContactId
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.store.client import Store


class JournalStore:
    """The journals of a store. Memory itself is files of a home."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def switch(self, *, on: bool) -> bool:
        """From now on journals are written, or are not. Returns whether they were before. Repeatable."""
        client = self._store.client
        if on:
            return await self._store.call(client.set(keys.MEMORY_ON, "1", get=True)) is not None
        return bool(await self._store.call(client.delete(keys.MEMORY_ON)))

    async def is_on(self) -> bool:
        """Whether they are written."""
        return bool(await self._store.call(self._store.client.exists(keys.MEMORY_ON)))

    async def due(self, most: int) -> list[ContactId]:
        """Contacts with something to read, who waits longest first."""
        found = await self._store.call(self._store.client.zrange(keys.MEMORY_DUE, 0, most - 1))
        return [ContactId(contact.decode()) for contact in found]

    async def read(self, contact: ContactId, most: int) -> list[bytes]:
        """The oldest entries of the contact's journal: JSON of a Turn, or of an object with `gone`."""
        entries: list[bytes] = await self._store.call(self._store.client.lrange(keys.memory_journal(contact), 0, most - 1))
        return entries

    async def unlist(self, contact: ContactId, read: list[bytes]) -> bool:
        """These entries, which `read` gave, are out of the journal; false when they are not its oldest any more. Repeatable."""
        left: int = await self._store.run("unlist", (contact, len(read), read[0] if read else b""), contact=contact)
        return left >= 0
