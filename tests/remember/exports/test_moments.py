"""Local times become moments: across both changes of the clocks, in every zone, always forward."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.exports.whatsapp_headers import WallClock

BERLIN = "Europe/Berlin"
ZONES = [
    BERLIN,
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "UTC",
    "Pacific/Apia",
]


def moments(zone: str, *locals_: str) -> list[str]:
    clock = WallClock(ZoneInfo(zone))
    return [f"{clock.moment(datetime.fromisoformat(local)):%H:%M}" for local in locals_]


def test_summer_and_winter_have_their_own_offset() -> None:
    assert moments(BERLIN, "2024-01-15 12:00", "2024-07-15 12:00") == ["11:00", "10:00"]


def test_a_time_that_comes_twice_is_the_second_once_the_chat_went_back() -> None:
    said = ["2024-10-27 01:59", "2024-10-27 02:10", "2024-10-27 02:50", "2024-10-27 02:05", "2024-10-27 02:40", "2024-10-27 03:00"]
    assert moments(BERLIN, *said) == ["23:59", "00:10", "00:50", "01:05", "01:40", "02:00"]


def test_messages_that_arrived_out_of_order_do_not_move_the_clock() -> None:
    assert moments(BERLIN, "2024-10-27 02:30", "2024-10-27 02:28", "2024-10-27 02:31") == ["00:30", "00:28", "00:31"]


def test_a_time_that_was_skipped_is_as_much_later() -> None:
    assert moments(BERLIN, "2024-03-31 01:59", "2024-03-31 02:30", "2024-03-31 03:30") == ["00:59", "01:30", "01:30"]


@given(st.sampled_from(ZONES), st.lists(st.integers(0, 60 * 24 * 400), min_size=1, max_size=30).map(sorted))
def test_a_phone_that_shows_the_right_time_is_read_right_to_the_hour_that_comes_twice(zone: str, minutes: list[int]) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    clock = WallClock(ZoneInfo(zone))
    for each in minutes:
        true = start + timedelta(minutes=each)
        local = true.astimezone(ZoneInfo(zone))
        found = clock.moment(local.replace(tzinfo=None))
        assert found.tzinfo is UTC
        is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        assert found == true or (is_twice and abs(found - true) <= timedelta(hours=1))


@pytest.mark.parametrize("local", ["1971-01-01 00:00", "2499-12-31 23:59:59"])
def test_the_ends_of_what_is_read_have_moments(local: str) -> None:
    assert all(moments(zone, local) for zone in ZONES)
