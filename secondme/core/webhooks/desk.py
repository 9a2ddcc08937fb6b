"""What the owner decides about webhooks: where they go, of what they tell, and when a secret is another one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from secondme.core.clock import from_ms
from secondme.core.errors import DataError
from secondme.core.ids import new_id
from secondme.core.security_log import SecurityEvent
from secondme.core.webhooks.event_names import NAMES, TEST, is_choice, message_id
from secondme.core.webhooks.records import ListedEndpoint, WebhookEndpoint, WebhookMessage
from secondme.core.webhooks.sender import DeliveryResult
from secondme.core.webhooks.signature import new_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ports import Clock
    from secondme.core.security_log import SecurityLog
    from secondme.core.store.events import EventLog
    from secondme.core.webhooks.records import DeadWebhook, WebhookCounts
    from secondme.core.webhooks.sender import WebhookSender
    from secondme.core.webhooks.store import WebhookStore

_MOST_EVENTS = 50
_TEST_S = 8.0
"""Shorter than what a request to the API may take."""


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """What an endpoint is to be."""

    url: str
    events: Sequence[str]
    is_local: bool = False
    with_ids: bool = False


class WebhookDesk:
    """Decisions about endpoints. `by` is who decides, as the records say."""

    def __init__(
        self, store: WebhookStore, events: EventLog, sender: WebhookSender, security: SecurityLog, clock: Clock, by: str
    ) -> None:
        self._store = store
        self._events = events
        self._sender = sender
        self._security = security
        self._clock = clock
        self._by = by

    async def add(self, new: NewWebhook) -> tuple[WebhookEndpoint, str]:
        """An endpoint that is told of what happens from now on, and its secret, which is told this once. Raises DataError for an address or
        an event that cannot be, BusyError when there are too many."""
        wanted = list(dict.fromkeys(new.events))
        if wrong := [each for each in wanted if not is_choice(each)]:
            raise DataError(
                "unknown_event",
                f"There is no event {wrong[0][:64]}.",
                f"One of: {', '.join(sorted(set(NAMES.values())))}, security.*",
            )
        if not 1 <= len(wanted) <= _MOST_EVENTS:
            raise DataError("unknown_event", "An endpoint is told of one event at least.", "--events '*' is all of them.")
        await self._sender.check(new.url, is_local=new.is_local)
        secret = new_secret()
        endpoint = WebhookEndpoint(
            id=new_id()[:12],
            url=new.url,
            events=wanted,
            local=new.is_local,
            with_ids=new.with_ids,
            created_at=from_ms(self._clock.now_ms()),
            created_by=self._by,
        )
        await self._store.add(endpoint, secret, await self._events.newest())
        host = urlsplit(new.url).hostname  # its path may be as secret as a token
        await self._security.record(
            SecurityEvent.WEBHOOK_ADDED, webhook=endpoint.id, host=host, withIds=new.with_ids, local=new.is_local, by=self._by
        )
        return endpoint, secret

    async def all(self) -> list[ListedEndpoint]:
        """Every endpoint and how it stands, the oldest first."""
        return await self._store.listed()

    async def show(self, identity: str) -> ListedEndpoint:
        """One of them. Raises NotFoundError."""
        return ListedEndpoint(await self._store.find(identity), await self._store.state(identity))

    async def test(self, identity: str) -> DeliveryResult:
        """What came back of a `test` event that was sent now, and is not tried again. Raises NotFoundError."""
        endpoint, now_ms = await self._store.find(identity), self._clock.now_ms()
        message = WebhookMessage(id=message_id(endpoint, f"test {new_id()}"), type=TEST, at=from_ms(now_ms))
        signers = await self._store.secrets(identity, now_ms)
        try:
            async with asyncio.timeout(_TEST_S):
                return await self._sender.send(endpoint, message, signers)
        except TimeoutError:
            return DeliveryResult("timed_out")

    async def rotate(self, identity: str) -> str:
        """A new secret, told this once; for 24 h deliveries are signed with the one before it too. Raises NotFoundError."""
        secret = new_secret()
        await self._store.rotate(identity, secret)
        await self._security.record(SecurityEvent.WEBHOOK_ROTATED, webhook=identity, by=self._by)
        return secret

    async def enable(self, identity: str) -> None:
        """The endpoint is tried again, and told of what happens from now on. Raises NotFoundError."""
        await self._store.enable(identity, await self._events.newest())

    async def dead(self, identity: str) -> list[DeadWebhook]:
        """What was never delivered there, the newest first. Raises NotFoundError."""
        await self._store.find(identity)
        return await self._store.dead(identity)

    async def replay(self, identity: str) -> int:
        """Every dead letter is tried again; how many. Raises NotFoundError, or BusyError while the endpoint is disabled."""
        return await self._store.replay(identity)

    async def remove(self, identity: str) -> None:
        """Nothing of the endpoint is left. Raises NotFoundError."""
        await self._store.remove(identity)
        await self._security.record(SecurityEvent.WEBHOOK_REMOVED, webhook=identity, by=self._by)

    async def counts(self) -> WebhookCounts:
        """How many deliveries arrived, and how many never did."""
        return await self._store.counts()
