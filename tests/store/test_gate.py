"""What one round trip at the gate decides, in which order, and what it leaves."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import Ear, calls, everything

from secondme.core.clock import to_ms
from secondme.core.enums import Tier
from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import Admission, Challenge
from secondme.core.records import OwnMessage
from secondme.core.remember.style.own_messages import own_messages
from secondme.core.store import key_types, keys

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
    assert b"ABC" in dict(store["SEEN:local:anna"])
    ((_, fields),) = store["QUEUE:messages"]
    assert fields == {b"channelId": b"local", b"contactId": b"local:anna", b"normalizedContactId": b"4915", b"messageId": b"ABC"}
    (mail,) = map(json.loads, store["INBOX:local:anna"])
    assert (mail["messageId"], mail["content"], mail["contactName"], mail["timestamp"]) == ("ABC", "hé", "Anna", 1772366400500)
    assert 604_790 < await town.store.client.ttl("HISTORY:local:anna") <= 604_800
    assert 691_190 < await town.store.client.ttl("SEEN:local:anna") <= 691_200


async def test_a_message_is_decided_about_once(town: Town) -> None:
    await town.let_in("anna")
    message = town.message("anna", "hi")
    assert [await town.gateway.receive(message) for _ in range(3)] == [Admission.QUEUED, *[Admission.DUPLICATE] * 2]
    assert await town.store.client.llen("INBOX:local:anna") == 1


@pytest.mark.parametrize("days", [0, 2, 9, 30])
@pytest.mark.parametrize("from_me", [False, True])
async def test_what_came_late_is_decided_about_once_and_counts_by_when_it_was_written(
    town_with: TownWith, days: int, from_me: bool
) -> None:
    town = town_with(limits__messages=2)
    await town.let_in("anna")
    then = town.clock.now() - timedelta(days=days)
    said = [town.message("anna", f"text {n}", sent_at=then, from_me=from_me) for n in range(3)]
    outcomes = [await town.gateway.receive(message) for message in said]
    if days < 8:  # what is older is not kept for the limit
        assert outcomes == ([Admission.TAKEN_OVER] * 3 if from_me else [Admission.QUEUED, Admission.QUEUED, Admission.RATE_LIMITED])
    await town.store.client.delete(keys.pause(ANNA))
    await town.writes("anna", "the first of an hour")
    again = {await town.gateway.receive(message) for message in said}
    assert again <= {Admission.DUPLICATE, Admission.OWN_ECHO}


@pytest.mark.parametrize("from_me", [False, True])
async def test_what_only_the_history_remembers_was_decided_about_and_counts_for_no_limit(
    town_with: TownWith, from_me: bool
) -> None:
    town = town_with(limits__messages=2)
    await town.let_in("anna")
    said = [town.message("anna", f"text {n}", sent_at=town.clock.now() - timedelta(seconds=1)) for n in range(2)]
    assert [await town.gateway.receive(message) for message in said] == [Admission.QUEUED] * 2
    assert await town.work() == ["answered"]
    await town.deliver()
    await town.store.client.delete(keys.seen(ANNA))
    assert await town.writes("anna", "three") is Admission.QUEUED
    again = [await town.gateway.receive(replace(message, from_me=from_me)) for message in said]
    assert again == [Admission.OWN_ECHO if from_me else Admission.DUPLICATE] * 2
    assert 0 < await town.store.client.ttl(keys.seen(ANNA)) <= 691_200


async def test_what_we_said_counts_for_no_limit_and_ends_with_the_rest(town_with: TownWith) -> None:
    town = town_with(limits__messages=2)
    await town.let_in("anna")
    await town.writes("anna", "one")
    await town.work()
    await town.deliver()
    seen = dict(await town.store.client.zrange(keys.seen(ANNA), 0, -1, withscores=True))
    ours = [at for at in seen.values() if at < 0]
    assert len(ours) >= 2, "the greeting and the reply"
    hour = 3_600_000
    long_ago = to_ms(town.clock.now()) - 8 * 24 * hour
    await town.store.client.zadd(
        keys.seen(ANNA), {"-old": -long_ago, "old": long_ago, "-young": -long_ago - hour, "young": long_ago + hour}
    )
    await town.store.client.delete(keys.history(ANNA))
    await town.writes("anna", "the first of an hour")
    left = set(await town.store.client.zrange(keys.seen(ANNA), 0, -1))
    assert left >= {*seen, b"-young", b"young"}
    assert not left & {b"-old", b"old"}


async def test_the_ids_that_an_older_version_kept_are_known_and_change_nothing(town: Town) -> None:
    await town.let_in("anna")
    message = town.message("anna", "hi")
    await town.store.client.sadd(keys.history_ids(ANNA), message.message_id)
    assert key_types.known(keys.history_ids(ANNA)) == ("history_ids", "set", ANNA)
    assert await town.gateway.receive(message) is Admission.QUEUED
    assert await town.store.client.smembers(keys.history_ids(ANNA)) == {message.message_id.encode()}
    await town.owner.revoke(ANNA)
    assert not await town.store.client.exists(keys.history_ids(ANNA))


async def test_history_keeps_the_hundred_newest(town_with: TownWith) -> None:
    town = town_with(limits__messages=1000)
    await town.let_in("anna")
    for n in range(120):
        await town.writes("anna", f"text {n}", message_id=MessageId(f"m-{n}"))
    turns = await town.conversation.recent(ANNA, 1000)
    assert [turn.content for turn in turns] == [f"text {n}" for n in range(20, 120)]


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
    assert await town.raw_keys("INBOX:*") == []
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


HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("seconds", "fields", "flooded_at"),
    [
        (range(0, 110, 10), {}, None),  # never more than seven within a minute
        (range(11), {}, 10),
        ([0] * 11, {}, 10),
        ([*range(10), 60, 61, 62], {}, None),  # the first have left the window by then
        ([*range(10), 59], {}, 10),
        (range(0, 7200, 600), {}, None),  # two hours' backlog, all at once
        ([0] * 12, {"album": "g1"}, None),
        (range(0, 110, 10), {"is_time_claimed": True}, 10),  # a sender's own clock excuses nobody
        (range(0, 110, 10), {"is_time_claimed": True, "backlog": True}, None),
    ],
)  # fmt: skip
async def test_a_flood_is_judged_by_when_the_messages_were_sent(
    town: Town, seconds: list[int], fields: dict[str, Any], flooded_at: int | None
) -> None:
    await town.let_in("anna")
    outcomes = [
        await town.writes("anna", f"message {at}", sent_at=HOUR_AGO + timedelta(seconds=second), **fields)
        for at, second in enumerate(seconds)
    ]
    assert [at for at, outcome in enumerate(outcomes) if outcome is Admission.RATE_LIMITED] == (
        [] if flooded_at is None else [flooded_at]
    )
    assert outcomes[: flooded_at or None].count(Admission.QUEUED) == len(outcomes[: flooded_at or None])


async def test_albums_are_one_message_each_and_no_excuse(town: Town) -> None:
    await town.let_in("anna")
    outcomes = [await town.writes("anna", "[photo]", sent_at=HOUR_AGO, album=f"g{at // 3}") for at in range(36)]
    assert outcomes.index(Admission.RATE_LIMITED) == 30  # the eleventh album
    assert await town.writes("anna", "[photo]", sent_at=HOUR_AGO, album="g1", message_id=MessageId("m2")) is Admission.DUPLICATE


@pytest.mark.parametrize(
    ("approved", "names", "shown"),
    [
        ("Anna", ["Anna"], "Anna"),
        ("Anna", ["Anna-Maria Berg"], "Anna (now called Anna-Maria Berg)"),
        ("Anna", ["Mum", "Mum", "Ben"], "Anna (now called Ben)"),
        ("Anna", ["Mum", "Anna"], "Anna"),
        ("Anna", ["Mum", ""], "Anna (now called Mum)"),
        ("", ["", "Anna", "Mum"], "Anna (now called Mum)"),
        ("Zoë/Ω", ['"\\', "Zoë/Ω"], "Zoë/Ω"),
    ],
)
async def test_a_name_grows_old_visibly_and_is_never_replaced(town: Town, approved: str, names: list[str], shown: str) -> None:
    await town.writes("anna", "hello", display_name=approved)
    await town.owner.approve("local:anna")
    for name in names:
        assert await town.writes("anna", "hi", display_name=name) is Admission.QUEUED
    (contact,) = (await town.pairing.listing()).approved
    assert contact.shown_name == shown


async def test_what_came_during_a_pause_is_kept_until_it_is_answered_or_the_owner_writes(town: Town) -> None:
    await town.let_in("anna")
    for end in ("an answer", "the owner"):
        await town.control.pause(ANNA, timedelta(hours=1))
        assert await town.writes("anna", "are you there?") is Admission.PAUSED
        (missed,) = map(json.loads, (await everything(town.store.client))["MISSED:local:anna"])
        assert missed["content"] == "are you there?"
        await town.control.resume(ANNA)
        await town.writes("anna", "hello?", from_me=end == "the owner")
        await town.work()
        assert await town.raw_keys("MISSED:*") == []
        await town.control.resume(ANNA)


@pytest.mark.parametrize("stage", ["not here yet", "waiting", "being composed", "on its way", "begun", "held", "missed", "dead"])
async def test_what_its_sender_took_back_is_nowhere_and_not_answered(town: Town, stage: str) -> None:
    await town.let_in("anna", Tier.RESTRICTED if stage == "held" else Tier.STANDARD)
    gone = MessageId("gone")
    revoke = town.message("anna", "", revokes=gone)
    if stage == "not here yet":
        assert await town.gateway.receive(revoke) is Admission.REVOKED
        assert await town.writes("anna", "I hate my boss", message_id=gone) is Admission.DUPLICATE
    elif stage == "missed":
        await town.control.pause(ANNA, timedelta(hours=1))
        await town.writes("anna", "I hate my boss", message_id=gone)
    else:
        await town.writes("anna", "I hate my boss", message_id=gone)
    burst: Any = None
    if stage == "being composed":
        (token,) = await town.tokens()
        burst = await town.inbox.begin(token, "w")
    elif stage in {"on its way", "begun", "held"}:
        await town.work()
    if stage == "begun":
        await town.outbox.take(ANNA, "local", "s")
    if stage == "dead":
        await town.store.client.rename("INBOX:local:anna", "DEAD:local:anna")
    for _ in range(2):
        assert await town.gateway.receive(revoke) is Admission.REVOKED
    if burst:
        verdict: Any = await town.gateway.answer(burst)
        assert not await town.inbox.finish(burst, "w", verdict.rows, stages=verdict.stages)
    await town.work()
    if stage == "begun":
        await town.store.client.zadd("OUTBOX:due:local", {ANNA: 1})
    await town.deliver()
    left = await everything(town.store.client)
    gone_out = ["re: I hate my boss"] if stage == "begun" else []
    assert town.channel.texts("local:anna") == gone_out
    assert str(left).count("I hate my boss") == len(gone_out)  # its own turn, which the contact has read


async def test_nobody_takes_back_what_somebody_else_said(town: Town) -> None:
    await town.let_in("anna")
    await town.let_in("ben")
    await town.writes("anna", "mine", message_id=MessageId("a"))
    await town.writes("ben", "", revokes="a")
    await town.writes("anna", "", revokes="a", from_me=True)
    assert await town.writes("zoe", "", revokes="a") is Admission.STRANGER
    assert await town.work() == ["answered"]
    await town.deliver()
    assert town.channel.texts("local:anna") == ["re: mine"]


async def test_a_reply_that_answers_more_than_what_was_taken_back_leaves(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "one", message_id=MessageId("a"))
    await town.writes("anna", "two", message_id=MessageId("b"))
    await town.work()
    await town.writes("anna", "", revokes="a")
    await town.deliver()
    assert town.channel.texts("local:anna") == ["re: two"]


async def test_turns_of_a_disappearing_chat_leave_with_it_and_teach_nothing(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "for good")
    await town.writes("anna", "for an hour", expires_s=3600)
    await town.work()
    await town.deliver()
    await town.writes("anna", "mine, for an hour", from_me=True, expires_s=3600)
    assert own_messages(await town.conversation.said(ANNA)) == []
    assert await town.conversation.expire() == 0
    turns = await town.store.client.zrange("HISTORY:local:anna", 0, -1)
    assert [b"expiresAt" in turn for turn in turns] == [False, True, True, True]
    for turn in turns[1:]:
        await town.store.client.zadd("HISTORY:local:anna", {re.sub(rb'"expiresAt":\d+', b'"expiresAt":1', turn): 1})
        await town.store.client.zrem("HISTORY:local:anna", turn)
    await town.store.client.zadd("HISTORY:expiring", {ANNA: 1})
    assert await town.conversation.expire() == 3
    assert [turn.content for turn in await town.conversation.said(ANNA)] == ["for good"]
    assert await town.raw_keys("HISTORY:expiring") == []


@pytest.mark.parametrize("make", [keys.missed, keys.dead], ids=lambda make: str(make.__name__))
async def test_what_a_disappearing_chat_forgets_stays_nowhere_else(town: Town, make: Callable[[str], str]) -> None:
    await town.let_in("anna")
    client = town.store.client
    for words, ago_s in (("short", 7200), ("longer", 60)):
        await town.writes("anna", words, expires_s=3600, sent_at=datetime.now(UTC) - timedelta(seconds=ago_s))
    await client.rename(keys.inbox(ANNA), make(ANNA))
    index = keys.MISSED_INDEX if make is keys.missed else keys.DEAD_INDEX
    await client.zadd(index, {ANNA: 1})
    await client.zadd(keys.HISTORY_EXPIRING, {ANNA: 1})
    assert await town.conversation.expire() == 2
    assert ["short" in str(await everything(client)), "longer" in str(await everything(client))] == [False, True]
    again, left = await client.zscore(keys.HISTORY_EXPIRING, ANNA), await client.lindex(make(ANNA), 0)
    assert again == json.loads(left)["timestamp"] + 3_600_000
    await client.lset(make(ANNA), 0, re.sub(rb'"timestamp":\d+', b'"timestamp":1', left))
    await client.delete(keys.history(ANNA))
    await client.zadd(keys.HISTORY_EXPIRING, {ANNA: 1})
    assert await town.conversation.expire() == 1
    assert await client.exists(make(ANNA), index, keys.HISTORY_EXPIRING) == 0


async def test_one_broken_history_keeps_nobody_elses_words(town: Town) -> None:
    for name in ("anna", "ben"):
        await town.let_in(name)
        await town.writes(name, "gone by now", expires_s=60, sent_at=HOUR_AGO)
    await town.store.client.set(keys.history(ANNA), "broken")
    await town.store.client.zadd(keys.HISTORY_EXPIRING, {ANNA: 1, "local:ben": 2})
    assert await town.conversation.expire() == 1
    assert [contact for contact, wait_s in await town.store.due(keys.HISTORY_EXPIRING, 9) if wait_s > 60] == [ANNA]


async def test_what_was_taken_back_is_not_what_the_owner_answered(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "I hate my boss", message_id=MessageId("gone"))
    await town.writes("anna", "and you?", message_id=MessageId("kept"))
    await town.writes("anna", "so do I", from_me=True)
    await town.writes("anna", "what now?")
    await town.writes("anna", "we quit", from_me=True)
    await town.learner.learn(ANNA)
    assert "I hate my boss" in str(await town.store.client.hvals(keys.own_messages(ANNA)))
    await town.services.style.profile(ANNA)
    await town.writes("anna", "", revokes="gone")
    assert "I hate my boss" not in str(await everything(town.store.client))
    await town.learner.learn(ANNA)
    kept = [OwnMessage.decode(raw, "own") for raw in await town.store.client.hvals(keys.own_messages(ANNA))]
    assert {(each.text, each.before) for each in kept} == {("so do I", ""), ("we quit", "what now?")}


async def test_what_the_owner_writes_is_no_flood_of_the_contact(town: Town) -> None:
    await town.let_in("anna")
    for number in range(11):
        await town.writes("anna", f"mine {number}", from_me=True)
        await town.writes("anna", "", revokes=f"never seen {number}")
    await town.control.resume(ANNA)
    assert await town.writes("anna", "hello?") is Admission.QUEUED


@pytest.mark.parametrize("make", [keys.inbox, keys.missed, keys.dead], ids=lambda make: str(make.__name__))
async def test_what_waits_is_answered_in_its_corrected_words(town: Town, make: Callable[[str], str]) -> None:
    await town.let_in("anna")
    await town.writes("anna", "at 9", message_id=MessageId("a"))
    if make is not keys.inbox:
        await town.store.client.rename(keys.inbox(ANNA), make(ANNA))
    assert await town.writes("anna", "at 10", edit_of=MessageId("a")) is Admission.CORRECTED
    assert json.loads(await town.store.client.lindex(make(ANNA), 0))["content"] == "at 10"


@pytest.mark.parametrize("raw", [b"1700000000000", b'{"pausedAt":1700000000000,"reason":"manual"}', b"garbage"])
async def test_any_pause_the_predecessor_left_stops_the_contact(town: Town, raw: bytes) -> None:
    await town.let_in("anna")
    await town.store.client.set("PAUSE:local:anna", raw)
    assert await town.writes("anna", "hi") is Admission.PAUSED
    assert await town.work() == []


async def test_the_predecessors_history_is_read_and_continued(town: Town) -> None:
    old = '{"id":"false_49@c.us_3EB0","role":"assistant","content":"ok","timestamp":1700000000000,"type":"outgoing"}'
    await town.store.client.zadd("HISTORY:local:anna", {old: 1700000000000, "garbage": 1700000000001})
    await town.let_in("anna")
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
