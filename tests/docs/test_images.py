"""The pictures of the documentation are the program's own, of today. `UPDATE_DOCS=1 pytest tests/docs` makes them anew."""

from typing import Any

import pytest
from fakes.kept import is_kept
from fakes.screen import StoppedClock, hold_the_brush, stand_at_noon, still, talk_at_noon, write_security_log
from redis import Redis

from secondme.cli.tui.app import SecondmeApp
from secondme.core.config.loader import Setup

PICTURES = {"door": (), "approve": ("a",), "people": ("2",), "channels": ("5",), "conversation": ("6", "enter"), "drafts": ("7",)}
ROWS = {"6": "#page-conversations", "7": "#page-drafts"}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_the_brush(monkeypatch)


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
        await still(app)
        assert is_kept(f"images/{name}.svg", app.export_screenshot(title="secondme tui", simplify=True))
