"""The HTTP server inside the gateway's process: uvicorn without its signal handling and logging, a bound on what a connection may hold open.

Importing this takes a tenth of a second: who listens does so when somebody calls for the first time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from secondme.core.api.problems import OVERLOADED, UNREADABLE, Refusal

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp

    from secondme.core.api.limits import Limits


HEADERS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
"""In every answer: nobody keeps it, and no browser takes it for something else."""

_KB = 1024
"""What every connection is taken to have sent already: one that has just been made has had no time to send anything."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 on one connection."""

    def __init__(self, *args: Any, limits: Limits, **options: Any) -> None:  # passed through to the web server untouched
        super().__init__(*args, **options)
        self._limits = limits
        self._waiting_since = 0.0
        self._received = 0
        """Bytes since then."""
        self._network = ""
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """True while the header of a request is awaited, and nothing of one is being answered."""
        return self.conn.their_state is h11.IDLE

    @property
    def is_receiving(self) -> bool:
        """True while anything of a request is still to come, whether it is wanted or was refused already."""
        return self.conn.their_state in {h11.IDLE, h11.SEND_BODY}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the web server
        """Called for each new connection."""
        super().connection_made(transport)
        everybody = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        self._network = network_of(transport.get_extra_info("peername"))
        neighbours = [each for each in everybody if each._network == self._network] if self._network else []  # noqa: SLF001  ours
        if not (self._has_room(neighbours, self._limits.per_peer) and self._has_room(everybody, self._limits.connections)):
            self._say(OVERLOADED)
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is gone."""
        self._stop(self._head_timer)
        self._stop(self._stall_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with what the caller sent."""
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Called when an answer was handed to the operating system, or waits for the caller to take it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_stall()
        else:
            self._watch_head()

    def timeout_keep_alive_handler(self) -> None:
        """Called when an idle connection has been kept long enough."""
        super().timeout_keep_alive_handler()
        self._watch_stall()

    def pause_writing(self) -> None:
        """Called when the caller does not take what was written."""
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        """Called when it takes it again."""
        super().resume_writing()
        self._stop(self._stall_timer)
        self._stall_timer = None

    def send_400_response(self, msg: str) -> None:
        """Called for bytes that are no HTTP."""
        del msg
        self._say(UNREADABLE)

    def _say(self, refusal: Refusal) -> None:
        """Answer without a request, and close. An answer that was begun is broken off instead: there is no way to take it back."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        body = refusal.body()
        said = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close", **refusal.headers}
        lines = [
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
            *(f"{name}: {value}" for name, value in (*HEADERS, *said.items())),
        ]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()
        self._watch_stall()

    def _has_room(self, others: Sequence[BoundedProtocol], most: int) -> bool:
        """True when these are at most so many, or the one of them that makes the least progress was closed for this one; False when every
        other one is being answered."""
        if len(others) <= most:
            return True
        receiving = [each for each in others if each is not self and each.is_receiving]
        if not receiving:
            return False
        now = self.loop.time()
        slowest = max(receiving, key=lambda each: (now - each._waiting_since) / (_KB + each._received))  # noqa: SLF001  one of us
        self.connections.discard(slowest)
        slowest.transport.abort()
        return True

    def _watch_head(self) -> None:
        if not self.is_waiting:
            self._stop(self._head_timer)
            self._head_timer = None
        elif self._head_timer is None and not self.transport.is_closing():
            self._waiting_since, self._received = self.loop.time(), 0
            self._head_timer = self.loop.call_later(self._limits.head_s, self.transport.abort)

    def _watch_stall(self) -> None:
        if self._stall_timer is None and self.transport.get_write_buffer_size() > 0:
            self._stall_timer = self.loop.call_later(self._limits.stall_s, self.transport.abort)

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def network_of(peer: tuple[Any, ...] | str | None) -> str:  # as a socket says it
    """Whose neighbours a caller's connections are: its address, of IPv6 the half that a site has to itself; empty for this machine."""
    try:
        address = ipaddress.ip_address(peer[0]) if isinstance(peer, tuple) else None
    except ValueError:
        address = None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address is None or str(address) in _THIS_MACHINE:
        return ""
    return str(address) if isinstance(address, ipaddress.IPv4Address) else address.exploded[:19]


_THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
_TICK_S = 1.0


def configured(app: ASGIApp, limits: Limits, *, date_header: bool = True) -> Config:
    """How every listener of ours is set: bounded, silent, and nobody's word is taken about where a call comes from."""
    protocol: Any = functools.partial(BoundedProtocol, limits=limits)  # called like the class that the type asks for
    return Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=date_header,
        headers=list(HEADERS),
        timeout_keep_alive=5,
        timeout_graceful_shutdown=max(1, round(limits.goodbye_s)),
    )


class Listener(Server):
    """The web server as a guest: signals, the end and the terminal are its host's."""

    def __init__(self, config: Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stay with the gateway."""
        yield

    async def main_loop(self) -> None:
        """Serve until told to stop. Once a second is enough for the Date header."""
        while not await self.on_tick(0) and not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers under way have ended; callers that do not take theirs are cut off."""
        try:
            await super().shutdown(sockets)
        finally:
            for connection in list(self.server_state.connections):
                connection.transport.abort()


def silence() -> None:
    """The web server's loggers say nothing from now on: they quote requests. Repeatable."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
