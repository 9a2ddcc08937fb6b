"""Settings are changed from the command line: checked before they are written, shown as a difference, and secrets never in argv."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from fakes.process import Cli, let_in, settings_of
from redis import Redis

from secondme.core.config.paths import find_places

SECRET = "sk-ant-canary-99"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SECONDME_HOME", str(tmp_path))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return tmp_path


def test_a_setting_is_written_as_what_it_is_and_shown(home: Path, cli: Cli) -> None:
    for name, value in (("sleep.start", "22:30"), ("pacing.scale", "2"), ("api.enabled", "false"), ("pairing.mode", "self_verify")):
        assert cli("config", "set", name, value).exit_code == 0
    assert (home / "config.toml").read_text() == (
        '[sleep]\nstart = "22:30"\n\n[pacing]\nscale = 2.0\n\n[api]\nenabled = false\n\n[pairing]\nmode = "self_verify"\n'
    )
    shown = cli("config", "set", "pacing.scale", "3")
    assert "-scale = 2.0" in shown.stdout
    assert "+scale = 3.0" in shown.stdout


def test_a_group_within_a_group_is_set_shown_looked_at_and_taken_out(home: Path, cli: Cli) -> None:
    assert cli("config", "set", "memory.weights.graph", "0").exit_code == 0
    assert (home / "config.toml").read_text() == "[memory.weights]\ngraph = 0.0\n"
    rows = json.loads(cli("config", "show", "--json").stdout)["data"]["settings"]
    found = {row["name"]: row["value"] for row in rows if row["name"].startswith("memory.weights")}
    assert found == {"memory.weights.keyword": 1.0, "memory.weights.semantic": 1.0, "memory.weights.graph": 0.0}
    assert cli("config", "unset", "memory.weights.graph").exit_code == 0
    (home / "config.toml").write_text("[memory.weights]\ngraph = 77\ngrapes = 1\n")
    said = cli("doctor", "config").stdout
    assert "memory.weights.graph" in said
    assert "There is no setting memory.weights.grapes" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("memory.weights.graph", "11"), "memory.weights.graph"),
        (("memory.weights.grap", "1"), "Did you mean memory.weights.graph?"),
        (("slep.start", "22:30"), "Did you mean sleep.start?"),
        (("sleep.start", "late"), "sleep.start"),
        (("pairing.mode", "everybody"), "pairing.mode"),
        (("sleep.start",), "needs a value"),
        (("model.api_key", SECRET), "others can read a command line"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(home: Path, cli: Cli, words: tuple[str, ...], said: str) -> None:
    result = cli("config", "set", *words)
    assert (result.exit_code, said in result.stderr) == (78, True), result.stderr
    assert SECRET not in result.output
    assert not (home / "config.toml").exists()


def test_a_secret_is_read_from_stdin_kept_0600_and_never_shown(home: Path, cli: Cli) -> None:
    result = cli("config", "set", "model.api_key", stdin=SECRET + "\n")
    assert result.exit_code == 0
    assert (home / ".env").read_text() == f"SECONDME_MODEL__API_KEY='{SECRET}'\n"
    shown = cli("config", "show", "--json")
    row = next(row for row in json.loads(shown.stdout)["data"]["settings"] if row["name"] == "model.api_key")
    assert (row["value"], row["source"]) == ("***", str(home / ".env"))
    assert SECRET not in result.output + shown.output
    (home / "config.toml").write_text(f'[model]\napi_key = "{SECRET}"\n')
    cli("config", "unset", "model.api_key")
    assert SECRET not in (home / ".env").read_text() + (home / "config.toml").read_text()


def test_a_key_that_there_is_not_can_be_taken_out(home: Path, cli: Cli) -> None:
    (home / "config.toml").write_text("[limts]\nmessages = 1\n[log]\nlevel = 'info'\n")
    assert cli("status").exit_code == 78
    assert cli("config", "unset", "limts.messages").exit_code == 0
    assert (home / "config.toml").read_text() == "[log]\nlevel = 'info'\n"
    assert cli("config", "unset", "limts.messages").exit_code == 65


def test_a_slip_of_the_pen_is_taken_back(home: Path, cli: Cli) -> None:
    cli("config", "set", "pacing.scale", "2")
    good = (home / "config.toml").read_text()
    (home / "config.toml").write_text(good + "brok[en")
    failed = cli("status")
    assert (failed.exit_code, "secondme config restore" in failed.stderr) == (78, True)
    assert cli("config", "restore").exit_code == 0
    assert (home / "config.toml").read_text() == good
    assert [each.read_text() for each in home.glob("config.toml.broken-*")] == [good + "brok[en"]


def test_without_an_earlier_file_the_broken_one_is_set_aside(home: Path, cli: Cli) -> None:
    (home / "config.toml").write_text("brok[en")
    assert cli("config", "restore").exit_code == 0
    assert not (home / "config.toml").exists()
    assert len(list(home.glob("config.toml.broken-*"))) == 1
    assert cli("config", "restore").exit_code == 65


def test_who_moves_to_another_store_is_told_who_stays_behind(home: Path, cli: Cli, redis_url: str, raw: Redis) -> None:
    first = cli("config", "set", "redis_url", "--json", stdin=f"{redis_url}\n")
    assert json.loads(first.stdout)["data"]["leavesBehind"] == 0
    asyncio.run(let_in(settings_of(home), "anna"))
    assert "stay in the present store" not in cli("config", "set", "redis_url", stdin=f"{redis_url}\n").stdout
    moved = cli("config", "unset", "redis_url")
    assert "1 approved contact, with all that was said, would stay in the present store." in moved.stdout
    assert "restore moving.tar.gz" in moved.stdout
    assert raw.dbsize() > 0
    assert not (home / "data").exists()


def test_a_store_that_is_gone_can_be_left(home: Path, cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}"
        (home / "config.toml").write_text(f'redis_url = "{url}"\n[store]\ntimeout_s = 0.2\n')
        moved = cli("config", "unset", "redis_url", "--json")
    assert (moved.exit_code, json.loads(moved.stdout)["data"]["leavesBehind"]) == (0, 0)
    assert "redis_url" not in (home / "config.toml").read_text()


@pytest.mark.usefixtures("home")
def test_a_home_of_the_environment_has_nothing_to_do_with_the_machines_own(cli: Cli) -> None:
    other = find_places(None)
    other.config.mkdir(parents=True)
    other.env_file.write_text("SECONDME_PACING__SCALE=nonsense\n")
    other.env_file.chmod(0o600)
    result = cli("config", "set", "pacing.scale", "3")
    assert result.exit_code == 0, result.output


# get and edit


def edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An editor that needs no terminal and leaves `text`."""
    (tmp_path / "wanted.toml").write_text(text)
    script = tmp_path / "editor.sh"
    script.write_text(f'#!/bin/sh\ncat "{tmp_path}/wanted.toml" > "$1"\n')
    script.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(script))


