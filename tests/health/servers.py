"""Servers that a doctor meets: one that takes connections and never answers, one that speaks a little Redis, one that speaks HTTP."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[list[str]], bytes]


@contextmanager
def silence(port: int = 0) -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(64)
        yield server.getsockname()[1]


@contextmanager
def little_redis(reply: Reply, port: int = 0) -> Iterator[int]:
    """A port that speaks RESP2: `reply` makes the answer to each command."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (head := self.rfile.readline()).startswith(b"*"):
                words = []
                for _ in range(int(head[1:])):
                    size = int(self.rfile.readline()[1:])
                    words.append(self.rfile.read(size + 2)[:size].decode())
                self.wfile.write(HELLO if words[0] == "HELLO" and len(words) > 1 else reply(words))

    with serving(socketserver.ThreadingTCPServer, ("127.0.0.1", port), Handler) as server:
        yield server.server_address[1]


def bulk(text: str) -> bytes:
    return f"${len(text.encode())}\r\n{text}\r\n".encode()


def array(*items: bytes) -> bytes:
    return f"*{len(items)}\r\n".encode() + b"".join(items)


def number(value: int) -> bytes:
    return f":{value}\r\n".encode()


OK = b"+OK\r\n"
UNKNOWN = b"-ERR unknown command\r\n"
HELLO = b"%1\r\n" + b"$5\r\nproto\r\n" + b":3\r\n"
"""What a server says since Redis 6 to a client that wants the third version of the protocol."""


def greeting(version: str) -> bytes:
    """What a server says when it is asked what it is."""
    return b"%2\r\n" + bulk("version") + bulk(version) + bulk("mode") + bulk("standalone")


class Http:
    """A server whose answers a test chooses: path -> status and JSON. Without one: 404. `behind` is how slow its clock is."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.token: str | None = None
        self.open = {"/health"}
        self.behind = timedelta(0)
        self.url = ""

    def answer(self, path: str, authorization: str | None) -> tuple[int, Any]:
        if self.token is not None and path not in self.open and authorization != f"Bearer {self.token}":
            return 401, {"status": "error", "code": 401, "message": "Unauthorized"}
        return self.answers.get(path, (404, {"status": "error", "code": 404, "message": "Not Found"}))


@contextmanager
def http_server() -> Iterator[Http]:
    """A running `Http`."""
    told = Http()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = told.answer(self.path.partition("?")[0], self.headers.get("authorization"))
            data = json.dumps(body).encode()
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) - told.behind, usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        do_HEAD = do_GET  # noqa: N815  the library's own way of finding it

    with serving(ThreadingHTTPServer, ("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield told


@contextmanager
def serving(kind: Any, address: tuple[str, int], handler: Any) -> Iterator[Any]:
    kind.allow_reuse_address = True
    kind.daemon_threads = True
    with kind(address, handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
