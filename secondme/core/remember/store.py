"""How does the owner write, to this contact and to everybody? Their own messages stay with their contact; over all contacts there are
measures only. Contacts that the owner linked are one person, whose messages are kept apart, so that unlinking parts them again.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, TypeVar

from secondme.core.errors import DataError
from secondme.core.ids import new_id
from secondme.core.records import OwnMessage, Record, Turn
from secondme.core.remember.style import (
    FEWEST,
    Measure,
    StyleProfile,
    measure,
    profile_from_predecessor,
    profile_of,
    profile_of_measures,
)
from secondme.core.store import keys
from secondme.core.store.persons import LinkStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store

R = TypeVar("R", bound=Record)

OWN_CAP = 300
OVERALL_CAP = 1000
CACHE_S = 1800
_MARK_S = 60
"""For how long somebody may be at making a profile; it takes milliseconds."""
_BATCH = 200
_TEXT_LIMIT, _BEFORE_LIMIT = 4000, 500


class _Cached(Record):
    """A profile and whose messages it was made from. A value of `CACHE:style:{contactId}`."""

    of: tuple[str, ...]
    profile: StyleProfile


class StyleStore:
    """What the owner wrote with their own hands."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = LinkStore(store)

    async def add(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool = False) -> int:
        """How many of `messages` are kept that were not there before. Repeatable: one that is there is not counted again.

        Without a contact only their measures are kept. With one that was not let in, nothing is; `named` says that the owner named it.
        """
        newest = sorted(messages, key=lambda each: (each.at, each.id), reverse=True)[:OVERALL_CAP]
        caches = [keys.style_cache(each) for each in await self._links.members(contact)] if contact else []
        own = keys.own_messages(contact) if contact else keys.STYLE_OVERALL
        approved = keys.approved(contact) if contact else keys.STYLE_OVERALL
        mode = ("own" if contact else "overall", "named" if named else "approved", OWN_CAP, OVERALL_CAP)
        added = 0
        for start in range(0, len(newest), _BATCH):  # newest first: what there is no room for is then not taken for new
            args = [each for message in newest[start : start + _BATCH] for each in _entry(contact, message)]
            count: int = await self._store.run("learn", (approved, own, keys.STYLE_OVERALL, *caches), (*mode, *args))
            if count < 0:
                break
            added += count
        return added

    async def said(self, contact: ContactId) -> list[Turn]:
        """The history of this contact alone, oldest first, without what is still on its way. What cannot be read is left out."""
        key = keys.history(contact)
        return _decoded(Turn, await self._store.call(self._store.client.zrange(key, -keys.HISTORY_CAP, -1)), key)

    async def own(self, contact: ContactId) -> list[OwnMessage]:
        """What the owner wrote to this person, oldest first. What cannot be read is left out, and left as it is."""
        return await self._own(await self._links.members(contact))

    async def profile(self, contact: ContactId) -> StyleProfile | None:
        """How the owner writes to this person; what the predecessor knew while there are too few messages of ours; None when that is too
        little too. At most 30 min old, and never older than the newest message."""
        members = await self._links.members(contact)
        key = keys.style_cache(contact)
        raw = await self._store.call(self._store.client.get(key))
        cached = next(iter(_decoded(_Cached, [raw] if raw else [], key)), None)
        if cached is not None and cached.of == tuple(members):
            return cached.profile
        counts = [await self._store.call(self._store.client.hlen(keys.own_messages(member))) for member in members]
        if sum(counts) < FEWEST:
            return await self._inherited(members)
        mark = f"mark:{new_id()}"  # gone when a message comes meanwhile: then what is made here is not kept
        await self._store.call(self._store.client.set(key, mark, ex=_MARK_S))
        found = await asyncio.to_thread(profile_of, await self._own(members))
        if found is None:  # some of them cannot be read
            return await self._inherited(members)
        await self._store.run("keep_style", (key,), (mark, _Cached(of=tuple(members), profile=found).encode(), CACHE_S))
        return found

    async def overall(self) -> StyleProfile | None:
        """How the owner writes to whomever; None below ten messages."""
        raw = await self._store.call(self._store.client.hvals(keys.STYLE_OVERALL))
        return profile_of_measures(sorted(_decoded(Measure, raw, keys.STYLE_OVERALL), key=lambda each: each.at))

    async def _own(self, members: Sequence[ContactId]) -> list[OwnMessage]:
        found: list[OwnMessage] = []
        for member in members:
            key = keys.own_messages(member)
            found += _decoded(OwnMessage, await self._store.call(self._store.client.hvals(key)), key)
        return sorted(found, key=lambda each: (each.at, each.id))

    async def _inherited(self, members: Sequence[ContactId]) -> StyleProfile | None:
        for raw in await self._store.call(self._store.client.mget([keys.style(member) for member in members])):
            found = profile_from_predecessor(raw) if raw else None
            if found is not None:
                return found
        return None


def _entry(contact: ContactId | None, message: OwnMessage) -> tuple[str, str, str, str]:
    """What the script takes for one message. Among the measures it has a digest for a name: ids of two contacts may be the same."""
    kept = message.model_copy(update={"text": message.text[:_TEXT_LIMIT], "before": message.before[-_BEFORE_LIMIT:]})
    digest = hashlib.sha256(f"{contact or ''}\n{message.id}".encode("utf-8", "replace")).hexdigest()[:20]
    return message.id, kept.encode(), digest, measure(message).encode()


def _decoded(kind: type[R], values: Iterable[bytes], key: str) -> list[R]:
    found = []
    for raw in values:
        try:
            found.append(kind.decode(raw, key))
        except DataError:
            continue
    return found
