"""Rows 17 and 18 of the attack table at the listener that anybody can reach: a real server, bare sockets, and a real channel behind it."""

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from api.serving import resident_kb
from api.wire import Answer, Line, ask, request
from fakes.channel_host import RecordingHost
from fakes.graph_api import change, envelope, graph_api, settings_for, signature, text

from secondme.channels.whatsapp_cloud import setup
from secondme.core.api.limits import Limits
from secondme.core.api.sockets import Address
from secondme.core.api.webhooks import Webhooks
from secondme.core.channel_plugin import ChannelContext
from secondme.core.clock import SystemClock
from secondme.core.errors import UnavailableError
from secondme.core.messages import ChannelState, WebhookAnswer, WebhookRequest

MB = 1024 * 1024
HOST = ("Host", "hooks.example.org")
Hear = Callable[[WebhookRequest], Awaitable[WebhookAnswer]]


@dataclass
class Ear:
    """A channel's end of the listener: remembers, and answers as told."""

    heard: list[WebhookRequest] = field(default_factory=list)
    answer: WebhookAnswer = field(default_factory=lambda: WebhookAnswer(200, "fine"))
    error: Exception | None = None
    gate: asyncio.Event | None = None
    most_at_once: int = 0
    at_once: int = 0

    async def hear(self, call: WebhookRequest) -> WebhookAnswer:
        self.heard.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.at_once -= 1
        return self.answer


@asynccontextmanager
async def listening(hear: Hear, *, hear_s: float = 15.0, **limits: Any) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(
        {"ear_one": hear, "whatsapp_cloud": hear}.get,
        Address("127.0.0.1", 0),
        SystemClock(),
        limits=Limits(**limits),
        hear_s=hear_s,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(webhooks.run(stop))
    try:
        async with asyncio.timeout(20):
            await webhooks.listening.wait()
        yield webhooks
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


@pytest.fixture
def ear() -> Ear:
    return Ear()


async def say(webhooks: Webhooks, raw: bytes) -> Answer:
    assert webhooks.port is not None
    return await ask(webhooks.port, raw)


async def test_a_call_reaches_its_channel_as_raw_as_it_came(ear: Ear) -> None:
    headers = [("X-Twice", "a"), ("x-twice", "b"), ("X-Hub-Signature-256", "sha256=1")]
    async with listening(ear.hear) as webhooks:
        answer = await say(webhooks, request("POST", "/webhooks/ear_one?a=1&b=%20", HOST, *headers, body=b'{"a": 1}'))
    (call,) = ear.heard
    assert (call.method, call.query, call.body) == ("POST", "a=1&b=%20", b'{"a": 1}')
    assert [pair for pair in call.headers if pair[0].startswith("x-")] == [
        ("x-twice", "a"),
        ("x-twice", "b"),
        ("x-hub-signature-256", "sha256=1"),
    ]
    assert (call.header("x-twice"), call.header("x-hub-signature-256")) == (None, "sha256=1")
    assert (answer.status, answer.body) == (200, b"fine")


async def test_an_answer_tells_nothing_about_who_gives_it(ear: Ear) -> None:
    async with listening(ear.hear) as webhooks:
        lines = [await Line.open(webhooks.port or 0) for _ in range(2)]
        heads = []
        for line, path in zip(lines, ("/webhooks/ear_one", "/"), strict=True):
            await line.say(request("GET", path, HOST))
            heads.append((await line.reader.readuntil(b"\r\n\r\n")).lower())
            await line.hang_up()
    for head in heads:
        names = {line.split(b":")[0] for line in head.split(b"\r\n")[1:-2]}
        assert names == {b"cache-control", b"x-content-type-options", b"content-type", b"content-length"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/webhooks"),
        ("GET", "/webhooks/"),
        ("GET", "/webhooks/unknown"),
        ("GET", "/webhooks/ear_one/"),
        ("GET", "/webhooks/ear_one/x"),
        ("GET", "//webhooks/ear_one"),
        ("GET", "/webhooks/EAR_ONE"),
        ("GET", "/webhooks/ear%5Fone"),
        ("GET", "/webhooks/../webhooks/ear_one"),
        ("GET", "/webhooks/ear_one%00"),
        ("GET", "/webhooks/" + "a" * 33),
        ("GET", "http://hooks.example.org/webhooks/ear_one"),
        ("GET", "/api/pairing"),
        ("GET", "/health"),
        ("GET", "/openapi.json"),
        ("PUT", "/webhooks/ear_one"),
        ("DELETE", "/webhooks/ear_one"),
        ("OPTIONS", "/webhooks/ear_one"),
        ("PATCH", "/webhooks/ear_one"),
        ("BREW", "/webhooks/ear_one"),
    ],
)
async def test_everything_else_is_one_silent_answer(ear: Ear, method: str, path: str) -> None:
    async with listening(ear.hear) as webhooks:
        answer = await say(webhooks, request(method, path, HOST))
    assert (answer.status, answer.body, ear.heard) == (404, b"", [])


