"""Many homes in one server and in a cluster: everybody is answered once by their own home, whoever is killed; and what a home costs there.

`python tests/fault/homes.py` runs it with fifty homes of twenty people. Each message has a word of its own, which no other home ever sees. Some
homes have a gateway and a worker apart; two of each are killed while people write.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.process import WITHOUT_API, GatewayProcess, contact, eventually, let_in, settings_of, write_config
from fakes.redis_servers import RedisCluster, RedisServer, redis_cluster, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.channels.local.client import LocalClient

WORD = re.compile(r"h(\d{3})p(\d{2})n(\d)")
APART = 5
"""One home in so many has its worker in a process of its own."""
IDLE_S = 10.0
DRAIN_S = 120.0
PROMISES = ("lost", "twice", "in another home")
TO_THE_DISK = ("--appendonly", "yes")


@dataclass
class Home:
    """One home: its processes, its people, and what they saw."""

    number: int
    path: Path
    people: list[str]
    shown: dict[str, list[str]] = field(default_factory=dict)
    processes: dict[str, GatewayProcess] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"home{self.number:03d}"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("gateway", "worker") if self.number % APART == 0 else ("all",)

    def start(self, part: str) -> None:
        self.processes[part] = GatewayProcess(self.path, part)

    def word(self, person: int, message: int) -> str:
        return f"h{self.number:03d}p{person:02d}n{message}"

    async def note(self, who: str, client: LocalClient) -> None:
        """Write down what this person sees, until cancelled."""
        while True:
            event = await client.events.get()
            if event.kind == "message":
                self.shown.setdefault(who, []).append(event.text)


def settle(homes: list[Home], url: str) -> None:
    """Every home knows where its keys are."""
    for home in homes:
        write_config(home.path, WITHOUT_API + "[queue]\nlease_s = 2\n")
        config = home.path / "config.toml"
        config.write_text(f'redis_url = "{url}"\nredis_namespace = "{home.name}"\n{config.read_text()}')


def counts(homes: list[Home], messages: int) -> Counter[str]:
    """What the promises are measured by."""
    table = Counter[str](dict.fromkeys(("messages", "answers", *PROMISES), 0))
    for home in homes:
        for person, who in enumerate(home.people):
            wanted = [home.word(person, number) for number in range(messages)]
            seen = [match[0] for text in home.shown.get(who, []) for match in WORD.finditer(text)]
            table["messages"] += len(wanted)
            table["answers"] += len(home.shown.get(who, []))
            table["lost"] += len(set(wanted) - set(seen))
            table["twice"] += len(seen) - len(set(seen))
            table["in another home"] += len(set(seen) - set(wanted))
    return table


async def live(homes: list[Home], messages: int, rng: Random) -> Counter[str]:
    """Everybody writes `messages` times; meanwhile two gateways and two workers are killed, and started again."""
    async with AsyncExitStack() as people:
        clients: dict[tuple[int, int], LocalClient] = {}
        notes = []
        for home in homes:
            for person, who in enumerate(home.people):
                clients[home.number, person] = await people.enter_async_context(contact(home.path, who))
                notes.append(asyncio.ensure_future(home.note(who, clients[home.number, person])))
        killing, keeping = asyncio.ensure_future(kill(homes, rng)), asyncio.ensure_future(keep(homes))
        for number in range(messages):
            for home in homes:
                for person in range(len(home.people)):
                    clients[home.number, person].say(f"{home.word(person, number)}, what do you say?")
                await asyncio.sleep(rng.uniform(0, 0.05))
            end = time.monotonic() + DRAIN_S
            while counts(homes, number + 1)["lost"]:
                if time.monotonic() > end:
                    return counts(homes, messages) + stuck(homes, number + 1)
                await asyncio.sleep(0.1)
        await killing
        await asyncio.sleep(1)  # for what would come twice
        for task in (*notes, keeping):
            task.cancel()
    return counts(homes, messages)


async def keep(homes: list[Home]) -> None:
    """What ended by itself is started again, as a service manager does: a start gives up when the store does not answer in time, which it may
    not while dozens of programs start on two cores."""
    while True:
        for home in homes:
            for part, process in list(home.processes.items()):
                if process.process.poll() is not None and process.process.returncode >= 0:
                    process.close()
                    home.start(part)
        await asyncio.sleep(1)


def stuck(homes: list[Home], messages: int) -> Counter[str]:
    """In which homes somebody waits, and what their processes last said."""
    found: Counter[str] = Counter()
    for home in homes:
        if lost := counts([home], messages)["lost"]:
            said = [
                f"{part}: {process.process.poll()} {(home.path / f'stderr-{part}.log').read_text('utf-8', 'replace')[-300:]}"
                for part, process in home.processes.items()
            ]
            found[f"waiting in {home.name} ({'; '.join(said)})"] = lost
    return found


async def kill(homes: list[Home], rng: Random) -> None:
    """Two gateways and two workers that are processes of their own die at any moment, and two homes that are one process."""
    apart, whole = [home for home in homes if len(home.parts) > 1], [home for home in homes if len(home.parts) == 1]
    victims = [(home, part) for part in ("gateway", "worker") for home in rng.sample(apart, min(2, len(apart)))]
    victims += [(home, "all") for home in rng.sample(whole, min(2, len(whole)))]
    rng.shuffle(victims)
    for home, part in victims:
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        home.processes[part].kill(signal.SIGKILL)
        await home.processes[part].ended()
        home.processes[part].close()
        home.start(part)


def used(servers: list[RedisServer]) -> Iterator[tuple[int, int, int, float]]:
    """Of each server: bytes of data, keys, commands so far (those of scripts counted), seconds of CPU."""
    for server in servers:
        memory, stats, cpu = server.raw.info("memory"), server.raw.info("stats"), server.raw.info("cpu")
        yield (
            memory["used_memory"],
            server.raw.dbsize(),
            stats["total_commands_processed"],
            cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        )


def total(servers: list[RedisServer]) -> tuple[int, int, int, float]:
    """As `used`, of all."""
    sizes, keys, commands, cpu = zip(*used(servers), strict=True)
    return sum(sizes), sum(keys), sum(commands), sum(cpu)


def resident(homes: list[Home]) -> int:
    """Bytes of memory that the processes of all homes have."""
    pids = [str(process.process.pid) for home in homes for process in home.processes.values()]
    said = subprocess.run(["ps", "-o", "rss=", "-p", ",".join(pids)], capture_output=True, text=True, check=True).stdout
    return sum(int(line) for line in said.split()) * 1024


async def run(
    folder: Path, servers: list[RedisServer], url: str, size: tuple[int, int, int], seed: int
) -> tuple[Counter[str], dict[str, float]]:
    """What became of `size` homes, people of each and messages of each, and what a home costs."""
    how_many, people, messages = size
    homes = [Home(number, folder / f"h{number}", [f"p{person}" for person in range(people)]) for number in range(how_many)]
    settle(homes, url)
    empty = total(servers)
    with ExitStack() as ending:
        for home in homes:
            await let_in(settings_of(home.path), *home.people)
            ending.callback(lambda home=home: [process.close() for process in home.processes.values()])  # type: ignore[misc]
            for part in home.parts:
                home.start(part)
        for home in homes:
            socket = settings_of(home.path).places.local_socket
            await eventually(socket.exists)
        table = await live(homes, messages, Random(seed))
        before = total(servers)
        await asyncio.sleep(IDLE_S)
        after = total(servers)
        costs = {
            "KB of data a home": (before[0] - empty[0]) / how_many / 1024,
            "keys a home": (before[1] - empty[1]) / how_many,
            "idle commands a second, a home": (after[2] - before[2]) / IDLE_S / how_many,
            "idle CPU of the server, us a second, a home": (after[3] - before[3]) / IDLE_S / how_many * 1e6,
            "MB of processes a home": resident(homes) / how_many / 1024 / 1024,
        }
    return table, costs


async def in_one_server(folder: Path, size: tuple[int, int, int], seed: int) -> tuple[Counter[str], dict[str, float]]:
    """All of them in one server."""
    with redis_server(folder / "server", None, *TO_THE_DISK) as server:
        return await run(folder, [server], server.url, size, seed)


async def in_a_cluster(folder: Path, size: tuple[int, int, int], seed: int) -> tuple[Counter[str], dict[str, float]]:
    """All of them in a cluster of three nodes."""
    with redis_cluster(folder / "cluster", None, *TO_THE_DISK) as cluster:
        found = await run(folder, cluster.nodes, cluster.url, size, seed)
        assert spread(cluster) == len(cluster.nodes)
        return found


def spread(cluster: RedisCluster) -> int:
    """How many nodes have keys."""
    return sum(node.raw.dbsize() > 0 for node in cluster.nodes)


def told(name: str, table: Counter[str], costs: dict[str, float]) -> str:
    """What came of it."""
    lines = [f"{word:<46}{count:>10,}" for word, count in table.items()]
    return "\n".join([name, *lines, *(f"{word:<46}{value:>10,.1f}" for word, value in costs.items())])


def main() -> None:
    """Run both, print the tables, and end with 1 when a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--homes", type=int, default=50)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--messages", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    broken = False
    print(f"seed {wanted.seed}, {wanted.homes} homes, {wanted.people} people, {wanted.messages} messages each")
    for name, scene in (("one server", in_one_server), ("a cluster of three", in_a_cluster)):
        folder = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
        try:
            table, costs = asyncio.run(scene(folder, (wanted.homes, wanted.people, wanted.messages), wanted.seed))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(told(name, table, costs), flush=True)
        broken = broken or any(table[promise] for promise in PROMISES)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
