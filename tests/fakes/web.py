"""`secondme tui --web` as a real process, and clients of it: one that sends bytes as they are, one that a page could be."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from fakes.process import DEADLINE_S, environment

END_S = 20.0
"""Far beyond what an end takes, far below a hang."""


class Web:
    """`secondme tui --web`, as a shell runs it."""

    def __init__(self, home: Path, *options: str, port: int = 0, at: str = "", cwd: Path | None = None) -> None:
        self.home = home
        self._log = home / "web.log"
        words = [sys.executable, "-P", "-m", "secondme", "--home", str(home), *options, "tui", "--web", "--port", str(port)]
        words += ["--at", at] if at else []
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
                cwd=cwd,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + DEADLINE_S
        while "stops it" not in self.said:
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.said
            time.sleep(0.01)
        found = re.search(r"the screen  (http://127\.0\.0\.1:(\d+)/open/(\S+))", self.said)
        phone = re.search(r"on a phone  (\S+/open/(\S+))", self.said)
        assert found is not None
        assert phone is not None
        self.link, self.port, self.token = found[1], int(found[2]), found[3]
        self.phone_link, self.phone_token = phone[1], phone[2]
        self.own = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.own}"
        self.wire = Wire(self.port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.wire.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(END_S)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    @property
    def said(self) -> str:
        """What a person who started it reads."""
        return self._log.read_text()

    def enter(self) -> None:
        """The link was followed: `cookie` and `path` are the session's."""
        status, head, _ = self.wire.ask(self.get(f"/open/{self.token}"))
        assert status == 303
        (cookie,) = re.findall(r"(?m)^Set-Cookie: ([^;]+); HttpOnly; Path=(\S+); SameSite=Strict\r$", head)
        (self.path,) = re.findall(r"(?m)^Location: (\S+)/\r$", head)
        self.cookie = cookie[0]
        assert cookie[1] == f"{self.path}/"

    def get(self, path: str, *lines: str, host: str | None = None) -> bytes:
        """A request, as bytes that no client library has made right."""
        head = [f"GET {path} HTTP/1.1", f"Host: {self.own if host is None else host}", *lines]
        return ("\r\n".join(head) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """What the page opens."""
        headers = {"Cookie": self.cookie, "Origin": self.origin}
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"ws://{self.own}{self.path}/ws?width=100&height=30", headers=headers, max_msg_size=0) as opened,
        ):
            yield opened

    def screens(self) -> list[int]:
        """The screens' processes of this home."""
        home = str(self.home).encode()
        return [pid for pid, words in processes() if words[-1:] == [b"tui"] and home in words]

    def memory_kb(self) -> int:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1])


class Wire:
    """A connection that sends bytes as they are and is opened again when the other side closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, str, bytes]:
        """Status, head and body."""
        try:
            head, rest = self._exchange(request)
        except OSError:  # closed by the other side since the last one
            self.close()
            head, rest = self._exchange(request)
        status, text = int(head.split()[1]), head.decode("latin-1")
        length = re.search(r"(?i)content-length: (\d+)", text)
        while length and len(rest) < int(length[1]):
            assert self._open is not None
            data = self._open.recv(65536)
            assert data, "the body ended early"
            rest += data
        if status == 101 or length is None or re.search(r"(?i)connection: close|^HTTP/1.0", text):
            self.close()
        return status, text, rest

    def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        if self._open is None:
            self._open = socket.create_connection(("127.0.0.1", self._port), DEADLINE_S)
        self._open.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self._open.recv(65536)
            if not data:
                raise ConnectionResetError
            answer += data
        head, _, rest = answer.partition(b"\r\n\r\n")
        return head + b"\r\n", rest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None


def ask(port: int, request: bytes) -> tuple[int, str, bytes]:
    """One answer, over a connection of its own."""
    with Wire(port) as wire:
        return wire.ask(request)


def processes() -> Iterator[tuple[int, list[bytes]]]:
    """Every process's command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            yield int(entry.name), title.rstrip(b"\0").split(b"\0")


async def drawn(opened: aiohttp.ClientWebSocketResponse, wanted: str) -> None:
    """`wanted` is on the screen."""
    shown = b""
    async with asyncio.timeout(DEADLINE_S):
        while wanted.encode() not in shown:
            message = await opened.receive()
            assert message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}, (message, shown)
            shown += message.data if message.type is aiohttp.WSMsgType.BINARY else b""


async def closed(opened: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code that it was closed with."""
    async with asyncio.timeout(DEADLINE_S):
        while not opened.closed:
            await opened.receive()
    return opened.close_code
