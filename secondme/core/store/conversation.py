"""What was said: the newest 100 turns of a contact for 7 days, in the predecessor's format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.records import Turn
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.ids import ContactId
    from secondme.core.store.connect import Store

CAP = 100
TTL_S = 604_800


class ConversationStore:
    """Histories. Writing happens inside the gate's and the sender's scripts, never apart from the step it belongs to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def recent(self, contact: ContactId, limit: int) -> list[Turn]:
        """At most `limit` newest turns, oldest first. Turns that cannot be read are left out, and left as they are."""
        raw = await self._store.call(self._store.client.zrange(keys.history(contact), -limit, -1))
        turns = []
        for member in raw:
            try:
                turns.append(Turn.decode(member, keys.history(contact)))
            except DataError:
                continue
        return turns
