"""What does a caller that listens hear, what after it was away, and what when it does not read?"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import pytest
from api.serving import Dial, Serve, Served, resident_kb
from api.wire import ask, request
from fakes.process import eventually, knock

from secondme.core.store import keys

LOCAL = ("Host", "localhost")


@dataclass
class Heard:
    """One event of a stream."""

    id: str
    name: str
    data: dict[str, Any]


class Listener:
    """A stream that is read as a browser reads it."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.last_id = ""
        self.comments = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, served: Served, last_id: str | None = None) -> AsyncIterator[Self]:
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        async with served.local(headers=headers) as client, client.stream("GET", "/api/events") as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            listener = cls(answer.aiter_lines())
            while (await anext(listener._lines)).partition(":")[0] != "id":
                pass
            yield listener

    async def next(self, name: str | None = None) -> Heard:
        """The next event, or the next of that name."""
        async with asyncio.timeout(30):
            while True:
                heard = await self._piece()
                if heard is not None and name in {None, heard.name}:
                    return heard

    async def _piece(self) -> Heard | None:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                key, _, value = line.partition(": ")
                fields[key] = value
            elif fields:
                break
        self.last_id = fields.get("id", self.last_id)
        return Heard(fields["id"], fields["event"], json.loads(fields["data"])) if "data" in fields else None


async def test_every_channel_of_the_store_is_heard_with_its_name_and_time(town_hall: Served) -> None:
    publish = town_hall.store.client.publish
    async with Listener.to(town_hall) as listener, town_hall.local() as client:
        await client.post("/api/pairing/local:ben")
        await client.post("/api/pause/local:ben")
        await publish(keys.EVENTS_QUEUE, '{"type": "dead_letter", "contactId": "local:ben", "timestamp": 1000}')
        await client.post("/api/kill")
        await publish(keys.EVENTS_STATUS, '{"type": "gateway_state", "state": "ready", "timestamp": 1000}')
        heard = [await listener.next() for _ in range(6)]
    assert [(each.data["channel"], each.name) for each in heard] == [
        ("pairing", "pairing_approved"),
        ("pause", "pause"),
        ("queue", "dead_letter"),
        ("pause", "kill"),
        ("security", "kill_switch_activated"),
        ("status", "gateway_state"),
    ]
    assert heard[2].data["at"] == "1970-01-01T00:00:01Z"
    assert heard[0].data["tier"] == "standard"


async def test_codes_are_not_in_the_stream(town_hall: Served) -> None:
    async with Listener.to(town_hall) as listener, town_hall.local() as client:
        await knock(town_hall.store, town_hall.setup, "dora")
        heard = await listener.next("pairing_request")
        (code,) = [
            each["code"] for each in (await client.get("/api/pairing")).json()["contacts"] if each["contactId"] == "local:dora"
        ]
    assert heard.data["contactId"] == "local:dora"
    assert heard.data["code"] == "******"
    assert code not in json.dumps(heard.data)


async def test_what_happened_while_a_caller_was_away_is_heard_once_when_it_comes_back(town_hall: Served) -> None:
    async with Listener.to(town_hall) as listener:
        await say(town_hall, "one")
        await listener.next("one")
        last = listener.last_id
    for number in range(150):
        await town_hall.store.client.publish(keys.EVENTS_STATUS, json.dumps({"type": "missed", "number": number}))
    await eventually(lambda: town_hall.api.hub.head >= int(last.rpartition("-")[2]) + 150)
    async with Listener.to(town_hall, last) as listener:
        await say(town_hall, "two")
        heard = [await listener.next() for _ in range(151)]
    assert [each.data.get("number") for each in heard] == [*range(150), None]
    assert [each.name for each in heard] == ["missed"] * 150 + ["two"]
    assert len({each.id for each in heard}) == 151


async def test_a_caller_that_heard_nothing_yet_can_come_back_too(town_hall: Served) -> None:
    async with town_hall.local() as client, client.stream("GET", "/api/events") as answer:
        lines = answer.aiter_lines()
        first = [await anext(lines), await anext(lines)]
    await say(town_hall, "one")
    async with Listener.to(town_hall, first[1].removeprefix("id: ")) as listener:
        assert (await listener.next()).name == "one"
    assert first[0] == "retry: 2000"


@pytest.mark.parametrize(
    "event_id", ["", "nonsense", "0123456789ab-1", "EPOCH-999999", "EPOCH-0", "EPOCH--1", "EPOCH-" + "9" * 100, "EPOCH-\u0661"]
)
async def test_a_caller_whose_place_is_not_known_is_told_to_read_the_lists_again(serve: Serve, event_id: str) -> None:
    async with serve(kept_events=5) as served:
        for number in range(10):
            served.api.hub.tell(keys.EVENTS_STATUS, {"type": "filler", "number": number})
        epoch = served.api.hub.id_of(0).partition("-")[0]
        raw = request("GET", "/api/events", LOCAL, ("Last-Event-ID", event_id.replace("EPOCH", epoch).encode().decode("latin-1")))
        reader, writer = await asyncio.open_unix_connection(served.unix)
        writer.write(raw)
        beginning = await reader.readuntil(b"event: reset\ndata: {}\n\n")
        served.api.hub.tell(keys.EVENTS_STATUS, {"type": "next"})
        following = await reader.readuntil(b"event: next\n")
        writer.close()
        await writer.wait_closed()
    assert b"filler" not in beginning + following


