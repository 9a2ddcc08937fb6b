"""Birthdays and promises as they are stored. Each change is one script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from secondme.core.clock import to_ms
from secondme.core.errors import DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.remember.occasions import PROMISE_AGE, Birthday, BirthdaySource, Promise
from secondme.core.store import keys
from secondme.core.store.persons import PersonStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from secondme.core.store.client import Store

MOST_OPEN = 50
"""Promises of one contact; the oldest leave."""
_MOST_SETTLED = 200
"""More than a history has messages, so that none of them is read as a promise again."""
_PAGE = 500
_RANK = {
    BirthdaySource.OWNER: 3,
    BirthdaySource.ADDRESS_BOOK: 2,
    BirthdaySource.IMPORT: 2,
    BirthdaySource.MEMORY: 1,
    BirthdaySource.RULES: 0,
}

BirthdayFate = Literal["kept", "known", "weaker", "refused", "not_approved"]
"""What became of a birthday: it stands there now; stood there; somebody whose word counts more says something; the owner cleared just this
date; or its contact was not approved, or took the message back."""


class OccasionStore:
    """When contacts have their birthdays, and what the owner promised them. Contacts of one person share both."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = PersonStore(store)

    async def birthday(self, contact: ContactId) -> Birthday | None:
        """The person's; None when nobody said. What cannot be read counts as unknown, and is left as it is."""
        return _best(await self._known(await self._links.members(contact)))

    async def birthdays(self) -> list[tuple[ContactId, Birthday]]:
        """Everybody's who was approved and whose is known, one for each person under the contact that has it; in the order of the year."""
        approved = await self._approved()
        known = dict(await self._known(approved))
        persons = await self._links.persons(list(known))
        found: dict[ContactId, Birthday] = {}
        for contact in known:
            mine = [(each, known[each]) for each in map(ContactId, persons.get(contact, [contact])) if each in known]
            best = max(mine, key=lambda each: (*_weight(each[1]), each[0]))
            found[best[0]] = best[1]
        return sorted(found.items(), key=lambda each: (each[1].month, each[1].day, each[0]))

    async def set_birthday(self, contact: ContactId, birthday: Birthday) -> BirthdayFate:
        """What became of the birthday. Only one of the owner's is sure to stand there. Repeatable. Raises NotFoundError for a contact who
        was not approved."""
        fate = await self.learn_birthday(contact, birthday)
        if fate == "not_approved":
            raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")
        return fate

    async def learn_birthday(self, contact: ContactId, birthday: Birthday) -> BirthdayFate:
        """As `set_birthday`, for what was found without the owner: nobody is told of a contact who was revoked meanwhile."""
        must_be_there = birthday.source is BirthdaySource.RULES
        args = (birthday.encode(), birthday.source.value, birthday.message_id if must_be_there else "")
        answer: bytes = await self._store.run("keep_birthday", args, contact=contact)
        return cast("BirthdayFate", answer.decode())

    async def clear_birthday(self, contact: ContactId) -> bool:
        """True when one was known: it is gone, and the same date is not learnt again, for none of the person's contacts. Repeatable."""
        gone = [await self._unlearn(each, "") for each in await self._links.members(contact)]
        return any(gone)

    async def unlearn_birthday(self, contact: ContactId, source: BirthdaySource) -> bool:
        """True when one of this source was known of this contact alone: it is gone, and may be learnt again. Repeatable."""
        return await self._unlearn(contact, source.value)

    async def promises(self, contact: ContactId | None = None) -> list[tuple[ContactId, Promise]]:
        """The open promises to this person, or to everybody who was approved, the oldest first. What cannot be read is left out."""
        contacts = await self._approved() if contact is None else await self._links.members(contact)
        found = [(each, promise) for each, _, promise in await self._promised(contacts) if promise.state == "open"]
        return sorted(found, key=lambda each: (each[1].said_at, each[1].id))

    async def keep_promises(self, contact: ContactId, promises: Mapping[str, Promise]) -> int:
        """How many of `promises`, by the ids of their messages, are new. None of a message that is in the history no more, or older than
        30 days; one that was settled stays settled. Repeatable."""
        args: list[str | int] = [int(PROMISE_AGE.total_seconds() * 1000), MOST_OPEN, _MOST_SETTLED]
        for message_id, promise in promises.items():
            args += (message_id, to_ms(promise.said_at), promise.encode())
        count: int = await self._store.run("keep_promises", tuple(args), contact=contact)
        return count

    async def settle(
        self, reference: str, state: Literal["done", "not_one"], contact: ContactId | None = None
    ) -> tuple[ContactId, Promise]:
        """The open promise with this id, or its beginning, is settled: its words are gone, and its message brings it back no more. Returns it
        as it was. Raises NotFoundError when none is called so, or several are."""
        wanted = reference.strip().lower()
        contacts = await self._approved() if contact is None else await self._links.members(contact)
        found = [each for each in await self._promised(contacts) if wanted and each[2].id.startswith(wanted)]
        open_ones = [each for each in found if each[2].state == "open"]
        if len(open_ones) != 1:
            what = f"{len(open_ones)} open promises begin with {wanted}." if open_ones else "No open promise has that id."
            raise NotFoundError("unknown_promise", what, "secondme contacts promises")
        who, message_id, promise = open_ones[0]
        settled = Promise(id=promise.id, said_at=promise.said_at, state=state)
        if not await self._store.run("settle_promise", (message_id, promise.id, settled.encode()), contact=who):
            raise NotFoundError("unknown_promise", "No open promise has that id.", "secondme contacts promises")
        return who, promise

    async def _unlearn(self, contact: ContactId, source: str) -> bool:
        return bool(await self._store.run("clear_birthday", (source,), contact=contact))

    async def _approved(self) -> list[ContactId]:
        names = await self._store.call(self._store.client.zrange(keys.INDEX_APPROVED, 0, -1))
        return [ContactId(each.decode("utf-8", "replace")) for each in names]

    async def _known(self, contacts: Sequence[ContactId]) -> list[tuple[ContactId, Birthday]]:
        rows = await self._hashes([keys.birthday(each) for each in contacts])
        found: list[tuple[ContactId, Birthday]] = []
        for contact, row in zip(contacts, rows, strict=True):
            found += [(contact, each) for each in _decoded_birthday(row, contact)]
        return found

    async def _promised(self, contacts: Sequence[ContactId]) -> list[tuple[ContactId, str, Promise]]:
        """Contact, message id and promise, those that were settled too, as far as they are not too old."""
        rows = await self._hashes([keys.promise(each) for each in contacts])
        oldest = await self._store.call(self._store.client.time())
        oldest_ms = oldest[0] * 1000 - int(PROMISE_AGE.total_seconds() * 1000)
        found = []
        for contact, row in zip(contacts, rows, strict=True):
            for name, raw in row.items():
                try:
                    promise = Promise.decode(raw, keys.promise(contact))
                except DataError:
                    continue
                if to_ms(promise.said_at) > oldest_ms:
                    found.append((contact, name.decode("utf-8", "replace"), promise))
        return found

    async def _hashes(self, names: Sequence[str]) -> list[dict[bytes, bytes]]:
        """What the keys hold; nothing for one of a wrong type."""
        found: list[dict[bytes, bytes]] = []
        for start in range(0, len(names), _PAGE):
            pipe = self._store.client.pipeline(transaction=False)
            for name in names[start : start + _PAGE]:
                pipe.hgetall(name)
            values, _ = await self._store.look(pipe)
            found += [value if isinstance(value, dict) else {} for value in values]
        return found


def _decoded_birthday(row: Mapping[bytes, bytes], contact: ContactId) -> Iterable[Birthday]:
    try:
        return [Birthday.decode(row[b"known"], keys.birthday(contact))] if b"known" in row else []
    except DataError:
        return []


def _weight(birthday: Birthday) -> tuple[int, datetime]:
    return _RANK[birthday.source], birthday.at


def _best(known: Iterable[tuple[ContactId, Birthday]]) -> Birthday | None:
    return max((each for _, each in known), key=_weight, default=None)
