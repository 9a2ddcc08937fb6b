"""Who already has a history, and how are they let in? Contacts in batches, each batch one script with one outcome for each contact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.fault_points import point
from secondme.core.migrate.formats import VALUE_BYTES, people
from secondme.core.migrate.scanning import scan
from secondme.core.migrate.source import value_of
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from secondme.core.enums import Tier
    from secondme.core.migrate.scanning import Keyspace
    from secondme.core.migrate.source import Source, Value
    from secondme.core.store.client import Store

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
    """A contact that shall be let in, with its record as JSON."""

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
    """Lets contacts in that nobody knocked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def adopt(self, newcomers: Sequence[Newcomer], *, execute: bool, with_history: bool) -> list[Outcome]:
        """What became of each, or would without `execute`. One round trip for at most `BATCH`. Repeatable.

        A contact that was approved or denied meanwhile stays so; with `with_history`, one without a history is not let in: it was
        denied or revoked, which erased it. `waits`: it has a request, which is for `PairingStore.approve` to settle.
        """
        names: list[str] = [keys.INDEX_APPROVED, keys.INDEX_PENDING, keys.INDEX_DENIED, keys.PAIRING_STATS]
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
        letters: bytes = await self._store.run("adopt", tuple(names), tuple(words))
        point("migration.adopted")
        return [_OUTCOMES[letter] for letter in letters]

    async def announce(self, counts: dict[str, int]) -> None:
        """`pairing_migrated` with its counts was told to whoever listens: one event for a run, not one for each of 100,000."""
        await self._store.publish(keys.EVENTS_PAIRING, {"type": "pairing_migrated", **counts})
