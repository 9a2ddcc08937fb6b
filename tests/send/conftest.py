"""A sender that runs on the real store, and rows for it to send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from fakes.town import Town

from secondme.core.clock import SystemClock
from secondme.core.config.models import DeliverySettings
from secondme.core.messages import Composed
from secondme.core.send.sender import Sender
from secondme.core.send.store import OutboxStore

DEADLINE_S = 60.0
"""Far beyond what anything here takes: it ends a hanging test, it decides none."""


class Post:
    """Puts replies into the outbox, runs senders, waits for what they came to."""

    def __init__(self, town: Town) -> None:
        self.town = town

    async def reply(self, who: str, *texts: str) -> None:
        """`who` wrote, and an answer of these texts is in the outbox, each a message of its own when they are long."""
        if not await self.town.raw_keys(f"PAIRING:approved:local:{who}"):
            await self.town.let_in(who)
        self.town.model.script = lambda _: Composed("\n\n".join(texts))
        await self.town.writes(who, "say something")
        assert await self.town.work() == ["answered"]

    async def lease_is_over(self, who: str) -> None:
        """The time in which the row of `who` could still be on its way has passed."""
        client = self.town.store.client
        await client.hset(f"MAILBOX:local:{who}", "send_until", "1")
        await client.zadd("OUTBOX:due:local", {f"local:{who}": 1})

    @asynccontextmanager
    async def sending(self, **settings: object) -> AsyncIterator[Sender]:
        """A sender at work; it has ended when the block has."""
        delivery = DeliverySettings.model_validate(settings)
        outbox = OutboxStore(self.town.store, delivery)
        sender = Sender(self.town.channel, outbox, delivery, SystemClock(), Random(1))
        stop = asyncio.Event()
        running = asyncio.ensure_future(sender.run(stop))
        try:
            yield sender
        finally:
            stop.set()
            sender.nudge()
            async with asyncio.timeout(DEADLINE_S):
                await running

    async def until(self, holds: Callable[[], Awaitable[object]]) -> None:
        """Returns when `holds` does."""
        async with asyncio.timeout(DEADLINE_S):
            while not await holds():
                await asyncio.sleep(0.01)

    async def emptied(self) -> bool:
        """Nothing waits to leave."""
        return await self.town.raw_keys("OUTBOX:*") == []

    async def held(self) -> list[tuple[str, str]]:
        """Why, and what, waits for the owner."""
        rows, _ = await self.town.draft_store.held()
        return [(each.reason, each.row.text) for each in rows]


@pytest.fixture
def post(town: Town) -> Post:
    return Post(town)
