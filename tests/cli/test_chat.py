"""A contact at the terminal: as a script, as a person, and in the demo a stranger meets first."""

import asyncio
import json
import os
import shlex
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes.process import (
    WITHOUT_API,
    GatewayProcess,
    Terminal,
    command,
    contact,
    data_of,
    environment,
    eventually,
    let_in,
    settings_of,
    until,
    write_config,
)

from secondme.core.enums import Tier

pytestmark = pytest.mark.heavy  # gateways that answer at a terminal


def events_of(output: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in output.splitlines()]


def outcomes_of(output: str) -> list[str]:
    return [event["outcome"] for event in events_of(output) if event["type"] == "accepted"]


async def test_a_script_talks_line_by_line_and_reads_one_event_a_line(home: Path) -> None:
    write_config(home, WITHOUT_API)
    await let_in(settings_of(home), "anna")
    with GatewayProcess(home).hears():
        words = [sys.executable, "-m", "secondme", "--home", str(home), "chat", "--as", "anna", "--json"]
        chatting = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment()
        )
        assert chatting.stdin is not None
        assert chatting.stdout is not None
        chatting.stdin.write(b"hello\n\n  \nare you there?\n")
        seen: list[dict[str, str]] = []
        async with asyncio.timeout(60):
            while not any("are you there?" in event.get("text", "") for event in seen):
                seen.append(json.loads(await chatting.stdout.readline()))
        chatting.stdin.close()
        assert await chatting.wait() == 0
    assert [event["outcome"] for event in seen if event["type"] == "accepted"] == ["queued", "queued"]


@pytest.mark.slow  # 5 s: it waits for an answer that does not come
async def test_waiting_for_an_answer_ends_with_0_when_one_came_and_1_when_none_did(home: Path) -> None:
    write_config(home, WITHOUT_API)
    await let_in(settings_of(home), "anna")
    with GatewayProcess(home).hears():
        chat = ["chat", "--as", "anna", "--json", "--message"]
        answered = command(home, *chat, "one", "--message", "two", "--wait", "30")
        unasked = command(home, *chat, "three", "--wait", "0")
        assert command(home, "pause", "local:anna").returncode == 0
        silent = command(home, *chat, "four", "--wait", "0.3")
        owner = command(home, "chat", "--as", "ANNA", "--as-owner", "--message", "it is me", "--json")
    assert [result.returncode for result in (answered, unasked, silent, owner)] == [0, 0, 1, 0]
    assert outcomes_of(silent.stdout) == ["paused"]
    assert outcomes_of(owner.stdout) == ["taken_over"]
    assert any("two" in event.get("text", "") for event in events_of(answered.stdout) if event["type"] == "message")


async def test_a_restricted_contacts_reply_is_a_draft_until_the_owner_sends_it(home: Path) -> None:
    write_config(home, WITHOUT_API)
    await let_in(settings_of(home), "rita", tier=Tier.RESTRICTED)
    with GatewayProcess(home).hears():
        async with contact(home, "rita") as rita:
            rita.say("please")
            draft = await eventually(lambda: data_of(command(home, "drafts", "list", "--json"))["drafts"])
            assert (draft[0]["reason"], "please" in draft[0]["text"]) == ("tier", True)
            assert command(home, "drafts", "send", draft[0]["id"][:6]).returncode == 0
            (answer,) = await until(rita, "message")
            assert answer.text == draft[0]["text"]
            assert command(home, "drafts", "drop", draft[0]["id"]).returncode == 65


def test_the_demos_two_commands_work_as_they_are_shown(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-m", "secondme", "serve", "--demo"]) as demo:
        chat = demo.read_until(r"write to it:\s+(\S[^\x1b\r]*)")[1]
        approve = demo.read_until(r"approve Anna:\s+(\S[^\x1b\r]*)")[1]
        home = Path(shlex.split(chat)[shlex.split(chat).index("--home") + 1])
        assert home.is_dir()
        with Terminal(chat, COLUMNS="") as anna:
            anna.read_until("Anna.*>")
            anna.type("hello\r")
            anna.read_until(r"please share this code with\r?\n  Sam for approval: \d{6}\r?\n")  # 80 columns, and no word is torn
            assert os.waitstatus_to_exitcode(os.system(f"{approve} >{tmp_path / 'approved'}")) == 0
            anna.read_until("Welcome! You can now chat with me.")
            anna.type("are you there?\r")
            anna.read_until(r"\[demo\] .* got your message: are you there\?")
            assert anna.leave() == 0
        demo.read_until("Anna is approved")
        with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "tui"]) as screen:
            screen.read_until("answering")
            demo.interrupt()
            assert demo.ended() == 0
            screen.read_until("There is no home")
            screen.type("q")
            assert screen.ended() == 0
    assert not home.exists()
    assert "Anna" in (tmp_path / "approved").read_text()


