"""What the owner decides at the command line takes effect, and is seen by whoever watches."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from fakes.process import (
    WITHOUT_API,
    Cli,
    GatewayProcess,
    Terminal,
    code_of,
    contact,
    environment,
    settings_of,
    until,
    write_config,
)
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from secondme.core.store import keys


def listed(cli: Cli, *words: str) -> set[str]:
    result = cli("pairing", "list", "--json", *words)
    return {row["contactId"] for row in json.loads(result.stdout)["data"]["contacts"]}


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("words", "contacts"),
    [
        ("", "anna rita ben cara"),
        ("--status approved", "anna rita"),
        ("--status pending", "ben"),
        ("--status denied", "cara"),
        ("--tier restricted", "rita"),
        ("--search NA", "anna"),
        ("--search local:", "anna rita ben cara"),
        ("--status denied --search anna", ""),
    ],
)
def test_the_list_shows_who_is_asked_for(words: str, contacts: str, cli: Cli) -> None:
    assert listed(cli, *words.split()) == {f"local:{name}" for name in contacts.split()}
    assert all(name in cli("pairing", "list", *words.split()).stdout for name in contacts.split())


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("words", ["", "--status approved", "--search a", "--tier restricted", "--status denied"])
@pytest.mark.parametrize("limit", [1, 2, 3, 9])
def test_pages_of_the_list_are_the_list(words: str, limit: int, cli: Cli) -> None:
    whole = json.loads(cli("pairing", "list", "--json", *words.split()).stdout)["data"]
    people, after = [], ""
    while True:
        asked = ["--limit", str(limit), *(["--after", after] if after else [])]
        page = json.loads(cli("pairing", "list", "--json", *words.split(), *asked).stdout)["data"]
        assert page["stats"] == whole["stats"]
        assert 0 < len(page["contacts"]) <= limit
        people += page["contacts"]
        after = page["following"]
        if not after:
            break
        assert f"There are more: --after {after}\n" in cli("pairing", "list", *words.split(), *asked).stdout
    assert people == whole["contacts"]
    assert whole["following"] == ""


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("place", ["x", "approved/x/y", "pending/\u0661/local:anna"])
def test_a_place_that_no_list_named_is_no_place(place: str, cli: Cli) -> None:
    result = cli("pairing", "list", "--limit", "2", "--after", place)
    assert (result.exit_code, "There is no such page" in result.stderr) == (65, True)


def test_an_approval_keeps_tier_and_notes_and_who_decided(cli: Cli, door: Redis) -> None:
    code = code_of(door, "local:ben")
    result = cli("pairing", "approve", code, "--tier", "trusted", "--notes", "met at\x1b[31m work")
    assert (result.exit_code, result.stdout) == (0, "ben (local:ben) is approved as trusted.\n")
    record = json.loads(str(door.get(keys.approved("local:ben"))))
    assert (record["tier"], record["notes"], record["approvedBy"]) == ("trusted", "met at[31m work", "cli")
    assert (cli("pairing", "approve", code).exit_code, door.exists(keys.pending("local:ben"))) == (65, 0)


@pytest.mark.usefixtures("door")
def test_everybody_who_waits_is_let_in_at_once(cli: Cli) -> None:
    assert cli("pairing", "approve", "--all", "--tier", "restricted").stdout == "ben (local:ben) is approved as restricted.\n"
    assert cli("pairing", "approve", "--all").stdout == "Nobody waits.\n"
    assert listed(cli, "--status", "approved") == {"local:anna", "local:rita", "local:ben"}


@pytest.mark.usefixtures("door")
def test_one_reference_that_fails_does_not_keep_the_others_out(cli: Cli) -> None:
    result = cli("pairing", "approve", "000000", "local:nobody", "local:ben")
    assert (result.exit_code, result.stderr.count("\n")) == (65, 2)
    assert "local:ben" in listed(cli, "--status", "approved")


def test_a_denial_keeps_its_reason_and_erases_what_was_kept(cli: Cli, door: Redis) -> None:
    door.zadd(keys.history("local:rita"), {"{}": 1})
    assert cli("pairing", "deny", "local:rita", "--reason", "spam\u202e").exit_code == 0
    record = json.loads(str(door.get(keys.denied("local:rita"))))
    assert (record["reason"], record["deniedBy"]) == ("spam", "cli")
    assert not door.exists(keys.history("local:rita"), keys.held("local:rita"), keys.approved("local:rita"))
    assert cli("pairing", "deny", "local:rita").stdout == "local:rita was denied before.\n"


def test_unblocking_and_tiers_change_the_record(cli: Cli, door: Redis) -> None:
    assert cli("pairing", "unblock", "local:cara").exit_code == 0
    assert not door.exists(keys.denied("local:cara"))
    assert cli("pairing", "tier", "local:rita", "trusted").stdout == "rita (local:rita) is trusted now.\n"
    assert json.loads(str(door.get(keys.approved("local:rita"))))["tier"] == "trusted"


@pytest.mark.parametrize(("answer", "exit_code", "left"), [("n", 1, 1), ("y", 0, 0)])
def test_revoking_asks_first_on_a_terminal(answer: str, exit_code: int, left: int, door: Redis, home: Path, redis_url: str) -> None:
    words = [sys.executable, "-m", "secondme", "--home", str(home), "pairing", "revoke", "local:anna"]
    with Terminal(words, SECONDME_REDIS_URL=redis_url) as terminal:
        terminal.read_until("Revoke local:anna")
        assert door.exists(keys.approved("local:anna"))
        terminal.type(answer + "\n")
        assert terminal.ended() == exit_code
    assert door.exists(keys.approved("local:anna")) == left


@pytest.mark.heavy  # 3 s: a gateway and two contacts; tests/flows has it in one process
async def test_an_invited_stranger_is_let_in_by_the_code_and_then_answered(
    cli: Cli, raw: Redis, home: Path, redis_url: str
) -> None:
    write_config(home, WITHOUT_API)
    invited = await asyncio.to_thread(cli, "pairing", "invite", "--name", "Dora", "--tier", "trusted", "--json")
    code = json.loads(invited.stdout)["data"]["code"]
    with GatewayProcess(home, SECONDME_REDIS_URL=redis_url):
        async with contact(home, "dora") as dora, contact(home, "eve") as eve:
            dora.say(f" {code} ")
            (accepted,) = await until(dora, "accepted")
            (welcome,) = await until(dora, "message")
            dora.say("thanks")
            (answer,) = await until(dora, "message")
            eve.say(code)
            (refused,) = await until(eve, "accepted")
    assert (accepted.text, welcome.text, refused.text) == ("welcomed", "Welcome! You can now chat with me.", "wrong_code")
    assert "thanks" in answer.text
    assert json.loads(str(raw.get(keys.approved("local:dora"))))["tier"] == "trusted"
    assert raw.get(keys.approved("local:eve")) is None


@pytest.mark.heavy  # 3 s: two gateways and two commands
async def test_whoever_watches_sees_each_event_and_survives_the_gateway(home: Path) -> None:
    write_config(home, WITHOUT_API)
    words = [sys.executable, "-m", "secondme", "--home", str(home), "pairing"]
    first = GatewayProcess(home)
    watching = await asyncio.create_subprocess_exec(*words, "watch", stdout=asyncio.subprocess.PIPE, env=environment())
    assert watching.stdout is not None
    try:
        async with contact(home, "anna") as anna:
            anna.say("hello")
            await until(anna, "message")
            raw = Redis.from_url(f"unix://{settings_of(home).places.store_socket}", decode_responses=True)
            code = code_of(raw, "local:anna")
            await _heard(raw, watching.stdout)
            first.kill()
            await first.ended()
            with GatewayProcess(home):
                await _heard(raw, watching.stdout)
                approving = await asyncio.create_subprocess_exec(
                    *words, "approve", code, env=environment(), stdout=asyncio.subprocess.DEVNULL
                )
                assert await approving.wait() == 0
                event, line = await first_event(watching.stdout, "pairing_approved")
            assert (event["contactId"], code in line) == ("local:anna", False)
            assert event["at"].endswith("Z")
    finally:
        watching.kill()
        await watching.wait()
        first.close()


async def _heard(raw: Redis, stream: asyncio.StreamReader) -> None:
    """Returns when the one who watches has shown an event: others listen too, so a count of listeners says nothing."""
    hearing = asyncio.ensure_future(first_event(stream, "pairing_probe"))
    while not hearing.done():
        with suppress(RedisConnectionError):
            raw.publish(keys.EVENTS_PAIRING, '{"type":"pairing_probe"}')
        await asyncio.sleep(0.05)
    await hearing


async def first_event(stream: asyncio.StreamReader, kind: str) -> tuple[dict[str, str], str]:
    """The next event of this kind, and its line."""
    async with asyncio.timeout(60):
        while True:
            line = (await stream.readline()).decode()
            event = json.loads(line)
            if event["type"] == kind:
                return event, line
