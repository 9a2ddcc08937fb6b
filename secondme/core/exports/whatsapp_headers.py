"""The first part of a line in WhatsApp's exports: which date order and separators the phone used, and when and by whom the line was written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from secondme.core.exports.sentences import MARKS
from secondme.core.files import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


Order = Literal["dmy", "mdy", "ymd"]
Reason = Literal["values", "sequence", "dialect", "guess"]

_PLACES: dict[Order, tuple[int, int, int]] = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}
"""Where year, month and day stand."""
_BUDDHIST = 543
_FIRST_BUDDHIST = 2500
"""A Thai phone counts from the Buddha: 2567 is 2024."""
_EARLIEST = 1970
_DENSER = 3
"""A reading that spreads the same messages over so many times more days is the less likely one: people talk in bursts."""


@lru_cache(maxsize=512)
def day_of(order: Order, numbers: tuple[int, int, int]) -> date | None:
    """The day that these three numbers mean, or None when there is none."""
    year_at, month_at, day_at = _PLACES[order]
    year = numbers[year_at]
    if year < 100:  # noqa: PLR2004  two digits
        year += 2000
    elif year >= _FIRST_BUDDHIST:
        year -= _BUDDHIST
    if year < _EARLIEST:
        return None
    try:
        return date(year, numbers[month_at], numbers[day_at])
    except ValueError:
        return None


@dataclass(slots=True)
class _Reading:
    """How well one order explains the dates so far."""

    impossible: int = 0
    backwards: int = 0
    spread: int = 0
    """Days between one message and the next, all together."""
    last: date | None = None


@dataclass(slots=True)
class DateEvidence:
    """What the dates of one dialect say about their order."""

    dialect: Dialect
    latest: date
    """No message is younger."""
    lines: int = 0
    _previous: tuple[int, int, int] | None = None
    _readings: dict[Order, _Reading] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for order in _candidates(self.dialect):
            self._readings[order] = _Reading()

    def add(self, numbers: tuple[int, int, int]) -> None:
        """Another line has this date."""
        self.lines += 1
        if numbers == self._previous:
            return  # most lines: the day did not change
        self._previous = numbers
        for order, reading in self._readings.items():
            day = day_of(order, numbers)
            if day is None or day > self.latest:
                reading.impossible += 1
                continue
            if reading.last is not None:
                reading.backwards += day < reading.last
                reading.spread += abs((day - reading.last).days)
            reading.last = day

    def decide(self) -> tuple[Order, Reason]:
        """The order, and what decided."""
        faults = {order: each.impossible + each.backwards for order, each in self._readings.items()}
        plain = [order for order in faults if order != "ymd"]
        if not plain:
            return "ymd", "dialect"
        fewest = min(faults[order] for order in plain)
        if "ymd" in faults and (faults["ymd"] < fewest or (faults["ymd"] == fewest and self.dialect.separators[2] == ".")):
            return "ymd", self._reason("ymd", plain) if faults["ymd"] < fewest else "dialect"
        left = [order for order in plain if faults[order] == fewest]
        if len(left) == 1:
            return left[0], self._reason(left[0], [order for order in plain if order != left[0]])
        if self.dialect.separators[0].startswith("."):
            return "dmy", "dialect"  # nobody writes the month first with dots
        return self._guess(left), "guess"

    def _reason(self, chosen: Order, others: Sequence[Order]) -> Reason:
        """`values` when each other order would have impossible days that the chosen one has not."""
        fewest = self._readings[chosen].impossible
        return "values" if all(self._readings[order].impossible > fewest for order in others) else "sequence"

    def _guess(self, left: Sequence[Order]) -> Order:
        spreads = {order: self._readings[order].spread for order in left}
        densest = min(spreads, key=lambda order: spreads[order])
        if all(spread >= _DENSER * max(1, spreads[densest]) for order, spread in spreads.items() if order != densest):
            return densest
        is_american = self.dialect.separators[0] == "/" and self.dialect.half == "after" and not self.dialect.widths[1]
        favourite: Order = "mdy" if is_american else "dmy"
        return favourite if favourite in left else left[0]


def _candidates(dialect: Dialect) -> tuple[Order, ...]:
    if dialect.widths[0] or dialect.separators[0] in {"年", "년", "年 ", "년 "}:
        return ("ymd",)
    if dialect.widths[1]:
        return ("dmy", "mdy")
    return ("dmy", "mdy", "ymd")  # 23. 12. 31. in Korea; where others explain as much, the year is last


def latest_day(today: date) -> date:
    """No message can have been sent after it: in some zone it is tomorrow already."""
    return today + timedelta(days=1)


_LAST_HOUR = datetime(9999, 12, 31, 23)  # noqa: DTZ001  as exports have it
_NOISE = timedelta(minutes=5)
"""Messages of one chat arrive out of order by seconds; the clocks change by much more."""


class WallClock:
    """Turns the local times of one chat, in its order, into moments.

    A time that comes twice, when the clocks go back, is the first one until the chat has passed it, then the second. A time that the
    clocks skip counts as if they had not: 02:30 is half an hour after 02:00, whatever that is called.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._latest: datetime | None = None
        self._hour = self._next_hour = datetime.max  # noqa: DTZ901  as exports have it
        self._offset: timedelta | None = None
        """Of the whole hour; None when the clocks change in it."""

    def moment(self, local: datetime) -> datetime:
        """`local` (naive) as aware UTC."""
        if not self._hour <= local < self._next_hour:
            self._hour = local.replace(minute=0, second=0, microsecond=0)
            self._offset = self._offset_of_hour(self._hour)
            self._next_hour = self._hour + timedelta(hours=1) if self._hour < _LAST_HOUR else datetime.max  # noqa: DTZ901  as exports have it
        if self._offset is None:
            moment = self._near_a_change(local)
        elif self._offset:
            moment = local.replace(tzinfo=UTC) - self._offset
        else:
            moment = local.replace(tzinfo=UTC)
        if self._latest is None or moment > self._latest:
            self._latest = moment
        return moment

    def _offset_of_hour(self, hour: datetime) -> timedelta | None:
        last = hour + timedelta(minutes=59, seconds=59)
        offsets = {self._at(local, fold) for local in (hour, last) for fold in (0, 1)}
        return offsets.pop() if len(offsets) == 1 else None

    def _at(self, local: datetime, fold: int) -> timedelta:
        return local.replace(tzinfo=self._zone, fold=fold).utcoffset() or timedelta(0)

    def _near_a_change(self, local: datetime) -> datetime:
        first, second = (local.replace(tzinfo=UTC) - self._at(local, fold) for fold in (0, 1))
        if first < second and self._latest is not None and first < self._latest - _NOISE:
            return second
        return first


