"""The issue's own test: a backup is made under load, the gateway is killed, and another home is made of the backup.

Nothing that was acknowledged before the backup is lost there, what waited is answered by a gateway there, and nothing is answered twice.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from fakes import homes
from fakes.process import (
    WITHOUT_API,
    Books,
    GatewayProcess,
    contact,
    environment,
    eventually,
    let_in,
    replies_in,
    settings_of,
    write_config,
)
from fakes.size import sized
from redis import Redis

from secondme.channels.local.client import LocalClient
from secondme.channels.local.protocol import contact_of
from secondme.core.store import keys

pytestmark = pytest.mark.heavy  # two gateways and a backup between them

PROGRAM = [sys.executable, "-m", "secondme", "--home"]
QUICK = "[queue]\nlease_s = 1\nmax_attempts = 100\n[delivery]\ntimeout_s = 0.2\n[limits]\nmessages = 100000\n"
CONTACTS, BEFORE = sized(6, 3), sized(300, 60)
NOTHING_WRONG = dict.fromkeys(
    ["lost", "waiting twice", "not answered", "answered twice", "shown that was not waiting", "shown twice"], 0
)


@dataclass
class Kept:
    """What a restored store holds before anybody works on it."""

    seen: set[str]
    """The messages that it knows, answered or not."""
    waiting: Counter[str]
    unsent: dict[str, tuple[str, ...]]
    """Row -> the messages that it answers."""
    mail: set[str]
    """Rows that are at their platform already, and were not received there yet."""


@pytest.mark.parametrize("frozen", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["while much waits", "while all moves"])
async def test_what_was_acknowledged_before_a_backup_is_answered_once_and_what_waited_is_answered_elsewhere(
    home: Path, tmp_path: Path, *, frozen: bool
) -> None:
    write_config(home, WITHOUT_API + QUICK)
    names = [f"c{number}" for number in range(CONTACTS)]
    await let_in(settings_of(home), *names)
    archive, new = tmp_path / "b.tar.gz", home / "new"
    books, acknowledged = await _load_and_kill(home, names, archive, frozen=frozen)
    assert await _run(new, "restore", str(archive), "--yes") == 0
    kept = await asyncio.to_thread(homes.with_store, new, lambda client: _kept(client, new, names))
    shown = await _serve_again(new, names)
    counts = _counts(home, new, kept, acknowledged, shown)
    print(" ".join(f"{name}={number}" for name, number in counts.items()))
    assert {name: counts[name] for name in NOTHING_WRONG} == NOTHING_WRONG
    assert counts["acknowledged"] >= BEFORE
    assert counts["waited"] >= (CONTACTS if frozen else 0)
    assert books.accepted >= acknowledged


def _counts(home: Path, new: Path, kept: Kept, acknowledged: set[str], shown: list[str]) -> dict[str, int]:
    """The table: of what was acknowledged, and of what waited, how much went which way."""
    old, fresh = replies_in(settings_of(home).places.store), replies_in(settings_of(new).places.store)
    composed = Counter(message for row in fresh.values() for message in row)
    answered_before = {message for row in old.values() for message in row if message in kept.seen} - set(kept.waiting)
    return {
        "acknowledged": len(acknowledged),
        "waited": len(kept.waiting),
        "unsent": len(kept.unsent),
        "lost": len(acknowledged - set(kept.waiting) - answered_before),
        "waiting twice": sum(number > 1 for number in kept.waiting.values()),
        "not answered": len(set(kept.waiting) - set(composed)),
        "answered twice": len([each for each, number in composed.items() if number > 1 or each not in kept.waiting]),
        "shown that was not waiting": len(set(shown) - set(fresh) - set(kept.unsent) - kept.mail),
        "shown twice": len(shown) - len(set(shown)),
    }


async def _run(home: Path, *words: str) -> int:
    made = await asyncio.create_subprocess_exec(*PROGRAM, str(home), *words, env=environment(), stdout=subprocess.DEVNULL)
    return await made.wait()


async def _load_and_kill(home: Path, names: list[str], archive: Path, *, frozen: bool) -> tuple[Books, set[str]]:
    """What was said, and what had been acknowledged when the backup began. Everybody goes on writing meanwhile."""
    books = Books()
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        tasks = [group.create_task(books.note(name, client)) for name, client in clients.items()]
        with GatewayProcess(home, "gateway") as gateway, GatewayProcess(home, "worker") as worker:
            tasks += [group.create_task(_write_on(books, name, client)) for name, client in clients.items()]
            await eventually(lambda: len(books.accepted) >= BEFORE)
            if frozen:
                worker.kill(signal.SIGSTOP)
                await eventually(worker.is_stopped)
                seen = len(books.accepted)
                await eventually(lambda: len(books.accepted) >= seen + 2 * CONTACTS)
            acknowledged = set(books.accepted)
            assert await _run(home, "backup", str(archive)) == 0
            worker.kill()
            gateway.kill()
            assert await gateway.ended() == -9
        for task in tasks:
            task.cancel()
    return books, acknowledged


async def _write_on(books: Books, name: str, client: LocalClient) -> None:
    rng = Random(name)
    for number in range(180):  # an inbox takes 200, and says so to whoever writes more
        books.say(name, client, f"{name} {number}")
        await asyncio.sleep(rng.uniform(0.01, 0.05))


def _kept(client: Redis, home: Path, names: list[str]) -> Kept:
    seen: set[str] = set()
    waiting: Counter[str] = Counter()
    unsent = {}
    for name in names:
        seen |= {raw.decode() for raw in client.zrange(keys.seen(contact_of(name)), 0, -1)}  # type: ignore[union-attr]
        for raw in client.lrange(keys.inbox(contact_of(name)), 0, -1):  # type: ignore[union-attr]
            waiting[json.loads(raw)["messageId"]] += 1
        for raw in client.lrange(keys.outbox(contact_of(name)), 0, -1):  # type: ignore[union-attr]
            row = json.loads(raw)
            unsent[row["rowId"]] = tuple(row.get("answers", ()))
    return Kept(seen, waiting, unsent, _mail_of(home))


async def _serve_again(home: Path, names: list[str]) -> list[str]:
    """The rows that the contacts were shown by a gateway of the new home, once nothing waits there any more."""
    shown: list[str] = []
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = [await open_.enter_async_context(contact(home, name)) for name in names]
        tasks = [group.create_task(_note(client, shown)) for client in clients]
        with GatewayProcess(home):
            with Redis(unix_socket_path=str(settings_of(home).places.store_socket)) as client:
                await eventually(lambda: settings_of(home).places.store_socket.exists() and _answers(client))
                await eventually(lambda: not _kept(client, home, names).waiting and not _kept(client, home, names).unsent)
            await eventually(lambda: not _mail_of(home))
        for task in tasks:
            task.cancel()
    return shown


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except Exception:  # noqa: BLE001  it is not up yet
        return False


def _mail_of(home: Path) -> set[str]:
    """What waits in the mail and was not received."""
    lines = [json.loads(line) for path in (home / "data" / "local").glob("*.jsonl") for line in path.read_text().splitlines()]
    return {line["id"] for line in lines if "id" in line} - {line["ack"] for line in lines if "ack" in line}


async def _note(client: LocalClient, shown: list[str]) -> None:
    while True:
        event = await client.events.get()
        if event.kind == "message":
            shown.append(event.id)
