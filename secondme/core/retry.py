"""Retry: how long to pause before another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.ports import Random


def backoff_s(failures: int, first_s: float, last_s: float, rng: Random | None = None) -> float:
    """The pause after so many failures before this one: twice as long each time, from `first_s` to `last_s`; with `rng` up to a fifth
    shorter, so that those who failed together do not come back together."""
    pause_s = min(last_s, first_s * 2.0 ** min(failures, 32))
    return max(first_s, pause_s * rng.uniform(0.8, 1.0)) if rng else pause_s
