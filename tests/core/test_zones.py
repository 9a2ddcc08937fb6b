"""A time zone is found by the place that somebody names."""

import pytest

from secondme.core.dates.zones import near_zones, zones_of
from secondme.core.files import table


@pytest.mark.parametrize(
    ("place", "zones"),
    [
        ("Madrid", ["Europe/Madrid"]),
        ("new york", ["America/New_York"]),
        ("NEW_YORK", ["America/New_York"]),
        ("  Europe/Madrid ", ["Europe/Madrid"]),
        ("europe/madrid", ["Europe/Madrid"]),
        ("São Paulo", ["America/Sao_Paulo"]),
        ("sao paulo", ["America/Sao_Paulo"]),
        ("Köln", ["Europe/Berlin"]),
        ("San Francisco", ["America/Los_Angeles"]),
        ("utc", ["UTC"]),
        ("Birmingham", ["Europe/London", "America/Chicago"]),
        ("Spain", ["Europe/Madrid", "Atlantic/Canary"]),
        ("Barcel", ["Europe/Madrid"]),
        ("Atlantis", []),
        ("x", []),
        ("", []),
        ("/", []),
        ("../../etc/passwd", []),
    ],
)
def test_what_a_place_may_mean(place: str, zones: list[str]) -> None:
    assert zones_of(place) == zones


def test_a_beginning_offers_no_more_than_fit_on_a_screen() -> None:
    assert 2 <= len(zones_of("san")) <= 8


@pytest.mark.parametrize(
    ("place", "meant"), [("Madird", "Europe/Madrid"), ("Newyork", "America/New_York"), ("Berln", "Europe/Berlin")]
)
def test_one_that_is_misspelt_is_nearly_it(place: str, meant: str) -> None:
    assert zones_of(place) == []
    assert near_zones(place)[0] == meant


def test_every_place_of_the_list_is_found_and_spelt_as_it_is_looked_for() -> None:
    places = table("dates", "cities")["place"]
    assert len(places) > 150
    assert {place: zones_of(place) for place in places} == places
