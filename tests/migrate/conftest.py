"""Our store, another Redis beside it, and the commands that bring one into the other: all real."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from secondme.core.store.server import EmbeddedServer, Role


@pytest.fixture(scope="session")
def other_url(server_home: Path) -> Iterator[str]:
    """A second real server for this test process: the Redis to migrate from."""
    server = EmbeddedServer(server_home / "other", server_home / "other.sock", role=Role.OWN)
    asyncio.run(server.ensure())
    yield f"unix://{server_home / 'other.sock'}"
    asyncio.run(server.stop())


@pytest.fixture
def old(other_url: str) -> Redis:
    """The other Redis, empty at the start."""
    client = Redis.from_url(other_url, decode_responses=True)
    client.flushall()
    return client
