"""Retry: how long to pause before another attempt, how many attempts somebody has, and when a failing service is left alone."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError

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


class Breaker:
    """Leaves a failing service alone: after `most` failures in a row nobody calls it for `pause_s`, then one call may try.

    `code` and `message` are what those are told who come meanwhile.
    """

    def __init__(self, clock: Clock, code: str, message: str, *, most: int, pause_s: float) -> None:
        self._clock = clock
        self._code, self._message = code, message
        self._most, self._pause_s = most, pause_s
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Raises UnavailableError while the service is left alone. Who may pass after that tries for all: the rest wait for it."""
        if self._failures < self._most:
            return
        left = self._open_until - self._clock.monotonic()
        if left > 0:
            raise UnavailableError(self._code, self._message, retry_after_s=left)
        self._open_until = self._clock.monotonic() + self._pause_s

    def failed(self) -> None:
        """A call failed."""
        self._failures += 1
        if self._failures >= self._most:
            self._open_until = self._clock.monotonic() + self._pause_s

    def succeeded(self) -> None:
        """A call succeeded: it is trusted again."""
        self._failures = 0
