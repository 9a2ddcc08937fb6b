"""The wizard's questions about voice messages: what is chosen was tried, what is not chosen stays off."""

from pathlib import Path

import pytest
from fakes.elevenlabs_api import KEY as SPEECH_KEY
from fakes.messages_api import MessagesApi
from fakes.process import command, settings_of
from health.servers import Http, http_server

SAID = {"text": "Has never been surpassed.", "languages": ["en"]}
PLAIN = ("onboard", "--non-interactive", "--only", "senses")


@pytest.fixture
def server() -> object:
    with http_server() as served:
        yield served


def test_nothing_is_heard_or_spoken_unless_it_is_chosen(tmp_path: Path) -> None:
    done = command(tmp_path, *PLAIN)
    assert done.returncode == 0, done.stderr
    settings = settings_of(tmp_path).settings
    assert (settings.hearing.enabled, settings.hearing.api_key, settings.speech.enabled) == ("auto", None, False)


def test_a_server_that_understands_is_kept_with_its_key(tmp_path: Path, server: Http) -> None:
    server.answers["/v1/audio/transcriptions"] = (200, SAID)
    environ = {"SECONDME_HEARING__BASE_URL": f"{server.url}/v1", "SECONDME_HEARING__API_KEY": "sk-hear"}
    done = command(tmp_path, *PLAIN, "--hearing", "server", **environ)
    assert done.returncode == 0, done.stderr
    hearing = settings_of(tmp_path).settings.hearing
    assert (hearing.base_url, hearing.api_key.get_secret_value() if hearing.api_key else "") == (server.url, "sk-hear")
    assert "sk-hear" not in (tmp_path / "config.toml").read_text()


@pytest.mark.parametrize(("answer", "status"), [((401, {}), 77), ((500, {}), 69), ((200, {"text": ""}), 69)])
def test_a_server_that_does_not_is_kept_nowhere(tmp_path: Path, server: Http, answer: tuple[int, object], status: int) -> None:
    server.answers["/v1/audio/transcriptions"] = answer
    environ = {"SECONDME_HEARING__BASE_URL": server.url, "SECONDME_HEARING__API_KEY": "sk-hear"}
    assert command(tmp_path, *PLAIN, "--hearing", "server", **environ).returncode == status
    assert not (tmp_path / "config.toml").exists()


def test_on_this_machine_it_says_what_is_still_to_be_fetched(tmp_path: Path) -> None:
    done = command(tmp_path, *PLAIN, "--hearing", "local", "--hearing-model", "tiny.en")
    assert done.returncode == 0, done.stderr
    assert "secondme hear --get-model tiny.en" in done.stderr
    hearing = settings_of(tmp_path).settings.hearing
    assert (hearing.provider, hearing.model) == ("local", "tiny.en")


def test_a_voice_is_used_only_with_consent_and_when_it_exists(tmp_path: Path, server: Http) -> None:
    server.answers["/v1/voices/v"] = (200, {"voice_id": "v"})
    environ = {"SECONDME_SPEECH__API_KEY": SPEECH_KEY, "SECONDME_SPEECH__VOICE_ID": "v", "SECONDME_SPEECH__BASE_URL": server.url}
    done = command(tmp_path, *PLAIN, "--speech", "my-own-voice", **environ)
    assert done.returncode == 0, done.stderr
    speech = settings_of(tmp_path).settings.speech
    assert (speech.enabled, speech.consent, speech.voice_id) == (True, "my-own-voice", "v")
    assert command(tmp_path, *PLAIN, "--speech", "my-own-voice", **environ | {"SECONDME_SPEECH__VOICE_ID": "w"}).returncode == 65
    assert command(tmp_path, *PLAIN, "--speech", "somebody-elses").returncode == 78


def test_what_was_chosen_can_be_ended_again(tmp_path: Path, server: Http, api: MessagesApi) -> None:
    assert api.url
    server.answers["/v1/audio/transcriptions"] = (200, SAID)
    environ = {"SECONDME_HEARING__BASE_URL": server.url, "SECONDME_HEARING__API_KEY": "sk-hear"}
    command(tmp_path, *PLAIN, "--hearing", "server", **environ)
    done = command(tmp_path, *PLAIN, "--hearing", "no")
    assert done.returncode == 0, done.stderr
    assert settings_of(tmp_path).settings.hearing.enabled is False
