"""Pauses and the kill switch: which is stronger, how each ends, what others hear."""

import inspect
import itertools
import json
import re
from datetime import timedelta

import pytest
from fakes.town import Town
from fakes.watching import Ear

from secondme.core.admit.control_store import ControlStore
from secondme.core.errors import DataError
from secondme.core.ids import ContactId
from secondme.core.messages import Admission
from secondme.core.store.scripts import Script, _paths, names, script

ANNA = ContactId("local:anna")
HOUR = timedelta(hours=1)


@pytest.fixture
def control(town: Town) -> ControlStore:
    return town.control


async def test_the_kill_switch_is_the_predecessors_key_with_our_mark_beside_it(control: ControlStore, town: Town) -> None:
    await control.kill()
    raw = await town.store.client.get("PAUSE:ALL")
    state = await control.everybody()
    assert state is not None
    assert (raw.isdigit(), len(raw), await town.store.client.pttl("PAUSE:ALL")) == (True, 13, -1)
    assert (state.killed, state.until_ms, state.since_ms) == (True, None, int(raw))


async def test_a_pause_of_everybody_never_weakens_the_kill_switch_and_resume_does_not_lift_it(
    control: ControlStore, ear: Ear
) -> None:
    await control.kill()
    await ear.heard()
    assert await control.pause(None, HOUR) is False
    assert await control.resume(None) == "killed"
    state = await control.everybody()
    assert state is not None
    assert (state.killed, state.until_ms) == (True, None)
    assert await ear.heard() == []
    assert await control.resume(None, unkill=True) == "resumed"
    assert await control.everybody() is None
    assert [(event["action"], event["contactId"]) for event in await ear.heard()] == [("resume", "ALL")]


async def test_the_kill_switch_replaces_a_pause_and_stays_after_its_time(control: ControlStore, town: Town) -> None:
    await control.pause(None, HOUR)
    await control.kill()
    assert await town.store.client.pttl("PAUSE:ALL") == -1
    assert await control.resume(None) == "killed"


async def test_a_timed_pause_of_everybody_says_when_it_ends_and_is_over_then(control: ControlStore, town: Town) -> None:
    assert await control.pause(None, HOUR) is True
    state = await control.everybody()
    assert state is not None
    assert state.until_ms is not None
    assert abs(state.until_ms - state.since_ms - 3_600_000) < 5000
    assert not state.killed
    await town.store.client.pexpireat("PAUSE:ALL", 1)
    assert await control.everybody() is None


async def test_a_mark_left_by_a_kill_switch_that_is_gone_makes_no_later_pause_a_kill(control: ControlStore, town: Town) -> None:
    await control.kill()
    await town.store.client.delete("PAUSE:ALL")  # as the predecessor lifts it
    assert await control.pause(None, None) is True
    state = await control.everybody()
    assert state is not None
    assert not state.killed
    assert await control.resume(None) == "resumed"


async def test_pausing_one_contact_writes_the_predecessors_record_and_says_so(control: ControlStore, town: Town, ear: Ear) -> None:
    await control.pause(ANNA, HOUR)
    record = json.loads(await town.store.client.get("PAUSE:local:anna"))
    (event,) = await ear.heard()
    assert record == {"pausedAt": event["pausedAt"], "reason": "manual", "until": event["pausedAt"] + 3_600_000}
    assert (event["channel"], event["contactId"], event["action"]) == ("events:pause", "local:anna", "pause")
    assert 3_590_000 < await town.store.client.pttl("PAUSE:local:anna") <= 3_600_000
    await control.pause(ANNA, None)
    assert await town.store.client.pttl("PAUSE:local:anna") == -1
    assert "until" not in json.loads(await town.store.client.get("PAUSE:local:anna"))


async def test_resuming_who_is_not_paused_says_so_and_nobody_hears_of_it(control: ControlStore, ear: Ear) -> None:
    assert [await control.resume(ANNA), await control.resume(None)] == ["not_paused", "not_paused"]
    assert await ear.heard() == []