async def test_a_channel_that_fails_is_a_silent_error_and_leaves_no_words_in_the_log(
    ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    ear.error = RuntimeError("canary-4711")
    async with listening(ear.hear) as webhooks:
        answer = await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"canary-4711"))
        ear.error = None
        after = await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x"))
    assert (answer.status, answer.body, after.status) == (500, b"", 200)
    written = [vars(record) for record in caplog.records]
    assert any(record["msg"] == "webhook_failed" for record in written)
    assert "canary-4711" not in str(written)


@pytest.mark.parametrize("error", [UnavailableError("down", "canary"), TimeoutError()])
async def test_an_error_of_the_channels_own_is_no_time_out_of_ours(ear: Ear, error: Exception) -> None:
    ear.error = error
    async with listening(ear.hear) as webhooks:
        answer = await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x"))
    assert (answer.status, answer.body) == (500, b"")


async def test_a_channel_that_takes_too_long_is_to_be_called_again(ear: Ear) -> None:
    ear.gate = asyncio.Event()
    async with listening(ear.hear, hear_s=0.2) as webhooks:
        answer = await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x"))
    assert (answer.status, answer.body, ear.at_once) == (503, b"", 0)


async def test_a_body_of_three_megabytes_is_heard_and_one_more_byte_is_not(ear: Ear) -> None:
    async with listening(ear.hear) as webhooks:
        found = [await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b" " * size)) for size in (3 * MB, 3 * MB + 1)]
    assert [(answer.status, answer.body) for answer in found] == [(200, b"fine"), (413, b"")]
    assert [len(call.body) for call in ear.heard] == [3 * MB]


