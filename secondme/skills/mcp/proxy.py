"""The one way out of a sandbox: tunnels to hosts that the owner listed, over a socket that is bound into it.

HTTP CONNECT (RFC 9110, 9.3.6) to port 443 of a named host, and nothing else. The name is resolved here, once, and that address is dialled;
the TLS greeting inside must name the same host (RFC 6066, 3), in the clear and not in a sealed part of it. What is said inside the tunnel
nobody but the two ends can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.address_guard import is_public
from secondme.core.errors import UnavailableError
from secondme.core.log import get_logger
from secondme.core.text import safe_name
from secondme.core.tools.permissions import allows_host, permission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ports import Clock

log = get_logger(__name__)

Resolve = Callable[[str], Awaitable[list[str]]]
"""The addresses of a host. Raises OSError."""
Dial = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""A connection to port 443 of an address. Raises OSError."""

_HEAD_BYTES = 8 << 10
_CHUNK = 65_536
_AT_ONCE = 32
_PORT = 443
_TARGET = re.compile(r"CONNECT ([A-Za-z0-9.-]{1,253}):([0-9]{1,5}) HTTP/1\.[01]", re.ASCII)
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _SEALED_HELLO = 22, 1, 0, 0xFE0D
_LONGEST_RECORD = 1 << 14


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """How long one tunnel lasts at most, and how much goes through it."""

    head_s: float = 10.0
    """Until a request, and the greeting inside it, are there whole."""
    quiet_s: float = 30.0
    tunnel_s: float = 300.0
    out_bytes: int = 10 << 20
    in_bytes: int = 64 << 20
    """More may come in than go out: a program that is fetched when it starts comes through one tunnel."""


class _RefusedError(Exception):
    """`why`: one word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Proxy:
    """Carries connections of one server. `counts`: how many were carried (`ok`), and why others were not."""

    def __init__(
        self,
        hosts: Sequence[str],
        clock: Clock,
        resolve: Resolve | None = None,
        dial: Dial | None = None,
        limits: ProxyLimits | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.path = Path()
        self._granted = [found for host in hosts if (found := permission(f"net:{host}"))]
        self._clock = clock
        self._resolve = resolve or _resolve
        self._dial = dial or _dial
        self._limits = limits or ProxyLimits()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> Proxy:
        """It listens on `path`. Raises UnavailableError."""
        try:
            self.path = Path(tempfile.mkdtemp(prefix="secondme-mcp-")) / "out.sock"
            self._server = await asyncio.start_unix_server(self._take, str(self.path), limit=_HEAD_BYTES)
        except OSError as error:
            raise UnavailableError(
                "no_network", f"The way out cannot be made: {error.strerror or error}.", "Check TMPDIR."
            ) from error
        return self

    def hide(self) -> None:
        """The socket has no name any more. Who has it bound keeps it."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    async def close(self) -> None:
        """Nothing is carried any more. Repeatable."""
        self.hide()
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _AT_ONCE:
            self.counts["busy"] += 1
            writer.close()
            return
        task = asyncio.ensure_future(self._tunnel(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._limits.tunnel_s):
                await self._serve(reader, writer)
        except TimeoutError:
            self.counts["slow"] += 1
        except OSError:
            self.counts["broken"] += 1
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._limits.head_s):
                host = self._host(await reader.readuntil(b"\r\n\r\n"))
                there, thither = await self._connected(host)
        except (_RefusedError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            why = error.why if isinstance(error, _RefusedError) else "head"
            self.counts[why] += 1
            log.info("mcp_egress_refused", why=why)
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        with contextlib.closing(thither):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            async with asyncio.timeout(self._limits.head_s):
                try:
                    greeting = await _greeting(reader)
                except asyncio.IncompleteReadError:
                    greeting = b""
            if server_name(greeting) != host:
                self.counts["sni"] += 1
                log.info("mcp_egress_refused", why="sni", host=safe_name(host))
                return
            self.counts["ok"] += 1
            thither.write(greeting)
            await self._carry((reader, thither, self._limits.out_bytes), (there, writer, self._limits.in_bytes))

    def _host(self, head: bytes) -> str:
        """The host that is asked for. Raises _RefusedError when it was not granted."""
        found = _TARGET.fullmatch(head.partition(b"\r\n")[0].decode("latin-1"))
        if found is None:
            raise _RefusedError("request")
        host = found[1].lower().rstrip(".")
        if int(found[2]) != _PORT:
            raise _RefusedError("port")
        if permission(f"net:{host}") is None or not any(allows_host(each, host) for each in self._granted):
            raise _RefusedError("host")  # an address is no permission's host
        return host

    async def _connected(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            addresses = await self._resolve(host)
        except OSError as error:
            raise _RefusedError("unknown") from error
        if not addresses:
            raise _RefusedError("unknown")
        if not all(map(is_public, addresses)):
            raise _RefusedError("private")
        for address in addresses[:3]:
            with contextlib.suppress(OSError):
                return await self._dial(address)
        raise _RefusedError("unreachable")

    async def _carry(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter, int]) -> None:
        """Until both sides have ended, one breaks, or they say nothing for long, or too much."""
        last_said = self._clock.monotonic()

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, left_bytes: int) -> None:
            nonlocal last_said
            while data := await source.read(_CHUNK):
                last_said = self._clock.monotonic()
                left_bytes -= len(data)
                if left_bytes < 0:
                    raise _RefusedError("too_much")
                target.write(data)
                await target.drain()
            target.write_eof()

        async def watch() -> None:
            while (left_s := last_said + self._limits.quiet_s - self._clock.monotonic()) > 0:
                await self._clock.sleep(left_s)
            raise _RefusedError("quiet")

        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(watch())
                await asyncio.wait([group.create_task(pump(*way)) for way in ways])
                watching.cancel()
        except* _RefusedError as errors:
            self.counts.update(each.why for each in errors.exceptions if isinstance(each, _RefusedError))
        except* OSError:
            self.counts["broken"] += 1


async def _greeting(reader: asyncio.StreamReader) -> bytes:
    """The first TLS record, whole; empty when it is none."""
    head = await reader.readexactly(5)
    length = int.from_bytes(head[3:], "big")
    if head[0] != _HANDSHAKE or not 0 < length <= _LONGEST_RECORD:
        return b""
    return head + await reader.readexactly(length)


def server_name(record: bytes) -> str:
    """The host that a ClientHello names (RFC 8446, 4.1.2); empty when it names none, or is not whole, or hides another greeting."""
    try:
        if record[0] != _HANDSHAKE or record[5] != _CLIENT_HELLO or int.from_bytes(record[6:9], "big") > len(record) - 9:
            return ""
        at = 43 + 1 + record[43]
        at += 2 + int.from_bytes(record[at : at + 2], "big")
        at += 1 + record[at]
        end, at = at + 2 + int.from_bytes(record[at : at + 2], "big"), at + 2
        names = []
        while at < end:
            kind, length = int.from_bytes(record[at : at + 2], "big"), int.from_bytes(record[at + 2 : at + 4], "big")
            body, at = record[at + 4 : at + 4 + length], at + 4 + length
            if kind == _SEALED_HELLO:
                return ""
            if kind == _SERVER_NAME:
                size = int.from_bytes(body[3:5], "big")
                names.append(body[5 : 5 + size].decode("ascii").lower() if body[2] == 0 and len(body) == 5 + size else "")
    except (IndexError, UnicodeDecodeError):
        return ""
    return names[0] if len(names) == 1 and at <= len(record) else ""


async def _resolve(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


async def _dial(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(address, _PORT)
