"""Who writes in an export, before anything of it is imported."""

import json
import zipfile
from datetime import date
from pathlib import Path

import pytest
from remember.exports.test_telegram import ANNA, ME, account, chat, message

from secondme.cli.onboard.authors import who_are_you
from secondme.core.errors import DataError
from secondme.core.exports.authors import ExportAuthors, authors_of, platform_of

TODAY = date(2026, 6, 1)
LINES = "".join(
    f"[{day:02}.01.24, 10:00:00] {line}\n"
    for day, line in enumerate(("Anna: hi", "Sam P.: hello", "Anna: how are you?", "~ Anna: well?", "Sam P.: fine"), 10)
)


async def test_the_people_of_a_chat_with_how_much_each_wrote(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text(LINES)
    found = await authors_of(tmp_path / "chat.txt", TODAY)
    assert found == ExportAuthors("whatsapp", (("Anna", 3), ("Sam P.", 2)))


async def test_a_file_that_says_who_exported_it_needs_no_question(tmp_path: Path) -> None:
    mine = chat(message(ME, "hello"), message(ANNA, "hi"), message(ANNA, "well"))
    (tmp_path / "one.json").write_text(json.dumps(mine))
    (tmp_path / "all.json").write_text(json.dumps(account(mine)))
    for name in ("one.json", "all.json"):
        found = await authors_of(tmp_path / name, TODAY)
        assert (found.platform, found.people, found.owner) == ("telegram", (("Anna", 2), ("Sam", 1)), "Sam")


@pytest.mark.parametrize(
    ("name", "inside", "platform"),
    [
        ("chat.txt", "", "whatsapp"),
        ("result.json", "", "telegram"),
        ("chat.zip", "_chat.txt", "whatsapp"),
        ("export.zip", "x/result.json", "telegram"),
    ],
)
def test_which_program_exported_it(tmp_path: Path, name: str, inside: str, platform: str) -> None:
    path = tmp_path / name
    if inside:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(inside, "x")
    assert platform_of(path) == platform


async def test_what_is_no_export_is_an_error_of_plain_words(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    with pytest.raises(DataError):
        await authors_of(tmp_path / "notes.txt", TODAY)


@pytest.mark.parametrize(
    ("usual", "default"), [("sam p.", "Sam P."), ("Sam", "Sam P."), ("Samuel", None), ("", None), ("Anna", "Anna")]
)
def test_who_is_called_as_the_owner_usually_is_is_what_enter_means(usual: str, default: str | None) -> None:
    question, choices = who_are_you(ExportAuthors("whatsapp", (("Anna", 3), ("Sam P.", 2), ("B\x1b[31m\u202e", 1))), usual)
    assert question.default == default
    assert [each.value for each in choices] == ["Anna", "Sam P.", "B\x1b[31m\u202e"]
    assert choices[0].title == "Anna (3 messages)"
    assert "\x1b" not in choices[2].title
