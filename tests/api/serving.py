"""An API that runs, as tests see it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from api.wire import Line
from fakes.process import knock, let_in

from secondme.channels.local.protocol import contact_of
from secondme.core.api.listeners import Api
from secondme.core.config.loader import Setup
from secondme.core.store.client import Store
from secondme.core.tokens import TokenFile
from secondme.services import Services


@dataclass
class Served:
    """An API that runs."""

    api: Api
    setup: Setup
    store: Store
    port: int
    stop: asyncio.Event

    @property
    def unix(self) -> Path:
        return self.setup.places.api_socket

    @property
    def token_file(self) -> TokenFile:
        return TokenFile(self.setup.places.api_token)

    @property
    def token(self) -> str:
        return self.token_file.ensure()

    def local(self, **options: Any) -> httpx.AsyncClient:
        """A client of the unix socket."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.unix))
        return httpx.AsyncClient(transport=transport, base_url="http://secondme", timeout=30, **options)

    def remote(self, token: str | None = None) -> httpx.AsyncClient:
        """A client of the TCP port; by default it knows the token."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)


Serve = Callable[..., AbstractAsyncContextManager[Served]]
"""Serves the test's store, with other settings and limits if wanted."""
Dial = Callable[[int | Path], Awaitable[Line]]
"""Opens connections, which are closed at the end."""


async def populate(setup: Setup, store: Store) -> None:
    """Anna is let in, Cara was denied, Ben waits."""
    await let_in(setup, "anna")
    await knock(store, setup, "cara")
    pairing = Services(setup, store).pairing_store
    request = await pairing.find("local:cara")
    assert request is not None
    await pairing.deny(contact_of("cara"), code=request.code, channel="local", by="test", reason="no")
    await knock(store, setup, "ben")


def resident_kb(pid: int) -> int:
    """The memory of a process that is in use. Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