async def test_the_owner_s_own_chat_needs_no_platform(home: Path) -> None:
    """A stranger asks, the owner is told of it where they look, and lets them in from there."""
    write_config(home, WITHOUT_API)
    with GatewayProcess(home).hears():
        words = [sys.executable, "-m", "secondme", "--home", str(home), "chat", "--self"]
        with Terminal(words) as terminal:
            terminal.read_until("This is your own chat with your clone. Type help for what it does.")
            terminal.type("help\r")
            terminal.read_until("kill, kill off")
            asked = command(home, "chat", "--as", "maria", "--message", "hello", "--wait", "0")
            assert asked.returncode == 0, asked.stderr
            code = terminal.read_until(r"maria[^\n]*\n?[^0-9]*?(\d{6})")[1]
            terminal.type(f"approve {code}\r")
            terminal.read_until("maria[^\n]*approved|approved[^\n]*maria")
            terminal.type("\x04")
            assert terminal.ended() == 0
    approved = data_of(command(home, "contacts", "list", "--json"))["persons"]
    assert [each["contactId"] for person in approved for each in person["contacts"]] == ["local:maria"]


@pytest.mark.parametrize("words", [(), ("--self", "--as", "maria"), ("--self", "--as-owner")])
def test_who_speaks_has_to_be_said(home: Path, words: tuple[str, ...]) -> None:
    refused = command(home, "chat", *words, "--message", "x")
    assert (refused.returncode, "--as NAME, or --self" in refused.stderr) == (2, True)


async def test_by_night_it_says_who_sleeps_until_when_and_waits_no_longer(home: Path) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    now = datetime.now(zone)
    hours = f'start = "{now - timedelta(hours=2):%H:%M}"\nend = "{now + timedelta(hours=3):%H:%M}"\ntimezone = "Asia/Tokyo"\n'
    write_config(home, f'[persona]\nname = "Sam"\n{WITHOUT_API}')
    text = (home / "config.toml").read_text()
    (home / "config.toml").write_text(text.replace("[sleep]\nenabled = false\n", f"[sleep]\n{hours}"))
    await let_in(settings_of(home), "anna")
    with GatewayProcess(home).hears():
        told = command(home, "chat", "--as", "anna", "--message", "hello", "--wait", "3000", "--json")
        shown = command(home, "chat", "--as", "anna", "--message", "hello", "--wait", "3000")
    asleep = [event for event in events_of(told.stdout) if event["type"] == "asleep"]
    wakes = datetime.fromisoformat(asleep[0]["text"])
    assert (told.returncode, len(asleep), 2 < (wakes - now).total_seconds() / 3600 < 3.1) == (1, 1, True)
    assert f"Sam sleeps until {wakes.astimezone(zone):%H:%M} (Asia/Tokyo); the answer comes then" in shown.stderr


async def test_what_the_settings_say_of_the_night_is_not_said_of_a_gateway_that_is_awake(home: Path) -> None:
    write_config(home, WITHOUT_API)
    await let_in(settings_of(home), "anna")
    with GatewayProcess(home).hears():
        text = (home / "config.toml").read_text()
        now = datetime.now(ZoneInfo("Asia/Tokyo"))
        hours = f'start = "{now - timedelta(hours=2):%H:%M}"\nend = "{now + timedelta(hours=3):%H:%M}"\ntimezone = "Asia/Tokyo"'
        (home / "config.toml").write_text(text.replace("[sleep]\nenabled = false", f"[sleep]\n{hours}"))
        answered = command(
            home, "chat", "--as", "anna", "--message", "hello", "--message", "are you there?", "--wait", "30", "--json"
        )
    assert answered.returncode == 0
    assert "asleep" not in {event["type"] for event in events_of(answered.stdout)}
