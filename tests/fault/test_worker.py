"""A worker is frozen past its lease, or told to stop under load: nothing is lost, said twice, or left waiting for a lease."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fakes.process import WITHOUT_API, Books, GatewayProcess, contact, eventually, let_in, logged, settings_of, until, write_config
from redis import Redis

from secondme.core.store import keys

pytestmark = pytest.mark.heavy  # gateways and workers that are killed, frozen and drained

QUICK = "[queue]\nlease_s = 1\nmax_attempts = 100\n[delivery]\ntimeout_s = 0.2\n[limits]\nmessages = 100000\n"


async def test_a_worker_that_was_frozen_past_its_lease_changes_nothing(home: Path, redis_url: str, server_home: Path) -> None:
    write_config(home, QUICK)
    raw, books, url = Redis.from_url(redis_url), Books(), {"SECONDME_REDIS_URL": redis_url}
    raw.flushall()
    names = [f"c{number}" for number in range(5)]
    await let_in(settings_of(home, redis_url), *names)
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        notes = [group.create_task(books.note(name, client)) for name, client in clients.items()]
        for name, client in clients.items():
            books.say(name, client, f"are you there, {name}?")
        with GatewayProcess(home, "gateway", **url), GatewayProcess(home, "worker", "worker.composed:STOP:5", **url) as frozen:
            await eventually(frozen.is_stopped)
            with GatewayProcess(home, "worker", **url):
                await eventually(lambda: sum(map(len, books.shown.values())) == len(names))
                before = raw.hgetall(keys.mailbox("local:c0"))
                frozen.kill(signal.SIGCONT)
                await eventually(lambda: logged(home, "lease_lost"))
                assert raw.hgetall(keys.mailbox("local:c0")) == before
        for note in notes:
            note.cancel()
    counts = books.counts(server_home / "store")
    print({**counts, "refused of the frozen one": len(logged(home, "lease_lost"))})
    assert [counts[name] for name in ("replies", "lost", "answered twice")] == [5, 0, 0]


async def test_sigterm_under_load_loses_nothing_and_leaves_no_token_behind(home: Path, redis_url: str, server_home: Path) -> None:
    write_config(home, QUICK.replace("lease_s = 1", "lease_s = 300"))
    raw, books, url = Redis.from_url(redis_url), Books(), {"SECONDME_REDIS_URL": redis_url}
    raw.flushall()
    names = [f"c{number}" for number in range(6)]
    await let_in(settings_of(home, redis_url), *names)
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        clients = {name: await open_.enter_async_context(contact(home, name)) for name in names}
        notes = [group.create_task(books.note(name, client)) for name, client in clients.items()]
        for _ in range(3):
            with GatewayProcess(home, "all", "worker.begun:TERM:4", **url) as stopping:
                for number in range(60):
                    books.say(names[number % 6], clients[names[number % 6]], f"{number}")
                assert await stopping.ended() == 0
                assert raw.xinfo_consumers(keys.QUEUE, keys.QUEUE_GROUP) == []
        with GatewayProcess(home, **url):
            await eventually(lambda: len(books.accepted) == 180 and books.counts(server_home / "store")["lost"] == 0)
        for note in notes:
            note.cancel()
    counts = books.counts(server_home / "store")
    print(counts)
    assert [counts[name] for name in ("lost", "answered twice", "inversions")] == [0, 0, 0]


@pytest.mark.slow  # 7 s: the drain has to run out
async def test_a_reply_that_takes_too_long_is_handed_back_at_once_on_sigterm(home: Path) -> None:
    write_config(home, WITHOUT_API + "[queue]\nlease_s = 300\ndrain_s = 0.5\n")
    await let_in(settings_of(home), "anna")
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until the other side gives up
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    model = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"}
    async with silent, contact(home, "anna") as anna:
        with GatewayProcess(home, **model) as stopping:
            anna.say("are you there?")
            await asyncio.wait_for(asked.wait(), 60)
            stopping.kill(signal.SIGTERM)
            started = time.monotonic()
            assert await stopping.ended() == 0
            print(f"drained in {time.monotonic() - started:.2f} s")
            assert logged(home, "drain_cut_short")
        with GatewayProcess(home):
            (answer,) = await until(anna, "message")  # long before the lease of 300 s is over
            assert "are you there?" in answer.text
