"""Workers that run on the real store, and what a test may see of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from fakes.town import Town

from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.queue.worker import Verdict, Worker
from secondme.core.records import Burst

DEADLINE_S = 60.0
"""Far beyond what anything here takes: it ends a hanging test, it decides none."""

Answer = Callable[[Burst], Awaitable[Verdict]]


class Shift:
    """Runs workers in a town whose contacts are let in already."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.bursts: list[Burst] = []

    async def let_in(self, *people: str) -> None:
        for who in people:
            await self.town.let_in(who)

    @asynccontextmanager
    async def working(self, answer: Answer | None = None, name: str = "w1") -> AsyncIterator[asyncio.Event]:
        """A worker at work. Setting the event stops it; it has ended when the block has."""
        chosen = answer or self.town.gateway.answer

        async def judged(burst: Burst) -> Verdict:
            self.bursts.append(burst)
            return await chosen(burst)

        async def done(_: str) -> None:
            """Nobody sends here."""

        stop = asyncio.Event()
        worker = Worker(
            name=name,
            inbox=self.town.inbox,
            answer=judged,
            done=done,
            settings=self.town.setup.settings.queue,
            clock=SystemClock(),
            rng=Random(1),
        )
        running = asyncio.ensure_future(worker.run(stop))
        try:
            yield stop
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await running

    async def until(self, holds: Callable[[], Awaitable[object]], *, hurry: bool = False) -> None:
        """Returns when `holds` does. `hurry`: what was put off is due at once, so that a test need not wait for it."""
        async with asyncio.timeout(DEADLINE_S):
            while not await holds():
                if hurry:
                    await self.town.inbox.hurry()
                    await self.town.inbox.wake()
                await asyncio.sleep(0.01)

    async def is_idle(self) -> bool:
        """No contact has mail or a token."""
        return await self.town.raw_keys("INBOX:*") == [] and await self.town.store.client.scard("QUEUE:active") == 0

    async def waiting(self) -> dict[str, int]:
        """Why contacts wait."""
        return (await self.town.control.backlog(("local",))).waiting

    async def waits_for(self, reason: str) -> bool:
        """One contact waits for that."""
        return (await self.waiting()).get(reason) == 1

    async def tried(self, times: int) -> bool:
        """So many bursts were begun."""
        return len(self.bursts) >= times

    async def replies(self, who: str) -> list[str]:
        """What `who` is shown once everything is delivered."""
        await self.town.deliver()
        return self.town.channel.texts(f"local:{who}")

    async def dead(self, who: str) -> int:
        return int(await self.town.store.client.llen(f"DEAD:local:{who}"))

    async def consumers(self) -> list[str]:
        return [entry["name"].decode() for entry in await self.town.store.client.xinfo_consumers("QUEUE:messages", "workers")]


@pytest.fixture
def setup(redis_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Setup:
    """The settings of these tests, and those a test brings as parameters."""
    ordinary = {"redis_url": redis_url, "pacing.enabled": False, "sleep.enabled": False, "limits.messages": 1000}
    return load({**ordinary, **getattr(request, "param", {})}, {}, home=tmp_path / "home")


@pytest.fixture
def shift(town: Town) -> Shift:
    return Shift(town)
