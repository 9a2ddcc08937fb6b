"""What may the API do? Only what the composition root gave it: there is no second way to decide anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secondme.core.admit.control_store import EverybodyPaused
    from secondme.core.admit.pairing import Owner
    from secondme.core.admit.pairing_store import Listing
    from secondme.core.admit.pauses import Steering
    from secondme.core.gateway.status import Overview
    from secondme.core.ports import Clock
    from secondme.core.send.drafts import Drafts

_FRESH_S = 0.5


@dataclass(frozen=True, slots=True)
class Powers:
    """Functions and rooms, built by the composition root."""

    owner: Owner
    steering: Steering
    drafts: Drafts
    listing: Callable[[], Awaitable[Listing]]
    overview: Callable[[], Awaitable[Overview]]
    everybody: Callable[[], Awaitable[EverybodyPaused | None]]
    pulse: Pulse
    is_stopping: Callable[[], bool]
    channels: Callable[[], Mapping[str, str]]
    """Channel -> its state, of the channels that shall run. No round trip: anybody may ask for the health."""


class Pulse:
    """Whether the store answers. However many ask, it is asked twice a second at most: anybody may ask for the health."""

    def __init__(self, ask: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asking = asyncio.Lock()
        self._asked_at: float | None = None
        self._beats = False

    async def beats(self) -> bool:
        """True when the store answered within the last half second."""
        async with self._asking:
            if self._asked_at is None or self._clock.monotonic() - self._asked_at >= _FRESH_S:
                try:
                    await self._ask()
                    self._beats = True
                except SecondmeError:
                    self._beats = False
                self._asked_at = self._clock.monotonic()
            return self._beats
