"""Sleeping hours on the wall, in zones whose clocks change."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from secondme.core.config.models import SleepSettings
from secondme.core.send.pacing import SleepSchedule, machine_zone

MINUTE = timedelta(minutes=1)
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)],
}
zones = st.sampled_from(sorted(CHANGES))
hours = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45])) | st.builds(
    time, st.integers(1, 3), st.integers(0, 59)
)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a whole minute within a day and a half of one of its changes, or anywhere in the year."""
    zone = draw(zones)
    change = draw(st.sampled_from([*CHANGES[zone], datetime(2026, 6, 15, 12, tzinfo=UTC)]))
    return zone, change + draw(st.integers(-2160, 2160)) * MINUTE


def night(start: time, end: time, zone: str = "Europe/Berlin", **more: object) -> SleepSchedule:
    return SleepSchedule(SleepSettings.model_validate({"start": start, "end": end, "timezone": zone, **more}))


def local(zone: str, *clock: int) -> datetime:
    return datetime(2026, 6, 15, *clock, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("clock", "asleep"),
    [
        ((22, 59, 59), False),
        ((23, 0), True),
        ((23, 59), True),
        ((0, 0), True),
        ((6, 59, 59), True),
        ((7, 0), False),
        ((12, 0), False),
    ],
)
def test_a_night_across_midnight_begins_with_its_start_and_ends_before_its_end(clock: tuple[int, ...], *, asleep: bool) -> None:
    assert night(time(23), time(7)).is_asleep(local("Europe/Berlin", *clock)) is asleep


@pytest.mark.parametrize(
    ("clock", "asleep"), [((12, 59), False), ((13, 0), True), ((14, 29), True), ((14, 30), False), ((0, 0), False)]
)
def test_a_nap_within_the_day_has_the_same_edges(clock: tuple[int, ...], *, asleep: bool) -> None:
    assert night(time(13), time(14, 30)).is_asleep(local("Europe/Berlin", *clock)) is asleep


@given(moments(), hours)
def test_equal_times_and_a_switched_off_night_mean_never_asleep(when: tuple[str, datetime], clock: time) -> None:
    zone, now = when
    for never in (night(clock, clock, zone), night(clock, time(7), zone, enabled=False)):
        assert never.is_asleep(now) is False
        assert never.put_off_s(now, Random(1)) == 0.0
        assert never.awake_for(now - timedelta(days=3), now) == timedelta(days=3)


