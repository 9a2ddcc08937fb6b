"""The quick path: three questions to a home that answers; and what is asked besides, by night."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes.messages_api import MessagesApi
from fakes.process import command, settings_of
from fakes.wizard import CTRL_C, DOWN, ENTER, WIPE, Wizard, plain

pytestmark = pytest.mark.heavy  # terminals with several programs, one after the other
ZONE = ZoneInfo("Europe/Madrid")


def hours_around_now() -> str:
    """A night that it is now."""
    now = datetime.now(ZONE)
    return f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"


def test_three_questions_lead_to_a_gateway_that_answers(tmp_path: Path, api: MessagesApi) -> None:
    home = tmp_path / "home"
    before = ("--set", "pacing.enabled=false", "--set", "sleep.enabled=false")
    with Wizard(home, api.url, before=before, ANTHROPIC_BASE_URL=api.url) as wizard:
        wizard.read_until("How much do you want to be asked\\?")
        wizard.type(ENTER)
        wizard.answer("api_key")
        wizard.answer("persona_name")
        wizard.read_until("onboard --only WORD")
        wizard.read_until("Go\\?")
        wizard.type(ENTER)
        wizard.read_until("secondme .* is running")
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "1")
        assert command(home, "pairing", "approve", "local:anna").returncode == 0
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "30")  # she is welcomed
        assert "Sam: re: " in command(home, "chat", "--as", "Anna", "--message", "are you there?", "--wait", "30").stdout
        wizard.interrupt()
        assert wizard.ended() == 0
        asked = plain(wizard.output)
    assert [asked.count(words) for words in ("Who writes the replies?", "Who approves", "A chat exported", "Write this?")] == [
        0
    ] * 4
    assert settings_of(home).settings.persona.name == "Sam"
    assert not (home / "onboarding.json").exists()


def test_the_flag_takes_it_and_all_questions_can_be_asked_for_at_its_end(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url, "--quick", ANTHROPIC_BASE_URL=api.url) as wizard:
        wizard.answer("api_key")
        wizard.answer("persona_name")
        wizard.read_until("Go\\?")
        wizard.type(DOWN * 3 + ENTER)
        wizard.answer_all(since="model", until="persona_name")
        wizard.answer("tone", WIPE + "dry")
        wizard.answer_all(since="language")
        assert wizard.ended() == 0, plain(wizard.output)
        assert "How much do you want" not in wizard.output
    assert 'tone: "dry"' in (tmp_path / "personas" / "default.md").read_text()


@pytest.mark.parametrize("stays", [True, False])
def test_by_night_it_offers_to_stay_awake_for_an_hour(tmp_path: Path, api: MessagesApi, *, stays: bool) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="timezone")
        wizard.answer("timezone", WIPE + "madrid")
        wizard.answer("sleep", WIPE + hours_around_now())
        wizard.read_until("Stay awake for an hour")
        wizard.type("y" if stays else "n")
        wizard.answer_all(since="channels")
        assert wizard.ended() == 0, plain(wizard.output)
        assert ("You count as awake until" in wizard.output, "It is night where you are" in wizard.output) == (stays, not stays)
    until = settings_of(tmp_path).settings.sleep.awake_until
    assert (until is not None) is stays
    if until is not None:
        assert timedelta(minutes=50) < until - datetime.now(ZONE) <= timedelta(hours=1)


@pytest.mark.slow  # 11 s: what is offered by night and a gateway that answers are each looked at above
def test_the_quick_path_too_offers_it_by_night_and_answers_then(tmp_path: Path, api: MessagesApi) -> None:
    home, east = tmp_path / "home", (2 - datetime.now(UTC).hour) % 24
    zone = f"Etc/GMT{-(east if east <= 14 else east - 24):+d}"  # where it is two o'clock; the sign is POSIX's
    with Wizard(home, api.url, "--quick", before=("--set", "pacing.enabled=false"), ANTHROPIC_BASE_URL=api.url, TZ=zone) as wizard:
        wizard.answer("api_key")
        wizard.answer("persona_name")
        wizard.read_until("Stay awake for an hour")
        wizard.type("y")
        wizard.read_until("Go\\?")
        wizard.type(ENTER)
        wizard.read_until("secondme .* is running")
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "1")
        assert command(home, "pairing", "approve", "local:anna").returncode == 0
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "30")
        assert "Sam: re: " in command(home, "chat", "--as", "Anna", "--message", "are you there?", "--wait", "30").stdout
        wizard.interrupt()
        assert wizard.ended() == 0


def test_of_several_places_one_is_chosen_and_a_misspelt_one_is_told_what_it_may_be(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="timezone")
        wizard.answer("timezone", WIPE + "Madird")
        wizard.read_until("did you mean Europe/Madrid")
        wizard.type(WIPE + "birmingham" + ENTER)
        wizard.read_until("Which birmingham\\?")
        wizard.type(DOWN + ENTER)
        wizard.answer_all(since="sleep")
        assert wizard.ended() == 0, plain(wizard.output)
    assert settings_of(tmp_path).settings.sleep.timezone == "America/Chicago"


def test_left_on_the_quick_path_the_next_run_goes_on_there(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url, ANTHROPIC_BASE_URL=api.url) as wizard:
        wizard.read_until("How much do you want to be asked\\?")
        wizard.type(ENTER)
        wizard.answer("api_key")
        wizard.asks("persona_name")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    assert json.loads((tmp_path / "onboarding.json").read_text())["way"] == "quick"
    with Wizard(tmp_path, api.url, ANTHROPIC_BASE_URL=api.url) as wizard:
        wizard.answer("persona_name")
        wizard.read_until("Go\\?")
        wizard.type(DOWN + ENTER)
        assert wizard.ended() == 0, plain(wizard.output)
    assert (tmp_path / "config.toml").exists()
