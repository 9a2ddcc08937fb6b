"""What does it cost? Each figure beside its floor, measured in the same run. Prints; decides nothing.

CPU time is what counts: wall time on a shared machine says little. Client CPU is this process's, server CPU the server's own
(`INFO cpu`), both divided by the number of operations; the best of several rounds, because noise only ever adds.
`--smoke` calls every measure with tiny counts, so that CI sees one break.
"""

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import uvloop
from commands import measure as measure_commands
from composing import measure as measure_composing
from content import measure as measure_content
from counts import IS_SMOKE, count
from fakes.channel import FakeChannel
from fakes.model import ScriptedModel
from fakes.process import DEADLINE_S, Terminal
from fakes.town import Town
from hearing import measure as measure_hearing
from importing import measure as measure_importing
from lists import measure as measure_lists
from migration import measure as measure_migration
from pictures import measure as measure_pictures
from redis.asyncio import Redis
from sandboxing import measure as measure_sandboxing
from screens import measure as measure_screens

from secondme.core.config.loader import load
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

MESSAGES = count(6000, 160)
ROUNDS = count(5, 1)
CYCLES = count(3, 1)
CYCLE_MESSAGES = count(2000, 50)
STARTS = count(5, 1)
IDLE_S = count(10, 1)
SETTLE_S = count(6, 0)
"""Until a gateway that has just started does nothing any more."""
IN_FLIGHT = 16
CONTACTS = 200
REPLIES = count(100, 50)

Operation = Callable[[int], Awaitable[object]]


class CountedStore(Store):
    """Counts how often the server is asked."""

    trips = 0

    async def call(self, command: Awaitable[Any], extra_s: float = 0.0) -> Any:
        self.trips += 1
        return await super().call(command, extra_s)


def row(name: str, value: str, floor: str = "", goal: str = "") -> None:
    print(f"{name:<44} {value:>16}  {floor:>22}  {goal}")


