"""Does one screen say how things stand, to a person in their own time and to a script in UTC?"""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli, Terminal, command, environment, write_config
from fakes.town import Town
from redis import Redis

from secondme.cli.commands.status import draw, lines
from secondme.cli.output import Screen
from secondme.core.api.metrics import exposition
from secondme.core.format import local_time
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.services import Services

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
QUIET: dict[str, Any] = {
    "processes": [{"part": "all", "pid": 7, "startedAt": "2026-11-22T09:30:00Z"}],
    "channels": [],
    "pairing": {"pending": 0, "approved": 2, "denied": 0},
    "paused": None,
    "pauses": [],
    "queue": {"contacts": 0, "messages": 0, "waiting": {}, "oldest": None, "unsent": 0, "held": 0, "dead": 0},
    "messages": {"lastReceivedAt": None, "lastSentAt": None},
    "cost": {"todayUsd": 0.5, "capUsd": 5.0},
}


def channel(**facts: Any) -> dict[str, Any]:
    usual = {"id": "telegram", "state": "connected", "code": "", "paused": False, "disconnected": False}
    return {**usual, "received": 0, "sent": 0, "failed": 0, **facts}


def sent(**to: list[str]) -> dict[str, Any]:
    return {"mediaRecipients": {"recordings": [], "spoken": [], "pictures": [], **to}}


def told(**changes: Any) -> list[str]:
    """What a person reads about a quiet house with these changes."""
    page = io.StringIO()
    draw(Screen(page), list(lines({**QUIET, **changes}, NOW)))
    return page.getvalue().splitlines()


@pytest.fixture
def _in_utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_utc")
def test_a_quiet_house_is_told_in_a_few_aligned_lines() -> None:
    assert told() == [
        "gateway  running since 09:30 (pid 7)",
        "pairing  0 waiting, 2 approved, 0 denied",
        "queue    empty",
        "cost     $0.50 of $5.00 today",
    ]


@pytest.mark.usefixtures("_in_utc")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"queue": {**QUIET["queue"], "messages": 1, "contacts": 1}}, "queue    1 message of 1 contact"),
        (
            {"queue": {**QUIET["queue"], "messages": 3, "contacts": 2, "unsent": 1, "oldest": "2026-11-22T11:57:00Z"}},
            "queue    3 messages of 2 contacts, the oldest of 11:57 (3 min ago), 1 reply on the way",
        ),
        ({"queue": {**QUIET["queue"], "waiting": {"asleep": 2}}}, "         2 contacts waiting: until you wake"),
        ({"queue": {**QUIET["queue"], "waiting": {"over_budget": 1}}}, "         1 contact waiting: today's budget is spent"),
        ({"queue": {**QUIET["queue"], "held": 1}}, "drafts   1 waits for you: secondme drafts list"),
        ({"queue": {**QUIET["queue"], "dead": 2}}, "dead     2 messages could not be worked on: secondme dead list"),
        (
            {"paused": {"killed": True, "until": None}},
            "paused   nobody is answered: the kill switch is on. Lift it: secondme kill --off",
        ),
        ({"paused": {"killed": False, "until": "2026-11-23T07:00:00Z"}}, "paused   everybody, until Mon 23 Nov 07:00"),
        ({"pauses": [{"contactId": "local:anna", "until": None}]}, "paused   local:anna, until you resume"),
        ({"pauses": [{"contactId": f"local:{n}", "until": None} for n in range(7)]}, "         and 2 contacts more"),
        ({"processes": []}, "gateway  not running. Start it: secondme serve"),
        ({"messages": {"lastReceivedAt": "2026-11-22T11:59:20Z", "lastSentAt": None}}, "last     in 11:59 (40 s ago), out never"),
        ({"cost": {"todayUsd": 5.01, "capUsd": 5.0}}, "cost     $5.01 of $5.00 today"),
        ({"heard": {"todayMinutes": 3.21, "capMinutes": 120.0}}, "voice    heard today 3.2 of 120 min"),
        ({"spoken": {"todayCharacters": 1234}}, "voice    spoken today 1,234 characters"),
        (
            {"heard": {"todayMinutes": 0, "capMinutes": 0.5}, "spoken": {"todayCharacters": 0}},
            "voice    heard today 0.0 of 0.5 min, spoken 0 characters",
        ),
        (sent(recordings=["OpenAI"]), "recordings  recordings go to OpenAI"),
        (sent(spoken=["ElevenLabs"]), "spoken   the words of spoken replies go to ElevenLabs"),
        (sent(pictures=["Anthropic", "b"]), "pictures  pictures go to Anthropic, b"),
        ({"recipients": ["Voyage"]}, "memory   what people write goes to Voyage, to be found again"),
        ({"channels": [channel(received=2, sent=1)]}, "telegram  connected, 2 in, 1 out"),
        ({"channels": [channel(state="needs_owner", code="logged_out", failed=1)]}, "telegram  needs owner (logged_out), 1 failed"),
        ({"channels": [channel(paused=True)]}, "telegram  paused, connected"),
        ({"channels": [channel(state="off", disconnected=True)]}, "telegram  disconnected by you"),
    ],
)
def test_what_matters_is_told_in_plain_words(changes: dict[str, Any], line: str) -> None:
    assert line in told(**changes)


