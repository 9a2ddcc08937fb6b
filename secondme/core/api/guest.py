"""How does a web server live in somebody else's house? Its signals, its end and its words belong to the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from uvicorn import Config, Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_TICK_S = 1.0


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