@given(moments(), hours, hours)
def test_waking_is_the_first_minute_awake(when: tuple[str, datetime], start: time, end: time) -> None:
    zone, now = when
    sleeper = night(start, end, zone)
    assume(sleeper.is_asleep(now))
    wake = sleeper.wakes_at(now)
    assert wake.tzinfo is UTC
    assert now < wake
    assert not sleeper.is_asleep(wake)
    assert all(sleeper.is_asleep(now + number * MINUTE) for number in range(-(-(wake - now) // MINUTE)))


@given(moments(), hours, hours, st.integers(0, 2880))
@settings(max_examples=60)
def test_time_awake_is_the_sum_of_the_minutes_awake(when: tuple[str, datetime], start: time, end: time, minutes: int) -> None:
    zone, now = when
    sleeper, since = night(start, end, zone), now - minutes * MINUTE
    counted = sum(not sleeper.is_asleep(since + number * MINUTE) for number in range(minutes))
    assert sleeper.awake_for(since, now) == counted * MINUTE


@given(moments(), st.lists(st.integers(0, 2000), min_size=2, max_size=2))
def test_time_awake_adds_up(when: tuple[str, datetime], parts: list[int]) -> None:
    zone, now = when
    sleeper = night(time(23), time(7), zone)
    middle = now + parts[0] * MINUTE
    end = middle + parts[1] * MINUTE
    assert sleeper.awake_for(now, end) == sleeper.awake_for(now, middle) + sleeper.awake_for(middle, end)


def test_time_awake_looks_back_14_days() -> None:
    now = local("Europe/Berlin", 12)
    assert night(time(23), time(7)).awake_for(now - timedelta(days=400), now) == timedelta(hours=14 * 16)


@given(moments(), st.integers(0, 2**32))
def test_an_answer_waits_until_waking_and_at_most_the_spread_longer(when: tuple[str, datetime], seed: int) -> None:
    zone, now = when
    sleeper = night(time(23), time(7), zone, spread_minutes=20)
    waits_s = sleeper.put_off_s(now, Random(seed))
    if sleeper.is_asleep(now):
        left_s = (sleeper.wakes_at(now) - now).total_seconds()
        assert left_s <= waits_s <= left_s + 1200
        assert sleeper.is_asleep(now + timedelta(seconds=waits_s)) is False
    else:
        assert waits_s == 0.0


@pytest.mark.parametrize(
    ("evening", "hours_asleep"),
    [
        (datetime(2026, 3, 28, 22, tzinfo=UTC), 7),
        (datetime(2026, 10, 24, 21, tzinfo=UTC), 9),
        (datetime(2026, 6, 1, 21, tzinfo=UTC), 8),
    ],
)
def test_the_night_of_a_change_is_an_hour_shorter_or_longer(evening: datetime, hours_asleep: int) -> None:
    sleeper = night(time(23), time(7))
    assert sleeper.is_asleep(evening)
    assert sleeper.wakes_at(evening) - evening == timedelta(hours=hours_asleep)
    assert sleeper.awake_for(evening, evening + timedelta(hours=hours_asleep)) == timedelta(0)


def test_an_end_that_the_clocks_repeat_is_waited_for_once_more() -> None:
    second_quarter_past_two = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    sleeper = night(time(23), time(2, 30))
    assert sleeper.is_asleep(second_quarter_past_two)
    assert sleeper.wakes_at(second_quarter_past_two) - second_quarter_past_two == timedelta(minutes=15)


@pytest.mark.parametrize("value", ["23:00Z", "23:00+02:00", 3600])
def test_a_time_with_a_zone_of_its_own_is_refused(value: object) -> None:
    for name in ("start", "end"):
        with pytest.raises(ValidationError, match="not a local time"):
            SleepSettings.model_validate({name: value})


def test_without_a_zone_the_machines_is_used() -> None:
    assert isinstance(night(time(23), time(7), "").is_asleep(local("UTC", 12)), bool)


@pytest.mark.parametrize("written", ["Asia/Kathmandu", ":Asia/Kathmandu"])
def test_the_zone_that_a_container_is_given_counts_before_the_machines_own(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    machines = machine_zone()
    for odd in ("", "Mars/Olympus", "<+03>-3", "/etc/passwd", "../../etc/passwd"):
        monkeypatch.setenv("TZ", odd)
        assert str(machine_zone()) == str(machines)
    monkeypatch.setenv("TZ", written)
    assert str(machine_zone()) == "Asia/Kathmandu"


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


@given(moments(), hours, hours, st.integers(-1500, 1500), st.integers(0, 2000))
def test_who_stays_awake_until_a_moment_is_awake_before_it_and_sleeps_as_ever_after(
    at: tuple[str, datetime], start: time, end: time, until: int, later: int
) -> None:
    zone, now = at
    usual, vigil = night(start, end, zone), night(start, end, zone, awake_until=now + until * MINUTE)
    moment = now + (later - 1000) * MINUTE
    is_awake = timedelta(0) < now + until * MINUTE - moment <= timedelta(hours=12)
    assert vigil.is_asleep(moment) is (usual.is_asleep(moment) and not is_awake)
    if vigil.is_asleep(moment):
        wakes = vigil.wakes_at(moment)
        assert moment < wakes <= usual.wakes_at(moment)
        assert (vigil.is_asleep(wakes), vigil.is_asleep(wakes - timedelta(seconds=1))) == (False, True)
    rows = [moment + step * 7 * MINUTE for step in range(90)]
    awake_s = sum(not vigil.is_asleep(each) for each in rows) * 420
    assert abs(vigil.awake_for(rows[0], rows[-1] + 7 * MINUTE).total_seconds() - awake_s) <= 8 * 420


@pytest.mark.parametrize("value", ["soon", "", "2026-12-02T02:10:00", "2026-12-02", 5, datetime(2026, 12, 2, 2, 10)])  # noqa: DTZ001  that is the point
def test_staying_awake_ends_at_a_moment_that_is_the_same_everywhere(value: object) -> None:
    with pytest.raises(ValidationError, match="not a moment with its time zone"):
        night(time(23), time(7), awake_until=value)