@pytest.mark.usefixtures("_in_utc")
@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-22T00:00:00Z", "00:00"),
        ("2026-11-21T23:59:59Z", "Sat 21 Nov 23:59"),
        ("2025-12-31T10:00:00Z", "2025-12-31 10:00"),
        (None, "never"),
    ],
)
def test_a_time_is_as_short_as_it_is_clear(moment: str | None, shown: str) -> None:
    assert local_time(moment, NOW) == shown


@pytest.mark.parametrize("width", [30, 50, 80])
def test_a_narrow_terminal_wraps_below_the_text(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((width, 24)))
    page = io.StringIO()
    screen = Screen(page)
    screen.is_terminal = True
    draw(screen, list(lines({**QUIET, "paused": {"killed": True, "until": None}}, NOW)))
    rows = page.getvalue().splitlines()
    assert max(map(len, rows)) <= max(width, 33)
    assert {row[:9].strip() for row in rows} == {"", "gateway", "paused", "pairing", "queue", "cost"} - (
        {""} if width == 80 else set()
    )


async def test_the_newest_messages_the_pauses_and_the_cost_are_known(town: Town) -> None:
    for who in ("anna", "ben", "cara"):
        await town.let_in(who)
    await town.writes("anna", "hi")
    await town.work()
    await town.deliver()
    await town.writes("ben", "hello")
    await town.control.pause(ContactId("local:ben"), timedelta(hours=1))
    await town.control.pause(ContactId("local:cara"), None)
    now_ms = await town.control.now_ms()
    await town.store.client.hset(keys.token_stats(f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%d}"), "micros", 420_000)
    found = await town.services.status()
    data = found.to_dict()
    assert data["cost"] == {"todayUsd": 0.42, "capUsd": 5.0}
    assert [each["contactId"] for each in data["pauses"]] == ["local:ben", "local:cara"]
    assert (data["pauses"][0]["until"] is not None, data["pauses"][1]["until"]) == (True, None)
    assert found.glance is not None
    assert abs((found.glance.last_sent_ms or 0) - now_ms) < 60_000
    assert (found.glance.last_received_ms or 0) >= (found.glance.last_sent_ms or 0) - 60_000


HEARS = {"hearing__api_key": "k"}
SPEAKS = {"speech__enabled": True, "speech__consent": "stock-voice"}


@pytest.mark.parametrize(
    ("flags", "heard", "spoken"),
    [
        ({}, None, None),
        (HEARS, {"todayMinutes": 3.2, "capMinutes": 120.0}, None),
        ({**HEARS, "hearing__minutes_per_day": 2, "hearing__enabled": True}, {"todayMinutes": 3.2, "capMinutes": 2.0}, None),
        ({**HEARS, "hearing__enabled": False}, None, None),
        (SPEAKS, None, {"todayCharacters": 1234}),
        ({**SPEAKS, "speech__consent": ""}, None, None),
    ],
)
async def test_what_was_heard_and_spoken_today_is_known_while_it_is_wanted(
    town_with: Callable[..., Town], flags: dict[str, Any], heard: Any, spoken: Any
) -> None:
    town = town_with(**flags)
    now_ms = await town.control.now_ms()
    for back, sums in ((0, {"seconds": 192, "characters": 1234}), (1, {"seconds": 9999, "characters": 9999})):
        day = datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=back)
        await town.store.client.hset(keys.token_stats(f"{day:%Y-%m-%d}"), mapping=sums)
    found = await town.services.status()
    assert (found.to_dict()["heard"], found.to_dict()["spoken"]) == (heard, spoken)
    samples = [line.split()[0] for line in exposition(found).splitlines() if line.startswith(("secondme_heard", "secondme_spoken"))]
    assert samples == [
        *(["secondme_heard_today_seconds", "secondme_heard_cap_seconds"] if heard else []),
        *(["secondme_spoken_today_characters"] if spoken else []),
    ]


