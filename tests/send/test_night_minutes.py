"""Sleep, minute by minute: two days around every change of the clocks, and of the calendar, against a plain clock on the wall."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from secondme.core.config.models import SleepSettings
from secondme.core.send.pacing import SleepSchedule

MINUTE = timedelta(minutes=1)
DAY = 1440
ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Madrid",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
]
NIGHTS = [
    (time(23), time(7)),
    (time(0), time(8, 15)),
    (time(23, 59), time(0, 1)),
    (time(1, 30), time(2, 30)),
    (time(2, 15), time(2, 20)),
    (time(22), time(2, 30)),
    (time(2, 30), time(9)),
    (time(2, 45), time(2, 30)),
    (time(7, 10), time(7)),
    (time(13), time(14, 30)),
    (time(0), time(0)),
    (time(2, 30), time(2, 30)),
]
APIA_SKIPS_A_DAY = datetime(2011, 12, 30, 10, tzinfo=UTC)
SPREAD_MINUTES = 20


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Every change of the clocks in 2026 and 2027, to the minute; where there is none, some moment all the same."""
    moment, found = datetime(2026, 1, 1, tzinfo=UTC), False
    while moment.year < 2028:
        following = moment + timedelta(hours=1)
        if _offset(moment, zone) != _offset(following, zone):
            found = True
            yield next(
                at for at in (moment + number * MINUTE for number in range(61)) if _offset(at, zone) != _offset(moment, zone)
            )
        moment = following
    if not found:
        yield datetime(2026, 6, 15, 12, tzinfo=UTC)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def minutes_asleep(start: time, end: time) -> frozenset[int]:
    """The minutes of a wall clock that are night, counted one by one."""
    asleep, minute, last = set(), start.hour * 60 + start.minute, end.hour * 60 + end.minute
    while minute != last:
        asleep.add(minute)
        minute = (minute + 1) % DAY
    return frozenset(asleep)


def walk(zone: ZoneInfo, change: datetime) -> tuple[list[datetime], list[int]]:
    """The minutes of two days around the change, and four days more to wake up in; and what the wall clock shows at each."""
    moments = [change + number * MINUTE for number in range(-DAY, DAY * 5)]
    shown = [local.hour * 60 + local.minute for local in (moment.astimezone(zone) for moment in moments)]
    return moments, shown


def first_awake(asleep: list[bool]) -> list[int]:
    """For each minute, the first one from there at which nobody sleeps."""
    following, found = len(asleep), [0] * len(asleep)
    for at in range(len(asleep) - 1, -1, -1):
        following = following if asleep[at] else at
        found[at] = following
    return found


@pytest.mark.parametrize("name", ZONES)
def test_sleep_is_right_to_the_minute_around_every_change_of_the_clocks(name: str) -> None:
    zone, rng, looked_at = ZoneInfo(name), Random(1), 0
    extra = [APIA_SKIPS_A_DAY] if name == "Pacific/Apia" else []
    for change in [*changes(zone), *extra]:
        moments, shown = walk(zone, change)
        for start, end in NIGHTS:
            settings = SleepSettings(start=start, end=end, timezone=name, spread_minutes=SPREAD_MINUTES)
            sleeper, night = SleepSchedule(settings), minutes_asleep(start, end)
            asleep = [minute in night for minute in shown]
            assert [sleeper.is_asleep(moment) for moment in moments[: 2 * DAY]] == asleep[: 2 * DAY], (change, start, end)
            looked_at += check_waking(sleeper, moments, asleep, rng)
    assert looked_at > 0


def check_waking(sleeper: SleepSchedule, moments: list[datetime], asleep: list[bool], rng: Random) -> int:
    """Waking is the first minute awake, at every minute of the two days; answers come awake and within the spread."""
    wakes, looked_at = first_awake(asleep), 0
    for at, now in enumerate(moments[: 2 * DAY]):
        if not asleep[at]:
            if at % 60 == 0:
                assert sleeper.put_off_s(now, rng) == 0.0
            continue
        wake = moments[wakes[at]]
        near = at < 2 or not (asleep[at - 1] and asleep[at + 1])
        if near or at % 5 == 0:
            looked_at += 1
            assert sleeper.wakes_at(now) == wake, (now, wake)
            due = now + timedelta(seconds=sleeper.put_off_s(now, rng))
            assert wake <= due <= wake + SPREAD_MINUTES * MINUTE
            assert not asleep[wakes[at] + int((due - wake) / MINUTE)], (now, due)
    counted = asleep[: 2 * DAY].count(False)
    assert sleeper.awake_for(moments[0], moments[2 * DAY]) == counted * MINUTE, (moments[0], counted)
    return looked_at + 1
