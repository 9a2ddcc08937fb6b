"""Numbers as a person reads them: counts with their noun, sizes, spans of time, and moments on this machine's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

_KILO = 1000
"""Units of size are decimal (SI, IEC 80000-13), as disks and networks are sold: a kB is 1,000 bytes."""
_PRECISE = 9.95
"""Below ten of a unit the first decimal is said too."""


def counted(count: int, one: str, more: str = "") -> str:
    """`1 message`, `2 messages`; `more` is a plural that does not end in `s`."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def size(count: int) -> str:
    """A number of bytes in the largest unit that fits: `512 B`, `2.0 kB`, `120 kB`, `3.5 MB`."""
    if count < _KILO:
        return f"{count} B"
    value, units = count / _KILO, ["TB", "GB", "MB", "kB"]
    while value >= _KILO - 0.5 and len(units) > 1:  # it would be rounded to a whole one of the next
        value /= _KILO
        units.pop()
    unit = units[-1]
    return f"{value:.1f} {unit}" if value < _PRECISE else f"{value:.0f} {unit}"


def span(duration: timedelta) -> str:
    """A duration in the largest unit that fits: `40 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(0, int(duration.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, as `span`."""
    return span(now - moment)


def local_time(moment: str | None, now: datetime) -> str:
    """An RFC 3339 moment as a clock on this machine shows it: `14:03`, with the day when that is another one; `never` for None."""
    if moment is None:
        return "never"
    here, today = datetime.fromisoformat(moment).astimezone(), now.astimezone()
    if here.date() == today.date():
        return f"{here:%H:%M}"
    return f"{here:%a} {here.day} {here:%b} {here:%H:%M}" if here.year == today.year else f"{here:%Y-%m-%d %H:%M}"
