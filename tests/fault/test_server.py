"""The embedded server is killed, several processes want it at once, its owner is killed: one server, nothing lost, no orphan."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fakes.process import (
    WITHOUT_API,
    Books,
    GatewayProcess,
    command,
    contact,
    data_of,
    environment,
    eventually,
    knock,
    let_in,
    server_pids,
    settings_of,
    write_config,
)
from redis import Redis

from secondme.channels.local.protocol import contact_of
from secondme.core.store.client import Store
from secondme.core.store.server import Role

pytestmark = pytest.mark.heavy  # stores that are killed under gateways

BORROWER = """
import asyncio, sys
from pathlib import Path
from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.core.store.server import Role
async def main():
    async with Store(load({}, {}, home=Path(sys.argv[1])), Role.BORROW):
        print("borrowed", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


def borrower(home: Path) -> subprocess.Popen[str]:
    """A short command that owns the server of `home` until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", BORROWER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "borrowed\n"
    return process


async def test_messages_survive_the_server_being_killed_under_a_running_gateway(home: Path) -> None:
    write_config(
        home, WITHOUT_API + "[queue]\nmax_attempts = 100\nlease_s = 1\n[delivery]\ntimeout_s = 0.2\n[limits]\nmessages = 100000\n"
    )
    names, books, store = ["c0", "c1", "c2"], Books(), settings_of(home).places.store
    await let_in(settings_of(home), *names)
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        notes = [group.create_task(books.note(name, client)) for name, client in clients.items()]
        with GatewayProcess(home) as gateway:
            for killed in range(4):
                (server,) = await eventually(lambda: server_pids(home))
                for number in range(30):
                    books.say(names[number % 3], clients[names[number % 3]], f"{killed} {number}")
                    if number == 15:
                        os.kill(server, signal.SIGKILL)
                    await asyncio.sleep(0.005)
                await eventually(lambda gone=server: server_pids(home) not in ([], [gone]))
            await eventually(lambda: len(books.accepted) == 120 and books.counts(store)["lost"] == 0)
            assert gateway.process.poll() is None
        for note in notes:
            note.cancel()
    counts = books.counts(store)
    print({"kills": 4, **counts})
    assert [counts[name] for name in ("lost", "answered twice", "inversions")] == [0, 0, 0]
    await eventually(lambda: server_pids(home) == [])


def test_six_commands_at_once_on_an_empty_home_share_one_server_and_leave_none(home: Path) -> None:
    words = [sys.executable, "-m", "secondme", "--home", str(home), "pairing", "list", "--json"]
    running = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) for _ in range(6)
    ]
    most = 0
    while any(process.poll() is None for process in running):
        most = max(most, len(server_pids(home)))
    print({"commands": 6, "exit codes": [process.returncode for process in running], "servers at once": most})
    assert [(process.returncode, process.communicate()[1]) for process in running] == [(0, "")] * 6
    assert most == 1
    assert server_pids(home) == []


async def test_killing_the_command_that_owns_the_server_harms_nobody(home: Path) -> None:
    write_config(home, WITHOUT_API)
    owning = borrower(home)
    (server,) = server_pids(home)
    setup = settings_of(home)
    async with Store(setup, Role.BORROW) as attached:
        await attached.call(attached.client.set("before", "1"))
        owning.kill()
        owning.communicate()
        await eventually(lambda: server not in server_pids(home))
        assert await attached.call(attached.client.get("before")) == b"1"
        assert command(home, "pairing", "list").returncode == 0
        assert len(server_pids(home)) == 1
    await eventually(lambda: server_pids(home) == [])


async def test_serve_waits_for_a_command_that_owns_the_server_and_then_owns_one(home: Path) -> None:
    write_config(home, WITHOUT_API)
    owning = borrower(home)
    lock = settings_of(home).places.store / "lock"
    with GatewayProcess(home) as gateway:
        gateway_lock = settings_of(home).places.gateway_lock
        await eventually(lambda: gateway_lock.exists() and gateway_lock.read_text() == str(gateway.process.pid))
        assert '"role": "command"' in lock.read_text()
        owning.communicate("")
        await eventually(lambda: '"role": "serve"' in lock.read_text())
        async with contact(home, "anna") as anna:
            assert (await anna.events.get()).kind == "connected"
        second = command(home, "serve")
        assert (second.returncode, second.stdout) == (75, "")
        said = f"secondme: A gateway of this home is running (pid {gateway.process.pid}). Try: secondme --home {home} status\n"
        assert second.stderr == said
        assert data_of(command(home, "pairing", "list", "--json"))["contacts"] == []
        assert len(server_pids(home)) == 1
    await eventually(lambda: server_pids(home) == [])


async def test_two_processes_that_approve_a_hundred_each_keep_two_hundred(home: Path, redis_url: str) -> None:
    write_config(home, "[pairing]\nmax_pending_requests = 1000\n")
    setup, names = settings_of(home, redis_url), [f"c{number}" for number in range(200)]
    Redis.from_url(redis_url).flushall()
    async with Store(setup, Role.ATTACH) as store:
        for name in names:
            await knock(store, setup, name)
    ids = [contact_of(name) for name in names]
    halves = [
        asyncio.to_thread(command, home, "pairing", "approve", *half, SECONDME_REDIS_URL=redis_url)
        for half in (ids[::2], ids[1::2])
    ]
    assert [result.returncode for result in await asyncio.gather(*halves)] == [0, 0]
    listed = data_of(command(home, "pairing", "list", "--status", "approved", "--json", SECONDME_REDIS_URL=redis_url))
    print({"approvals kept": listed["stats"]["approved"]})
    assert (listed["stats"]["approved"], {row["contactId"] for row in listed["contacts"]}) == (200, set(ids))


async def test_status_does_not_believe_in_a_gateway_that_was_killed(home: Path) -> None:
    write_config(home, WITHOUT_API)
    with GatewayProcess(home) as gateway:
        await eventually(lambda: command(home, "status").returncode == 0)
        gateway.kill()
        await gateway.ended()
    status = command(home, "status", "--json")
    assert (status.returncode, data_of(status)["processes"]) == (1, [])


async def test_a_window_that_is_closed_stops_the_gateway_in_order(home: Path) -> None:
    write_config(home, WITHOUT_API)
    with GatewayProcess(home) as gateway:
        async with contact(home, "anna") as anna:
            assert (await anna.events.get()).kind == "connected"
        gateway.kill(signal.SIGHUP)
        assert await gateway.ended() == 0
    assert not settings_of(home).places.local_socket.exists()
