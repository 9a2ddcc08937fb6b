"""How does what an older installation kept enter our store? Each value in one script that asks whether its contact was let in.

What we have already is never overwritten. Without `execute` nothing is written, and the answers are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.fault_points import point
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.migrate.formats import OldMail, OldTurn
    from secondme.core.store.client import Store

_LETTERS = {ord("t"): "taken", ord("y"): "already", ord("o"): "not_among_the_newest", ord("n"): "not_approved"}


class InheritanceStore:
    """Writes what comes over."""

    def __init__(self, store: Store, *, execute: bool) -> None:
        self._store = store
        self._execute = "1" if execute else "0"
        self._is_dry = not execute

    async def approved(self, contacts: Sequence[str]) -> list[bool]:
        """Which of `contacts` are let in now. One round trip."""
        pipe = self._store.client.pipeline(transaction=False)
        for contact in contacts:
            pipe.exists(keys.approved(contact))
        return [bool(answer) for answer in await self._store.call(pipe.execute())]

    async def turns(self, contact: str, turns: Sequence[OldTurn], ttl_ms: int) -> list[str] | str:
        """What became of each turn (oldest first) of `contact`: taken, already, not_among_the_newest; or why none could come:
        not_approved, wrong_type. The history lives `ttl_ms` at least, and 7 days at most.
        """
        words: list[str | int] = [self._execute, keys.HISTORY_CAP, min(ttl_ms, keys.HISTORY_TTL_S * 1000)]
        for turn in turns:
            words += (turn.id, turn.member, turn.score)
        answer: bytes = await self._store.run(
            "inherit", (keys.approved(contact), keys.history(contact), keys.history_ids(contact)), tuple(words)
        )
        point("migration.turns")
        return answer.decode() if answer in {b"not_approved", b"wrong_type"} else [_LETTERS[letter] for letter in answer]

    async def text(self, name: str, value: str, *, of: str | None, ttl_ms: int = 0, pauses: str = "") -> str:
        """What became of a string: taken, already, not_approved. `of` is the contact that must be let in, `pauses` who is paused."""
        return await self._keep(name, "string", (value,), of=of, ttl_ms=ttl_ms, pauses=pauses)

    async def fields(self, name: str, values: Sequence[str], *, of: str | None, ttl_ms: int) -> str:
        """What became of a hash, given as fields and values in turn: taken, already, not_approved."""
        return await self._keep(name, "hash", values, of=of, ttl_ms=ttl_ms)

    async def usage(self, entries: Sequence[tuple[str, str, str]], newer: int) -> list[str] | str:
        """What became of each entry (ms, contact, JSON; newest first), as `turns`. `newer` were taken before in this run."""
        words: list[str | int] = [self._execute, keys.USAGE_CAP, newer if self._is_dry else 0]
        for moment, _, member in entries:
            words += (moment, member)
        names = (keys.TOKEN_USAGE, *(keys.approved(contact) for _, contact, _ in entries))
        answer: bytes = await self._store.run("account", names, tuple(words))
        point("migration.usage")
        return "wrong_type" if answer == b"wrong_type" else [_LETTERS[letter] for letter in answer]

    async def mail(self, mail: OldMail, record: str, sent_ms: int, *, channel: str, phone: str) -> str:
        """What became of a message that waits for its answer: taken, already, not_approved, inbox_full. `record` is its Mail as JSON."""
        contact = mail.contact_id
        answer: bytes = await self._store.run(
            "expect",
            (
                keys.approved(contact),
                keys.denied(contact),
                keys.seen(contact),
                keys.inbox(contact),
                keys.mailbox(contact),
                keys.QUEUE,
                keys.QUEUE_ACTIVE,
            ),
            (
                self._execute,
                contact,
                mail.message_id,
                sent_ms,
                record,
                channel,
                phone,
                keys.INBOX_CAP,
                keys.SEEN_TTL_MS,
                keys.MAILBOX_TTL_MS,
            ),
        )
        return answer.decode()

    async def answered_after(self, contact: str) -> int:
        """When the owner or the clone last spoke to `contact` here, Unix ms; 0 for never. Looks at the newest 20 turns."""
        from secondme.core.migrate.formats import OldTurn, turn  # noqa: PLC0415  only for what was deferred

        members = await self._store.call(self._store.client.zrevrange(keys.history(contact), 0, 19, withscores=True))
        turns = [turn(member, score) for member, score in members]
        return max((each.timestamp for each in turns if isinstance(each, OldTurn) and each.is_ours), default=0)

    async def _keep(self, name: str, kind: str, values: Sequence[str], *, of: str | None, ttl_ms: int, pauses: str = "") -> str:
        answer: bytes = await self._store.run(
            "keep",
            (name, name if of is None else keys.approved(of), keys.PAUSED_INDEX, keys.KILLED),
            (self._execute, kind, ttl_ms, pauses, *values),
        )
        point("migration.kept")
        return answer.decode()
