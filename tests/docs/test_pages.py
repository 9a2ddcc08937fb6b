"""The pages that the program writes about itself are of today, and whole."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.commands_page import commands_page, leaves
from fakes.kept import is_kept
from fakes.keys_page import keys_page
from fakes.settings_page import settings_page
from fakes.troubleshooting_page import SYMPTOMS, troubleshooting_page

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


def anchors(text: str) -> set[str]:
    """What the headings of a page are linked by."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_every_symptom_leads_to_something_that_is_there() -> None:
    """Each line names a command or a finding, and whatever it links to or names exists."""
    docs, names = Path(__file__).parents[2] / "docs", {path for path, _ in leaves()}
    own = anchors(troubleshooting_page())
    assert len(SYMPTOMS) >= 15
    for seen, told in SYMPTOMS:
        links = re.findall(r"\]\(([^)#]*)#?([^)]*)\)", told)
        assert links, seen
        for page, anchor in links:
            there = anchors((docs / page).read_text()) if page else own
            assert not anchor or anchor in there, (seen, page, anchor)
        for words in re.findall(r"`secondme ([a-z ]+)", told):
            assert any(words.strip() == name or words.startswith(f"{name} ") for name in names), (seen, words)


def test_the_page_about_troubles_has_nothing_unfinished() -> None:
    assert re.findall(r"\b(TODO|FIX|WHY)\b", troubleshooting_page()) == []


def test_every_key_has_a_type_and_a_reason() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", keys_page(), re.MULTILINE)
    kept = [(name, words) for name, words in rows if not name.startswith("events:")]
    assert [name for name, words in kept if not re.match(r"(STREAM|ZSET|SET|STRING|HASH|LIST)\b", words)] == []
    functions = {name for name, each in vars(keys).items() if callable(each) and getattr(each, "__module__", "") == keys.__name__}
    assert len(kept) >= len(functions) > 20
