"""A local HTTP server for vendors that speak JSON: it remembers every request, and fails as told before it answers properly."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Handler = Callable[["Asked"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are in lower case, parameters in their order."""

    method: str
    path: str
    headers: dict[str, str]
    params: tuple[tuple[str, str], ...]
    body: Any


@dataclass(frozen=True)
class Fault:
    """An answer instead of the proper one. `body` is sent as it is; `is_after` does the work first, and then fails to say so."""

    status: int = 500
    body: bytes = b'{"status":"error","code":500,"message":"boom"}'
    headers: dict[str, str] = field(default_factory=dict)
    is_after: bool = False


HUGE = Fault(200, b"[" + b"1," * 3_000_000 + b"1]")
BROKEN = Fault(200, b'{"data": [')
DEEP = Fault(200, b"[" * 5000 + b"]" * 5000)
PACKED = Fault(200, b"\x1f\x8b", {"content-encoding": "gzip"})
MOVED = Fault(302, b"", {"location": "http://127.0.0.1:9/"})


class JsonVendor:
    """The server. What comes next is `faults` in order, then what `answer` says. A request waits while `hold` is not set."""

    def __init__(self, answer: Handler) -> None:
        self._answer = answer
        self.requests: list[Asked] = []
        self.faults: list[Fault | None] = []
        """None: this one is answered properly."""
        self.hold = asyncio.Event()
        self.hold.set()
        self.arrived = asyncio.Event()
        self.url = ""

    @property
    def bodies(self) -> list[Any]:
        return [asked.body for asked in self.requests]

    async def read(self, request: web.Request, raw: bytes) -> Any:
        """The body as `Asked` has it."""
        del request
        return json.loads(raw) if raw else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path, headers, tuple(request.query.items()), await self.read(request, raw))
        self.requests.append(asked)
        self.arrived.set()
        await self.hold.wait()
        fault = self.faults.pop(0) if self.faults else None
        if fault is None:
            return await self._answer(asked)
        if fault.is_after:
            await self._answer(asked)
        return web.Response(status=fault.status, body=fault.body, headers=fault.headers)


@asynccontextmanager
async def serving(vendor: JsonVendor) -> AsyncIterator[None]:
    """The vendor listens at its `url`; afterwards nobody does."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", vendor.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    vendor.url = f"http://{host}:{port}"
    try:
        yield
    finally:
        vendor.hold.set()
        await runner.cleanup()
