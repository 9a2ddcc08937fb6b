"""Persons: contacts that the owner linked, and everything that is kept of one. Each change is one script."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Literal

from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId, contact_id, new_id
from secondme.core.records import PairingRequest
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.store.client import Store

_TRIES = 20
_REWRITE_S = 60.0
_LOOK_S = 0.05
_PAGE = 1000


class PersonStore:
    """Persons: contacts that the owner linked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def members(self, contact: ContactId) -> list[ContactId]:
        """`contact` first, then every other contact of the same person, sorted."""
        person = await self._person(contact)
        if not person:
            return [contact]
        found = await self._store.call(self._store.client.smembers(keys.person(person)))
        return [contact, *sorted(each for raw in found if (each := ContactId(raw.decode())) != contact)]

    async def persons(self, contacts: Sequence[str]) -> dict[str, list[str]]:
        """Contact -> all contacts of its person, itself first, for those of `contacts` that are linked."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            persons = await self._store.call(self._store.client.mget([keys.person_of(contact) for contact in page]))
            for contact, person in zip(page, persons, strict=True):
                if person is not None:
                    members = await self._store.call(self._store.client.smembers(keys.person(person.decode())))
                    found[contact] = [contact, *sorted(each.decode() for each in members if each.decode() != contact)]
        return found

    async def link(self, first: tuple[ContactId, str], second: tuple[ContactId, str]) -> Literal["linked", "already"]:
        """The two contacts, each with its channel, are one person and share the approval that one of them has, and the strictest tier and mode
        that a contact of theirs had. Repeatable: said again, an approval that came since is shared too.

        Raises NotFoundError when neither was approved, BusyError when one is denied or both belong to persons already.
        """
        (a, channel_a), (b, channel_b) = first, second
        for _ in range(_TRIES):
            of_a, of_b = await self._person(a), await self._person(b)
            person = of_a or of_b or new_id()
            everybody = dict.fromkeys((a, b, *await self.members(a), *await self.members(b)))
            answer: bytes = await self._store.run(
                "link",
                (a, b, of_a, of_b, person, channel_a, channel_b, keys.EVENTS_PAIRING, *everybody),
                a=a,
                b=b,
                identity=person,
                approvals=[keys.approved(each) for each in everybody],
            )
            match answer:
                case b"linked":
                    return "linked"
                case b"already":
                    return "already"
                case b"denied":
                    raise BusyError("contact_denied", "One of the two is denied.", "secondme pairing unblock CONTACT")
                case b"both_linked":
                    raise BusyError("both_linked", "Both belong to persons already.", "secondme contacts unlink CONTACT")
                case b"not_approved":
                    raise NotFoundError("not_approved", "Neither of the two was approved.", "secondme pairing list")
                case b"corrupt":
                    raise DataError("corrupt_record", "The approval cannot be read; it was left as it is.")
                case _:
                    continue  # changed: look again
        raise BusyError("link_changed", "The link kept changing; try again.")

    async def agree(self, contact: ContactId) -> None:
        """Every approved contact of the person has the strictest tier and mode that one of them had. Repeatable; nothing for who is alone."""
        members = await self.members(contact)
        if len(members) > 1:
            names = [keys.approved(each) for each in members]
            await self._store.run("agree", (keys.EVENTS_PAIRING, *members), approvals=names)

    async def agree_all(self) -> None:
        """As `agree`, of every person there is: before they were kept so, linked contacts could differ. Repeatable."""
        approved = [each.decode() for each in await self._store.call(self._store.client.zrange(keys.INDEX_APPROVED, 0, -1))]
        seen: set[str] = set()
        for contact, members in (await self.persons(approved)).items():
            if contact not in seen:
                seen.update(members)
                await self.agree(ContactId(contact))

    async def unlink(self, contact: ContactId) -> None:
        """`contact` is a person of its own. Raises NotFoundError when it was not linked."""
        for _ in range(_TRIES):
            person = await self._person(contact)
            if not person:
                raise NotFoundError("not_linked", f"{contact} is linked with nobody.", "secondme contacts list")
            answer: bytes = await self._store.run("unlink", (contact, person), contact=contact, identity=person)
            if answer == b"unlinked":
                return
        raise BusyError("link_changed", "The link kept changing; try again.")

    async def forget(self, contact: ContactId, channel: str) -> int:
        """How many keys of `contact` there were; nothing of it is left in the store. Repeatable."""
        person = await self._person(contact)
        code = await self._code(contact)
        sets = (*keys.SETS_OF_CONTACTS, keys.outbox_due(channel))
        own = [make(contact) for make in keys.OF_A_CONTACT] + ([keys.code(code)] if code else [])
        own += [keys.broken(key) for key in (keys.mailbox(contact), *own)]
        deleted: int = await self._store.run(
            "forget",
            (contact, keys.QUEUE_GROUP, len(sets), keys.EVENTS_PAIRING),
            contact=contact,
            identity=person or "none",
            rest=(*sets, *own),
        )
        return deleted + await self._forget_mentions(contact)

    async def rewrite(self) -> None:
        """The append-only file says only what is there now, so that what was forgotten is gone from the disk too.

        Waits at most a minute for it; a server that does not let us ask is left alone.
        """
        client: Any = self._store.client
        try:
            await self._store.call(client.bgrewriteaof())
            async with asyncio.timeout(_REWRITE_S):
                while True:
                    info = await self._store.call(client.info("persistence"))
                    if not info.get("aof_rewrite_in_progress") and not info.get("aof_rewrite_scheduled"):
                        return
                    await asyncio.sleep(_LOOK_S)  # noqa: TID251  the server has no event for it
        except TimeoutError as error:
            raise BusyError("rewrite_slow", "The store is still erasing its file.", "It finishes by itself.") from error

    async def _forget_mentions(self, contact: ContactId) -> int:
        """Lines that name the contact among others: the address book, what replies cost, what waited for the predecessor,
        events, what tools did, and what webhooks have not delivered."""
        client = self._store.client
        removed = 0
        for key in (keys.TOKEN_USAGE, keys.DEFERRED):
            start = 0
            while members := await self._store.call(client.zrange(key, start, start + _PAGE - 1)):
                ours = [raw for raw in members if _names(raw, contact)]
                if ours:
                    removed += await self._store.call(client.zrem(key, *ours))
                start += _PAGE - len(ours)
        for key in (keys.EVENTS_LOG, keys.SKILL_CALLS):
            removed += await self._forget_entries(key, contact)
        with contextlib.suppress(DataError):  # of the wrong type, as above
            for endpoint in await self._store.call(client.zrange(keys.WEBHOOK_INDEX, 0, -1)):
                removed += await self._forget_deliveries(endpoint.decode(), contact)
        raw = await self._store.call(client.get(keys.CONTACTS))
        try:
            book = json.loads(raw or b"[]")
            left = [entry for entry in book if not (isinstance(entry, dict) and entry.get("id") == contact)]
        except (ValueError, TypeError):
            return removed
        if len(left) != len(book):
            await self._store.call(client.set(keys.CONTACTS, json.dumps(left), keepttl=True))
            removed += 1
        return removed

    async def _forget_entries(self, stream: str, contact: ContactId) -> int:
        """How many entries of the stream named the contact; they are gone. A stream of the wrong type is left: the doctor finds it."""
        client, removed, first = self._store.client, 0, "-"
        try:
            while entries := await self._store.call(client.xrange(stream, first, "+", count=_PAGE)):
                ours = [entry for entry, fields in entries if any(_names(value, contact) for value in fields.values())]
                if ours:
                    removed += await self._store.call(client.xdel(stream, *ours))
                first = f"({entries[-1][0].decode()}"
        except DataError:
            return removed
        return removed

    async def _forget_deliveries(self, endpoint: str, contact: ContactId) -> int:
        """How many messages and dead letters of a webhook named the contact; they are gone. At most 1,500: none is kept back."""
        client = self._store.client
        waiting = await self._store.call(client.hgetall(keys.webhook_messages(endpoint)))
        dead = await self._store.call(client.lrange(keys.webhook_dead(endpoint), 0, -1))
        pipe = client.pipeline(transaction=False)
        for name in [name for name, raw in waiting.items() if _names(raw, contact)]:
            pipe.hdel(keys.webhook_messages(endpoint), name)
        for raw in [raw for raw in dead if _names(raw, contact)]:
            pipe.lrem(keys.webhook_dead(endpoint), 1, raw)
        return sum(map(int, await self._store.call(pipe.execute()))) if len(pipe) else 0

    async def _person(self, contact: str) -> str:
        raw = await self._store.call(self._store.client.get(keys.person_of(contact)))
        return raw.decode() if raw else ""

    async def _code(self, contact: ContactId) -> str:
        raw = await self._store.call(self._store.client.get(keys.pending(contact)))
        try:
            return PairingRequest.decode(raw, keys.pending(contact)).code if raw else ""
        except DataError:
            return ""


def _names(raw: bytes, contact: ContactId) -> bool:
    try:
        return bool(json.loads(raw).get("contactId") == contact)
    except (ValueError, AttributeError):
        return contact.encode() in raw


def as_contact(reference: str) -> ContactId:
    """`reference` as a contact id. Raises NotFoundError."""
    try:
        return contact_id(reference)
    except DataError:
        raise NotFoundError("unknown_contact", "That is not a contact id.", "secondme contacts list") from None
