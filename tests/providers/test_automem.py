"""AutoMem's client against its contract with its oddities, and against answers that no server should give."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakes.automem import TOKEN, FakeAutoMem, automem, stranger
from fakes.clock import FakeClock
from fakes.json_vendor import BROKEN, DEEP, HUGE, MOVED, PACKED, Fault
from pydantic import SecretStr

from secondme.core.config.models import MemorySettings
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import new_id
from secondme.core.providers.automem import AutoMem, FoundMemory, NewMemory

TAG = "contact:0123456789abcdef"
OTHER = "contact:fedcba9876543210"
Connect = Callable[..., AutoMem]


def memory(content: str, tag: str = TAG, **metadata: Any) -> NewMemory:
    return NewMemory(content, (tag, "session:1", "source:chat"), metadata, "2026-11-01T10:00:00+00:00")


@pytest.fixture
async def server() -> AsyncIterator[FakeAutoMem]:
    async with automem() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def connect(server: FakeAutoMem, clock: FakeClock) -> AsyncIterator[Connect]:
    made: list[AutoMem] = []

    def make(token: str = TOKEN, **more: Any) -> AutoMem:
        settings = MemorySettings(automem_url=server.url, automem_token=SecretStr(token) if token else None)
        made.append(AutoMem(settings, clock, **more))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def listed(client: AutoMem, tag: str = TAG) -> list[FoundMemory]:
    return [each async for each in client.with_tag(tag)]


async def test_what_is_stored_is_found_listed_and_deleted(server: FakeAutoMem, connect: Connect) -> None:
    client = connect()
    ids = await client.store([memory("We meet at the lake.", hash="h1"), memory("Bring the blue tent.", hash="h2")])
    assert ids is not None
    assert [(each.id, each.content, each.metadata["hash"]) for each in await listed(client)] == [
        (ids[0], "We meet at the lake.", "h1"),
        (ids[1], "Bring the blue tent.", "h2"),
    ]
    (found,) = await client.recall("Which tent?", TAG, 5)
    assert (found.id, found.metadata["hash"], found.score) == (ids[1], "h2", 0.5)
    await client.delete(ids[0])
    await client.delete(ids[0])  # 404
    assert [each.id for each in await listed(client)] == [ids[1]]
    await client.delete_with_tag(TAG)
    assert not await client.has_tag(TAG)
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in server.requests)
    assert all(TOKEN not in str(asked.params) for asked in server.requests)


async def test_a_question_is_put_as_the_contract_wants_it(server: FakeAutoMem, connect: Connect) -> None:
    await connect().recall("when, where?" + "x" * 5000, TAG, 50)
    (asked,) = server.requests
    assert [(name, value) for name, value in asked.params if name != "query"] == [
        ("tags", TAG),
        ("tag_mode", "all"),
        ("tag_match", "exact"),
        ("limit", "50"),
        ("expand_relations", "true"),
    ]
    assert len(dict(asked.params)["query"]) == 1000


async def test_popular_rows_and_rows_of_others_are_no_answer(server: FakeAutoMem, connect: Connect) -> None:
    client = connect()
    await client.store([memory("the lake is cold"), memory("the lake is ours", OTHER)])
    server.extra_rows = [stranger(tags) for tags in ([OTHER], [], None, TAG, {TAG: 1}, [TAG + "0"], ["contact"], [[TAG]], [7])]
    assert [each.content for each in await client.recall("lake", TAG, 50)] == ["the lake is cold"]
    assert await client.recall("x", TAG, 50) == []
    assert [each.content for each in await listed(client)] == ["the lake is cold"]
    server.extra_rows = [{**stranger([TAG.upper()]), "id": "../../etc"}, {**stranger([TAG]), "content": 7}]
    assert [each.content for each in await client.recall("lake", TAG, 50)] == ["the lake is cold"]


async def test_every_page_of_a_tag_is_read(connect: Connect) -> None:
    client = connect()
    for start in range(0, 450, 50):
        await client.store([memory(f"number {number}") for number in range(start, start + 50)])
    assert [each.content for each in await listed(client)] == [f"number {number}" for number in range(450)]


@pytest.mark.parametrize("status", [200, 202, 207])
async def test_only_created_is_stored(server: FakeAutoMem, connect: Connect, status: int) -> None:
    body = json.dumps({"status": "success", "memory_ids": ["1" * 36]}).encode()
    server.faults = [Fault(status, body)]
    with pytest.raises(DataError):
        await connect().store([memory("hello")])


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "a"], ["a", 7], ["a", "../b"], "ab", None, [["a"], ["b"]]])
async def test_a_success_without_the_ids_is_none(server: FakeAutoMem, connect: Connect, ids: Any) -> None:
    server.faults = [Fault(201, json.dumps({"status": "success", "memory_ids": ids}).encode())]
    with pytest.raises(DataError):
        await connect().store([memory("hello"), memory("you")])


async def test_what_it_will_never_take_is_an_answer(server: FakeAutoMem, connect: Connect) -> None:
    assert await connect().store([memory("good"), memory("x" * 2001)]) is None
    assert server.memories == {}


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(500), UnavailableError, "automem_failed"),
        (Fault(503, b"<html>"), UnavailableError, "automem_failed"),
        (Fault(429, b"{}"), UnavailableError, "automem_rate_limited"),
        (Fault(404), ConfigError, "automem_request_refused"),
        (Fault(405), ConfigError, "automem_request_refused"),
        (Fault(403, TOKEN.encode()), CredentialsError, "automem_key_refused"),
        (MOVED, ConfigError, "automem_request_refused"),
        (BROKEN, UnavailableError, "automem_unreadable"),
        (DEEP, UnavailableError, "automem_unreadable"),
        (HUGE, UnavailableError, "automem_unreadable"),
        (PACKED, UnavailableError, "automem_unreadable"),
    ],
)
async def test_what_keeps_from_an_answer_is_an_error_of_its_cause(
    server: FakeAutoMem, connect: Connect, fault: Fault, kind: type[SecondmeError], code: str
) -> None:
    server.faults = [fault]
    with pytest.raises(kind) as caught:
        await connect().recall("where?", TAG, 5)
    assert caught.value.code == code
    assert TOKEN not in f"{caught.value!r} {caught.value.message} {caught.value.fix}"


@pytest.mark.parametrize(
    "value", [[], 7, "no", {"results": 7}, {"results": [7, None, [], {"memory": 7}, {"memory": {"tags": [TAG]}}]}]
)
async def test_an_answer_of_another_shape_holds_nothing(server: FakeAutoMem, connect: Connect, value: Any) -> None:
    server.faults = [Fault(200, json.dumps(value).encode())] * 2
    client = connect()
    assert await client.recall("where?", TAG, 5) == []
    assert await listed(client) == []


async def test_a_wrong_token_is_for_a_human(connect: Connect) -> None:
    with pytest.raises(CredentialsError):
        await connect("wrong").recall("where?", TAG, 5)
    with pytest.raises(CredentialsError):
        await connect("").recall("where?", TAG, 5)
    for token in ("two\nlines", "schlüssel"):
        with pytest.raises(ConfigError):
            connect(token)


async def test_three_failures_in_a_row_and_nobody_calls_for_a_minute(
    server: FakeAutoMem, connect: Connect, clock: FakeClock
) -> None:
    client = connect()
    server.faults = [Fault(500), Fault(500), None, Fault(500), Fault(500), BROKEN]

    async def code() -> str:
        try:
            await client.recall("where?", TAG, 5)
        except UnavailableError as error:
            return error.code
        return ""

    failed, down = "automem_failed", "automem_down"
    assert [await code() for _ in range(8)] == [failed, failed, "", failed, failed, "automem_unreadable", down, down]
    assert len(server.requests) == 6
    clock.move(61)
    assert [await code() for _ in range(2)] == ["", ""]


async def test_a_reply_does_not_wait_for_a_server_that_says_nothing(server: FakeAutoMem, connect: Connect) -> None:
    server.hold.clear()
    with pytest.raises(UnavailableError) as caught:
        await connect(recall_s=0.05).recall("where?", TAG, 5)
    assert caught.value.code == "automem_timeout"


async def test_a_cancelled_call_ends_at_once(server: FakeAutoMem, connect: Connect) -> None:
    server.hold.clear()
    asking = asyncio.create_task(connect().recall("where?", TAG, 5))
    await server.arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_neither_token_nor_words_are_in_the_log(
    server: FakeAutoMem, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect()
    await client.store([memory("a private sentence")])
    await client.recall("a private sentence", TAG, 5)
    server.faults = [BROKEN]
    with pytest.raises(UnavailableError):
        await client.recall("a private sentence", TAG, 5)
    said = caplog.text + "".join(str(record.__dict__) for record in caplog.records if record.name.startswith(("secondme", "http")))
    assert TOKEN not in said
    assert "private" not in said


REAL = os.environ.get("AUTOMEM_URL", "")


@pytest.mark.skipif(not REAL, reason="AUTOMEM_URL names no AutoMem; it and AUTOMEM_TOKEN are of one that may be written to")
async def test_a_real_one_keeps_the_contract(clock: FakeClock) -> None:
    token = os.environ.get("AUTOMEM_TOKEN", "")
    client = AutoMem(MemorySettings(automem_url=REAL, automem_token=SecretStr(token) if token else None), clock)
    tag = f"contact:{new_id()[:16]}"
    try:
        ids = await client.store([memory("We meet at the lake on Friday.", tag, hash="h1")])
        assert ids is not None
        assert [(each.id, each.metadata["hash"]) for each in await listed(client, tag)] == [(ids[0], "h1")]
        assert [each.id for each in await client.recall("Where do we meet on Friday?", tag, 5)] in ([], ids)
        assert {each.id for each in await client.recall("x", tag, 5)} <= set(ids)
        await client.delete(ids[0])
        await client.delete(ids[0])
        await client.delete_with_tag(tag)
        assert not await client.has_tag(tag)
    finally:
        await client.delete_with_tag(tag)
        await client.close()
