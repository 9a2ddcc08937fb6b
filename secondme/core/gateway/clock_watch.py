"""The clock watch: when the store's clock was put back, what was planned by it leaves, ends and is tried again when it was meant to.

One process of all that look does it, the first. Pauses come first, since what waits for them is judged again; scheduled hours stay as they are.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.admit.control_store import ControlStore
    from secondme.core.ports import Clock
    from secondme.core.queue.store import InboxStore
    from secondme.core.send.store import OutboxStore
    from secondme.core.store.clock_store import ClockSetBack, ClockStore

log = get_logger(__name__)

_LOOK_S = 5.0


class ClockWatch:
    """One process's share of it."""

    def __init__(
        self,
        clocks: ClockStore,
        control: ControlStore,
        inbox: InboxStore,
        outbox: OutboxStore,
        channels: Sequence[str],
        clock: Clock,
    ) -> None:
        self._clocks = clocks
        self._control = control
        self._inbox = inbox
        self._outbox = outbox
        self._channels = channels
        self._clock = clock
        self._steps: deque[Callable[[], Awaitable[None]]] = deque()
        """What is left to be done since the clock was put back."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_LOOK_S)

    async def look(self) -> None:
        """What was planned by a wrong clock is planned anew, if this process is the first to see that it was. Never raises: what fails is
        tried again at the next look."""
        try:
            if (change := await self._clocks.look()) is not None:
                log.warning("clock_put_back", seconds=change.by_ms // 1000)
                self._steps.extend(self._what_to_do(change))
            while self._steps:
                await self._steps[0]()
                self._steps.popleft()
        except SecondmeError as error:
            log.debug("clock_watch_put_off", code=error.code)

    def _what_to_do(self, change: ClockSetBack) -> list[Callable[[], Awaitable[None]]]:
        outboxes = [lambda channel=channel: self._outbox.replan(channel, change) for channel in self._channels]
        return [lambda: self._control.replan(change), self._inbox.replan, *outboxes, lambda: self._clocks.replan(change)]