_M = f"[{MARKS}]{{0,3}}"
_SPACE = f"[ \u00a0\u202f\u2009{MARKS}]{{0,4}}"
_SPACES = f"[ \u00a0\u202f\u2009{MARKS}]{{1,4}}"
_FLAT = str.maketrans(dict.fromkeys(map(ord, MARKS)) | dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " "))
_KEY = str.maketrans("", "", MARKS + " \u00a0\u202f\u2009.\u05f3\u05f4'\"")


def meridiem_key(text: str) -> str:
    """A half of the day as it is looked up: `p. m.` is `pm`."""
    return text.translate(_KEY).casefold()


@cache
def meridiems() -> dict[str, str]:
    """am, pm or noon, by `meridiem_key`."""
    clock = table("exports", "clock")
    return {meridiem_key(word): half for half in ("am", "pm", "noon") for word in clock[half]}


def _spelled(word: str) -> str:
    """`pm` as p.m., p. m. and the like."""
    if word.isascii() and " " in word:
        return re.escape(word)
    return "[ \u00a0\u202f.\u05f3\u05f4'\"]{0,2}".join(re.escape(letter) for letter in word if letter not in " \u05f3") + "\\.?"


@cache
def _halves() -> str:
    clock = table("exports", "clock")
    words = sorted({word for half in ("am", "pm", "noon") for word in clock[half]}, key=len, reverse=True)
    return f"(?i:{'|'.join(_spelled(word) for word in words)})"


def _words(name: str) -> str:
    return "|".join(re.escape(word) for word in sorted(table("exports", "clock")[name], key=len, reverse=True))


_DATE = (
    rf"(\d{{1,4}})({_M}(?:\. ?|/|-|年 ?|년 ?){_M})(\d{{1,2}})({_M}(?:\. ?|/|-|月 ?|월 ?){_M})"
    r"(\d{4}|\d{1,2})(\.|日|일)?"
)


@cache
def _anything() -> re.Pattern[str]:
    """A header of any dialect. Groups: see `read`."""
    time = rf"(?:({_halves()}){_SPACE})?(\d{{1,2}})([:.])(\d{{2}})(?:[:.](\d{{2}}))?(?:{_SPACE}({_halves()}))?"
    after = rf"(?:{_SPACE}(?i:{_words('after_date')})\.?)?"
    between = rf"({after}{_M}[,،]?{_SPACES}(?:(?i:{_words('between')})\.?{_SPACES})?)"
    end = rf"{_M}(\]{_SPACE}|{_SPACES}[-\u2013]{_SPACES}|:{_SPACES})"
    return re.compile(rf"{_M}(\[?){_M}{_DATE}{between}{time}{end}")


