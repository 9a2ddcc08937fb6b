"""The channels of one gateway, reconciled with what the owner last wanted of each, without a restart of the others."""

from __future__ import annotations

import asyncio
import contextlib
from operator import attrgetter
from typing import TYPE_CHECKING

from secondme.core.admit.pairing import channel_of
from secondme.core.errors import BusyError, SecondmeError, UnavailableError
from secondme.core.gateway.channel_supervisor import ChannelSupervisor, told_of_holder
from secondme.core.log import get_logger
from secondme.core.messages import Admission, Challenge, ChannelState, InboundMessage, OwnerAddress, WebhookAnswer, WebhookRequest
from secondme.core.wake_timer import WakeTimer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from secondme.core.admit.control_store import ControlStore, DesiredState
    from secondme.core.channel_plugin import ChannelFactory
    from secondme.core.gateway.channel_leases import ChannelLeases
    from secondme.core.ids import ContactId
    from secondme.core.ports import Clock, Random

log = get_logger(__name__)

_RECONCILE_S = 5.0
"""How long a connect or disconnect of another process may go unnoticed, when it said nothing."""
_AGAIN_S = 1.0
"""After the store could not be asked."""
_LOOK_S = 0.2
_STOP_S = 12.0
_TELL_S = 1.0
_LEAVE_S, _LEAVE_LEAST_S = 5.0, 0.8
"""From the moment the gateway was told to leave; what the workers took of it is gone, but so much is always left. What does not stop by
then is left behind: a device process that finds nobody at the other end saves what it holds and ends."""


