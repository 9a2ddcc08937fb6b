"""The screen as a person uses it: Pilot presses the keys, the real store is behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes.process import eventually
from fakes.screen import Screen, settled

from secondme.cli.tui.app import SecondmeApp
from secondme.core import log
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup

OpenScreen = Callable[..., Any]
"""`async with screen(size=(80, 24)) as on:`"""


@pytest.fixture
def screen(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> OpenScreen:
    """Opens the screen on the test's store: `async with screen(size=(80, 24)) as on:`"""

    @asynccontextmanager
    async def opened(
        size: tuple[int, int] = (100, 30), clock: SystemClock | None = None, home: Setup = setup
    ) -> AsyncIterator[Screen]:
        home.places.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        log.set_up("info", home.places.logs, console=False)
        app = SecondmeApp(home, clock or SystemClock())
        for where in ("textual.app", "textual.pilot"):
            monkeypatch.setattr(f"{where}.wait_for_idle", lambda *_: settled(app))
        async with app.run_test(size=size, notifications=True) as pilot:
            on = Screen(app, pilot)
            await eventually(lambda: not app.is_looking)
            yield on
        log.set_up("info", None, console=False)

    return opened
