"""One screen in a browser: a process of its own behind a WebSocket; each ends with the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

if TYPE_CHECKING:
    from collections.abc import MutableSet

END_S = 10.0
"""Longer than a screen needs to stop the store it may run."""
_KILL_S = 2.0
_CLOSE_S = 2.0
"""How long a browser may take to say goodbye."""
_HEARTBEAT_S = 15.0
_MOST_BYTES = 256 * 1024
"""Of one message: a long paste, and no more."""
_MOST_CELLS = 500
"""In one direction. A larger screen costs memory and shows nothing more."""


async def show(request: web.Request, command: str, sockets: MutableSet[web.WebSocketResponse]) -> web.StreamResponse:
    """The screen was shown until its browser left or it ended; neither is there any more. `sockets` has the connection meanwhile."""
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, timeout=_CLOSE_S, max_msg_size=_MOST_BYTES)
    await socket.prepare(request)
    sockets.add(socket)
    screen = ScreenProcess(command, socket)
    try:
        await screen.start(_cells(request.query.get("width"), 80), _cells(request.query.get("height"), 24))
        async for message in socket:
            if message.type is not WSMsgType.TEXT or not await screen.obey(message.data):
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
    finally:
        await screen.end()
        await socket.close()
        sockets.discard(socket)
    return socket


class ScreenProcess(AppService):
    """One `secondme tui`."""

    def __init__(self, command: str, socket: web.WebSocketResponse) -> None:
        super().__init__(
            command,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=self._leave,
            download_manager=DownloadManager(),
        )
        self._socket = socket

    async def run(self) -> None:
        """What it draws goes to the browser until it ends, however it ends; then the browser is told."""
        try:
            await super().run()
        finally:
            await self.remote_close()

    async def _leave(self) -> None:
        await self._socket.close()

    async def on_data(self, payload: bytes) -> None:
        """Drawn. With the browser gone it is read all the same: a process whose output nobody reads could not end."""
        with contextlib.suppress(ConnectionError):
            await super().on_data(payload)

    async def on_meta(self, data: bytes) -> None:
        """It says that it ends, and nothing else: our screen opens no page and hands out no file."""
        if json.loads(data).get("type") == "exit":
            await self.remote_close()

    async def on_packed(self, payload: bytes) -> None:
        """Nothing: see `on_meta`."""

    async def obey(self, text: str) -> bool:
        """True when the page's message was one of those it sends."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return False
        match message:
            case ["stdin", str(data)]:
                await self.send_bytes(data.encode("utf-8", "replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(_cells(width, 80), _cells(height, 24))
            case ["ping", str(data)]:
                with contextlib.suppress(ConnectionError):
                    await self._socket.send_json(["pong", data])
            case ["blur"]:
                await self.blur()
            case ["focus"]:
                await self.focus()
            case _:
                return False
        return True

    async def end(self, within_s: float = END_S) -> None:
        """It is gone: asked, then killed. Repeatable."""
        process, reading = self._process, self._task
        if process is None:
            return
        for ask, wait_s in ((process.terminate, within_s), (process.kill, _KILL_S)):
            with contextlib.suppress(ProcessLookupError):
                ask()
            with contextlib.suppress(TimeoutError):  # not around the library's own stop(): that swallows it
                async with asyncio.timeout(wait_s):
                    await process.wait()
            if process.returncode is not None:
                break
        if reading is not None:
            await asyncio.wait([reading], timeout=_KILL_S)
            reading.cancel()


def _cells(given: Any, otherwise: int) -> int:  # whatever a page sent
    """A size that a screen can have."""
    try:
        return min(max(int(given), 1), _MOST_CELLS)
    except (TypeError, ValueError):
        return otherwise
