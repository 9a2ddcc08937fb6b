"""Notes: who sees which follows from what stands at their top, and nothing outside the folder is ever a note."""

from pathlib import Path

import pytest
from fakes.skill_home import ANNA, OWNER, TRUDY, SkillHome

from secondme.core.enums import Tier
from secondme.core.messages import Origin, ToolTurn

CANARY = "zqnotefileszq"
RITA = ToolTurn(Origin.CONTACT, Tier.RESTRICTED, "local:rita", "local", "m4")
NOTES = {
    "wifi.md": "---\nshare: standard\n---\nThe guests' network is called Meadow.",
    "garden/roses.md": "---\nshare: Trusted\ntags: [garden]\n---\n# Roses\nThe meadow roses want water on Fridays.",
    "diary.md": f"The meadow {CANARY}",
    "listed.md": f"---\nshare: [standard]\n---\nmeadow {CANARY}",
    "everybody.md": f"---\nshare: everybody\n---\nmeadow {CANARY}",
    "broken.md": f"---\nshare: standard\nshare: standard\n---\nmeadow {CANARY}",
    "unended.md": f"---\nshare: standard\nmeadow {CANARY}",
    "below.md": f"meadow {CANARY}\n---\nshare: standard\n---\n",
    "plain.txt": f"---\nshare: standard\n---\nmeadow {CANARY}",
    ".hidden.md": f"---\nshare: standard\n---\nmeadow {CANARY}",
    "long.md": f"---\nshare: standard\n---\nmeadow {CANARY}" + "x" * (200 << 10),
}


@pytest.fixture
async def folder(skill_home: SkillHome, tmp_path: Path) -> Path:
    """The owner's notes, with links in them that lead outside."""
    root = tmp_path / "notes"
    for name, text in NOTES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "plan.md").write_text(f"---\nshare: standard\n---\nmeadow {CANARY}")
    (root / "link.md").symlink_to(tmp_path / "secret" / "plan.md")
    (root / "linked").symlink_to(tmp_path / "secret")
    await skill_home.on("notes", folder=str(root))
    return root


@pytest.mark.parametrize(
    ("turn", "names"),
    [
        (ANNA, ["wifi"]),
        (TRUDY, ["garden/roses", "wifi"]),
        (OWNER, ["below", "broken", "diary", "everybody", "garden/roses", "listed", "unended", "wifi"]),
    ],
)
@pytest.mark.usefixtures("folder")
async def test_the_tier_decides_which_notes_there_are(skill_home: SkillHome, turn: ToolTurn, names: list[str]) -> None:
    result = await skill_home.tells("notes_search", {"words": "Meadow"}, turn)
    assert sorted(result["data"]) == names
    assert (CANARY in result["text"]) == (turn is OWNER)


@pytest.mark.usefixtures("folder")
async def test_a_restricted_contact_has_no_notes(skill_home: SkillHome) -> None:
    assert await skill_home.names(RITA) == []
    assert await skill_home.code("notes_search", {"words": "meadow"}, RITA) == "not_allowed"


@pytest.mark.usefixtures("folder")
async def test_a_note_is_read_without_its_front_matter(skill_home: SkillHome) -> None:
    told = await skill_home.tells("notes_read", {"name": "Garden/Roses.md"}, TRUDY)
    assert (told["text"], told["source"]) == ("# Roses\nThe meadow roses want water on Fridays.", "garden/roses")


@pytest.mark.parametrize(
    "name",
    [
        "diary", "garden/roses", "listed", "everybody", "broken", "unended", "below", "plain", "plain.txt", ".hidden", "long", "link",
        "linked/plan", "../secret/plan", "garden/../diary", "../notes/diary", "/etc/passwd", "", ".", "..", "wifi/..", "wifi\x00",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
async def test_what_is_not_shared_is_not_there(skill_home: SkillHome, name: str) -> None:
    result = await skill_home.result("notes_read", {"name": name}, ANNA)
    assert result.code == "no_such_note"
    assert CANARY not in result.text


async def test_an_edit_counts_at_once(skill_home: SkillHome, folder: Path) -> None:
    (folder / "wifi.md").write_text(f"meadow {CANARY}")
    assert (await skill_home.tells("notes_search", {"words": "meadow"}, ANNA))["data"] == []
    assert await skill_home.code("notes_read", {"name": "wifi"}, ANNA) == "no_such_note"


@pytest.mark.usefixtures("folder")
async def test_the_note_with_most_of_the_words_is_first(skill_home: SkillHome) -> None:
    told = await skill_home.tells("notes_search", {"words": "water roses network"}, TRUDY)
    assert told["data"] == ["garden/roses", "wifi"]
    assert told["text"].startswith("garden/roses: # Roses")


async def test_a_long_note_is_cut(skill_home: SkillHome, folder: Path) -> None:
    (folder / "novel.md").write_text("---\nshare: standard\n---\n" + "Я" * 60_000)
    told = await skill_home.tells("notes_read", {"name": "novel"}, ANNA)
    assert (len(told["text"]), told["cut"]) == (5000, True)


async def test_without_a_folder_nothing_is_offered(skill_home: SkillHome, folder: Path) -> None:
    await skill_home.on("notes", folder=None)
    assert await skill_home.names(ANNA) == []
    await skill_home.on("notes", folder=str(folder / "gone"))
    assert await skill_home.code("notes_search", {"words": "meadow"}, ANNA) == "failed"
