"""The store's own server over one connection with many commands under way, so that a test can ask it a million times."""

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis.exceptions import NoScriptError, ResponseError


class Wire(asyncio.Protocol):
    """As much of the library's client as the gate and the door use. The server and the scripts are the real ones."""

    def __init__(self) -> None:
        self._answers: deque[asyncio.Future[Any]] = deque()
        self._reader = hiredis.Reader()
        self._out: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def open(cls, url: str) -> "Wire":
        _, wire = await asyncio.get_running_loop().create_unix_connection(cls, url.removeprefix("unix://"))
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            future = self._answers.popleft()
            if future.done():  # nobody waits for it any more
                continue
            if isinstance(answer, hiredis.ReplyError):
                text = str(answer)
                future.set_exception(NoScriptError(text) if text.startswith("NOSCRIPT") else ResponseError(text))
            else:
                future.set_result(answer)

    def execute_command(self, *words: Any) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        if not self._out:
            loop.call_soon(self._flush)
        self._out.append(hiredis.pack_command(words))
        future: asyncio.Future[Any] = loop.create_future()
        self._answers.append(future)
        return future

    def get(self, key: str) -> "asyncio.Future[Any]":
        return self.execute_command("GET", key)

    async def aclose(self) -> None:
        assert self._transport is not None
        self._transport.close()
        await asyncio.sleep(0)

    def _flush(self) -> None:
        assert self._transport is not None
        self._transport.write(b"".join(self._out))
        self._out.clear()
