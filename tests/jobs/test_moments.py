"""Times as people type them in six languages: what is understood, and what is refused instead of guessed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.errors import DataError
from secondme.core.jobs.moments import read_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=BERLIN)
"""A Sunday."""

UNDERSTOOD = {
    "in 2h": "2026-11-29 14:00",
    "in 30m": "2026-11-29 12:30",
    "in 30 minutes": "2026-11-29 12:30",
    "In 3 Tagen": "2026-12-02 12:00",
    "en 2 horas": "2026-11-29 14:00",
    "dans 45 minutes": "2026-11-29 12:45",
    "fra 2 ore": "2026-11-29 14:00",
    "daqui a 2 semanas": "2026-12-13 12:00",
    "tomorrow 9:00": "2026-11-30 09:00",
    "tomorrow at 9:00": "2026-11-30 09:00",
    "tomorrow 9am": "2026-11-30 09:00",
    "tomorrow at 9 pm": "2026-11-30 21:00",
    "tomorrow 12am": "2026-11-30 00:00",
    "today 18:30": "2026-11-29 18:30",
    "18:30": "2026-11-29 18:30",
    "morgen um 9:00": "2026-11-30 09:00",
    "morgen 9 Uhr": "2026-11-30 09:00",
    "Übermorgen 18 Uhr": "2026-12-01 18:00",
    "heute 18.30": "2026-11-29 18:30",
    "mañana a las 9:00": "2026-11-30 09:00",
    "pasado mañana 9:00": "2026-12-01 09:00",
    "demain à 9h": "2026-11-30 09:00",
    "après-demain à 9h30": "2026-12-01 09:30",
    "aujourd'hui 18h": "2026-11-29 18:00",
    "domani alle 9:00": "2026-11-30 09:00",
    "dopodomani 9:00": "2026-12-01 09:00",
    "amanhã às 9:00": "2026-11-30 09:00",
    "depois de amanhã 9:00": "2026-12-01 09:00",
    "mon 9:00": "2026-11-30 09:00",
    "monday at 9:00": "2026-11-30 09:00",
    "am Dienstag 9:00": "2026-12-01 09:00",
    "miércoles 9:00": "2026-12-02 09:00",
    "jeudi 9h": "2026-12-03 09:00",
    "venerdì 9:00": "2026-12-04 09:00",
    "sábado 9:00": "2026-12-05 09:00",
    "so 18:00": "2026-11-29 18:00",
    "sun 11:00": "2026-12-06 11:00",
    "24.12. 18:00": "2026-12-24 18:00",
    "24.12.2026 18:00": "2026-12-24 18:00",
    "1.3. 8:00": "2027-03-01 08:00",
    "2026-12-24 18:00": "2026-12-24 18:00",
    "2026-12-24T18:00+02:00": "2026-12-24 17:00",
    "2026-12-24T18:00:00Z": "2026-12-24 19:00",
}


@pytest.mark.parametrize(("typed", "meant"), UNDERSTOOD.items())
def test_it_is_understood(typed: str, meant: str) -> None:
    found = read_moment(typed, NOW, "Europe/Berlin")
    assert (f"{found.at:%Y-%m-%d %H:%M}", found.rest) == (meant, "")
    assert read_moment(f"{typed}  call mum, 9:00!", NOW, "Europe/Berlin").rest == "call mum, 9:00!"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "bad_time"),
        ("9", "bad_time"),
        ("at 9", "bad_time"),
        ("tomorrow", "bad_time"),
        ("tomorrow at 9", "bad_time"),
        ("tomorrow morning", "bad_time"),
        ("morgen früh", "bad_time"),
        ("05/06 9:00", "bad_time"),
        ("24/12/2026 18:00", "bad_time"),
        ("soon", "bad_time"),
        ("in a while", "bad_time"),
        ("in 2 parsecs", "bad_time"),
        ("in 99999 days", "bad_time"),
        ("in 0m", "past"),
        ("in 400 days", "too_far"),
        ("tomorrow 25:00", "bad_time"),
        ("tomorrow 9:60", "bad_time"),
        ("tomorrow 13pm", "bad_time"),
        ("31.2. 9:00", "bad_time"),
        ("2026-02-30 9:00", "bad_time"),
        ("2026-11-28 9:00", "past"),
        ("today 9:00", "past"),
        ("11:59", "past"),
        ("28.3.2027 2:30", "no_such_time"),
        ("2029-01-01 9:00", "too_far"),
        ("9999-12-31 23:59", "too_far"),
        ("0000-01-01 9:00", "bad_time"),
        ("every day 9:00", "bad_time"),
        ("\u0669:\u0660\u0660", "bad_time"),
    ],
)
def test_what_is_no_clear_time_is_refused_with_what_to_type(typed: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        read_moment(typed, NOW, "Europe/Berlin")
    assert caught.value.code == code
    assert caught.value.fix


def test_of_a_time_that_comes_twice_it_is_the_first() -> None:
    found = read_moment("25.10. 2:30", datetime(2026, 10, 24, 12, tzinfo=BERLIN), "Europe/Berlin")
    assert found.at.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_it_says_weekday_date_zone_and_distance() -> None:
    found = read_moment("tomorrow 9:00 water the plants", NOW, "Europe/Berlin")
    assert found.in_words(NOW) == "Mon 30 Nov 2026 09:00 Europe/Berlin, in 21 h"


@given(st.text(max_size=200))
def test_nothing_that_is_typed_breaks_it(typed: str) -> None:
    try:
        found = read_moment(typed, NOW, "Europe/Berlin")
    except DataError:
        return
    assert NOW < found.at <= NOW + timedelta(days=366)


@given(st.datetimes(datetime(2026, 11, 30), datetime(2027, 11, 28)))  # noqa: DTZ001  a wall clock
def test_what_it_shows_it_understands(wall: datetime) -> None:
    typed = f"{wall:%Y-%m-%d %H:%M}"
    if wall.replace(tzinfo=BERLIN).astimezone(UTC).astimezone(BERLIN).replace(tzinfo=None) != wall:
        with pytest.raises(DataError, match="skip"):
            read_moment(typed, NOW, "Europe/Berlin")
    else:
        assert f"{read_moment(typed, NOW, 'Europe/Berlin').at:%Y-%m-%d %H:%M}" == typed
