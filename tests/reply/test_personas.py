"""Which file speaks to whom: the order of the choices, and what happens when a file is missing, broken or edited."""

import os
import time
from pathlib import Path

import pytest

from secondme.core.enums import Relationship
from secondme.core.errors import ConfigError, NotFoundError
from secondme.core.reply.persona import NEUTRAL
from secondme.core.reply.personas import PersonaLibrary, choose


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    folder = tmp_path / "personas"
    folder.mkdir()
    return folder


def test_one_broken_file_takes_no_other_down(personas: Path) -> None:
    (personas / "good.md").write_text("Good.")
    (personas / "bad.md").write_text("---\nnam: x\n---\n")
    (personas / "dir.md").mkdir()
    (personas / "notes.txt").write_text("not one")
    shelf = PersonaLibrary(personas)
    assert [each.id for each in shelf.all()] == ["good"]
    assert [each.id for each in shelf.broken()] == ["bad", "dir"]
    assert shelf.get("good").style_guide == "Good."
    with pytest.raises(ConfigError, match=r"bad\.md:2: `nam` is not known; did you mean `name`"):
        shelf.get("bad")


def test_the_library_sees_each_edit_at_once_even_of_the_same_size_and_time(personas: Path) -> None:
    shelf, path = PersonaLibrary(personas), personas / "me.md"
    for text in ("aaaa", "bbbb", "cccc"):
        path.write_text(text)
        os.utime(path, ns=(1, 1))
        assert shelf.get("me").style_guide == text
    assert shelf.get("me") is shelf.get("me")
    path.unlink()
    with pytest.raises(NotFoundError):
        shelf.get("me")


def test_a_missing_persona_is_answered_with_the_nearest_name(personas: Path) -> None:
    (personas / "family.md").write_text("x")
    with pytest.raises(NotFoundError) as caught:
        PersonaLibrary(personas).get("familiy")
    assert caught.value.fix == "Did you mean family?"
    assert PersonaLibrary(personas / "nowhere").all() == []


BOSS, FRIEND = Relationship.MANAGER, Relationship.FRIEND


@pytest.fixture
def shelf(personas: Path) -> PersonaLibrary:
    for name, text in {
        "anna": "For Anna.",
        "default": "For all.",
        "house": "---\nrelationships: [family, friend]\n---\nFor the family.",
        "pals": "---\nrelationships: [friend]\n---\nFor pals.",
        "loud": "Loud.",
    }.items():
        (personas / f"{name}.md").write_text(text)
    return PersonaLibrary(personas)


@pytest.mark.parametrize(
    ("contact", "relationship", "used", "chosen"),
    [
        (None, None, {}, "default"),
        (None, BOSS, {}, "default"),
        (None, FRIEND, {}, "house"),
        (None, FRIEND, {"default": "loud"}, "house"),
        (None, FRIEND, {"relationship:friend": "pals"}, "pals"),
        (None, BOSS, {"relationship:friend": "pals"}, "default"),
        (None, BOSS, {"default": "loud"}, "loud"),
        ("anna", FRIEND, {"relationship:friend": "pals", "default": "loud"}, "anna"),
        ("gone", FRIEND, {"relationship:friend": "pals", "default": "loud"}, ""),
        (None, FRIEND, {"relationship:friend": "gone"}, ""),
        (None, BOSS, {"default": "gone"}, ""),
        ("../default", None, {}, ""),
    ],
)
def test_the_choices_count_in_order(
    shelf: PersonaLibrary, contact: str | None, relationship: Relationship | None, used: dict[str, str], chosen: str
) -> None:
    assert choose(shelf, contact=contact, relationship=relationship, used=used, default_file="default.md").id == chosen


def test_without_any_file_the_built_in_default_speaks(tmp_path: Path) -> None:
    nothing = PersonaLibrary(tmp_path / "none")
    assert choose(nothing, contact=None, relationship=FRIEND, used={}, default_file="default.md") is NEUTRAL
    assert NEUTRAL.style_guide == "Keep responses brief and natural."


def test_a_missing_choice_is_said_once(shelf: PersonaLibrary, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        choose(shelf, contact=None, relationship=BOSS, used={"relationship:manager": "gone"}, default_file="default.md")
    assert [record.message for record in caplog.records] == ["persona_missing"]


def test_a_broken_file_stops_only_those_it_speaks_to(shelf: PersonaLibrary, personas: Path) -> None:
    (personas / "work.md").write_text("---\nrelationships: [manager]\nlanguage: ?!\n---\nFormal.")
    (personas / "anna.md").write_text("---\nname: [x]\n---")

    def voice(contact: str | None, relationship: Relationship | None) -> str:
        return choose(shelf, contact=contact, relationship=relationship, used={}, default_file="default.md").id

    assert (voice(None, FRIEND), voice("loud", BOSS), voice(None, Relationship.CLIENT)) == ("house", "loud", "default")
    for contact, relationship in (("anna", None), (None, BOSS)):
        with pytest.raises(ConfigError):
            voice(contact, relationship)


def test_what_did_not_change_is_not_understood_anew(shelf: PersonaLibrary) -> None:
    before = shelf.all()
    begun = time.process_time()
    for _ in range(1000):
        choose(shelf, contact=None, relationship=FRIEND, used={}, default_file="default.md")
    assert all(old is new for old, new in zip(before, shelf.all(), strict=True))
    print(f"\nchoosing among 5 files: {(time.process_time() - begun) * 1000:.0f} us CPU")
