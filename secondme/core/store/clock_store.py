"""The store's clock, watched: it is a machine's clock, which somebody, or NTP after a start without a network, may put back.

Every due time is a number of that clock. Put back by five hours, it would let everything that was planned wait for five hours more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.ports import Clock
    from secondme.core.store.client import Store

_STEP_MS = 2_000
"""NTP slews smaller ones; and two processes look at slightly different moments."""
_SILENCE_MS = 60_000
"""Without a look for so long, the clock may have been anything in between."""
_WINDOWS = (keys.PAIRING_PROMPTS, keys.PAIRING_WRONG, keys.OWNER_TOLD, keys.MEDIA_DUE)
"""Sets of moments, beside queues and outboxes: what was in an hour that is still to come would count as the last hour until then."""
_CLOSED_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class ClockSetBack:
    """The clock was put back by `by_ms`; what it said from `since_ms` on was wrong by as much."""

    by_ms: int
    since_ms: int


class ClockStore:
    """The clock of one store, as one process sees it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: tuple[int, float] | None = None
        """What it said, and our monotonic clock at that moment."""

    async def look(self) -> ClockSetBack | None:
        """How the clock was put back since anybody looked; None when it was not, or when somebody was told before. Raises UnavailableError."""
        expected = 0
        if self._seen is not None:
            expected = self._seen[0] + int((self._clock.monotonic() - self._seen[1]) * 1000)
        now, back, since = map(int, await self._store.run("watch_clock", (expected, _STEP_MS, _SILENCE_MS)))
        self._seen = now, self._clock.monotonic()
        return ClockSetBack(back, since) if back else None

    async def replan(self, change: ClockSetBack) -> None:
        """What belongs to no stage comes when it should have: windows of an hour, tries of webhooks, recordings that wait to be read."""
        endpoints = await self._store.call(self._store.client.zrange(keys.WEBHOOK_INDEX, 0, -1))
        for schedule in (*_WINDOWS, *(keys.webhook_queue(each.decode()) for each in endpoints)):
            await self._store.run("replan", (change.by_ms,), schedule=schedule)
        if await self._store.call(self._store.client.pttl(keys.PAIRING_CLOSED)) > _CLOSED_MS:
            await self._store.call(self._store.client.pexpire(keys.PAIRING_CLOSED, _CLOSED_MS))
