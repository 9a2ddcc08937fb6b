"""Strangers cannot shut the doors: whatever they send slowly, from as many connections as there are, real calls are answered meanwhile."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from api.serving import Dial, Serve, Served
from api.wire import Line, ask, request
from fakes.bot_api import bot_api
from fakes.bot_api_rig import TelegramRig
from fakes.bot_api_updates import private, update
from fakes.channel_host import RecordingHost
from fakes.graph_api import change, envelope, graph_api, settings_for, signature, text
from fakes.process import eventually

from secondme.channels.whatsapp_cloud import setup
from secondme.core.api.server import network_of
from secondme.core.api.sockets import Address
from secondme.core.api.webhooks import Webhooks
from secondme.core.channel_plugin import ChannelContext
from secondme.core.clock import SystemClock
from secondme.core.messages import ChannelState

SECRET = "right-Secret_1"
HOST = ("Host", "hooks.example.org")
FAKE = ("X-Hub-Signature-256", "sha256=" + "0" * 64)
REAL_CALLS, ATTACKERS, MOST = 100, 64, 4000


@asynccontextmanager
async def attack(port: int, openings: list[bytes]) -> AsyncIterator[list[int]]:
    """64 connections, each of which has sent one of `openings` and says no more, or a byte now and then; one that is closed is opened
    again at once. Bounded: 4,000 connections in all."""
    opened = [0]

    async def hold(number: int) -> None:
        while opened[0] < MOST:
            opened[0] += 1
            with contextlib.suppress(OSError):
                line = await Line.open(port)
                try:
                    await line.say(openings[number % len(openings)])
                    while not await line.is_cut(b"a"):
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(0.2):
                                if not await line.reader.read(1000):
                                    break
                finally:
                    await line.hang_up()

    holding = [asyncio.ensure_future(hold(number)) for number in range(ATTACKERS)]
    try:
        await eventually(lambda: opened[0] >= ATTACKERS)
        yield opened
    finally:
        for each in holding:
            each.cancel()
        await asyncio.gather(*holding, return_exceptions=True)


async def refused(port: int, call: Callable[[int], bytes]) -> list[int]:
    """What real calls, one after the other, are answered but 200; 0: nothing."""
    answers = []
    for number in range(REAL_CALLS):
        try:
            answers.append((await ask(port, call(number))).status)
        except (OSError, asyncio.IncompleteReadError):
            answers.append(0)
    return [status for status in answers if status != 200]


@asynccontextmanager
async def webhooks_of(channel: Any, name: str) -> AsyncIterator[int]:
    """The port on which the channel's platform may call."""
    webhooks = Webhooks(
        {name: channel.handle_webhook}.get,
        Address("127.0.0.1", 0),
        SystemClock(),
        refusal_of=lambda _, head: channel.refusal_of(head),
    )
    stop = asyncio.Event()
    serving = asyncio.ensure_future(webhooks.run(stop))
    try:
        async with asyncio.timeout(20):
            await webhooks.listening.wait()
        assert webhooks.port is not None
        yield webhooks.port
    finally:
        stop.set()
        await serving


@asynccontextmanager
async def telegram() -> AsyncIterator[tuple[str, Any, RecordingHost, Callable[[int], bytes]]]:
    def call(number: int) -> bytes:
        body = json.dumps(update(900_000 + number, private(1000, number + 1, text="hi"))).encode()
        headers = (HOST, ("X-Telegram-Bot-Api-Secret-Token", SECRET), ("Connection", "close"))
        return request("POST", "/webhooks/telegram", *headers, body=body)

    async with bot_api() as api:
        rig = TelegramRig(api, webhook_url="https://hooks.example.org/webhooks/telegram", webhook_secret=SECRET)
        async with rig.running() as host:
            yield "telegram", rig.channel, host, call


@asynccontextmanager
async def cloud() -> AsyncIterator[tuple[str, Any, RecordingHost, Callable[[int], bytes]]]:
    def call(number: int) -> bytes:
        body = envelope(change(text("4915112345678", "hi", f"wamid.{number}", int(time.time()))))
        headers = (HOST, ("X-Hub-Signature-256", signature(body)), ("Connection", "close"))
        return request("POST", "/webhooks/whatsapp_cloud", *headers, body=body)

    async with graph_api() as api:
        channel = setup.build(ChannelContext(settings_for(api.url), Path("/nowhere"), SystemClock(), Random(1)))
        assert channel is not None
        host = RecordingHost()
        running = asyncio.ensure_future(channel.run(host))
        await host.until(lambda: host.state is ChannelState.CONNECTED)
        yield "whatsapp_cloud", channel, host, call
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


OPENINGS = {
    "slow bodies without a secret": [request("POST", "/webhooks/{}", HOST, ("Content-Length", "1000")) + b"{"],
    "slow bodies with something like a secret": [
        request("POST", "/webhooks/{}", HOST, FAKE, ("X-Telegram-Bot-Api-Secret-Token", "guess"), ("Content-Length", "1000")) + b"{"
    ],
    "slow headers": [b"POST /webhooks/{} HTTP/1.1\r\nX-Slow: "],
    "bodies of questions": [request("GET", "/webhooks/{}", HOST, ("Content-Length", "1000")) + b"{"],
    "elsewhere": [request("POST", "/elsewhere", HOST, ("Transfer-Encoding", "chunked"))],
    "nothing at all": [b""],
}


