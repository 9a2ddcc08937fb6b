"""Settings that are changed while the gateway runs: taken over at once, or by a new start in which nothing is lost, twice, or left half done."""

import asyncio
import inspect
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.model import ScriptedModel
from fakes.process import (
    WITHOUT_API,
    Books,
    GatewayProcess,
    Terminal,
    command,
    contact,
    data_of,
    eventually,
    let_in,
    logged,
    server_pids,
    settings_of,
    write_config,
)

from secondme.core.config.loader import known_names, load
from secondme.core.config.models import Section
from secondme.core.config.reload import AT_ONCE, is_taken_at_once, take_over
from secondme.core.errors import BusyError, DataError
from secondme.core.gateway.lifecycle import Lifecycle
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services

NOTHING_WRONG = {"lost": 0, "answered twice": 0, "inversions": 0}


async def run(home: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(command, home, *words, **env)


def starts(home: Path) -> int:
    return len(logged(home, "ready"))


async def ready(home: Path, count: int = 1) -> None:
    await eventually(lambda: starts(home) >= count and settings_of(home).places.control_sockets())


@pytest.mark.heavy  # a gateway that starts anew three times while people write
async def test_no_message_is_lost_or_answered_twice_while_the_gateway_starts_anew(home: Path) -> None:
    write_config(home, WITHOUT_API + "[limits]\nmessages = 100000\nfast_exchanges = 0\n[memory]\nenabled = false\n")
    names = [f"c{number}" for number in range(4)]
    await let_in(settings_of(home), *names)
    books, appended = Books(), settings_of(home).places.store
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        notes = [group.create_task(books.note(name, client)) for name, client in clients.items()]
        with GatewayProcess(home) as gateway:
            await ready(home)
            for _ in range(3):
                for name, client in clients.items():
                    books.say(name, client, f"{name} {len(books.said.get(name, []))}")
                restarting = asyncio.ensure_future(run(home, "restart", "--json"))
                while not restarting.done():
                    for name, client in clients.items():
                        books.say(name, client, f"{name} {len(books.said[name])}")
                    await asyncio.sleep(0.4)
                (one,) = data_of(await restarting)["restarted"]
                assert one == {"part": "all", "pid": gateway.process.pid, "by": "itself"}
                assert data_of(await run(home, "status", "--json"))["processes"][0]["pid"] == gateway.process.pid
            everything = sum(map(len, books.said.values()))
            await eventually(lambda: len(books.accepted) == everything and books.counts(appended)["lost"] == 0)
            assert len(server_pids(home)) == 1
        for note in notes:
            note.cancel()
    counts = books.counts(appended)
    print(counts)
    assert {name: counts[name] for name in NOTHING_WRONG} == NOTHING_WRONG
    assert starts(home) == 4


async def test_a_gateway_goes_on_with_settings_that_cannot_work(home: Path) -> None:
    write_config(home)
    with GatewayProcess(home) as gateway:
        await ready(home)
        for broken, code in (("nonsense =", 78), ("[pacing]\nscale = 99\n", 78), ('[api]\nlisten = "0.0.0.0:1"\n', 78)):
            (home / "config.toml").write_text(broken)
            refused = await run(home, "restart")
            assert (refused.returncode, refused.stdout) == (code, "")
            assert len(refused.stderr.splitlines()) == 1
        (home / "config.toml").write_text('redis_url = "redis://127.0.0.1:1/0"\n')
        refused = await run(home, "restart")
        assert refused.returncode == 69, refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        (home / "config.toml").write_text('[store]\nserver = "/nowhere/redis-server"\n')
        assert (await run(home, "restart")).returncode == 78
        write_config(home)
        assert data_of(await run(home, "status", "--json"))["processes"][0]["pid"] == gateway.process.pid
    assert starts(home) == 1


async def test_where_nothing_runs_it_says_what_to_type(home: Path) -> None:
    write_config(home)
    for word in ("restart", "reload"):
        answer = await run(home, word)
        assert answer.returncode == 1
        assert answer.stdout == f"Nothing runs here. Start it: secondme --home {home} serve\n"
        assert (await run(home, word, "--json")).returncode == 1


async def test_two_at_once_are_one_start(home: Path) -> None:
    write_config(home, WITHOUT_API)
    with GatewayProcess(home):
        await ready(home)
        both = await asyncio.gather(*(run(home, "restart", "--json") for _ in range(2)))
        assert [each.returncode for each in both] == [0, 0], [each.stdout + each.stderr for each in both]
        assert starts(home) in {2, 3}
        assert list((home / "data").glob("restarting-*")) == []
        assert data_of(await run(home, "status", "--json"))["processes"]


@pytest.mark.heavy  # a gateway that dies, and another
async def test_one_that_is_killed_in_the_middle_is_said_and_started_by_hand(home: Path) -> None:
    write_config(home, WITHOUT_API)
    await let_in(settings_of(home), "anna")
    with GatewayProcess(home, "all", "serve.anew:KILL:1") as gateway:
        await ready(home)
        failed = await run(home, "restart")
        assert failed.returncode == 69
        assert "did not start anew" in failed.stderr
        assert await gateway.ended() == -9
    assert (await run(home, "restart")).returncode == 1
    with GatewayProcess(home):
        await ready(home, 2)
        async with contact(home, "anna") as anna:
            anna.say("hello")
            assert (await run(home, "restart")).returncode == 0
    assert list((home / "data").glob("restarting-*")) == []


async def test_what_keeps_it_from_starting_anew_is_told(home: Path) -> None:
    write_config(home, WITHOUT_API)
    with GatewayProcess(home, "all", "serve.anew:STOP:1") as gateway:
        await ready(home)
        waiting = asyncio.ensure_future(run(home, "restart"))
        await eventually(lambda: bool(logged(home, "restarting")) and gateway.is_stopped())
        settings_of(home).places.restore_note.write_text("{}")
        gateway.kill(18)  # SIGCONT
        failed = await waiting
    assert failed.returncode == 78
    assert "A restore of this home was broken off." in failed.stderr


@pytest.mark.heavy  # a gateway and two workers
async def test_workers_start_anew_with_their_gateway(home: Path) -> None:
    write_config(home, WITHOUT_API)
    with ExitStack() as open_:
        gateway = open_.enter_context(GatewayProcess(home, "gateway"))
        await ready(home)
        workers = [open_.enter_context(GatewayProcess(home, "worker")) for _ in range(2)]
        await eventually(lambda: len(settings_of(home).places.control_sockets()) == 3 and starts(home) == 3)
        answer = await run(home, "restart", "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        restarted = data_of(answer)["restarted"]
        pids = [gateway.process.pid, *sorted(each.process.pid for each in workers)]
        assert [(each["part"], each["pid"]) for each in restarted] == list(zip(["gateway", "worker", "worker"], pids, strict=True))
        assert all(each.process.poll() is None for each in (gateway, *workers))
        taken = data_of(await run(home, "reload", "--json"))["processes"]
        assert len(taken) == 3
    assert starts(home) == 6


def test_a_terminal_sees_it_start_anew(home: Path) -> None:
    write_config(home, WITHOUT_API)
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "serve"], controls=True) as terminal:
        terminal.read_until("is running. Ctrl-C stops it")
        assert command(home, "restart").returncode == 0
        terminal.read_until("Starting anew, with the settings as they are now")
        terminal.read_until("is running. Ctrl-C stops it")
        terminal.type("\x03")
        assert terminal.ended() == 0


