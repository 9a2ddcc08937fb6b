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
from secondme.services import Services

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
            while await anext(listener._lines):
                pass  # the greeting
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
    async with Listener.to(town_hall) as listener, town_hall.local() as client:
        await client.post("/api/pairing/local:ben")
        await client.post("/api/pause/local:ben")
        await publish(town_hall, '{"type": "dead_letter", "contactId": "local:ben", "timestamp": 1000}', keys.EVENTS_QUEUE)
        await client.post("/api/kill")
        await publish(town_hall, '{"type": "gateway_state", "state": "ready", "timestamp": 1000}')
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
        await town_hall.store.publish(keys.EVENTS_STATUS, {"type": "missed", "number": number})
    async with Listener.to(town_hall, last) as listener:
        await say(town_hall, "two")
        heard = [await listener.next() for _ in range(151)]
    assert [each.data.get("number") for each in heard] == [*range(150), None]
    assert [each.name for each in heard] == ["missed"] * 150 + ["two"]
    assert len({each.id for each in heard}) == 151


async def test_what_happened_while_no_gateway_ran_is_heard_once_from_the_next_one(serve: Serve) -> None:
    async with serve() as first, Listener.to(first) as listener:
        await say(first, "one")
        await listener.next("one")
        last = listener.last_id
    for number in range(40):
        await first.store.publish(keys.EVENTS_STATUS, {"type": "missed", "number": number})
    async with serve() as second, Listener.to(second, last) as listener:
        await say(second, "two")
        heard = [await listener.next() for _ in range(41)]
    assert [each.data.get("number") for each in heard] == [*range(40), None]


async def test_a_caller_that_missed_more_than_is_kept_is_told_to_read_the_lists_again(town_hall: Served) -> None:
    async with Listener.to(town_hall) as listener:
        await say(town_hall, "one")
        await listener.next("one")
        last = listener.last_id
    await flood(town_hall, 6_000, "")
    async with Listener.to(town_hall, last) as listener:
        first = await listener.next()
        await say(town_hall, "two")
        assert [first.name, (await listener.next()).name] == ["reset", "two"]
    assert 5_000 <= await town_hall.store.client.xlen(keys.EVENTS_LOG) < 5_200


async def test_a_forgotten_contact_is_in_no_event_that_is_kept_and_nobody_misses_more(town_hall: Served) -> None:
    async with Listener.to(town_hall) as listener, town_hall.local() as client:
        await say(town_hall, "one")
        await listener.next("one")
        await client.post("/api/pairing/local:ben")
        await town_hall.store.client.xadd(keys.SKILL_CALLS, {"skill": "notes", "contact": "local:ben"})
        await say(town_hall, "two")
        last = listener.last_id
    await Services(town_hall.setup, town_hall.store).contacts.forget("local:ben")
    async with Listener.to(town_hall, last) as listener:
        assert [(await listener.next()).name for _ in range(2)] == ["two", "contact_forgotten"]
    kept = await town_hall.store.client.xrange(keys.EVENTS_LOG) + await town_hall.store.client.xrange(keys.SKILL_CALLS)
    assert "local:ben" not in str(kept)
    assert "local:anna" in str(kept)


async def test_a_log_of_the_wrong_type_stops_nothing_and_says_that_lists_must_be_read(town_hall: Served) -> None:
    await town_hall.store.client.set(keys.EVENTS_LOG, "broken")
    async with Listener.to(town_hall, "1-0") as listener, town_hall.local() as client:
        assert (await listener.next()).name == "reset"
        assert (await client.post("/api/pairing/local:ben")).status_code == 200
        assert (await listener.next()).name == "reset"


async def test_a_caller_that_heard_nothing_yet_can_come_back_too(town_hall: Served) -> None:
    async with town_hall.local() as client, client.stream("GET", "/api/events") as answer:
        lines = answer.aiter_lines()
        first = [await anext(lines), await anext(lines)]
    await say(town_hall, "one")
    async with Listener.to(town_hall, first[1].removeprefix("id: ")) as listener:
        assert (await listener.next()).name == "one"
    assert first[0] == "retry: 2000"


@pytest.mark.parametrize(
    "event_id", ["", "nonsense", "0123456789ab-1", "999999999999999-0", "1-0", "1--1", "1-" + "9" * 100, "1-\u0661"]
)
async def test_a_caller_whose_place_is_not_known_is_told_to_read_the_lists_again(served: Served, event_id: str) -> None:
    for _ in range(10):
        await say(served, "filler")
    raw = request("GET", "/api/events", LOCAL, ("Last-Event-ID", event_id.encode().decode("latin-1")))
    reader, writer = await asyncio.open_unix_connection(served.unix)
    writer.write(raw)
    beginning = await reader.readuntil(b"event: reset\ndata: {}\n\n")
    await say(served, "next")
    following = await reader.readuntil(b"event: next\n")
    writer.close()
    await writer.wait_closed()
    assert b"filler" not in beginning + following


