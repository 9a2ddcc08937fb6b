"""A town for crowds: the same rooms, reached over connections on which many commands are under way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from attacks.wire import Wire
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.config.loader import load
from secondme.core.messages import Admission, Challenge, InboundMessage
from secondme.core.store.client import Store
from secondme.core.store.server import Role

T = TypeVar("T")
OpenCrowd = Callable[..., Awaitable["Crowd"]]


class Crowd(Town):
    """`receive` goes over the wires, one after the other; everything else is a town's."""

    wires: list[Town]

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        self.wires.append(self.wires.pop(0))
        return await self.wires[0].gateway.receive(message)

    async def says(self, who: str, text: str, **fields: object) -> Admission | Challenge:
        """What the gateway made of a message."""
        return await self.receive(self.message(who, text, **fields))

    async def code(self, who: str) -> str:
        """The live code of a contact, read where only the owner can."""
        request = await self.pairing.find(f"local:{who}")
        assert request is not None
        return request.code


@asynccontextmanager
async def open_crowd(redis_url: str, home: Path, flags: dict[str, Any], *, wires: int = 2) -> AsyncIterator[Crowd]:
    """An empty store and a crowd on it."""
    basics = {"redis_url": redis_url, "pacing.enabled": False, "sleep.enabled": False, "persona.name": "Sam"}
    setup = load({**basics, **flags}, {}, home=home)
    async with Store(setup, Role.ATTACH) as store:
        await store.client.flushall()
        await store.client.config_resetstat()
        crowd = Crowd(setup, store, ScriptedModel(), Random(7))
        crowd.wires, opened = [], []
        for _ in range(wires):
            wired = Store(setup, Role.ATTACH)
            await wired.client.aclose()
            wire = await Wire.open(redis_url)
            opened.append(wire)
            wired.client = wire  # type: ignore[assignment]
            crowd.wires.append(Town(setup, wired, ScriptedModel(), Random(7)))
        try:
            yield crowd
        finally:
            for wire in opened:
                await wire.aclose()


async def at_once(bursts: Iterable[Awaitable[T]], width: int = 200) -> list[T]:
    """The results of all `bursts` in order, `width` of them under way at any time."""
    done: list[T] = []
    waiting = list(bursts)
    for start in range(0, len(waiting), width):
        done.extend(await asyncio.gather(*waiting[start : start + width]))
    return done
