"""How every page looks, at three sizes and in both themes, and without colour; and how the states and the dialogs do. What is seen is text
with the role of each cell: `UPDATE_LOOKS=1 pytest tests/tui/test_looks.py` accepts a change; read it first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from fakes.looks import compare, look
from fakes.rehearsals import runs_at_noon
from fakes.screen import (
    NOON,
    StoppedClock,
    hold_the_brush,
    jobs_at_noon,
    settled,
    stand_at_noon,
    still,
    talk_at_noon,
    write_security_log,
)
from redis import Redis
from textual.pilot import Pilot

from secondme.cli.tui.app import SecondmeApp
from secondme.cli.tui.nav import DIGITS
from secondme.core.clock import to_ms
from secondme.core.config.loader import Setup
from secondme.core.errors import UnavailableError
from secondme.core.store import keys

SIZES = [(80, 24), (100, 30), (140, 45)]


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_the_brush(monkeypatch)


@pytest.fixture
def client(redis_url: str) -> Redis:
    """The store, emptied."""
    connected = Redis.from_url(redis_url)
    connected.flushall()
    return connected


@pytest.fixture
def people(client: Redis, setup: Setup) -> Redis:
    """Everything there is at NOON."""
    stand_at_noon(client)
    talk_at_noon(client)
    jobs_at_noon(client)
    write_security_log(setup)
    return client


@asynccontextmanager
async def opened(setup: Setup, size: tuple[int, int], theme: str = "night") -> AsyncIterator[tuple[SecondmeApp, Pilot[None]]]:
    tui = setup.settings.tui.model_copy(update={"theme": theme})
    app = SecondmeApp(setup.model_copy(update={"settings": setup.settings.model_copy(update={"tui": tui})}), StoppedClock())
    async with app.run_test(size=size, notifications=True) as pilot:
        while app.is_looking:
            await pilot.pause(0.02)
        await still(app)
        yield app, pilot


async def press(app: SecondmeApp, pilot: Pilot[None], *keys_: str) -> None:
    for key in keys_:
        await pilot.press(key)
        await settled(app)
    await still(app)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("theme", ["night", pytest.param("paper", marks=pytest.mark.heavy)])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_page(setup: Setup, size: tuple[int, int], theme: str) -> None:
    """In two themes a page has the same words and the same roles."""
    async with opened(setup, size, theme) as (app, pilot):
        for page, digit in DIGITS.items():
            await press(app, pilot, digit)
            compare(app, f"{page}-{size[0]}x{size[1]}")


@pytest.mark.usefixtures("people")
async def test_pages_without_colour(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(setup, (80, 24)) as (app, pilot):
        for page in ("today", "drafts", "people"):
            await press(app, pilot, DIGITS[page])
            compare(app, f"{page}-80x24-plain")


@pytest.mark.usefixtures("people")
async def test_what_is_opened_below_a_list_has_the_whole_page(setup: Setup) -> None:
    async with opened(setup, (80, 24)) as (app, pilot):
        for page in ("chats", "drafts", "people", "jobs"):
            await press(app, pilot, DIGITS[page], "enter")
            compare(app, f"{page}-80x24-open")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("size", "theme"),
    [(SIZES[0], "night"), pytest.param(SIZES[0], "paper", marks=pytest.mark.heavy), (SIZES[2], "night")],
    ids=["80x24", "80x24-paper", "140x45"],
)
async def test_rehearsals(setup: Setup, size: tuple[int, int], theme: str) -> None:
    runs_at_noon(setup)
    async with opened(setup, size, theme) as (app, pilot):
        for name, keys_ in {
            "": ("8", "r"),
            "-open": ("enter",),
            "-blind": ("escape", "b"),
            "-new": ("escape", "down", "n"),
        }.items():
            await press(app, pilot, *keys_)
            compare(app, f"rehearsal-{size[0]}x{size[1]}{name}")


@pytest.mark.usefixtures("people")
async def test_dialogs(setup: Setup) -> None:
    async with opened(setup, (100, 30)) as (app, pilot):
        for name, keys_ in {
            "stop": ("exclamation_mark",),
            "help": ("question_mark",),
            "palette": ("ctrl+p",),
            "approve": ("4", "a"),
            "deny": ("4", "d"),
            "pause": ("p",),
            "edit": ("3", "e"),
            "drop": ("3", "d"),
        }.items():
            await press(app, pilot, *keys_)
            compare(app, name)
            while len(app.screen_stack) > 1:
                await press(app, pilot, "escape")


async def test_an_invite_with_its_link_and_qr_code(people: Redis, setup: Setup) -> None:
    facts = {"part": "all", "host": "elsewhere", "pid": 1, "version": "0", "startedAt": 0, "at": 4_080_000_000_000}
    people.hset(
        keys.GATEWAYS,
        "all-1",
        _json({**facts, "channels": {"telegram": {"state": "connected", "inviteLink": "https://t.me/sam_clone_bot?start="}}}),
    )
    end = to_ms(NOON + timedelta(hours=20))
    people.set(
        "PAIRING:invites:174472",
        _json({"code": "174472", "name": "Rosa", "tier": "standard", "createdAt": to_ms(NOON), "expiresAt": end}),
    )
    people.zadd(keys.INDEX_INVITES, {"174472": end})
    async with opened(setup, (100, 40)) as (app, pilot):
        await press(app, pilot, "4", "i", "down", "enter")
        compare(app, "invite")


def _json(value: object) -> str:
    import json

    return json.dumps(value)


@pytest.mark.parametrize("state", ["empty", "off", "killed", "paused"])
async def test_states(people: Redis, setup: Setup, state: str) -> None:
    match state:
        case "empty":
            people.flushall()
        case "off":
            people.delete(keys.GATEWAYS)
        case "killed":
            people.set(keys.PAUSE_ALL, str(to_ms(NOON - timedelta(minutes=20))))
            people.set(keys.KILLED, "1")
        case "paused":
            people.set(keys.PAUSE_ALL, str(to_ms(NOON + timedelta(minutes=41))))
    setup.places.config_file.parent.mkdir(parents=True, exist_ok=True)
    setup.places.config_file.touch()
    async with opened(setup, (100, 30)) as (app, pilot):
        for page in ("today", "drafts", "people", "chats") if state == "empty" else ("today",):
            await press(app, pilot, DIGITS[page])
            compare(app, f"{page}-{state}")
        if state == "empty":
            await press(app, pilot, "8", "r")
            compare(app, "rehearsal-empty")


@pytest.mark.usefixtures("people")
async def test_a_store_that_is_lost_and_one_that_is_looked_for(setup: Setup) -> None:
    async with opened(setup, (100, 30)) as (app, _):
        app._lose(
            UnavailableError("store_unreachable", "The store does not answer.", "Nothing was changed; try again in a moment.")
        )
        await settled(app)
        compare(app, "today-lost")
    app = SecondmeApp(setup, StoppedClock())
    async with app.run_test(size=(100, 30)):
        app._say_looking()
        text = look(app)
        assert "◌ looking …" in text or "answering" in text or "Telegram needs you" in text  # it may have looked by now
