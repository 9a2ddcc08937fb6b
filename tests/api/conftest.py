"""The real server on real sockets in the test's own loop, over the real store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from api.serving import Dial, Serve, Served, populate
from api.wire import Line
from fakes.process import eventually

from secondme.core.api.limits import Limits
from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.services import Services


@pytest.fixture
def serve(redis_url: str, home: Path, store: Store) -> Serve:
    """Serves the test's store, with other limits if wanted."""

    @asynccontextmanager
    async def serving(
        is_stopping: Callable[[], bool] | None = None,
        listen: str = "127.0.0.1:0",
        *,
        allow_remote: bool = False,
        whole_token: bool = True,
        settings: dict[str, Any] | None = None,
        **limits: Any,
    ) -> AsyncIterator[Served]:
        flags = {"redis_url": redis_url, "api.listen": listen, "api.allow_remote": allow_remote, "api.whole_token": whole_token}
        flags |= settings or {}
        setup = load(flags, {}, home=home)
        stop = asyncio.Event()
        api = Services(setup, store).api(is_stopping or stop.is_set, Limits(**limits))
        running = asyncio.ensure_future(api.run(stop))
        try:
            await eventually(lambda: api.port is not None and setup.places.api_socket.exists())
            assert api.port is not None
            yield Served(api, setup, store, api.port, stop)
        finally:
            stop.set()
            await running

    return serving


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    """The API with its own limits."""
    async with serve() as running:
        yield running


@pytest.fixture
async def town_hall(served: Served) -> Served:
    """Anna is let in, Cara was denied, Ben waits."""
    await populate(served.setup, served.store)
    return served


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Opens connections, which are closed at the end."""
    lines = []

    async def opened(where: int | Path) -> Line:
        lines.append(await Line.open(where))
        return lines[-1]

    yield opened
    for line in lines:
        await line.hang_up()
