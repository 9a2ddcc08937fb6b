"""The owner stops the clone: replies that were already on their way do not leave."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fakes.process import (
    WITHOUT_API,
    GatewayProcess,
    command,
    contact,
    data_of,
    eventually,
    let_in,
    settings_of,
    until,
    write_config,
)
from redis import Redis

from secondme.core.store import keys

NAMES = [f"c{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("switch", "part", "step"),
    [
        pytest.param(["kill"], "gateway", "sender.taking", marks=pytest.mark.heavy),  # 4 s each; tests/send has every switch
        pytest.param(["pause"], "worker", "worker.composed", marks=pytest.mark.slow),
        pytest.param(["pause", "--for", "1h"], "gateway", "sender.taking", marks=pytest.mark.slow),
    ],
)
async def test_no_reply_leaves_after(switch: list[str], part: str, step: str, home: Path, redis_url: str) -> None:
    write_config(home, WITHOUT_API)
    raw, url = Redis.from_url(redis_url), {"SECONDME_REDIS_URL": redis_url}
    raw.flushall()
    await let_in(settings_of(home, redis_url), *NAMES)
    async with AsyncExitStack() as open_:
        clients = [await open_.enter_async_context(contact(home, name)) for name in NAMES]
        gateway = open_.enter_context(GatewayProcess(home, "gateway", *([f"{step}:STOP:1"] if part == "gateway" else []), **url))
        for client in clients:
            client.say("are you there?")
        await asyncio.gather(*(until(client, "accepted") for client in clients))
        worker = open_.enter_context(GatewayProcess(home, "worker", *([f"{step}:STOP:1"] if part == "worker" else []), **url))
        frozen = gateway if part == "gateway" else worker
        await eventually(frozen.is_stopped)
        await eventually(lambda: part == "worker" or len(raw.keys("OUTBOX:local:*")) == len(NAMES))
        assert command(home, *switch, **url).returncode == 0
        frozen.kill(signal.SIGCONT)  # what was about to happen happens now
        going_on = time.monotonic()
        await eventually(lambda: raw.xlen(keys.QUEUE) + raw.zcard(keys.outbox_due("local")) == 0)
        print(f"{' '.join(switch)}: nothing on its way {time.monotonic() - going_on:.2f} s later")
        seen = [client.events.get_nowait().kind for client in clients for _ in range(client.events.qsize())]
    drafts = data_of(command(home, "drafts", "list", "--json", **url))["drafts"]
    assert {draft["reason"] for draft in drafts} == {"paused"}
    assert len(drafts) + sum(map(raw.llen, raw.keys("INBOX:*"))) == len(NAMES)
    assert "message" not in seen
