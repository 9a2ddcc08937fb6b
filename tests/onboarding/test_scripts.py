"""The wizard without a terminal: from flags, from the environment, and with one clear line for whatever is missing or wrong."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.messages_api import Fail, MessagesApi
from fakes.process import command, let_in, settings_of
from fakes.redis_servers import redis_cluster
from fakes.wizard import model_server
from typer.testing import CliRunner, Result

from secondme.cli.app import app

Run = Callable[..., Result]
FLAGS = ("--persona-name", "Sam", "--timezone", "Europe/Madrid", "--sleep", "23:30-07:15", "--tone", "dry", "--language", "es")
VARIABLES = {
    "SECONDME_ONBOARD_NON_INTERACTIVE": "1",
    "SECONDME_PERSONA__NAME": "Sam",
    "SECONDME_SLEEP__TIMEZONE": "Europe/Madrid",
    "SECONDME_ONBOARD_SLEEP": "23:30-07:15",
    "SECONDME_ONBOARD_TONE": "dry",
    "SECONDME_ONBOARD_LANGUAGE": "es",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, api: MessagesApi, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-good")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)

    def invoke(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--home", str(home), "onboard", *words], input=stdin)

    return invoke


def written(home: Path) -> dict[str, str]:
    """Everything below the home but what was there before, by name."""
    names = ("config.toml", ".env", "personas/default.md")
    return {name: (home / name).read_text() for name in names if (home / name).exists()}


def test_flags_and_variables_come_to_the_same(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--non-interactive", *FLAGS).exit_code == 0
    by_flags = written(home)
    assert set(by_flags) == {"config.toml", ".env", "personas/default.md"}
    for path in home.rglob("*"):
        path.unlink() if path.is_file() else None
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert run().exit_code == 0
    assert written(home) == by_flags


def test_what_it_wrote_needs_no_environment_afterwards(home: Path, run: Run, api: MessagesApi) -> None:
    run("--non-interactive", *FLAGS)
    shown = json.loads(command(home, "config", "show", "--json").stdout)["data"]["settings"]
    found = {row["name"]: (row["value"], row["source"]) for row in shown}
    assert found["model.api_key"] == ("***", str(home / ".env"))
    assert found["model.base_url"] == (api.url, str(home / "config.toml"))
    assert found["sleep.start"] == ("23:30:00", str(home / "config.toml"))


@pytest.mark.parametrize("knows_effort", [True, False])
def test_what_the_models_server_takes_is_what_replies_are_asked_with(
    home: Path, run: Run, api: MessagesApi, monkeypatch: pytest.MonkeyPatch, *, knows_effort: bool
) -> None:
    api.knows_effort = knows_effort
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"{api.url}/v1/")
    assert run("--non-interactive", *FLAGS).exit_code == 0
    settings = settings_of(home).settings.model
    assert (settings.base_url, settings.effort) == (api.url, "low" if knows_effort else "")
    asked = len(api.requests)
    assert command(home, "agent", "-m", "free on Friday?").returncode == 0
    assert [request.body.get("output_config") for request in api.requests[asked:]] == [{"effort": "low"} if knows_effort else None]
    assert api.requests[0].body.keys() == {*api.requests[asked].body, "output_config"}


def test_an_account_without_credit_is_told_from_a_refused_request(home: Path, run: Run, api: MessagesApi) -> None:
    api.script = lambda _: Fail(400, "invalid_request_error", message="Your credit balance is too low to access the Anthropic API.")
    result = run("--non-interactive", *FLAGS)
    assert (result.exit_code, written(home)) == (77, {})
    assert "has no credit" in result.stderr


def test_the_report_says_what_was_done_and_no_secret(home: Path, run: Run) -> None:
    result = run("--non-interactive", "--json", *FLAGS)
    envelope = json.loads(result.stdout)
    data: dict[str, Any] = envelope["data"]
    assert (envelope["schema"], envelope["status"], data["written"]) == ("secondme.onboard/1", "ok", True)
    assert data["model"] == {
        "name": "claude-sonnet-5-5",
        "small": "claude-haiku-5-5",
        "baseUrl": data["model"]["baseUrl"],
        "proven": True,
    }
    assert data["secrets"] == str(home / ".env")
    assert '+name = "Sam"' in data["diff"]
    assert "sk-good" not in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sleep", "late"), "--sleep: hours look like 23:00-07:00."),
        (("--timezone", "Qqqqq"), "--timezone: a city, or a time zone like Europe/Madrid."),
        (("--timezone", "Madird"), "--timezone: nobody knows that place; did you mean Europe/Madrid"),
        (("--timezone", "Birmingham"), "--timezone: Birmingham may mean Europe/London, America/Chicago."),
        (("--pairing-mode", "everybody"), "--pairing-mode: choose owner, self_verify."),
        (("--prompt", "loud"), "--prompt: choose contact, silent."),
        (("--store", "cloud"), "--store: choose embedded, url, docker."),
        (("--store", "url"), "Give SECONDME_REDIS_URL."),
        (("--model", "gpt-9"), "--model: the server offers no gpt-9."),
        (("--language", "Klingon!"), "--language: a language tag looks like"),
        (("--import", "/no/such.txt"), "--import: there is no such file."),
        (("--base-url", "nonsense"), "--base-url: an address looks like"),
        (("--persona-name", ""), "--persona-name: a name has 1 to 64 characters."),
        (("--channel", "fax"), "--channel: choose telegram, whatsapp_cloud, whatsapp."),
        (("--secrets", "moon"), "--secrets: choose file, keyring."),
        (("--api-key-file", "/no/such/key"), "--api-key-file cannot be read."),
        (("--only", "modle"), "Did you mean model?"),
    ],
)
def test_what_is_wrong_is_said_by_the_flags_name_and_nothing_is_written(
    home: Path, run: Run, words: tuple[str, ...], said: str
) -> None:
    result = run("--non-interactive", *FLAGS, *words)
    assert (result.exit_code, said in result.stderr) == (78, True), result.stderr
    assert written(home) == {}


def test_what_is_missing_is_named_with_its_flag(home: Path, run: Run) -> None:
    result = run("--non-interactive")
    assert (result.exit_code, result.stderr.count("--persona-name")) == (78, 1)
    assert written(home) == {}


def test_a_key_that_is_refused_changes_nothing(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-bad")
    result = run("--non-interactive", *FLAGS, "--json")
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["code"]) == (77, "model_key_refused")
    assert "sk-canary" not in result.output
    assert written(home) == {}


def test_a_key_comes_from_a_file_or_stdin_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-bad")
    (tmp_path / "key").write_text("sk-good\n")
    assert run("--non-interactive", *FLAGS, "--api-key-file", str(tmp_path / "key")).exit_code == 0
    assert run("--non-interactive", *FLAGS, "--api-key-file", "-", stdin="sk-good\n").exit_code == 0


def test_a_dry_run_shows_the_difference_and_writes_nothing(home: Path, run: Run) -> None:
    result = run("--non-interactive", "--dry-run", *FLAGS)
    assert (result.exit_code, '+name = "Sam"' in result.stderr) == (0, True)
    assert list(home.rglob("*")) == []


def test_only_one_stage_changes_only_that(home: Path, run: Run) -> None:
    run("--non-interactive", *FLAGS)
    before = written(home)
    assert run("--non-interactive", "--only", "hours", "--sleep", "off").exit_code == 0
    after = written(home)
    assert after["config.toml"] == before["config.toml"].replace("enabled = true", "enabled = false")
    assert {**after, "config.toml": ""} == {**before, "config.toml": ""}


def test_a_persona_that_is_there_stays_and_one_that_is_made_anew_keeps_the_old_one(home: Path, run: Run) -> None:
    run("--non-interactive", *FLAGS)
    path = home / "personas" / "default.md"
    path.write_text("my own words")
    run("--non-interactive", "--persona-name", "Sam")
    assert path.read_text() == "my own words"
    run("--non-interactive", *FLAGS)
    assert 'tone: "dry"' in path.read_text()
    assert [each.read_text() for each in path.parent.glob("default.md.bak-*")] == ["my own words"]


def test_the_store_is_reached_before_it_is_kept(home: Path, run: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_REDIS_URL", "redis://127.0.0.1:9/0")
    assert run("--non-interactive", *FLAGS).exit_code == 69
    assert written(home) == {}
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)
    assert run("--non-interactive", *FLAGS).exit_code == 0
    assert f"SECONDME_REDIS_URL='{redis_url}'" in written(home)[".env"]


def test_a_key_is_shown_to_no_other_server_than_its_own(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("--non-interactive", *FLAGS)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with model_server() as other:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", other.url)
        other.keys = None
        result = run("--non-interactive", "--only", "model")
        assert result.exit_code == 0, result.output
        assert {request.headers["authorization"] for request in other.requests} == {"Bearer none"}
    assert "SECONDME_MODEL__API_KEY='none'" in written(home)[".env"]


def test_a_way_back_to_the_private_store_is_one(home: Path, run: Run, redis_url: str) -> None:
    run("--non-interactive", *FLAGS)
    with (home / "config.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f'redis_url = "{redis_url}"\n{text}')
    assert run("--non-interactive", "--only", "store", "--store", "embedded").exit_code == 0
    assert "redis_url" not in (home / "config.toml").read_text()


def test_who_moves_to_another_store_hears_who_stays_behind(
    home: Path, run: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--non-interactive", *FLAGS)
    asyncio.run(let_in(settings_of(home), "anna"))
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)
    result = run("--non-interactive", "--json", *FLAGS)
    assert json.loads(result.stdout)["data"]["store"] == {"kind": "url", "leavesBehind": 1}
    assert "1 approved contact" in result.stderr
    assert "restore moving.tar.gz" in result.stderr


def test_an_exported_chat_teaches_it_at_once(run: Run, tmp_path: Path) -> None:
    export = tmp_path / "chat.txt"
    lines = [f"[12/03/2025, 10:0{at}:00] Sam: jaja vale {at}" for at in range(5)]
    export.write_text("\n".join([*lines, "[12/03/2025, 10:09:00] Mum: hola"]) + "\n")
    result = run("--non-interactive", "--json", *FLAGS, "--import", str(export), "--import-me", "Sam")
    (report,) = json.loads(result.stdout)["data"]["imports"]
    assert (report["platform"], report["files"][0]["ownMessages"]["added"]) == ("whatsapp", 5)


def test_a_note_in_the_morning_is_a_job_only_when_it_was_wished_for(home: Path, run: Run) -> None:
    for wish, wanted in (("--no-digest", []), ("--digest", ["digest"])):
        assert run("--non-interactive", *FLAGS, wish).exit_code == 0
        listed = json.loads(command(home, "jobs", "list", "--json").stdout)["data"]["jobs"]
        assert [each["id"] for each in listed] == wanted


def test_without_a_terminal_it_says_how_to_go_on(home: Path, run: Run) -> None:
    result = run()
    assert (result.exit_code, "--non-interactive" in result.stderr) == (78, True)
    assert not home.exists()


def test_a_home_that_cannot_be_written_is_said_before_the_first_question(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    place = Path("/proc/secondme-home") if os.getuid() == 0 else shut / "home"
    result = CliRunner().invoke(app, ["--home", str(place), "onboard", "--non-interactive", *FLAGS])
    assert (result.exit_code, "cannot be used" in result.stderr) == (78, True), result.output


def test_a_configuration_that_is_broken_is_not_touched(home: Path, run: Run) -> None:
    home.mkdir()
    (home / "config.toml").write_text("brok[en")
    result = run("--non-interactive", *FLAGS)
    assert (result.exit_code, f"secondme --home {home} config restore" in result.stderr) == (78, True)
    assert written(home) == {"config.toml": "brok[en"}


def test_a_cluster_wants_a_name_for_the_home_and_keeps_it(
    home: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_cluster(tmp_path / "servers") as cluster:
        monkeypatch.setenv("SECONDME_REDIS_URL", cluster.url)
        result = run("--non-interactive", *FLAGS)
        assert (result.exit_code, "SECONDME_REDIS_NAMESPACE" in result.output) == (78, True)
        assert written(home) == {}
        monkeypatch.setenv("SECONDME_REDIS_NAMESPACE", "mia")
        assert run("--non-interactive", *FLAGS).exit_code == 0
        assert 'redis_namespace = "mia"' in written(home)["config.toml"]
        asyncio.run(let_in(settings_of(home, cluster.url), "anna"))
        assert [len(list(node.raw.scan_iter("{mia}:PAIRING:approved:*"))) for node in cluster.nodes].count(1) == 1
