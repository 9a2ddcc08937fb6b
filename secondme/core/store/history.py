"""What was said: the newest 100 turns of a contact for 7 days, in the predecessor's format."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, TypeVar

from secondme.core.clock import to_ms
from secondme.core.errors import DataError
from secondme.core.records import HeldReply, Mail, OutboxRow, Record, Turn
from secondme.core.store import keys
from secondme.core.store.persons import PersonStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store

R = TypeVar("R", bound=Record)

_MOST_UNSENT = 50
_MOST_DUE = 100
_PAGE = 200
_BROKEN_S = 3600.0
UNSURE = "[may not have arrived]"
"""Before words that nobody knows to have reached the contact."""


class HistoryStore:
    """Histories. Writing happens inside the gate's and the sender's scripts, never apart from the step it belongs to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = PersonStore(store)

    async def recent(self, contact: ContactId, limit: int, before: Mail | None = None) -> list[Turn]:
        """At most `limit` newest turns, oldest first, and after them the replies that are on their way, or may have arrived although
        nobody knows: the contact will have read those before the next one. With `before`, nothing that the contact wrote after that
        message, however long ago it was. Contacts that the owner linked are one person and have one conversation. What cannot be read
        is left out, and left as it is.
        """
        members = await self._links.members(contact)
        if len(members) == 1:
            return await self._of(contact, limit, before)
        turns = [turn for each in members for turn in await self._of(each, limit, before)]
        return sorted(turns, key=lambda turn: turn.timestamp)[-limit - _MOST_UNSENT :]

    async def members(self, contact: ContactId) -> list[ContactId]:
        """The contacts that are the same person as `contact`, itself among them."""
        return await self._links.members(contact)

    async def said(self, contact: ContactId) -> list[Turn]:
        """Everything the history of this one contact holds, oldest first, without what is only on its way."""
        members = await self._store.call(self._store.client.zrange(keys.history(contact), 0, -1))
        return [turn for member in members if (turn := _decoded(Turn, member, keys.history(contact)))]

    async def since(self, contacts: Sequence[ContactId], moment: datetime) -> dict[ContactId, list[Turn]]:
        """What each of `contacts` and the owner said after `moment`, oldest first; a round trip for each two hundred. What cannot be read is left
        out."""
        found: dict[ContactId, list[Turn]] = {}
        for at in range(0, len(contacts), _PAGE):
            page, pipe = contacts[at : at + _PAGE], self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.zrangebyscore(keys.history(contact), f"({to_ms(moment)}", "+inf")
            for contact, members in zip(page, (await self._store.look(pipe))[0], strict=True):
                turns = (_decoded(Turn, member, keys.history(contact)) for member in members or ())
                found[contact] = [turn for turn in turns if turn]
        return found

    async def expire(self) -> int:
        """What was said in disappearing chats and has had its time is gone, also where it was set aside or missed; how many turns and
        messages that were. Repeatable. A contact whose record is broken is looked at again in an hour."""
        gone = 0
        for contact in [contact for contact, wait_s in await self._store.due(keys.HISTORY_EXPIRING, _MOST_DUE) if wait_s <= 0]:
            try:
                gone += await self._store.run("expire_turns", (contact,), contact=contact)
            except DataError:
                await self._store.postpone(keys.HISTORY_EXPIRING, contact, _BROKEN_S)
        return gone

    async def _of(self, contact: ContactId, limit: int, before: Mail | None) -> list[Turn]:
        return self.decoded(contact, *await self._store.run("recent", recent_args(limit, before), contact=contact))

    def decoded(self, contact: ContactId, said: list[bytes], unsent: list[bytes], kept: list[bytes]) -> list[Turn]:
        """The turns of one contact, from what the script `recent` returns."""
        turns = [turn for member in said if (turn := _decoded(Turn, member, keys.history(contact)))]
        for item in kept:
            held = _decoded(HeldReply, item, keys.held(contact))
            if held and held.reason == "ambiguous":
                place = next((at for at in range(len(turns), 0, -1) if turns[at - 1].timestamp <= held.held_at), 0)
                turns.insert(place, _as_said(held.row, held.held_at, f"{UNSURE} {held.row.text}"))
        rows = [row for item in unsent if (row := _decoded(OutboxRow, item, keys.outbox(contact)))]
        return turns + [_as_said(row, row.due_at, row.text) for row in rows if row.kind in {"reply", "own"}]


def recent_args(limit: int, before: Mail | None) -> tuple[str | int, ...]:
    """What a script takes that looks for the turns of `HistoryStore.recent`."""
    return (limit, _MOST_UNSENT, *((quoted(before.message_id), to_ms(before.timestamp)) if before else ("", 0)))


def _as_said(row: OutboxRow, at: datetime, words: str) -> Turn:
    return Turn(id=row.row_id, role="assistant", content=words, timestamp=at, type="fromMe" if row.kind == "own" else "outgoing")


def _decoded(kind: type[R], raw: bytes, key: str) -> R | None:
    try:
        return kind.decode(raw, key)
    except DataError:
        return None
