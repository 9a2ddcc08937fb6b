"""Dates in six languages: a day that could be two is none, and what has no calendar is none."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.dates import NamedDate, birthday_in, day_meant, in_year, month_names, next_on

MONDAY = date(2026, 11, 30)
DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("4 May", "", (4, 5, None)),
        ("the 12th of May, 1986", "", (12, 5, 1986)),
        ("May 4th, 1986", "", (4, 5, 1986)),
        ("4. Mai 1986", "", (4, 5, 1986)),
        ("3. März", "", (3, 3, None)),
        ("3 marz", "", (3, 3, None)),
        ("5 de mayo de 1990", "", (5, 5, 1990)),
        ("1er février", "", (1, 2, None)),
        ("1º de março de 2001", "", (1, 3, 2001)),
        ("15 agosto", "", (15, 8, None)),
        ("4.5.", "", (4, 5, None)),
        ("4.5.1986", "", (4, 5, 1986)),
        ("4. 5. 1986", "", (4, 5, 1986)),
        ("1986-05-04", "", (4, 5, 1986)),
        ("19860504", "", (4, 5, 1986)),
        ("19860504T000000Z", "", (4, 5, 1986)),
        ("--0504", "", (4, 5, None)),
        ("--05-04", "", (4, 5, None)),
        ("4/5", "de", (4, 5, None)),
        ("4/5", "pt", (4, 5, None)),
        ("25/12", "en", (25, 12, None)),
        ("12/25/1986", "", (25, 12, 1986)),
        ("5/5", "", (5, 5, None)),
        ("29 February", "", (29, 2, None)),
        ("4 May (yes, 4.5.)", "", (4, 5, None)),
    ],
)
def test_a_date_is_read(text: str, language: str, expected: tuple[int, int, int | None]) -> None:
    assert birthday_in(text, language) == NamedDate(*expected)


@pytest.mark.parametrize(
    "text",
    ["4/5", "05-04", "5-4", "04-05-1986", "4.5.86", "29.2.1987", "31 April", "0 May", "32.1.", "1986-13-01", "13/13", "4 or 5 May or 6 June", "4 May 5 May",
     "", "May", "1986", "1.2.3.4", "--1301", "in 4 days", "4 5", "0000-01-01"],
)  # fmt: skip
def test_what_is_no_date_or_could_be_two_is_none(text: str) -> None:
    assert birthday_in(text, "en") is None


@given(DAYS)
def test_every_day_is_read_in_each_way_in_which_it_is_written(day: date) -> None:
    expected = NamedDate(day.day, day.month, day.year)
    assert birthday_in(day.isoformat()) == birthday_in(f"{day:%Y%m%d}") == expected
    assert birthday_in(f"{day.day}.{day.month}.{day.year}") == expected
    assert birthday_in(f"{day.day}/{day.month}/{day.year}", "fr") == expected
    assert birthday_in(f"{day:%d %B %Y}") == birthday_in(f"{day:%B %d, %Y}") == expected


@given(
    st.text(max_size=80) | st.from_regex(r"[0-9]{0,4}[./ -][0-9]{0,4}[./ -][0-9]{0,4}", fullmatch=True),
    st.sampled_from(["", "en", "de"]),
)
def test_whatever_is_read_is_a_day_of_some_calendar(text: str, language: str) -> None:
    named = birthday_in(text, language)
    if named is not None:
        assert in_year(named, named.year or 2000).month == named.month


@given(DAYS, DAYS)
def test_the_next_one_is_within_a_year_and_never_past(born: date, today: date) -> None:
    following = next_on(NamedDate(born.day, born.month), today)
    assert timedelta(0) <= following - today <= timedelta(days=366)
    assert (following.month, following.day) in {(born.month, born.day), (2, 28)}


def test_29_february_is_28_february_where_there_is_none() -> None:
    assert [in_year(NamedDate(29, 2), year).isoformat() for year in (2026, 2028)] == ["2026-02-28", "2028-02-29"]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("I'll send it today", 0), ("heute Abend", 0), ("esta noche", 0), ("ce soir", 0), ("stasera", 0), ("hoje", 0),
        ("tomorrow", 1), ("das mach ich morgen", 1), ("te lo mando mañana por la mañana", 1), ("demain", 1), ("domani", 1), ("amanhã cedo", 1),
        ("the day after tomorrow", 2), ("übermorgen", 2), ("pasado mañana", 2), ("après-demain", 2), ("dopodomani", 2), ("depois de amanhã", 2),
        ("on Monday", 7), ("am Freitag", 4), ("el viernes", 4), ("vendredi", 4), ("venerdì", 4), ("na sexta", 4), ("sexta-feira", 4), ("by fri", 4),
        ("next week", 7), ("nächste Woche", 7), ("la semana que viene", 7), ("la semaine prochaine", 7), ("am Wochenende", 5),
        ("on the 5th", 5), ("am 5.", 5), ("le 5", 5), ("el día 5", 5), ("on 4 May", 155), ("bis 1.12.", 1), ("bis 1. 12. 2026", 1), ("version 1.12", None), ("until 1986-05-04", None),
        ("Guten Morgen", None), ("esta mañana no", None), ("am Morgen", None), ("el 5 de la tarde", None), ("at 5", None), ("am 5 Uhr", None), ("soon", None),
        ("I sat in the sun", None), ("la segunda vez", None),
    ],
)  # fmt: skip
def test_the_day_that_is_meant(text: str, days: int | None) -> None:
    assert day_meant(text, MONDAY) == (None if days is None else MONDAY + timedelta(days=days))


@given(st.text(max_size=60) | st.sampled_from(month_names()), DAYS)
def test_the_day_that_is_meant_is_never_past(text: str, said_on: date) -> None:
    assert (day_meant(text, said_on) or said_on) >= said_on
