"""Proxies on this machine: SOCKS 5 (RFC 1928, RFC 1929) and HTTP (CONNECT and forwarding). Names are looked up by them alone: `hosts` says where
each leads, so a test knows that nobody else looked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["socks", "http", "garbage", "closing", "hanging"]


@dataclass
class FakeProxy:
    """Carries what comes to hosts that it knows, and remembers who was asked for."""

    kind: Kind
    hosts: Mapping[str, int]
    """By `host:port` in the request, a port of this machine."""
    login: str = ""
    """`user:password`, when one is wanted."""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            match self.kind:
                case "socks":
                    await self._socks(reader, writer)
                case "http":
                    await self._http(reader, writer)
                case "garbage":
                    writer.write(b"220 mail.example ESMTP\r\n")
                    await reader.read(1)
                case "hanging":
                    await reader.read()
                case "closing":
                    await reader.read(1)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort() if self.kind == "hanging" else writer.close()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        assert version == 5
        wanted = 2 if self.login else 0
        if wanted not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes((5, wanted)))
        if self.login:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_right = f"{user.decode()}:{password.decode()}" == self.login
            writer.write(bytes((1, 0 if is_right else 1)))
            if not is_right:
                return
        _, command, _, kind = await reader.readexactly(4)
        assert (command, kind) == (1, 3), "a name, to be looked up by the proxy"
        name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        far = await self._dial(f"{name}:{int.from_bytes(await reader.readexactly(2))}")
        writer.write(bytes((5, 0 if far else 4, 0, 1, 0, 0, 0, 0, 0, 0)))
        if far:
            await _carry((reader, writer), far)

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, url, *_ = head.decode("latin-1").split(" ")
        parts = urlsplit(url if "://" in url else f"//{url}")
        far = await self._dial(f"{parts.hostname}:{parts.port or 80}")
        if far is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = url.split("/", 3)[3] if url.count("/") > 2 else ""
            far[1].write(head.replace(url.encode(), f"/{path}".encode(), 1))
        await _carry((reader, writer), far)

    async def _dial(self, asked: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self.asked.append(asked)
        port = self.hosts.get(asked)
        return await asyncio.open_connection("127.0.0.1", port) if port else None


async def _carry(*ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    (reader, writer), (far_reader, far) = ends
    there, back = asyncio.ensure_future(_pass(reader, far)), asyncio.ensure_future(_pass(far_reader, writer))
    try:
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        far.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxy(kind: Kind, hosts: Mapping[str, int] | None = None, login: str = "") -> AsyncIterator[FakeProxy]:
    """A proxy that listens on a port of its own."""
    made, tasks = FakeProxy(kind, hosts or {}, login), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