class ChannelManager:
    """Starts, stops and restarts each channel on its own, and tells how they stand."""

    def __init__(
        self,
        factories: Sequence[ChannelFactory],
        control: ControlStore,
        receive: Callable[[InboundMessage], Awaitable[Admission | Challenge]],
        clock: Clock,
        rng: Random,
        leases: ChannelLeases | None = None,
    ) -> None:
        self._control = control
        self._clock = clock
        self._leaving_since: float | None = None
        self._news = asyncio.Event()
        self._all_told = asyncio.Event()
        self._timer = WakeTimer(clock)
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._reconciled: dict[str, DesiredState | None] = {}
        self.begun = asyncio.Event()
        """Set when the channels that shall run were started for the first time."""
        self.channels: Mapping[str, ChannelSupervisor] = {
            factory.manifest.id: ChannelSupervisor(factory, receive, self._news.set, clock, rng, leases) for factory in factories
        }

    async def run(self, tell: Callable[[ChannelSupervisor], Awaitable[None]]) -> None:
        """Run what the owner wants until cancelled; then nothing of any channel is left running. `tell` hears of each change."""
        telling = asyncio.ensure_future(self._tell(tell))
        try:
            while True:
                wait_s = _AGAIN_S
                with contextlib.suppress(SecondmeError):
                    await self._reconcile(await self._control.desired_states())
                    self.begun.set()
                    wait_s = _RECONCILE_S
                await self._timer.wait(wait_s)
        finally:
            telling.cancel()
            left_s = _LEAVE_S - (self._clock.monotonic() - self._leaving_since) if self._leaving_since is not None else _STOP_S
            await self._stop(list(self._lives), max(_LEAVE_LEAST_S, left_s))

    def nudge(self) -> None:
        """Look now at what the owner wants: it has just changed."""
        self._timer.set()

    async def _reconcile(self, desired_states: Mapping[str, DesiredState]) -> None:
        """Channels run as the owner last wanted. A new desired state restarts a channel: what it is built from may have changed."""
        for name, supervisor in self.channels.items():
            desired = desired_states.get(name)
            if name in self._reconciled and self._reconciled[name] == desired:
                continue
            self._reconciled[name] = desired
            await self._stop([name])
            if desired is None or desired.on:
                self._lives[name] = asyncio.create_task(supervisor.run())
            else:
                supervisor.report(ChannelState.OFF)

    async def _stop(self, names: list[str], within_s: float = _STOP_S) -> None:
        lives = [life for name in names if (life := self._lives.pop(name, None)) is not None]
        for life in lives:
            life.cancel()
        if lives:
            _, late = await asyncio.wait(lives, timeout=within_s)
            if late:
                log.error("channels_still_running", count=len(late))

    def is_open(self, contact: ContactId) -> bool:
        """True while the contact's channel is held here and connected."""
        supervisor = self.channels.get(channel_of(contact))
        return supervisor is not None and supervisor.is_open

    async def download(self, channel: str, handle: str, limit_bytes: int) -> bytes:
        """A file that came with a message on `channel`. Raises as the channel's `download`, and UnavailableError without the channel."""
        supervisor = self.channels.get(channel)
        if supervisor is None:
            raise UnavailableError("channel_not_here", "The channel is not held by this process.")
        return await supervisor.download(handle, limit_bytes)

    def owner_chats(self) -> list[OwnerAddress]:
        """Where the owner can be reached, connected channels first, a terminal of this machine last."""
        addresses = [
            OwnerAddress(
                supervisor.id,
                chat,
                is_open=supervisor.is_open,
                is_notebook=supervisor.manifest.owner_chat_is_notebook,
                is_terminal=not supervisor.manifest.needs_link,
            )
            for supervisor in self.channels.values()
            if (chat := supervisor.owner_chat) is not None
        ]
        return sorted(addresses, key=attrgetter("rank"))

    def states(self) -> dict[str, str]:
        """Channel -> its state, of those that shall run and can."""
        return {name: each.state.value for name, each in self.channels.items() if each.state is not ChannelState.OFF}

    def webhook_handler(self, channel: str) -> Callable[[WebhookRequest], Awaitable[WebhookAnswer]] | None:
        """What answers a call of the platform behind `channel`; None for a channel that takes no calls."""
        supervisor = self.channels.get(channel)
        return supervisor.handle_webhook if supervisor is not None and supervisor.manifest.takes_webhooks else None

    async def settled(self) -> None:
        """Of every channel it is known whether it runs here."""
        await self.begun.wait()
        await asyncio.gather(*(each.settled.wait() for each in self.channels.values()))

    async def refuse_to_idle(self, stop: asyncio.Event) -> None:
        """A channel runs here, or may soon, or there is none. Raises BusyError while other gateways serve all of them, and live: a lease
        that nobody renews is over within 15 s, and is waited for."""
        while not stop.is_set():
            taken = [each for each in self.channels.values() if each.holder is not None]
            if not taken or any(each.holder is None and each.state is not ChannelState.OFF for each in self.channels.values()):
                return
            if all(each.holder_lives for each in taken):
                names = ", ".join(each.manifest.title for each in taken)
                served = told_of_holder(taken[0].holder)
                raise BusyError("channels_in_use", f"{names}: {served}.", "Stop it, or give this home a store of its own.")
            await self._clock.sleep(_LOOK_S)

    def refusal_of(self, channel: str, head: WebhookRequest) -> WebhookAnswer | None:
        """What a call of the platform behind `channel`, given without its body, is answered at once; None when its body must be read."""
        supervisor = self.channels.get(channel)
        return supervisor.refusal_of(head) if supervisor is not None else None

    @property
    def left_running(self) -> list[str]:
        """Channels that were told to stop and did not: a loop that waits for them would wait for ever."""
        return [name for name, supervisor in self.channels.items() if supervisor.is_left_running]

    async def stopping(self) -> None:
        """The gateway leaves; channels that run are told so, and so is whoever hears of their changes, as far as that takes no longer than a
        second."""
        self._leaving_since = self._clock.monotonic()
        running = [each for each in self.channels.values() if each.state is not ChannelState.OFF]
        self._all_told.clear()
        for supervisor in running:
            supervisor.report(ChannelState.STOPPING)
        self._news.set()
        if running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TELL_S):
                    await self._all_told.wait()

    async def _tell(self, tell: Callable[[ChannelSupervisor], Awaitable[None]]) -> None:
        told: dict[str, tuple[ChannelState, str]] = {}
        while True:
            self._news.clear()
            for name, supervisor in self.channels.items():
                now = (supervisor.state, supervisor.code)
                if told.get(name, (ChannelState.OFF, "")) != now:
                    told[name] = now
                    await tell(supervisor)
            if not self._news.is_set():
                self._all_told.set()
            await self._news.wait()
