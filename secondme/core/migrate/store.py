"""Both stores of a migration: the predecessor's, read only and in bounded answers, and ours, written by scripts that ask whether a contact was approved."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.fault_points import point
from secondme.core.migrate.formats import VALUE_BYTES, OldMail, OldTurn, people
from secondme.core.store import keys
from secondme.core.store.failures import explain
from secondme.core.store.namespace import Namespace
from secondme.core.store.scan import Keyspace, scan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from types import TracebackType

    from redis.asyncio.client import Pipeline

    from secondme.core.enums import Tier
    from secondme.core.store.client import Store


_SCHEMES = ("redis://", "rediss://", "unix://")


def has_secret(url: str) -> bool:
    """True when `url` carries a password, or cannot be taken apart to see whether it does."""
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class Value:
    """A string as it is in the other store. `raw` is None when there is none, or it is larger than was asked for, or of another type."""

    raw: bytes | None
    trouble: str = ""
    """`wrong_type`, `too_large`, or nothing."""


class Source:
    """A connection to another Redis. Use as an async context manager."""

    def __init__(self, url: str, timeout_s: float) -> None:
        if not url.startswith(_SCHEMES):
            raise ConfigError("bad_source_url", "The URL to migrate from cannot be used.", "Use redis://, rediss:// or unix://.")
        try:
            self.client: Redis = Redis.from_url(url, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 1))
        except ValueError:  # its text quotes the part it stumbled over, which may be the password
            raise ConfigError(
                "bad_source_url", "The URL to migrate from cannot be used.", "Use redis://, rediss:// or unix://."
            ) from None
        self.namespace = Namespace()
        """The predecessor knew none."""
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        """Connected, or raises UnavailableError, CredentialsError or ConfigError."""
        try:
            await self.call(self.client.ping())
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Disconnected."""
        await self.close()

    async def close(self) -> None:
        """See `__aexit__`."""
        with contextlib.suppress(RedisError, OSError):
            await self.client.aclose(close_connection_pool=True)

    async def call(self, command: Awaitable[Any]) -> Any:  # the library's types do not know that we decode
        """What one command returned. Raises UnavailableError or CredentialsError, in words about the other store."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            if isinstance(explain(error), CredentialsError):
                raise CredentialsError(
                    "source_refused", "The Redis to migrate from refused our credentials.", "Correct SECONDME_MIGRATE_FROM."
                ) from error
            raise UnavailableError(
                "source_unreachable", "The Redis to migrate from does not answer.", "Start it, or correct --from."
            ) from error

    async def is_same(self, store: Store) -> bool:
        """True when `store` is the very database that this reads, and its names begin as here."""
        if store.namespace:
            return False
        theirs = await self.call(self.client.info("server"))
        ours = await store.call(store.client.info("server"))
        return bool(theirs.get("run_id") == ours.get("run_id") and _database(self.client) == _database(store.client))

    def batch(self) -> Pipeline:
        """Commands to send together with `ask`."""
        return self.client.pipeline(transaction=False)

    async def ask(self, batch: Pipeline) -> list[Any]:  # one answer or ResponseError for each command
        """The answers of a batch. A command that meets another type answers with its error, and hides none of the others."""
        answers: list[Any] = await self.call(batch.execute(raise_on_error=False))
        return answers

    async def strings(self, names: Sequence[str], most: int) -> list[Value]:
        """The strings called `names`, each of at most `most` bytes. One round trip."""
        pipe = self.batch()
        for name in names:
            pipe.getrange(name, 0, most)
        return [value_of(answer, most) for answer in await self.ask(pipe)]

    async def lasting_strings(self, names: Sequence[str], most: int) -> list[tuple[Value, int]]:
        """As `strings`, each with the ms that it has left: below zero for a value that lasts."""
        pipe = self.batch()
        for name in names:
            pipe.getrange(name, 0, most)
            pipe.pttl(name)
        answers = await self.ask(pipe)
        return [(value_of(answer, most), left_ms) for answer, left_ms in zip(answers[0::2], answers[1::2], strict=True)]

    async def hashes(self, names: Sequence[str]) -> list[tuple[dict[bytes, bytes] | None, int]]:
        """The hashes called `names`, None for another type, and the ms that each has left. One round trip."""
        pipe = self.batch()
        for name in names:
            pipe.hgetall(name)
            pipe.pttl(name)
        answers = await self.ask(pipe)
        return [
            (fields if isinstance(fields, dict) else None, left_ms)
            for fields, left_ms in zip(answers[0::2], answers[1::2], strict=True)
        ]

    async def histories(self, contacts: Sequence[str]) -> list[tuple[list[tuple[bytes, float]] | None, int]]:
        """The newest turns of each contact, newest first, None for another type; and the ms that each has left. One round trip."""
        pipe = self.batch()
        for contact in contacts:
            pipe.zrevrange(keys.history(contact), 0, keys.HISTORY_CAP - 1, withscores=True)
            pipe.pttl(keys.history(contact))
        answers = await self.ask(pipe)
        return [
            (members if isinstance(members, list) else None, left_ms)
            for members, left_ms in zip(answers[0::2], answers[1::2], strict=True)
        ]

    async def newest(self, name: str, start: int, count: int) -> list[tuple[bytes, float]]:
        """`count` members of a sorted set with their scores, the highest first, after the first `start`."""
        page: list[tuple[bytes, float]] = await self.call(self.client.zrevrange(name, start, start + count - 1, withscores=True))
        return page

    async def length(self, name: str) -> int:
        """How many members a sorted set has."""
        return int(await self.call(self.client.zcard(name)))

    async def left_ms(self, name: str) -> int:
        """The ms that a key has left; below zero for one that lasts, or is not there."""
        return int(await self.call(self.client.pttl(name)))

    async def type_of(self, name: str) -> str:
        """The type of a key; `none` when it is not there."""
        kind: bytes = await self.call(self.client.type(name))
        return kind.decode()


def value_of(answer: Any, most: int) -> Value:  # what GETRANGE answered: bytes, or an error as a value
    """The answer of one GETRANGE of at most `most` bytes and one more."""
    if isinstance(answer, ResponseError):
        return Value(None, "wrong_type")
    if len(answer) > most:
        return Value(None, "too_large")
    return Value(answer or None)


def _database(client: Redis) -> int:
    return int(client.connection_pool.connection_kwargs.get("db") or 0)


Outcome = Literal["approved", "already", "denied", "waits", "corrupt", "wrong_type", "gone"]

BATCH = 100
"""Contacts judged in one call: some 0.3 ms of the server's time."""
RECORD_BYTES = 16_384
"""A record of ours has a few hundred bytes; what is much larger is none, and is not read."""
_HISTORY = keys.history("")
_PREFIX = len(_HISTORY)
IDS = b":ids"
"""How the key of a history's set of ids ends."""
_OUTCOMES: dict[int, Outcome] = {
    ord("a"): "approved",
    ord("y"): "already",
    ord("d"): "denied",
    ord("w"): "waits",
    ord("c"): "corrupt",
    ord("t"): "wrong_type",
    ord("g"): "gone",
}


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A contact that shall be approved, with its record as JSON."""

    contact_id: str
    record: str
    approved_ms: int
    tier: Tier


async def histories(keyspace: Keyspace) -> AsyncIterator[list[bytes]]:
    """What follows `HISTORY:` in every key that can be a contact's history, in pages. The `:ids` twins of most are left out; without an
    `@` in it, `local:ids` can be a contact too, and then the type of its key tells.
    """
    async for names in scan(keyspace, f"{_HISTORY}*"):
        yield [name[_PREFIX:] for name in names if not (name.endswith(IDS) and b"@" in name)]


async def approvals_of(source: Source) -> AsyncIterator[list[bytes]]:
    """The contact ids in the names of every approval of another store, in pages."""
    async for names in scan(source, f"{keys.approved('')}*"):
        yield [name[len(keys.approved("")) :] for name in names]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another store holds about a contact."""

    history: str
    """The type of its history's key: `zset` for a history, `none`, or what it should not be."""
    approval: Value
    is_denied: bool


