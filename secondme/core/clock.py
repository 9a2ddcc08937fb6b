"""Time: now, sleep, and durations as people type them. The only module that asks the operating system."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DURATION = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)?", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "min": 60, None: 60, "h": 3600, "d": 86_400}
_LONGEST = timedelta(days=365)


def to_ms(moment: datetime) -> int:
    """`moment` (aware) as whole Unix milliseconds, rounded down: the wire format of every stored time."""
    return (moment - EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Unix milliseconds as aware UTC. Raises OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def rfc3339(moment: datetime) -> str:
    """`moment` (aware) in whole seconds, like `2026-11-21T09:30:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_duration(text: str) -> timedelta | None:
    """What `90s`, `60m`, `2h` or `1d` says; a bare number is minutes. None for anything else, zero, or over a year."""
    match = _DURATION.fullmatch(text.strip().casefold())
    value = timedelta(seconds=int(match[1]) * _UNIT_S[match[2]]) if match else timedelta(0)
    return value if timedelta(0) < value <= _LONGEST else None


class SystemClock:
    """The real clock. Tests hand in one whose time is a number they move."""

    def now(self) -> datetime:
        """The current moment, aware UTC."""
        return datetime.now(UTC)

    def now_ms(self) -> int:
        """The current Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that only ever grow; unrelated to the date."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; zero or less gives way once."""
        await asyncio.sleep(max(0.0, seconds))
