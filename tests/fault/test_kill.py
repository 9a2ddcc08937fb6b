"""Processes are killed at named steps and at random; every accepted message is answered all the same, once and in order."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
from fakes.process import WITHOUT_API, Books, GatewayProcess, contact, eventually, let_in, settings_of, write_config
from redis import Redis

pytestmark = pytest.mark.heavy  # a gateway for each step to die at

QUICK = WITHOUT_API + "[queue]\nlease_s = 1\nmax_attempts = 100\n[delivery]\ntimeout_s = 0.2\n[limits]\nmessages = 100000\n"
SENDER_STEPS = ["sender.sending", "sender.delivered", "sender.taking", "sender.sent"]
GATEWAY_STEPS = ["gateway.received", "gateway.admitted", "channel.admitted"]
WORKER_STEPS = ["worker.taken", "worker.begun", "worker.composed", "worker.finished"]
STEPS = [*SENDER_STEPS, *GATEWAY_STEPS, *WORKER_STEPS]
"""The sender's first: a row that was being sent waits for its lease meanwhile."""
NOTHING_WRONG = {"lost": 0, "answered twice": 0, "inversions": 0}


def wrongs(counts: dict[str, int]) -> dict[str, int]:
    print(" ".join(f"{name}={count}" for name, count in counts.items()))
    return {name: counts[name] for name in NOTHING_WRONG}


async def test_no_message_is_lost_when_a_gateway_is_killed_at_each_named_step_in_turn(home: Path) -> None:
    write_config(home, QUICK)
    await let_in(settings_of(home), *STEPS)
    books, appended = Books(), settings_of(home).places.store
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {step: await open_.enter_async_context(contact(home, step)) for step in STEPS}
        notes = [group.create_task(books.note(step, client)) for step, client in clients.items()]
        for step, client in clients.items():
            with GatewayProcess(home, "all", f"{step}:KILL:1") as dying:
                books.say(step, client, f"one {step}")
                books.say(step, client, f"two {step}")
                assert await dying.ended() == -9
        with GatewayProcess(home):
            await eventually(lambda: len(books.accepted) == 2 * len(STEPS) and books.counts(appended)["lost"] == 0)
        for note in notes:
            note.cancel()
    assert wrongs(books.counts(appended)) == NOTHING_WRONG


@pytest.mark.slow  # 12 s of processes that die; the named steps are tried in turn above
async def test_no_message_is_lost_when_gateway_and_workers_are_killed_at_random(
    home: Path, redis_url: str, server_home: Path
) -> None:
    write_config(home, QUICK)
    setup, names, rng = settings_of(home, redis_url), [f"c{number}" for number in range(6)], Random(20)
    Redis.from_url(redis_url).flushall()
    await let_in(setup, *names)
    books = Books()
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        tasks = [group.create_task(books.note(name, client)) for name, client in clients.items()]
        tasks += [group.create_task(_write_on(books, name, client, Random(name))) for name, client in clients.items()]
        both = asyncio.Barrier(2)
        kills = await asyncio.gather(*(_kill_often(home, redis_url, part, rng, both) for part in ("gateway", "worker")))
        for task in tasks[len(names) :]:
            task.cancel()
        with _process(home, redis_url, "gateway"), _process(home, redis_url, "worker"):
            everything = sum(map(len, books.said.values()))
            await eventually(lambda: len(books.accepted) == everything and books.counts(server_home / "store")["lost"] == 0)
        for task in tasks:
            task.cancel()
    counts = books.counts(server_home / "store")
    assert wrongs({"kills": sum(kills), **counts}) == NOTHING_WRONG
    assert sum(kills) == 10


def _process(home: Path, url: str, part: str, *faults: str) -> GatewayProcess:
    return GatewayProcess(home, part, *faults, SECONDME_REDIS_URL=url)


async def _write_on(books: Books, name: str, client: object, rng: Random) -> None:
    for number in range(10_000):
        books.say(name, client, f"{name} {number}")  # type: ignore[arg-type]
        await asyncio.sleep(rng.uniform(0.05, 0.4))


async def _kill_often(home: Path, url: str, part: str, rng: Random, both: asyncio.Barrier) -> int:
    """How many processes of this part were killed, each at a named step or at any moment. Then one lives until the other part is
    done too: without it the other would have nothing to do, and never reach its step."""
    steps = WORKER_STEPS if part == "worker" else [*GATEWAY_STEPS, *SENDER_STEPS]
    for number in range(5):
        fault = f"{rng.choice(steps)}:KILL:{rng.randint(1, 9)}"
        with _process(home, url, part, *([fault] if number % 2 else [])) as process:
            if number % 2 == 0:
                await asyncio.sleep(rng.uniform(0.8, 2.0))
                process.kill()
            assert await process.ended() == -9
    with _process(home, url, part):
        await both.wait()
    return 5
