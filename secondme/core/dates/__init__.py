"""Dates as people write them in six languages, read: a day of the year, and the day that words like tomorrow mean. Pure."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.files import table
from secondme.core.normalization import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DAY_FIRST = frozenset({"de", "es", "fr", "it", "pt"})
"""Languages whose 4/5 is in May. English has both orders."""
_LEAP_YEAR = 2000
_MONTHS = 12
_READ = 200
"""Characters; a date is short, and so is what it stands in."""
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


@dataclass(frozen=True, slots=True)
class NamedDate:
    """A day of the year, and the year where one is said. There is such a day; without a year 29 February is one."""

    day: int
    month: int
    year: int | None = None


def birthday_in(text: str, language: str = "") -> NamedDate | None:
    """The one date that stands in `text`: with the month's name, as 4.5. (day first), 1986-05-04, or as vCard writes it (RFC 6350, 4.3.1).

    None when there is none, or several that differ; and for 4/5, unless one part is above 12 or the `language` (as `de`) has one order.
    """
    found = {each for each in _dates_in(fold(text[:_READ]), language) if _exists(each)}
    return found.pop() if len(found) == 1 else None


def day_meant(text: str, said_on: date) -> date | None:
    """The first day that `text` names, as seen from the day on which it was said: never before it. None when it names none.

    A weekday is the next one, never the day itself; next week is its Monday, the weekend its Saturday.
    """
    plain = _plain(text[:_READ])
    found = [(match.start(), _day_of(kind, match, said_on)) for kind, pattern in _day_words() if (match := pattern.search(plain))]
    days = [day for _, day in sorted(found, key=lambda each: each[0]) if day is not None]
    return days[0] if days else None


def in_year(named: NamedDate, year: int) -> date:
    """The day in that year. 29 February is 28 February where there is none."""
    last = calendar.monthrange(year, named.month)[1]
    return date(year, named.month, min(named.day, last))


def next_on(named: NamedDate, today: date) -> date:
    """The next such day, `today` counted."""
    this_year = in_year(named, today.year)
    return this_year if this_year >= today else in_year(named, today.year + 1)


@cache
def month_names() -> tuple[str, ...]:
    """Every name of a month, with and without its accents, the longest first: for a pattern."""
    names = {word for words in table("dates", "calendar")["months"].values() for word in words.split()}
    return tuple(sorted(names | set(map(fold, names)), key=lambda each: (-len(each), each)))


def _plain(text: str) -> str:
    return fold(text.translate(_APOSTROPHES))


def _exists(named: NamedDate) -> bool:
    if not 1 <= named.month <= _MONTHS or (named.year is not None and not 1 <= named.year <= 9999):  # noqa: PLR2004  where dates end
        return False
    return 1 <= named.day <= calendar.monthrange(named.year or _LEAP_YEAR, named.month)[1]


def _dates_in(plain: str, language: str) -> Iterator[NamedDate]:
    for pattern in _whole_dates():
        for match in pattern.finditer(plain):
            parts = match.groupdict()
            month = parts["month"]
            yield NamedDate(int(parts["day"]), int(month) if month.isdigit() else _months()[month], _year(parts.get("year")))
    for match in _NUMBERS.finditer(plain):
        first, second, year = int(match["first"]), int(match["second"]), _year(match["year"])
        if match["sign"] == "-" and year is None:  # 05-04 may be anything
            continue
        is_day_first = match["sign"] == "." or second <= _MONTHS < first or language in _DAY_FIRST or first == second
        if is_day_first and not first <= _MONTHS < second:
            yield NamedDate(first, second, year)
        elif first <= _MONTHS < second and match["sign"] != ".":
            yield NamedDate(second, first, year)


def _year(text: str | None) -> int | None:
    return int(text) if text else None


_NUMBERS = re.compile(
    r"(?<![\d.,/-])(?P<first>\d{1,2})(?P<sign>[./-]) ?(?P<second>\d{1,2})(?:(?P=sign) ?(?P<year>\d{4})(?![\d/]|-\d)|\.?(?![\d/-]|[.,]\d))"
)


_DOTTED = r"(?<![\d.])\d{1,2}\. ?\d{1,2}\.(?:\d{4})?(?!\d)"
"""What is a date in the middle of other words too."""


@cache
def _months() -> Mapping[str, int]:
    listed = table("dates", "calendar")["months"]
    return {fold(word): int(number) for number, words in listed.items() for word in words.split()}


@cache
def _whole_dates() -> tuple[re.Pattern[str], ...]:
    names = "|".join(sorted(_months(), key=len, reverse=True))
    year = r"(?:\.?,? (?:de |del )?(?P<year>\d{4})(?!\d))?"
    return (
        re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?!\d)"),
        re.compile(r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:t\d.*)?$"),
        re.compile(r"^--(?P<month>\d{2})-?(?P<day>\d{2})$"),
        re.compile(
            rf"(?<![\d.,/-])(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.|o|a|\u00b0)?(?: of| de)? ?(?P<month>{names})(?!\w){year}"
        ),
        re.compile(rf"(?<!\w)(?P<month>{names})\.? (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\w:]){year}"),
    )


@cache
def _day_words() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What each kind of word looks like; a kind is `date`, how many days from now, `w` and a weekday, `week`, `weekend` or `month`."""
    listed = table("dates", "calendar")
    kinds = [("date", re.compile("|".join([*(each.pattern for each in _unnamed_dates()), _DOTTED])))]
    kinds += [(str(each["days"]), _word(_plain(each["words"]))) for each in listed["in_days"]]
    before = _plain(listed["words"]["before_short"])
    for number, words in listed["weekdays"].items():
        short = "|".join(_plain(listed["short_weekdays"][number]).split())
        kinds.append((f"w{number}", _word(f"(?:{'|'.join(_plain(words).split())})|(?:{before}) (?:{short})")))
    kinds += [(kind, _word(_plain(listed[name]["words"]))) for kind, name in (("week", "next_week"), ("weekend", "weekend"))]
    single = listed["of_the_month"]
    behind = (
        rf"(?:{_plain(single['before'])}) (?P<number>\d{{1,2}})(?:st|nd|rd|th|\.|er|o|a)?(?!\w)(?! ?(?:{_plain(single['no_day'])}))"
    )
    kinds.append(("month", re.compile(rf"(?<!\w){behind}")))
    return tuple(kinds)


