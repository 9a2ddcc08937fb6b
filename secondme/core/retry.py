"""Retry: how long to pause before another attempt, and how many attempts somebody has."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.ports import Clock, Random

_MINUTE_S = 60.0


def backoff_s(failures: int, first_s: float, last_s: float, rng: Random | None = None) -> float:
    """The pause after so many failures before this one: twice as long each time, from `first_s` to `last_s`; with `rng` up to a fifth
    shorter, so that those who failed together do not come back together."""
    pause_s = min(last_s, first_s * 2.0 ** min(failures, 32))
    return max(first_s, pause_s * rng.uniform(0.8, 1.0)) if rng else pause_s


class AttemptLimit:
    """Wrong attempts within a minute, at most `most`; and what was refused, counted for somebody who is told of it once a minute."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=most)
        self._refused = 0
        self._told_at: float | None = None

    def is_one_too_many(self) -> bool:
        """True when a minute had its share of wrong attempts before this one, which then is not counted."""
        now = self._clock.monotonic()
        if len(self._wrong) == self._wrong.maxlen and now - self._wrong[0] < _MINUTE_S:
            return True
        self._wrong.append(now)
        return False

    def refused(self) -> int:
        """One more was refused: how many to tell of now, or 0 within a minute of the last time."""
        self._refused += 1
        now = self._clock.monotonic()
        if self._told_at is not None and now - self._told_at < _MINUTE_S:
            return 0
        count, self._told_at, self._refused = self._refused, now, 0
        return count
