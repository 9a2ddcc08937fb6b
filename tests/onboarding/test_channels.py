"""A channel is linked by the wizard only after it was tried, and one that is refused can be left for later."""

import asyncio
import json
from pathlib import Path

import pytest
from fakes.bot_api import TOKEN, bot_api
from fakes.graph_api import PHONE_ID, SECRET, graph_api, settings_for
from fakes.graph_api import TOKEN as GRAPH_TOKEN
from fakes.messages_api import MessagesApi
from fakes.process import environment
from fakes.wizard import BACK, DOWN, ENTER, Wizard, plain
from typer.testing import CliRunner

from secondme.cli.app import app

FLAGS = ("onboard", "--non-interactive", "--json", "--persona-name", "Sam", "--channel", "telegram")


@pytest.fixture
def home(tmp_path: Path, api: MessagesApi, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-good")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    return tmp_path / "home"


async def test_a_bot_is_linked_from_the_environment_and_needs_it_no_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bot_api() as telegram:
        monkeypatch.setenv("SECONDME_TELEGRAM__TOKEN", TOKEN)
        monkeypatch.setenv("SECONDME_TELEGRAM__API_URL", telegram.url)
        words = ["--home", str(home), *FLAGS, "--telegram-owner-id", "77"]
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["data"]["channels"] == [{"id": "telegram", "account": "@clone_bot"}]
    assert json.loads((home / "credentials.json").read_text()) == {"telegram.token": TOKEN, "telegram.owner_id": 77}
    assert TOKEN not in result.output


async def test_a_token_that_is_refused_ends_a_script_with_its_cause(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bot_api() as telegram:
        monkeypatch.setenv("SECONDME_TELEGRAM__TOKEN", "1234567:" + "x" * 35)
        monkeypatch.setenv("SECONDME_TELEGRAM__API_URL", telegram.url)
        words = ["--home", str(home), *FLAGS, "--telegram-owner-id", "77"]
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == 77, result.output
    assert not (home / "credentials.json").exists()
    assert (home / "config.toml").exists()


async def test_at_a_terminal_a_refused_token_can_be_left_for_later(home: Path, api: MessagesApi) -> None:
    assert "SECONDME_TELEGRAM__TOKEN" not in environment()
    async with bot_api() as telegram:

        def run() -> str:
            with Wizard(home, api.url, SECONDME_TELEGRAM__API_URL=telegram.url) as wizard:
                wizard.answer_all(until="channels")
                wizard.answer("channels", " ")
                wizard.answer_all(since=following("channels"))
                wizard.read_until("Token of your Telegram bot")
                wizard.type("1234567:" + "x" * 35 + ENTER)
                wizard.read_until("What now\\?")
                wizard.type(DOWN + ENTER)
                assert wizard.ended() == 0
                return plain(wizard.output)

        output = await asyncio.to_thread(run)
    assert "It is set up." in output
    assert "x" * 35 not in output
    assert not (home / "credentials.json").exists()


async def test_left_while_a_channel_is_linked_the_home_is_set_up_and_says_what_is_missing(home: Path, api: MessagesApi) -> None:
    async with bot_api() as telegram:

        def run() -> str:
            with Wizard(home, api.url, SECONDME_TELEGRAM__API_URL=telegram.url) as wizard:
                wizard.answer_all(until="channels")
                wizard.answer("channels", " ")
                wizard.answer_all(since=following("channels"))
                wizard.read_until("Token of your Telegram bot")
                wizard.interrupt()
                assert wizard.ended() == 130
                return plain(wizard.output)

        output = await asyncio.to_thread(run)
    assert "It is set up all the same" in output
    assert "channels connect telegram" in output
    assert (home / "config.toml").exists()
    assert not (home / "onboarding.json").exists()


@pytest.mark.parametrize("keeps", [True, False])
def test_a_token_that_could_not_be_tried_is_kept_only_on_the_owners_word(home: Path, api: MessagesApi, *, keeps: bool) -> None:
    with Wizard(home, api.url, SECONDME_TELEGRAM__API_URL="http://127.0.0.1:9") as wizard:
        wizard.answer_all(until="channels")
        wizard.answer("channels", " ")
        wizard.answer_all(since=following("channels"))
        wizard.read_until("Token of your Telegram bot")
        wizard.type(TOKEN + ENTER)
        wizard.read_until("What now\\?")
        wizard.type(DOWN * (3 if keeps else 2) + ENTER)
        assert wizard.ended() == 0, plain(wizard.output)
        assert TOKEN not in wizard.output
    path = home / "credentials.json"
    assert (json.loads(path.read_text()) if path.exists() else {}) == ({"telegram.token": TOKEN} if keeps else {})


async def test_while_a_channel_is_linked_the_question_before_can_be_answered_again(home: Path, api: MessagesApi) -> None:
    async with graph_api() as meta:
        url = {"SECONDME_WHATSAPP_CLOUD__API_URL": meta.url}

        def run() -> None:
            with Wizard(home, api.url, **url) as wizard:
                wizard.answer_all(until="channels")
                wizard.answer("channels", DOWN + " ")
                wizard.answer_all(since=following("channels"))
                wizard.read_until("Phone number ID:")
                wizard.type(BACK + ENTER)
                wizard.read_until("What now\\?")
                wizard.type(ENTER)
                wizard.read_until("Phone number ID:")
                wizard.type(PHONE_ID + "9" + ENTER)
                wizard.read_until("Access token")
                wizard.type(BACK + ENTER)
                wizard.read_until(f"Phone number ID \\(Enter: {PHONE_ID}9\\):")
                wizard.type(PHONE_ID + ENTER)
                wizard.read_until("Access token")
                wizard.type(GRAPH_TOKEN + ENTER)
                wizard.read_until("App secret")
                wizard.type(BACK + ENTER)
                wizard.read_until("Access token.*Enter: as before")
                wizard.type(ENTER)
                wizard.read_until("App secret")
                wizard.type(SECRET + ENTER)
                wizard.read_until("Verify token")
                wizard.type(ENTER)
                wizard.read_until("Your own number")
                wizard.type("+49 151 1234567" + ENTER)
                wizard.read_until("Linked as")
                assert wizard.ended() == 0
                assert GRAPH_TOKEN not in wizard.output

        await asyncio.to_thread(run)
    kept = json.loads((home / "credentials.json").read_text())
    assert (kept["whatsapp_cloud.phone_number_id"], kept["whatsapp_cloud.access_token"]) == (PHONE_ID, GRAPH_TOKEN)


async def test_metas_official_api_is_linked_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with graph_api() as meta:
        for name, value in settings_for(meta.url, owner_number="491511234567").items():
            monkeypatch.setenv(f"SECONDME_WHATSAPP_CLOUD__{name.upper()}", str(value))
        words = ["--home", str(home), *FLAGS[:-1], "whatsapp_cloud"]
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == 0, result.output
    assert [each["id"] for each in json.loads(result.stdout)["data"]["channels"]] == ["whatsapp_cloud"]
    assert "whatsapp_cloud.access_token" in json.loads((home / "credentials.json").read_text())


async def test_a_wrong_user_id_does_not_cost_the_token(home: Path, api: MessagesApi) -> None:
    async with bot_api() as telegram:
        for number in range(100):
            telegram.write(900 + number, "hello")

        def run() -> None:
            words = ("--channel", "telegram", "--telegram-owner-id", "Sam")
            with Wizard(home, api.url, *words, SECONDME_TELEGRAM__API_URL=telegram.url) as wizard:
                wizard.answer_all(until="channels")
                wizard.read_until("--telegram-owner-id: a Telegram user id is a number")
                wizard.answer_all(since=following("channels"))
                wizard.read_until("Token of your Telegram bot")
                wizard.type(TOKEN + ENTER)
                for wrong, said in (("Samuel", "a Telegram user id is a number"), ("", "So many messages wait")):
                    wizard.read_until("Your Telegram user id")
                    wizard.type(wrong + ENTER)
                    wizard.read_until(said)
                wizard.read_until("What now\\?")
                wizard.type(ENTER)
                wizard.read_until("Your Telegram user id")
                wizard.type("77" + ENTER)
                assert wizard.ended() == 0
                assert (plain(wizard.output).count("Token of your"), TOKEN in wizard.output) == (1, False)

        await asyncio.to_thread(run)
    assert json.loads((home / "credentials.json").read_text()) == {"telegram.token": TOKEN, "telegram.owner_id": 77}


def test_a_script_is_told_of_a_wrong_user_id_before_anything_is_written(home: Path) -> None:
    result = CliRunner().invoke(app, ["--home", str(home), *FLAGS, "--telegram-owner-id", "Sam"])
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["message"]) == (
        78,
        "--telegram-owner-id: a Telegram user id is a number.",
    )
    assert not (home / "config.toml").exists()


def following(name: str) -> str:
    """The question after `name`."""
    from fakes.wizard import QUESTIONS

    return list(QUESTIONS)[list(QUESTIONS).index(name) + 1]
