"""Deliveries as a gateway makes them, to a receiver on this machine, with time that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

import pytest
from fakes.clock import FakeClock
from fakes.process import eventually
from fakes.webhook_receiver import Receiver

from secondme.core.config.loader import Setup
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.webhooks.delivery import WebhookDelivery
from secondme.core.webhooks.desk import NewWebhook
from secondme.core.webhooks.records import EndpointState
from secondme.core.webhooks.sender import WebhookSender
from secondme.core.webhooks.store import CHANGED
from secondme.services import Services


class Post:
    """One home whose gateway delivers."""

    def __init__(self, setup: Setup, store: Store, receiver: Receiver) -> None:
        self.setup, self.store, self.receiver = setup, store, receiver
        self.services = Services(setup, store)
        self.desk, self.kept = self.services.webhook_desk, self.services.webhook_store
        self.clock = FakeClock(self.services.clock.now_ms())
        self.id = self.secret = ""

    async def add(self, *events: str, with_ids: bool = False) -> str:
        """An endpoint at the receiver; the last one is `id`."""
        endpoint, self.secret = await self.desk.add(
            NewWebhook(self.receiver.url, events or ("*",), is_local=True, with_ids=with_ids)
        )
        self.id = endpoint.id
        return endpoint.id

    async def happens(self, kind: str = "draft_expired", channel: str = keys.EVENTS_QUEUE, **facts: object) -> None:
        await self.store.publish(channel, {"type": kind, **facts})

    def delivery(self, whole_s: float = 5.0, seed: int = 7) -> WebhookDelivery:
        sender = WebhookSender(self.services.clock, allow_private=False, whole_s=whole_s)
        services = self.services
        return WebhookDelivery(
            self.kept, services.events, sender, services.follow, services.security, clock=self.clock, rng=Random(seed)
        )

    @asynccontextmanager
    async def running(self, whole_s: float = 5.0, seed: int = 7) -> AsyncIterator[None]:
        """A gateway's deliveries run."""
        task = asyncio.ensure_future(self.delivery(whole_s, seed).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def state(self) -> EndpointState:
        return await self.kept.state(self.id)

    async def tries(self) -> int:
        """Failed tries of everything that waits."""
        found = await self.store.client.hgetall(keys.webhook_messages(self.id))
        return sum(int(value) for name, value in found.items() if name.endswith(b":tries"))

    async def due_in_s(self) -> list[float]:
        """When each message is tried next."""
        seconds, micros = await self.store.client.time()
        found = await self.store.client.zrange(keys.webhook_queue(self.id), 0, -1, withscores=True)
        return [score / 1000 - seconds - micros / 1e6 for _, score in found]

    async def moves(self, seconds: float, *, only_queue: bool = False) -> None:
        """So much time has passed, for everything that is kept."""
        queue, state, secret = (make(self.id) for make in (keys.webhook_queue, keys.webhook_state, keys.webhook_secret))
        for name in await self.store.client.zrange(queue, 0, -1):
            await self.store.client.zincrby(queue, -seconds * 1000, name)
        marks = [] if only_queue else [(state, "failingSince"), (state, "waitUntil"), (secret, "previousUntil")]
        for key, name in marks:
            value = await self.store.client.hget(key, name)
            if value is not None:
                await self.store.client.hset(key, name, str(int(value) - int(seconds * 1000)))
        self.clock.move(seconds + 1)  # whoever waits asked a moment ago
        await self.store.publish(
            keys.EVENTS_STATUS, {"type": CHANGED}
        )  # and who asked before it moved, and waits since, asks again

    async def has(self, count: int) -> None:
        """So many requests came, and what became of them is known."""
        await eventually(lambda: len(self.receiver.received) >= count and not self.receiver.at_once)
        await eventually(self._is_settled)

    async def _is_settled(self) -> bool:
        found = await self.store.client.hgetall(keys.webhook_messages(self.id))
        return not any(name.endswith(b":fence") for name in found)


Posting = Callable[[], AbstractAsyncContextManager[Post]]


@pytest.fixture
async def post(setup: Setup, store: Store) -> AsyncIterator[Post]:
    async with Receiver() as receiver:
        yield Post(setup, store, receiver)
