"""The heartbeat of a process: a sign of life every few seconds, and an event with each change of a channel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING

from secondme import __version__
from secondme.core.errors import SecondmeError
from secondme.core.messages import ChannelState
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.core.admit.control_store import ControlStore
    from secondme.core.admit.witness import Loss
    from secondme.core.gateway.channel_manager import ChannelManager
    from secondme.core.gateway.channel_supervisor import ChannelSupervisor
    from secondme.core.ports import Clock

_BEAT_S = 5.0
_FAREWELL_S = 1.0


class Heartbeat:
    """What one process tells the others about itself. None of it can fail the gateway."""

    def __init__(
        self,
        name: str,
        part: str,
        control: ControlStore,
        security: SecurityLog,
        manager: ChannelManager,
        routing: Callable[[], dict[str, int]],
        clock: Clock,
    ) -> None:
        self._name = name
        self._part = part
        self._control = control
        self._security = security
        self._manager = manager
        self._routing = routing
        self._clock = clock
        self._started_ms = self._settings_ms = clock.now_ms()
        self.loss: Loss | None = None
        """What the store has lost, as long as nothing is received because of that."""
        self._sessions: set[str] = set()
        """Channels whose session was written down as begun."""

    async def beat(self) -> None:
        """Give a sign of life, for status and health."""
        while True:
            with contextlib.suppress(SecondmeError):
                await self._sign()
            await self._clock.sleep(_BEAT_S)

    async def _sign(self) -> None:
        facts = {
            "part": self._part,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "startedAt": self._started_ms,
            "settingsAt": self._settings_ms,
            "routing": self._routing(),
            **({"loss": {"was": self.loss.was, "has": self.loss.has, "at": self.loss.at_ms}} if self.loss else {}),
            "channels": {name: supervisor.facts() for name, supervisor in self._manager.channels.items()},
        }
        await self._control.beat(self._name, facts)

    async def tell_settings(self) -> None:
        """Status knows that the settings are those of now."""
        self._settings_ms = self._clock.now_ms()
        with contextlib.suppress(SecondmeError):
            await self._sign()

    async def tell_loss(self, loss: Loss) -> None:
        """Status knows that nothing is received, and why."""
        self.loss = loss
        with contextlib.suppress(SecondmeError):
            await self._sign()

    async def tell_channel(self, supervisor: ChannelSupervisor) -> None:
        """A channel's state is known to status and told to whoever listens, once for each change."""
        state, code = supervisor.state.value, supervisor.code
        await self._write_session(supervisor)
        with contextlib.suppress(SecondmeError):
            await self._sign()  # who hears of the change finds it in the overview
        await self.tell("channel_state", channelId=supervisor.id, state=state, **({"code": code} if code else {}))

    async def _write_session(self, supervisor: ChannelSupervisor) -> None:
        """The security log says when a platform takes our credentials and when it does so no more; not each time a line is cut."""
        security, name = self._security, supervisor.id
        match supervisor.state:
            case ChannelState.CONNECTED if name not in self._sessions:
                self._sessions.add(name)
                await security.record(SecurityEvent.AUTH_SESSION_CREATED, Severity.INFO, channelId=name)
            case ChannelState.NEEDS_OWNER:
                self._sessions.discard(name)
                await security.record(SecurityEvent.AUTH_SESSION_EXPIRED, Severity.ERROR, channelId=name, code=supervisor.code)
            case _:
                pass

    async def tell(self, kind: str, **facts: str) -> None:
        """Whoever listens heard it."""
        with contextlib.suppress(SecondmeError):
            await self._control.publish_status({"type": kind, "part": self._part, **facts})

    async def farewell(self) -> None:
        """The others know that this process has stopped."""
        with contextlib.suppress(SecondmeError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._control.farewell(self._name)
                await self.tell("gateway_state", state="stopped")
