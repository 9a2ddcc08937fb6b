"""What is wrong is said in one line, with the right exit code, and nothing is overwritten."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.process import Cli, Terminal, command, environment, obeyed
from redis import Redis
from typer.testing import CliRunner

from secondme.cli.app import app
from secondme.core.store import keys

GARBAGE = ["garbage", "{}", "[]", "null", '{"contactId": 1}', '{"contactId": "local:bad"', "\udcff\udcfe", "1" * 5000, "[" * 5000]


def configure(text: str) -> Path:
    path = Path(os.environ["SECONDME_HOME"]) / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pairing = [", "is not valid TOML"),
        ("\x00", "is not valid TOML"),
        ('[pairing]\nmodus = "owner"', "There is no setting pairing.modus (from {path}). Did you mean pairing.mode?"),
        ('[pairng]\nmode = "owner"', "There is no setting pairng"),
        ('[queue]\nslots = "many"', "queue.slots (from {path}) takes a whole number."),
        ("queue = 5", "queue"),
        ('[pairing]\nmode = "anybody"', "pairing.mode (from {path}) takes owner or self_verify."),
        ('[sleep]\ntimezone = "Mars/Olympus"', "sleep.timezone (from {path}): not an IANA time zone"),
        ('[model]\napi_key = ["sk-s3cret"]', "model.api_key (from {path})"),
        ('redis_url = ["s3cret"]', "redis_url (from {path})"),
    ],
)
def test_a_malformed_configuration_is_one_line_that_names_the_place(
    text: str, said: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECONDME_REDIS_URL")
    path = configure(text)
    result = cli("status")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (78, "", 1)
    assert said.format(path=path) in result.stderr
    assert "s3cret" not in result.stderr
    assert path.read_text() == text


def test_a_wrong_environment_variable_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_QUEUE__SLOTS", "s3cret")
    result = cli("status")
    assert (result.exit_code, "queue.slots (from SECONDME_QUEUE__SLOTS)" in result.stderr) == (78, True)
    assert "s3cret" not in result.stderr


@pytest.mark.parametrize("setting", ["redis_url=redis://:s3cret@x", "model.api_key=s3cret", "s3cret"])
def test_a_secret_or_nonsense_on_the_command_line_is_refused_and_not_repeated(setting: str, cli: Cli) -> None:
    result = cli("--set", setting, "status")
    assert (result.exit_code, "s3cret" in result.stderr) == (78, False)


def test_config_show_names_each_values_source_and_hides_secrets(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configure('[persona]\nname = "Sam"\n[queue]\nslots = 3\nlease_s = 9\n')
    monkeypatch.setenv("SECONDME_QUEUE__SLOTS", "4")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-s3cret")
    result = cli("--set", "queue.lease_s=7", "config", "show", "--json")
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(result.stdout)["data"]["settings"]}
    assert rows["persona.name"] == ("Sam", str(path))
    assert rows["queue.slots"] == (4, "SECONDME_QUEUE__SLOTS")
    assert rows["queue.lease_s"] == (7.0, "flag")
    assert rows["queue.max_attempts"] == (5, "default")
    assert rows["model.api_key"] == ("***", "ANTHROPIC_API_KEY")
    assert rows["redis_url"] == ("***", "SECONDME_REDIS_URL")
    assert "s3cret" not in result.stdout + cli("config", "show").stdout


def test_config_path_keeps_everything_under_the_home(cli: Cli) -> None:
    home = Path(os.environ["SECONDME_HOME"])
    assert json.loads(cli("config", "path", "--json").stdout)["data"] == {
        "config_file": str(home / "config.toml"),
        "personas": str(home / "personas"),
        "data": str(home / "data"),
        "logs": str(home / "logs"),
    }
    assert not home.exists()


@pytest.mark.parametrize("words", [("pairing", "list"), ("serve",)], ids=" ".join)
def test_a_file_where_the_home_should_be_is_a_configuration_error(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    result = command(tmp_path / "file", *words)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (78, "", 1)
    assert result.stderr.startswith("secondme: ")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(("mode", "words"), [(0o000, ("status",)), (0o500, ("pairing", "list")), (0o500, ("serve",))])
def test_a_home_that_cannot_be_read_or_written_is_a_configuration_error(mode: int, words: tuple[str, ...], home: Path) -> None:
    home.chmod(mode)
    weak = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []  # root without its privileges
    result = subprocess.run(
        [*weak, sys.executable, "-m", "secondme", "--home", str(home), *words],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    home.chmod(0o700)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (78, "", 1), result.stderr
    assert result.stderr.startswith(f"secondme: {home}")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("state", ["pending", "approved", "denied"])
def test_a_corrupt_record_is_named_hides_nobody_and_stays_as_it_is(state: str, garbage: str, cli: Cli, door: Redis) -> None:
    key = f"PAIRING:{state}:local:bad"
    value = garbage.encode("utf-8", "surrogateescape")
    door.set(key, value)
    door.zadd(f"PAIRING:index:{state}", {"local:bad": 99_999_999_999_999})
    result = cli("pairing", "list", "--json")
    envelope = json.loads(result.stdout)
    assert (result.exit_code, envelope["status"], len(envelope["errors"])) == (65, "partial", 1)
    assert key in envelope["errors"][0]["message"]
    assert {row["contactId"] for row in envelope["data"]["contacts"]} == {"local:anna", "local:rita", "local:ben", "local:cara"}
    assert (cli("pairing", "list").exit_code, cli("pairing", "approve", "local:bad").exit_code) == (65, 65)
    assert cli("status").exit_code == 1
    with Redis(unix_socket_path=door.connection_pool.connection_kwargs["path"]) as binary:
        assert binary.get(key) == value


def test_a_corrupt_draft_is_named_and_hides_no_other(cli: Cli, door: Redis) -> None:
    door.rpush(keys.held("local:rita"), "garbage")
    result = cli("drafts", "list", "--json")
    envelope = json.loads(result.stdout)
    assert (result.exit_code, envelope["status"], len(envelope["data"]["drafts"])) == (65, "partial", 1)
    assert keys.held("local:rita") in envelope["errors"][0]["message"]
    assert (cli("drafts", "send", "beef").exit_code, door.lrange(keys.held("local:rita"), 0, -1)) == (0, ["garbage"])


def test_output_to_a_closed_pipe_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [sys.executable, "-m", "secondme", "config", "show"], stdout=write, stderr=subprocess.PIPE, env=environment(), check=False
    )
    os.close(write)
    assert (result.returncode, result.stderr) == (0, b"")


def test_ctrl_c_ends_with_130_and_one_line(home: Path, redis_url: str) -> None:
    words = [sys.executable, "-m", "secondme", "--home", str(home), "pairing", "watch"]
    raw = Redis.from_url(redis_url)
    with Terminal(words, SECONDME_REDIS_URL=redis_url) as watching:
        while not raw.publish(keys.EVENTS_PAIRING, "{}"):
            assert watching.process.poll() is None
        watching.interrupt()
        assert watching.ended() == 130
        assert watching.output.splitlines()[-1] == "Interrupted."
        assert "Traceback" not in watching.output


@pytest.mark.usefixtures("raw")
def test_no_color_means_none(home: Path, redis_url: str) -> None:
    words = [sys.executable, "-m", "secondme", "--home", str(home), "pairing", "list"]
    shown = []
    for extra in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with Terminal(words, **{"SECONDME_REDIS_URL": redis_url, **extra}) as terminal:
            assert terminal.ended() == 0
            shown.append("\x1b" in terminal.output)
            assert obeyed(terminal.output) == []
    assert shown == [True, False, False]


def test_nobody_to_talk_to_is_an_unavailable_service(cli: Cli) -> None:
    result = cli("chat", "--as", "anna", "--message", "hi")
    assert (result.exit_code, result.stderr) == (69, "secondme: No gateway runs in this home. Start it: secondme serve\n")


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\x1b"])
def test_a_name_of_nothing_visible_is_bad_input(name: str, cli: Cli) -> None:
    assert cli("chat", "--as", name, "--message", "hi").exit_code == 65


def test_sigint_while_serving_is_an_orderly_end(home: Path) -> None:
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "serve"]) as serving:
        serving.read_until("is running")
        os.kill(serving.process.pid, signal.SIGINT)
        assert serving.ended() == 0
    assert not (home / "data" / "local.sock").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("words", ["--version", "--help", "pairing list --help", "pairing list", "pairing list --json", "logs"])
def test_an_output_that_cannot_be_written_is_one_line_and_one_that_is_closed_is_none(words: str, tmp_path: Path) -> None:
    program = f"{sys.executable} -c 'from secondme.cli.main import main; main()' --home {tmp_path} {words}"
    program = program if words != "--version" else f"{sys.executable} -m secondme --version"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "secondme.jsonl").write_text('{"event": "ready", "level": "info"}\n')
    full = subprocess.run(f"{program} >/dev/full", shell=True, env=environment(), capture_output=True, text=True, check=False)
    assert (full.returncode, full.stderr) == (69, "secondme: The output cannot be written: No space left on device.\n")
    closed = subprocess.run(f"{program} >&-", shell=True, env=environment(), capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, "")


def test_a_hint_is_for_the_home_that_was_typed(tmp_path: Path, redis_url: str) -> None:
    refused = command(tmp_path, "pairing", "approve", "000000", SECONDME_REDIS_URL=redis_url)
    assert f"Try: secondme --home {tmp_path} pairing list" in refused.stderr
    elsewhere = command(tmp_path, "pairing", "approve", "000000", "--json", SECONDME_REDIS_URL=redis_url)
    assert json.loads(elsewhere.stdout)["errors"][0]["fix"] == f"secondme --home {tmp_path} pairing list"


def test_a_terminal_that_knows_no_ticks_gets_plain_ones(tmp_path: Path) -> None:
    result = command(tmp_path, "doctor", "config", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (result.returncode, result.stdout.splitlines()[2][:17]) == (0, "ok Configuration:")


@pytest.mark.parametrize("words", ["--help", "pairing --help", "pairing list --help", "pairing list", "config show"])
def test_a_reader_that_has_seen_enough_is_no_error(words: str, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    program = [sys.executable, "-c", "from secondme.cli.main import main; main()", "--home", str(tmp_path), *words.split()]
    done = subprocess.run(program, stdout=write, stderr=subprocess.PIPE, env=environment(), text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words", ["status", "pairing list", "contacts list", "drafts list", "usage", "backup", "dead list", "kill", "pause"]
)
def test_a_home_that_is_not_there_is_not_made_by_looking(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    missing = tmp_path / "typo"
    result = CliRunner().invoke(app, ["--home", str(missing), *words.split()])
    assert (result.exit_code, list(tmp_path.iterdir())) == (78, [])
    assert result.stderr == f"secondme: There is no home at {missing}. Try: secondme --home {missing} onboard\n"


BROKEN = {
    "a misspelt section": "[slep]\nstart = '22:00'\n",
    "a wrong value": "[pairing]\nmode = 'anybody'\n",
    "no TOML at all": "[pairing\nmode = \n",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_kill_and_pause_work_with_settings_that_cannot_be_used(
    cli: Cli, raw: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.delenv("SECONDME_REDIS_URL")
    configure(f'redis_url = "{redis_url}"\n{broken}').chmod(0o600)
    paused = cli("pause")
    assert (paused.exit_code, raw.exists(keys.PAUSE_ALL), raw.exists(keys.KILLED)) == (0, 1, 0)
    killed = cli("kill")
    assert (killed.exit_code, raw.exists(keys.KILLED)) == (0, 1)
    assert killed.stderr.startswith("secondme: ")
    assert "It is stopped all the same" in killed.stderr
    for words in (["kill", "--off"], ["resume"]):
        assert cli(*words).exit_code == 78
    assert raw.exists(keys.KILLED)


def test_a_wrong_environment_is_still_an_error(tmp_path: Path) -> None:
    refused = command(tmp_path, "kill", SECONDME_PAIRING__MODE="anybody")
    assert refused.returncode == 78
    assert "SECONDME_PAIRING__MODE" in refused.stderr


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("config set telegram.token", "hidden"),
        ("backup --encrypt backup.age", "Passphrase"),
        ("channels connect telegram", "Token of your"),
        ("channels connect whatsapp_cloud", "Phone number"),
    ],
)
def test_ctrl_c_leaves_a_question_at_once(tmp_path: Path, words: str, asked: str) -> None:
    command = [sys.executable, "-m", "secondme", "--home", str(tmp_path), *words.split()]
    with Terminal(command, controls=True) as owner:
        owner.read_until(f"{asked}.*: ")
        owner.rests()
        owner.type("\x03")
        assert owner.ended() == 130
        assert owner.output.endswith("Interrupted.\r\n")
        assert owner.echoes


def test_ctrl_c_at_a_confirmation_is_no(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "secondme", "--home", str(tmp_path), "contacts", "forget", "local:anna"]
    with Terminal(command, controls=True) as owner:
        owner.read_until("Erase everything of local:anna")
        owner.rests()
        owner.type("\x03")
        assert owner.ended() == 1
        assert "nothing was done" in owner.output