@pytest.mark.parametrize(
    ("flags", "recordings", "spoken", "pictures"),
    [
        ({}, [], [], ["Anthropic"]),
        ({"sight__enabled": False}, [], [], []),
        ({"model__base_url": "http://127.0.0.1:9/v1"}, [], [], ["127.0.0.1"]),
        (HEARS, ["OpenAI"], [], ["Anthropic"]),
        ({"hearing__base_url": "https://ears.example:8000/v1"}, ["ears.example"], [], ["Anthropic"]),
        ({**HEARS, "hearing__enabled": False}, [], [], ["Anthropic"]),
        ({**HEARS, "hearing__provider": "local", "hearing__enabled": True}, [], [], ["Anthropic"]),
        (SPEAKS, [], ["ElevenLabs"], ["Anthropic"]),
        ({**SPEAKS, "speech__base_url": "http://voice.example/"}, [], ["voice.example"], ["Anthropic"]),
        ({**SPEAKS, "speech__provider": "command"}, [], [], ["Anthropic"]),
        ({**SPEAKS, "speech__consent": ""}, [], [], ["Anthropic"]),
        ({**SPEAKS, "speech__enabled": False}, [], [], ["Anthropic"]),
    ],
)
async def test_who_is_sent_what_follows_from_the_settings(
    town_with: Callable[..., Town], flags: dict[str, Any], recordings: list[str], spoken: list[str], pictures: list[str]
) -> None:
    data = (await town_with(**flags).services.status()).to_dict()
    assert data["mediaRecipients"] == {"recordings": recordings, "spoken": spoken, "pictures": pictures}
    assert data["recipients"] == []  # what memory sends is another thing


async def test_a_long_silence_of_the_clone_is_found_behind_many_messages(town: Town, store: Store) -> None:
    await town.let_in("anna")
    history = keys.history("local:anna")
    await store.client.delete(history)
    await store.client.zadd(history, {'{"id":"a","content":"\\"type\\":\\"outgoing\\"","type":"incoming"}': 500})
    await store.client.zadd(history, {'{"id":"b","content":"x","type":"outgoing"}': 100, '{"id":"c","type":"fromMe"}': 900})
    await store.client.zadd(history, {f'{{"id":"{n}","content":"x","type":"incoming"}}': 200 + n for n in range(40)})
    glance = (await Services(town.setup, store).status()).glance
    assert glance is not None
    assert (glance.last_received_ms, glance.last_sent_ms) == (500, 100)


@pytest.mark.usefixtures("door")
def test_a_script_gets_more_than_before_and_nothing_else(cli: Cli) -> None:
    data = json.loads(cli("status", "--json").stdout)["data"]
    before = {"channels", "pairing", "paused", "processes", "queue", "store"}
    more = {"cost", "heard", "jobs", "loss", "mediaRecipients", "messages", "pauses", "recipients", "spoken", "unreadable"}
    assert set(data) == before | more
    assert set(data["queue"]) == {"contacts", "dead", "held", "messages", "oldest", "unsent", "waiting"}


# Staying


@pytest.mark.heavy  # 4 s: a gateway, a terminal and a command
def test_watching_draws_in_place_and_ends_well_with_ctrl_c(home: Path) -> None:
    write_config(home)
    program = [sys.executable, "-m", "secondme", "--home", str(home)]
    serving = subprocess.Popen([*program, "serve"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    try:
        with Terminal([*program, "status", "--watch"], size=(70, 20)) as terminal:
            terminal.read_until("running since")
            assert command(home, "pause", "--for", "2h").returncode == 0
            terminal.read_until("everybody, until")
            terminal.interrupt()
            assert terminal.ended() == 0
            assert terminal.output.endswith("\x1b[?25h\x1b[?1049l")
            assert "\x1b[2J" not in terminal.output  # never cleared: nothing flickers
    finally:
        serving.terminate()
        serving.wait()


def test_watching_for_a_script_is_a_line_for_each_change(home: Path, redis_url: str, raw: Redis) -> None:
    words = [sys.executable, "-m", "secondme", "--home", str(home), "status", "--watch", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment(SECONDME_REDIS_URL=redis_url)) as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        raw.set(keys.PAUSE_ALL, "1")
        second = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        assert (first["known"], first["paused"], second["paused"]["killed"]) == (True, None, False)
        assert (watching.wait(), watching.stdout.read()) == (0, "")


def test_watching_without_a_gateway_waits_and_starts_no_server(home: Path) -> None:
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "status", "--watch"], NO_COLOR="1") as terminal:
        terminal.read_until(f"not running. Start it: secondme --home {home} serve")
        terminal.interrupt()
        assert terminal.ended() == 0
    assert not (home / "data" / "store" / "store.sock").exists()
    assert "\x1b[3" not in terminal.output
