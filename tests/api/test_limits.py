"""How much can one caller take? Rows 17 and 20 of the attack table, against the real server with small limits where time is one."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api.serving import Dial, Serve, Served, resident_kb
from api.wire import ask, request
from fakes.process import GatewayProcess, eventually, settings_of, write_config

from secondme.core.api.middleware import is_too_deep

MB = 1024 * 1024
CUT = 0
"""No answer: the connection was reset."""
LOCAL = ("Host", "localhost")


@pytest.mark.parametrize(
    "knows", [pytest.param(True, marks=pytest.mark.heavy), False], ids=["the owner", "a stranger"]
)  # a gateway each
async def test_a_gigabyte_is_cut_at_three_megabytes_and_memory_stays_flat(dial: Dial, home: Path, *, knows: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write_config(home, f'[api]\nlisten = "127.0.0.1:{port}"\n')
    with GatewayProcess(home) as gateway:
        token = settings_of(home).places.api_token
        await eventually(token.exists)
        await eventually(lambda: _listens(port))
        said = [("Host", f"127.0.0.1:{port}"), *([("Authorization", f"Bearer {token.read_text().strip()}")] if knows else [])]
        before = resident_kb(gateway.process.pid)
        framings = [("Content-Length", "1073741824"), ("Content-Length", "3000000"), ("Transfer-Encoding", "chunked")]
        heads = [request("POST", "/api/pairing/bulk", *said, framing) for framing in framings for _ in range(5)]
        taken = [await _pour(dial, port, head) for head in heads]
        grown_kb = resident_kb(gateway.process.pid) - before
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(settings_of(home).places.api_socket))) as client:
            alive = await client.get("http://localhost/health")
    statuses = [status for status, _ in taken]
    print(f"\n{sum(size for _, size in taken) / MB:.0f} MB taken of {len(taken)} GB; memory grew by {grown_kb} kB; {statuses}")
    wanted = [413] * 5 + [415] * 5 + [413] * 5 if knows else [401] * 15
    assert all(status in {answer, CUT} for status, answer in zip(statuses, wanted, strict=True))
    assert set(statuses) - {CUT}
    assert max(size for _, size in taken) < 20 * MB  # what the kernel's buffers took is in it
    assert grown_kb < 30_000
    assert alive.status_code == 200


async def _pour(dial: Dial, port: int, head: bytes) -> tuple[int, int]:
    """Send a gigabyte of a body after `head`, as far as the other side takes it; the answer's status, and how much was taken."""
    line = await dial(port)
    chunk = b"x" * 65_536
    if b"chunked" in head:
        chunk = b"10000\r\n" + chunk + b"\r\n"
    size = 0

    async def pour() -> None:
        nonlocal size
        await line.say(head)
        while size < 1024 * MB:
            await line.say(chunk)
            size += len(chunk)

    pouring = asyncio.ensure_future(pour())
    try:
        status = (await line.answer()).status
    except ConnectionResetError:  # the kernel may throw the answer away when we go on sending
        status = CUT
    await asyncio.wait([pouring], timeout=5)
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)
    await line.hang_up()
    return status, size


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_body_of_three_megabytes_is_read_and_one_more_byte_is_not(served: Served) -> None:
    async with served.local() as client:

        async def status(size: int) -> int:
            async def parts() -> AsyncIterator[bytes]:
                for start in range(0, size, 65_536):
                    yield b" " * min(65_536, size - start)

            return (
                await client.post("/api/pairing/bulk", content=parts(), headers={"content-type": "application/json"})
            ).status_code

        assert [await status(size) for size in (3 * MB, 3 * MB + 1)] == [422, 413]


async def test_a_body_that_was_refused_before_it_was_sent_is_never_asked_for(dial: Dial, served: Served) -> None:
    line = await dial(served.unix)
    answer = await line.ask(request("POST", "/api/kill", LOCAL, ("Content-Length", "99999999"), ("Expect", "100-continue")))
    assert (answer.status, await line.ended()) == (413, b"")


async def test_a_slow_header_is_cut_off(dial: Dial, serve: Serve) -> None:
    async with serve(head_s=1.0) as served:
        silent, slow, again = await dial(served.unix), await dial(served.port), await dial(served.unix)
        assert (await again.ask(request("GET", "/health", LOCAL))).status == 200
        await again.say(b"GET /hea")
        await slow.say(b"GET /health HTTP/1.1\r\nX-Slow: ")
        await eventually(lambda: slow.is_cut(b"x"))
        assert [await line.ended() for line in (silent, again)] == [b"", b""]


@pytest.mark.parametrize("framing", [("Content-Length", "100"), ("Transfer-Encoding", "chunked")], ids=["announced", "chunked"])
async def test_a_slow_body_is_cut_off(dial: Dial, serve: Serve, framing: tuple[str, str]) -> None:
    async with serve(request_s=1.0, linger_s=0.1) as served:
        line = await dial(served.unix)
        answer = await line.ask(request("POST", "/api/kill", LOCAL, framing))
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (408, "request_too_slow")
        assert await line.ended() == b""
        assert not await served.store.client.exists("PAUSE:ALL")  # and nothing was done


