"""What is stored of webhooks: endpoints, their secrets, what waits for them, and what was never delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.store import keys
from secondme.core.webhooks.records import (
    DeadWebhook,
    EndpointState,
    ListedEndpoint,
    WebhookCounts,
    WebhookEndpoint,
    WebhookMessage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from secondme.core.store.client import Store

MOST_ENDPOINTS = 20
MOST_WAITING = 1_000
"""Of an endpoint. More is taken in when some of it has left: until then it stays in the log of events."""
_DEAD_CAP = 500
_LEASE_MS = 60_000
"""Four times what a try may take."""
_BROKEN_MS = 3_600_000
_OVERLAP_MS = 24 * 3_600_000
_PATIENCE_MS = 3 * 86_400_000


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that this process may try now, and nobody else for a minute."""

    message: WebhookMessage
    fence: int
    failed_tries: int


@dataclass(frozen=True, slots=True)
class TryOutcome:
    """What became of one try."""

    kind: Literal["sent", "retry", "dead", "gone"]
    status: str
    delay_s: float = 0.0
    """Until the next try of this message."""
    hold_s: float = 0.0
    """For which the receiver asked to be left alone."""


class WebhookStore:
    """Endpoints in Redis. Their secrets leave it only to sign."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Endpoints

    async def endpoints(self) -> list[WebhookEndpoint]:
        """Every endpoint, the oldest first; one that cannot be read is left out."""
        ids = await self._store.call(self._store.client.zrange(keys.WEBHOOK_INDEX, 0, -1))
        raws = await self._store.call(self._store.client.mget([keys.webhook(each.decode()) for each in ids])) if ids else []
        found = []
        for identity, raw in zip(ids, raws, strict=True):
            try:
                found.append(WebhookEndpoint.decode(raw or "", keys.webhook(identity.decode())))
            except DataError:
                continue
        return found

    async def find(self, identity: str) -> WebhookEndpoint:
        """The endpoint. Raises NotFoundError, or DataError when its record cannot be read."""
        raw = await self._store.call(self._store.client.get(keys.webhook(identity)))
        if raw is None:
            raise _unknown()
        return WebhookEndpoint.decode(raw, keys.webhook(identity))

    async def listed(self) -> list[ListedEndpoint]:
        """Every endpoint and how it stands."""
        return [ListedEndpoint(each, await self.state(each.id)) for each in await self.endpoints()]

    async def state(self, identity: str) -> EndpointState:
        """How an endpoint stands."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.hgetall(keys.webhook_state(identity))
        pipe.zcard(keys.webhook_queue(identity))
        pipe.llen(keys.webhook_dead(identity))
        raw, waiting, dead = await self._store.call(pipe.execute())
        facts = {name.decode(): value.decode() for name, value in raw.items()}
        return EndpointState(
            waiting=waiting,
            dead=dead,
            sent=int(facts.get("sent", 0)),
            last_status=facts.get("status", ""),
            last_try_at=_moment(facts, "triedAt"),
            last_success_at=_moment(facts, "succeededAt"),
            failing_since=_moment(facts, "failingSince"),
            disabled_at=_moment(facts, "disabledAt"),
            disabled_why=facts.get("disabledWhy", ""),
        )

    async def add(self, endpoint: WebhookEndpoint, secret: str, cursor: str) -> None:
        """The endpoint is told of what follows `cursor` in the log of events. Raises BusyError when there are too many."""
        args = (endpoint.id, endpoint.encode(), secret, cursor, MOST_ENDPOINTS)
        if await self._store.run("webhook_add", args, endpoint=endpoint.id) == b"full":
            raise BusyError("too_many_webhooks", f"There are {MOST_ENDPOINTS} webhooks already.", "secondme webhooks list")
        await self._tell_changed(endpoint.id)

    async def remove(self, identity: str) -> None:
        """Nothing of the endpoint is left, and nothing goes there any more. Raises NotFoundError."""
        pipe = self._store.client.pipeline(transaction=True)
        pipe.zrem(keys.WEBHOOK_INDEX, identity)
        for make in (
            keys.webhook,
            keys.webhook_secret,
            keys.webhook_state,
            keys.webhook_queue,
            keys.webhook_messages,
            keys.webhook_dead,
        ):
            pipe.delete(make(identity))
        if not any(await self._store.call(pipe.execute())):
            raise _unknown()
        await self._tell_changed(identity)

    async def enable(self, identity: str, cursor: str) -> None:
        """The endpoint is tried again now; one that was disabled is told of what follows `cursor`. Raises NotFoundError."""
        if await self._store.run("webhook_enable", (cursor,), endpoint=identity) == b"missing":
            raise _unknown()
        await self._tell_changed(identity)

    async def rotate(self, identity: str, secret: str) -> None:
        """Deliveries are signed with `secret`, and for 24 h with the one before it too. Raises NotFoundError."""
        if await self._store.run("webhook_rotate", (secret, _OVERLAP_MS), endpoint=identity) == b"missing":
            raise _unknown()

    async def secrets(self, identity: str, now_ms: int) -> list[str]:
        """What deliveries are signed with now, the newest first. One that has ended is gone then."""
        key = keys.webhook_secret(identity)
        found = await self._store.call(self._store.client.hgetall(key))
        facts = {name.decode(): value.decode() for name, value in found.items()}
        if "previous" in facts and int(facts["previousUntil"]) <= now_ms:
            await self._store.call(self._store.client.hdel(key, "previous", "previousUntil"))
            del facts["previous"]
        return [facts[name] for name in ("current", "previous") if name in facts]

    # What waits

    async def cursor(self, identity: str) -> str | None:
        """Up to which event the endpoint's messages were made; None while it takes none: it is disabled, removed, or has too much to do."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.hmget(keys.webhook_state(identity), "cursor", "disabledAt")
        pipe.zcard(keys.webhook_queue(identity))
        (cursor, disabled), waiting = await self._store.call(pipe.execute())
        return cursor.decode() if cursor and not disabled and waiting < MOST_WAITING else None

    async def enqueue(self, identity: str, looked: tuple[str, str], messages: Sequence[tuple[str, WebhookMessage]]) -> bool:
        """The messages wait, each with the id of its event or none, made of what is between the two cursors `looked`; not those whose event was
        taken out of the log meanwhile. False when another process was faster."""
        more = [part for event, message in messages for part in (event, message.id, message.encode())]
        return bool(await self._store.run("webhook_enqueue", (*looked, *more), endpoint=identity) == b"done")

    async def claim(self, identity: str) -> ClaimedMessage | float | None:
        """A message to be tried now; or in how many seconds there may be one; None when none waits. One that cannot
        be read is looked at again in an hour."""
        kind, *rest = await self._store.run("webhook_claim", (_LEASE_MS,), endpoint=identity)
        match kind:
            case b"taken":
                name, raw, fence, tries = rest
                try:
                    message = WebhookMessage.decode(raw, keys.webhook_messages(identity))
                except DataError:
                    later = int((await self._store.call(self._store.client.time()))[0]) * 1000 + _BROKEN_MS
                    await self._store.call(self._store.client.zadd(keys.webhook_queue(identity), {name: later}, xx=True))
                    return 0.0
                return ClaimedMessage(message, fence, tries)
            case b"later":
                return float(rest[0]) / 1000
            case _:
                return None

    async def conclude(self, identity: str, claimed: ClaimedMessage, outcome: TryOutcome) -> bool:
        """What became of the try is known; True when the endpoint was disabled by it. What another process has claimed since stays its own."""
        args = (
            identity,
            claimed.message.id,
            claimed.fence,
            outcome.kind,
            outcome.status,
            round(outcome.delay_s * 1000),
            round(outcome.hold_s * 1000),
            _PATIENCE_MS,
            keys.EVENTS_SECURITY,
        )
        return bool(await self._store.run("webhook_conclude", args, endpoint=identity) == b"disabled")

    # What was never delivered

    async def dead(self, identity: str) -> list[DeadWebhook]:
        """The newest first; what cannot be read is left out."""
        return [letter for _, letter in await self._dead(identity)]

    async def replay(self, identity: str) -> int:
        """Every dead letter is tried again; returns how many. Raises NotFoundError, or BusyError while the endpoint is disabled."""
        parts = [part for raw, letter in await self._dead(identity) for part in (raw, letter.message.id, letter.message.encode())]
        match await self._store.run("webhook_replay", tuple(parts), endpoint=identity):
            case b"missing":
                raise _unknown()
            case b"disabled":
                raise BusyError("webhook_disabled", "This webhook is disabled.", f"secondme webhooks enable {identity}")
            case count:
                await self._tell_changed(identity)
                return int(count)

    async def counts(self) -> WebhookCounts:
        """How many deliveries arrived, and how many never did."""
        sent, dead = await self._store.call(self._store.client.hmget(keys.WEBHOOK_COUNTS, "sent", "dead"))
        return WebhookCounts(int(sent or 0), int(dead or 0))

    async def _dead(self, identity: str) -> list[tuple[bytes, DeadWebhook]]:
        raws = await self._store.call(self._store.client.lrange(keys.webhook_dead(identity), 0, _DEAD_CAP - 1))
        found = []
        for raw in raws:
            try:
                found.append((raw, DeadWebhook.decode(raw, keys.webhook_dead(identity))))
            except DataError:
                continue
        return found

    async def _tell_changed(self, identity: str) -> None:
        """Every gateway looks at the endpoints anew."""
        await self._store.publish(keys.EVENTS_STATUS, {"type": CHANGED, "webhook": identity})


CHANGED = "webhook_changed"
"""The event after which the endpoints are read again."""


def _moment(facts: Mapping[str, Any], name: str) -> datetime | None:  # as the store holds it
    return from_ms(int(facts[name])) if name in facts else None


def _unknown() -> NotFoundError:
    return NotFoundError("unknown_webhook", "There is no such webhook.", "secondme webhooks list")
