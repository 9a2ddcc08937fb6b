"""What is remembered of how the owner writes, what a contact is to them, and what exports recall. Each change is one script."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from secondme.core.clock import to_ms
from secondme.core.enums import Relationship
from secondme.core.errors import DataError, NotFoundError
from secondme.core.ids import ContactId, new_id
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
from secondme.core.store.persons import PersonStore
from secondme.core.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from secondme.core.store.client import Store


TTL_S = 90 * 86_400
START_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class RelationshipState:
    """What a contact is to the owner."""

    type: Relationship = Relationship.ACQUAINTANCE
    confidence: float = START_CONFIDENCE
    """0 to 1; 1 when the owner said it."""
    manual: bool = False
    """True when the owner said it."""
    signal_count: int = 0


class RelationshipStore:
    """Who is what. Each change is one script."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, contact: ContactId) -> RelationshipState:
        """What the contact is now; an acquaintance while nothing is known. What cannot be read counts as unknown, and is left as it is."""
        names = ("currentType", "currentConfidence", "signalCount")
        found = await self._store.call(self._store.client.hmget(keys.relationship(contact), names))
        return self.decoded(
            found, is_manual=bool(await self._store.call(self._store.client.exists(keys.relationship_override(contact))))
        )

    def decoded(self, found: Sequence[bytes | None], *, is_manual: bool) -> RelationshipState:
        """As `of`, from the type, its confidence and the count of signals; `is_manual`: the owner said it."""
        kind, confidence, count = (raw or b"" for raw in found)
        return _standing([kind, confidence, b"1" if is_manual else b"0", count])

    async def heard(
        self, contact: ContactId, relationship: Relationship, confidence: float, now_ms: int
    ) -> RelationshipState | None:
        """What the contact is after this signal; None, and nothing written, when it was not approved. Each call counts."""
        return await self._relate(contact, "signal", relationship, confidence, now_ms)

    async def set_by_owner(self, contact: ContactId, relationship: Relationship | None) -> RelationshipState:
        """The contact, and every other contact of the same person, is what the owner says; None: what the signals say. Repeatable. Raises
        NotFoundError when it was not approved."""
        verb: Literal["set", "auto"] = "set" if relationship else "auto"
        standing = await self._relate(contact, verb, relationship, 0, 0)  # no time passes: fading changes no share
        if standing is None:
            raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")
        for other in (await PersonStore(self._store).members(contact))[1:]:
            await self._relate(other, verb, relationship, 0, 0)
        return standing

    async def _relate(
        self,
        contact: ContactId,
        verb: Literal["signal", "set", "auto"],
        relationship: Relationship | None,
        confidence: float,
        now_ms: int,
    ) -> RelationshipState | None:
        answer = await self._store.run(
            "relate", (verb, relationship.value if relationship else "", repr(float(confidence)), now_ms, TTL_S), contact=contact
        )
        return _standing(answer) if answer else None


def _standing(answer: Sequence[bytes]) -> RelationshipState:
    kind, confidence, manual, count = (each.decode("utf-8", "replace") for each in answer)
    try:
        relationship = Relationship(kind)
    except ValueError:
        return RelationshipState(manual=manual == "1", signal_count=_whole(count))
    share = 1.0 if manual == "1" else min(1.0, max(0.0, _number(confidence)))
    return RelationshipState(relationship, share, manual == "1", _whole(count))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return START_CONFIDENCE
    return value if value == value else START_CONFIDENCE  # noqa: PLR0124  not a number is never itself


def _whole(text: str) -> int:
    return int(_number(text)) if text and 0 <= _number(text) < 2**53 else 0


