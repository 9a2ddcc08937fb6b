"""The store's clock is five hours ahead and is put back while people wait: everything comes when it was meant to, and nothing before."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.store_clock import StoreClock, moved
from fakes.town import Town

from secondme.core.clock import from_ms, to_ms
from secondme.core.enums import Tier
from secondme.core.gateway.clock_watch import ClockWatch
from secondme.core.gateway.store import NoteStore
from secondme.core.ids import ContactId
from secondme.core.send.pacing import gathering_s
from secondme.core.send.store import Sending
from secondme.core.store import keys
from secondme.core.store.clock_store import ClockStore

HOUR, MINUTE, SECOND = 3_600_000, 60_000, 1000
NOON = to_ms(datetime(2026, 6, 1, 12, tzinfo=UTC))
AHEAD = 5 * HOUR
ANNA = ContactId("local:anna")
PACED = {
    "pacing.enabled": True, "pacing.think_min_s": 20, "pacing.think_max_s": 20, "pacing.jitter": 0, "pacing.scale": 1.0, "pacing.max_s": 60,
    "pacing.gather_s": 0,
}  # fmt: skip
BOTH = pytest.mark.parametrize("is_new", [False, True], ids=["while it runs", "while nothing ran"])


class Moved:
    """A town, the wrong clock of its store, and those who watch it."""

    def __init__(self, town: Town, clock: StoreClock) -> None:
        self.town, self.clock, self.steady = town, clock, FakeClock()
        self.watch = self.watching()

    def watching(self) -> ClockWatch:
        town = self.town
        clocks = ClockStore(town.store, self.steady)  # type: ignore[arg-type]  # nobody asks it for a date
        return ClockWatch(clocks, town.control, town.inbox, town.outbox, ["local"], town.clock)

    async def pass_(self, milliseconds: int, *, step: int = 4 * SECOND) -> None:
        """Time passes, and somebody looks at the clock every few seconds."""
        while milliseconds > 0:
            self.clock.set(self.clock.ms + min(step, milliseconds))
            self.steady.move(min(step, milliseconds) / SECOND)
            milliseconds -= step
            await self.watch.look()

    async def put_back(self, *, is_new: bool = False) -> None:
        """NTP has answered."""
        self.clock.set(self.clock.ms - AHEAD)
        if is_new:
            self.watch = self.watching()
        await self.watch.look()

    async def due_in_s(self, schedule: str, member: str = ANNA) -> float:
        score = await self.town.store.client.zscore(schedule, member)
        assert score is not None
        return (score - self.clock.ms) / SECOND


@pytest.fixture
def clock(redis_url: str, store: object) -> Iterator[StoreClock]:
    assert store
    with moved():
        yield StoreClock(redis_url, NOON + AHEAD)


@pytest.fixture
def wrong(town: Town, clock: StoreClock) -> Moved:
    return Moved(town, clock)


async def let_in(town: Town, *people: str) -> None:
    for who in people:
        await town.let_in(who, Tier.STANDARD)


@BOTH
@pytest.mark.parametrize("setup", [PACED], indirect=True)
async def test_a_paced_reply_leaves_after_what_was_left_of_its_delay(wrong: Moved, *, is_new: bool) -> None:
    town = wrong.town
    await wrong.watch.look()
    await let_in(town, "anna")
    await town.writes("anna", "hi")
    assert await town.work() == ["answered"]
    planned = max(await wrong.due_in_s(keys.outbox_due("local")), 0)
    row = await town.outbox.head(ANNA)
    assert row is not None
    whole_s = (to_ms(row.due_at) - wrong.clock.ms) / SECOND
    assert 15 < whole_s < 70
    await wrong.pass_(8 * SECOND)
    await wrong.put_back(is_new=is_new)
    assert await wrong.due_in_s(keys.outbox_due("local")) <= max(planned - 8, 0) + 4
    assert town.channel.shown == {}
    await wrong.pass_(int((whole_s - 13) * SECOND))
    await town.deliver()
    assert town.channel.shown == {}, "it is still typed"
    await wrong.pass_(10 * SECOND)
    assert "sent" in await town.deliver()
    assert list(town.channel.shown.values()) == [(ANNA, "re: hi")]


@BOTH
@pytest.mark.parametrize(
    ("reason", "delay_s"), [("gathering", 5), ("model_unreachable", 300), ("asleep", 6 * 3600), ("reading", 3)]
)
async def test_what_was_put_off_is_judged_again(wrong: Moved, reason: str, delay_s: float, *, is_new: bool) -> None:
    town = wrong.town
    await wrong.watch.look()
    await let_in(town, "anna")
    await town.writes("anna", "hi")
    (token,) = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    assert not isinstance(burst, str)
    await town.inbox.defer(token, "w", burst.fence, delay_s=delay_s, reason=reason, forgive=True)
    await wrong.put_back(is_new=is_new)
    assert (await town.inbox.wake())[0] == 1
    assert await town.work() == ["answered"]


def test_words_from_the_future_are_not_waited_behind_for_hours() -> None:
    from secondme.core.config.models import PacingSettings

    settings = PacingSettings(gather_s=4, gather_max_s=20)
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert gathering_s([now + timedelta(hours=5)], now, settings) == 0
    assert gathering_s([now + timedelta(seconds=3)], now, settings) == 4 * settings.scale


@BOTH
@pytest.mark.parametrize("target", [ANNA, None])
@pytest.mark.parametrize("after", [0, 20 * MINUTE])
async def test_a_timed_pause_lasts_as_long_as_it_was_meant_to(
    wrong: Moved, target: ContactId | None, after: int, *, is_new: bool
) -> None:
    town = wrong.town
    await wrong.watch.look()
    await wrong.pass_(2 * MINUTE, step=MINUTE // 2)
    await town.control.pause(target, timedelta(hours=1))
    await wrong.pass_(after, step=MINUTE // 2)
    await wrong.put_back(is_new=is_new)
    name = keys.pause(target) if target else keys.PAUSE_ALL
    left = await town.store.client.pttl(name)
    assert abs(left - (HOUR - after)) < MINUTE
    assert abs(await wrong.due_in_s(keys.PAUSED_INDEX, target or "ALL") * SECOND - (HOUR - after)) < MINUTE
    pause = (await town.control.contact_pauses([target])).get(target) if target else None
    if pause is not None:
        assert pause.until is not None
        assert abs((to_ms(pause.until) - wrong.clock.ms) - (HOUR - after)) < MINUTE
        assert abs((wrong.clock.ms - to_ms(pause.paused_at)) - after) < MINUTE


async def test_a_pause_from_before_the_clock_was_wrong_does_not_end_early(wrong: Moved) -> None:
    wrong.clock.set(NOON)
    await wrong.watch.look()
    await wrong.town.control.pause(ANNA, timedelta(hours=24))
    await wrong.pass_(2 * MINUTE, step=MINUTE // 2)
    wrong.clock.set(wrong.clock.ms + AHEAD)
    await wrong.watch.look()
    await wrong.pass_(2 * MINUTE, step=MINUTE // 2)
    await wrong.put_back()
    assert round(await wrong.due_in_s(keys.PAUSED_INDEX)) == 24 * 3600 - 4 * 60
    pause = (await wrong.town.control.contact_pauses([ANNA]))[ANNA]
    assert pause.until is not None
    assert to_ms(pause.until) == NOON + 24 * HOUR


async def test_a_pause_without_an_end_stays_one(wrong: Moved) -> None:
    await wrong.watch.look()
    await wrong.town.control.pause(ANNA, None)
    await wrong.town.control.kill()
    await wrong.put_back()
    assert await wrong.town.store.client.pttl(keys.pause(ANNA)) == -1
    assert await wrong.town.store.client.pttl(keys.PAUSE_ALL) == -1


async def test_a_dead_workers_lease_blocks_nobody_for_hours(wrong: Moved) -> None:
    town = wrong.town
    await let_in(town, "anna")
    await town.writes("anna", "hi")
    (token,) = await town.tokens("dead")
    assert not isinstance(await town.inbox.begin(token, "dead"), str)
    wrong.clock.set(wrong.clock.ms - AHEAD)
    assert await town.inbox.begin(token, "w") == "busy"
    wrong.clock.set(wrong.clock.ms + 16 * SECOND)
    assert not isinstance(await town.inbox.begin(token, "w"), str)


async def test_a_dead_senders_lease_blocks_nobody_for_hours(wrong: Moved) -> None:
    town = wrong.town
    await let_in(town, "anna")
    await wrong.watch.look()
    await town.writes("anna", "hi")
    await town.work()
    assert isinstance(await town.outbox.take(ANNA, "local", "dead"), Sending)
    await wrong.put_back()
    step = await town.outbox.take(ANNA, "local", "s")
    assert (getattr(step, "why", ""), await wrong.due_in_s(keys.outbox_due("local")) < 60) in {("busy", True), ("early", True)}
    wrong.clock.set(wrong.clock.ms + MINUTE)
    first = await town.outbox.take(ANNA, "local", "s")
    wrong.clock.set(wrong.clock.ms + MINUTE)
    assert isinstance(first, Sending) or isinstance(await town.outbox.take(ANNA, "local", "s"), Sending)


async def test_another_homes_lease_of_a_channel_ends_as_soon_as_any(town: Town) -> None:
    """The server's own lifetimes are moments too: put back by five hours, a lease of 15 s has five hours left."""
    await town.control.take_lease("local", "other", {"pid": 1}, 15)
    await town.store.client.pexpire(keys.channel_lease("local"), AHEAD + 15 * SECOND)
    other = await town.control.take_lease("local", "ours", {"pid": 2}, 15)
    assert other is not None
    assert other["leftMs"] <= 15 * SECOND
    assert await town.store.client.pttl(keys.channel_lease("local")) <= 15 * SECOND


