"""What waits for the owner: replies that were held back, and words for a contact that nobody has approved yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.records import HeldReply
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.config.models import DraftSettings
    from secondme.core.ids import ContactId
    from secondme.core.records import NewRow
    from secondme.core.store.client import Store

_MOST_CONTACTS = 1000
_MOST_ROWS = 50


class DraftStore:
    """Held replies in Redis. Each decision is one script."""

    def __init__(self, store: Store, settings: DraftSettings) -> None:
        self._store = store
        self._lives_ms = int(settings.expire_hours * 3_600_000)

    async def held(self) -> tuple[list[HeldReply], list[DataError]]:
        """Every held row that has not expired, oldest first per contact, and what could not be read. Three round trips."""
        client = self._store.client
        contacts = [raw.decode() for raw in await self._store.call(client.zrange(keys.HELD_INDEX, 0, _MOST_CONTACTS - 1))]
        if not contacts:
            return [], []
        pipe = client.pipeline(transaction=False)
        pipe.time()
        for contact in contacts:
            pipe.lrange(keys.held(contact), 0, _MOST_ROWS - 1)
        (seconds, _), *lists = await self._store.call(pipe.execute())
        found: list[HeldReply] = []
        corrupt: list[DataError] = []
        for contact, items in zip(contacts, lists, strict=True):
            for item in items:
                try:
                    found.append(HeldReply.decode(item, keys.held(contact)))
                except DataError as error:
                    corrupt.append(error)
        since = seconds - self._lives_ms / 1000
        return [each for each in found if each.held_at.timestamp() > since], corrupt

    async def release(self, contact: ContactId, channel: str, reply: str) -> int:
        """How many rows of this held reply are on their way, through the same checks as any other.

        Raises NotFoundError when it is gone or expired; BusyError while the contact is not approved, is paused, or the checks found
        a fault in the reply as it is.
        """
        return await self._settle(contact, channel, reply, "send")

    async def discard(self, contact: ContactId, channel: str, reply: str) -> int:
        """How many rows of this held reply were dropped. Raises NotFoundError when it is gone."""
        return await self._settle(contact, channel, reply, "drop")

    async def revise(self, contact: ContactId, reply: str, rows: Sequence[NewRow]) -> None:
        """The held reply says what `rows` say, which is the owner's own doing. Raises NotFoundError when it is gone or expired."""
        encoded = [row.encode() for row in rows]
        replaced: int = await self._store.run(
            "revise", (keys.held(contact), keys.trace(contact)), (reply, self._lives_ms, *encoded)
        )
        if not replaced:
            raise _gone()

    async def suggest(self, contact: ContactId, reply: str, rows: Sequence[NewRow]) -> None:
        """`rows` wait for the owner. Raises NotFoundError when the contact was not let in."""
        answer: bytes = await self._store.run(
            "suggest",
            (keys.approved(contact), keys.held(contact), keys.HELD_INDEX, keys.trace(contact)),
            (contact, keys.EVENTS_QUEUE, reply, *(row.encode() for row in rows)),
        )
        if answer == b"not_approved":
            raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")

    async def expire(self) -> int:
        """How many rows were dropped because nobody looked at them in time. Repeatable."""
        dropped = 0
        for raw in await self._store.call(self._store.client.zrange(keys.HELD_INDEX, 0, _MOST_CONTACTS - 1)):
            contact = raw.decode()
            dropped += await self._store.run(
                "expire",
                (keys.held(contact), keys.HELD_INDEX, keys.trace(contact)),
                (contact, self._lives_ms, keys.EVENTS_QUEUE),
            )
        return dropped

    async def _settle(self, contact: ContactId, channel: str, reply: str, verb: str) -> int:
        answer = await self._store.run(
            "release",
            (
                keys.held(contact),
                keys.HELD_INDEX,
                keys.outbox(contact),
                keys.outbox_due(channel),
                keys.approved(contact),
                keys.PAUSE_ALL,
                keys.pause(contact),
                keys.channel_pause(channel),
                keys.trace(contact),
            ),
            (contact, reply, verb, self._lives_ms),
        )
        match answer[0]:
            case b"missing":
                raise _gone()
            case b"gone":
                raise BusyError("not_approved", f"{contact} is not an approved contact any more.", "secondme drafts drop")
            case b"paused":
                raise BusyError("paused", f"{contact} is paused, so nothing is sent to them.", "secondme resume")
            case b"unfit":
                raise BusyError("unfit", "The checks found a fault in that draft.", "Write it anew: secondme drafts edit")
            case _:
                return int(answer[1])


def _gone() -> NotFoundError:
    return NotFoundError("no_such_draft", "That draft is gone.", "secondme drafts list")
