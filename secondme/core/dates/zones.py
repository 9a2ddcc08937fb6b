"""Time zones by what people call the place: a city, a country, or the zone's own name."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from secondme.core.files import table
from secondme.core.text import caseless, near

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REGIONS = ("Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
"""Of the others, `US/Eastern` and the like, each is another name for one of these."""
_LEAST, _MOST = 3, 8
"""So many letters say which place is meant by its beginning; so many zones are offered."""
_APART = re.compile(r"[\s_./,'’-]+")  # noqa: RUF001  as people type it


def zones_of(place: str) -> list[str]:
    """The zones that `place` may mean, in the order in which they are offered, at most eight; empty when nobody knows it. A zone's own
    name means that zone."""
    typed = place.strip()
    for name in (typed, typed.upper()):
        if _is_zone(name):
            return [name]
    wanted, known = _plain(typed), _places()
    if not wanted:
        return []
    found: Sequence[str] = known.get(wanted) or [
        zone for name, zones in known.items() if len(wanted) >= _LEAST and name.startswith(wanted) for zone in zones
    ]
    return [zone for zone in dict.fromkeys(found) if _is_zone(zone)][:_MOST]


def near_zones(place: str) -> list[str]:
    """The zones of places that are spelt like `place`, the nearest first; at most three."""
    known = _places()
    spelt = near(_plain(place.rpartition("/")[2]), known, 3, cutoff=0.7)
    return [zone for zone in dict.fromkeys(zone for name in spelt for zone in known[name]) if _is_zone(zone)][:3]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _plain(place: str) -> str:
    """As the list spells it: small letters without accents, one blank between words."""
    letters = unicodedata.normalize("NFKD", caseless(place))
    return _APART.sub(" ", "".join(each for each in letters if not unicodedata.combining(each))).strip()


@cache
def _places() -> Mapping[str, Sequence[str]]:
    """Every place by its plain name: the zones' own cities, their whole names, and those of the list."""
    found: dict[str, list[str]] = {}
    for zone in sorted(each for each in available_timezones() if each.startswith(_REGIONS)):
        for name in (_plain(zone.rpartition("/")[2]), _plain(zone)):
            same = found.setdefault(name, [])
            if not any(_is_same(zone, each) for each in same):
                same.append(zone)
    listed: dict[str, list[str]] = table("dates", "cities")["place"]
    return found | listed


def _is_same(one: str, other: str) -> bool:
    """Both are the same place by two names, `America/Louisville` and `America/Kentucky/Louisville`: a city has one time."""
    return one.rpartition("/")[2] == other.rpartition("/")[2]
