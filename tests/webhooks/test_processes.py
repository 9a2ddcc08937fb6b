"""Do gateways that are processes of their own deliver each event once, and again when one is killed in between?"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from fakes.bot_api import bot_api
from fakes.process import WITHOUT_API, GatewayProcess, environment, eventually, logged, write_config
from webhooks.conftest import Post

from secondme.core.store import keys

pytestmark = pytest.mark.heavy  # whole gateways


async def none_waits(post: Post) -> None:
    async with asyncio.timeout(30):
        while (await post.state()).waiting:
            await asyncio.sleep(0.01)


async def test_two_gateways_deliver_each_event_once(post: Post, home: Path, redis_url: str) -> None:
    one, two = home / "one", home / "two"
    for each in (one, two):
        write_config(each, WITHOUT_API)
    await post.add("skill.failing")
    async with bot_api() as api:
        telegram = {"SECONDME_TELEGRAM__TOKEN": api.token, "SECONDME_TELEGRAM__API_URL": api.url, "SECONDME_REDIS_URL": redis_url}
        with GatewayProcess(one, SECONDME_REDIS_URL=redis_url):
            await eventually(lambda: logged(one, "ready"))
            with GatewayProcess(two, **telegram):
                await eventually(lambda: logged(two, "ready"))
                for number in range(100):
                    await post.happens("skill_failing", keys.EVENTS_STATUS, count=number)
                await post.has(100)
                await none_waits(post)
    counts = Counter(each.event["data"]["count"] for each in post.receiver.received)
    shares = [len(logged(each, "webhook_tried")) for each in (one, two)]
    print(f"\n100 events, by two processes: {shares}")
    assert counts == dict.fromkeys(range(100), 1)
    assert sum(shares) == 100


@pytest.mark.parametrize(("step", "requests"), [("webhook.claimed", 1), ("webhook.sent", 2)])
async def test_what_a_killed_gateway_was_delivering_arrives_from_the_next_under_the_same_id(
    post: Post, home: Path, redis_url: str, step: str, requests: int
) -> None:
    write_config(home, WITHOUT_API)
    await post.add("skill.failing")
    await post.happens("skill_failing", keys.EVENTS_STATUS)
    with GatewayProcess(home, "all", f"{step}:KILL:1", SECONDME_REDIS_URL=redis_url) as first:
        assert await first.ended() == -9
    await post.moves(61)
    with GatewayProcess(home, SECONDME_REDIS_URL=redis_url):
        await post.has(requests)
        await none_waits(post)
    assert len(post.receiver.received) == requests
    assert len({each.id for each in post.receiver.received}) == 1


CODE = """
import asyncio, json, sys
from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services

async def main():
    setup = load({"redis_url": sys.argv[1]}, {})
    async with Store(setup, Role.ATTACH) as store:
        services = Services(setup, store)
        delivery = asyncio.ensure_future(services.webhook_delivery().run())
        while not dict(await store.client.pubsub_numsub("events:status")).get(b"events:status"):
            await asyncio.sleep(0.01)
        heard = 0
        async for event in services.follow():
            if event is None and heard == 0:
                await store.client.config_resetstat()
                for number in range(20):
                    await store.client.publish("events:status", json.dumps({"type": "skill_failing", "number": number}))
            heard += event is not None
            if heard == 20:
                break
        await asyncio.sleep(0.2)
        asked = await store.client.info("commandstats")
        delivery.cancel()
        print(json.dumps([sorted(sys.modules), sorted(asked)]))

asyncio.run(main())
"""


async def test_a_gateway_without_webhooks_imports_no_client_and_asks_the_store_for_nothing(post: Post, redis_url: str) -> None:
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CODE, redis_url, stdout=asyncio.subprocess.PIPE, env=environment()
    )
    out, _ = await running.communicate()
    modules, asked = json.loads(out)
    assert not {"httpx", "httpcore"} & set(modules)
    ours = {"publish", "info", "config|resetstat", "subscribe", "hello", "client|setinfo"}  # the test's, and of connections
    assert {each.removeprefix("cmdstat_") for each in asked} <= ours
    assert await post.kept.endpoints() == []
