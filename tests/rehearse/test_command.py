"""`secondme rehearse` as it is typed: three writers behind a server, what is said before and after, exit codes, and kills."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.messages_api import Fail, MessagesApi, Outcome, Request, Say
from fakes.process import DEADLINE_S, Terminal, command, environment, settings_of, write_config
from fakes.size import IS_WHOLE
from fakes.wizard import model_server
from rehearse.test_friend_page import code_of
from rehearse.test_friend_page import let_in as let_in_as
from rehearse.writers import ANA, BEN, GENERIC

from secondme.core.store import keys
from secondme.services import open_services

MIMIC, MACHINE, PARROT = "claude-sonnet-5-5", "claude-opus-5", "claude-haiku-5-5"
ENV = {"SECONDME_MODEL__API_KEY": "none", "NO_COLOR": "1"}


def export(answers: int, seed: int = 3) -> tuple[str, list[str]]:
    """A chat as Android exports it, and every answer of the owner's in it."""
    chance, at, lines, own = random.Random(seed), datetime(2026, 8, 1, 9, tzinfo=UTC), [], []
    for _ in range(answers):
        at += timedelta(minutes=chance.randrange(60, 400))
        stamp = f"{at:%d/%m/%Y, %H:%M}"
        lines += [f"{stamp} - Ben: {line}" for line in BEN.write(chance).split("\n")]
        own.append(ANA.write(chance))
        lines += [f"{stamp} - Sam: {line}" for line in own[-1].split("\n")]
    return "\n".join(lines), own


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    text, own = export(330)
    path = tmp_path_factory.mktemp("chat") / "WhatsApp Chat with Ben.txt"
    path.write_text(text, "utf-8")
    return path, own


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with model_server() as server:
        yield server


@pytest.fixture
def lived(home: Path, api: MessagesApi) -> Path:
    write_config(home, f'[api]\nenabled = false\n[persona]\nname = "Sam"\n[model]\nbase_url = "{api.url}"\n')
    return home


