"""What does an existing installation leave us, kind by kind? One walk over its keys, and a report that says what became of each.

Only what belongs to contacts that are let in on our side comes over: nothing of a stranger is stored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secondme.core.migrate import formats
from secondme.core.migrate.approvals_store import BATCH, IDS
from secondme.core.migrate.formats import VALUE_BYTES, Left
from secondme.core.migrate.ledger import Ledger
from secondme.core.migrate.moving_talk import Talk
from secondme.core.migrate.people import person, refusal, shown
from secondme.core.migrate.scanning import scan
from secondme.core.migrate.source import value_of
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.migrate.inheritance import InheritanceStore
    from secondme.core.migrate.ledger import MovingReport, MovingWatcher
    from secondme.core.migrate.source import Source, Value

_STYLE_MS = 604_800_000
_RELATIONSHIP_MS = 90 * 86_400_000
_STATS_MS = 30 * 86_400_000
_VOLATILE = {b"QUEUE", b"CACHE", b"EMB", b"HTS", b"COUNTER"}
_DAY = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIELDS = 64


class Moving:
    """Brings an existing installation over."""

    def __init__(self, source: Source, ours: InheritanceStore, watcher: MovingWatcher, *, now_ms: int, stale_ms: int) -> None:
        self._source = source
        self._ours = ours
        self._now_ms = now_ms
        self.ledger = Ledger(watcher)
        self._talk = Talk(source, ours, self.ledger, now_ms=now_ms, stale_ms=stale_ms)
        self._by_prefix: dict[bytes, tuple[str, Callable[[str, list[bytes]], Awaitable[None]]]] = {
            keys.history("").encode(): ("histories", self._histories),
            keys.pause("").encode(): ("pauses", self._pauses),
            keys.style("").encode(): ("styles", self._styles),
            keys.relationship("").encode(): ("relationships", self._relationships),
            keys.relationship_override("").encode(): ("relationship_overrides", self._overrides),
            keys.token_stats("").encode(): ("token_stats", self._stats),
        }
        self._single = {name.encode() for name in (keys.PAUSE_ALL, keys.CONTACTS, keys.CONTACTS_UPDATED, keys.TOKEN_USAGE)}
        self._single |= {name.encode() for name in (keys.DEFERRED, keys.SLEEP_HOURS, keys.SESSION)}

    async def run(self) -> MovingReport:
        """Everything of the source was decided about. Repeatable: after a kill, a second run ends what one began."""
        names = await self._values()
        async for page in scan(self._source):
            await self._page(page)
        await self._talk.usage()
        await self._talk.deferred(names)
        return self.ledger.report

    async def _values(self) -> dict[str, str]:
        """The kinds that are one value are decided about; returns the names of the address book."""
        wanted = (keys.PAUSE_ALL, keys.CONTACTS, keys.CONTACTS_UPDATED, keys.SLEEP_HOURS, keys.SESSION)
        everybody, people, updated, sleep, session = await self._source.strings(wanted, VALUE_BYTES)
        names = await self._contacts(people, updated)
        if raw := self._raw("everybody_paused", keys.PAUSE_ALL, everybody):
            left_ms = await self._source.call(self._source.client.pttl(keys.PAUSE_ALL))
            value = formats.number(raw)
            if isinstance(value, str):
                value = await self._ours.text(keys.PAUSE_ALL, value, of=None, ttl_ms=max(0, left_ms), pauses="ALL")
            else:
                value = value.reason
            self.ledger.note("everybody_paused", keys.PAUSE_ALL, value)
        if raw := self._raw("sleep_hours", keys.SLEEP_HOURS, sleep):
            hours = formats.sleep_hours(raw)
            if isinstance(hours, Left):
                self.ledger.note("sleep_hours", keys.SLEEP_HOURS, hours)
            else:
                self.ledger.report.sleep = hours
        if raw := self._raw("session", keys.SESSION, session):
            info = formats.session(raw)
            told = isinstance(info, dict)
            self.ledger.report.session = info if isinstance(info, dict) else None
            self.ledger.note("session", keys.SESSION, Left("cannot_be_moved", skipped=True) if told else formats.MALFORMED)
        return names

    async def _contacts(self, people: Value, updated: Value) -> dict[str, str]:
        raw = self._raw("contacts", keys.CONTACTS, people)
        book = formats.people(raw) if raw else formats.MALFORMED
        if isinstance(book, Left):
            if raw:
                self.ledger.note("contacts", keys.CONTACTS, book)
            return {}
        kept, verdicts = formats.address_book(book)
        outcome = await self._ours.text(keys.CONTACTS, kept, of=None)
        for name, reason in verdicts:
            self.ledger.note("contacts", name, reason or outcome)
        if updated.raw and isinstance(moment := formats.number(updated.raw), str):
            await self._ours.text(keys.CONTACTS_UPDATED, moment, of=None)
        return {row["id"]: row["name"] for row in book if row["name"]}

    def _raw(self, kind: str, name: str, value: Value) -> bytes | None:
        if value.trouble:
            self.ledger.note(kind, name, value.trouble)
        return value.raw

    async def _page(self, names: list[bytes]) -> None:
        found: dict[bytes, list[bytes]] = {}
        for name in names:
            prefix = next((prefix for prefix in self._by_prefix if name.startswith(prefix)), None)
            if name in self._single:
                continue
            if prefix is None:
                self.ledger.note("other_keys", shown(name), Left(_why_not(name), skipped=True))
            else:
                found.setdefault(prefix, []).append(name[len(prefix) :])
        for prefix, rest in found.items():
            kind, handle = self._by_prefix[prefix]
            size = BATCH // 5 if kind == "histories" else BATCH  # a history is up to 100 messages
            for start in range(0, len(rest), size):
                await handle(kind, rest[start : start + size])
                self.ledger.batch_done()

    async def _people(self, kind: str, names: list[bytes]) -> list[str]:
        """Those of `names` that are let in on our side; the others are in the report."""
        contacts = []
        for name in names:
            who = person(name)
            if who is not None:
                contacts.append(who[0])
            elif not (kind == "histories" and name.endswith(IDS)):
                self.ledger.note(kind, shown(name), refusal(name))
        let_in = []
        for contact, is_in in zip(contacts, await self._ours.approved(contacts), strict=True):
            if is_in:
                let_in.append(contact)
            elif not (kind == "histories" and contact.endswith(IDS.decode())):
                self.ledger.note(kind, contact, "not_approved")
        return let_in

    async def _histories(self, kind: str, names: list[bytes]) -> None:
        await self._talk.histories(await self._people(kind, [name for name in names if not (name.endswith(IDS) and b"@" in name)]))

    async def _pauses(self, kind: str, names: list[bytes]) -> None:
        async def keep(contact: str, raw: bytes, left_ms: int) -> str | Left:
            value = formats.pause(raw, self._now_ms + left_ms if left_ms > 0 else None)
            if isinstance(value, Left):
                return value
            return await self._ours.text(keys.pause(contact), value, of=contact, ttl_ms=max(0, left_ms), pauses=contact)

        await self._strings(kind, await self._people(kind, names), keys.pause, keep)

    async def _styles(self, kind: str, names: list[bytes]) -> None:
        async def keep(contact: str, raw: bytes, left_ms: int) -> str | Left:
            value = formats.style(raw)
            if isinstance(value, Left):
                return value
            return await self._ours.text(keys.style(contact), value, of=contact, ttl_ms=_lifetime(left_ms, _STYLE_MS))

        await self._strings(kind, await self._people(kind, names), keys.style, keep)

    async def _overrides(self, kind: str, names: list[bytes]) -> None:
        async def keep(contact: str, raw: bytes, _: int) -> str | Left:
            if raw != b"1":
                return formats.MALFORMED
            return await self._ours.text(keys.relationship_override(contact), "1", of=contact)

        await self._strings(kind, await self._people(kind, names), keys.relationship_override, keep)

    async def _relationships(self, kind: str, names: list[bytes]) -> None:
        async def keep(contact: str, fields: dict[bytes, bytes], left_ms: int) -> str | Left:
            values = formats.relationship(fields)
            if isinstance(values, Left):
                return values
            ttl_ms = _lifetime(left_ms, _RELATIONSHIP_MS)
            return await self._ours.fields(keys.relationship(contact), values, of=contact, ttl_ms=ttl_ms)

        await self._hashes(kind, await self._people(kind, names), keys.relationship, keep)

    async def _stats(self, kind: str, names: list[bytes]) -> None:
        async def keep(day: str, fields: dict[bytes, bytes], left_ms: int) -> str | Left:
            values = formats.token_stats(day, fields)
            if isinstance(values, Left):
                return values
            return await self._ours.fields(keys.token_stats(day), values, of=None, ttl_ms=_lifetime(left_ms, _STATS_MS))

        for name in names:
            if not _DAY.fullmatch(name):
                self.ledger.note(kind, shown(name), formats.MALFORMED)
        await self._hashes(kind, [name.decode() for name in names if _DAY.fullmatch(name)], keys.token_stats, keep)

    async def _strings(
        self, kind: str, names: list[str], key: Callable[[str], str], keep: Callable[[str, bytes, int], Awaitable[str | Left]]
    ) -> None:
        pipe = self._source.batch()
        for name in names:
            pipe.getrange(key(name), 0, VALUE_BYTES)
            pipe.pttl(key(name))
        answers = await self._source.ask(pipe) if names else []
        for name, answer, left_ms in zip(names, answers[0::2], answers[1::2], strict=True):
            value = value_of(answer, VALUE_BYTES)
            if value.raw is not None:
                self.ledger.note(kind, name, await keep(name, value.raw, left_ms))
            else:
                self.ledger.note(kind, name, Left("gone", skipped=True) if not value.trouble else value.trouble)

    async def _hashes(
        self,
        kind: str,
        names: list[str],
        key: Callable[[str], str],
        keep: Callable[[str, dict[bytes, bytes], int], Awaitable[str | Left]],
    ) -> None:
        pipe = self._source.batch()
        for name in names:
            pipe.hlen(key(name))
            pipe.hgetall(key(name))
            pipe.pttl(key(name))
        answers = await self._source.ask(pipe) if names else []
        for name, size, fields, left_ms in zip(names, answers[0::3], answers[1::3], answers[2::3], strict=True):
            if not isinstance(size, int):
                self.ledger.note(kind, name, "wrong_type")
            else:
                self.ledger.note(kind, name, await keep(name, fields, left_ms) if size <= _FIELDS else "too_large")


def _why_not(name: bytes) -> str:
    first = name.partition(b":")[0]
    if first in _VOLATILE:
        return "volatile"
    if first == b"PAIRING":
        return "for_migrate_pairing"
    return "not_needed"


def _lifetime(left_ms: int, most_ms: int) -> int:
    """As long as the value had left, at most what its kind is given."""
    return min(left_ms, most_ms) if left_ms > 0 else most_ms
