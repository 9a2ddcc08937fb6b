"""Times as people type them, in six languages: a closed grammar. What it does not know it refuses, with something to type instead.

`in 2h`, `tomorrow 9:00`, `mon 18:30`, `24.12. 18:00`, `2026-12-24 18:00`, `2026-12-24T18:00+01:00`. Libraries that guess were measured: one read
"tomorrow at 9" as noon, "at 9" as a day of next year, and "05/06" as May without a word.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from secondme.core.errors import DataError
from secondme.core.files import packaged
from secondme.core.format import span
from secondme.core.jobs.schedule import zone_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

T = TypeVar("T")

_MOST = timedelta(days=366)
_ROUNDED = timedelta(seconds=59)
"""`in 2h` is two hours away, also a moment after it was typed."""
_DAY_S = 86_400
_LONGEST = 80
"""Characters of a time that are looked at."""
_EXAMPLES = "Like: in 2h, tomorrow 9:00, mon 18:30, 24.12. 18:00, 2026-12-24 18:00."
_TIME = re.compile(
    r"(\d{1,2})[:.](\d{2})(?:\s?([ap])\.?m\.?)?(?=$|[\s,;!?])|(\d{1,2})\s?([ap])\.?m\.?(?=$|[\s,;!?])|(\d{1,2})h(\d{2})?(?=$|[\s,;!?])",
    re.ASCII,
)
_HOUR = re.compile(r"(\d{1,2})(?=\s)", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_OFFSET = re.compile(r"(\d{4}-\d{2}-\d{2})t(\d{2}:\d{2}(?::\d{2})?)(z|[+-]\d{2}:?\d{2})(?=$|\s)", re.ASCII)
_DOTS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})?(?=$|\s)", re.ASCII)
_SLASHES = re.compile(r"\d{1,2}/\d{1,2}", re.ASCII)
_AMOUNT = re.compile(r"(\d{1,4})\s?([a-z]+)(?=$|[\s,;!?])", re.ASCII)


@dataclass(frozen=True, slots=True)
class TypedMoment:
    """A time that was typed, and what followed it."""

    at: datetime
    """In the zone it was meant in."""
    rest: str
    """What stands behind it."""

    def in_words(self, now: datetime) -> str:
        """With weekday, date, zone and distance: `Mon 30 Nov 2026 09:00 Europe/Berlin, in 20 h`."""
        zone = getattr(self.at.tzinfo, "key", None) or self.at.strftime("UTC%z")
        return f"{_WEEKDAYS[self.at.weekday()]} {self.at.day} {_MONTHS[self.at.month - 1]} {self.at:%Y %H:%M} {zone}, in {span(self.at - now + _ROUNDED)}"


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def read_moment(text: str, now: datetime, zone: str) -> TypedMoment:
    """The time that `text` begins with, on the wall clock of `zone`; at most a year from `now` (aware).

    Of a time that comes twice it is the first. Raises DataError for one that is past, does not exist on that day, or is none.
    """
    where, words = zone_of(zone), _Words(text)
    if match := words.take(_OFFSET):
        offset = "+00:00" if match[3] == "z" else match[3]
        return _bounded(_built(lambda: datetime.fromisoformat(f"{match[1]}T{match[2]}{offset}")).astimezone(where), now, words)
    if words.take_word("in"):
        return _distance(words, now, where)
    local = now.astimezone(where)
    day = _day(words, local)
    words.take_word("at")
    clock = _clock(words)
    if clock is None:
        raise _no_time(words, day)
    if day is None:
        day = local.date()
    elif isinstance(day, int):
        day = _weekday(day, clock, local)
    elif isinstance(day, _Yearless):
        day = day.next(clock, local)
    return _bounded(_on_the_wall(day, clock, where), now, words)


class _Words:
    """What was typed, word by word, in lower case without accents beside itself: both have the same length."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        self.plain = "".join(_plain(letter) for letter in self.text)
        self.at = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What of `pattern` stands here, and it is taken."""
        match = pattern.match(self.plain[: self.at + _LONGEST], self.at)
        if match is not None:
            self._go_to(match.end())
        return match

    def take_word(self, kind: str) -> str:
        """The word of this kind that stands here, and it is taken; empty when there is none."""
        for word in _lists()[kind]:
            end = self.at + len(word)
            if self.plain.startswith(word, self.at) and (end == len(self.plain) or self.plain[end] in " ,;!?"):
                self._go_to(end)
                return word
        return ""

    @property
    def rest(self) -> str:
        """What was not taken."""
        return self.text[self.at :].lstrip(" ,;")

    def _go_to(self, end: int) -> None:
        self.at = end + len(self.plain[end:]) - len(self.plain[end:].lstrip(" "))


def _plain(letter: str) -> str:
    found = unicodedata.normalize("NFKD", letter)[:1].lower()
    return found if len(found) == 1 else letter


@cache
def _lists() -> dict[str, list[str]]:
    """Words by kind, the longest first."""
    raw = tomllib.loads(packaged("jobs", "moments.toml"))
    found = {name: list(words) for name, words in raw["small"].items()}
    found |= {f"day:{name}": words for name, words in raw["days"].items()}
    found |= {f"weekday:{number}": words for number, words in raw["weekdays"].items()}
    found |= {f"unit:{seconds}": words for seconds, words in raw["units"].items()}
    return {name: sorted(words, key=len, reverse=True) for name, words in found.items()}


def _distance(words: _Words, now: datetime, where: ZoneInfo) -> TypedMoment:
    match = words.take(_AMOUNT)
    unit = match[2] if match is not None else ""
    seconds = next((int(name[5:]) for name, each in _lists().items() if name.startswith("unit:") and unit in each), 0)
    if match is None or not seconds:
        raise DataError("bad_time", "How long from now it is cannot be read.", "Like: in 30m, in 2h, in 3 days.")
    ahead = timedelta(seconds=int(match[1]) * seconds)
    if seconds % _DAY_S == 0:  # days are those of the calendar: the same time, whatever the clocks do
        return _bounded(now.astimezone(where) + ahead, now, words)
    return _bounded((now + ahead).astimezone(where), now, words)


@dataclass(frozen=True, slots=True)
class _Yearless:
    """A day of any year."""

    day: int
    month: int

    def next(self, clock: time, local: datetime) -> date:
        """The next one."""
        for year in (local.year, local.year + 1):
            found = _date(year, self.month, self.day)
            if datetime.combine(found, clock, local.tzinfo) > local:
                return found
        return found


def _day(words: _Words, local: datetime) -> date | int | _Yearless | None:
    """The day that stands here: a date, a weekday, a date without its year, or none."""
    words.take_word("on")
    if _SLASHES.match(words.plain, words.at):
        raise DataError(
            "bad_time", "Days with slashes are read differently in every country.", "Like: 24.12. 18:00 or 2026-12-24 18:00."
        )
    if match := words.take(_ISO):
        return _date(match[1], match[2], match[3])
    if match := words.take(_DOTS):
        if match[3]:
            return _date(match[3], match[2], match[1])
        return _Yearless(int(match[1]), int(match[2]))
    for days, name in ((2, "after_tomorrow"), (1, "tomorrow"), (0, "today")):
        if words.take_word(f"day:{name}"):
            return local.date() + timedelta(days=days)
    return next((number for number in range(7) if words.take_word(f"weekday:{number}")), None)


def _clock(words: _Words) -> time | None:
    match = words.take(_TIME)
    if match is None:
        start, hour = words.at, words.take(_HOUR)
        number = int(hour[1]) if hour is not None else -1
        if number >= 0 and words.take_word("hour"):
            return _built(lambda: time(number))
        words.at = start
        return None
    hour_text, minute, half = (match[1] or match[4] or match[6]), match[2] or match[7] or "0", match[3] or match[5]
    hour_number = int(hour_text)
    if half:
        if not 1 <= hour_number <= 12:  # noqa: PLR2004  a clock of twelve hours
            raise _wrong()
        hour_number = hour_number % 12 + (12 if half == "p" else 0)
    words.take_word("hour")
    return _built(lambda: time(hour_number, int(minute)))


def _weekday(number: int, clock: time, local: datetime) -> date:
    ahead = (number - local.weekday()) % 7
    found = local.date() + timedelta(days=ahead)
    return found if ahead or datetime.combine(found, clock, local.tzinfo) > local else found + timedelta(days=7)


def _on_the_wall(day: date, clock: time, where: ZoneInfo) -> datetime:
    moment = datetime.combine(day, clock, where)
    if moment.astimezone(UTC).astimezone(where).replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise DataError("no_such_time", f"On {day} the clocks skip {clock:%H:%M}.", "Name a time an hour later.")
    return moment


def _bounded(at: datetime, now: datetime, words: _Words) -> TypedMoment:
    if at <= now:
        raise DataError("past", "That is over.", "Name a day as well, like: tomorrow 9:00.")
    if at - now > _MOST:
        raise DataError("too_far", "That is more than a year from now.", "Name a day within a year.")
    return TypedMoment(at, words.rest)


def _date(year: int | str, month: int | str, day: int | str) -> date:
    return _built(lambda: date(int(year), int(month), int(day)))


def _built(make: Callable[[], T]) -> T:
    try:
        return make()
    except (ValueError, OverflowError):
        raise _wrong() from None


def _wrong() -> DataError:
    return DataError("bad_time", "There is no such day or time.", _EXAMPLES)


def _no_time(words: _Words, day: object) -> DataError:
    if day is None:
        return DataError("bad_time", "The time cannot be read.", _EXAMPLES)
    return DataError("bad_time", "At what time?", f"Like: {words.text[: words.at].strip()[:40]} 9:00")
