"""When is a job due? 1,105 changes of the clocks beside Debian's cron, steps that do not drift, and lines that are refused."""

import json
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from secondme.core.clock import to_ms
from secondme.core.errors import DataError
from secondme.core.jobs.schedule import (
    AtSchedule,
    CronSchedule,
    EverySchedule,
    PassedOccurrences,
    cron,
    next_after,
    passed,
    zone_of,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CASES = json.loads((Path(__file__).parent / "data" / "debian_cron.json").read_text())


@pytest.fixture
def newest_zones() -> Iterator[None]:
    """Those of the package `tzdata`: rules changed in 2026, and a machine may not know yet."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=before)
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("newest_zones")
def test_around_a_change_of_the_clocks_it_does_what_debians_cron_does() -> None:
    other = []
    for zone, _, before, after, expr, start, end, fired in CASES:
        schedule, at, found = CronSchedule(expr=expr, zone=zone), start * 1000, []
        while (following := next_after(schedule, at)) is not None and following < end * 1000:
            found.append(following // 1000)
            at = following
        if found != sorted(set(fired)):
            other.append((zone, abs(before - after), expr))
    assert len(CASES) == 1105
    assert {(zone, change) for zone, change, _ in other} == {("Australia/Lord_Howe", 1800.0)}
    assert len(other) == 8


def test_steps_do_not_drift() -> None:
    every = EverySchedule(every_s=7200, anchor_ms=to_ms(NOW), zone="UTC")
    hour = 3_600_000
    assert next_after(every, to_ms(NOW)) == to_ms(NOW) + 2 * hour
    assert next_after(every, to_ms(NOW) - 5 * hour) == to_ms(NOW)
    assert passed(every, to_ms(NOW), to_ms(NOW) + 7 * hour) == PassedOccurrences(to_ms(NOW) + 6 * hour, 2)
    assert passed(every, to_ms(NOW), to_ms(NOW) + hour) is None


def test_once_is_once() -> None:
    at = AtSchedule(at_ms=1000, zone="UTC")
    assert (next_after(at, 999), next_after(at, 1000)) == (1000, None)
    assert (passed(at, 999, 1000), passed(at, 1000, 2000)) == (PassedOccurrences(1000, 0), None)


def test_after_years_only_the_newest_counts() -> None:
    line = CronSchedule(expr="0 * * * *", zone="Europe/Berlin")
    found = passed(line, to_ms(datetime(2020, 1, 1, tzinfo=UTC)), to_ms(NOW))
    assert found is not None
    assert (found.newest_ms, found.skipped > 5_000) == (to_ms(NOW), True)


@pytest.mark.parametrize(
    ("expr", "code"),
    [
        ("* * * * *", "too_often"),
        ("*/10 * * * *", "too_often"),
        ("0,5 9 * * *", "too_often"),
        ("0 0 30 2 *", "bad_schedule"),
        ("0 0 * * * *", "bad_schedule"),
        ("@daily", "bad_schedule"),
        ("0 25 * * *", "bad_schedule"),
        ("0 9 * * *; rm -rf ~", "bad_schedule"),
        ("\u0660 9 * * *", "bad_schedule"),
        ("0 " + "9," * 120 + "9 * * *", "bad_schedule"),
        ("", "bad_schedule"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(expr: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        cron(expr, "Europe/Berlin", NOW)
    assert caught.value.code == code


def test_a_zone_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        zone_of("Europe/Berln")
    assert caught.value.fix == "Did you mean Europe/Berlin?"
    for name in ("../etc/passwd", "", "a" * 300, "\x00"):
        with pytest.raises(DataError):
            zone_of(name)


def test_a_good_line_is_kept_as_it_was_typed() -> None:
    assert cron(" 30  7 * * 1-5 ", "Europe/Berlin", NOW).expr == "30 7 * * 1-5"
