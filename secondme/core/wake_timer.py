"""A timer for whoever looks after a schedule: it ends when the next thing is due, or as soon as there is news."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.ports import Clock


class WakeTimer:
    """Set by many, waited for by one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_at = float("inf")
        self._news = asyncio.Event()

    def set(self, delay_s: float = 0.0) -> None:
        """It ends in `delay_s` at the latest."""
        ends_at = self._clock.monotonic() + delay_s
        if ends_at < self._ends_at:
            self._ends_at = ends_at
            self._news.set()

    async def wait(self, most_s: float) -> None:
        """Until it ends, in `most_s` at the latest; afterwards it is set to nothing. What was set since the last wait counts."""
        self.set(most_s)
        while (left_s := self._ends_at - self._clock.monotonic()) > 0:
            self._news.clear()
            waiting = {asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(self._clock.sleep(left_s))}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waiting:
                    each.cancel()
        self._ends_at = float("inf")