@pytest.mark.parametrize(
    "framing", [("Content-Length", "1073741824"), ("Content-Length", "3000000"), ("Transfer-Encoding", "chunked")]
)
async def test_a_gigabyte_is_cut_off_and_memory_stays_flat(ear: Ear, framing: tuple[str, str]) -> None:
    async with listening(ear.hear, linger_s=0.2) as webhooks:
        before = resident_kb(_own_pid())
        taken = [await _pour(webhooks.port or 0, request("POST", "/webhooks/ear_one", HOST, framing)) for _ in range(3)]
        grown = resident_kb(_own_pid()) - before
        ear.answer = WebhookAnswer(200)
        assert (await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x"))).status == 200
    print(f"\n3 GB offered, {sum(taken) / MB:.0f} MB taken; memory grew by {grown} kB")
    assert max(taken) < 20 * MB  # what the kernel's buffers took is in it
    assert grown < 30_000


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


async def _pour(port: int, head: bytes) -> int:
    """Send a gigabyte of a body, as far as the other side takes it; how much that was."""
    line = await Line.open(port)
    chunk = b"x" * 65_536
    if b"chunked" in head:
        chunk = b"10000\r\n" + chunk + b"\r\n"
    size = 0
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(5):
            await line.say(head)
            while size < 1024 * MB:
                await line.say(chunk)
                size += len(chunk)
    await line.hang_up()
    return size


async def test_all_bodies_together_have_a_bound_and_small_ones_always_have_room(ear: Ear) -> None:
    async with listening(ear.hear, request_s=3.0, linger_s=0.1) as webhooks:
        lines = [await Line.open(webhooks.port or 0) for _ in range(12)]
        for line in lines:
            await line.say(request("POST", "/webhooks/ear_one", HOST, ("Content-Length", str(3 * MB))) + b"x" * (2 * MB))
        refused = []
        for line in lines:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    refused.append((await line.answer()).status)
        small = await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x" * 1000))
        for line in lines:
            await line.hang_up()
        large = 0
        async with asyncio.timeout(20):
            while large != 200:  # until the room is given back
                large = (await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x" * 2 * MB))).status
    print(f"\n12 bodies of 2 MB at once: {len(refused)} told to come later")
    assert set(refused) == {503}
    assert small.status == 200


@pytest.mark.parametrize("framing", [("Content-Length", "100"), ("Transfer-Encoding", "chunked")], ids=["announced", "chunked"])
async def test_a_slow_body_is_cut_off(ear: Ear, framing: tuple[str, str]) -> None:
    async with listening(ear.hear, request_s=0.3, linger_s=0.1) as webhooks:
        line = await Line.open(webhooks.port or 0)
        answer = await line.ask(request("POST", "/webhooks/ear_one", HOST, framing))
        assert (answer.status, answer.body, await line.ended()) == (408, b"", b"")
        await line.hang_up()
    assert ear.heard == []


async def test_a_thousand_slow_callers_keep_nobody_out(ear: Ear) -> None:
    async with listening(ear.hear) as webhooks:
        lines, took = [], []
        for number in range(1000):
            lines.append(await Line.open(webhooks.port or 0))
            await lines[-1].say(b"POST /webhooks/ear_one HTTP/1.1\r\nX-Slow: ")
            if number % 20 == 0:
                started = time.perf_counter()
                assert (await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x"))).status == 200
                took.append(time.perf_counter() - started)
        for line in lines:
            await line.hang_up()
    print(f"\n1,000 slow callers; 50 others answered, slowest {max(took) * 1000:.1f} ms")
    assert len(took) == 50


async def test_calls_are_heard_at_the_same_time(ear: Ear) -> None:
    ear.gate = asyncio.Event()
    async with listening(ear.hear) as webhooks:
        calls = [asyncio.create_task(say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"x"))) for _ in range(40)]
        async with asyncio.timeout(20):
            while ear.at_once < 40:
                await asyncio.sleep(0.005)
        ear.gate.set()
        assert {(await call).status for call in calls} == {200}
    assert ear.most_at_once == 40


async def test_what_is_deeper_than_any_platform_sends_is_not_handed_on(ear: Ear) -> None:
    async with listening(ear.hear) as webhooks:
        found = [
            (await say(webhooks, request("POST", "/webhooks/ear_one", HOST, body=b"[" * depth + b"]" * depth))).status
            for depth in (32, 33, 9999)
        ]
    assert found == [200, 400, 400]


async def test_a_port_that_is_taken_is_said_once_and_tried_again(ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        webhooks = Webhooks({"ear_one": ear.hear}.get, Address("127.0.0.1", port), SystemClock())
        stop = asyncio.Event()
        task = asyncio.create_task(webhooks.run(stop))
        async with asyncio.timeout(20):
            while not caplog.records:
                await asyncio.sleep(0.01)
        assert not webhooks.listening.is_set()
        assert not task.done()
    async with asyncio.timeout(20):
        await webhooks.listening.wait()
    assert (await say(webhooks, request("GET", "/webhooks/ear_one", HOST))).status == 200
    stop.set()
    await asyncio.wait_for(task, 20)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["webhooks_not_listening"]


async def test_it_stops_within_two_seconds_whoever_still_calls(ear: Ear) -> None:
    ear.gate = asyncio.Event()
    before = asyncio.all_tasks()
    async with listening(ear.hear, goodbye_s=1.0) as webhooks:
        line, idle = await Line.open(webhooks.port or 0), await Line.open(webhooks.port or 0)
        await line.say(request("POST", "/webhooks/ear_one", HOST, body=b"x"))
        async with asyncio.timeout(20):
            while not ear.at_once:
                await asyncio.sleep(0.005)
    assert ear.at_once == 0
    for each in (line, idle):
        await each.ended()
        await each.hang_up()
    assert asyncio.all_tasks() - before == set()


async def test_three_hundred_forged_calls_over_http_are_refused_and_metas_own_is_taken(tmp_path: Path) -> None:
    rng, clock, recording = random.Random(18), SystemClock(), RecordingHost()
    async with graph_api() as api:
        channel = setup.build(ChannelContext(settings_for(api.url), tmp_path, clock, Random(1)))
        running = asyncio.create_task(channel.run(recording))
        await recording.until(lambda: recording.state is ChannelState.CONNECTED)
        async with listening(channel.handle_webhook) as webhooks:
            body = envelope(change(text("4915112345678", "hello", "wamid.1", clock.now_ms() // 1000)))
            right = signature(body)
            found: Counter[int] = Counter()
            for _ in range(300):
                found[(await say(webhooks, _forged(rng, body, right))).status] += 1
            hello = "/webhooks/whatsapp_cloud?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=123"
            greeted = await say(webhooks, request("GET", hello, HOST))
            taken = await say(
                webhooks, request("POST", "/webhooks/whatsapp_cloud", HOST, ("X-Hub-Signature-256", right), body=body)
            )
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    print(f"\n300 forged calls over HTTP: {dict(found)}")
    assert found == {403: 20, 429: 280}
    assert (greeted.status, greeted.body) == (200, b"123")
    assert (taken.status, [message.text for message in recording.offered]) == (200, ["hello"])


def _forged(rng: random.Random, body: bytes, right: str) -> bytes:
    """One call that Meta did not make."""
    name = "X-Hub-Signature-256"
    changed = bytearray(body)
    changed[rng.randrange(len(body))] ^= 1 << rng.randrange(7)
    shapes = [
        ([(name, right)], bytes(changed)),
        ([], body),
        ([(name, right), (name, right)], body),
        ([(name, right), (name.lower(), "sha256=0")], body),
        ([(name, right[:-1])], body),
        ([(name, right.replace("sha256", "sha1"))], body),
        ([(name, signature(body, ""))], body),
        ([(name, f"{right},{right}")], body),
        ([("X-Hub-Signature", right)], body),
    ]
    headers, said = rng.choice(shapes)
    return request("POST", "/webhooks/whatsapp_cloud", HOST, *headers, body=said)
