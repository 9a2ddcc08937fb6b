"""A conversation at the terminal when the gateway takes nothing; the real channel in this process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.channel_host import RecordingHost
from fakes.process import Cli, eventually, settings_of

from secondme.channels.local import client as local_client
from secondme.channels.local.channel import LocalChannel
from secondme.cli.commands import chat
from secondme.core.clock import SystemClock


@pytest.fixture
async def full(home: Path) -> AsyncIterator[Path]:
    """A home whose gateway cannot take anything, as with a full disk."""
    places, line = settings_of(home).places, RecordingHost()
    line.is_down = True
    channel = LocalChannel(places.local_socket, places.data / "mail", SystemClock())
    task = asyncio.ensure_future(channel.run(line))
    await eventually(places.local_socket.exists)
    yield home
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_script_ends_although_its_message_is_refused_again_and_again_and_says_so_once(
    full: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_client, "_REFUSED_S", 0.02)
    monkeypatch.setattr(chat, "_CONNECT_S", 0.5)
    words = ("--home", str(full), "chat", "--as", "Anna", "--message", "hello", "--wait", "0.1")
    async with asyncio.timeout(30):
        result = await asyncio.to_thread(cli, *words)
    assert (result.exit_code, result.stderr.count("cannot take it now")) == (69, 1)
    assert "did not take 1 of 1 messages" in result.stderr
