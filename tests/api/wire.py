"""HTTP on a bare socket: what no client library would send, and exactly what came back."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Answer:
    """One response. `head` is its first line and header lines as they came, the date left out."""

    status: int
    head: tuple[bytes, ...]
    body: bytes


class Line:
    """One connection to the API: a TCP port, or a unix socket's path."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, where: int | Path) -> Self:
        if isinstance(where, int):
            return cls(*await asyncio.open_connection("127.0.0.1", where))
        return cls(*await asyncio.open_unix_connection(where))

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def ask(self, raw: bytes) -> Answer:
        await self.say(raw)
        return await self.answer()

    async def answer(self) -> Answer:
        """The next response, which has a Content-Length."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
        length = next(int(line.split(b":")[1]) for line in head if line.startswith(b"content-length:"))
        body = await self.reader.readexactly(length)
        kept = tuple(line for line in head if not line.startswith(b"date:"))
        return Answer(int(head[0].split()[1]), kept, body)

    async def ended(self) -> bytes:
        """What still came until the other side closed."""
        rest = b""
        try:
            while data := await self.reader.read(65536):
                rest += data
        except ConnectionError:
            pass
        return rest

    async def is_cut(self, word: bytes) -> bool:
        """True when the other side takes no more; else it was given `word`."""
        try:
            await self.say(word)
        except ConnectionError:
            return True
        return False

    async def hang_up(self) -> None:
        """The connection is closed, whatever the other side did. Repeatable."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def request(method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    """A request as bytes; a body gets its length and type."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def ask(where: int | Path, raw: bytes) -> Answer:
    """One request on a connection of its own."""
    line = await Line.open(where)
    try:
        return await line.ask(raw)
    finally:
        await line.hang_up()