def test_get_prints_the_value_and_nothing_else(home: Path, cli: Cli) -> None:
    cli("config", "set", "persona.name", "Sam")
    cli("config", "set", "api.enabled", "false")
    (home / ".env").write_text(f"ANTHROPIC_API_KEY={SECRET}\n")
    (home / ".env").chmod(0o600)
    got = {name: cli("config", "get", name).stdout for name in ("persona.name", "api.enabled", "api.listen", "model.api_key")}
    assert got == {"persona.name": "Sam\n", "api.enabled": "false\n", "api.listen": "\n", "model.api_key": "***\n"}
    data = json.loads(cli("config", "get", "persona.name", "--json").stdout)["data"]
    assert data == {"name": "persona.name", "value": "Sam", "source": str(home / "config.toml")}
    refused = cli("config", "get", "persona.nam")
    assert (refused.exit_code, "Did you mean persona.name?" in refused.stderr) == (78, True)


@pytest.mark.usefixtures("home")
def test_what_get_prints_can_be_set(cli: Cli) -> None:
    """Every setting there is that is no secret: what is printed is taken again, and means the same."""
    rows = json.loads(cli("config", "show", "--json").stdout)["data"]["settings"]
    for row in [row for row in rows if row["value"] not in (None, "", "***")][::9]:  # each costs a second of a start
        value = cli("config", "get", row["name"]).stdout.rstrip("\n")
        assert cli("config", "set", row["name"], value).exit_code == 0, row
        again = json.loads(cli("config", "get", row["name"], "--json").stdout)["data"]
        assert again["value"] == row["value"], row


def test_edit_writes_what_can_be_used_and_shows_the_difference(
    home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits(tmp_path, monkeypatch, "# mine\n[pacing]\nscale = 2.0\n")
    done = cli("config", "edit")
    assert (done.exit_code, "+scale = 2.0" in done.stdout) == (0, True)
    assert (home / "config.toml").read_text() == "# mine\n[pacing]\nscale = 2.0\n"
    assert cli("config", "edit").stdout == "Nothing was changed.\n"


@pytest.mark.parametrize("text", ["[pacing\n", "[pacing]\nscale = 'fast'\n", "[pacin]\nscale = 2\n", "a = [" * 5000])
def test_edit_keeps_nothing_that_cannot_be_used(
    home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    cli("config", "set", "pacing.scale", "3")
    edits(tmp_path, monkeypatch, text)
    refused = cli("config", "edit", "--json")
    assert refused.exit_code == 78
    assert json.loads(refused.stdout)["errors"][0]["message"].endswith("Nothing was changed.")
    assert (home / "config.toml").read_text() == "[pacing]\nscale = 3.0\n"


def test_edit_mends_a_file_that_nobody_can_read(home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config.toml").write_text("[[[")
    edits(tmp_path, monkeypatch, "[pacing]\nscale = 2\n")
    done = cli("config", "edit")
    assert (done.exit_code, "can be used again" in done.stdout) == (0, True)
    assert cli("config", "get", "pacing.scale").stdout == "2.0\n"
    assert [each.read_text() for each in home.glob("config.toml.broken-*")] == ["[[["]


@pytest.mark.parametrize("editor", ["", "vim", "nano -w", "/usr/bin/vi", "emacs -nw"])
def test_an_editor_of_the_terminal_is_not_started_without_one(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, editor: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    cli("persona", "new", "casa", "--tone", "warm")
    for words, path in ((("config", "edit"), "config.toml"), (("persona", "edit", "casa"), str(home / "personas" / "casa.md"))):
        refused = cli(*words)
        assert (refused.exit_code, refused.stdout) == (78, "")
        assert "needs a terminal, and there is none." in refused.stderr
        assert path in refused.stderr


def test_what_the_environment_overrules_is_said(home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_PACING__SCALE", "5")
    monkeypatch.setenv("SECONDME_TELEGRAM__TOKEN", "1:x")
    wins = "It does not count yet: {} says something else, and wins."
    assert wins.format("SECONDME_PACING__SCALE") in cli("config", "set", "pacing.scale", "2").stdout
    secret = cli("config", "set", "telegram.token", stdin="123456:" + "a" * 35).stdout
    assert wins.format("SECONDME_TELEGRAM__TOKEN") in secret
    assert "does not count" not in cli("config", "set", "pacing.jitter", "0.2").stdout
    assert "scale = 2.0" in (home / "config.toml").read_text()
