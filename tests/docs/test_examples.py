"""What the documentation tells people to type can be typed: every command is one, and those of the user guide do what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.command_lines import ROOT, Line, lines, parsed
from fakes.process import Cli
from fakes.screen import stand_at_noon
from redis import Redis
from typer import Exit
from typer._click.exceptions import MissingParameter

from secondme.core.store import keys

LINES = list(lines())
PLAIN = re.compile(r"^secondme ((?:pairing|config set|contacts|pause|resume|usage|status|security) ?.*)$", re.MULTILINE)
FAR = 4_076_500_000_000
PROGRAM = Path(sys.executable).with_name("secondme")


@pytest.mark.parametrize("line", LINES, ids=str)
def test_the_program_knows_the_command(line: Line) -> None:
    try:
        assert parsed(list(line.words))
    except Exit:  # --help
        assert "--help" in line.words
    except MissingParameter:
        assert line.is_named


def test_there_are_as_many_as_one_would_think() -> None:
    assert len(LINES) > 120
    assert {"README.md", "quick-start.md", "people.md", "cron.md", "troubleshooting.md"} <= {line.page for line in LINES}


def prepare(raw: Redis, command: str) -> None:
    """What the command needs to find: a request with the code 123456, a contact, or somebody who was denied."""
    stand_at_noon(raw)
    who = {"contactId": "local:anna", "phoneNumber": "local:anna", "displayName": "Anna", "channelId": "local"}
    if command.startswith(("pairing approve", "pairing deny")):
        request = {**who, "code": "123456", "requestedAt": 1, "status": "pending", "expiresAt": FAR}
        raw.set(keys.pending("local:anna"), json.dumps(request))
        raw.set(keys.code("123456"), "local:anna")
        raw.zadd(keys.INDEX_PENDING, {"local:anna": FAR})
    elif command.startswith("pairing unblock"):
        raw.set(keys.denied("local:anna"), json.dumps({**who, "deniedAt": 1, "deniedBy": "cli", "expiresAt": FAR}))
        raw.zadd(keys.INDEX_DENIED, {"local:anna": FAR})
    else:
        raw.set(keys.approved("local:anna"), json.dumps({**who, "approvedAt": 1, "approvedBy": "cli", "tier": "standard"}))
        raw.zadd(keys.INDEX_APPROVED, {"local:anna": 1})


def told(page: str) -> list[str]:
    """The commands of a page's blocks that need neither a gateway nor a platform."""
    return PLAIN.findall((ROOT / "docs" / page).read_text("utf-8"))


@pytest.mark.parametrize("command", told("people.md"))
def test_people_are_let_in_and_turned_away_as_the_guide_says(cli: Cli, home: Path, raw: Redis, command: str) -> None:
    import shlex

    prepare(raw, command)
    yes = ["--yes"] if command.startswith("pairing revoke") else []
    result = cli("--home", str(home), *shlex.split(command), *yes)
    assert result.exit_code == 0, result.output


def recipes() -> list[str]:
    """The command of each line of the crontab, but the one that needs the owner's own chat."""
    block = re.findall(r"```cron\n(.*?)```", (ROOT / "docs" / "cron.md").read_text("utf-8"), re.DOTALL)[0]
    found = [line.split(None, 5)[5] for line in block.splitlines() if line[:1].isdigit() or line.startswith("*")]
    return [command for command in found if "--to self" not in command]


@pytest.mark.parametrize("recipe", recipes())
def test_a_cron_recipe_runs_with_what_cron_gives_it(raw: Redis, redis_url: str, tmp_path: Path, recipe: str) -> None:
    raw.flushall()
    recipe = recipe.replace("/home/sam/backups", str(tmp_path)).replace("/tmp/secondme-doctor.json", str(tmp_path / "doctor.json"))
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SECONDME": str(PROGRAM), "SECONDME_HOME": str(tmp_path / "home")}
    result = subprocess.run(
        ["/bin/sh", "-c", recipe],
        env={**env, "SECONDME_REDIS_URL": redis_url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode in {0, 1}, result.stderr
    assert "bug" not in result.stderr
