"""How the main states look, at two sizes. `pytest --snapshot-update` accepts a change; look at the picture first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from fakes.screen import StoppedClock, hold_the_brush, jobs_at_noon, stand_at_noon, still, talk_at_noon, write_security_log
from redis import Redis
from textual.pilot import Pilot

from secondme.cli.tui.app import SecondmeApp
from secondme.core.config.loader import Setup
from secondme.core.store import keys

SIZES = [(80, 24), (140, 40)]
STATES: dict[str, tuple[str, ...]] = {
    "waiting": (),
    "approve": ("a",),
    "deny": ("d",),
    "approved": ("2",),
    "edit": ("2", "down", "down", "e"),
    "revoke": ("2", "r"),
    "denied": ("3",),
    "security": ("4",),
    "channels": ("5", "down"),
    "kill": ("k",),
    "help": ("question_mark",),
}

READ = {"6": "#page-conversations", "7": "#page-drafts", "0": "#page-skills"}
"""Pages whose rows are read when they come up."""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_the_brush(monkeypatch)


def looks(setup: Setup, *keys: str) -> tuple[SecondmeApp, Callable[[Pilot[None]], Awaitable[None]]]:
    app = SecondmeApp(setup, StoppedClock())

    async def show(pilot: Pilot[None]) -> None:
        bar: Any = app.query_one("#bar")
        while "looking" in bar.content.plain:
            await pilot.pause(0.02)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
            while key in READ and not app.query_one(READ[key]).table.row_count:  # type: ignore[attr-defined]
                await pilot.pause(0.02)
        await still(app)

    return app, show


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """The store, emptied."""
    with Redis.from_url(redis_url) as connected:
        connected.flushall()
        yield connected


@pytest.mark.parametrize(
    "size",
    [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.slow)],
    ids=["80x24", "140x40"],  # 25 s: the same, wide
)
@pytest.mark.parametrize("state", STATES)
def test_a_screen_with_people(client: Redis, setup: Setup, snap_compare: Any, state: str, size: tuple[int, int]) -> None:
    stand_at_noon(client)
    write_security_log(setup)
    app, show = looks(setup, *STATES[state])
    assert snap_compare(app, run_before=show, terminal_size=size)


@pytest.mark.parametrize(
    ("keys_", "size"),
    [(("6",), (100, 30)), (("6", "enter"), (80, 24)), (("7",), (100, 30)), (("0",), (80, 24)), (("ctrl+p",), (80, 24))],
    ids=["talks", "one talk", "drafts", "skills", "palette"],
)
def test_a_screen_with_conversations(
    client: Redis, setup: Setup, snap_compare: Any, keys_: tuple[str, ...], size: tuple[int, int]
) -> None:
    stand_at_noon(client)
    talk_at_noon(client)
    app, show = looks(setup, *keys_)
    assert snap_compare(app, run_before=show, terminal_size=size)


@pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])
@pytest.mark.parametrize("keys_", [("j",), ("7",), ("7", "s")], ids=["jobs", "drafts", "overtaken"])
def test_a_screen_with_jobs(client: Redis, setup: Setup, snap_compare: Any, keys_: tuple[str, ...], size: tuple[int, int]) -> None:
    stand_at_noon(client)
    talk_at_noon(client)
    jobs_at_noon(client)
    app, show = looks(setup, *keys_)
    assert snap_compare(app, run_before=show, terminal_size=size)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("page", ["1", "2", "3", "4", "5", "j"])
def test_an_empty_screen_says_what_to_do(setup: Setup, snap_compare: Any, page: str) -> None:
    app, show = looks(setup, page)
    assert snap_compare(app, run_before=show, terminal_size=(80, 24))


def test_a_narrow_terminal_keeps_name_contact_and_countdown(client: Redis, setup: Setup, snap_compare: Any) -> None:
    stand_at_noon(client)
    app, show = looks(setup)
    assert snap_compare(app, run_before=show, terminal_size=(44, 16))


def test_without_colour_every_state_is_still_a_word(
    client: Redis, setup: Setup, snap_compare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stand_at_noon(client)
    client.set(keys.PAUSE_ALL, "4076500000000")
    client.set(keys.KILLED, "1")
    app, show = looks(setup)
    assert snap_compare(app, run_before=show, terminal_size=(80, 24))