async def test_resuming_makes_due_what_waited_for_it_and_no_one_elses(control: ControlStore, town: Town) -> None:
    for who in ("anna", "ben"):
        await town.let_in(who)
        await town.writes(who, "hi")
        await control.pause(ContactId(f"local:{who}"), HOUR)
    assert await town.work() == ["paused", "paused"]
    assert await control.resume(ANNA) == "resumed"
    assert (await town.inbox.wake())[0] == 1
    assert await town.work() == ["answered"]
    await town.deliver()
    assert [who for who, _, _ in town.channel.raw] == [ANNA]


@pytest.mark.parametrize(
    ("raw", "reason", "paused_at"),
    [
        ("1700000000000", "legacy", 1_700_000_000_000),
        ('{"pausedAt":1700000000000,"reason":"fromMe"}', "fromMe", 1_700_000_000_000),
        ('{"pausedAt":5,"reason":"rate_limit","extra":1}', "rate_limit", 5),
    ],
)
async def test_pauses_of_the_predecessor_are_read(control: ControlStore, town: Town, raw: str, reason: str, paused_at: int) -> None:
    await town.store.client.set("PAUSE:local:anna", raw)
    pause = await control.contact_pause(ANNA)
    assert pause is not None
    assert (pause.reason, pause.to_dict()["pausedAt"], pause.until) == (reason, paused_at, None)


@pytest.mark.parametrize("raw", ["garbage", "{}", "", "-1", '{"pausedAt":"x","reason":"manual"}', "99999999999999999999"])
async def test_a_pause_that_cannot_be_read_is_named_and_left_and_still_stops(control: ControlStore, town: Town, raw: str) -> None:
    await town.let_in("anna")
    await town.store.client.set("PAUSE:local:anna", raw)
    with pytest.raises(DataError, match="PAUSE:local:anna"):
        await control.contact_pause(ANNA)
    assert await town.store.client.get("PAUSE:local:anna") == raw.encode()
    assert await town.writes("anna", "hi") is Admission.PAUSED


@pytest.mark.parametrize("raw", ["1700000000000", "text", "", '{"pausedAt":1}'])
async def test_any_value_of_the_predecessors_kill_key_stops_everybody(control: ControlStore, town: Town, raw: str) -> None:
    await town.let_in("anna")
    await town.store.client.set("PAUSE:ALL", raw)
    state = await control.everybody()
    assert state is not None
    assert state.since_ms == (1_700_000_000_000 if raw.isdigit() else 0)
    assert await town.writes("anna", "hi") is Admission.KILLED


async def test_a_pause_must_not_last_less_than_nothing(control: ControlStore, town: Town) -> None:
    with pytest.raises(DataError, match="longer than nothing"):
        await control.pause(ANNA, timedelta(seconds=-1))
    assert await town.raw_keys("PAUSE:*") == []


async def test_signs_of_life_end_by_themselves_and_garbage_among_them_harms_nobody(control: ControlStore, town: Town) -> None:
    await control.beat("one", {"part": "all"})
    await town.store.client.hset("GATEWAYS:none", "x", "y")
    await town.store.client.hset("GATEWAY:alive", "old", json.dumps({"at": 1}))
    await town.store.client.hset("GATEWAY:alive", "bad", "garbage")
    await control.beat("two", {"part": "worker"})
    assert sorted(each["part"] for each in await control.alive()) == ["all", "worker"]
    assert await town.store.client.hkeys("GATEWAY:alive") == [b"one", b"two"]
    await control.farewell("one")
    assert [each["part"] for each in await control.alive()] == ["worker"]