@cache
def _anything_time_first() -> re.Pattern[str]:
    time = rf"(\d{{1,2}})([:.])(\d{{2}})(?:[:.](\d{{2}}))?(?:{_SPACE}({_halves()}))?"
    end = rf"{_M}(\]{_SPACE}|{_SPACES}[-\u2013]{_SPACES})"
    return re.compile(rf"{_M}(\[?){_M}{time}({_M}[,،]?{_SPACES}){_DATE}{end}")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one export writes the beginning of a message. Two lines of one export never differ in it."""

    is_bracketed: bool
    end: str
    """`]`, `-` or `:`"""
    separators: tuple[str, str, str]
    """Of the date; the last is what stands behind it."""
    widths: tuple[bool, bool]
    """Whether the first and the last number of the date have four digits."""
    between: str
    has_seconds: bool
    time_separator: str
    half: str
    """Where the half of the day stands: `before`, `after` or nowhere."""
    is_time_first: bool = False

    @property
    def name(self) -> str:
        """For the report: an example in figures."""
        a, b, c = self.separators
        first, last = ("YYYY" if self.widths[0] else "00"), ("YYYY" if self.widths[1] else "00")
        clock = f"00{self.time_separator}00" + (f"{self.time_separator}00" if self.has_seconds else "")
        clock = {"before": f"PM {clock}", "after": f"{clock} PM"}.get(self.half, clock)
        date = f"{first}{a}00{b}{last}{c}"
        between = f"{self.between} " if self.between in ",،" and self.between else f" {self.between} " if self.between else " "
        text = f"{clock}{between}{date}" if self.is_time_first else f"{date}{between}{clock}"
        return {"]": f"[{text}]", "-": f"{text} -"}.get(self.end, f"{text}:")


Header = tuple[Dialect, tuple[int, int, int], int, int, int, int]
"""The beginning of a message: dialect, the three numbers of its date in the order of the line, hour, minute, second, and where the rest of
the line begins. A plain tuple: there is one for each of a million lines.
"""


class _Layout(NamedTuple):
    """The very characters that stand between the numbers of a header, and what was made of the numbers so far."""

    match: Callable[[str], re.Match[str] | None]
    """Of a whole header: the date, hour, minute and second."""
    dialect: Dialect
    days: dict[str, tuple[int, int, int]]
    hours: dict[str, int]


class HeaderReader:
    """`recognise` for the lines of one file, at a third of the cost: nearly all lines have a layout that was met a moment ago."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []
        """The last one met stands in front."""

    def recognise(self, line: str) -> Header | None:
        """As the function of this name."""
        first = line[:1]
        if not (first.isdecimal() or first in _OPENINGS):
            return None
        for at, (match, dialect, days, hours) in enumerate(self._layouts):
            found = match(line)
            if found is None:
                continue
            if at:
                self._layouts.insert(0, self._layouts.pop(at))
            day, hour, minute, second = found.groups("00")
            try:
                numbers, in_the_day = days[day], hours[hour]
                minutes, seconds = _MINUTES[minute], _MINUTES[second]
            except KeyError:
                break  # a new one, or none at all
            return dialect, numbers, in_the_day, minutes, seconds, found.end()
        header, anything = _read(line)
        if header is not None and anything is not None:
            self._remember(line, anything, header)
        return header

    def _remember(self, line: str, match: re.Match[str], header: Header) -> None:
        """What the numbers of this line mean, and its layout when it is a new one."""
        layout = self._layouts[0] if self._layouts and self._layouts[0].match(line) else _layout(line, match, header[0])
        if layout is None:
            return
        found = layout.match(line)
        assert found is not None
        for known in (layout.days, layout.hours):
            if len(known) >= _MOST_KNOWN:
                known.clear()
        layout.days[found[1]], layout.hours[found[2]] = header[1], header[2]
        if not self._layouts or layout is not self._layouts[0]:
            self._layouts.insert(0, layout)
            del self._layouts[_MOST_LAYOUTS:]


