"""The servers that built-in skills ask: their names and their answers, TLS and all, on this machine."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
import trustme
from aiohttp import web

from secondme.core.tools.web import WebClient

PUBLIC = "93.184.216.34"
"""What every name resolves to: an address that may be dialled, and is answered here."""


@dataclass
class ToolServers:
    """`answers` by host and path; `asked` is every request with its query, as it came."""

    client: WebClient
    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Status, content type, text."""
    asked: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=lambda: [PUBLIC])
    """What the name server says, for whatever name."""
    fault: OSError | None = None
    """What comes of asking it: `TimeoutError` is one too."""

    def say(self, where: str, text: str, status: int = 200, kind: str = "application/json") -> None:
        """`where`: host and path."""
        self.answers[where] = status, kind, text

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.host}{request.path_qs}")
        status, kind, text = self.answers.get(f"{request.host}{request.path}", (404, "text/plain", "nothing here"))
        return web.Response(status=status, body=text.encode(), headers={"content-type": kind})


@asynccontextmanager
async def tool_servers(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> AsyncIterator[ToolServers]:
    """They listen. Connections to `PUBLIC` lead here, all others where they always do."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*hosts).configure_cert(serving)
    authority.configure_trust(trusting)
    servers: ToolServers

    async def resolve(_host: str, _port: int) -> list[str]:
        if servers.fault is not None:
            raise servers.fault
        return servers.addresses

    servers = ToolServers(WebClient(resolve, trusting))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", servers._answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving)
    await site.start()
    port = runner.addresses[0][1]
    dial = anyio.connect_tcp

    async def redirected(remote_host: str, remote_port: int, **options: Any) -> Any:
        here = ("127.0.0.1", port) if (remote_host, remote_port) == (PUBLIC, 443) else (remote_host, remote_port)
        return await dial(*here, **options)

    monkeypatch.setattr(anyio, "connect_tcp", redirected)
    try:
        yield servers
    finally:
        await runner.cleanup()
