"""What a server sees and can do in its sandbox, that it ends whatever it does, and that without a sandbox it does not run."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from fakes.process import environment
from fakes.size import sized
from skills.calls import descendants
from skills.mcp.rig import LIBRARY, STRANGERS, clock, here, launch_of, missing_program, needs_bubblewrap, stranger, talking

from secondme.core.errors import UnavailableError
from secondme.skills.mcp.client import McpClient
from secondme.skills.mcp.confined import MEMORY_BYTES, ConfinedProcess
from secondme.skills.mcp.stdio import StdioTransport

GATEWAY = """
import asyncio, sys
from skills.mcp.rig import launch_of, stranger, talking

async def main():
    async with talking(launch_of(stranger("daemon"))) as one, talking(launch_of(stranger("silent"))) as other:
        await one.call("echo", {})
        print("ready", flush=True)
        await other.call("echo", {})

asyncio.run(main())
"""


def living(processes: Iterable[int]) -> set[int]:
    """Those that run; one that nobody waited for has ended too."""
    found = set()
    for each in processes:
        try:
            if Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(each)
        except OSError:
            continue
    return found


def command_of(process: int) -> bytes:
    """Its command line, as everybody can read it."""
    return Path(f"/proc/{process}/cmdline").read_bytes()


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def ended(processes: Iterable[int]) -> float:
    """Seconds until none of them runs; at most ten."""
    started = time.monotonic()
    while living(processes) and time.monotonic() - started < 10:
        await asyncio.sleep(0.005)
    return time.monotonic() - started


@needs_bubblewrap
async def test_nothing_of_the_owner_is_seen_and_nothing_can_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-of-the-environment")
    canary = tmp_path / "canary.txt"
    canary.write_text("canary-of-a-file")
    paths = [
        str(canary),
        str(Path.home()),
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hostname",
        "/var",
        "/sys",
        f"/proc/{os.getpid()}/environ",
        "/proc/1/environ",
    ]
    async with talking(launch_of(stranger(), environment={"API_KEY": "given"})) as client:
        said = (await client.call("look", {"paths": paths, "pid": os.getpid()})).text
    assert "canary" not in said.replace(str(canary), "")
    seen = json.loads(said)
    names = {"PATH", "HOME", "NODE_OPTIONS", "API_KEY", "PWD", "LC_CTYPE"}  # the last two are the shell's and Python's own
    assert (set(seen["environment"]) - names, seen["environment"]["API_KEY"]) == (set(), "given")
    assert {seen[path] for path in paths[:-1]} == {"FileNotFoundError"}
    assert seen["processes"] <= 3
    assert {seen[path] for path in ("/evil", "/run/evil", "/usr/evil")} <= {
        "OSError",
        "FileNotFoundError",
    }  # read-only, or not there
    assert seen["/tmp/mine"] == "written"  # its own, in memory, gone with it
    assert "mine" not in os.listdir("/tmp")  # noqa: PTH208
    refused = {name: seen[name] for name in ("tcp", "udp", "dns", "raw", "netlink", "kill", "unshare")}
    assert "done" not in refused.values(), refused
    os.kill(os.getpid(), 0)


@needs_bubblewrap
async def test_what_it_is_given_stands_on_no_command_line() -> None:
    async with talking(launch_of(stranger(), environment={"API_KEY": "swordfish"})) as client:
        process = client._transport.process.pid  # type: ignore[attr-defined]
        lines = [command_of(each) for each in (process, *descendants(process))]
        assert len(lines) >= 2
        assert [line for line in lines if b"swordfish" in line] == []


@needs_bubblewrap
@pytest.mark.parametrize("what", ["memory", "processes"])
async def test_a_server_that_takes_too_much_is_killed(what: str) -> None:
    async with talking(launch_of(stranger())) as client:
        process = client._transport.process  # type: ignore[attr-defined]
        with pytest.raises(UnavailableError) as told:
            await client.call("grab", {"what": what})
        assert (told.value.code, process.was_too_large) == ("too_much", True)
        assert living([process.pid]) == set()
    assert MEMORY_BYTES == 512 << 20


@needs_bubblewrap
async def test_a_closed_session_leaves_no_process() -> None:
    async with talking(launch_of(stranger("daemon"))) as client:
        assert (await client.call("echo", {})).text == "started"
        process = client._transport.process.pid  # type: ignore[attr-defined]
        theirs = [process, *descendants(process)]
        assert len(theirs) >= 3
    assert await ended(theirs) < 5


async def _restart(times: int) -> list[int]:
    theirs: list[int] = []
    for _ in range(times):
        async with talking(launch_of(stranger())) as client:
            process = client._transport.process.pid  # type: ignore[attr-defined]
            theirs += [process, *descendants(process)]
    return theirs


@needs_bubblewrap
async def test_ten_restarts_leave_neither_a_process_nor_a_descriptor() -> None:
    await _restart(1)
    before = descriptors()
    theirs = await _restart(10)
    assert len(theirs) >= 20
    assert await ended(theirs) < 5
    assert descriptors() == before


@pytest.mark.heavy
@needs_bubblewrap
async def test_a_hundred_restarts_leave_no_process() -> None:
    theirs = await _restart(sized(100, 100))
    took_s = await ended(theirs)
    print(f"{len(theirs)} processes of 100 servers, none left after {took_s * 1000:.0f} ms")
    assert living(theirs) == set()


@needs_bubblewrap
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_gateway_that_is_killed_leaves_no_server(number: signal.Signals) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    gateway = subprocess.Popen([sys.executable, "-c", GATEWAY], stdout=subprocess.PIPE, env=environment(PYTHONPATH=path))  # noqa: ASYNC220
    assert gateway.stdout is not None
    assert await asyncio.to_thread(gateway.stdout.readline) == b"ready\n"
    theirs = descendants(gateway.pid)
    assert len(theirs) >= 5
    gateway.send_signal(number)
    await asyncio.to_thread(gateway.wait)
    took_s = await ended(theirs)
    print(f"{len(theirs)} processes, none left after {took_s * 1000:.0f} ms")
    assert living(theirs) == set()
    gateway.stdout.close()


@needs_bubblewrap
async def test_a_program_that_does_not_start_ends_the_session_and_says_why() -> None:
    process = ConfinedProcess.start(launch_of(stranger("ends_at_once")), here(), clock, keep_errors=True)
    client = McpClient(StdioTransport(process, clock))
    with pytest.raises(UnavailableError) as told:
        await client.start()
    assert (told.value.code, process.last_words()) == ("ended", "cannot find my settings")
    await client.close()
    await client.close()


def test_without_bubblewrap_nothing_runs_bare() -> None:
    found = missing_program()
    assert (found.program, bool(found.why_not), "Install bubblewrap" in found.fix) == ("", True, True)
    with pytest.raises(UnavailableError) as told:
        ConfinedProcess.start(launch_of(stranger(), LIBRARY), found, clock)
    assert (told.value.code, told.value.fix) == ("no_sandbox", found.fix)


@needs_bubblewrap
@pytest.mark.parametrize("says", ["exit 1", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"])
def test_a_bubblewrap_that_may_not_make_namespaces_is_none(tmp_path: Path, says: str) -> None:
    from secondme.skills.mcp.confined import find_bubblewrap

    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    found = find_bubblewrap(str(program))
    assert found.why_not.startswith("bubblewrap does not start")
    assert "userns" in found.fix
    assert STRANGERS.is_dir()
