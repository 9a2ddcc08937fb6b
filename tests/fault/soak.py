"""A run of many messages over two channels under everything that can go wrong, and the table of what came of them.

`nox -s soak` runs it with 10,000 messages. Gateways and workers are killed at any moment and frozen past their leases, the store is killed,
frozen and left without disk, the model and Telegram fail in every way that their servers here know. Each message carries a word of its
own, and the model answers with the words it was asked for: so what each contact sees says which messages were answered, how often, in
which order, and whose they were.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import bot_api, messages_api
from fakes.process import contact, eventually, let_in, settings_of
from fakes.telegram_town import TelegramTown, contact_of, telegram_town
from redis import Redis
from redis.exceptions import RedisError

from secondme.channels.local.client import LocalClient
from secondme.core.errors import SecondmeError
from secondme.core.store.server import find_server

CONFIG = (
    "[queue]\nlease_s = 1\nmax_attempts = 100\n[delivery]\ntimeout_s = 0.5\n[limits]\nmessages = 100000\n"
    "[model]\ntimeout_s = 2\n[store]\ntimeout_s = 1\n"
)
WORD = re.compile(r"q\d{5}")
DISK_BYTES = 256 * 1024 * 1024
DRAIN_S = 240.0
"""How long what waits may take after the last fault."""
PROMISES = ("lost", "shown twice", "order inversions", "to the wrong contact")


@contextmanager
def small_disk(path: Path) -> Iterator[bool]:
    """True when `path` is a disk of its own, which can be filled without harm to this machine."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    is_own = subprocess.run(words, check=False, capture_output=True).returncode == 0
    try:
        yield is_own
    finally:
        if is_own:
            subprocess.run(["umount", "-l", str(path)], check=True)


class StoreProcess:
    """A store's server on a directory of ours, which can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.socket = directory, directory / "s.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def start(self) -> None:
        words = [
            find_server(),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--dir",
            str(self.directory),
            "--appendonly",
            "yes",
            "--save",
            "",
        ]
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self.process = subprocess.Popen(words, **quiet)  # noqa: ASYNC220  it outlives this call
        client = Redis(unix_socket_path=str(self.socket))

        def answers() -> bool:
            with contextlib.suppress(RedisError):
                return bool(client.ping())
            return False

        await eventually(answers)
        client.close()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def restart(self) -> None:
        """Killed, and started again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        await asyncio.sleep(0.3)
        await self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


