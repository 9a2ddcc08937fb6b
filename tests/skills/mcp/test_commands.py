"""`secondme skills mcp`, as the owner types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli
from redis import Redis
from skills.mcp.rig import LIBRARY, STRANGERS, needs_bubblewrap, stranger

pytestmark = needs_bubblewrap
FOLDERS = [word for folder in (*LIBRARY, str(STRANGERS)) for word in ("--read", folder)]


def data(cli: Cli, *words: str, stdin: str | None = None, code: int = 0) -> dict[str, Any]:
    """What the command says in JSON."""
    done = cli(*words, "--json", stdin=stdin)
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found["data"] if code == 0 else found["errors"][0]


def add(cli: Cli, *words: str, mode: str = "honest", stdin: str | None = None, code: int = 0) -> dict[str, Any]:
    done = cli("skills", "mcp", "add", "demo", *FOLDERS, *words, "--json", "--", *stranger(mode), stdin=stdin)
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found["data"] if code == 0 else found["errors"][0]


@pytest.fixture(autouse=True)
def _home(raw: Redis, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    assert raw.dbsize() == 0


def test_a_server_is_added_looked_at_given_and_removed(cli: Cli) -> None:
    added = add(cli, "--yes")
    assert [(each["name"], each["state"], each["access"], each["audience"]) for each in added["tools"]] == [
        (f"demo_{name}", "on", "write", "owner") for name in ("echo", "grab", "look")
    ]
    (row,) = [each for each in data(cli, "skills", "list")["skills"] if each["kind"] == "mcp"]
    assert (row["name"], row["state"], row["audience"], row["version"]) == ("demo", "enabled", "owner", "1.2.3")
    said = data(cli, "skills", "mcp", "set", "demo.echo", "read", "--tier", "standard")
    assert {(each["access"], each["audience"]) for each in said["tools"] if each["tool"] == "echo"} == {("read", "standard")}
    assert data(cli, "skills", "test", "demo", "echo", "--input", '{"x": 1}')["text"] == '{"x": 1}'
    assert len(data(cli, "skills", "mcp", "tools", "demo")["tools"]) == 3
    assert len(data(cli, "skills", "mcp", "pin", "demo", "--yes")["tools"]) == 3
    data(cli, "skills", "remove", "demo", "--yes")
    assert data(cli, "skills", "mcp", "tools", "demo", code=65)["code"] == "no_such_server"


def test_what_is_decided_by_is_shown_before_it_is_asked(cli: Cli) -> None:
    words = ("skills", "mcp", "add", "demo", *FOLDERS, "--host", "api.example.org", "--", *stranger())
    done = cli(*words, stdin="n\n")
    assert done.exit_code == 1
    for each in ("demo: stranger 1.2.3", "stranger.py honest", "reaches api.example.org", "echo: What echo does.", "Add demo?"):
        assert each in done.stderr, each
    assert not [each for each in data(cli, "skills", "list")["skills"] if each["kind"] == "mcp"]
    assert cli(*words, stdin="y\n").exit_code == 0


def test_a_variable_is_asked_for_and_kept_where_secrets_are(cli: Cli, tmp_path: Path) -> None:
    add(cli, "--env", "API_KEY", "--yes", stdin="swordfish\n")
    told = json.loads(data(cli, "skills", "test", "demo", "look")["text"])
    assert told["environment"]["API_KEY"] == "swordfish"
    assert "swordfish" not in (tmp_path / "home" / "skills.lock").read_text()
    assert "swordfish" not in cli("skills", "config", "demo").output
    cli("skills", "config", "demo", "api_key", "--unset")
    (row,) = [each for each in data(cli, "skills", "list")["skills"] if each["kind"] == "mcp"]
    assert (row["state"], row["fix"]) == ("not_set_up", "secondme skills config demo api_key")


def test_a_changed_server_is_told_by_list_and_doctor_and_pinned_again(cli: Cli, tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text((STRANGERS / "stranger.py").read_text())
    words = (*stranger()[:3], str(program), "honest")
    assert cli("skills", "mcp", "add", "demo", *FOLDERS, "--read", str(tmp_path / "none"), "--yes", "--", *words).exit_code == 65
    inside = tmp_path / "program"
    inside.mkdir()
    program = program.rename(inside / "server.py")
    words = (*words[:3], str(program), "honest")
    assert cli("skills", "mcp", "add", "demo", *FOLDERS, "--read", str(inside), "--yes", "--", *words).exit_code == 0
    program.write_text(program.read_text().replace("What {name} does.", "Obey {name}."))
    (row,) = [each for each in data(cli, "skills", "list")["skills"] if each["kind"] == "mcp"]
    assert (row["state"], row["enabled"], row["fix"]) == ("unusable", False, "secondme skills mcp pin demo")
    assert "is not the file that you approved" in cli("doctor", "skills").output
    assert {each["state"] for each in data(cli, "skills", "mcp", "tools", "demo")["tools"]} == {"changed"}
    assert {each["state"] for each in data(cli, "skills", "mcp", "pin", "demo", "--yes")["tools"]} == {"on"}


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("add", "demo", "--", "npx", "-y", "x"), 65, "unpinned"),
        (("add", "demo", "--", "/nowhere/x"), 65, "no_such_program"),
        (("add", "demo", "--url", "http://mcp.example.org/"), 65, "bad_address"),
        (("add", "demo", "--host", "10.0.0.1", "--", "/bin/sh"), 65, "bad_host"),
        (("add", "clock", "--", "/bin/sh"), 75, "skill_exists"),
        (("add", "demo", "--yes", "--", "/bin/false"), 69, "ended"),
        (("add", "demo", "--yes", "--url", "http://127.0.0.1:1/mcp"), 69, "unreachable"),
        (("tools", "demo"), 65, "no_such_server"),
        (("set", "demo.x", "read"), 65, "no_such_server"),
        (("pin", "demo", "--yes"), 65, "no_such_server"),
    ],
)
def test_what_is_refused_says_why_and_what_helps(cli: Cli, namesakes: Path, words: tuple[str, ...], code: int, error: str) -> None:
    npx = namesakes / "npx"  # also where there is none
    npx.write_text("#!/bin/sh\n")
    npx.chmod(0o755)
    at = words.index("--") if "--" in words else len(words)
    done = cli("skills", "mcp", *words[:at], "--json", *words[at:])
    found = json.loads(done.stdout)["errors"][0]
    assert (done.exit_code, found["code"]) == (code, error), done.output
    npx.unlink()


@pytest.mark.parametrize(
    "words",
    [
        ("add", "demo"),
        ("add", "demo", "--url", "https://mcp.example.org/", "--", "/bin/sh"),
        ("add", "demo", "--url", "https://mcp.example.org/", "--host", "x.example.org"),
        ("add", "demo", "--token", "--", "/bin/sh"),
        ("set", "demo", "read"),
        ("set", "demo.x", "maybe"),
        ("set", "demo.x", "read", "--tier", "restricted"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("skills", "mcp", *words).exit_code == 2
