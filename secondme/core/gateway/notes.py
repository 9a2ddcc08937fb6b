"""What the owner is told in their own chat, and which of their commands were carried out. Both outlive a restart."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from secondme.core.ids import new_id
from secondme.core.records import NewRow
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.ids import ContactId, MessageId
    from secondme.core.store.client import Store

_TOLD_MS = 7 * 86_400_000
_COMMANDS_MS = 8 * 86_400_000
_NOTES_AN_HOUR = 30


class NoteStore:
    """Rows for the owner's own chat. They leave by the outbox like any other, but no pause and no kill switch holds them back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tell(self, channel: str, chat: ContactId, text: str, cause: str) -> Literal["posted", "told", "quiet"]:
        """`text` is on its way to the owner, unless they were told of `cause` within a week, or of 30 things within an hour."""
        digest = hashlib.sha256(cause.encode()).hexdigest()[:32]
        return await self._post(channel, chat, text, cause=digest)

    async def answer(self, channel: str, chat: ContactId, text: str, command: MessageId) -> None:
        """The command is done and its answer is on its way. Repeatable, but then the answer is said twice."""
        await self._post(channel, chat, text, command=f"{channel}:{command}")

    async def say(self, channel: str, chat: ContactId, text: str) -> str:
        """`text` is on its way to the owner. The id of its row."""
        return await self._row(channel, chat, text)

    async def is_waiting(self, chat: ContactId, row_id: str) -> bool:
        """True while that row has not left."""
        rows = await self._store.call(self._store.client.lrange(keys.outbox(chat), 0, -1))
        return any(row_id.encode() in raw for raw in rows)

    async def is_done(self, channel: str, command: MessageId) -> bool:
        """True when the command was answered before."""
        client = self._store.client
        return await self._store.call(client.zscore(keys.OWNER_COMMANDS, f"{channel}:{command}")) is not None

    async def _row(self, channel: str, chat: ContactId, text: str) -> str:
        unique = new_id()
        await self._post(channel, chat, text, unique=unique)
        return unique

    async def _post(
        self, channel: str, chat: ContactId, text: str, *, cause: str = "", command: str = "", unique: str = ""
    ) -> Literal["posted", "told", "quiet"]:
        unique = unique or new_id()
        row = NewRow(row_id=unique, reply_id=unique, contact_id=chat, channel_id=channel, kind="owner", text=text)
        answer: bytes = await self._store.run(
            "note",
            (keys.outbox(chat), keys.outbox_due(channel), keys.OWNER_TOLD, keys.OWNER_COMMANDS),
            (chat, row.encode(), cause, _NOTES_AN_HOUR, command, _TOLD_MS, _COMMANDS_MS),
        )
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these three
