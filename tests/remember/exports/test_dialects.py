"""Every dialect reads back what was written in it: words, media, deletions, notices, half days, and every line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from remember.exports.chats import at, read
from remember.exports.dialects import HAS_SECONDS, PHONES, Phone

from secondme.core.errors import DataError
from secondme.core.exports.whatsapp_headers import WallClock

TIMES = [
    at(30, 0, 5),
    at(30, 11, 59),
    at(30, 12, 1),
    at(30, 12, 33),
    at(30, 13, 0),
    at(30, 23, 59),
    at(31, 20, 3),
    at(31, 20, 4, 7),
]


def conversation(phone: Phone) -> str:
    lines = [
        phone.notice(TIMES[0], phone.system),
        phone.text(TIMES[1], "Anna", "good morning: are you up?"),
        phone.text(TIMES[2], "Sam Example", "first line\n\nthird - line"),
        phone.own(TIMES[3], "Anna", phone.left_out),
        phone.own(TIMES[4], "Sam Example", phone.attached.format("menu of the day.pdf")),
        phone.own(TIMES[5], "Anna", phone.deleted),
        phone.text(TIMES[6], "Anna", "😀"),
        phone.text(TIMES[7], "Sam Example", "ok"),
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", PHONES)
def test_a_conversation_reads_back_as_it_was(name: str, tmp_path: Path) -> None:
    phone = PHONES[name]
    done = read(tmp_path, conversation(phone))
    assert done.facts == [
        ("system", None, phone.system),
        ("text", "Anna", "good morning: are you up?"),
        ("text", "Sam Example", "first line\n\nthird - line"),
        ("media", "Anna", phone.left_out),
        ("media", "Sam Example", phone.attached.format("menu of the day.pdf")),
        ("deleted", "Anna", phone.deleted),
        ("text", "Anna", "😀"),
        ("text", "Sam Example", "ok"),
    ]
    assert [each.at for each in done.messages] == [each if name in HAS_SECONDS else each.replace(second=0) for each in TIMES]
    assert [each.words for each in done.messages if each.words] == [text for kind, _, text in done.facts if kind == "text"]
    assert (done.is_accounted_for, done.export.lines, done.export.preamble) == (True, 10, 0)
    assert done.export.chat.people == {"Anna": 4, "Sam Example": 3}
    assert done.export.chat.is_group is False


@pytest.mark.parametrize("name", PHONES)
def test_the_file_of_an_attachment_is_named(name: str, tmp_path: Path) -> None:
    phone = PHONES[name]
    text = phone.text(at(30), "Anna", "look") + "\n" + phone.own(at(31), "Anna", phone.attached.format("IMG-20200101-WA0001.jpg"))
    assert [each.media for each in read(tmp_path, text).messages] == [None, "IMG-20200101-WA0001.jpg"]


@pytest.mark.parametrize("name", PHONES)
def test_windows_line_ends_and_a_byte_order_mark_change_nothing(name: str, tmp_path: Path) -> None:
    text = conversation(PHONES[name])
    plain = read(tmp_path, text)
    for changed in (text.replace("\n", "\r\n").encode("utf-8-sig"), text.encode("utf-16"), text.rstrip("\n")):
        assert read(tmp_path, changed).facts == plain.facts


def decided(folder: Path, form: str, *dates: str) -> tuple[str, str, list[str]]:
    """The order, what decided, and the days of a chat with these dates."""
    done = read(folder, "\n".join(form.format(date, author) for date, author in zip(dates, "ABABABABAB", strict=False)))
    return done.export.order, done.export.reason, [f"{each.at:%Y-%m-%d}" for each in done.messages]


ANDROID, AMERICAN, IOS = "{}, 10:00 - {}: x", "{}, 8:03 AM - {}: x", "[{}, 10:00:00] {}: x"


@pytest.mark.parametrize(
    ("form", "dates", "order", "reason", "first"),
    [
        (ANDROID, "05/06/24|06/05/24|06/07/24", "mdy", "sequence", "2024-05-06"),
        (ANDROID, "06/05/24|05/06/24|07/06/24", "dmy", "sequence", "2024-05-06"),
        (ANDROID, "02/03/24|13/03/24", "dmy", "values", "2024-03-02"),
        (ANDROID, "02/03/24|03/13/24", "mdy", "values", "2024-02-03"),
        (ANDROID, "05/06/24|05/07/24|05/08/24", "mdy", "guess", "2024-05-06"),
        (ANDROID, "06/05/24|07/05/24|08/05/24", "dmy", "guess", "2024-05-06"),
        (ANDROID, "05/06/24", "dmy", "guess", "2024-06-05"),
        (AMERICAN, "5/6/24", "mdy", "guess", "2024-05-06"),
        (AMERICAN, "5/6/2024", "dmy", "guess", "2024-06-05"),
        (ANDROID, "05.06.24", "dmy", "dialect", "2024-06-05"),
        (ANDROID, "2024-05-06", "ymd", "dialect", "2024-05-06"),
        (ANDROID, "24-12-31|25-01-01", "ymd", "values", "2024-12-31"),
        (IOS, "23. 12. 31.|24. 1. 2.", "ymd", "values", "2023-12-31"),
        (IOS, "23. 1. 2.", "ymd", "dialect", "2023-01-02"),
        (IOS, "05/06/2024", "dmy", "guess", "2024-06-05"),
        (ANDROID, "12/10/26|12/11/26", "dmy", "values", "2026-10-12"),
    ],
)
def test_the_whole_file_decides(form: str, dates: str, order: str, reason: str, first: str, tmp_path: Path) -> None:
    each = dates.split("|")
    assert decided(tmp_path, form, *each)[:2] == (order, reason)
    assert decided(tmp_path, form, *each)[2][0] == first


def test_one_quoted_date_does_not_turn_a_year_around(tmp_path: Path) -> None:
    dates = [f"{day:02}/{month:02}/24" for month in range(1, 12) for day in (1, 9)]
    text = "\n".join(f"{date}, 10:00 - {'AB'[n % 2]}: x" for n, date in enumerate([*dates[:5], "12/31/23", *dates[5:]]))
    assert read(tmp_path, text).export.order == "dmy"


def test_a_day_that_is_none_begins_no_message(tmp_path: Path) -> None:
    done = read(tmp_path, "30.12.21, 20:03 - Anna: look:\n31.02.21, 10:00 - Sam: never\n30.12.21, 20:04 - Sam: ok\n")
    assert [author for _, author, _ in done.facts] == ["Anna", "Sam"]
    assert done.is_accounted_for


def test_another_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, "1402/10/10, 20:03 - Anna: salam\n")
    assert refused.value.code == "no_messages"
    assert "calendar" in refused.value.fix


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
