"""Time that passes when somebody waits: nothing waits for real, and a test moves it further."""

import asyncio
from datetime import datetime

from secondme.core.clock import SystemClock, from_ms


class PassingClock(SystemClock):
    """Begins now. Who sleeps moves the time on for everybody."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> datetime:
        return from_ms(self.now_ms())

    def now_ms(self) -> int:
        return super().now_ms() + int(self._ahead_s * 1000)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        self.move(max(0.0, seconds))
        await asyncio.sleep(0)

    def move(self, seconds: float) -> None:
        self._ahead_s += seconds
