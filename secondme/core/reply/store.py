"""What replies keep and what they need to know: what models cost, by day, contact and model (days are UTC), which persona the owner chose
for whom, and everything about a contact that a reply is composed from.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from secondme.core.clock import from_ms
from secondme.core.enums import Relationship
from secondme.core.errors import ConfigError
from secondme.core.messages import ModelSize
from secondme.core.store import keys
from secondme.core.store.history import recent_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from secondme.core.errors import SecondmeError
    from secondme.core.ids import ContactId
    from secondme.core.messages import Usage
    from secondme.core.records import Mail, OwnMessage, Turn
    from secondme.core.remember.store import RelationshipState, RelationshipStore, StyleStore
    from secondme.core.remember.style import StyleProfile
    from secondme.core.store.client import Store
    from secondme.core.store.history import HistoryStore


_DAY_S = 30 * 86_400
"""As the predecessor's."""
_CONTACT_S = 90 * 86_400
_MODEL = "model:"
SELF = "self"
"""Under which name the owner's own questions are accounted for."""
JOBS = "jobs"
"""And what jobs ask."""
REHEARSAL = "rehearsal"
"""And what rehearsals ask; also the class of their calls in the log."""
ACCOUNTS = {SELF: "you yourself", JOBS: "jobs", REHEARSAL: "rehearsals"}
"""Accounts that are no contact's, and how people are told of them."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Charge:
    """A call that may be made: this much is charged for it until it is settled."""

    who: str
    day: str
    micros: int
    amount: int = 0
    """Of what is not counted in tokens."""


Unit = Literal["seconds", "characters"]
"""What is heard is counted in seconds, what is spoken in characters."""


@dataclass(slots=True)
class Spent:
    """Sums. Tokens of the input do not count what was read from or written to a cache."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    seconds: int = 0
    characters: int = 0
    micros: int = 0

    def add(self, name: str, count: int) -> None:
        """`count` more of `name`; names that are no sum of ours are let be."""
        if name in self.__slots__:
            setattr(self, name, getattr(self, name) + count)


@dataclass(slots=True)
class SpendingReport:
    """What was spent, day by day, and by whom and what on those days."""

    days: dict[str, Spent] = field(default_factory=dict)
    contacts: dict[str, Spent] = field(default_factory=dict)
    models: dict[str, Spent] = field(default_factory=dict)


class SpendingStore:
    """Sums in Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reserve(
        self, who: str, now_ms: int, micros: int, *, day_cap: int, contact_cap: int
    ) -> Charge | Literal["day", "contact"]:
        """A call of `who` may be made and is charged with what it may cost; or the cap that was reached. Never more than one call
        passes a cap, however many ask at once."""
        day = f"{from_ms(now_ms):%Y-%m-%d}"
        answer: bytes = await self._store.run(
            "reserve",
            (micros, day_cap, contact_cap, f"{day}:micros", _DAY_S, _CONTACT_S, keys.EVENTS_QUEUE, who, day),
            day=day,
            contact=who,
        )
        return Charge(who, day, micros) if answer == b"ok" else "day" if answer == b"day" else "contact"

    async def reserve_amount(
        self, who: str, now_ms: int, unit: Unit, amount: int, micros: int, *, caps: tuple[int, int], limits: tuple[int, int]
    ) -> Charge | Literal["day", "contact", "amount", "contact_amount"]:
        """As `reserve`, for `amount` seconds or characters: `caps` are those of money, `limits` of the amount, each of a day, and of a
        contact and day."""
        day = f"{from_ms(now_ms):%Y-%m-%d}"
        day_cap, contact_cap = caps
        answer: bytes = await self._store.run(
            "reserve",
            (micros, day_cap, contact_cap, f"{day}:micros", _DAY_S, _CONTACT_S, keys.EVENTS_QUEUE, who, day, unit, amount, *limits),
            day=day,
            contact=who,
        )
        return Charge(who, day, micros, amount) if answer == b"ok" else answer.decode()  # type: ignore[return-value]  # as its header says

    async def settle_amount(
        self, charge: Charge, micros: int, unit: Unit, amount: int, *, now_ms: int, facts: dict[str, Any]
    ) -> None:
        """It cost `micros`, and was so much in the end; 0: it failed, and nothing is counted. `facts` join the entry of the log."""
        entry = (
            json.dumps({**facts, unit: amount, "costMicros": micros, "contactId": charge.who, "timestamp": now_ms})
            if amount
            else ""
        )
        model = f"{_MODEL}{facts.get('model', '')}:"
        await self._store.run(
            "settle",
            (
                charge.micros,
                micros,
                f"{charge.day}:",
                entry,
                now_ms,
                keys.USAGE_CAP,
                model,
                unit,
                amount - charge.amount,
                amount,
                "calls",
                1,
            ),
            day=charge.day,
            contact=charge.who,
        )

    async def settle(self, charge: Charge, micros: int, usage: Usage | None, *, now_ms: int, facts: dict[str, Any]) -> None:
        """The call cost `micros`. `usage` None: it failed, and nothing is counted. `facts` join the entry of the log, as JSON values."""
        counts: dict[str, int] = {}
        entry = ""
        if usage is not None:
            counts = {
                "calls": 1,
                "input": usage.input_tokens,
                "output": usage.output_tokens,
                "cache_read": usage.cache_read_tokens,
                "cache_write": usage.cache_write_tokens,
                "total_messages": 0 if facts.get("classification") in {"routing", REHEARSAL} else 1,
            }
            entry = json.dumps({**facts, **_logged(usage), "costMicros": micros, "contactId": charge.who, "timestamp": now_ms})
        model = f"{_MODEL}{usage.model if usage else ''}:"
        words = [part for name, count in counts.items() for part in (name, count)]
        await self._store.run(
            "settle",
            (charge.micros, micros, f"{charge.day}:", entry, now_ms, keys.USAGE_CAP, model, "", 0, 0, *words),
            day=charge.day,
            contact=charge.who,
        )

    async def account(self, now_ms: int, days: int, contacts: Sequence[str]) -> SpendingReport:
        """What was spent on the last `days` days, today included (UTC), in all, by each of `contacts` and by each model."""
        today = from_ms(now_ms).date()
        wanted = [f"{today - timedelta(days=back):%Y-%m-%d}" for back in range(days)]
        account = SpendingReport()
        pipe = self._store.client.pipeline(transaction=False)
        for day in wanted:
            pipe.hgetall(keys.token_stats(day))
        for day, fields in zip(wanted, await self._store.call(pipe.execute()), strict=True):
            _read_day(account, day, fields)
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            pipe = self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.hgetall(keys.spent(contact))
            for contact, fields in zip(page, await self._store.call(pipe.execute()), strict=True):
                _read_contact(account, contact, set(wanted), fields)
        return account

    async def messages(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries of the log, newest first; what cannot be read is left out."""
        found = []
        for raw in await self._store.call(self._store.client.zrevrange(keys.TOKEN_USAGE, 0, limit - 1)):
            try:
                entry = json.loads(raw)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found


