"""MCP over HTTP: the SDK's server is understood in both forms of its answers, and what no server should say ends the session."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fakes.process import DEADLINE_S, environment
from skills.calls import rss_bytes
from skills.mcp.rig import STRANGERS

from secondme.core.errors import SecondmeError
from secondme.skills.mcp.client import McpClient
from secondme.skills.mcp.streamable_http import HttpTransport, address_problem

Answer = tuple[int, dict[str, str], bytes]


@asynccontextmanager
async def session(url: str, token: str = "") -> AsyncIterator[McpClient]:
    client = McpClient(HttpTransport(url, token))
    try:
        await client.start()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def sdk(form: str) -> AsyncIterator[str]:
    """The SDK's server on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, str(STRANGERS / "sdk_server.py"), str(port), form]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("form", ["events", pytest.param("json", marks=pytest.mark.heavy)])  # two seconds of imports each
async def test_the_sdk_s_server_is_understood(form: str) -> None:
    async with sdk(form) as url, session(url) as client:
        listing = await client.listing()
        assert ([each["name"] for each in listing.tools], listing.version) == (["add", "fail"], "2025-11-25")
        assert (await client.call("add", {"a": 1, "b": 2})).text == "3"
        assert (await client.call("fail", {})).is_error
        answers = await asyncio.gather(*(client.call("add", {"a": number, "b": 1}) for number in range(10)))
        assert [each.text for each in answers] == [str(number + 1) for number in range(10)]


class Fake:
    """A server on this machine that answers calls as it is told, and remembers what it was asked."""

    def __init__(self, call: Callable[[int], Answer]) -> None:
        self.heads: list[str] = []
        self._call = call

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length")), 0)
            message = json.loads(await reader.readexactly(length) or b"{}")
            status, headers, body = self._answer(message)
            lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close", "", ""]
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()
        writer.close()

    def _answer(self, message: dict[str, object]) -> Answer:
        if message.get("method") == "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "fake"}}
            return 200, {"Content-Type": "application/json", "Mcp-Session-Id": "s-1"}, reply(int(str(message["id"])), result)
        if message.get("method") == "tools/call":
            return self._call(int(str(message["id"])))
        return 202, {}, b""


def reply(number: int, result: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()


def words(number: int, text: str = "told") -> bytes:
    return reply(number, {"content": [{"type": "text", "text": text}]})


JSON, EVENTS = {"Content-Type": "application/json"}, {"Content-Type": "text/event-stream; charset=utf-8"}
REQUEST = b'{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}'
ANSWERS: dict[str, tuple[Callable[[int], Answer], str]] = {
    "json": (lambda number: (200, JSON, words(number)), "told"),
    "an event": (lambda number: (200, EVENTS, b"event: message\ndata: " + words(number) + b"\n\n"), "told"),
    "other ends of lines": (lambda number: (200, EVENTS, b": hello\r\ndata:" + words(number) + b"\r\n\r\n"), "told"),
    "data in parts": (lambda number: (200, EVENTS, b"data: " + words(number).replace(b", ", b",\ndata: ") + b"\n\n"), "told"),
    "another number first": (
        lambda number: (200, EVENTS, b"data: " + words(99, "a lie") + b"\n\ndata: " + words(number) + b"\n\n"),
        "told",
    ),
    "a question first": (lambda number: (200, EVENTS, b"data: " + REQUEST + b"\n\ndata: " + words(number) + b"\n\n"), "told"),
    "no answer": (lambda _: (200, EVENTS, b": nothing\n\n"), "ended"),
    "another number": (lambda _: (200, JSON, words(99)), "ended"),
    "a redirect": (lambda _: (307, {"Location": "http://127.0.0.1:1/"}, b""), "unreachable"),
    "denied": (lambda _: (401, {}, b""), "denied"),
    "no such session": (lambda _: (404, {}, b""), "ended"),
    "an error": (lambda _: (500, {}, b"at /home/sam/server.py"), "unreachable"),
    "no json": (lambda _: (200, JSON, b"<html>"), "not_json"),
    "packed": (lambda _: (200, {**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b"), "not_json"),
    "too long": (lambda number: (200, JSON, words(number, "z" * 2_000_000)), "too_long"),
    "an event without end": (lambda _: (200, EVENTS, b"data: " + b"z" * 3_000_000), "too_long"),
    "events without end": (lambda _: (200, EVENTS, (b"data: " + words(99, "y" * 9000) + b"\n\n") * 600), "too_much"),
    "lines without end": (lambda _: (200, EVENTS, b"data: z\n" * 1_000_000), "too_much"),
    "nothing at all": (lambda _: (200, JSON, b""), "not_json"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_a_server_answers_has_its_outcome(name: str) -> None:
    answer, expected = ANSWERS[name]
    fake = Fake(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    before = rss_bytes()
    async with server, session(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", "swordfish") as client:
        try:
            outcome = told = (await client.call("echo", {})).text
        except SecondmeError as error:
            outcome, told = error.code, error.message
        assert outcome == expected
        assert "/home/sam" not in told
        assert rss_bytes() - before < 30_000_000
        asked = [head.lower() for head in fake.heads]
        assert all("authorization: bearer swordfish" in head for head in asked)
        assert "mcp-session-id" not in asked[0]
        assert all("mcp-session-id: s-1" in head and "mcp-protocol-version: 2025-06-18" in head for head in asked[1:])
    assert fake.heads[-1].startswith("DELETE /mcp")


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://mcp.example.org/mcp", True),
        ("http://127.0.0.1:8000/mcp", True),
        ("http://localhost/mcp", True),
        ("http://[::1]:8000/mcp", True),
        ("http://mcp.example.org/mcp", False),
        ("http://10.0.0.1/mcp", False),
        ("https://user:word@mcp.example.org/", False),
        ("https://mcp.example.org/#x", False),
        ("https://mcp.example.org:port/", False),
        ("https://", False),
        ("file:///etc/passwd", False),
        ("https://mcp.example.org/a b", False),
        ("https://mcp.exämple.org/", False),
    ],
)
def test_without_tls_only_this_machine_is_asked(url: str, *, is_good: bool) -> None:
    assert (address_problem(url) == "") is is_good
