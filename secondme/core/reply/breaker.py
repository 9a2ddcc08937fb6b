"""Is a service that keeps failing asked again? Not for a while, and then by one caller only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError

if TYPE_CHECKING:
    from secondme.core.ports import Clock

_OPEN_AFTER = 10
"""Failures in a row after which the model is left alone."""
_OPEN_S = 15.0


class Breaker:
    """Leaves a failing service alone: after ten failures in a row nobody calls it for 15 s, then one call may try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Raises UnavailableError while the service is left alone. Who may pass after that tries for all: the rest wait for it."""
        if self._failures < _OPEN_AFTER:
            return
        left = self._open_until - self._clock.monotonic()
        if left > 0:
            raise UnavailableError(
                "model_down", "The model has failed too often and is left alone for a moment.", retry_after_s=left
            )
        self._open_until = self._clock.monotonic() + _OPEN_S

    def failed(self) -> None:
        """A call failed."""
        self._failures += 1
        if self._failures >= _OPEN_AFTER:
            self._open_until = self._clock.monotonic() + _OPEN_S

    def succeeded(self) -> None:
        """A call succeeded: it is trusted again."""
        self._failures = 0
