"""The pages that the program writes about itself are of today, and whole."""

import re
from collections.abc import Callable

import pytest
from fakes.commands_page import commands_page, leaves
from fakes.kept import is_kept
from fakes.keys_page import keys_page
from fakes.settings_page import settings_page
from fakes.troubleshooting_page import troubleshooting_page

from secondme.core.config.loader import known_names
from secondme.core.doctor.check import kinds
from secondme.core.store import keys

PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands_page,
    "reference/keys.md": keys_page,
    "reference/settings.md": settings_page,
    "troubleshooting.md": troubleshooting_page,
}


@pytest.mark.parametrize("place", PAGES)
def test_a_page_is_of_today(place: str) -> None:
    assert is_kept(place, PAGES[place]())


@pytest.mark.parametrize(
    ("page", "marks"),
    [
        (commands_page, [f"# secondme {path}\n" for path, _ in leaves()]),
        (settings_page, [f"`{name}`" for name in known_names()]),
        (troubleshooting_page, [f"\n### {name}\n" for name in kinds()]),
    ],
)
def test_everything_is_on_its_page(page: Callable[[], str], marks: list[str]) -> None:
    text = page()
    assert len(marks) > 50
    assert [mark for mark in marks if mark not in text] == []
    assert "{" not in text or page is not troubleshooting_page


def test_every_key_has_a_type_and_a_reason() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", keys_page(), re.MULTILINE)
    kept = [(name, words) for name, words in rows if not name.startswith("events:")]
    assert [name for name, words in kept if not re.match(r"(STREAM|ZSET|SET|STRING|HASH|LIST)\b", words)] == []
    functions = {name for name, each in vars(keys).items() if callable(each) and getattr(each, "__module__", "") == keys.__name__}
    assert len(kept) >= len(functions) > 20
