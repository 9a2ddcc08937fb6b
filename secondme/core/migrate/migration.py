"""The migration of the predecessor's data: one walk over its keys, kind by kind, in bounded batches, newest things first.

Only what belongs to contacts that are approved on our side comes over: nothing of a stranger is stored.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from secondme.core.migrate import formats
from secondme.core.migrate.formats import VALUE_BYTES, Left, OldMail, OldTurn, person, refusal, shown
from secondme.core.migrate.report import MigrationLedger, PredecessorReport, PredecessorWatcher
from secondme.core.migrate.store import BATCH, IDS, PredecessorWriter, Source, Value
from secondme.core.store import keys
from secondme.core.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


_PAGE = 200
_MOST_DEFERRED = 5000
"""Of the messages that waited for the morning, the newest so many are looked at: what is older is stale anyhow."""


class ConversationMigration:
    """Brings over what was said."""

    def __init__(self, source: Source, ours: PredecessorWriter, ledger: MigrationLedger, *, now_ms: int, stale_ms: int) -> None:
        self._source = source
        self._ours = ours
        self._ledger = ledger
        self._now_ms = now_ms
        self._stale_ms = stale_ms

    async def histories(self, contacts: list[str]) -> None:
        """The conversations of these contacts, who are approved, joined ours."""
        for contact, (members, left_ms) in zip(contacts, await self._source.histories(contacts), strict=True):
            if members is None:
                if not contact.endswith(":ids"):  # else the set beside a history
                    self._ledger.note("histories", contact, "wrong_type")
                continue
            await self._history(contact, members, left_ms if left_ms > 0 else keys.HISTORY_TTL_S * 1000)

    async def _history(self, contact: str, members: list[tuple[bytes, float]], left_ms: int) -> None:
        turns = []
        for member, score in reversed(members):
            turn = formats.turn(member, score)
            if isinstance(turn, Left):
                self._ledger.count("turns", turn)
            else:
                turns.append(turn)
        if not turns:
            self._ledger.note("histories", contact, Left("nothing_in_it", skipped=True))
            return
        fates = await self._ours.turns(contact, turns, left_ms)
        if isinstance(fates, str):
            self._ledger.note("histories", contact, fates)
            return
        for fate in fates:
            self._ledger.count("turns", Left(fate, skipped=True) if fate == "not_among_the_newest" else fate)
        self._ledger.note("histories", contact, "taken" if "taken" in fates else "already")

    async def usage(self) -> None:
        """The newest entries of the token log joined ours."""
        if not await self._is_zset(keys.TOKEN_USAGE, "token_usage"):
            return
        taken = 0
        for start in range(0, keys.USAGE_CAP, _PAGE):
            page = await self._source.newest(keys.TOKEN_USAGE, start, _PAGE)
            entries = []
            for member, score in page:
                entry = formats.usage(member)
                if isinstance(entry, Left):
                    self._ledger.count("token_usage", entry)
                elif person(entry[0].encode("utf-8", "replace")) is None:
                    self._ledger.count("token_usage", refusal(entry[0].encode("utf-8", "replace")))
                else:
                    entries.append((f"{score:.17g}", *entry))
            fates = await self._ours.usage(entries, taken) if entries else []
            if isinstance(fates, str):
                self._ledger.note("token_usage", keys.TOKEN_USAGE, fates)
                return
            for fate in fates:
                self._ledger.count("token_usage", Left(fate, skipped=True) if fate == "not_among_the_newest" else fate)
            taken += fates.count("taken")
            if len(page) < _PAGE:
                return
        total = await self._source.length(keys.TOKEN_USAGE)
        if total > keys.USAGE_CAP:
            self._ledger.count("token_usage", Left("not_among_the_newest", skipped=True), total - keys.USAGE_CAP)

    async def deferred(self, names: dict[str, str]) -> None:
        """Messages that waited for the morning wait here, unless they are stale or were answered. `names` is the address book."""
        if not await self._is_zset(keys.DEFERRED, "deferred"):
            return
        found: dict[tuple[str, str], OldMail] = {}
        for start in range(0, _MOST_DEFERRED, _PAGE):
            page = await self._source.newest(keys.DEFERRED, start, _PAGE)
            for member, _ in page:
                mail = formats.deferred(member)
                if isinstance(mail, Left):
                    self._ledger.count("deferred", mail)
                elif person(mail.contact_id.encode("utf-8", "replace")) is None:
                    name = mail.contact_id.encode("utf-8", "replace")
                    self._ledger.note("deferred", shown(name), refusal(name))
                elif self._now_ms - mail.queued_ms > self._stale_ms:
                    self._ledger.note("deferred", mail.contact_id, Left("stale", skipped=True))
                elif (mail.contact_id, mail.message_id) in found:
                    self._ledger.note("deferred", mail.contact_id, Left("twice", skipped=True))
                else:
                    found[mail.contact_id, mail.message_id] = mail
            if len(page) < _PAGE:
                break
        for mail in sorted(found.values(), key=lambda each: each.queued_ms):
            self._ledger.note("deferred", mail.contact_id, await self._expect(mail, names))

    async def _expect(self, mail: OldMail, names: dict[str, str]) -> str | Left:
        contact = mail.contact_id
        ((members, _),) = await self._source.histories([contact])
        turns = [turn for member, score in members or () if isinstance(turn := formats.turn(member, score), OldTurn)]
        sent_ms = next((turn.timestamp for turn in turns if turn.id == mail.message_id), mail.queued_ms)
        if self._now_ms - sent_ms > self._stale_ms:
            return Left("stale", skipped=True)
        spoken = max((turn.timestamp for turn in turns if turn.is_ours), default=0)
        if max(spoken, await self._ours.answered_after(contact)) >= sent_ms:
            return Left("answered", skipped=True)
        who = person(contact.encode())
        assert who is not None  # it was asked before
        channel = "whatsapp" if contact.endswith("@c.us") else contact.partition(":")[0]
        record = {
            "messageId": mail.message_id,
            "contactId": contact,
            "channelId": channel,
            "normalizedContactId": who[1],
            "contactName": names.get(contact, ""),
            "content": mail.content,
            "timestamp": sent_ms,
        }
        return await self._ours.mail(mail, json.dumps(record, separators=(",", ":")), sent_ms, channel=channel, phone=who[1])

    async def _is_zset(self, name: str, kind: str) -> bool:
        type_name = await self._source.type_of(name)
        if type_name not in {"zset", "none"}:
            self._ledger.note(kind, name, "wrong_type")
        return type_name == "zset"


_STYLE_MS = 604_800_000
_RELATIONSHIP_MS = 90 * 86_400_000
_STATS_MS = 30 * 86_400_000
_VOLATILE = {b"QUEUE", b"CACHE", b"EMB", b"HTS", b"COUNTER"}
_DAY = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIELDS = 64


class PredecessorMigration:
    """Brings an existing installation over."""

    def __init__(self, source: Source, ours: PredecessorWriter, watcher: PredecessorWatcher, *, now_ms: int, stale_ms: int) -> None:
        self._source = source
        self._ours = ours
        self._now_ms = now_ms
        self.ledger = MigrationLedger(watcher)
        self._talk = ConversationMigration(source, ours, self.ledger, now_ms=now_ms, stale_ms=stale_ms)
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

    async def run(self) -> PredecessorReport:
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
            left_ms = await self._source.left_ms(keys.PAUSE_ALL)
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
        """Those of `names` that are approved on our side; the others are in the report."""
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
        values = await self._source.lasting_strings([key(name) for name in names], VALUE_BYTES)
        for name, (value, left_ms) in zip(names, values, strict=True):
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
        for name, (fields, left_ms) in zip(names, await self._source.hashes([key(name) for name in names]), strict=True):
            if fields is None:
                self.ledger.note(kind, name, "wrong_type")
            else:
                self.ledger.note(kind, name, await keep(name, fields, left_ms) if len(fields) <= _FIELDS else "too_large")


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
