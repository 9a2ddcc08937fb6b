"""A whole gateway in the test's own process, on the real store, with the channels that the test brings and the owner's chat."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

from fakes.process import DEADLINE_S, eventually
from fakes.town import Town

from secondme.core.channel_plugin import ChannelFactory
from secondme.core.clock import SystemClock
from secondme.core.gateway.gateway import Gateway, Part
from secondme.core.messages import ChannelState


class House:
    """A running gateway of `town`'s rooms."""

    def __init__(self, town: Town, factories: Sequence[ChannelFactory], part: Part) -> None:
        chat = town.services.owner_chat
        rooms = replace(town.rooms, channels=list(factories), owner_chat=chat)
        self.town = town
        self.gateway = Gateway(rooms, town.setup.settings, SystemClock(), Random(3), part=part)
        self.ended_after_s: float | None = None

    def state(self, channel: str) -> tuple[str, str]:
        supervisor = self.gateway.manager.channels[channel]
        return supervisor.state.value, supervisor.code

    async def connected(self, channel: str) -> None:
        await eventually(lambda: self.gateway.manager.channels[channel].state is ChannelState.CONNECTED)

    async def signed(self, channel: str) -> dict[str, Any]:
        """What the gateway's last sign of life says about the channel."""
        for sign in await self.town.control.alive():
            if channel in sign.get("channels", {}):
                return dict(sign["channels"][channel])
        return {}


@asynccontextmanager
async def house(town: Town, *factories: ChannelFactory, part: Part = "all") -> AsyncIterator[House]:
    """A gateway that runs, and has ended afterwards; how long that took is in `ended_after_s`."""
    built = House(town, factories, part)
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(built.gateway.run(stop, ready))
    try:
        await ready.wait()
        yield built
    finally:
        stop.set()
        clock = asyncio.get_running_loop().time
        begun = clock()
        async with asyncio.timeout(DEADLINE_S):
            await task
        built.ended_after_s = clock() - begun
