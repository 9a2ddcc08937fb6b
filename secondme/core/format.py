"""Numbers as a person reads them: counts with their noun, sizes, sums of money, spans of time, and moments on this machine's clock."""

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


_MICROS = 1_000_000
_CENT = 10_000


def money(micros: int) -> str:
    """Millionths of a dollar as dollars: `$1.84`, `$1,204.00`; what is less than a cent with two more decimals, `$0.0042`, and never as nothing."""
    if 0 < micros < _CENT:
        return f"${max(micros, 100) / _MICROS:.4f}"
    return f"${micros / _MICROS:,.2f}"


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


_RECENT = timedelta(hours=1)
_WEEK = timedelta(days=6)


def lately(moment: datetime, now: datetime) -> str:
    """When something was, as one line of a list says it, on this machine's clock: `4 min`, `3 h`, `yesterday`, `Fri`, `12 Nov`, `2025-11-12`."""
    here, today = moment.astimezone(), now.astimezone()
    if now - moment < _RECENT or here.date() == today.date():
        return span(now - moment)
    days = (today.date() - here.date()).days
    if days == 1:
        return "yesterday"
    if 0 < days <= _WEEK.days:
        return f"{here:%a}"
    return f"{here.day} {here:%b}" if here.year == today.year else f"{here:%Y-%m-%d}"


def coming(moment: datetime, now: datetime) -> str:
    """When something will be, as one line of a list says it: `today 18:00`, `tomorrow 07:30`, `Wed 2 Dec 09:00`, `2027-01-04 09:00`. Both
    moments are read on the clock of the zone that `moment` is in."""
    today = now.astimezone(moment.tzinfo)
    days = (moment.date() - today.date()).days
    day = {0: "today", 1: "tomorrow"}.get(days)
    if day is None:
        day = f"{moment:%a} {moment.day} {moment:%b}" if moment.year == today.year else f"{moment:%Y-%m-%d}"
    return f"{day} {moment:%H:%M}"
