"""A command that is shown can be copied into another terminal: it names the home that was typed. Words of other people stay as they are."""

import json
import re
from pathlib import Path

import pytest
from fakes.process import Cli
from redis import Redis

from secondme.cli.output import typed
from secondme.core.store import keys

BARE = re.compile(r"secondme [a-z]+\b(?! --help)")


@pytest.mark.parametrize(
    ("hint", "here"),
    [
        ("secondme status", "{} status"),
        ("Start it: secondme serve", "Start it: {} serve"),
        ("Raise it, or wait. secondme usage", "Raise it, or wait. {} usage"),
        ("Ctrl-C leaves; secondme onboard goes on.", "Ctrl-C leaves; {} onboard goes on."),
        ("age -d FILE | secondme restore - --yes", "age -d FILE | {} restore - --yes"),
        ("Run `secondme serve` under what does", "Run `{} serve` under what does"),
        ("This is a test of secondme on Telegram", "This is a test of secondme on Telegram"),
        ("pip install --upgrade secondme", "pip install --upgrade secondme"),
    ],
)
def test_a_command_names_the_home_and_a_name_does_not(hint: str, here: str) -> None:
    assert typed(hint, Path("/a b")) == here.format("secondme --home '/a b'")
    assert typed(typed(hint, Path("/a b")), Path("/c")) == typed(hint, Path("/a b"))
    assert typed(hint, None) == hint


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("status", ["serve", "drafts list", "kill --off"]),
        ("channels list", ["channels connect telegram"]),
        ("channels pause local", ["channels resume local"]),
        ("channels disconnect local", ["channels connect local"]),
        ("contacts list --search nobody", ["pairing list"]),
        ("contacts link local:anna local:rita", ["contacts unlink local:rita"]),
        ("persona list", ["persona new default"]),
        ("persona new work", ["persona edit work"]),
        ("kill", ["kill --off"]),
        ("drafts edit beef0123 --text hello", ["drafts send beef0123"]),
        ("dead list", ["dead retry CONTACT"]),
        ("migrate pairing", ["migrate pairing --execute"]),
        ("agent -m hello --to local:anna --persona x", ["persona use NAME"]),
    ],
)
def test_what_is_shown_is_for_the_home_that_was_typed(tmp_path: Path, door: Redis, cli: Cli, words: str, shown: list[str]) -> None:
    home = tmp_path / "my home"
    if words == "status":
        cli("kill")
    door.rpush(keys.dead("local:anna"), '{"unreadable": 1}')
    door.zadd(keys.DEAD_INDEX, {"local:anna": 1})
    result = cli("--home", str(home), *words.split())
    assert [each for each in shown if f"secondme --home '{home}' {each}" not in " ".join(result.output.split())] == [], (
        result.output
    )
    assert BARE.findall(result.output) == []


@pytest.mark.usefixtures("door")
def test_what_is_wrong_with_some_names_the_home_too(tmp_path: Path, cli: Cli) -> None:
    result = cli("--home", str(tmp_path), "pairing", "approve", "local:ben", "local:cara")
    assert "local:ben) is approved" in result.stdout
    assert f"secondme --home {tmp_path} pairing unblock local:cara" in result.stderr


def test_what_somebody_wrote_is_shown_as_they_wrote_it(tmp_path: Path, door: Redis, cli: Cli) -> None:
    text = "Start it: secondme serve"
    held = json.loads(str(door.lindex(keys.held("local:rita"), 0)))
    door.lset(keys.held("local:rita"), 0, json.dumps({**held, "row": {**held["row"], "text": text}}))
    assert f"  | {text}" in cli("--home", str(tmp_path), "drafts", "show", "beef0123").stdout.splitlines()
