"""The pictures of the documentation are the program's own, of today. `UPDATE_DOCS=1 pytest tests/docs` makes them anew."""

from collections.abc import Iterator

import pytest
from fakes.kept import is_kept
from fakes.process import eventually
from fakes.screen import hold_the_brush, still
from fakes.sunday import SundayClock, furnish, that_day
from redis import Redis

from secondme.cli.tui.app import SecondmeApp
from secondme.core.config.loader import Setup

SIZE = (120, 36)
WIDE = (140, 36)
"""What was said earlier stands beside a draft from here on."""
PICTURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "today": ("night", ()),
    "today-paper": ("paper", ()),
    "chats": ("night", ("2", "enter")),
    "drafts": ("night", ("3", "down")),
    "drafts-paper": ("paper", ("3", "down")),
    "people": ("night", ("4",)),
    "people-paper": ("paper", ("4",)),
    "jobs": ("night", ("5",)),
    "skills": ("night", ("7", "down")),
    "system": ("night", ("0", "down")),
    "stop": ("night", ("exclamation_mark",)),
    "palette": ("night", ("ctrl+p",)),
}
"""Name -> theme, and the keys that lead there."""


@pytest.fixture(autouse=True)
def _sunday(monkeypatch: pytest.MonkeyPatch, redis_url: str, raw: Redis) -> Iterator[None]:
    hold_the_brush(monkeypatch)
    with that_day(redis_url):
        furnish(raw)
        yield


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_shows_what_the_screen_shows(setup: Setup, name: str) -> None:
    theme, keys_ = PICTURES[name]
    app = SecondmeApp(setup, SundayClock())
    app.theme = theme
    async with app.run_test(size=WIDE if name.startswith("drafts") else SIZE) as pilot:
        await eventually(lambda: not app.is_looking)
        await still(app)
        for key in keys_:
            await pilot.press(key)
            await still(app)
        assert is_kept(f"images/{name}.svg", app.export_screenshot(title="secondme tui", simplify=True))