async def test_after_the_store_was_away_everybody_who_listens_is_told_to_read_the_lists_again(town_hall: Served) -> None:
    hub = town_hall.api.hub
    async with Listener.to(town_hall) as listener:
        before, head = hub.id_of(hub.head), hub.head
        await town_hall.store.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        async def is_back() -> bool:
            await say(town_hall, "after")
            return hub.head >= head + 2

        await eventually(is_back)
        assert [(await listener.next()).name for _ in range(2)] == ["reset", "after"]
    async with Listener.to(town_hall, before) as late:
        assert [(await late.next()).name for _ in range(2)] == ["reset", "after"]


async def test_a_silent_stream_shows_that_it_lives(serve: Serve) -> None:
    async with serve(heartbeat_s=0.01) as served, Listener.to(served) as listener:
        await eventually(lambda: asyncio.wait_for(listener_comment(listener), 30))


async def listener_comment(listener: Listener) -> bool:
    async for line in listener._lines:
        if line.startswith(":"):
            return True
    return False


async def test_streams_are_limited_and_a_place_is_free_again_when_one_leaves(serve: Serve) -> None:
    async with serve(streams=2) as served, Listener.to(served):
        async with Listener.to(served):
            refused = await ask(served.unix, request("GET", "/api/events", LOCAL))
        await eventually(lambda: _can_listen(served))
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (503, "too_many_streams")


async def _can_listen(served: Served) -> bool:
    async with served.local() as client, client.stream("GET", "/api/events") as answer:
        return answer.status_code == 200


async def test_streams_end_with_the_gateway(serve: Serve) -> None:
    async with serve() as served, Listener.to(served) as listener:
        served.api.hub.tell(keys.EVENTS_STATUS, {"type": "farewell"})
        served.stop.set()
        assert (await listener.next()).name == "farewell"
        assert [line async for line in listener._lines if line and not line.startswith(":")] == []


async def test_callers_that_do_not_read_are_cut_and_take_no_memory(serve: Serve, dial: Dial) -> None:
    async with serve(stall_s=1.0) as served, Listener.to(served) as listener:
        lines = [await dial(served.unix) for _ in range(20)]
        for line in lines:
            await line.say(request("GET", "/api/events", LOCAL))
            await line.reader.readuntil(b"\n\n")
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio types it as writing only
        before = resident_kb(os.getpid())
        reading = asyncio.ensure_future(listener.next("after_the_flood"))
        for number in range(20_000):
            served.api.hub.tell(keys.EVENTS_STATUS, {"type": "flood", "number": number, "text": "x" * 4_000})
            if number % 20 == 0:
                await asyncio.sleep(0)
        grown_kb = resident_kb(os.getpid()) - before
        served.api.hub.tell(keys.EVENTS_STATUS, {"type": "after_the_flood"})
        assert (await reading).name == "after_the_flood"
        for line in lines:
            await eventually(lambda line=line: line.is_cut(b"x"))
    print(f"\n80 MB of events, 20 callers that did not read, all cut: memory grew by {grown_kb} kB")
    assert grown_kb < 40_000


async def test_what_others_publish_cannot_break_a_stream_or_fill_it(town_hall: Served) -> None:
    publish = town_hall.store.client.publish
    hostile = "x\nid: 666\ndata: {}\n\nevent: pairing_approved"
    async with Listener.to(town_hall) as listener:
        for raw in (
            "not json",
            "[]",
            '"x"',
            json.dumps({"type": hostile, "name": "\x1b]0;evil\x07\u202e"}),
            json.dumps({"type": ["x"]}),
        ):
            await publish(keys.EVENTS_STATUS, raw)
        await publish(keys.EVENTS_STATUS, json.dumps({"type": "reset", "timestamp": float(2**70)}))
        await publish(keys.EVENTS_STATUS, json.dumps({"type": "big", "text": "x" * 100_000}))
        await say(town_hall, "last")
        heard = [await listener.next() for _ in range(5)]
    assert [each.name for each in heard] == ["status", "status", "status", "reset", "last"]
    assert heard[0].data == {"type": hostile, "name": "]0;evil", "channel": "status", "at": None}


async def say(served: Served, name: str) -> None:
    """Publish an event of this name."""
    await served.store.client.publish(keys.EVENTS_STATUS, json.dumps({"type": name}))
