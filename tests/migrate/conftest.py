"""Our store, another Redis beside it, and the commands that bring one into the other: all real."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.process import Cli
from redis import Redis
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.core.store.embedded import EmbeddedServer, Role


@pytest.fixture(scope="session")
def other_url(server_home: Path) -> Iterator[str]:
    """A second real server for this test process: the Redis to migrate from."""
    server = EmbeddedServer(server_home / "other", server_home / "other.sock", role=Role.OWN)
    asyncio.run(server.ensure())
    yield f"unix://{server_home / 'other.sock'}"
    asyncio.run(server.stop())


@pytest.fixture
def raw(redis_url: str) -> Redis:
    """Our own store, empty at the start."""
    client = Redis.from_url(redis_url, decode_responses=True)
    client.flushall()
    return client


@pytest.fixture
def old(other_url: str) -> Redis:
    """The other Redis, empty at the start."""
    client = Redis.from_url(other_url, decode_responses=True)
    client.flushall()
    return client


@pytest.fixture
def cli(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command on our own store."""
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)

    def run(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(words), input=stdin)

    return run
