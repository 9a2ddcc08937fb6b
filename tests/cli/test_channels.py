"""Linking, listing, pausing and testing channels, and persons over several of them, as their owner types it."""

import asyncio
import json
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.bot_api import TOKEN, bot_api
from fakes.process import WITHOUT_API, Cli, GatewayProcess, Terminal, command, data_of, write_config
from fakes.size import IS_WHOLE
from redis import Redis

from secondme.core.config.loader import load


def rows(result: Any) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in json.loads(result.stdout)["data"]["channels"]}


def test_a_new_home_has_nothing_linked_but_the_local_channel(cli: Cli, raw: Redis) -> None:
    found = rows(cli("channels", "list", "--json"))
    assert {name: row["linked"] for name, row in found.items()} == {
        "whatsapp": False,
        "telegram": False,
        "whatsapp_cloud": False,
        "local": True,
    }
    shown = cli("channels", "list").stdout
    assert "telegram       not linked: secondme channels connect telegram" in shown
    assert raw.keys("CHANNEL*") == []


def test_a_token_in_the_environment_links_telegram(cli: Cli, raw: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    del raw
    monkeypatch.setenv("SECONDME_TELEGRAM__TOKEN", TOKEN)
    assert rows(cli("channels", "list", "--json"))["telegram"]["linked"]
    assert "telegram       linked, and no gateway runs: secondme serve" in cli("channels", "list").stdout


@pytest.mark.parametrize("word", [f"telegram.token={TOKEN}", "plugins.mychat.key=canary", "whatsapp_cloud.app_secret=canary"])
def test_no_secret_is_taken_from_the_command_line(cli: Cli, raw: Redis, word: str) -> None:
    del raw
    refused = cli("--set", word, "status")
    assert refused.exit_code == 78
    assert "canary" not in refused.output


def test_a_paused_channel_is_shown_as_such(cli: Cli, raw: Redis) -> None:
    cli("channels", "pause", "telegram")
    assert rows(cli("channels", "list", "--json"))["telegram"]["paused"]
    assert "telegram paused" in cli("status").stdout.replace("  ", " ")
    assert "was not paused" not in cli("channels", "resume", "telegram").stdout
    assert "was not paused" in cli("channels", "resume", "telegram").stdout
    assert raw.keys("CHANNEL:paused:*") == []


def test_what_a_person_is_asked_before_everything_of_somebody_is_erased(home: Path, raw: Redis, redis_url: str) -> None:
    raw.set("HISTORY:local:anna", "x")
    words = f"{sys.executable} -m secondme --home {home} contacts forget local:anna"
    with Terminal(words, SECONDME_REDIS_URL=redis_url) as terminal:
        terminal.read_until("Erase everything of local:anna, for good")
        terminal.type("n\n")
        assert terminal.ended() == 1
    assert raw.exists("HISTORY:local:anna")
    assert command(home, "contacts", "forget", "local:anna", SECONDME_REDIS_URL=redis_url).returncode == 2


def test_persons_are_listed_together(cli: Cli, door: Redis) -> None:
    del door
    cli("contacts", "link", "local:anna", "telegram:77")
    (person,) = [
        person
        for person in json.loads(cli("contacts", "list", "--search", "anna", "--json").stdout)["data"]["persons"]
        if len(person["contacts"]) > 1
    ]
    assert {contact["contactId"] for contact in person["contacts"]} == {"local:anna", "telegram:77"}
    shown = cli("contacts", "show", "telegram:77").stdout
    assert "local:anna" in shown
    assert "telegram:77" in shown
    assert "approved only by the link" in cli("contacts", "unlink", "telegram:77").stdout


@pytest.fixture
def linking(home: Path, redis_url: str, raw: Redis) -> dict[str, str]:
    del raw
    return {"SECONDME_REDIS_URL": redis_url, "SECONDME_HOME": str(home)}


@pytest.mark.heavy  # 7 s: a gateway and a dozen commands beside it
async def test_telegram_is_linked_tested_and_unlinked_beside_a_running_gateway(home: Path, linking: dict[str, str]) -> None:
    write_config(home, WITHOUT_API)
    async with bot_api() as api:
        api.users.add(42)
        env = {**linking, "SECONDME_TELEGRAM__API_URL": api.url, "SECONDME_TELEGRAM__POLL_S": "1"}

        async def run(*words: str, **more: str) -> Any:
            return await asyncio.to_thread(command, home, *words, **{**env, **more})

        with GatewayProcess(home, **env):
            answer = ["--answer", "owner_id=42", "--json"]
            linked = await run("channels", "connect", "telegram", *answer, SECONDME_TELEGRAM__TOKEN=TOKEN)
            assert linked.returncode == 0, linked.stdout + linked.stderr
            assert TOKEN not in linked.stdout + linked.stderr
            saved = load({}, {}, home=home).places.credentials
            assert stat.S_IMODE(saved.stat().st_mode) == 0o600
            assert json.loads(saved.read_text()) == {"telegram.token": TOKEN, "telegram.owner_id": 42}
            async with asyncio.timeout(60):
                while rows(await run("channels", "list", "--json"))["telegram"]["state"] != "connected":
                    await asyncio.sleep(0.1)
            tested = await run("channels", "test", "telegram", "--json")
            assert tested.returncode == 0, tested.stdout + tested.stderr
            assert [text for text in api.shown[42] if "test" in text]
            gone = await run("channels", "disconnect", "telegram", "--forget", "--json")
            assert gone.returncode == 0, gone.stdout + gone.stderr
            found = rows(await run("channels", "list", "--json"))["telegram"]
            assert (found["state"], found["linked"]) == ("off", False)
            assert json.loads(saved.read_text()) == {}
        assert data_of(await run("status", "--json"))["channels"]


async def test_a_wrong_token_saves_nothing(home: Path, linking: dict[str, str]) -> None:
    async with bot_api() as api:
        env = {**linking, "SECONDME_TELEGRAM__API_URL": api.url, "SECONDME_TELEGRAM__TOKEN": "123456:" + "wrong" * 7}
        refused = await asyncio.to_thread(command, home, "channels", "connect", "telegram", "--answer", "owner_id=42", **env)
    assert refused.returncode == 77
    assert "refuse" in refused.stderr
    assert not (home / "credentials.json").exists()


def test_one_wrong_answer_of_many_is_asked_for_again_alone(home: Path) -> None:
    words = [sys.executable, "-m", "secondme", "--home", str(home), "channels", "connect", "whatsapp_cloud"]
    with Terminal(words, controls=True) as owner:
        for asked, typed, said in (
            ("Phone number ID.*: ", "my phone", "digits only"),
            ("Phone number ID.*: ", "123 456", ""),
            ("Access token.*: ", "two words", "no blanks"),
            ("Access token.*: ", "EAAB", ""),
            ("App secret.*: ", "", "could be anybody's"),
            ("App secret.*: ", "hush", ""),
            ("Verify token.*: ", "", ""),
            ("Your own number.*: ", "Sam", "digits only"),
        ):
            owner.read_until(asked)
            owner.type(f"{typed}\r")
            if said:
                owner.read_until(f"That cannot be: .*{said}")
        owner.read_until("Your own number.*: ")
        owner.rests()
        owner.type("\x03")
        assert owner.ended() == 130
    assert not (home / "config.toml").exists()


ENDS = {"serve", "chat"}
"""What needs no further word: the gateway is started, or the owner writes."""


def walk(cli: Cli, *words: str) -> list[str]:
    """What is typed one after another when each command's own words are followed, until one succeeds or only a person can go on."""
    typed: list[str] = []
    while True:
        line = " ".join(words)
        assert line not in typed, f"a circle: {typed}"
        typed.append(line)
        if words[0] in ENDS:
            return typed
        result = cli(*words)
        said = result.stdout + result.stderr
        follow = re.findall(r"secondme (?:--home \S+ )?((?:channels \w+ \w+|serve|chat --as \w+))", said)
        if "There is no terminal to ask for" in said or not follow:
            return typed
        words = tuple(follow[-1].split())


@pytest.mark.parametrize("name", ["whatsapp", "telegram", "whatsapp_cloud", "local"])
@pytest.mark.parametrize("state", ["as it is", "disconnected", "paused"])
@pytest.mark.parametrize("begin", ["test", "connect", "disconnect"])
def test_no_channel_leads_in_a_circle_while_no_gateway_runs(cli: Cli, raw: Redis, name: str, state: str, begin: str) -> None:
    del raw
    if state != "as it is":
        cli("channels", "disconnect" if state == "disconnected" else "pause", name)
    typed = walk(cli, "channels", begin, name)
    assert len(typed) <= 4, typed
    row = rows(cli("channels", "list", "--json"))[name]
    assert (row["state"], row["linked"]) == ("off", name == "local")


def test_what_the_list_says_of_a_channel_that_is_off_can_be_typed(cli: Cli, raw: Redis) -> None:
    del raw
    assert "local          linked, and no gateway runs: secondme serve" in cli("channels", "list").stdout
    assert "Connect it again: secondme channels connect local" in cli("channels", "disconnect", "local").stdout
    assert "local          disconnected by you: secondme channels connect local" in cli("channels", "list").stdout
    assert "disconnected by you" in cli("status").stdout
    assert "Local terminal is linked as this machine" not in cli("channels", "connect", "local").stdout
    assert "linked, and no gateway runs" in cli("channels", "list").stdout


@pytest.mark.heavy  # a gateway and a dozen commands beside it
async def test_channels_are_disconnected_and_connected_as_they_were_linked(home: Path, linking: dict[str, str]) -> None:
    async with bot_api() as api:
        api.users.add(42)
        write_config(home, WITHOUT_API)
        env = {**linking, "SECONDME_TELEGRAM__API_URL": api.url, "SECONDME_TELEGRAM__POLL_S": "1"}

        async def run(*words: str, **more: str) -> Any:
            return await asyncio.to_thread(command, home, *words, **{**env, **more})

        async def stands(name: str) -> tuple[str, bool]:
            row, said = {}, {"id": ""}
            async with asyncio.timeout(60):
                while {key: row.get(key) for key in said} != said:  # nothing changed between the two
                    row = rows(await run("channels", "list", "--json"))[name]
                    (said,) = [each for each in data_of(await run("status", "--json"))["channels"] if each["id"] == name]
            return row["state"], row["disconnected"]

        with GatewayProcess(home, **env).hears():
            async with asyncio.timeout(60):
                while (await stands("local"))[0] != "connected":
                    await asyncio.sleep(0.1)
            linked = await run(
                "channels", "connect", "telegram", "--answer", "owner_id=42", "--json", SECONDME_TELEGRAM__TOKEN=TOKEN
            )
            assert (data_of(linked)["state"], data_of(linked)["account"] is None) == ("connected", False), linked.stderr
            for name in ("telegram", "local") if IS_WHOLE else ("telegram",):  # nine commands each
                tested = await run("channels", "test", name)
                assert tested.returncode == 0, tested.stderr
                alone = await run("channels", "connect", name, "--json")
                assert data_of(alone) == {"account": None, "code": "", "gatewayRuns": True, "id": name, "state": "connected"}
                assert (await run("channels", "disconnect", name)).returncode == 0
                assert await stands(name) == ("off", True)
                refused = await run("channels", "test", name)
                assert refused.returncode == 69
                assert f"Disconnected by you. Try: secondme --home {home} channels connect {name}" in refused.stderr
                again = await run("channels", "connect", name, "--json")
                assert (data_of(again)["state"], data_of(again)["account"]) == ("connected", None)
                assert await stands(name) == ("connected", False)
            bad = "123456:" + "wrong" * 7
            wrong = await run("channels", "connect", "telegram", "--answer", "owner_id=42", SECONDME_TELEGRAM__TOKEN=bad)
            assert wrong.returncode == 77
            async with asyncio.timeout(60):
                while await stands("telegram") != ("connected", False):  # what ran before runs again
                    await asyncio.sleep(0.1)
