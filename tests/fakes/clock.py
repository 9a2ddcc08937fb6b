"""Time that a test moves by hand."""

import asyncio


class FakeClock:
    """`sleep` returns when the test has moved the time far enough."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.ms = now_ms
        self._start = now_ms
        self._moved = asyncio.Event()

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return (self.ms - self._start) / 1000

    async def sleep(self, seconds: float) -> None:
        end = self.ms + seconds * 1000
        while self.ms < end:
            await self._moved.wait()
        await asyncio.sleep(0)

    def move(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        self._moved.set()
        self._moved = asyncio.Event()