async def server_cpu(store: Store) -> float:
    info = await store.client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def cost(store: Store, operation: Operation) -> tuple[float, float, float]:
    """Best client CPU, server CPU and wall time of one operation, in microseconds."""
    best = (1e9, 1e9, 1e9)
    numbers = itertools.count()

    async def lane(share: int) -> None:
        for _ in range(share):
            await operation(next(numbers))

    for _ in range(ROUNDS):
        before = await server_cpu(store)
        cpu, wall = time.process_time(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(lane(MESSAGES // IN_FLIGHT))
        spent = (time.process_time() - cpu, await server_cpu(store) - before, time.perf_counter() - wall)
        best = tuple(min(old, new / MESSAGES * 1e6) for old, new in zip(best, spent, strict=True))  # type: ignore[assignment]
    return best


async def gate(store: Store, town: Town) -> None:
    async with Redis(unix_socket_path=str(town.setup.places.store_socket)) as raw:
        client, server, wall = await cost(store, lambda _: raw.ping())
        row("raw redis-py: PING", f"{client:.1f} us client", f"{server:.1f} us server", "the floor")
        sha = await raw.script_load("#!lua\nreturn 'ok'")
        words = [f"{number:040}" for number in range(28)]
        floor_client, floor_server, _ = await cost(store, lambda _: raw.evalsha(sha, 12, *words))
        row("raw redis-py: EVALSHA, empty, 28 words", f"{floor_client:.1f} us client", f"{floor_server:.1f} us server", "the floor")

    fresh = iter(range(10**9))

    async def admit(_: int) -> object:
        number = next(fresh)
        return await town.gateway.receive(town.message(f"c{number % CONTACTS}", "how are you today?"))

    await store.client.config_resetstat()
    client, server, wall = await cost(store, admit)
    stats = await store.client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(entry["calls"]) for name, entry in stats.items()}
    trips = calls["evalsha"] / (MESSAGES // IN_FLIGHT * IN_FLIGHT * ROUNDS)
    row("gated message: client CPU", f"{client:.1f} us", f"x{client / floor_client:.2f} of EVALSHA", "goal <= 65 us")
    row("gated message: server CPU", f"{server:.1f} us", f"+{server - floor_server:.1f} us over EVALSHA", "goal <= 28 us")
    row("gated message: round trips", f"{trips:.3f}", "", "exactly 1")
    row("gated messages per second of client CPU", f"{1e6 / client:,.0f}", f"EVALSHA {1e6 / floor_client:,.0f}", "goal >= 10,000")
    row("gated messages per second, wall", f"{1e6 / wall:,.0f}", "", "")


async def cycle(store: Store, town: Town) -> None:
    """Gate, worker, reply of a null model, sender, sent: everything a message passes, in one process."""
    channel = FakeChannel()
    town.rooms.channels[:] = [channel.factory()]  # type: ignore[index]
    best_cpu, best_wall = 1e9, 1e9
    for turn in range(CYCLES):
        channel.raw.clear()
        stop, ready = asyncio.Event(), asyncio.Event()
        gateway = Town(town.setup, store, town.model, Random(1))
        gateway.rooms.channels[:] = [channel.factory()]  # type: ignore[index]
        running_gateway = type(gateway.gateway)(gateway.rooms, town.setup.settings, gateway.clock, Random(1))
        running = asyncio.ensure_future(running_gateway.run(stop, ready))
        await ready.wait()
        cpu, wall, server = time.process_time(), time.perf_counter(), await server_cpu(store)
        for number in range(CYCLE_MESSAGES):
            who = f"f{turn}-{number}"
            await running_gateway.receive(town.message(who, "hi"))
        async with asyncio.timeout(DEADLINE_S):
            while len(channel.raw) < CYCLE_MESSAGES:
                await asyncio.sleep(0.001)
        best_cpu = min(best_cpu, (time.process_time() - cpu) / CYCLE_MESSAGES)
        best_wall = min(best_wall, (time.perf_counter() - wall) / CYCLE_MESSAGES)
        server_each = (await server_cpu(store) - server) / CYCLE_MESSAGES
        stop.set()
        await running
    row("full cycle: client CPU", f"{best_cpu * 1e6:.0f} us", f"server {server_each * 1e6:.0f} us", "goal <= 1,050 us")
    row("full cycles per second, wall", f"{1 / best_wall:,.0f}", "", "goal >= 1,000")


async def trips_of_a_reply(store: CountedStore, town: Town) -> None:
    """How often the server is asked from a message to its reply, with contacts who write together; what learns and remembers beside it is
    not counted."""
    trips = store.trips
    for number in range(REPLIES):
        await town.gateway.receive(town.message(f"c{number}", "could you tell me where we meet tomorrow?"))
    await town.work()
    await town.deliver()
    assert len(town.channel.raw) == REPLIES
    row("a reply: round trips", f"{(store.trips - trips) / REPLIES:.1f}", "", "goal <= 9")


async def store_figures(home: Path) -> None:
    setup = load({"pacing.enabled": False, "sleep.enabled": False, "limits.messages": 10**9, "queue.slots": 32}, {}, home=home)
    async with CountedStore(setup, Role.OWN) as store:
        town = Town(setup, store, ScriptedModel(), Random(1))
        await approve(store)
        await gate(store, town)
        await store.client.flushall()
        await approve(store)
        await trips_of_a_reply(store, town)
        await cycle(store, town)


async def approve(store: Store) -> None:
    """Everybody who writes here is let in."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    pipe = store.client.pipeline(transaction=False)
    names = [f"c{n}" for n in range(CONTACTS)] + [f"f{turn}-{n}" for turn in range(CYCLES) for n in range(CYCLE_MESSAGES)]
    for name in names:
        pipe.set(
            keys.approved(f"local:{name}"),
            f'{{"contactId":"local:{name}","phoneNumber":"1","approvedAt":{now},"approvedBy":"bench","tier":"standard"}}',
        )
    await pipe.execute()


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def gateway(home: Path) -> None:
    """A real `serve`: CPU until its socket is there, memory two seconds later; and what it costs while nobody writes."""
    program = str(Path(sys.executable).with_name("secondme"))
    best = 1e9
    for start in range(STARTS):
        process = subprocess.Popen(
            [program, "--home", str(home), "serve"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            best = min(best, spent_when_ready(process, home))
            time.sleep(2)
            memory = resident_mb(process.pid)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            server = sum(resident_mb(int(pid)) for pid in children)
            if start == STARTS - 1:
                idling(process.pid, [int(pid) for pid in children])
        finally:
            process.terminate()
            process.wait()
    row("gateway: start to ready", f"{best:.2f} s CPU", "", "goal <= 0.8 s")
    row("gateway: idle memory", f"{memory:.0f} MB", f"server {server:.0f} MB", "goal <= 60 MB")


def idling(gateway: int, children: list[int]) -> None:
    """How often the processes wake, and how much CPU they spend, while nothing happens."""
    time.sleep(SETTLE_S)
    before = {pid: (wakeups_of(pid), nanoseconds_of(pid)) for pid in (gateway, *children)}
    time.sleep(IDLE_S)
    after = {pid: (wakeups_of(pid), nanoseconds_of(pid)) for pid in before}
    woken, spent = ({pid: after[pid][at] - before[pid][at] for pid in before} for at in (0, 1))
    server_woken, server_spent = (sum(each[pid] for pid in children) for each in (woken, spent))
    a_minute = 60 / IDLE_S / 1e6
    row("gateway: idle wakeups a second", f"{woken[gateway] / IDLE_S:.1f}", f"server {server_woken / IDLE_S:.1f}", "goal <= 12")
    idle_ms = f"{spent[gateway] * a_minute:.0f} ms CPU"
    row("gateway: a minute of idling", idle_ms, f"server {server_spent * a_minute:.0f} ms", "goal <= 130 ms")


def wakeups_of(pid: int) -> int:
    """How often its threads have waited and were woken so far."""
    lines = [line for task in Path(f"/proc/{pid}/task").iterdir() for line in (task / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def nanoseconds_of(pid: int) -> int:
    """CPU that its threads have spent so far: `spent_by` counts hundredths of a second."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def spent_when_ready(process: "subprocess.Popen[bytes]", home: Path) -> float:
    """CPU seconds of a gateway until its socket is there."""
    deadline = time.monotonic() + DEADLINE_S
    while not (home / "data" / "local.sock").exists():
        assert process.poll() is None, f"the gateway ended with {process.returncode} before it was ready"
        assert time.monotonic() < deadline, "the gateway does not get ready"
        time.sleep(0.005)
    return spent_by(process.pid)


def screen(home: Path) -> None:
    """The owner's screen on a terminal: CPU until it shows how things stand, then its CPU in ten idle seconds, and its memory.
    The home must be there, as the gateway has left it: the screen refuses one that nobody has made."""
    with Terminal([str(Path(sys.executable).with_name("secondme")), "--home", str(home), "tui"], TERM="xterm-256color") as terminal:
        terminal.read_until("no gateway")
        shown = spent_by(terminal.process.pid)
        time.sleep(IDLE_S)
        idle = spent_by(terminal.process.pid) - shown
        row("screen: start to shown", f"{shown:.2f} s CPU", f"{resident_mb(terminal.process.pid):.0f} MB", "goal <= 0.9 s, 62 MB")
        row(f"screen: {IDLE_S} idle seconds", f"{idle:.2f} s CPU", "", "goal <= 0.15 s")
        terminal.type("q")
        terminal.ended()


def spent_by(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp"))
    try:
        row("what", "figure", "beside", "")
        if IS_SMOKE:
            print("A smoke run: every measure is called, no figure means anything.")
        uvloop.run(store_figures(home / "store"))
        measure_commands()
        if sys.platform == "linux":
            gateway(home / "gateway")
            screen(home / "gateway")
            measure_screens(row)
        measure_content()
        measure_composing()
        measure_sandboxing()
        measure_migration()
        measure_importing()
        measure_lists(row)
        measure_pictures()
        measure_hearing()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