def _logged(usage: Usage) -> dict[str, Any]:
    """One answer in the predecessor's words, with ours beside them."""
    return {
        "model": usage.model,
        "inputTokens": usage.input_tokens,
        "responseTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWriteTokens": usage.cache_write_tokens,
        **({"estimated": True} if usage.is_estimated else {}),
    }


def _read_day(account: SpendingReport, day: str, fields: dict[bytes, bytes]) -> None:
    spent = Spent()
    for raw, value in fields.items():
        name, count = raw.decode("utf-8", "replace"), _count(value)
        if name.startswith(_MODEL):
            model, _, counter = name.removeprefix(_MODEL).rpartition(":")
            account.models.setdefault(model, Spent()).add(counter, count)
        else:
            spent.add(name, count)
    if fields:
        account.days[day] = spent


def _read_contact(account: SpendingReport, contact: str, wanted: set[str], fields: dict[bytes, bytes]) -> None:
    for raw, value in fields.items():
        day, _, name = raw.decode("utf-8", "replace").partition(":")
        if day in wanted:
            account.contacts.setdefault(contact, Spent()).add(name, _count(value))


def _count(value: bytes) -> int:
    return int(value) if value.removeprefix(b"-").isdigit() else 0


_OUTAGE_S = 30 * 86_400
_TOLD = "told:"


@dataclass(frozen=True, slots=True)
class Outage:
    """Why the model's server refuses us until a human acts. Its words are ours and quote nobody."""

    code: str
    message: str
    fix: str
    since_ms: int
    who: int = 0
    """Sixteen bits of who was refused first: enough to know them again, too few to say who it was."""


