"""The wizard at a terminal: the whole way, wrong answers, leaving at every question and going on, and changing one thing later."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.messages_api import MessagesApi
from fakes.process import Terminal, command, data_of, environment, settings_of
from fakes.size import sized
from fakes.wizard import CTRL_C, CTRL_D, DOWN, ENTER, QUESTIONS, WIPE, Wizard, plain

pytestmark = pytest.mark.heavy  # every scene is a terminal with several programs, one after the other

CONFIG = """[model]
base_url = "{url}"

[persona]
name = "Sam"

[pairing]
mode = "owner"
prompt = "contact"

[sleep]
timezone = "Europe/Madrid"
enabled = false
"""


def test_the_whole_way_ends_in_a_gateway_that_answers(tmp_path: Path, api: MessagesApi) -> None:
    home = tmp_path / "home"
    with Wizard(home, api.url, before=("--set", "pacing.enabled=false")) as wizard:
        wizard.answer_all(until="start")
        wizard.answer("start", "y")
        wizard.answer("write")
        wizard.read_until("secondme .* is running")
        assert (home / "config.toml").read_text() == CONFIG.format(url=api.url)
        assert (home / ".env").read_text() == "SECONDME_MODEL__API_KEY='sk-good'\n"
        assert not (home / "onboarding.json").exists()
        assert 'name: "Sam"' in (home / "personas" / "default.md").read_text()
        files = [home / "config.toml", home / ".env", home / "personas" / "default.md"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "1")
        wizard.read_until(r"Anna asks to be approved:\s+.*pairing approve local:anna")
        assert command(home, "pairing", "approve", "local:anna").returncode == 0
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "30")  # she is welcomed
        answered = command(home, "chat", "--as", "Anna", "--message", "are you there?", "--wait", "30")
        assert "Sam: re: " in answered.stdout
        wizard.interrupt()
        assert wizard.ended() == 0


def test_leaving_at_any_question_loses_nothing_and_the_next_run_goes_on_there(tmp_path: Path, api: MessagesApi) -> None:
    names, before = list(QUESTIONS), 0
    for at in range(0, len(names), sized(1, 4)):  # in CI six: lists, texts (one left by Ctrl-D), and the last
        name = names[at]
        with Wizard(tmp_path, api.url) as wizard:
            wizard.answer_all(since=names[before], until=name)
            before = at
            wizard.asks(name)
            wizard.type(CTRL_D if name in _EMPTY else CTRL_C)
            assert wizard.ended() == 130, plain(wizard.output)
            assert re.search(r"Go on with:\s+.* onboard", wizard.output)
        assert not (tmp_path / "config.toml").exists()
        assert not at or "sk-good" not in (tmp_path / "onboarding.json").read_text()
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(since=names[before])
        assert wizard.ended() == 0
    assert (tmp_path / "config.toml").read_text() == CONFIG.format(url=api.url)
    assert not (tmp_path / "onboarding.json").exists()


_EMPTY = {"base_url", "persona_name", "language", "import"}
"""Only on an empty line Ctrl-D means that nothing follows."""


WRONG = {
    "base_url": [("nonsense", "an address looks like")],
    "persona_name": [("", "This needs an answer"), ("x" * 65, "1 to 64 characters")],
    "language": [("English please", "a language tag looks like")],
    "import": [("/no/such/file", "there is no such file")],
    "timezone": [("Mars/Olympus", "a city, or a time zone like")],
    "sleep": [("25:00-07:00", "hours look like"), ("07:00-07:00", "say off")],
}
"""What is wrong as an answer to a question, and what is said of it; the question stays."""


def test_a_wrong_answer_is_said_at_once_and_asked_again(tmp_path: Path, api: MessagesApi) -> None:
    last = list(WRONG)[-1]
    with Wizard(tmp_path, api.url) as wizard:
        for name in list(QUESTIONS)[: list(QUESTIONS).index(last) + 1]:
            wizard.asks(name)
            for wrong, said in WRONG.get(name, ()):
                wizard.give(name, WIPE + wrong)
                wizard.read_until(said)
            right = QUESTIONS[name][1].replace("{url}", api.url)
            wizard.give(name, WIPE + right.removeprefix(WIPE) if name in WRONG else right)
        wizard.asks("channels")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130


def _before(name: str, url: str) -> dict[str, str]:
    """What was answered before the question."""
    usual = {"way": "all", "provider": "server", "base_url": url, "model": "claude-opus-5", "store": "embedded"}
    typed = {each: usual.get(each, answer.removeprefix(WIPE)) for each, (_, answer) in QUESTIONS.items() if each != "api_key"}
    typed |= {"hearing": "no", "speech": "no", "pairing_mode": "owner", "prompt": "contact"}
    return {each: typed[each] for each in list(typed)[: list(typed).index(name)]}


def test_who_is_known_here_is_asked_about_only_where_somebody_may_be(tmp_path: Path, api: MessagesApi) -> None:
    (tmp_path / "onboarding.json").write_text(json.dumps(_before("timezone", api.url)))
    (tmp_path / "onboarding.json").chmod(0o600)
    settings_of(tmp_path).places.store.mkdir(parents=True)  # from an earlier life
    with Wizard(tmp_path, api.url, ANTHROPIC_API_KEY="sk-good") as wizard:
        wizard.read_until("Approve whoever you already talked to here")
        wizard.type("y")
        wizard.answer_all(since="timezone")
        assert wizard.ended() == 0
    assert "auto_approve_existing = true" in (tmp_path / "config.toml").read_text()


def test_a_key_that_is_refused_is_asked_for_again_and_never_kept(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="api_key")
        wizard.answer("api_key", "sk-bad")
        wizard.read_until("refused the key")
        wizard.read_until("What now\\?")
        wizard.type(ENTER)
        wizard.answer_all(since="provider", until="model")
        wizard.asks("model")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
        assert "sk-" not in plain(wizard.output)
    kept = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "sk-bad" not in kept


def test_a_server_that_does_not_answer_can_be_kept_without_proof(tmp_path: Path) -> None:
    with Wizard(tmp_path, "http://127.0.0.1:9") as wizard:
        wizard.answer_all(until="model")
        wizard.read_until("Nobody listens at 127.0.0.1:9: connection refused")
        wizard.read_until("What now\\?")
        wizard.type(DOWN * 2 + ENTER)
        wizard.answer_all(since="store")
        assert wizard.ended() == 0
    assert 'base_url = "http://127.0.0.1:9"' in (tmp_path / "config.toml").read_text()


def test_a_later_run_changes_only_what_is_asked(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all()
        assert wizard.ended() == 0
    text = (tmp_path / "config.toml").read_text() + "\n# a line of mine\n[log]\nlevel = 'debug'\n"
    (tmp_path / "config.toml").write_text(text)
    with Wizard(tmp_path, api.url) as wizard:
        wizard.read_until("What do you want to change\\?")
        wizard.type(DOWN * 6 + ENTER)
        wizard.answer("timezone")
        wizard.answer("sleep", WIPE + "22:15-06:45")
        wizard.answer("write")
        assert wizard.ended() == 0
    expected = text.replace("enabled = false\n\n#", 'enabled = true\nstart = "22:15"\nend = "06:45"\n\n#')
    assert (tmp_path / "config.toml").read_text() == expected
    assert 'name: "Sam"' in (tmp_path / "personas" / "default.md").read_text()


def test_before_it_is_written_all_can_be_left_as_it_was(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="write")
        wizard.answer("write", DOWN * 2)
        assert wizard.ended() == 1
    assert not (tmp_path / "config.toml").exists()
    assert data_of(command(tmp_path, "config", "show", "--json"))


def test_a_dry_run_that_is_left_keeps_nothing(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url, "--dry-run") as wizard:
        wizard.answer_all(until="store")
        wizard.asks("store")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_an_answer_that_fell_away_is_asked_for_again(tmp_path: Path, api: MessagesApi) -> None:
    (tmp_path / "onboarding.json").write_text(json.dumps({**_before("store", api.url), "store": "docker"}))
    (tmp_path / "onboarding.json").chmod(0o600)
    with Wizard(tmp_path, api.url, ANTHROPIC_API_KEY="sk-good") as wizard:
        wizard.asks("store")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130


def test_the_command_that_lets_somebody_in_works_as_it_is_printed_where_no_home_is_named(tmp_path: Path, api: MessagesApi) -> None:
    own = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "XDG_STATE_HOME": ""}
    words = [sys.executable, "-m", "secondme", "--set", "pacing.enabled=false", "serve"]
    with Terminal(words, **own, ANTHROPIC_API_KEY="sk-good", ANTHROPIC_BASE_URL=api.url) as serving:
        serving.read_until("is running")
        at_home = environment(**own)
        chat = [sys.executable, "-m", "secondme", "chat", "--as", "Anna", "--message", "hi", "--wait", "1"]
        subprocess.run(chat, env=at_home, timeout=60, check=False, capture_output=True)
        printed = plain(serving.read_until(r"approved:\s+(.*approve local:anna)")[1])
        done = subprocess.run(printed, shell=True, env=at_home, timeout=60, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        serving.interrupt()
        assert serving.ended() == 0
        assert "error" not in plain(serving.output)
