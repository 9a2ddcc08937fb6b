"""Whatever an old store holds, it becomes a value that our own code reads, or a reason; it never raises and never grows."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest
from fakes.size import sized
from fakes.watching import calls
from hypothesis import given, settings
from hypothesis import strategies as st
from migrate.installation import SCORES, SLEEP, STYLE, compact
from migrate.world import phone
from redis.asyncio import Redis

from secondme.core.config.models import SleepSettings
from secondme.core.migrate import formats
from secondme.core.migrate.formats import Left, OldTurn, Sleep, person, refusal, shown
from secondme.core.records import Pause, Turn
from secondme.core.store.client import Store
from secondme.core.store.scan import Recent, scan

NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans())
ANYTHING = st.recursive(
    st.one_of(st.none(), NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=10,
)
SAID = {"id": "x", "role": "user", "content": "hi", "timestamp": 1, "type": "incoming"}
USAGE = {"messageId": "m", "contactId": "c", "classification": "phatic", "classificationTokens": 1, "responseTokens": 2}
USAGE |= {"cacheReadTokens": 3, "cacheWriteTokens": 4, "totalLatencyMs": 5, "timestamp": 6}
FORMS: dict[str, dict[str, Any]] = {
    "turn": SAID,
    "pause": {"pausedAt": 1, "reason": "manual"},
    "style": STYLE,
    "usage": USAGE,
    "deferred": {"contactId": "c", "messageId": "m", "content": "x", "queuedAt": 1, "processAfter": 2},
    "sleep_hours": SLEEP,
    "session": {"createdAt": 1, "lastVerifiedAt": 2, "estimatedExpiryAt": 3, "state": "x", "needsRefresh": True},
}


def read(kind: str, raw: bytes) -> object:
    """What one of the pure functions says about `raw`."""
    match kind:
        case "turn":
            return formats.turn(raw, 5)
        case "pause":
            return formats.pause(raw, None)
        case _:
            return getattr(formats, kind)(raw)


@pytest.mark.parametrize("kind", FORMS)
def test_what_the_predecessor_writes_is_read(kind: str) -> None:
    assert not isinstance(read(kind, compact(FORMS[kind]).encode()), Left)


@pytest.mark.parametrize("kind", FORMS)
@given(raw=st.binary(max_size=60))
def test_no_bytes_raise(kind: str, raw: bytes) -> None:
    read(kind, raw)
    formats.people(raw)
    formats.number(raw)
    formats.relationship({b"friend": raw, b"currentType": raw})
    formats.token_stats("2026-01-01", {b"response": raw})
    assert person(raw) is None or person(raw)[0].encode() == raw  # type: ignore[index]
    assert refusal(raw)
    assert shown(raw).isprintable() or not raw.isascii() or any(each < 32 for each in raw) or 127 in raw


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, form in FORMS.items() for field in form])
@settings(max_examples=sized(100, 25))  # of each of forty fields
@given(value=ANYTHING)
def test_no_value_in_any_field_raises(kind: str, field: str, value: object) -> None:
    found = read(kind, json.dumps({**FORMS[kind], field: value}).encode())
    if isinstance(found, Left):
        assert found.reason in {"malformed", "empty_content"}
    elif isinstance(found, OldTurn):
        turn = Turn.decode(found.member, "history")
        assert turn.id == found.id
    elif kind == "pause":
        Pause.decode(str(found), "pause")
    elif kind == "style":
        assert formats.style(str(found).encode()) == found


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, form in FORMS.items() for field in form])
def test_a_missing_field_is_malformed_unless_nobody_needs_it(kind: str, field: str) -> None:
    found = read(kind, compact({name: value for name, value in FORMS[kind].items() if name != field}).encode())
    unneeded = {("turn", "role"), ("deferred", "processAfter")}
    assert isinstance(found, Left) == ((kind, field) not in unneeded)


@pytest.mark.parametrize(("kind", "role"), [("incoming", "user"), ("outgoing", "assistant"), ("fromMe", "assistant")])
def test_the_role_follows_from_the_type(kind: str, role: str) -> None:
    for claimed in ("user", "assistant", "system"):
        found = formats.turn(compact({**SAID, "type": kind, "role": claimed}).encode(), 5)
        assert isinstance(found, OldTurn)
        assert Turn.decode(found.member, "history").role == role


def test_long_content_is_cut_and_an_odd_id_is_hashed() -> None:
    found = formats.turn(compact({**SAID, "content": "é" * 100_000, "id": "two words"}).encode(), 5)
    assert isinstance(found, OldTurn)
    turn = Turn.decode(found.member, "history")
    assert (turn.content, turn.id[:7]) == ("é" * 32_768, "sha256-")


def test_a_lone_surrogate_becomes_text_that_can_be_read_again() -> None:
    found = formats.turn(b'{"id":"x","content":"a\\ud800b","timestamp":1,"type":"incoming"}', 5)
    assert isinstance(found, OldTurn)
    assert Turn.decode(found.member, "history").content == "a?b"


@pytest.mark.parametrize("score", [-1, float("inf"), float("-inf"), 1e18])
def test_a_moment_outside_of_time_is_malformed(score: float) -> None:
    assert formats.turn(compact(SAID).encode(), score) == formats.MALFORMED


@pytest.mark.parametrize(
    ("offset", "zone"), [(0, "Etc/UTC"), (1, "Etc/GMT-1"), (14, "Etc/GMT-14"), (-5, "Etc/GMT+5"), (-12, "Etc/GMT+12"), (5.5, None)]
)
def test_a_whole_offset_has_a_zone_that_is_that_far_from_greenwich(offset: float, zone: str | None) -> None:
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo

    found = formats.sleep_hours(compact({**SLEEP, "timezoneOffset": offset}).encode())
    assert isinstance(found, Sleep)
    assert found.timezone == zone
    if zone is not None:
        settings = SleepSettings(enabled=found.enabled, start=found.start, end=found.end, timezone=zone)
        assert datetime(2026, 7, 1, tzinfo=UTC).astimezone(ZoneInfo(settings.timezone)).utcoffset() == timedelta(hours=offset)


@pytest.mark.parametrize(
    "wrong", [{"timezoneOffset": 15}, {"timezoneOffset": -13}, {"startHour": 24}, {"endMinute": 60}, {"enabled": 1}]
)
def test_sleep_hours_out_of_bounds_are_malformed(wrong: dict[str, object]) -> None:
    assert formats.sleep_hours(compact({**SLEEP, **wrong}).encode()) == formats.MALFORMED


@pytest.mark.parametrize("wrong", ["nan", "inf", "", "1_0", "1e9999", "x" * 100, " 1"])
def test_a_score_that_is_no_number_is_malformed(wrong: str) -> None:
    fields = {name.encode(): value.encode() for name, value in SCORES.items()} | {b"friend": wrong.encode()}
    assert formats.relationship(fields) == formats.MALFORMED


def test_unknown_fields_stay_behind() -> None:
    assert formats.relationship({b"friend": b"1", b"odd": b"x"}) == ["friend", "1"]
    assert formats.relationship({b"odd": b"x"}) == formats.MALFORMED
    assert formats.relationship({b"currentType": b"owner"}) == formats.MALFORMED


CONTACTS, FILLERS = 500, 50_000


class Listening:
    """The real store; remembers every name that the server said, and empties it of fillers in the middle of the walk."""

    def __init__(self, store: Store) -> None:
        self.client: Redis = store.client
        self.namespace = store.namespace
        self.said: list[bytes] = []
        self._store = store
        self._shrunk = False

    async def call(self, command: Awaitable[Any]) -> Any:
        answer = await self._store.call(command)
        self.said += answer[1]
        if len(self.said) > CONTACTS // 3 and not self._shrunk:
            self._shrunk = True
            for start in range(0, FILLERS, 5000):
                await self.client.unlink(*(f"filler:{number}" for number in range(start, start + 5000)))
            await asyncio.sleep(0.2)  # the server makes its table smaller by and by
        return answer


async def test_a_key_that_the_server_names_twice_is_named_once(store: Store) -> None:
    """The server does so when its table shrinks during the walk; where depends on its random seed, so other names until it did."""
    for turn in range(40):
        await store.client.flushall()
        await store.client.mset({f"HISTORY:{phone(turn * CONTACTS + number)}": "x" for number in range(CONTACTS)})
        await store.client.mset({f"filler:{number}": "x" for number in range(FILLERS)})
        listening = Listening(store)
        found = [name async for page in scan(listening, "HISTORY:*", 10) for name in page]
        assert len(found) == len(set(found)) == CONTACTS
        if len(listening.said) > CONTACTS:
            print(f"the server named {len(listening.said)} keys, {len(set(listening.said))} of them different")
            return
    raise AssertionError("the server never named a key twice: this test shows nothing")


async def test_no_call_looks_at_everything(store: Store) -> None:
    await store.client.mset({f"HISTORY:{phone(number)}": "x" for number in range(5000)})
    await store.client.config_resetstat()
    sizes = [len(page) async for page in scan(store, "HISTORY:*")]
    asked = await calls(store.client)
    assert (sum(sizes), set(asked)) == (5000, {"scan"})
    assert asked["scan"] >= 4
    assert max(sizes) < 2500


@given(st.lists(st.lists(st.integers(0, 60).map(lambda number: b"%d" % number)), max_size=60))
def test_what_came_within_the_last_names_is_not_fresh_and_no_more_than_twice_as_many_are_remembered(
    pages: list[list[bytes]],
) -> None:
    recent, told = Recent(10), []
    for page in pages:
        fresh = recent.fresh(page)
        assert len(fresh) == len(set(fresh))
        for name in fresh:
            assert name not in told[-10:]
        assert set(page) <= set(fresh) | set(told)
        told += fresh
        assert len(recent._old) + len(recent._new) < 20 + 61
