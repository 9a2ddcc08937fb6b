"""Which channels run? Each has a connection of its own; the owner's wishes start and stop them one by one, without a restart."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError
from secondme.core.gateway.channel_host import Connection
from secondme.core.log import get_logger
from secondme.core.messages import ChannelState, OwnerAddress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from secondme.core.admit.control_store import ControlStore, Wish
    from secondme.core.channel_plugin import Plug
    from secondme.core.messages import Admission, Challenge, InboundMessage, WebhookAnswer, WebhookRequest
    from secondme.core.ports import Clock, Random

log = get_logger(__name__)

_WISHES_S = 1.0
"""How soon a connect or disconnect of another process is heeded."""
_STOP_S = 12.0
_LEAVE_S, _LEAVE_LEAST_S = 5.0, 0.8
"""From the moment the gateway was told to leave; what the workers took of it is gone, but so much is always left. What does not stop by
then is left behind: a device process that finds nobody at the other end saves what it holds and ends."""


class ChannelManager:
    """Starts, stops and restarts each channel on its own, and tells how they stand."""

    def __init__(
        self,
        plugs: Sequence[Plug],
        control: ControlStore,
        receive: Callable[[InboundMessage], Awaitable[Admission | Challenge]],
        clock: Clock,
        rng: Random,
    ) -> None:
        self._control = control
        self._clock = clock
        self._leaving_since: float | None = None
        self._news = asyncio.Event()
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._heeded: dict[str, Wish | None] = {}
        self.begun = asyncio.Event()
        """Set when the channels that shall run were started for the first time."""
        self.connections: Mapping[str, Connection] = {
            plug.manifest.id: Connection(plug, receive, self._news.set, clock, rng) for plug in plugs
        }

    async def run(self, tell: Callable[[Connection], Awaitable[None]]) -> None:
        """Run what the owner wants until cancelled; then nothing of any channel is left running. `tell` hears of each change."""
        telling = asyncio.ensure_future(self._tell(tell))
        try:
            while True:
                with contextlib.suppress(UnavailableError):
                    await self._heed(await self._control.wishes())
                    self.begun.set()
                await self._clock.sleep(_WISHES_S)
        finally:
            telling.cancel()
            left_s = _LEAVE_S - (self._clock.monotonic() - self._leaving_since) if self._leaving_since is not None else _STOP_S
            await self._stop(list(self._lives), max(_LEAVE_LEAST_S, left_s))

    async def _heed(self, wishes: Mapping[str, Wish]) -> None:
        """Channels run as the owner last said. A wish that is new starts a channel anew: what it is built from may have changed."""
        for name, connection in self.connections.items():
            wish = wishes.get(name)
            if name in self._heeded and self._heeded[name] == wish:
                continue
            self._heeded[name] = wish
            await self._stop([name])
            if wish is None or wish.on:
                self._lives[name] = asyncio.create_task(connection.run())
            else:
                connection.report(ChannelState.OFF)

    async def _stop(self, names: list[str], within_s: float = _STOP_S) -> None:
        lives = [life for name in names if (life := self._lives.pop(name, None)) is not None]
        for life in lives:
            life.cancel()
        if lives:
            _, late = await asyncio.wait(lives, timeout=within_s)
            if late:
                log.error("channels_still_running", count=len(late))

    def owner_chats(self) -> list[OwnerAddress]:
        """Where the owner can be reached, connected channels first."""
        found = [
            OwnerAddress(connection.id, chat, is_open=connection.is_open, is_notebook=connection.manifest.owner_chat_is_notebook)
            for connection in self.connections.values()
            if (chat := connection.owner_chat) is not None
        ]
        return sorted(found, key=lambda address: not address.is_open)

    def states(self) -> dict[str, str]:
        """Channel -> its state, of those that shall run and can."""
        return {name: each.state.value for name, each in self.connections.items() if each.state is not ChannelState.OFF}

    def hear_of(self, channel: str) -> Callable[[WebhookRequest], Awaitable[WebhookAnswer]] | None:
        """Who answers a platform that calls us about `channel`; None for a channel that takes no calls."""
        connection = self.connections.get(channel)
        return connection.hear if connection is not None and connection.manifest.takes_webhooks else None

    @property
    def left_running(self) -> list[str]:
        """Channels that were told to stop and did not: a loop that waits for them would wait for ever."""
        return [name for name, connection in self.connections.items() if connection.is_left_running]

    def stopping(self) -> None:
        """The gateway leaves; channels that run are told so."""
        self._leaving_since = self._clock.monotonic()
        for connection in self.connections.values():
            if connection.state is not ChannelState.OFF:
                connection.report(ChannelState.STOPPING)

    async def _tell(self, tell: Callable[[Connection], Awaitable[None]]) -> None:
        told: dict[str, tuple[ChannelState, str]] = {}
        while True:
            self._news.clear()
            for name, connection in self.connections.items():
                now = (connection.state, connection.code)
                if told.get(name, (ChannelState.OFF, "")) != now:
                    told[name] = now
                    await tell(connection)
            await self._news.wait()
