"""Where does a message begin, and when was it sent? The grammar of the first characters of a line.

An export has one dialect from end to end, so a line of another dialect is somebody quoting one. Every pattern is bounded, with no
repetition inside a repetition: a hostile line costs what an honest one costs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from secondme.core.exports.phrases import MARKS, table

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
    clock = table("clock")
    return {meridiem_key(word): half for half in ("am", "pm", "noon") for word in clock[half]}


def _spelled(word: str) -> str:
    """`pm` as p.m., p. m. and the like."""
    if word.isascii() and " " in word:
        return re.escape(word)
    return "[ \u00a0\u202f.\u05f3\u05f4'\"]{0,2}".join(re.escape(letter) for letter in word if letter not in " \u05f3") + "\\.?"


@cache
def _halves() -> str:
    clock = table("clock")
    words = sorted({word for half in ("am", "pm", "noon") for word in clock[half]}, key=len, reverse=True)
    return f"(?i:{'|'.join(_spelled(word) for word in words)})"


def _words(name: str) -> str:
    return "|".join(re.escape(word) for word in sorted(table("clock")[name], key=len, reverse=True))


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


Header = tuple[Dialect, int, int, int, int, int, int, int]
"""The beginning of a message: dialect, the three numbers of its date in the order of the line, hour, minute, second, and where the rest of
the line begins. A plain tuple: there is one for each of a million lines.
"""


def recognise(line: str) -> Header | None:
    """The header of a line that begins like a message in any dialect; else None."""
    match = _anything().match(line)
    if match:
        opening, a, s1, b, s2, c, tail, between, before, hour, colon, minute, second, after, end = match.groups()
    else:
        match = _anything_time_first().match(line)
        if match is None:
            return None
        opening, hour, colon, minute, second, after, between, a, s1, b, s2, c, tail, end = match.groups()
        before = None
    half = before or after
    place = "before" if before else "after" if half else ""
    widths = (len(a) == 4, len(c) == 4)  # noqa: PLR2004  digits of a year
    dialect = _dialect(
        opening, end, (s1, s2, tail or ""), widths, between, (second is not None, match.re is not _anything()), colon + place
    )
    if dialect is None:
        return None
    hours, minutes, seconds = int(hour), int(minute), int(second) if second else 0
    if half:
        hours = _hour(hours, _half(half))
    if hours > 23 or minutes > 59 or seconds > 59:  # noqa: PLR2004  a day
        return None
    return dialect, int(a), int(b), int(c), hours, minutes, seconds, match.end()


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