async def test_a_caller_misses_nothing_when_the_connection_to_the_store_breaks(town_hall: Served) -> None:
    async with Listener.to(town_hall) as listener:
        for number in range(5):
            await town_hall.store.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await town_hall.store.publish(keys.EVENTS_STATUS, {"type": "after", "number": number})
        heard = [await listener.next() for _ in range(5)]
    assert [(each.name, each.data["number"]) for each in heard] == [("after", number) for number in range(5)]


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
        await say(served, "farewell")
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
        await flood(served, 20_000, "x" * 4_000)
        grown_kb = resident_kb(os.getpid()) - before
        await say(served, "after_the_flood")
        assert (await reading).name == "after_the_flood"
        for line in lines:
            await eventually(lambda line=line: line.is_cut(b"x"))
    print(f"\n80 MB of events, 20 callers that did not read, all cut: memory grew by {grown_kb} kB")
    assert grown_kb < 40_000


async def test_what_others_publish_cannot_break_a_stream_or_fill_it(town_hall: Served) -> None:
    hostile = "x\nid: 666\ndata: {}\n\nevent: pairing_approved"
    async with Listener.to(town_hall) as listener:
        for raw in (
            "not json",
            "[]",
            '"x"',
            json.dumps({"type": hostile, "name": "\x1b]0;evil\x07\u202e"}),
            json.dumps({"type": ["x"]}),
            json.dumps({"type": "reset", "timestamp": float(2**70)}),
            json.dumps({"type": "big", "text": "x" * 100_000}),
        ):
            await publish(town_hall, raw)
        await publish(town_hall, "{}", hostile)
        await say(town_hall, "last")
        heard = [await listener.next() for _ in range(9)]
    assert [each.name for each in heard] == [*["reset"] * 3, "status", "status", "status", "reset", "status", "last"]
    assert heard[3].data == {"type": hostile, "name": "]0;evil", "channel": "status", "at": None}


async def publish(served: Served, raw: str, channel: str = keys.EVENTS_STATUS) -> None:
    """What a script publishes, and what anybody could who reaches the store."""
    await served.store.client.xadd(keys.EVENTS_LOG, {"channel": channel, "event": raw})
    await served.store.client.publish(channel, raw)


async def flood(served: Served, count: int, text: str) -> None:
    """So many events, as fast as the store takes them."""
    event = json.dumps({"type": "flood", "text": text})
    for _ in range(count // 100):
        pipe = served.store.client.pipeline(transaction=False)
        for _ in range(100):
            pipe.xadd(keys.EVENTS_LOG, {"channel": keys.EVENTS_STATUS, "event": event}, maxlen=5_000, approximate=True)
            pipe.publish(keys.EVENTS_STATUS, event)
        await pipe.execute()


async def say(served: Served, name: str) -> None:
    """Publish an event of this name."""
    await served.store.publish(keys.EVENTS_STATUS, {"type": name})


async def test_every_piece_of_a_stream_ends_an_event_with_data(town_hall: Served) -> None:
    """Read by the strictest rule: an empty line hands out an event, and each has JSON in it, the first one too, and its id goes on from there."""
    async with town_hall.local() as client, client.stream("GET", "/api/events") as answer:
        text = ""
        async for piece in answer.aiter_text():
            text += piece
            if "event: one" in text and text.endswith("\n\n"):
                break
            await say(town_hall, "one")
    blocks = text.removesuffix("\n\n").split("\n\n")
    for block in blocks:
        assert json.loads(next(line for line in block.split("\n") if line.startswith("data: ")).removeprefix("data: ")) is not None
    assert blocks[0].split("\n")[0::2] == ["retry: 2000", "event: hello"]
    assert blocks[0].split("\n")[1].startswith("id: ")


async def test_a_silent_stream_lives_by_comments_that_end_no_event(serve: Serve) -> None:
    async with serve(heartbeat_s=0.05) as served, served.local() as client, client.stream("GET", "/api/events") as answer:
        text = ""
        async for piece in answer.aiter_text():
            text += piece
            if text.count(":\n") >= 3:
                break
    assert text.count("\n\n") == 1