SAME_MS = 120_000
"""Exports know minutes, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Recollected:
    """What became of the turns that were offered."""

    added: int = 0
    known: int = 0
    """Imported before, or kept when they were said."""
    left_out: int = 0
    """Too old, or not among the newest."""
    live: frozenset[str] = frozenset()
    """Ids of those that were kept when they were said, under another id."""
    gone: int = 0
    """Turns that the file gave before and does not give any more."""
    moments: Mapping[str, int] = field(default_factory=dict)
    """By id, the ms at which those that were added, or are known, were said: in the order of the file within a minute."""
    refused: str = ""
    """Why none could come: not_approved, wrong_type."""


class RecollectionStore:
    """Histories, as far as they are remembered elsewhere."""

    def __init__(self, store: Store, *, execute: bool) -> None:
        """Without `execute` nothing is written, and the answers are the same."""
        self._store = store
        self._execute = "1" if execute else "0"

    async def recollect(self, contact: ContactId, turns: Sequence[Turn], *, named: bool, digest: str = "") -> Recollected:
        """The newest of `turns` (in the order of the file, ids that begin with `import:`) are in the history of `contact`, each at its own
        time, and of the file with this digest nothing else is. Turns of one minute stand a millisecond apart. Repeatable.

        `named`: the owner named the contact, so it need not be approved yet.
        """
        newest = turns[-keys.HISTORY_CAP :]
        if not newest and not digest:
            return Recollected()
        words: list[str | int] = [
            self._execute,
            "1" if named else "0",
            keys.HISTORY_CAP,
            keys.HISTORY_TTL_S * 1000,
            SAME_MS,
            digest,
        ]
        for turn in newest:
            words += (turn.id, turn.role, turn.content, to_ms(turn.timestamp), turn.encode())
        answer: bytes | tuple[bytes, int, list[bytes]] = await self._store.run("recollect", tuple(words), contact=contact)
        if isinstance(answer, bytes):
            return Recollected(refused=answer.decode())
        letters, gone, moments = answer[0].decode(), answer[1], answer[2]
        fates = list(zip(newest, letters, moments, strict=True))
        live = frozenset(turn.id for turn, letter, _ in fates if letter == "l")
        left_out = letters.count("o") + len(turns) - len(newest)
        said_at = {turn.id: int(at) for turn, letter, at in fates if letter != "o"}
        return Recollected(letters.count("t"), letters.count("y") + letters.count("l"), left_out, live, gone, said_at)


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
        self._links = PersonStore(store)

    async def add(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool = False, digest: str = "") -> int:
        """How many of `messages` are kept that were not there before. Repeatable: one that is there is not counted again.

        Without a contact only their measures are kept. With one that was not approved, nothing is; `named` says that the owner named it.
        `digest` is of the export file that is being read: what it gave before is replaced by what it gives now.
        """
        newest = sorted(messages, key=lambda each: (each.at, each.id), reverse=True)[:OVERALL_CAP]
        caches = [keys.style_cache(each) for each in await self._links.members(contact)] if contact else []
        mode = ("own" if contact else "overall", "named" if named else "approved", OWN_CAP, OVERALL_CAP, digest)
        added = 0
        for start in range(0, len(newest), _BATCH):  # newest first: what there is no room for is then not taken for new
            args = [each for message in newest[start : start + _BATCH] for each in _entry(contact, message)]
            count: int = await self._store.run("learn", (*mode, *args), contact=contact or "none", caches=caches)
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

    async def given(self, contact: ContactId | None, digest: str) -> set[str]:
        """The ids of what the export file with this digest gave: of the owner's messages to a contact, or without one of their measures."""
        key = keys.own_messages(contact) if contact else keys.STYLE_OVERALL
        rows: dict[bytes, bytes] = await self._store.call(self._store.client.hgetall(key))
        return {name.decode("utf-8", "replace") for name, raw in rows.items() if f'"{digest}"'.encode() in raw}

    async def retract(self, contact: ContactId | None, digest: str, ids: Iterable[str], *, execute: bool = True) -> int:
        """How many of `ids` (as `given` names them) are of the export file with this digest no longer; what no other file gave is gone.
        Repeatable. Without `execute` nothing is changed."""
        caches = [keys.style_cache(each) for each in await self._links.members(contact)] if contact else []
        stale, gone = sorted(ids), 0
        for start in range(0, len(stale), _BATCH):
            args = ("1" if execute else "0", "own" if contact else "overall", digest, *stale[start : start + _BATCH])
            gone += await self._store.run("retract", args, contact=contact or "none", caches=caches)
        return gone

    async def profile(self, contact: ContactId) -> StyleProfile | None:
        """How the owner writes to this person; what the predecessor knew while there are too few messages of ours; None when that is too
        little too. At most 30 min old, and never older than the newest message."""
        members = await self._links.members(contact)
        raw = await self._store.call(self._store.client.get(keys.style_cache(contact)))
        cached = self._cached(raw, members)
        if cached is not None:
            return cached
        counts = [await self._store.call(self._store.client.hlen(keys.own_messages(member))) for member in members]
        if sum(counts) < FEWEST:
            return await self._inherited(members)
        key = keys.style_cache(contact)
        mark = f"mark:{new_id()}"  # gone when a message comes meanwhile: then what is made here is not kept
        await self._store.call(self._store.client.set(key, mark, ex=_MARK_S))
        found = await asyncio.to_thread(profile_of, await self._own(members))
        if found is None:  # some of them cannot be read
            return await self._inherited(members)
        await self._store.run("keep_style", (mark, _Cached(of=tuple(members), profile=found).encode(), CACHE_S), contact=contact)
        return found

    async def decoded(
        self, contact: ContactId, cached: bytes | None, own: Sequence[bytes], inherited: bytes | None
    ) -> tuple[StyleProfile | None, list[OwnMessage]]:
        """As `profile` and `own`, from what is kept of a contact whom the owner linked with nobody; only a profile that must be made anew is
        looked up."""
        profile = self._cached(cached, [contact])
        if profile is None and len(own) < FEWEST:
            profile = profile_from_predecessor(inherited) if inherited else None
        elif profile is None:
            profile = await self.profile(contact)
        key = keys.own_messages(contact)
        return profile, sorted(_decoded(OwnMessage, own, key), key=lambda each: (each.at, each.id))

    def _cached(self, raw: bytes | None, members: Sequence[ContactId]) -> StyleProfile | None:
        """The profile that was kept, if it was made of the messages of just these, by this version: one of before knows no lengths."""
        cached = next(iter(_decoded(_Cached, [raw] if raw else [], keys.style_cache(members[0]))), None)
        return cached.profile if cached is not None and cached.of == tuple(members) and cached.profile.lengths else None

    async def overall(self) -> StyleProfile | None:
        """How the owner writes to whomever; None below ten messages."""
        return profile_of_measures(await self.measures())

    async def measures(self) -> list[Measure]:
        """What was measured of the owner's messages to whomever, oldest first. What cannot be read is left out."""
        raw = await self._store.call(self._store.client.hvals(keys.STYLE_OVERALL))
        return sorted(_decoded(Measure, raw, keys.STYLE_OVERALL), key=lambda each: each.at)

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


