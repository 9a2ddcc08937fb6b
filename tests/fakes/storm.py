"""A platform that drops its connections as told, in a time of its own, and one connection to it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fakes.channel import FakeChannel
from fakes.clock import FakeClock

from secondme.core.channel_manifest import Manifest
from secondme.core.channel_plugin import ChannelFactory
from secondme.core.clock import SystemClock
from secondme.core.errors import UnavailableError
from secondme.core.gateway.channel_supervisor import ChannelSupervisor
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.messages import Admission, ChannelState, InboundMessage
from secondme.core.ports import ChannelHost


def message_of(who: str, text: str, native: str) -> InboundMessage:
    """A message of `who`, whose id begins with the channel's, sent now."""
    contact, channel = ContactId(who), ChannelId(who.partition(":")[0])
    return InboundMessage(channel, contact, contact, MessageId(native), text, SystemClock().now())


class AtOnce(ThreadPoolExecutor):
    """Does in the loop what is meant for a thread: what happens in a simulated second has then happened for certain."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args, **named))
        except Exception as error:  # noqa: BLE001  as an executor does
            done.set_exception(error)
        return done


@dataclass
class Platform:
    """A platform that keeps what was not confirmed, and drops the connection as told. It counts who is connected."""

    clock: FakeClock
    life_s: float | None = 1.0
    """After so long the connection is lost; None: never."""
    down: bool = False
    """The gateway's store does not answer."""
    says_so: bool = False
    """Before a connection is lost, the channel reports that it looks for another."""
    waiting: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    live: int = 0
    most: int = 0

    def factory(self, name: str = "stormy") -> ChannelFactory:
        def build_it() -> Any:
            return Stormy(self)

        return ChannelFactory(Manifest(name, name.title(), "s", "nowhere"), build_it)

    async def receive(self, message: InboundMessage) -> Admission:
        await asyncio.sleep(0)
        if self.down:
            raise UnavailableError("store_down", "The store does not answer.")
        self.received.append(message.text)
        return Admission.QUEUED

    async def passes(self, seconds: float, step_s: float = 0.25, each: Callable[[], None] | None = None) -> None:
        """So much time passes, and everything that it brings has happened."""
        for _ in range(round(seconds / step_s)):
            self.clock.move(step_s)
            if each is not None:
                each()
            for _ in range(40):
                await asyncio.sleep(0)


class Stormy(FakeChannel):
    def __init__(self, platform: Platform) -> None:
        super().__init__("stormy")
        self.platform = platform

    async def run(self, host: ChannelHost) -> None:
        platform, clock = self.platform, self.platform.clock
        platform.live += 1
        platform.most = max(platform.most, platform.live)
        platform.begun.append(clock.monotonic())
        try:
            host.report(ChannelState.CONNECTED)
            end_s = None if platform.life_s is None else clock.monotonic() + platform.life_s
            while end_s is None or clock.monotonic() < end_s:
                for text in list(platform.waiting):
                    with suppress(UnavailableError):
                        await host.receive(message_of("stormy:anna", text, text))
                        platform.waiting.remove(text)
                        platform.confirmed.append(text)
                await clock.sleep(0.25)
            if platform.says_so:
                host.report(ChannelState.CONNECTING, "unreachable")
            raise ConnectionResetError("gone")
        finally:
            platform.live -= 1
            platform.lost.append(clock.monotonic())


@asynccontextmanager
async def living(platform: Platform, seed: int = 1) -> AsyncIterator[ChannelSupervisor]:
    supervisor = ChannelSupervisor(platform.factory(), platform.receive, lambda: None, platform.clock, random.Random(seed))  # type: ignore[arg-type]
    asyncio.get_running_loop().set_default_executor(AtOnce())
    life = asyncio.ensure_future(supervisor.run())
    try:
        await platform.passes(0.25)
        yield supervisor
    finally:
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life
    assert platform.live == 0


def pauses(platform: Platform) -> list[float]:
    """Between each loss and the next beginning."""
    return [begun - lost for lost, begun in zip(platform.lost, platform.begun[1:], strict=False)]
