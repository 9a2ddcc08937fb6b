"""How do conversations come over, with what they cost and what was still to be answered? Bounded batches, newest things first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from secondme.core.migrate import formats
from secondme.core.migrate.formats import Left, OldMail, OldTurn
from secondme.core.migrate.people import person, refusal, shown
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.migrate.inheritance import InheritanceStore
    from secondme.core.migrate.ledger import Ledger
    from secondme.core.migrate.source import Source

_PAGE = 200
_MOST_DEFERRED = 5000
"""Of the messages that waited for the morning, the newest so many are looked at: what is older is stale anyhow."""


class Talk:
    """Brings over what was said."""

    def __init__(self, source: Source, ours: InheritanceStore, ledger: Ledger, *, now_ms: int, stale_ms: int) -> None:
        self._source = source
        self._ours = ours
        self._ledger = ledger
        self._now_ms = now_ms
        self._stale_ms = stale_ms

    async def histories(self, contacts: list[str]) -> None:
        """The conversations of these contacts, who are let in, joined ours."""
        pipe = self._source.batch()
        for contact in contacts:
            pipe.zrevrange(keys.history(contact), 0, keys.HISTORY_CAP - 1, withscores=True)
            pipe.pttl(keys.history(contact))
        answers = await self._source.ask(pipe) if contacts else []
        for contact, members, left_ms in zip(contacts, answers[0::2], answers[1::2], strict=True):
            if not isinstance(members, list):
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
            page = await self._source.call(
                self._source.client.zrevrange(keys.TOKEN_USAGE, start, start + _PAGE - 1, withscores=True)
            )
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
        total = await self._source.call(self._source.client.zcard(keys.TOKEN_USAGE))
        if total > keys.USAGE_CAP:
            self._ledger.count("token_usage", Left("not_among_the_newest", skipped=True), total - keys.USAGE_CAP)

    async def deferred(self, names: dict[str, str]) -> None:
        """Messages that waited for the morning wait here, unless they are stale or were answered. `names` is the address book."""
        if not await self._is_zset(keys.DEFERRED, "deferred"):
            return
        found: dict[tuple[str, str], OldMail] = {}
        for start in range(0, _MOST_DEFERRED, _PAGE):
            page = await self._source.call(self._source.client.zrevrange(keys.DEFERRED, start, start + _PAGE - 1))
            for member in page:
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
        turns = [
            turn for member, score in await self._history_of(contact) if isinstance(turn := formats.turn(member, score), OldTurn)
        ]
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

    async def _history_of(self, contact: str) -> list[tuple[bytes, float]]:
        pipe = self._source.batch()
        pipe.zrevrange(keys.history(contact), 0, keys.HISTORY_CAP - 1, withscores=True)
        (answer,) = await self._source.ask(pipe)
        return answer if isinstance(answer, list) else []

    async def _is_zset(self, name: str, kind: str) -> bool:
        found = await self._source.call(self._source.client.type(name))
        if found not in {b"zset", b"none"}:
            self._ledger.note(kind, name, "wrong_type")
        return bool(found == b"zset")