@dataclass
class Run:
    """One run: who writes, what was said, what went wrong."""

    town: TelegramTown
    store: StoreProcess
    rng: Random
    has_disk: bool
    said: dict[str, list[str]] = field(default_factory=dict)
    shown: dict[str, list[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    settled: int = 0
    late: set[str] = field(default_factory=set)
    """Replies that the owner sent by hand: they come when they come."""

    def next_word(self, who: str) -> str:
        words = self.said.setdefault(who, [])
        word = f"q{sum(map(len, self.said.values())):05d}"
        words.append(word)
        return word

    def seen(self, who: str) -> list[str]:
        """The texts that this contact saw, in order."""
        return self.town.api.shown[int(who)] if who.isdigit() else self.shown.get(who, [])

    def counts(self) -> dict[str, int]:
        """What the promises are measured by."""
        owner = {word: who for who, words in self.said.items() for word in words}
        table = Counter[str]({"messages": len(owner), "replies": 0, **dict.fromkeys(PROMISES, 0)})
        for who, words in self.said.items():
            place = {word: at for at, word in enumerate(words)}
            texts = self.seen(who)
            answered = [word for text in texts for word in WORD.findall(text)]
            by_itself = [place[word] for text in texts if text not in self.late for word in WORD.findall(text) if word in place]
            table["replies"] += len(texts)
            table["lost"] += len(set(words) - set(answered))
            table["shown twice"] += len(answered) - len(set(answered))
            table["order inversions"] += sum(later < earlier for earlier, later in pairwise(by_itself))
            table["to the wrong contact"] += sum(owner[word] != who for word in answered)
        return dict(table)

    async def note(self, name: str, client: LocalClient) -> None:
        """Write down what a local contact sees, until cancelled."""
        while True:
            event = await client.events.get()
            if event.kind == "message":
                self.shown.setdefault(name, []).append(event.text)

    async def settle_what_is_held(self) -> bool:
        """The owner sends what a contact did not see, and drops what it did. True once every message is answered."""
        try:
            held, _ = await self.town.drafts.held()
            for each in held:
                who = each.row.contact_id.removeprefix("telegram:").removeprefix("local:")
                channel = each.row.contact_id.partition(":")[0]
                contact_id = contact_of(int(who)) if who.isdigit() else each.row.contact_id
                if any(each.row.text == text for text in self.seen(who)):
                    await self.town.drafts.discard(contact_id, channel, each.row.reply_id)  # type: ignore[arg-type]
                else:
                    self.late.add(each.row.text)
                    await self.town.drafts.release(contact_id, channel, each.row.reply_id)  # type: ignore[arg-type]
                self.settled += 1
        except SecondmeError:
            return False  # the store is not there: at the next look
        return self.counts()["lost"] == 0


async def _write(run: Run, names: list[str], clients: dict[str, LocalClient], messages: int, pause_s: float) -> None:
    for _ in range(messages):
        who = run.rng.choice(names)
        word = run.next_word(who)
        if who.isdigit():
            run.town.writes(int(who), f"{word}, what do you say?")
        else:
            clients[who].say(f"{word}, what do you say?")
        await asyncio.sleep(run.rng.uniform(0, 2 * pause_s))


async def _keep(run: Run, part: str, over: asyncio.Event) -> None:
    """One process of this part lives, dies and is followed by the next until `over`; the last one lives until everything is answered."""
    while not over.is_set():
        with run.town.gateway(part) as process:
            ending = asyncio.ensure_future(over.wait())
            wait_s = run.rng.uniform(3, 9)
            await asyncio.wait((ending,), timeout=wait_s)
            ending.cancel()
            if run.rng.random() < 0.4:
                process.kill(signal.SIGSTOP)
                await asyncio.sleep(run.rng.uniform(1.2, 3))  # past its lease
                process.kill(signal.SIGCONT)
                run.faults[f"{part} frozen"] += 1
            else:
                process.kill(signal.SIGKILL)
                await process.ended()
                run.faults[f"{part} killed"] += 1
    with run.town.gateway(part):
        await _until_done(run)


async def _until_done(run: Run) -> None:
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline and not await run.settle_what_is_held():
        await asyncio.sleep(0.2)


async def _trouble_the_store(run: Run, over: asyncio.Event) -> None:
    while not over.is_set():
        await asyncio.sleep(run.rng.uniform(4, 10))
        kind = run.rng.choice(["killed", "frozen", "without disk"] if run.has_disk else ["killed", "frozen"])
        if over.is_set():
            return
        run.faults[f"store {kind}"] += 1
        match kind:
            case "killed":
                await run.store.restart()
            case "frozen":
                run.store.signal(signal.SIGSTOP)
                await asyncio.sleep(run.rng.uniform(0.5, 2.5))
                run.store.signal(signal.SIGCONT)
            case _:
                filler = run.store.directory / "filler"
                with contextlib.suppress(OSError), filler.open("wb") as file:
                    while True:
                        file.write(b"x" * 65_536)
                await asyncio.sleep(run.rng.uniform(1, 3))
                filler.unlink()


async def _trouble_the_platforms(run: Run, over: asyncio.Event) -> None:
    model: list[messages_api.Outcome] = [
        messages_api.Fail(529, "overloaded_error"),
        messages_api.Fail(500),
        messages_api.Fail(502, ""),
        messages_api.Fail(429, "rate_limit_error", {"retry-after": "1"}),
        messages_api.FailInStream(),
        messages_api.Cut("before_headers"),
        messages_api.Cut("in_stream"),
        messages_api.EndEarly(),
        messages_api.Garbage(),
        messages_api.Silence("in_stream"),
    ]
    telegram: list[bot_api.Fault] = [
        bot_api.Fail(429, "Too Many Requests: retry after 1", retry_after=1),
        bot_api.Fail(500, "Internal Server Error"),
        bot_api.Cut("before"),
        bot_api.Cut("after"),
    ]
    while not over.is_set():
        await asyncio.sleep(run.rng.uniform(0.2, 0.8))
        if run.rng.random() < 0.6:
            run.town.model.outcomes.append(run.rng.choice(model))
            run.faults["model failed"] += 1
        else:
            run.town.api.faults[run.rng.choice(["sendMessage", "getUpdates"])].append(run.rng.choice(telegram))
            run.faults["telegram failed"] += 1


@asynccontextmanager
async def running(home: Path, seed: int) -> AsyncIterator[Run]:
    """A town on a store of its own."""
    disk = Path(tempfile.mkdtemp(prefix="smd-", dir="/tmp"))
    try:
        with small_disk(disk) as has_disk:
            store = StoreProcess(disk)
            await store.start()
            try:
                async with telegram_town(home, store.url, CONFIG, paced=False) as town:
                    yield Run(town, store, Random(seed), has_disk)
            finally:
                store.stop()
    finally:
        shutil.rmtree(disk, ignore_errors=True)


async def soak(
    home: Path, messages: int, people: int, *, seed: int = 1, pause_s: float = 0.025
) -> tuple[dict[str, int], Counter[str]]:
    """What became of so many messages of `people` contacts on each channel, and how often what went wrong."""
    async with running(home, seed) as run, AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        users = [4_500_000 + at for at in range(people)]
        names = [f"c{at}" for at in range(people)]
        run.town.model.script = lambda request: messages_api.Say("You ask: " + " ".join(WORD.findall(request.last_text)))
        await run.town.let_in(*users)
        await let_in(settings_of(home, run.store.url), *names)
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        notes = [group.create_task(run.note(name, client)) for name, client in clients.items()]
        over = asyncio.Event()
        parts = [group.create_task(_keep(run, part, over)) for part in ("gateway", "worker", "worker")]
        troubles = [group.create_task(trouble(run, over)) for trouble in (_trouble_the_store, _trouble_the_platforms)]
        await _write(run, [*names, *map(str, users)], clients, messages, pause_s)
        over.set()
        await asyncio.gather(*troubles)
        run.town.model.outcomes.clear()
        await asyncio.gather(*parts)
        counts = {**run.counts(), "settled by the owner": run.settled}
        for note in notes:
            note.cancel()
    return counts, run.faults


def told(counts: dict[str, int], faults: Counter[str]) -> str:
    """The table."""
    lines = [f"{name:<24}{count:>8,}" for name, count in [*counts.items(), *sorted(faults.items())]]
    return "\n".join(lines)


def main() -> None:
    """Run it, print the table, and end with 1 when a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    try:
        counts, faults = asyncio.run(soak(home, wanted.messages, wanted.people, seed=wanted.seed))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"seed {wanted.seed}\n{told(counts, faults)}")
    sys.exit(1 if any(counts[name] for name in PROMISES) else 0)


if __name__ == "__main__":
    main()
