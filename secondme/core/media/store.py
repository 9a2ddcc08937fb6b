"""What is still to be read of what came with messages, and what was made of it. Each step is one script and may be repeated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from secondme.core.errors import DataError
from secondme.core.records import Mail
from secondme.core.store import keys
from secondme.core.store.events import Nudge, nudge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.core.ids import ContactId
    from secondme.core.records import MediaReading
    from secondme.core.store.client import Store


class ReadingStore:
    """Readings in Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ask(self, contact: ContactId, now_ms: int) -> None:
        """Whoever holds the contact's channel reads what came with its messages. Repeatable; what is planned for later stays so."""
        await self._store.call(self._store.client.zadd(keys.MEDIA_DUE, {contact: now_ms}, nx=True))

    async def due(self, limit: int) -> list[tuple[ContactId, float]]:
        """The first contacts with something to read, and the seconds until each is due; zero or less: it is."""
        return await self._store.due(keys.MEDIA_DUE, limit)

    async def put_off(self, contact: ContactId, delay_s: float) -> None:
        """The contact's are tried again in `delay_s`, if any are left."""
        await self._store.postpone(keys.MEDIA_DUE, contact, delay_s)

    async def waiting(self, contact: ContactId) -> list[Mail]:
        """The contact's messages that wait for an answer, oldest first; what cannot be read is left out, and left as it is."""
        key, found = keys.inbox(contact), []
        for raw in await self._store.call(self._store.client.lrange(key, 0, -1)):
            try:
                found.append(Mail.decode(raw, key))
            except DataError:
                continue
        return found

    async def begin(self, contact: ContactId, message: str, number: int, *, failures: int = 0) -> tuple[int, int] | None:
        """Since when (Unix ms) it is tried to read this attachment, and how often a server broke over it, `failures` more than before. None
        when that is not to be done any more: the message was answered, taken back or taken over, or the attachment was read."""
        answer = await self._store.run("count_try", (message, number + 1, failures), contact=contact)
        return (int(answer[0]), int(answer[1])) if answer else None

    async def keep(
        self, contact: ContactId, message: str, number: int, reading: MediaReading, line: str, facts: Mapping[str, Any]
    ) -> Literal["kept", "known", "gone", "stranger"]:
        """What waits for an answer, the history and memory say `line` for this attachment, and the trace has its stage with `facts` (JSON
        values, no words). `known`: it was read before, and nothing was changed; `gone`: nothing of the message is left."""
        more = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in facts.items() if value not in {None, ""})
        answer: bytes = await self._store.run(
            "keep_reading", (contact, message, number + 1, reading.encode(), line, reading.stage, more), contact=contact
        )
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these four

    async def end(self, contact: ContactId) -> None:
        """Nothing of the contact is left to be read: a reply that waited for it goes on. Repeatable."""
        await self._store.run("end_reading", (contact,), contact=contact)
        await nudge(self._store, Nudge.LATER)
