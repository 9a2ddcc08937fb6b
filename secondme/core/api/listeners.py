"""The API's listeners: the sockets of the API are there from the start; what answers on them is imported when somebody calls for the first time.

Nobody who only chats pays for the web framework. Who calls while it is imported waits in the socket's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.api.sockets import UNIX_HOSTS, Address, bind_tcp, bind_unix, hosts_of, unbind_unix
from secondme.core.errors import SecondmeError
from secondme.core.log import get_logger
from secondme.core.retry import backoff_s
from secondme.core.tokens import TokenFile

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from secondme.core.api.app import WebServer

log = get_logger(__name__)

_AGAIN_FIRST_S, _AGAIN_LAST_S = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Where:
    """Where the API listens."""

    unix: Path
    tcp: Address | None
    token: Path
    """Of the token that may do everything."""
    tokens: Path
    """Of the named ones."""
    whole_token: bool = True
    """Whether the first is accepted over TCP."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Whose callers are let in."""

    whole: TokenFile | None
    """The one that may do everything; None where only named ones are accepted."""
    named: Path


@dataclass(frozen=True, slots=True)
class Entrance:
    """By what callers of one socket are judged."""

    hosts: frozenset[str]
    """The names under which it may be called."""
    address: Address | None = None
    """Of a TCP socket."""
    tokens: Tokens | None = None
    """None: whoever reaches it may call."""


class Api:
    """The HTTP control plane of one gateway: one listener on the unix socket, one on TCP if asked for; each is tried again until it can be
    bound."""

    def __init__(self, where: Where, build: Callable[[], WebServer]) -> None:
        """`build` imports and makes what answers; it is called once, in a thread, when somebody connects."""
        self._where = where
        self._build = build
        self._building: asyncio.Task[WebServer] | None = None
        self.server: WebServer | None = None
        """What answers, once somebody has called."""
        self._group: asyncio.TaskGroup | None = None
        self._hearing: asyncio.Task[None] | None = None
        self.port: int | None = None
        """The TCP port it listens on, as soon as it does."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then end what is under way within two seconds. Never raises: the gateway does not depend on it."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                listeners = [group.create_task(keep_listening(self._serve_unix, stop, functools.partial(_say_why, "unix")))]
                if self._where.tcp is not None:
                    listeners.append(group.create_task(keep_listening(self._serve_tcp, stop, functools.partial(_say_why, "tcp"))))
                await stop.wait()
                if self._building is not None:
                    await (await self._building).close()
                await asyncio.wait(listeners)
                if self._hearing is not None:
                    self._hearing.cancel()
        except Exception as error:  # noqa: BLE001  the top of a task
            log.error("api_crashed", error.exceptions[0] if isinstance(error, ExceptionGroup) else error)

    async def _serve_unix(self, stop: asyncio.Event) -> None:
        path = self._where.unix
        bound = bind_unix(path)
        inode = path.lstat().st_ino
        try:
            await self._serve(bound, stop, Entrance(UNIX_HOSTS), kind="unix")
        finally:
            unbind_unix(path, inode)

    async def _serve_tcp(self, stop: asyncio.Event) -> None:
        address = self._where.tcp
        assert address is not None
        whole = TokenFile(self._where.token) if self._where.whole_token else None
        if whole is not None:
            whole.ensure()
        bound = await asyncio.to_thread(bind_tcp, address)  # a name may have to be looked up
        self.port = bound.getsockname()[1]
        entrance = Entrance(hosts_of(address, self.port), address, Tokens(whole, self._where.tokens))
        await self._serve(bound, stop, entrance, kind="tcp")

    async def _serve(self, bound: socket.socket, stop: asyncio.Event, entrance: Entrance, *, kind: str) -> None:
        try:
            log.info("api_listening", kind=kind)
            if await is_called(bound, stop):
                await (await self._built()).serve(bound, stop, entrance)
        finally:
            bound.close()

    async def _built(self) -> WebServer:
        """What answers, made for whoever calls first."""
        assert self._group is not None
        if self._building is None:
            self._building = self._group.create_task(asyncio.to_thread(self._build))
            self.server = await self._building
            self._hearing = self._group.create_task(self.server.run())
        return await self._building


async def is_called(bound: socket.socket, stop: asyncio.Event) -> bool:
    """True as soon as somebody has connected to `bound`, which listens; false when `stop` is set before."""
    loop, calling = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(bound.fileno(), calling.set)
    waiting = {asyncio.ensure_future(each.wait()) for each in (calling, stop)}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(bound.fileno())
        for each in waiting:
            each.cancel()
    return not stop.is_set()


async def keep_listening(
    serve: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event, failed: Callable[[Exception, str], None]
) -> None:
    """`serve(stop)` again and again until `stop` is set, later each time; `failed` is told what is in the way, and again when it changes."""
    last = ""
    for failures in itertools.count():
        if stop.is_set():
            return
        try:
            await serve(stop)
        except (SecondmeError, OSError) as error:
            cause = error.code if isinstance(error, SecondmeError) else error.strerror or type(error).__name__
            if cause != last:
                failed(error, cause)
            last = cause
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(backoff_s(failures, _AGAIN_FIRST_S, _AGAIN_LAST_S)):
                await stop.wait()


def _say_why(kind: str, error: Exception, cause: str) -> None:
    log.warning("api_not_listening", kind=kind, code=cause if isinstance(error, SecondmeError) else type(error).__name__)
