"""A crowd on an empty store."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from attacks.crowd import Crowd, open_crowd
from fakes.watching import Ear


@pytest.fixture
async def crowd_with(redis_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Opens a crowd whose settings the test chooses by their dotted names."""
    async with AsyncExitStack() as stack:

        async def build(wires: int = 2, **flags: Any) -> Crowd:
            dotted = {name.replace("__", "."): value for name, value in flags.items()}
            return await stack.enter_async_context(open_crowd(redis_url, tmp_path / "home", dotted, wires=wires))

        yield build


@pytest.fixture
async def ear_on() -> AsyncIterator[Callable[..., Any]]:
    """Listens to a crowd's store."""
    async with AsyncExitStack() as stack:

        async def listen(crowd: Crowd) -> Ear:
            ear = Ear(crowd.store)
            await ear.open()
            stack.push_async_callback(ear.close)
            return ear

        yield listen
