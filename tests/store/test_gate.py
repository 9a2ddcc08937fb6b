"""What one round trip at the gate decides, in which order, and what it leaves."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import Ear, calls, everything

from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import Admission, Challenge

TownWith = Callable[..., Town]
ANNA = ContactId("local:anna")


async def test_every_admitted_message_is_exactly_one_round_trip(town_with: TownWith) -> None:
    town = town_with(limits__messages=1000)
    await town.let_in("anna")
    await town.writes("anna", "the script is known now")
    await town.store.client.config_resetstat()
    for n in range(50):
        assert await town.writes("anna", f"text {n}") is Admission.QUEUED
    asked = await calls(town.store.client)
    print(f"50 messages: {asked}")
    assert asked["evalsha"] == 50
    outside = {"evalsha", "eval", "multi", "exec", "script|load", "ping"}
    assert {name: count for name, count in asked.items() if name in outside} == {"evalsha": 50}


async def test_the_gate_writes_nothing_for_a_stranger_or_a_denied_contact(town: Town) -> None:
    await town.writes("ben", "hi")
    await town.owner.deny("local:ben")
    before = await everything(town.store.client)
    await town.store.client.config_resetstat()
    gate = town.rooms.gate._gate
    assert await gate.admit(town.message("anna", "hi")) is Admission.STRANGER
    assert await gate.admit(town.message("ben", "hi")) is Admission.DENIED
    assert await gate.take_over(town.message("anna", "hi", from_me=True)) is Admission.STRANGER
    asked = await calls(town.store.client)
    assert set(asked) <= {"evalsha", "eval", "exists", "get"}
    assert await everything(town.store.client) == before


async def test_an_admitted_message_is_stored_in_the_predecessors_formats(town: Town) -> None:
    await town.let_in("anna")
    sent = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    message = town.message("anna", "hé", sent_at=sent, message_id=MessageId("ABC"), normalized_contact_id="4915")
    await town.gateway.receive(message)
    store = await everything(town.store.client)
    ((member, score),) = store["HISTORY:local:anna"]
    values = ["ABC", "user", "hé", 1772366400500, "incoming"]
    assert list(json.loads(member).items()) == list(zip(["id", "role", "content", "timestamp", "type"], values, strict=True))
    assert score == 1772366400500
    assert store["HISTORY:local:anna:ids"] == {b"ABC"}
    ((_, fields),) = store["QUEUE:messages"]
    assert fields == {b"channelId": b"local", b"contactId": b"local:anna", b"normalizedContactId": b"4915", b"messageId": b"ABC"}
    (mail,) = map(json.loads, store["INBOX:local:anna"])
    assert (mail["messageId"], mail["content"], mail["contactName"], mail["timestamp"]) == ("ABC", "hé", "Anna", 1772366400500)
    week = [await town.store.client.ttl(key) for key in ("HISTORY:local:anna", "HISTORY:local:anna:ids")]
    assert [604_790 < each <= 604_800 for each in week] == [True, True]


async def test_a_message_is_decided_about_once(town: Town) -> None:
    await town.let_in("anna")
    message = town.message("anna", "hi")
    assert [await town.gateway.receive(message) for _ in range(3)] == [Admission.QUEUED, *[Admission.DUPLICATE] * 2]
    await town.store.client.delete("SEEN:local:anna:" + message.message_id)  # then the history itself remembers
    assert await town.gateway.receive(message) is Admission.DUPLICATE
    assert await town.store.client.llen("INBOX:local:anna") == 1


async def test_history_keeps_the_hundred_newest_and_the_ids_of_no_others(town_with: TownWith) -> None:
    town = town_with(limits__messages=1000)
    await town.let_in("anna")
    for n in range(120):
        await town.writes("anna", f"text {n}", message_id=MessageId(f"m-{n}"))
    turns = await town.conversation.recent(ANNA, 1000)
    assert [turn.content for turn in turns] == [f"text {n}" for n in range(20, 120)]
    assert await town.store.client.smembers("HISTORY:local:anna:ids") == {f"m-{n}".encode() for n in range(20, 120)}


async def test_messages_of_the_same_second_keep_the_order_of_their_arrival(town_with: TownWith) -> None:
    town = town_with(limits__messages=1000)
    await town.let_in("anna")
    second = datetime(2026, 3, 1, tzinfo=UTC)
    order = [f"{n * 7919 % 100:02d}" for n in range(50)]
    for text in order:
        await town.writes("anna", text, sent_at=second, message_id=MessageId(text))
    await town.writes("anna", "late", sent_at=second - timedelta(hours=1))
    assert [turn.content for turn in await town.conversation.recent(ANNA, 100)] == [*order, "late"]


async def test_a_full_inbox_keeps_the_message_in_the_history_only(town_with: TownWith) -> None:
    town = town_with(limits__messages=1000)
    await town.let_in("anna")
    outcomes = [await town.writes("anna", str(n)) for n in range(202)]
    assert outcomes == [Admission.QUEUED] * 200 + [Admission.INBOX_FULL] * 2
    assert (await town.conversation.recent(ANNA, 1))[0].content == "201"
    assert await town.store.client.llen("INBOX:local:anna") == 200


@pytest.mark.parametrize("how", ["pause", "kill", "pause all"])
async def test_what_a_stopped_contact_says_is_remembered_and_not_queued(town: Town, how: str) -> None:
    await town.let_in("anna")
    match how:
        case "pause":
            await town.control.pause(ANNA, None)
        case "kill":
            await town.control.kill()
        case _:
            await town.control.pause(None, timedelta(minutes=5))
    assert await town.writes("anna", "hi") is (Admission.PAUSED if how == "pause" else Admission.KILLED)
    assert [turn.content for turn in await town.conversation.recent(ANNA, 10)] == ["hi"]
    assert await town.raw_keys("INBOX:*") == await town.raw_keys("COUNTER:*") == []
    assert await town.store.client.exists("QUEUE:messages") == 0


async def test_the_checks_come_in_their_order(town_with: TownWith) -> None:
    """Each switch that is on hides the ones behind it."""
    town = town_with(limits__messages=1)
    await town.let_in("anna")
    first = town.message("anna", "hi")
    await town.gateway.receive(first)
    await town.control.pause(ANNA, None)
    await town.control.kill()
    found = [await town.gateway.receive(first), await town.writes("anna", "two")]
    await town.control.resume(None, unkill=True)
    found.append(await town.writes("anna", "three"))
    await town.control.resume(ANNA)
    found.append(await town.writes("anna", "four"))
    await town.owner.revoke(ANNA)
    found.append(await town.gateway.receive(first))
    assert found == [Admission.DUPLICATE, Admission.KILLED, Admission.PAUSED, Admission.RATE_LIMITED, Challenge.PROMPTED]


async def test_the_eleventh_message_of_a_minute_pauses_for_an_hour_and_says_so(town: Town, ear: Ear) -> None:
    await town.let_in("anna")
    await ear.heard()
    outcomes = [await town.writes("anna", str(n)) for n in range(12)]
    pause = json.loads(await town.store.client.get("PAUSE:local:anna"))
    event, security = await ear.heard()
    assert security == {
        "channel": "events:security",
        "event": "rate_limit_triggered",
        "severity": "warn",
        "contactId": "local:a****",
        "channelId": "local",
        "timestamp": security["timestamp"],
    }
    assert outcomes == [Admission.QUEUED] * 10 + [Admission.RATE_LIMITED, Admission.PAUSED]
    assert pause == {"pausedAt": event["pausedAt"], "reason": "rate_limit", "until": event["pausedAt"] + 3_600_000}
    assert 3_590_000 < await town.store.client.pttl("PAUSE:local:anna") <= 3_600_000
    assert {name: event[name] for name in ("channel", "contactId", "action", "reason", "count", "threshold")} == {
        "channel": "events:pause",
        "contactId": "local:anna",
        "action": "pause",
        "reason": "rate_limit",
        "count": 11,
        "threshold": 10,
    }
    assert len(await town.conversation.recent(ANNA, 100)) == 12


async def test_the_window_of_the_limit_is_its_own_minute(town: Town) -> None:
    await town.let_in("anna")
    for n in range(10):
        await town.writes("anna", str(n))
    assert 55 < await town.store.client.ttl("COUNTER:local:anna:msgs") <= 60
    await town.store.client.pexpireat("COUNTER:local:anna:msgs", 1)
    assert await town.writes("anna", "a minute later") is Admission.QUEUED


@pytest.mark.parametrize("raw", [b"1700000000000", b'{"pausedAt":1700000000000,"reason":"manual"}', b"garbage"])
async def test_any_pause_the_predecessor_left_stops_the_contact(town: Town, raw: bytes) -> None:
    await town.let_in("anna")
    await town.store.client.set("PAUSE:local:anna", raw)
    assert await town.writes("anna", "hi") is Admission.PAUSED
    assert await town.work() == []


async def test_the_predecessors_history_is_read_and_continued(town: Town) -> None:
    await town.let_in("anna")
    old = '{"id":"false_49@c.us_3EB0","role":"assistant","content":"ok","timestamp":1700000000000,"type":"outgoing"}'
    await town.store.client.zadd("HISTORY:local:anna", {old: 1700000000000, "garbage": 1700000000001})
    await town.store.client.sadd("HISTORY:local:anna:ids", "false_49@c.us_3EB0")
    await town.writes("anna", "hi")
    turns = await town.conversation.recent(ANNA, 10)
    assert [(turn.role, turn.type, turn.content) for turn in turns] == [("assistant", "outgoing", "ok"), ("user", "incoming", "hi")]
    assert b"garbage" in await town.store.client.zrange("HISTORY:local:anna", 0, -1)
    assert await town.writes("anna", "again", message_id=MessageId("false_49@c.us_3EB0")) is Admission.DUPLICATE


async def test_the_owners_own_words_pause_the_contact_and_drop_what_waits_for_it(town: Town, ear: Ear) -> None:
    await town.let_in("anna")
    await town.writes("anna", "one")
    await town.work()
    await town.writes("anna", "two")
    await ear.heard()
    own = town.message("anna", "I am here", from_me=True)
    assert [await town.gateway.receive(own) for _ in range(2)] == [Admission.TAKEN_OVER, Admission.DUPLICATE]
    assert await town.writes("anna", "three") is Admission.PAUSED
    assert [(turn.type, turn.content) for turn in await town.conversation.recent(ANNA, 10)] == [
        ("incoming", "one"),
        ("incoming", "two"),
        ("fromMe", "I am here"),
        ("incoming", "three"),
    ]
    pause: dict[str, Any] = json.loads(await town.store.client.get("PAUSE:local:anna"))
    assert (pause["reason"], pause["until"] - pause["pausedAt"]) == ("fromMe", 3_600_000)
    assert await town.raw_keys("INBOX:*") == await town.raw_keys("OUTBOX:*") == []
    assert [(event["action"], event["reason"]) for event in await ear.heard()] == [("pause", "fromMe")]
    assert await town.deliver() == []


async def test_the_owners_words_to_a_stranger_change_nothing(town: Town) -> None:
    assert await town.writes("anna", "hello you", from_me=True) is Admission.STRANGER
    assert await everything(town.store.client) == {}