def rehearse(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command(home, "rehearse", *words, **ENV)


def envelope(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["exit_code"] == result.returncode
    return found


def writers(own: list[str]) -> Any:
    """Who is asked by its model's name: somebody who writes as the owner, a machine, and one that says again what the owner once said."""
    chance = random.Random(11)

    def write(request: Request) -> Outcome:
        match request.body["model"]:
            case name if name == MIMIC:
                text = ANA.write(chance)
            case name if name == MACHINE:
                text = GENERIC.write(chance)
            case _:
                shown = re.findall(
                    r'"the answer was": "((?:[^"\\]|\\.)*)"', json.dumps(request.body["system"]).encode().decode("unicode_escape")
                )
                text = json.loads(f'"{chance.choice(shown)}"') if shown else chance.choice(own)
        return Say(text, usage=(900, 30, 0, 0))

    return write


@pytest.mark.heavy
def test_three_writers_are_ranked_and_what_it_costs_is_said_before_and_after(
    lived: Path, api: MessagesApi, chat: tuple[Path, list[str]]
) -> None:
    path, own = chat
    api.script = writers(own)
    models = [word for name in (MIMIC, MACHINE, PARROT) for word in ("--model", name)]
    page = lived / "rehearsal.html"
    typed = (
        "--import",
        str(path),
        "--me",
        "Sam",
        "--bursts",
        "60",
        "--seed",
        "4",
        "--max-usd",
        "5",
        *models,
        "--report",
        str(page),
    )
    refused = rehearse(lived, *typed)
    assert refused.returncode == 2
    assert re.search(r"60 answers x 3 variants: about \$\d\.\d\d \(at most \$5\.00, then it stops\)", refused.stderr)
    assert api.requests == []
    result = rehearse(lived, *typed, "--yes", "--json")
    data = envelope(result)["data"]
    assert (data["partial"], data["bursts"], len(data["variants"])) == (False, 60, 3)
    mimic, machine, parrot = data["variants"]
    share = {name: each["told"]["share"] for name, each in (("mimic", mimic), ("machine", machine))}
    assert share["mimic"] < data["people"]["share"] < share["machine"] or share["machine"] > 0.9 > share["mimic"]
    assert share["mimic"] < 0.7
    for each in (data["itself"], data["people"], mimic["told"], machine["told"], parrot["told"]):
        assert each["low"] <= each["share"] <= each["high"]
    assert parrot["comparison"]["copied"] >= 50
    assert parrot["advice"][0]["why"] == "copied"
    assert (machine["advice"][0]["code"], machine["advice"][0]["why"]) == ("draft", "plain")
    assert data["costUsd"] == pytest.approx(sum(each["micros"] for each in data["variants"]) / 1e6)
    assert not any(answer.split("\n")[0] in result.stdout for answer in own if len(answer) > 20)
    said = rehearse(lived, "--run", data["run"])
    assert said.returncode == 0
    assert "Copied word for word" in said.stdout
    assert "difference" in said.stdout
    assert f"It cost ${data['costUsd']:.2f}" in said.stdout
    assert max(map(len, said.stdout.splitlines()[:-2])) <= 80
    text = page.read_text("utf-8")
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text
    assert page.stat().st_mode & 0o777 == 0o600
    assert [each["id"] for each in envelope(rehearse(lived, "--runs", "--json"))["data"]["runs"]] == [data["run"]]
    assert envelope(rehearse(lived, "--forget", "--yes", "--json"))["data"] == {"deleted": 1}
    assert not list((lived / "data" / "rehearsals").glob("*.jsonl"))


def test_what_would_be_rehearsed_costs_nothing_to_know(lived: Path, api: MessagesApi, chat: tuple[Path, list[str]]) -> None:
    path, _ = chat
    found = envelope(rehearse(lived, "--import", str(path), "--me", "Sam", "--dry-run", "--json"))
    assert found["schema"] == "secondme.rehearse.plan/1"
    assert 0 < found["data"]["estimateUsd"] <= found["data"]["mostUsd"]
    assert api.requests == []
    assert not list((lived / "data" / "rehearsals").glob("*.jsonl"))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 65, "secondme"),
        (("--import", "nowhere.txt", "--yes"), 65, "nowhere.txt"),
        (("--resume", "2026-01-01-abcd", "--yes"), 65, "no such rehearsal"),
        (("--runs", "--blind"), 2, "one at a time"),
        (("--bursts", "0"), 2, "--bursts"),
        (("--since", "soon"), 2, "90s"),
        (("--persona", "nobody", "--yes"), 65, "persona"),
        (("--blind",), 65, "Nothing was rehearsed yet"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(lived: Path, words: tuple[str, ...], code: int, says: str) -> None:
    result = rehearse(lived, *words)
    assert result.returncode == code, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.heavy
def test_a_model_that_is_away_is_69_and_it_can_be_gone_on_with(lived: Path, api: MessagesApi, chat: tuple[Path, list[str]]) -> None:
    path, own = chat
    api.script = lambda _: Fail(529, "overloaded_error")
    typed = ("--import", str(path), "--me", "Sam", "--bursts", "5", "--yes", "--json")
    found = envelope(rehearse(lived, *typed))
    assert (found["exit_code"], found["data"]["partial"]) == (69, True)
    assert "--resume" in found["errors"][0]["fix"]
    api.script = writers(own)
    again = envelope(rehearse(lived, "--resume", found["data"]["run"], "--yes", "--json"))
    assert (again["exit_code"], again["data"]["partial"], again["data"]["run"]) == (0, False, found["data"]["run"])


def test_a_refused_key_is_77_and_nothing_is_lost(lived: Path, api: MessagesApi, chat: tuple[Path, list[str]]) -> None:
    path, _ = chat
    api.keys = {"another"}
    result = rehearse(lived, "--import", str(path), "--me", "Sam", "--bursts", "3", "--yes")
    assert result.returncode == 77
    assert "--resume" in result.stderr


@pytest.mark.heavy
def test_ctrl_c_says_how_to_go_on(lived: Path, api: MessagesApi, chat: tuple[Path, list[str]]) -> None:
    path, own = chat
    api.script = writers(own)
    api.gate.clear()
    words = [
        sys.executable,
        "-m",
        "secondme",
        "--home",
        str(lived),
        "rehearse",
        "--import",
        str(path),
        "--me",
        "Sam",
        "--bursts",
        "4",
    ]
    with Terminal(words, controls=True, **ENV) as terminal:
        terminal.read_until("Go on?")
        terminal.type("y\r")
        until(lambda: api.requests)
        terminal.interrupt()
        run = terminal.read_until(r"secondme(?: --home \S+)? rehearse --resume\s+(\S+)")[1]
        assert terminal.ended() == 130
    api.gate.set()
    assert envelope(rehearse(lived, "--resume", run, "--yes", "--json"))["data"]["partial"] is False


@pytest.mark.heavy
def test_a_friend_s_page_is_written_for_who_is_named_and_its_code_is_read(
    lived: Path, chat: tuple[Path, list[str]], api: MessagesApi
) -> None:
    async def let_in() -> None:
        async with open_services(settings_of(lived)) as services:
            record = let_in_as("Ben", who="local:ben")
            await services.store.client.set(keys.approved("local:ben"), record.encode())
            await services.store.client.zadd(keys.INDEX_APPROVED, {"local:ben": 1})

    asyncio.run(let_in())
    path, own = chat
    api.script = writers(own)
    done = envelope(
        rehearse(lived, "--import", str(path), "--contact", "local:ben", "--me", "Sam", "--bursts", "12", "--yes", "--json")
    )
    assert done["data"]["contacts"] == ["local:ben"]
    page = lived / "ben.html"
    words = [sys.executable, "-m", "secondme", "--home", str(lived), "rehearse", "--contact", "ben", "--for-friend", str(page)]
    for typed, ends in (("Anna\r", 65), ("Ben\r", 0)):
        with Terminal(words, **ENV) as terminal:
            terminal.read_until("Their name:")
            terminal.type(typed)
            assert terminal.ended() == ends
        assert page.exists() is (ends == 0)
    text = page.read_text("utf-8")
    code = code_of(text, [0] * text.count("<article>"))
    found = envelope(rehearse(lived, "--contact", "ben", "--friend-result", code, "--json"))
    assert found["schema"] == "secondme.rehearse.friend/1"
    assert 0 <= found["data"]["right"] <= found["data"]["pairs"] == text.count("<article>")
    assert rehearse(lived, "--contact", "ben", "--friend-result", code[:-1]).returncode == 65
    assert rehearse(lived, "--friend-result", code).returncode == 2


def until(claim: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.heavy
@pytest.mark.parametrize("after", range(1, 30) if IS_WHOLE else (8,))
def test_killed_anywhere_it_pays_once_for_all_but_the_call_under_way(
    lived: Path, api: MessagesApi, chat: tuple[Path, list[str]], after: int
) -> None:
    path, own = chat
    write = writers(own)

    def answer(request: Request) -> Outcome:
        if len(api.requests) > after and not killed:
            killed.append(len(api.requests))
            os.kill(process.pid, signal.SIGKILL)
        return write(request)  # type: ignore[no-any-return]

    killed: list[int] = []
    api.script = answer
    words = ["rehearse", "--import", str(path), "--me", "Sam", "--bursts", "30", "--seed", "9", "--yes"]
    process = subprocess.Popen(
        [sys.executable, "-m", "secondme", "--home", str(lived), *words],
        env=environment(**ENV),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    assert process.wait(DEADLINE_S) == -signal.SIGKILL
    paid = len(api.requests)
    (run,) = envelope(rehearse(lived, "--runs", "--json"))["data"]["runs"]
    found = envelope(rehearse(lived, "--resume", run["id"], "--yes", "--json"))
    assert found["data"]["partial"] is False
    assert len(api.requests) == 31  # thirty, and the one that was under way once more
    assert paid == after + 1
    prompts = [json.dumps(each.body, sort_keys=True) for each in api.requests]
    assert len(set(prompts)) == 30
