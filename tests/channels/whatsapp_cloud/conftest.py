"""A business number that runs, with a Graph API on the other side and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from channels.whatsapp_cloud.cloud import Cloud, Running
from fakes.channel_host import RecordingHost
from fakes.clock import FakeClock
from fakes.graph_api import GraphApi, graph_api, settings_for

from secondme.channels.whatsapp_cloud import setup
from secondme.core.channel_plugin import ChannelContext
from secondme.core.messages import ChannelState


@pytest.fixture
async def api() -> AsyncIterator[GraphApi]:
    async with graph_api() as running:
        yield running


@pytest.fixture
def context(api: GraphApi, tmp_path: Path) -> Callable[..., ChannelContext]:
    """What a channel is built from; settings can be changed by name."""

    def build(clock: FakeClock | None = None, **settings: str) -> ChannelContext:
        return ChannelContext(settings_for(api.url, **settings), tmp_path / "cloud", clock or FakeClock(), Random(1))

    return build


@pytest.fixture
def running(api: GraphApi, context: Callable[..., ChannelContext]) -> Running:
    """Runs a channel with the settings that the test chooses."""

    @asynccontextmanager
    async def run(host: Any = None, **settings: str) -> AsyncIterator[Cloud]:
        host, clock = host or RecordingHost(), FakeClock()
        channel = setup.build(context(clock, **settings))
        task = asyncio.create_task(channel.run(host))
        cloud = Cloud(channel, api, host, clock, task)
        try:
            async with asyncio.timeout(20):
                while getattr(host, "state", ChannelState.CONNECTED) is not ChannelState.CONNECTED or not channel._is_connected:
                    assert not task.done(), task
                    await asyncio.sleep(0.002)
            yield cloud
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    return run


@pytest.fixture
async def cloud(running: Running) -> AsyncIterator[Cloud]:
    """A running channel whose owner has a number of their own."""
    async with running(owner_number="4917700000001") as started:
        yield started
