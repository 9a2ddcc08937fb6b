"""A receiver of webhooks on this machine: it does what a test says, and remembers what came."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One request."""

    head: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Answers each request with the next of `answers`, and with 204 when there is none: a status, `(status, header line)`, `hang` (it says
    nothing), `loris` (it says its header byte by byte, for ever), `cut` (it hangs up)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.answers: deque[int | str | tuple[int, str]] = deque()
        self.received: list[Received] = []
        self.always: int | str | tuple[int, str] = 204
        self.at_once = 0
        self.most_at_once = 0
        self.port = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=secret-path"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.received.append(Received(lines[0], headers, body))
        match self.answers.popleft() if self.answers else self.always:
            case "hang":
                await reader.read()
            case "loris":
                for letter in "HTTP/1.1 200 OK\r\nx-" + "y" * 10_000:
                    writer.write(letter.encode())
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "cut":
                return
            case (int(status), str(line)):
                writer.write(f"HTTP/1.1 {status} Said\r\n{line}\r\ncontent-length: 0\r\n\r\n".encode())
            case status:
                writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