async def test_an_answer_that_takes_too_long_is_given_up(serve: Serve) -> None:
    async with serve(request_s=0.3) as served:
        await served.store.client.execute_command("CLIENT", "PAUSE", 1000, "ALL")
        async with served.local() as client:
            answer = await client.get("/api/pairing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "took_too_long")


async def test_a_thousand_slow_callers_keep_nobody_out(dial: Dial, served: Served) -> None:
    took = []
    for number in range(1000):
        await (await dial(served.port)).say(b"GET /health HT")
        if number % 10 == 0:
            started = time.perf_counter()
            answer = await ask(served.port, request("GET", "/health", ("Host", f"127.0.0.1:{served.port}")))
            took.append(time.perf_counter() - started)
            assert answer.status == 200
    assert (await ask(served.unix, request("GET", "/health", LOCAL))).status == 200
    print(f"\n1000 slow callers; health p99 {sorted(took)[98] * 1000:.1f} ms")
    assert len(took) == 100


async def test_a_connection_too_many_is_turned_away_when_all_others_are_being_answered(dial: Dial, serve: Serve) -> None:
    async with serve(connections=3, streams=3) as served:
        streams = [await dial(served.unix) for _ in range(3)]
        for line in streams:
            await line.say(request("GET", "/api/events", LOCAL))
            await line.reader.readuntil(b"\n\n")
        late = await dial(served.unix)
        answer = await late.answer()
        assert (answer.status, await late.ended()) == (503, b"")
        assert b"x-content-type-options: nosniff" in answer.head
        await streams[0].hang_up()
        await eventually(lambda: _is_served(served))


async def _is_served(served: Served) -> bool:
    try:
        return (await ask(served.unix, request("GET", "/health", LOCAL))).status == 200
    except (OSError, asyncio.IncompleteReadError):
        return False


async def test_the_sixty_fifth_connection_takes_the_place_of_the_longest_silent_one(dial: Dial, served: Served) -> None:
    lines = [await dial(served.unix) for _ in range(64)]
    assert (await lines[63].ask(request("GET", "/health", LOCAL))).status == 200
    newest = await dial(served.unix)
    assert (await newest.ask(request("GET", "/health", LOCAL))).status == 200
    assert await lines[0].ended() == b""
    assert (await lines[1].ask(request("GET", "/health", LOCAL))).status == 200


async def test_json_is_at_most_thirty_two_deep(served: Served) -> None:
    async with served.local() as client:

        async def code(depth: int) -> str:
            raw = b'{"x":' * depth + b"1" + b"}" * depth
            answer = await client.post("/api/pairing/bulk", content=raw, headers={"content-type": "application/json"})
            return f"{answer.status_code} {answer.json()['error']['code']}"

        found = [await code(depth) for depth in (32, 33, 1000, 100_000)]
    assert found == ["422 invalid_request", *["422 body_too_deep"] * 3]


@pytest.mark.parametrize(
    ("body", "too_deep"),
    [
        (b"", False),
        (b"[" * 32 + b"]" * 32, False),
        (b"[" * 33 + b"]" * 33, True),
        (b'{"a":[' * 16 + b"]}" * 16, False),
        (b'["' + b"[" * 99 + b'"]', False),
        (b'["\\"' + b"[" * 99 + b'"]', False),
        (b'["\\\\"' + b"[" * 99, True),
        (b'"' + b"[" * 99, False),
        (b"[]" * 50_000, False),
        (b"[]" * 1_500_000, True),
        (b'"' * 3_000_000, True),
    ],
    ids=[
        "nothing",
        "32",
        "33",
        "mixed",
        "in a string",
        "after a quote",
        "after a backslash",
        "open string",
        "many",
        "too many",
        "quotes",
    ],
)
def test_depth_is_judged_outside_of_strings(body: bytes, *, too_deep: bool) -> None:
    assert is_too_deep(body, 32) is too_deep


@pytest.mark.parametrize("kind", ["[", "[]", '"', '"\\', "[{}]", '"a",'])
def test_the_worst_body_costs_less_than_a_tenth_of_a_second(kind: str) -> None:
    body = kind.encode() * (3 * MB // len(kind))
    started = time.process_time()
    is_too_deep(body, 32)
    is_too_deep(body[:199_000], 32)
    assert time.process_time() - started < 0.1


async def test_bytes_that_are_no_http_get_an_answer_of_the_same_shape(dial: Dial, served: Served) -> None:
    for raw in (
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: " + b"y" * 70_000,
    ):
        line = await dial(served.unix)
        answer = await line.ask(raw)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "bad_request")
        assert b"cache-control: no-store" in answer.head
        assert await line.ended() == b""


async def test_garbage_in_the_middle_of_a_body_ends_the_connection_and_nothing_else(
    dial: Dial, served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    line = await dial(served.unix)
    await line.say(request("POST", "/api/kill", LOCAL, ("Transfer-Encoding", "chunked")) + b"zz\r\n")
    await line.ended()
    async with served.local() as client:
        assert (await client.get("/api/kill")).json() == {"killed": False}
    assert capfd.readouterr().err == ""


async def test_a_caller_that_does_not_take_its_answer_is_cut_off(dial: Dial, serve: Serve) -> None:
    async with serve(stall_s=1.0) as served:
        async with served.local() as client:
            await client.get("/openapi.json")
        with socket.socket(socket.AF_UNIX) as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect(os.fspath(served.unix))
            lazy.setblocking(False)  # noqa: FBT003
            await asyncio.get_running_loop().sock_sendall(lazy, request("GET", "/openapi.json", LOCAL) * 20)
            line = await dial(served.unix)
            await eventually(lambda: _is_cut(lazy))
            assert (await line.ask(request("GET", "/health", LOCAL))).status == 200


def _is_cut(caller: socket.socket) -> bool:
    """True when the other side is gone; what it had sent is not read."""
    try:
        caller.send(b"x")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False