def _unnamed_dates() -> list[re.Pattern[str]]:
    """As whole dates look, without names for their parts: the text is read again for them."""
    return [re.compile(re.sub(r"\?P<\w+>", "?:", each.pattern)) for each in _whole_dates() if "^" not in each.pattern]


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?!\w)")


def _day_of(kind: str, match: re.Match[str], said_on: date) -> date | None:
    if kind == "date":
        named = birthday_in(match[0])
        return None if named is None else _coming(named, said_on)
    if kind == "month":
        return _next_of_month(int(match["number"]), said_on)
    if kind.startswith("w") and kind[1:].isdigit():
        return said_on + timedelta(days=(int(kind[1:]) - said_on.isoweekday() - 1) % 7 + 1)
    if kind == "week":
        return said_on + timedelta(days=8 - said_on.isoweekday())
    if kind == "weekend":
        return said_on + timedelta(days=max(0, 6 - said_on.isoweekday()))
    return said_on + timedelta(days=int(kind))


def _coming(named: NamedDate, said_on: date) -> date | None:
    if named.year is None:
        return next_on(named, said_on)
    day = in_year(named, named.year)
    return day if day >= said_on else None


def _next_of_month(number: int, said_on: date) -> date | None:
    """The next day with this number; months that have none are passed over."""
    if not 1 <= number <= 31:  # noqa: PLR2004  the longest months
        return None
    day = said_on
    while day.day != number:
        day += timedelta(days=1)
    return day