async def look_up(source: Source, contacts: Sequence[str]) -> list[Elsewhere]:
    """What `source` holds about each of `contacts`. One round trip for at most `BATCH`."""
    pipe = source.batch()
    for contact in contacts:
        pipe.type(keys.history(contact))
        pipe.getrange(keys.approved(contact), 0, RECORD_BYTES)
        pipe.exists(keys.denied(contact))
    answers = await source.ask(pipe)
    return [
        Elsewhere(kind.decode(), value_of(approval, RECORD_BYTES), bool(denied))
        for kind, approval, denied in zip(answers[0::3], answers[1::3], answers[2::3], strict=True)
    ]


async def display_names(keyspace: Keyspace) -> dict[str, str]:
    """Contact -> name, from the address book that the predecessor kept; empty when there is none that can be read."""
    pipe = keyspace.client.pipeline(transaction=False)
    pipe.getrange(keys.CONTACTS, 0, VALUE_BYTES)
    (answer,) = await keyspace.call(pipe.execute(raise_on_error=False))
    value = value_of(answer, VALUE_BYTES)
    book = people(value.raw) if value.raw else []
    return {row["id"]: row["name"] for row in book if row["name"]} if isinstance(book, list) else {}


class AdoptionStore:
    """Approves contacts that never asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def adopt(self, newcomers: Sequence[Newcomer], *, execute: bool, with_history: bool) -> list[Outcome]:
        """What became of each, or would without `execute`. One round trip for at most `BATCH`. Repeatable.

        A contact that was approved or denied meanwhile stays so; with `with_history`, one without a history is not approved: it was
        denied or revoked, which erased it. `waits`: it has a request, which is for `PairingStore.approve` to settle.
        """
        names: list[str] = []
        for each in newcomers:
            contact = each.contact_id
            names += (keys.approved(contact), keys.denied(contact), keys.pending(contact))
            if with_history:
                names.append(keys.history(contact))
        words: list[str | int] = ["1" if execute else "0", 4 if with_history else 3, RECORD_BYTES, len(keys.approved("")) + 1]
        if execute:
            moments = [each.approved_ms for each in newcomers]
            is_one = len(set(moments)) == 1
            words += (moments[0] if is_one else "", *(each.record for each in newcomers), *(() if is_one else moments))
        letters: bytes = await self._store.run("adopt", tuple(words), contacts=names)
        point("migration.adopted")
        return [_OUTCOMES[letter] for letter in letters]

    async def announce(self, counts: dict[str, int]) -> None:
        """`pairing_migrated` with its counts was told to whoever listens: one event for a run, not one for each of 100,000."""
        await self._store.publish(keys.EVENTS_PAIRING, {"type": "pairing_migrated", **counts})


_LETTERS = {ord("t"): "taken", ord("y"): "already", ord("o"): "not_among_the_newest", ord("n"): "not_approved"}


class PredecessorWriter:
    """Writes what comes over."""

    def __init__(self, store: Store, *, execute: bool) -> None:
        self._store = store
        self._execute = "1" if execute else "0"
        self._is_dry = not execute

    async def approved(self, contacts: Sequence[str]) -> list[bool]:
        """Which of `contacts` are approved now. One round trip."""
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
        answer: bytes = await self._store.run("inherit", tuple(words), contact=contact)
        point("migration.turns")
        return answer.decode() if answer in {b"not_approved", b"wrong_type"} else [_LETTERS[letter] for letter in answer]

    async def text(self, name: str, value: str, *, of: str | None, ttl_ms: int = 0, pauses: str = "") -> str:
        """What became of a string: taken, already, not_approved. `of` is the contact that must be approved, `pauses` who is paused."""
        return await self._keep(name, "string", (value,), of=of, ttl_ms=ttl_ms, pauses=pauses)

    async def fields(self, name: str, values: Sequence[str], *, of: str | None, ttl_ms: int) -> str:
        """What became of a hash, given as fields and values in turn: taken, already, not_approved."""
        return await self._keep(name, "hash", values, of=of, ttl_ms=ttl_ms)

    async def usage(self, entries: Sequence[tuple[str, str, str]], newer: int) -> list[str] | str:
        """What became of each entry (ms, contact, JSON; newest first), as `turns`. `newer` were taken before in this run."""
        words: list[str | int] = [self._execute, keys.USAGE_CAP, newer if self._is_dry else 0]
        for moment, _, member in entries:
            words += (moment, member)
        approvals = [keys.approved(contact) for _, contact, _ in entries]
        answer: bytes = await self._store.run("account", tuple(words), approvals=approvals)
        point("migration.usage")
        return "wrong_type" if answer == b"wrong_type" else [_LETTERS[letter] for letter in answer]

    async def mail(self, mail: OldMail, record: str, sent_ms: int, *, channel: str, phone: str) -> str:
        """What became of a message that waits for its answer: taken, already, not_approved, inbox_full. `record` is its Mail as JSON."""
        contact = mail.contact_id
        answer: bytes = await self._store.run(
            "expect",
            (
                self._execute,
                contact,
                mail.message_id,
                sent_ms,
                record,
                channel,
                phone,
            ),
            contact=contact,
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
            (self._execute, kind, ttl_ms, pauses, *values),
            place=name,
            approval=name if of is None else keys.approved(of),
        )
        point("migration.kept")
        return answer.decode()