async def test_what_leaves_at_a_named_hour_keeps_it(wrong: Moved) -> None:
    await wrong.watch.look()
    notes, owner = NoteStore(wrong.town.store), ContactId("local:owner")
    await notes.schedule("local", owner, ["good morning"], after_s=6 * 3600)
    at = await wrong.town.store.client.zscore(keys.outbox_due("local"), owner)
    await wrong.put_back()
    assert await wrong.town.store.client.zscore(keys.outbox_due("local"), owner) == at
    row = await wrong.town.outbox.head(owner)
    assert row is not None
    assert to_ms(row.due_at) == at


@pytest.mark.parametrize(
    "schedule", [keys.PAIRING_PROMPTS, keys.PAIRING_WRONG, keys.OWNER_TOLD, keys.MEDIA_DUE, keys.webhook_queue("e")]
)
async def test_windows_and_tries_move_with_the_clock(wrong: Moved, schedule: str) -> None:
    client = wrong.town.store.client
    await client.zadd(keys.WEBHOOK_INDEX, {"e": 1})
    await wrong.watch.look()
    await client.zadd(schedule, {"past": NOON - HOUR, "now": wrong.clock.ms, "soon": wrong.clock.ms + MINUTE})
    await wrong.put_back()
    assert await client.zrange(schedule, 0, -1, withscores=True) == [
        (b"past", NOON - HOUR),
        (b"now", NOON),
        (b"soon", NOON + MINUTE),
    ]