@pytest.mark.parametrize("kind", OPENINGS)
@pytest.mark.parametrize("platform", [telegram, cloud], ids=["telegram", "whatsapp_cloud"])
async def test_slow_strangers_keep_no_call_of_a_platform_out(platform: Any, kind: str) -> None:
    async with platform() as (name, channel, host, call), webhooks_of(channel, name) as port:
        openings = [each.replace(b"{}", name.encode()) for each in OPENINGS[kind]]
        async with attack(port, openings) as opened:
            assert await refused(port, call) == []
    assert len(host.messages) == REAL_CALLS
    print(f"{opened[0]} connections of strangers")


@pytest.mark.parametrize(
    "opening",
    [
        request("POST", "/api/pairing/bulk", ("Host", "127.0.0.1:{}"), ("Content-Length", "1000000")) + b"{",
        request("GET", "/health", ("Host", "127.0.0.1:{}"), ("Content-Length", "1000000")) + b"{",
        b"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-Slow: ",
    ],
    ids=["bodies without a token", "a body where no token is asked for", "headers"],
)
async def test_slow_strangers_keep_no_owner_out_of_the_api(served: Served, opening: bytes) -> None:
    host = ("Host", f"127.0.0.1:{served.port}")
    real = request("GET", "/api/status", host, ("Authorization", f"Bearer {served.token}"), ("Connection", "close"))
    async with attack(served.port, [opening.replace(b"{}", str(served.port).encode())]) as opened:
        assert await refused(served.port, lambda _: real) == []
    print(f"{opened[0]} connections of strangers")


@pytest.mark.parametrize(
    ("platform", "headers"), [(telegram, ()), (telegram, (("X-Telegram-Bot-Api-Secret-Token", "x"),)), (cloud, ())]
)
async def test_a_call_without_its_secret_is_refused_before_its_body_comes(
    dial: Dial, platform: Any, headers: tuple[tuple[str, str], ...]
) -> None:
    async with platform() as (name, channel, host, _), webhooks_of(channel, name) as port:
        line = await dial(port)
        answer = await line.ask(request("POST", f"/webhooks/{name}", HOST, *headers, ("Content-Length", "1000")))
        assert (answer.status, answer.body) == (403, b"")
    assert host.offered == []


async def test_an_api_call_without_its_token_is_refused_before_its_body_comes(dial: Dial, served: Served) -> None:
    host = ("Host", f"127.0.0.1:{served.port}")
    for method, path in (("POST", "/api/pairing/bulk"), ("GET", "/health")):
        answer = await (await dial(served.port)).ask(request(method, path, host, ("Content-Length", "1000")))
        assert answer.status == 401


@pytest.mark.parametrize("sent_kb", [1, 300])
async def test_the_one_that_makes_the_least_progress_makes_room(dial: Dial, serve: Serve, sent_kb: int) -> None:
    """A caller that is slow and one that is not, both older than the rest: the slow one is closed, whichever came first."""
    async with serve(connections=4) as served:
        head = request("POST", "/api/pairing/bulk", ("Host", "localhost"), ("Content-Length", "1000000"))
        quick, slow = await dial(served.unix), await dial(served.unix)
        await quick.say(head + b" " * 1024 * sent_kb)
        await slow.say(head + b" ")
        others = [await dial(served.unix) for _ in range(2)]
        for line in others:
            assert (await line.ask(request("GET", "/health", ("Host", "localhost")))).status == 200
        late = await dial(served.unix)
        assert (await late.ask(request("GET", "/health", ("Host", "localhost")))).status == 200
        assert await slow.ended() == b""
        assert not await quick.is_cut(b" ")


async def test_one_address_has_a_share_of_the_connections(serve: Serve) -> None:
    """127.0.0.2 is somebody else; 127.0.0.1 may be a proxy in front of everybody."""
    async with serve(per_peer=3, connections=64) as served:
        lines = [await asyncio.open_connection("127.0.0.1", served.port, local_addr=("127.0.0.2", 0)) for _ in range(5)]
        host = ("Host", f"127.0.0.1:{served.port}")
        assert [await lines[number][0].read() for number in range(2)] == [b"", b""]
        for reader, writer in lines[2:]:
            writer.write(request("GET", "/health", host))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, writer in lines:
            writer.close()
        many = [await Line.open(served.port) for _ in range(10)]
        for line in many:
            assert (await line.ask(request("GET", "/health", host))).status == 200
            await line.hang_up()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (("127.0.0.1", 1), ""),
        (("::1", 1), ""),
        (("::ffff:127.0.0.1", 1), ""),
        (None, ""),
        (("somewhere", 1), ""),
        (("203.0.113.9", 1), "203.0.113.9"),
        (("::ffff:203.0.113.9", 1), "203.0.113.9"),
        (("2001:db8:1:2:3::4", 1), "2001:0db8:0001:0002"),
        (("2001:db8:1:2:ffff::9", 1), "2001:0db8:0001:0002"),
    ],
)
def test_whose_neighbours_a_callers_connections_are(address: tuple[str, int] | None, network: str) -> None:
    assert network_of(address) == network
