"""A gateway's end of a channel that keeps what it hears, and fails as told."""

import asyncio
from collections.abc import Callable

from secondme.core.errors import UnavailableError
from secondme.core.messages import Admission, Challenge, ChannelState, InboundMessage


class RecordingHost:
    """`messages` has what was safely received, in order; `offered` every attempt."""

    def __init__(self) -> None:
        self.messages: list[InboundMessage] = []
        self.offered: list[InboundMessage] = []
        self.states: list[tuple[ChannelState, str]] = []
        self.signs_of_life = 0
        self.is_down = False
        self.outcome: Callable[[InboundMessage], Admission | Challenge] = lambda _: Admission.QUEUED
        self._news = asyncio.Condition()

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        self.offered.append(message)
        async with self._news:
            self._news.notify_all()
        if self.is_down:
            raise UnavailableError("store_down", "The store does not answer.")
        self.messages.append(message)
        async with self._news:
            self._news.notify_all()
        return self.outcome(message)

    def report(self, state: ChannelState, code: str = "") -> None:
        self.states.append((state, code))

    def alive(self) -> None:
        self.signs_of_life += 1

    @property
    def state(self) -> ChannelState | None:
        return self.states[-1][0] if self.states else None

    async def until(self, true: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return as soon as `true()`; fail after `seconds`."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)

    async def heard(self, count: int, seconds: float = 20.0) -> list[InboundMessage]:
        """The messages, once there are `count`."""
        await self.until(lambda: len(self.messages) >= count, seconds)
        return self.messages