async def test_strangers_are_prompted_again_and_a_closed_door_opens(wrong: Moved) -> None:
    town, client = wrong.town, wrong.town.store.client
    await wrong.watch.look()
    await client.zadd(keys.PAIRING_PROMPTS, {f"r{number}": wrong.clock.ms for number in range(100)})
    await client.set(keys.PAIRING_CLOSED, wrong.clock.ms, px=HOUR + AHEAD)  # as the server makes of an hour
    await wrong.put_back()
    assert await client.pttl(keys.PAIRING_CLOSED) <= HOUR
    wrong.clock.set(wrong.clock.ms + HOUR + SECOND)
    assert str(await town.writes("zoe", "hello")) == "prompted"


async def test_two_who_look_do_it_once(wrong: Moved) -> None:
    other = wrong.watching()
    await wrong.watch.look()
    await other.look()
    await wrong.town.control.pause(ANNA, timedelta(hours=20))
    await wrong.put_back()
    await other.look()
    await wrong.watch.look()
    assert round(await wrong.due_in_s(keys.PAUSED_INDEX)) == 20 * 3600


@pytest.mark.parametrize("step_ms", [-1500, 0, 30 * SECOND, 10 * MINUTE, 5 * HOUR])
async def test_a_clock_that_is_not_put_back_changes_nothing(wrong: Moved, step_ms: int) -> None:
    await wrong.watch.look()
    await wrong.town.control.pause(ANNA, timedelta(hours=20))
    at = await wrong.town.store.client.zscore(keys.PAUSED_INDEX, ANNA)
    wrong.clock.set(wrong.clock.ms + step_ms)
    for watch in (wrong.watch, wrong.watching()):
        await watch.look()
    assert await wrong.town.store.client.zscore(keys.PAUSED_INDEX, ANNA) == at


async def test_a_broken_record_stops_none_of_the_others(wrong: Moved) -> None:
    client = wrong.town.store.client
    await wrong.watch.look()
    await wrong.town.control.pause(ANNA, timedelta(hours=1))
    await client.zadd(keys.PAUSED_INDEX, {"local:bad": wrong.clock.ms + HOUR})
    await client.hset(keys.pause("local:bad"), "not", "text")
    await client.zadd(keys.outbox_due("local"), {"local:bad": wrong.clock.ms + HOUR})
    await client.set(keys.outbox(ContactId("local:bad")), "not a list")
    await client.zadd(keys.MEDIA_DUE, {"x": wrong.clock.ms + MINUTE})
    await wrong.put_back()
    assert round(await wrong.due_in_s(keys.PAUSED_INDEX)) == 3600
    assert round(await wrong.due_in_s(keys.MEDIA_DUE, "x")) == 60


async def test_a_gateway_that_died_is_not_alive_for_hours(wrong: Moved) -> None:
    control = wrong.town.control
    await wrong.watch.look()
    await control.beat("dead", {"part": "all"})
    await wrong.put_back()
    assert await control.alive() == []
    await control.beat("new", {"part": "all"})
    assert [sign["part"] for sign in await control.alive()] == ["all"]


async def test_messages_are_let_in_and_floods_are_not(town_with: Callable[..., Any], redis_url: str, store: object) -> None:
    """The window of the limit is judged behind the clock's step as before it."""
    assert store
    with moved():
        clock = StoreClock(redis_url, NOON + AHEAD)
        town: Town = town_with(limits__messages=5)
        wrong = Moved(town, clock)
        await wrong.watch.look()
        await let_in(town, "anna")
        wrong.clock.set(wrong.clock.ms + HOUR)
        now = from_ms(wrong.clock.ms)
        assert [str(await town.writes("anna", f"{number}", sent_at=now)) for number in range(5)] == ["queued"] * 5
        await wrong.put_back()
        now = from_ms(wrong.clock.ms)
        outcomes = [str(await town.writes("anna", f"again {number}", sent_at=now)) for number in range(7)]
        assert outcomes[:5] == ["queued"] * 5
        assert "rate_limited" in outcomes[5:]
