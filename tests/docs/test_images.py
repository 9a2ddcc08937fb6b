"""The pictures of the documentation are the program's own, of today. `UPDATE_DOCS=1 pytest tests/docs` makes them anew."""

import time
from typing import Any

import pytest
from fakes.kept import is_kept
from fakes.screen import StoppedClock, stand_at_noon, talk_at_noon, write_security_log
from redis import Redis

from secondme.cli.tui.app import SecondmeApp
from secondme.core.config.loader import Setup

PICTURES = {"door": (), "approve": ("a",), "people": ("2",), "channels": ("5",), "conversation": ("6", "enter"), "drafts": ("7",)}
ROWS = {"6": "#page-conversations", "7": "#page-drafts"}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
    time.tzset()


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_shows_what_the_screen_shows(raw: Redis, setup: Setup, name: str) -> None:
    stand_at_noon(raw)
    talk_at_noon(raw)
    write_security_log(setup)
    app = SecondmeApp(setup, StoppedClock())
    async with app.run_test(size=(100, 28)) as pilot:
        bar: Any = app.query_one("#bar")
        door: Any = app.query_one("#page-pending")
        while "looking" in bar.content.plain or not door.table.row_count:
            await pilot.pause(0.02)
        for key in PICTURES[name]:
            await pilot.press(key)
            while key in ROWS and not app.query_one(ROWS[key]).table.row_count:  # type: ignore[attr-defined]
                await pilot.pause(0.02)
        before: list[Any] = []
        while (now := [list(strip) for strip in app.screen._compositor.render_strips()]) != before:
            before = now
            await pilot.pause(0.1)
        assert is_kept(f"images/{name}.svg", app.export_screenshot(title="secondme tui", simplify=True))
