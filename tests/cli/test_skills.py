"""Skills at the command line, as an owner uses them: written, taken in, changed, asking for more; and what each screen says."""

import json
import sys
import zipfile
from pathlib import Path

import pytest
from fakes.process import Terminal, command, data_of
from skills.folders import lay, skill_files

from secondme.skills.loader import digest_of

pytestmark = pytest.mark.heavy  # programs at a terminal


def skills(home: Path, *words: str) -> str:
    """What a command printed."""
    return command(home, "skills", *words).stdout


def run(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "secondme", "--home", str(home), *words]


@pytest.fixture
def own_home(home: Path) -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.toml").touch(0o600)
    return home


def test_a_skill_is_written_looked_at_and_approved_at_a_terminal(own_home: Path) -> None:
    assert "secondme" in skills(own_home, "new", "greeter")
    with Terminal(run(own_home, "skills", "approve", "greeter")) as terminal:
        terminal.read_until("It may ask for nothing")
        terminal.read_until(r"Approve greeter\? \[y/N\]")
        terminal.type("y\n")
        terminal.read_until("greeter is approved and on")
        assert terminal.ended() == 0
    assert "Hello, Anna!" in skills(own_home, "test", "greeter", "hello", "--input", '{"who": "Anna"}')


def test_who_says_no_approves_nothing(own_home: Path) -> None:
    skills(own_home, "new", "greeter")
    with Terminal(run(own_home, "skills", "approve", "greeter")) as terminal:
        terminal.read_until(r"\[y/N\]")
        terminal.type("n\n")
        assert terminal.ended() == 1
    assert data_of(command(own_home, "skills", "show", "greeter", "--json"))["state"] == "new"
    with Terminal(run(own_home, "skills", "approve", "greeter")) as terminal:
        terminal.read_until(r"\[y/N\]")
        terminal.interrupt()
        assert terminal.ended() == 1
    assert data_of(command(own_home, "skills", "show", "greeter", "--json"))["state"] == "new"


def test_a_zip_with_another_digest_is_refused_and_with_the_right_one_taken_in(own_home: Path, tmp_path: Path) -> None:
    files = skill_files("parcel")
    archive = tmp_path / "parcel.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path, text in files.items():
            packed.writestr(f"parcel/{path}", text)
    wrong = command(own_home, "skills", "add", str(archive), "--yes", "--digest", f"sha256:{'0' * 64}")
    assert (wrong.returncode, "not what you were promised" in wrong.stderr) == (65, True)
    assert not (own_home / "skills" / "parcel").exists()
    assert command(own_home, "skills", "add", str(archive), "--yes").returncode == 2
    digest = digest_of({path: text.encode() for path, text in files.items()})
    assert "approved and on" in skills(own_home, "add", str(archive), "--yes", "--digest", digest)
    assert json.loads(skills(own_home, "test", "parcel", "where", "--json"))["data"]["text"] == '{"text": "here"}'


def test_what_was_used_is_followed_until_interrupted(own_home: Path) -> None:
    skills(own_home, "enable", "clock")
    skills(own_home, "test", "clock", "there", "--input", '{"place": "Tokyo"}')
    with Terminal(run(own_home, "skills", "log", "--follow", "--json")) as terminal:
        terminal.read_until('"code": "ok"')
        command(own_home, "skills", "test", "clock", "there", "--input", '{"place": "Atlantis"}')
        terminal.read_until('"code": "unknown_place"')
        terminal.interrupt()
        assert terminal.ended() == 130
    with Terminal(run(own_home, "skills", "log", "-f", "--limit", "1")) as terminal:
        terminal.read_until("clock_there  unknown_place")
        skills(own_home, "test", "clock", "there", "--input", '{"place": "Lima"}')
        terminal.read_until("clock_there  ok")
        terminal.interrupt()
        assert terminal.ended() == 130
    assert len(data_of(command(own_home, "skills", "log", "--json"))["runs"]) == 3


def test_a_change_is_shown_and_what_was_approved_goes_on(own_home: Path) -> None:
    root = lay(own_home / "skills" / "parcel", skill_files("parcel"))
    digest = data_of(command(own_home, "skills", "check", "parcel", "--json"))["digest"]
    skills(own_home, "approve", "parcel", "--yes", "--digest", digest)
    lay(root, skill_files("parcel", code="def where(input, ask): return 'evil'\n", permissions=["net:evil.example"]))
    shown = skills(own_home, "show", "parcel")
    for words in ("changed", "The approved copy counts", "NEW ask evil.example", "+def where(input, ask): return 'evil'"):
        assert words in shown
    assert "here" in skills(own_home, "test", "parcel", "where")
    stale = command(own_home, "skills", "approve", "parcel", "--yes", "--digest", digest)
    assert (stale.returncode, "not what you looked at" in stale.stderr) == (75, True)


def test_a_broken_skill_is_told_with_file_and_line_and_hides_no_other(own_home: Path) -> None:
    lay(own_home / "skills" / "bad", {**skill_files("bad"), "manifest.json": '{"name": "clock",\n "version": "1"}'})
    result = command(own_home, "skills", "check", "bad")
    assert (result.returncode, "manifest.json:1: description is missing" in result.stdout) == (65, True)
    listed = skills(own_home, "list")
    assert "refused" in listed
    assert "clock" in listed


def test_a_secret_is_read_and_never_shown(own_home: Path) -> None:
    files = skill_files("parcel", config={"key": {"type": "secret", "label": "API key", "required": True}})
    lay(own_home / "skills" / "parcel", files)
    digest = digest_of({path: text.encode() for path, text in files.items()})
    skills(own_home, "approve", "parcel", "--yes", "--digest", digest)
    refused = command(own_home, "skills", "config", "parcel", "key", "sk-canary")
    assert (refused.returncode, "others can read a command line" in refused.stderr) == (78, True)
    told = command(own_home, "skills", "config", "parcel", "key", stdin="sk-canary\n")
    assert "canary" not in told.stdout + told.stderr + skills(own_home, "show", "parcel", "--json")
    assert "***" in skills(own_home, "config", "parcel")
    assert data_of(command(own_home, "skills", "show", "parcel", "--json"))["state"] == "enabled"
    assert "sk-canary" in (own_home / ".env").read_text()
    assert "canary" not in command(own_home, "config", "show").stdout
    skills(own_home, "remove", "parcel", "--yes")
    assert "sk-canary" not in (own_home / ".env").read_text()


def test_a_tool_is_called_anew_at_each_save(own_home: Path, tmp_path: Path) -> None:
    root = lay(tmp_path / "parcel", skill_files("parcel"))
    with Terminal(run(own_home, "skills", "dev", str(root))) as terminal:
        terminal.read_until('ok: {"text": "here"}')
        lay(root, {"skill.py": "def where(input, ask): return 'there'\n"})
        terminal.read_until("ok: there")
        lay(root, {"skill.py": "def where(input, ask)\n"})
        terminal.read_until("skill.py:1: it is not Python")
        terminal.interrupt()
        assert terminal.ended() == 130
    assert not (own_home / "skills.lock").exists()
