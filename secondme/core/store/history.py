"""What was said: the newest 100 turns of a contact for 7 days, in the predecessor's format."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from secondme.core.errors import DataError
from secondme.core.records import OutboxRow, Record, Turn
from secondme.core.store import keys
from secondme.core.store.persons import PersonStore

if TYPE_CHECKING:
    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store

R = TypeVar("R", bound=Record)

_MOST_UNSENT = 50


class HistoryStore:
    """Histories. Writing happens inside the gate's and the sender's scripts, never apart from the step it belongs to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = PersonStore(store)

    async def recent(self, contact: ContactId, limit: int) -> list[Turn]:
        """At most `limit` newest turns, oldest first, and after them the replies that are on their way: the contact will have read
        those before the next one. Contacts that the owner linked are one person and have one conversation. What cannot be read is left out, and left as it is.
        """
        members = await self._links.members(contact)
        if len(members) == 1:
            return await self._of(contact, limit)
        turns = [turn for each in members for turn in await self._of(each, limit)]
        return sorted(turns, key=lambda turn: turn.timestamp)[-limit - _MOST_UNSENT :]

    async def members(self, contact: ContactId) -> list[ContactId]:
        """The contacts that are the same person as `contact`, itself among them."""
        return await self._links.members(contact)

    async def said(self, contact: ContactId) -> list[Turn]:
        """Everything the history of this one contact holds, oldest first, without what is only on its way."""
        members = await self._store.call(self._store.client.zrange(keys.history(contact), 0, -1))
        return [turn for member in members if (turn := _decoded(Turn, member, keys.history(contact)))]

    async def _of(self, contact: ContactId, limit: int) -> list[Turn]:
        said, unsent = await self._store.run("recent", (limit, _MOST_UNSENT), contact=contact)
        turns = [turn for member in said if (turn := _decoded(Turn, member, keys.history(contact)))]
        rows = [row for item in unsent if (row := _decoded(OutboxRow, item, keys.outbox(contact)))]
        return turns + [
            Turn(id=row.row_id, role="assistant", content=row.text, timestamp=row.due_at, type="outgoing")
            for row in rows
            if row.kind == "reply"
        ]


def _decoded(kind: type[R], raw: bytes, key: str) -> R | None:
    try:
        return kind.decode(raw, key)
    except DataError:
        return None
