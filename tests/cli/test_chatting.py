"""A conversation at the terminal when the gateway takes nothing, and how its lines are broken; the real channel in this process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.channel_host import RecordingHost
from fakes.process import eventually

from secondme.channels.local import client as local_client
from secondme.channels.local.channel import LocalChannel
from secondme.cli import chatting
from secondme.cli.columns import folded
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.errors import UnavailableError


@pytest.fixture
async def full(home: Path) -> AsyncIterator[Setup]:
    """The settings of a home whose gateway cannot take anything, as with a full disk."""
    setup, line = load({}, {}, home=home), RecordingHost()
    line.is_down = True
    channel = LocalChannel(setup.places.local_socket, setup.places.data / "mail", SystemClock())
    task = asyncio.ensure_future(channel.run(line))
    await eventually(setup.places.local_socket.exists)
    yield setup
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_script_ends_although_its_message_is_refused_again_and_again_and_says_so_once(
    full: Setup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_client, "_REFUSED_S", 0.02)
    monkeypatch.setattr(chatting, "_CONNECT_S", 0.5)
    with pytest.raises(UnavailableError, match="did not take 1 of 1 messages"):
        async with asyncio.timeout(30):
            await chatting.deliver(full, "Anna", ["hello"], wait_s=0.1, as_owner=False, as_json=False)
    assert capsys.readouterr().err.count("cannot take it now") == 1


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("Sam: a code 625917", ["Sam: a", "  code", "  625917"]),
        ("漢字漢字: hello there", ["漢字漢字:", "  hello", "  there"]),
        ("one https://example.org/long two", ["one", "  https://example.org/long", "  two"]),
        ("ten  cells", ["ten  cells"]),
    ],
)
def test_a_line_is_broken_between_words_by_the_cells_they_take(line: str, rows: list[str]) -> None:
    assert folded(line, 10, hang="  ", tears=False) == rows
