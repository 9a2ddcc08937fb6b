"""How does the API live inside the gateway's process? One listener on the unix socket, one on TCP if asked for; each is tried again until
it can listen, and none can take the gateway down.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.api.app import build_app
from secondme.core.api.front import Bounded, Front
from secondme.core.api.guard import Alarm, Guard
from secondme.core.api.guest import Listener, configured, silence
from secondme.core.api.hub import EventHub
from secondme.core.api.limits import Limits
from secondme.core.api.listening import UNIX_HOSTS, Address, bind_tcp, bind_unix, hosts_of, unbind_unix
from secondme.core.api.tokens import TokenFile
from secondme.core.errors import SecondmeError
from secondme.core.ids import new_id
from secondme.core.log import get_logger

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp

    from secondme.core.api.hub import Heard
    from secondme.core.api.powers import Powers
    from secondme.core.ports import Clock

log = get_logger(__name__)

_AGAIN_FIRST_S = 1.0
_AGAIN_LAST_S = 60.0


@dataclass(frozen=True, slots=True)
class Where:
    """Where the API listens."""

    unix: Path
    tcp: Address | None
    token: Path


class Api:
    """The HTTP control plane of one gateway."""

    def __init__(
        self,
        powers: Powers,
        where: Where,
        clock: Clock,
        *,
        listen: Callable[[Callable[[], None]], Heard],
        alarm: Callable[[str, int], Awaitable[None]],
        limits: Limits | None = None,
    ) -> None:
        """`listen` hears the store's events and calls what it is given when some may be lost, `alarm` tells the owner that callers are refused."""
        self._where = where
        self._clock = clock
        self._tell = alarm
        self._limits = limits or Limits()
        self.hub = EventHub(listen, clock, epoch=new_id()[:12], kept=self._limits.kept_events)
        self._app = Bounded(build_app(powers, self.hub, self._limits), self._limits)
        self.port: int | None = None
        """The TCP port it listens on, as soon as it does."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then end what is under way within two seconds. Never raises: the gateway does not depend on it."""
        silence()
        try:
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self.hub.run())
                listeners = [group.create_task(self._keep("unix", stop))]
                if self._where.tcp is not None:
                    listeners.append(group.create_task(self._keep("tcp", stop)))
                await stop.wait()
                self.hub.close()
                await asyncio.wait(listeners)
                hearing.cancel()
        except Exception as error:  # noqa: BLE001  the top of a task
            log.error("api_crashed", error.exceptions[0] if isinstance(error, ExceptionGroup) else error)

    async def _keep(self, kind: str, stop: asyncio.Event) -> None:
        """Listen until `stop`; whatever is in the way is said once, and tried again, later each time."""
        wait_s, code = _AGAIN_FIRST_S, ""
        while not stop.is_set():
            try:
                await (self._serve_unix(stop) if kind == "unix" else self._serve_tcp(stop))
            except (SecondmeError, OSError) as error:
                now = error.code if isinstance(error, SecondmeError) else type(error).__name__
                if now != code:
                    log.warning("api_not_listening", kind=kind, code=now)
                code = now
            else:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stop.wait()
            wait_s = min(_AGAIN_LAST_S, wait_s * 2)

    async def _serve_unix(self, stop: asyncio.Event) -> None:
        path = self._where.unix
        bound = bind_unix(path)
        inode = path.lstat().st_ino
        try:
            await self._serve(bound, self._guard(UNIX_HOSTS), stop, kind="unix")
        finally:
            unbind_unix(path, inode)

    async def _serve_tcp(self, stop: asyncio.Event) -> None:
        address = self._where.tcp
        assert address is not None
        token = TokenFile(self._where.token)
        token.ensure()
        bound = await asyncio.to_thread(bind_tcp, address)  # a name may have to be looked up
        self.port = bound.getsockname()[1]
        guard = self._guard(hosts_of(address, self.port), address=address, token=token)
        await self._serve(bound, guard, stop, kind="tcp")

    def _guard(self, hosts: frozenset[str], address: Address | None = None, token: TokenFile | None = None) -> ASGIApp:
        alarm = Alarm(self._limits, self._clock, self._tell)
        return Front(Guard(self._app, limits=self._limits, hosts=hosts, address=address, token=token, alarm=alarm), self._limits)

    async def _serve(self, bound: socket.socket, app: ASGIApp, stop: asyncio.Event, *, kind: str) -> None:
        try:
            log.info("api_listening", kind=kind)
            await Listener(configured(app, self._limits), stop).serve(sockets=[bound])
        finally:
            bound.close()
