"""The page of skills: its first skill is written, approved, set up and used as the page says; its tables are the product's."""

import json
import re
import shlex
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from fakes.process import command
from fakes.town import Town

from secondme.core.tools.permissions import known_permissions
from secondme.skills.registry import BUILT_IN

PAGE = (Path(__file__).parents[2] / "docs" / "skills.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.heavy
def test_the_first_skill_is_what_the_page_says(home: Path) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.toml").touch(0o600)
    (manifest,) = (text for kind, text in BLOCKS if kind == "json")
    (code,) = (text for kind, text in BLOCKS if kind == "python")
    lines = [line for kind, text in BLOCKS if kind == "" for line in text.splitlines()]
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["secondme", "skills"]
        if words[2] == "approve":
            shown = json.loads(command(home, "skills", "show", words[3], "--json").stdout)["data"]
            words += ["--yes", "--digest", shown["sheet"]["digest"]]
        result = command(home, *words[1:])
        assert result.returncode == 0, (line, result.stdout, result.stderr)
        if words[2] == "new":
            for name, text in (("manifest.json", manifest), ("skill.py", code)):
                (home / "skills" / "countdown" / name).write_text(text)
    told = json.loads(result.stdout)
    assert told == {"event": "the wedding", "days": (date(2030, 5, 1) - datetime.now(UTC).date()).days}
    command(home, "skills", "config", "countdown", "date", "soon")
    failed = command(home, "skills", "test", "countdown", "left")
    assert (failed.returncode, failed.stdout) == (1, "It failed (bad_date).\n")


async def test_the_table_of_skills_lists_those_that_come_with_it(town: Town) -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| ", PAGE, re.MULTILINE)
    known = [each.name for each in await town.services.skills.all() if each.kind.value == "built-in" and each.folder.files]
    assert [name for name in listed if (BUILT_IN / name).is_dir()] == sorted(known, key=listed.index)


def test_the_table_of_permissions_lists_every_one() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", PAGE, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([a-z]+(?::[a-z]+)?)`", row)}
    assert {each.text for each in known_permissions()} <= listed
