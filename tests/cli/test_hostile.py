"""Names and texts made to trick a terminal reach it as plain characters, and break nothing."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fakes.process import (
    WITHOUT_API,
    Cli,
    GatewayProcess,
    Terminal,
    contact,
    eventually,
    let_in,
    obeyed,
    settings_of,
    until,
    write_config,
)
from redis import Redis

from secondme.channels.local.protocol import contact_of
from secondme.core.enums import Tier
from secondme.core.store import keys

HOSTILE = [
    "[bold red]markup[/bold red]",
    "[/nothing opened]",
    "[link=https://evil.example]click[/link]",
    "\x1b[31mred\x1b[2J",
    "\x1b]0;new title\x07",
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;c2VjcmV0\x07clipboard",
    "\x1b[6nreport",
    "\x1b]unterminated",
    "\x9b31mC1 red",
    "\x9d52;c;c2VjcmV0\x9cC1 clipboard",
    "\u202egnp.exe\u202c",
    "\u2066isolated\u2069",
    "zero\u200bwidth\ufeff",
    "nul\x00byte\x7f",
    "line\nbreak\r\ttab",
    "line\u2028separator",
    "tag\U000e0041s",
    "lone \ud800 surrogate",
    "wide 漢字 and 👩‍👩‍👧 and e\u0301",
    "%s {0} $(id) `id` ' \" \\",
    "x" * 65_536,
    "\x1b[31m" * 10_000 + "end",
]


def on_a_terminal(home: Path, *words: str, **env: str) -> tuple[int, str]:
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), *words], **env) as terminal:
        return terminal.ended(), terminal.output


@pytest.mark.heavy  # 5 s: a gateway and three commands at a terminal
async def test_hostile_names_reach_every_screen_as_plain_text(home: Path, redis_url: str) -> None:
    write_config(home, WITHOUT_API + '[pairing]\nmax_prompts_per_hour = 1000\n[persona]\nname = "\\u001b[31mSam\\u202e"\n')
    url = {"SECONDME_REDIS_URL": redis_url}
    Redis.from_url(redis_url).flushall()
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "serve"], **url) as serving:
        serving.read_until("is running")  # from then on nothing that happens is missed on its screen
        async with AsyncExitStack() as open_:
            clients = [await open_.enter_async_context(contact(home, name)) for name in HOSTILE]
            for client in clients:
                client.say("\x1b]0;hello\x07")
                (prompt,) = await until(client, "message")
                assert obeyed(prompt.text) == []
        lists = [on_a_terminal(home, "pairing", "list", **url), on_a_terminal(home, "status", **url)]
        everybody = [on_a_terminal(home, "pairing", "approve", "--all", "--notes", "\x1b[31m", **url)]
        serving.interrupt()
        assert serving.ended() == 0
    screens = [output for _, output in [*lists, *everybody]] + [serving.output]
    print({"names": len(HOSTILE), "bytes on screens": sum(map(len, screens)), "obeyed": len(obeyed("".join(screens)))})
    assert [code for code, _ in [*lists, *everybody]] == [0, 0, 0]
    assert [obeyed(screen) for screen in screens] == [[], [], [], []]
    assert screens[0].count("pending") == screens[2].count("is approved") == len(HOSTILE)
    assert serving.output.count("asks to be approved") == len(HOSTILE)
    assert "[bold red]markup[/bold red]" in screens[0]


@pytest.mark.heavy  # 4 s: a gateway and a chat at a terminal
def test_a_hostile_contact_can_use_chat_on_a_terminal(home: Path, redis_url: str) -> None:
    write_config(home, WITHOUT_API)
    url = {"SECONDME_REDIS_URL": redis_url}
    Redis.from_url(redis_url).flushall()
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "serve"], **url) as serving:
        serving.read_until("is running")
        code, output = on_a_terminal(home, "chat", "--as", HOSTILE[3], "--message", HOSTILE[4], "--wait", "10", **url)
    assert (code, obeyed(output)) == (0, [])


@pytest.mark.slow  # 5 s: every record in every command
def test_a_hostile_record_of_somebody_elses_making_is_shown_as_plain_text(cli: Cli, door: Redis) -> None:
    record = str(door.get(keys.pending("local:ben")))
    for name in HOSTILE:
        if "\ud800" in name:
            continue  # no JSON that we read: a corrupt record
        door.set(keys.pending("local:ben"), json.dumps({**json.loads(record), "displayName": name, "phoneNumber": name}))
        for words in (("pairing", "list"), ("pairing", "list", "--json"), ("pairing", "approve", "local:anna", "local:ben")):
            result = cli(*words)
            assert (result.exit_code, obeyed(result.stdout), "ben" in result.stdout) == (0, [], True)
        cli("pairing", "revoke", "local:ben", "--yes")
        door.zadd(keys.INDEX_PENDING, {"local:ben": 99_999_999_999_999})


@pytest.mark.usefixtures("raw")
def test_a_hostile_reference_is_not_repeated_to_the_terminal(cli: Cli) -> None:
    for name in HOSTILE:
        result = cli("pairing", "approve", name)
        assert (result.exit_code, obeyed(result.stderr), result.stderr.count("\n")) == (65, [], 1)


async def test_hostile_events_are_watched_as_json_on_one_line_each(home: Path, redis_url: str) -> None:
    raw = Redis.from_url(redis_url)
    words = [sys.executable, "-m", "secondme", "--home", str(home), "pairing", "watch"]
    watching = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, env={"SECONDME_REDIS_URL": redis_url, "HOME": str(home)}
    )
    assert watching.stdout is not None
    try:
        await eventually(lambda: raw.publish(keys.EVENTS_PAIRING, "not JSON"))
        raw.publish(keys.EVENTS_PAIRING, "[]")
        for name in HOSTILE[:-2]:
            raw.publish(keys.EVENTS_PAIRING, json.dumps({"type": "pairing_request", "displayName": name}))
            line = (await asyncio.wait_for(watching.stdout.readline(), 60)).decode()
            assert (json.loads(line)["displayName"], obeyed(line)) == (name, [])
    finally:
        watching.kill()
        await watching.wait()


@pytest.mark.heavy  # 5 s: a gateway that answers each, and a terminal
async def test_hostile_text_is_answered_and_shown_to_the_owner_as_plain_text(home: Path, redis_url: str) -> None:
    write_config(home, WITHOUT_API + "[limits]\nmessages = 1000\n")
    Redis.from_url(redis_url).flushall()
    await let_in(settings_of(home, redis_url), "anna")
    await let_in(settings_of(home, redis_url), "rita", tier=Tier.RESTRICTED)
    with GatewayProcess(home, SECONDME_REDIS_URL=redis_url):
        async with contact(home, "anna") as anna, contact(home, "rita") as rita:
            for text in HOSTILE:
                anna.say(text)
                (answer,) = await until(anna, "message")
                assert obeyed(answer.text) == []
            rita.say(HOSTILE[3])
            await eventually(lambda: Redis.from_url(redis_url).zcard(keys.HELD_INDEX))
        code, output = on_a_terminal(home, "drafts", "list", SECONDME_REDIS_URL=redis_url)
    assert (code, obeyed(output)) == (0, [])
    assert contact_of("rita") in output
