"""Upkeep of the queue: what is due is woken, what died is taken over, what broke is mended. Every worker does it all the time;
every step may be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import DataError, SecondmeError
from secondme.core.log import get_logger
from secondme.core.wake_timer import WakeTimer

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from secondme.core.config.models import QueueSettings
    from secondme.core.ports import Clock, Random
    from secondme.core.queue.store import InboxStore

log = get_logger(__name__)

_WAKE_S = 2.0
"""How long what another process made due may go unnoticed, when it said nothing."""
_EARLY_S = 0.001
"""The store counts milliseconds: looked at exactly in time, what is due might not be yet."""
_REPAIR_S = 60.0
_GONE_MS = 3_600_000
_SEARCH_S = 60.0
"""Between two walks through the whole store, one step in each turn of the loop."""


class Upkeep:
    """One worker's share of keeping order."""

    def __init__(
        self, inbox: InboxStore, name: str, running: AbstractSet[str], settings: QueueSettings, clock: Clock, rng: Random
    ) -> None:
        self._inbox = inbox
        self._name = name
        self._running = running
        """Contacts that this worker is at: their tokens are not dead."""
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._timer = WakeTimer(clock)

    def expect(self, delay_s: float = 0.0) -> None:
        """Something that waits will be due in `delay_s`: it is looked at then."""
        self._timer.set(delay_s + _EARLY_S)

    async def run(self) -> None:
        """Until cancelled, what waits becomes due in time, and nothing stays lost."""
        next_claim = next_repair = next_search = self._clock.monotonic()
        cursor = 0
        while True:
            wait_s = None
            try:
                now = self._clock.monotonic()
                _, wait_s = await self._inbox.wake()
                if now >= next_claim:
                    next_claim = now + max(1.0, self._settings.lease_s / 3)
                    await self._reclaim()
                if now >= next_repair:
                    next_repair = now + _REPAIR_S * self._rng.uniform(0.8, 1.2)
                    mended = await self._inbox.repair()
                    if mended:
                        log.warning("tokens_mended", count=mended)
                    await self._inbox.bury(_GONE_MS)
                if now >= next_search:
                    cursor, mended = await self._inbox.search(cursor)
                    if mended:
                        log.warning("tokens_mended", count=mended)
                    if cursor == 0:
                        next_search = now + _SEARCH_S * self._rng.uniform(0.8, 1.2)
            except SecondmeError as error:
                log.debug("upkeep_put_off", code=error.code)
            await self._timer.wait(_WAKE_S if wait_s is None else min(_WAKE_S, wait_s + _EARLY_S))

    async def _reclaim(self) -> None:
        """Tokens of dead workers go back into the stream, in one step each, for whoever is free."""
        for token in await self._inbox.claim(self._name, 100):
            if token.contact_id not in self._running:
                try:
                    await self._inbox.defer(token, self._name, None, delay_s=0, reason="reclaimed", forgive=False)
                except DataError:
                    await self._inbox.abandon(token)