class OutageStore:
    """What keeps everybody from being answered, by scope: `account` for key and credit, else the size of the model that refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, error: SecondmeError, size: ModelSize, who: str, now_ms: int) -> None:
        """The outage is written down, unless one of this scope is already. Repeatable."""
        outage = Outage(error.code, error.message, error.fix, now_ms, _bits(who, now_ms))
        scope = size.value if isinstance(error, ConfigError) else _ACCOUNT
        if scope == ModelSize.SMALL and ModelSize.LARGE in (await self.look())[0]:
            return  # who hears that messages cannot be answered need not hear it of small talk
        pipe = self._store.client.pipeline(transaction=True)
        pipe.hsetnx(keys.MODEL_OUTAGES, scope, json.dumps(asdict(outage)))
        pipe.expire(keys.MODEL_OUTAGES, _OUTAGE_S)
        await self._store.call(pipe.execute())

    async def end(self, size: ModelSize, who: str, now_ms: int, *, stale_ms: float) -> None:
        """A reply by this model: key and credit are good, and its requests are taken. Where one contact's request was refused, another's
        reply proves nothing, until that request is too old to be tried again. Repeatable."""
        outages, _ = await self.look()
        over = [
            scope
            for scope, outage in outages.items()
            if scope == _ACCOUNT
            or (scope == size and (outage.who == _bits(who, outage.since_ms) or now_ms - outage.since_ms > stale_ms))
        ]
        if over:
            await self._store.call(self._store.client.hdel(keys.MODEL_OUTAGES, *over))

    async def look(self) -> tuple[dict[str, Outage], dict[str, int]]:
        """The outages by scope; and since when those are, or were, that the owner was told of. What cannot be read is left out."""
        found = await self._store.call(self._store.client.hgetall(keys.MODEL_OUTAGES))
        outages: dict[str, Outage] = {}
        told: dict[str, int] = {}
        for field_, value in found.items():
            name = field_.decode("utf-8", "replace")
            with contextlib.suppress(ValueError, TypeError):
                if name.startswith(_TOLD):
                    told[name.removeprefix(_TOLD)] = int(value)
                else:
                    outages[name] = Outage(**json.loads(value))
        return outages, told

    async def mark(self, scope: str, since_ms: int | None) -> None:
        """The owner was told of the outage that began then; None: and that it is over. Repeatable."""
        client, field_ = self._store.client, f"{_TOLD}{scope}"
        name = keys.MODEL_OUTAGES
        await self._store.call(client.hdel(name, field_) if since_ms is None else client.hset(name, field_, str(since_ms)))


_ACCOUNT = "account"


def _bits(who: str, salt: int) -> int:
    return zlib.crc32(f"{salt}{who}".encode()) & 0xFFFF


_SLOTS = frozenset({"default", *(f"relationship:{each.value}" for each in Relationship)})


class PersonaUse:
    """What the owner chose: slot -> persona id. A slot is `default` or `relationship:<type>`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> dict[str, str]:
        """Every choice there is. What is no choice of ours is left out, and left as it is."""
        return self.decoded(await self._store.call(self._store.client.hgetall(keys.PERSONA_USE)))

    def decoded(self, found: Mapping[bytes, bytes]) -> dict[str, str]:
        """As `all`, from what is kept."""
        chosen = {slot.decode("utf-8", "replace"): persona.decode("utf-8", "replace") for slot, persona in found.items()}
        return {slot: persona for slot, persona in sorted(chosen.items()) if slot in _SLOTS and persona}

    async def set(self, slot: str, persona: str) -> None:
        """The slot's persona is this one. Repeatable. Raises ValueError for a slot that does not exist."""
        _check(slot)
        await self._store.call(self._store.client.hset(keys.PERSONA_USE, slot, persona))

    async def clear(self, slot: str) -> bool:
        """The slot is empty; true when it was not before. Repeatable. Raises ValueError for a slot that does not exist."""
        _check(slot)
        return bool(await self._store.call(self._store.client.hdel(keys.PERSONA_USE, slot)))


def _check(slot: str) -> None:
    if slot not in _SLOTS:
        raise ValueError("no such slot")


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """What a reply to a contact needs to know, as it was at one moment."""

    members: Sequence[ContactId]
    """The contacts that are the same person, itself first."""
    turns: list[Turn]
    """As `HistoryStore.recent`."""
    profile: StyleProfile | None
    own: Sequence[OwnMessage]
    """What the owner wrote to this person, oldest first."""
    relationship: RelationshipState
    personas: Mapping[str, str]
    """As `PersonaUse.all`."""
    has_outages: bool
    """Whether a model refused us and nobody said since that this is over."""
    has_skills: bool
    """Whether any skill is on."""


class ContextStore:
    """Everything that a reply needs to know in one round trip, each record decoded by the repository that keeps it."""

    def __init__(
        self,
        store: Store,
        history: HistoryStore,
        style: StyleStore,
        relationships: RelationshipStore,
        personas: PersonaUse,
        is_any_on: Callable[[Iterable[bytes]], bool],
    ) -> None:
        """`is_any_on`: whether one of these states of skills is that of a skill that is on."""
        self._store = store
        self._history = history
        self._style = style
        self._relationships = relationships
        self._personas = personas
        self._is_any_on = is_any_on

    async def of(self, contact: ContactId, most: int, before: Mail | None = None) -> ReplyContext:
        """What a reply to `contact` needs to know, with turns as `HistoryStore.recent(contact, most, before)`. One look; more for a contact
        whom the owner linked with others. Raises DataError when a record of its own has the wrong type."""
        relationship, manual, used, outages, skills, *alone = await self._store.run(
            "context", recent_args(most, before), contact=contact
        )
        members: Sequence[ContactId] = [contact]
        if alone:
            said, cached, own_raw, inherited = alone
            turns = self._history.decoded(contact, *said)
            profile, own = await self._style.decoded(contact, cached, own_raw, inherited)
        else:
            members, turns, profile, own = await asyncio.gather(
                self._history.members(contact),
                self._history.recent(contact, most, before),
                self._style.profile(contact),
                self._style.own(contact),
            )
        return ReplyContext(
            members=members,
            turns=turns,
            profile=profile,
            own=own,
            relationship=self._relationships.decoded(relationship, is_manual=bool(manual)),
            personas=self._personas.decoded(dict(zip(used[::2], used[1::2], strict=True))),
            has_outages=outages > 0,
            has_skills=self._is_any_on(skills),
        )

    async def said(self, contact: ContactId) -> list[Turn]:
        """As `HistoryStore.said`: what a message may quote."""
        return await self._history.said(contact)