_OPENINGS = frozenset(MARKS + "[")
"""What a header begins with, if not with a figure."""
_NUMBER = re.compile(r"\d+")
_BLANK = re.compile(f"[ \u00a0\u202f\u2009{MARKS}]")
_MOST_LAYOUTS = 4
"""AM and PM, and for each of them hours with one figure and with two where there is something in front of them."""
_MOST_KNOWN = 20_000
"""Days: more than fifty years."""
_MINUTES = {
    chr(ord(zero) + number // 10) + chr(ord(zero) + number % 10): number for zero in "0\u0660\u06f0" for number in range(60)
}
"""In our figures, in Arabic ones and in Persian ones; those of other scripts are read without a layout."""


def _layout(line: str, match: re.Match[str], dialect: Dialect) -> _Layout | None:
    """The layout of a line, or None for a rare one: the time in front, a year of three figures, or more blanks at the end than the pattern
    of all takes."""
    end = match.end()
    if dialect.is_time_first or len(match[2]) == 3 or _BLANK.match(line, end):  # noqa: PLR2004  figures
        return None
    first, middle, last, hour, minute, second = (match.span(number) for number in (2, 4, 6, 10, 12, 13))
    has_seconds = second[0] >= 0

    def number(span: tuple[int, int]) -> str:
        return r"\d{4}" if span[1] - span[0] == 4 else r"\d{1,2}"  # noqa: PLR2004  digits of a year

    def between(left: int, right: int) -> str:
        return re.escape(line[left:right])

    day = rf"{number(first)}{between(first[1], middle[0])}\d{{1,2}}{between(middle[1], last[0])}{number(last)}"
    clock = rf"(\d{{1,2}}){between(hour[1], minute[0])}(\d{{2}})"
    clock += rf"{between(minute[1], second[0])}(\d{{2}})" if has_seconds else r"(\Z)?"
    behind = between(second[1] if has_seconds else minute[1], end)
    pattern = rf"{between(0, first[0])}({day}){between(last[1], hour[0])}{clock}{behind}(?!{_BLANK.pattern})"
    return _Layout(re.compile(pattern).match, dialect, {}, {})


def recognise(line: str) -> Header | None:
    """The header of a line that begins like a message in any dialect; else None."""
    return _read(line)[0]


def _read(line: str) -> tuple[Header | None, re.Match[str] | None]:
    """The header of a line, and what matched it."""
    match = _anything().match(line)
    if match:
        opening, a, s1, b, s2, c, tail, between, before, hour, colon, minute, second, after, end = match.groups()
    else:
        match = _anything_time_first().match(line)
        if match is None:
            return None, None
        opening, hour, colon, minute, second, after, between, a, s1, b, s2, c, tail, end = match.groups()
        before = None
    half = before or after
    place = "before" if before else "after" if half else ""
    widths = (len(a) == 4, len(c) == 4)  # noqa: PLR2004  digits of a year
    dialect = _dialect(
        opening, end, (s1, s2, tail or ""), widths, between, (second is not None, match.re is not _anything()), colon + place
    )
    if dialect is None:
        return None, None
    hours, minutes, seconds = int(hour), int(minute), int(second) if second else 0
    if half:
        hours = _hour(hours, _half(half))
    if hours > 23 or minutes > 59 or seconds > 59:  # noqa: PLR2004  a day
        return None, None
    return (dialect, (int(a), int(b), int(c)), hours, minutes, seconds, match.end()), match


@lru_cache(maxsize=1024)
def _dialect(  # the arguments are what the cache knows it by
    opening: str,
    end: str,
    separators: tuple[str, str, str],
    widths: tuple[bool, bool],
    between: str,
    has: tuple[bool, bool],
    clock: str,
) -> Dialect | None:
    ending = end.translate(_FLAT).strip()
    if bool(opening) != (ending == "]"):
        return None
    one, two, three = (each.translate(_FLAT) for each in separators)
    return Dialect(
        is_bracketed=bool(opening),
        end="-" if ending == "\u2013" else ending,  # some phones write the longer one
        separators=(one, two, three.strip()),
        widths=widths,
        between=" ".join(between.translate(_FLAT).split()),
        has_seconds=has[0],
        is_time_first=has[1],
        time_separator=clock[0],
        half=clock[1:],
    )


@lru_cache(maxsize=256)
def _half(text: str) -> str:
    return meridiems().get(meridiem_key(text), "")


def _hour(hour: int, half: str) -> int:
    """0 to 23; 12 in the morning is midnight, and some phones write 0 for 12 in the afternoon."""
    noon = 12
    if hour > noon or not half:
        return hour
    if half == "noon":
        return hour if hour >= noon - 2 else hour + noon
    return hour % noon + (noon if half == "pm" else 0)
