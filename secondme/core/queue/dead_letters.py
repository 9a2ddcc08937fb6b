"""Which messages could not be worked on, and what does the owner want of them? Each decision is one script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.records import Mail
from secondme.core.store import keys

if TYPE_CHECKING:
    from datetime import datetime

    from secondme.core.store.client import Store

_MOST_CONTACTS = 1000
_MOST_LETTERS = 100


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was set aside after too many attempts, or because it cannot be read; then `mail` is None."""

    contact_id: ContactId
    mail: Mail | None
    newest_at: datetime
    """When the contact's newest dead letter was set aside."""


@dataclass(frozen=True, slots=True)
class Revived:
    """How many letters wait for an answer again, and how many stayed: unreadable, or without room in the inbox."""

    count: int
    left: int


class DeadStore:
    """Dead letters in Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def letters(self) -> list[DeadLetter]:
        """Every dead letter, the contact with the newest one first, each contact's in order of arrival. Two round trips."""
        client = self._store.client
        index = await self._store.call(client.zrevrange(keys.DEAD_INDEX, 0, _MOST_CONTACTS - 1, withscores=True))
        if not index:
            return []
        pipe = client.pipeline(transaction=False)
        for member, _ in index:
            pipe.lrange(keys.dead(member.decode()), 0, _MOST_LETTERS - 1)
        lists = await self._store.call(pipe.execute())
        return [
            DeadLetter(ContactId(member.decode()), _mail(raw, member.decode()), from_ms(int(at)))
            for (member, at), letters in zip(index, lists, strict=True)
            for raw in letters
        ]

    async def retry(self, contact: ContactId) -> Revived:
        """The contact's letters are in front of its inbox again, in their order, none of them twice. Repeatable.

        Raises NotFoundError when there are none, BusyError when the contact is not let in any more or is not answered anyway.
        """
        answer = await self._store.run(
            "revive",
            (
                keys.dead(contact),
                keys.DEAD_INDEX,
                keys.approved(contact),
                keys.inbox(contact),
                keys.mailbox(contact),
                keys.QUEUE,
                keys.QUEUE_ACTIVE,
                keys.trace(contact),
            ),
            (contact, keys.MAILBOX_TTL_MS, keys.INBOX_CAP),
        )
        match answer[0]:
            case b"missing":
                raise _none(contact)
            case b"not_approved":
                raise BusyError("not_approved", f"{contact} is not an approved contact any more.", f"secondme dead drop {contact}")
            case b"not_answered":
                raise BusyError("not_answered", f"{contact} is not answered.", f"secondme contacts mode {contact} default")
            case _:
                return Revived(int(answer[1]), int(answer[2]))

    async def drop(self, contact: ContactId) -> int:
        """How many letters of the contact are gone for good. Raises NotFoundError when there are none."""
        count: int = await self._store.run("bury", (keys.dead(contact), keys.DEAD_INDEX), (contact,))
        if not count:
            raise _none(contact)
        return count


def _mail(raw: bytes, contact: str) -> Mail | None:
    try:
        return Mail.decode(raw, keys.dead(contact))
    except DataError:
        return None


def _none(contact: str) -> NotFoundError:
    return NotFoundError("no_dead_letters", f"Nothing of {contact} was set aside.", "secondme dead list")
