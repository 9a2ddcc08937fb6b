"""The screen lives through everything around it: no gateway, a gateway that comes and goes, a store that dies, hostile names."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.process import (
    DEADLINE_S,
    WITHOUT_API,
    GatewayProcess,
    Terminal,
    command,
    contact,
    data_of,
    eventually,
    knock,
    let_in,
    server_pids,
    settings_of,
    until,
    write_config,
)
from fakes.screen import HOSTILE, OBEYED, shown
from fakes.size import IS_WHOLE
from fakes.town import Town
from redis import Redis

from secondme.cli.tui.nav import DIGITS
from secondme.cli.tui.pages.page import LOOKING
from secondme.cli.tui.rows import Rows
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

OpenScreen = Callable[..., Any]
GATEWAY = json.dumps({"part": "all", "host": "elsewhere", "pid": 1, "at": 99999999999999, "channels": {}})


@pytest.mark.heavy  # 4 s: a screen, a gateway and a contact
def test_a_request_is_on_another_process_s_screen_within_a_second_and_letting_in_gets_it_answered(home: Path) -> None:
    """The whole way through real processes and a real terminal: knock, see, decide, be answered."""
    write_config(home, WITHOUT_API)
    delays: list[float] = []

    async def scene(terminal: Terminal) -> None:
        setup = settings_of(home)
        async with Store(setup, Role.ATTACH) as store:
            for number in range(5):
                began = (await store.client.time())[0] + (await store.client.time())[1] / 1e6
                await knock(store, setup, f"guest{number}")
                await asyncio.to_thread(terminal.read_until, f"local:guest{number}")
                ended = await store.client.time()
                delays.append(ended[0] + ended[1] / 1e6 - began)
        async with contact(home, "anna") as anna:
            anna.say("hello")
            await until(anna, "message")  # the prompt with the code
            await asyncio.to_thread(terminal.read_until, "local:anna")
            terminal.type("G" + "a")  # the newest request ends last
            await asyncio.to_thread(terminal.read_until, "Approve anna?")
            terminal.type("\r")
            await asyncio.to_thread(terminal.read_until, "is approved as standard")
            (welcome,) = await until(anna, "message")
            anna.say("how are you?")
            (answer,) = await until(anna, "message")
            print({"welcome": welcome.text, "answer": answer.text})

    with (
        GatewayProcess(home),
        Terminal([sys.executable, "-m", "secondme", "--home", str(home), "tui"], TERM="xterm-256color") as terminal,
    ):
        terminal.read_until("answering")
        terminal.type("4")
        asyncio.run(scene(terminal))
        terminal.type("q")
        assert terminal.ended() == 0
    print({"seconds until shown": [round(each, 3) for each in delays]})
    assert statistics.median(delays) < 1
    record = data_of(command(home, "pairing", "list", "--json", "--search", "anna"))["contacts"][0]
    assert (record["status"], record["approvedBy"]) == ("approved", "tui")


@pytest.mark.heavy  # 5 s: a screen and gateways
def test_it_works_with_no_gateway_gives_the_store_up_when_one_starts_and_takes_it_back(home: Path) -> None:
    write_config(home, WITHOUT_API)
    asyncio.run(let_in(settings_of(home), "bea"))
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "tui"], TERM="xterm-256color") as terminal:
        terminal.read_until("no gateway")
        (alone,) = server_pids(home)
        with GatewayProcess(home) as gateway:
            terminal.read_until("answering")
            (served,) = server_pids(home)
            assert served != alone
            gateway.kill(signal.SIGKILL)
            asyncio.run(gateway.ended())
        terminal.read_until("no gateway")
        again = asyncio.run(_other_server(home, served))
        os.kill(again, signal.SIGKILL)  # and the store under it
        asyncio.run(_other_server(home, again))
        terminal.type("4")
        terminal.read_until("local:bea")
        terminal.type("p")
        terminal.read_until("Pause everybody")
        terminal.type("\r")
        terminal.read_until("Everybody is paused")
        terminal.type("q")
        assert terminal.ended() == 0
    assert server_pids(home) == []
    assert data_of(command(home, "status", "--json"))["paused"] is not None


async def _other_server(home: Path, before: int) -> int:
    """The private server that took the place of another."""
    pids: list[int] = await eventually(lambda: (found := server_pids(home)) and before not in found and found)
    return pids[0]


async def test_with_the_store_out_of_reach_it_says_so_decides_nothing_and_comes_back(home: Path, screen: OpenScreen) -> None:
    setup = settings_of(home, f"unix://{home}/nobody.sock", **{"store.timeout_s": 1.0})
    async with screen(home=setup) as on:
        await on.until(lambda: "does not answer" in on.text("#banner"))
        assert "store lost" in on.text("#bar")
        await on.press("exclamation_mark", "k")
        await on.said("does not answer. Nothing was changed")
        for digit in DIGITS.values():
            await on.press(digit)
            await on.pilot.pause()
            for rows in on.app.page.query(Rows):
                assert rows.keys == []
                assert rows._empty in {"", LOOKING}, on.app.page


async def test_a_store_that_dies_under_it_is_said_and_what_was_known_stays(home: Path, screen: OpenScreen) -> None:
    private = settings_of(home)
    async with Store(private, Role.OWN) as store:
        await knock(store, private, "anna")
        over_url = settings_of(home, f"unix://{private.places.store_socket}")
        async with screen(home=over_url) as on:
            await on.until(lambda: on.keys("today") == ["local:anna"])
            (pid,) = server_pids(home)
            os.kill(pid, signal.SIGKILL)
            await on.until(lambda: "does not answer" in on.text("#banner"))
            assert on.keys("today") == ["local:anna"]
            assert "You see how it was at" in on.text("#banner")
            await store.server.ensure()  # type: ignore[union-attr]  # it is a private one
            await on.until(lambda: "does not answer" not in on.text("#banner"))
            await knock(store, private, "ben")
            await on.until(lambda: on.keys("today") == ["local:anna", "local:ben"])


async def test_hostile_names_notes_and_reasons_are_shown_harmless_everywhere(
    town: Town, screen: OpenScreen, redis_url: str
) -> None:
    raw = Redis.from_url(redis_url)
    now = await town.control.now_ms()
    for number, text in enumerate(HOSTILE):
        clean = text.encode("utf-8", "replace").decode()
        for state, index, extra in (
            (
                "pending",
                keys.INDEX_PENDING,
                {"code": f"{number:06}", "requestedAt": now, "status": "pending", "expiresAt": now + 600_000},
            ),
            ("approved", keys.INDEX_APPROVED, {"approvedAt": now, "approvedBy": clean, "tier": "standard", "notes": clean}),
            ("denied", keys.INDEX_DENIED, {"deniedAt": now, "deniedBy": clean, "reason": clean, "expiresAt": now + 600_000}),
        ):
            who = f"local:{state}{number}"
            record = {"contactId": who, "phoneNumber": clean, "displayName": clean, "channelId": clean or None, **extra}
            raw.set(f"PAIRING:{state}:{who}", json.dumps(record))
            raw.zadd(index, {who: now + 600_000})
    raw.close()
    async with screen(size=(140, 60)) as on:
        await on.press("4")
        await on.until(lambda: len(on.keys("people")) == 3 * len(HOSTILE))
        for key in on.keys("people"):
            state, number = re.fullmatch(r"local:(\D+)(\d+)", key).groups()  # type: ignore[union-attr]
            if not IS_WHOLE and int(number) % 3 != ("pending", "approved", "denied").index(state):
                continue  # the cursor is on each text once, in one of its three states; all of them are on the list
            await on.at("people", key)
            assert not OBEYED.search(shown(on).replace("\n", ""))
            if int(number) % 5 == 0:
                await on.press({"pending": "a", "approved": "z", "denied": "a"}[state])
                await on.until(lambda: len(on.app.screen_stack) == 2)
                assert not OBEYED.search(shown(on).replace("\n", ""))
                await on.press("escape")
                await on.closed()


async def test_corrupt_records_are_counted_and_hide_nobody(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.let_in("ben")
    await town.store.client.set(keys.approved("local:ben"), "{garbage")
    async with screen() as on:
        await on.press("4")
        await on.until(lambda: on.keys("people") == ["local:anna"])
        await town.store.client.hset(keys.GATEWAYS, "g", GATEWAY)
        await on.until(lambda: "1 record cannot be read: secondme pairing list names them." in on.text("#banner"))


@pytest.mark.slow  # 10 s: ten thousand records are made first
async def test_ten_thousand_approved_contacts_are_listed_and_searched(town: Town, screen: OpenScreen, redis_url: str) -> None:
    now = await town.control.now_ms()
    with Redis.from_url(redis_url) as raw, raw.pipeline(transaction=False) as pipe:
        for number in range(10_000):
            who = f"local:p{number}"
            record = {"contactId": who, "phoneNumber": who, "approvedAt": now + number, "approvedBy": "cli", "tier": "standard"}
            pipe.set(keys.approved(who), json.dumps(record))
            pipe.zadd(keys.INDEX_APPROVED, {who: now + number})
        turn = {"id": "t", "role": "user", "content": "an old friend", "timestamp": now, "type": "incoming"}
        pipe.zadd(keys.history("local:p3"), {json.dumps(turn): now})
        pipe.execute()
    async with screen() as on:
        await on.press("4")
        await on.until(lambda: len(on.keys("people")) == 10_000)
        assert on.keys("people")[0] == "local:p9999"
        await on.press("G")
        assert on.list("people").current == "local:p0"
        await on.press("slash")
        await on.write("p1234")
        await on.until(lambda: on.keys("people") == ["local:p1234"])
        await on.press("enter", "escape", "2")
        await on.until(lambda: len(on.keys("chats")) == 10_000)
        assert on.keys("chats")[:2] == ["local:p3", "local:p9999"]
        await on.until(lambda: "an old friend" in on.lines("chats")[0])
        await on.press("slash")
        await on.write("p1234")
        await on.until(lambda: on.keys("chats") == ["local:p1234"])


async def test_a_bug_ends_the_screen_without_a_word_of_anybody(
    town: Town, screen: OpenScreen, capfd: pytest.CaptureFixture[str]
) -> None:
    class OurBugError(Exception):
        pass

    await town.writes("xyzzy", "hello")
    secret = "xyzzy-canary"

    def fail() -> None:
        raise OurBugError(secret)

    async def scene() -> None:
        async with screen() as on:
            await on.until(lambda: on.keys("today") == ["local:xyzzy"])
            on.app.call_later(fail)
            await on.until(lambda: on.app.failure is not None)

    with pytest.raises(OurBugError):
        await scene()
    said = capfd.readouterr()
    assert "canary" not in said.out + said.err


@pytest.mark.heavy  # 3 s each: a screen and a store
@pytest.mark.parametrize("ending", ["hang up", "hang up, ignored", "SIGTERM"])
def test_a_screen_whose_terminal_goes_away_ends_and_so_does_its_store(home: Path, ending: str) -> None:
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);" if "ignored" in ending else ""
    program = f"{ignore}import sys; sys.argv[1:] = ['--home', {str(home)!r}, 'tui']; from secondme.cli.main import main; main()"
    terminal = Terminal([sys.executable, "-c", program], TERM="xterm-256color")
    try:
        terminal.read_until("no gateway")
        if ending == "SIGTERM":
            terminal.process.terminate()
            assert terminal.ended() == 0
        terminal.hang_up()
        terminal.process.wait(timeout=DEADLINE_S)
        asyncio.run(_no_server(home))
    finally:
        terminal.process.kill()
        terminal.process.wait()


async def _no_server(home: Path) -> None:
    await eventually(lambda: not server_pids(home))


def test_without_a_terminal_it_says_what_to_use_instead(home: Path) -> None:
    result = command(home, "tui")
    assert result.returncode == 78
    assert result.stderr == f"secondme: This needs a terminal. For scripts: secondme --home {home} pairing list --json\n"
    assert result.stdout == ""


async def test_while_the_screen_is_taken_down_what_comes_late_is_no_bug(screen: OpenScreen) -> None:
    async with screen() as on:
        app = on.app
        app._heard({"type": "reply_held", "contactId": "local:anna"})
    assert not app.screen_stack
    app._heard({"type": "pairing_verified", "contactId": "local:anna"})
    app.refresh_hints()
    app._tell()
    assert app.failure is None


@pytest.mark.heavy  # the store goes and comes back on every page
async def test_on_every_page_the_store_may_go_away_and_come_back(home: Path, screen: OpenScreen) -> None:
    private = settings_of(home)
    async with Store(private, Role.OWN) as store:
        await knock(store, private, "anna")
        over_url = settings_of(home, f"unix://{private.places.store_socket}")
        async with screen(home=over_url, size=(120, 30)) as on:
            for digit in DIGITS.values():
                await on.press(digit)
                await on.until(lambda: "Looking" not in shown(on))
                os.kill(server_pids(home)[0], signal.SIGKILL)
                await on.until(lambda: "store lost" in on.text("#bar"))
                await on.press("enter", "escape", "j", "k")
                assert on.app.failure is None
                await store.server.ensure()  # type: ignore[union-attr]  # it is a private one
                await on.until(lambda: "store lost" not in on.text("#bar"))
            await on.press("4")
            await on.until(lambda: on.keys("people") == ["local:anna"])