async def test_who_was_not_heard_of_for_long_is_alive_with_its_next_sign(control: ControlStore, town: Town) -> None:
    """A machine that slept, or a process that was stopped, while another kept the record from expiring."""
    await control.beat("two", {"part": "worker"})
    stale = json.dumps({"part": "all", "at": await control.now_ms() - 61_000})
    await town.store.client.hset("GATEWAY:alive", mapping={"one": stale, "three": stale})
    await control.beat("one", {"part": "all"})
    assert sorted(facts["part"] for facts in await control.alive()) == ["all", "worker"]
    assert await town.store.client.hkeys("GATEWAY:alive") == [b"two", b"one"]


async def test_the_backlog_counts_what_waits_and_why(control: ControlStore, town: Town) -> None:
    for who in ("anna", "ben"):
        await town.let_in(who)
        await town.writes(who, "hi")
    await control.pause(ContactId("local:ben"), None)
    assert sorted(await town.work()) == ["answered", "paused"]
    await town.writes("anna", "again")
    await town.store.client.lpush("INBOX:local:anna", "garbage")
    backlog = await control.backlog(("local",))
    assert (backlog.contacts, backlog.queued, backlog.waiting, backlog.unsent) == (2, 3, {"paused": 1}, 1)
    assert backlog.oldest_ms is not None


# The scripts


@pytest.mark.parametrize("name", names())
async def test_every_script_says_what_it_takes_and_returns_and_the_server_takes_it(town: Town, name: str) -> None:
    lines = _paths()[name].read_text("utf-8").splitlines()
    header = list(itertools.takewhile(lambda line: line.startswith("-- "), lines))
    assert [line for line in header if line.startswith("-- KEYS ")] != []
    assert [line for line in header if line.startswith("-- Returns ")] != []
    code = "\n".join(lines[len(header) :])
    assert ("ARGV" in code) <= any(line.startswith("-- ARGV ") for line in header)
    assert re.findall(r"KEYS\[\d", code) == []  # each key by its name
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", script(name).text)}
    given = dict.fromkeys(inspect.signature(script(name).keys).parameters, ())
    assert used == set(range(1, len(script(name).keys(**given)) + 1))  # and none without a use
    assert await town.store.client.script_load(script(name).text) == script(name).sha


@pytest.mark.parametrize("name", names())
def test_no_script_scans_asks_a_clock_or_builds_a_key(name: str) -> None:
    commands = {part.split("'")[0] for part in script(name).text.split("redis.call('")[1:]}
    assert not commands & {"KEYS", "SCAN", "RANDOMKEY", "EVAL", "FLUSHALL", "CONFIG", "SUBSCRIBE"}
    for forbidden in ("math.random", "os.time", "os.clock", "ARGV[1] ..", "'PAIRING:", "'HISTORY:"):
        assert forbidden not in script(name).text


@pytest.mark.parametrize(
    ("text", "culprit"),
    [("-- KEYS  approved nobody", "nobody"), ("-- KEYS  approved\nreturn redis.call('GET', KEYS.denied)", "KEYS.denied")],
)
def test_a_script_with_a_key_that_does_not_exist_is_not_loaded(text: str, culprit: str) -> None:
    with pytest.raises(LookupError, match=culprit):
        Script("odd", text)


@pytest.mark.parametrize(
    "of", [{}, {"contact": ANNA}, {"contact": ANNA, "other": "local:ben", "schedule": "s", "rest": [], "day": "d"}]
)
def test_keys_are_made_of_exactly_what_the_header_asks_for(of: dict[str, object]) -> None:
    odd = Script(
        "odd", "-- KEYS  approved denied(other) queue [schedule] rest... : the others\nreturn KEYS.denied_other .. KEYS[TAIL]"
    )
    named = odd.keys(contact=ANNA, other="local:ben", schedule="s", rest=["x", "y"])
    assert named == ("PAIRING:approved:local:anna", "PAIRING:denied:local:ben", "QUEUE:messages", "s", "x", "y")
    assert odd.text.endswith("return KEYS[2] .. KEYS[5]")
    with pytest.raises(TypeError, match="odd"):
        odd.keys(**of)
