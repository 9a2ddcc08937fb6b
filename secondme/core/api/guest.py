"""How does a web server live in somebody else's house? Its signals, its end and its words belong to the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server

from secondme.core.api.protocol import HEADERS, BoundedProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from secondme.core.api.limits import Limits

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