async def test_a_gateway_says_what_it_took_over_and_what_needs_a_new_start(home: Path) -> None:
    write_config(home)
    with GatewayProcess(home):
        await ready(home)
        assert (await run(home, "reload")).stdout == "No setting was changed.\n"
        write_config(home, '[limits]\nmessages = 3\n[log]\nlevel = "debug"\n[webhooks]\nlisten = "127.0.0.1:0"\n')
        (home / ".env").write_text("SECONDME_MODEL__API_KEY=sk-new\n")
        (home / ".env").chmod(0o600)
        answer = await run(home, "reload")
        taken, waiting = answer.stdout.splitlines()
        assert taken == "Taken over: model.api_key, limits.messages, log.level."
        assert waiting == f"Needs a new start: webhooks.listen. Type: secondme --home {home} restart"
        assert "sk-new" not in answer.stdout + answer.stderr
        again = data_of(await run(home, "reload", "--json"))["processes"][0]
        assert (again["taken"], again["waiting"]) == ([], ["webhooks.listen"])
        (home / "config.toml").write_text("broken")
        refused = await run(home, "reload")
        assert refused.returncode == 78
        write_config(home)
    assert starts(home) == 1


async def test_the_api_reloads_and_restarts_on_the_socket_without_a_token(home: Path) -> None:
    write_config(home)
    places = settings_of(home).places
    with GatewayProcess(home) as gateway:
        await ready(home)
        await eventually(places.api_socket.exists)
        transport = httpx.AsyncHTTPTransport(uds=str(places.api_socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
            write_config(home, "[limits]\nmessages = 3\n")
            assert (await client.post("/api/reload")).json() == {"taken": ["limits.messages"], "waiting": []}
            (home / "config.toml").write_text("broken")
            refused = [await client.post(f"/api/{word}") for word in ("reload", "restart")]
            assert [(each.status_code, each.json()["error"]["code"]) for each in refused] == [(409, "malformed_config")] * 2
            write_config(home)
            answer = await client.post("/api/restart")
            assert (answer.status_code, answer.json()) == (202, {"outcome": "restarting", "pid": gateway.process.pid})
        await eventually(lambda: starts(home) == 2)
        assert gateway.process.poll() is None


def test_a_group_that_is_named_is_one() -> None:
    names = list(known_names())
    for each in AT_ONCE:
        assert each in names or any(name.startswith(each.removesuffix("*")) for name in names), each


def test_what_is_taken_over_reaches_the_running_sections_and_leaves_defaults_alone(tmp_path: Path) -> None:
    running = load({}, {}, home=tmp_path).settings
    pacing, jobs = running.pacing, running.jobs
    wanted = {"pacing.scale": 3, "jobs.limits.unanswered": 1, "memory.weights.graph": 0, "secrets": "keyring", "store.timeout_s": 9}
    found = take_over(
        running, load({}, {}, home=tmp_path).settings.__class__.model_validate(load(wanted, {}, home=tmp_path).settings)
    )
    assert (set(found.taken), found.waiting) == (set(wanted) - {"store.timeout_s"}, ("store.timeout_s",))
    assert (pacing.scale, jobs.limits.unanswered, running.memory.weights.graph) == (3, 1, 0)
    fresh = load({}, {}, home=tmp_path).settings
    assert (fresh.pacing.scale, fresh.jobs.limits.unanswered, fresh.memory.weights.graph, running.store.timeout_s) == (1, 2, 1, 2)


async def test_nothing_that_is_taken_over_at_once_was_copied_when_the_gateway_was_built(
    redis_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part of a gateway is built; of the settings that count at once, none is read meanwhile: each is looked at when it is needed."""
    setup = load(
        {
            "redis_url": redis_url,
            "hearing.enabled": True,
            "hearing.api_key": "k",
            "speech.enabled": True,
            "speech.consent": "stock-voice",
        },
        {},
        home=home,
    )
    sections = {id(getattr(setup.settings, name)): name for name in type(setup.settings).model_fields}
    read: set[str] = set()
    usual = Section.__getattribute__

    def noted(self: Any, name: str) -> Any:
        if (group := sections.get(id(self))) is not None and name in type(self).model_fields:
            read.add(f"{group}.{name}")
        return usual(self, name)

    async with Store(setup, Role.ATTACH) as store:
        services = Services(setup, store)
        monkeypatch.setattr(Section, "__getattribute__", noted)
        services.gateway(ScriptedModel([]))
        for name in dir(Services):
            if isinstance(inspect.getattr_static(Services, name), cached_property):  # what is made once and kept
                getattr(services, name)
        monkeypatch.undo()
        await services.close()
    assert len(read) > 20
    assert sorted(name for name in read if is_taken_at_once(name)) == []


async def test_a_process_that_is_told_to_end_while_it_is_about_to_start_anew_only_ends(tmp_path: Path) -> None:
    async def nothing(_: object) -> None:
        """As it is."""

    setup, stop = load({}, {}, home=tmp_path), asyncio.Event()
    lifecycle = Lifecycle(setup, "all", stop, asyncio.Event(), check=nothing, taken=nothing)
    assert not lifecycle.end_instead()
    assert await lifecycle.restart() == "restarting"
    assert await lifecycle.restart() == "already_restarting"
    assert setup.places.restart_notes() != []
    assert lifecycle.end_instead()
    assert (lifecycle.is_restarting, stop.is_set(), setup.places.restart_notes()) == (False, True, [])
    with pytest.raises(BusyError):
        await lifecycle.restart()


async def test_a_demo_is_not_started_anew(tmp_path: Path) -> None:
    async def nothing(_: object) -> None:
        """As it is."""

    setup, stop = load({}, {}, home=tmp_path), asyncio.Event()
    lifecycle = Lifecycle(setup, "all", stop, asyncio.Event(), check=nothing, taken=nothing, may_restart=False)
    with pytest.raises(BusyError):
        await lifecycle.answer("restart")
    with pytest.raises(DataError):
        await lifecycle.answer("dance")
    assert not stop.is_set()