async def contacts_given(store: Store, digest: str) -> AsyncIterator[ContactId]:
    """Everybody of whom the export file with this digest gave something that is still there, each once or twice."""
    mark = f'"{digest}"'.encode()
    for make in (keys.history, keys.own_messages):
        async for names in scan(store, make("*")):
            for name in (each.decode("utf-8", "replace") for each in names if not each.endswith(b":ids")):
                values = store.client.zrange(name, 0, -1) if make is keys.history else store.client.hvals(name)
                with contextlib.suppress(DataError):  # a record that is none is nobody's
                    if any(mark in raw for raw in await store.call(values)):
                        yield ContactId(name.removeprefix(make("")))


def _entry(contact: ContactId | None, message: OwnMessage) -> tuple[str, str, str, str]:
    """What the script takes for one message. Among the measures it has a digest for a name: ids of two contacts may be the same."""
    kept = message.model_copy(update={"text": message.text[:_TEXT_LIMIT], "before": message.before[-_BEFORE_LIMIT:]})
    return message.id, kept.encode(), measure_id(contact, message.id), measure(message).encode()


def measure_id(contact: ContactId | None, message_id: str) -> str:
    """What a message is called among the measures over all."""
    return hashlib.sha256(f"{contact or ''}\n{message_id}".encode("utf-8", "replace")).hexdigest()[:20]


def _decoded(kind: type[R], values: Iterable[bytes], key: str) -> list[R]:
    found = []
    for raw in values:
        try:
            found.append(kind.decode(raw, key))
        except DataError:
            continue
    return found
