"""When a job is due: at a time, in steps, by a cron line in a zone, or when something happens. Pure: the time is handed in.

Cron lines go through cronsim, forwards only: of the libraries that were measured over 1,105 cases around changes of the clocks it agrees with Debian's
cron in 1,097. A time that a change skips runs right after it; one that comes twice runs once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator  # noqa: TC003
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from secondme.core.clock import EPOCH, from_ms, to_ms
from secondme.core.errors import DataError
from secondme.core.format import span
from secondme.core.records import CamelModel

_LONGEST = 200
_FIELDS = 5
_LOOKED_AT = 60
LEAST_GAP_S = 900
"""Between two occurrences: fifteen minutes."""
_MOST_STEPS = 5_000
_FAR = timedelta(days=35)
_YEARS = timedelta(days=5 * 366)


TriggerName = Literal["unanswered", "owed", "draft_waiting", "channel_deaf", "budget", "pairing_waiting"]
LOOK_S = 300
"""How often a trigger is looked at."""


class CronSchedule(CamelModel):
    """By a cron line of five fields, on the wall clock of `zone`."""

    kind: Literal["cron"] = "cron"
    expr: str
    zone: str


class EverySchedule(CamelModel):
    """Every `every_s` seconds from `anchor_ms` (Unix ms) on: it does not drift."""

    kind: Literal["every"] = "every"
    every_s: int
    anchor_ms: int
    zone: str
    """For showing it."""


class AtSchedule(CamelModel):
    """Once, at `at_ms` (Unix ms)."""

    kind: Literal["at"] = "at"
    at_ms: int
    zone: str
    said: str = ""
    """As the owner typed it."""


class TriggerSchedule(CamelModel):
    """When something happens: looked at every few minutes, and true once in a week for each cause."""

    kind: Literal["trigger"] = "trigger"
    name: TriggerName
    contact: str = ""
    """Of whom; empty: of anybody."""
    amount: float = 0
    """Hours, or per cent of the budget."""
    zone: str


class CallSchedule(CamelModel):
    """Only when somebody runs it: the owner, or its hook."""

    kind: Literal["call"] = "call"
    zone: str


AnySchedule = CronSchedule | EverySchedule | AtSchedule | TriggerSchedule | CallSchedule
Schedule = Annotated[AnySchedule, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class PassedOccurrences:
    """What was due in a span of time. Unix ms."""

    newest_ms: int
    skipped: int
    """How many came before it in the same span: they are not made up for."""


def zone_of(name: str) -> ZoneInfo:
    """The zone. Raises DataError for one that there is not, with the nearest."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DataError("unknown_zone", f"There is no time zone {name[:64]!r}.", _nearest(name)) from None


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake
    from zoneinfo import available_timezones  # noqa: PLC0415

    near = get_close_matches(name[:64], sorted(available_timezones()), n=1)
    return f"Did you mean {near[0]}?" if near else "Name one like Europe/Berlin."


def cron(expr: str, zone: str, now: datetime) -> CronSchedule:
    """The schedule of a cron line. Raises DataError for one that cannot be read, never comes, or comes more often than every fifteen minutes."""
    found = CronSchedule(expr=" ".join(expr.split()), zone=zone)
    zone_of(zone)
    if len(expr) > _LONGEST or not expr.isascii() or len(found.expr.split()) != _FIELDS:
        raise DataError("bad_schedule", "A cron line has five fields: minute, hour, day, month, weekday.", "30 7 * * 1-5")
    at, last = to_ms(now), None
    for _ in range(_LOOKED_AT):
        following = next_after(found, at)
        if following is None:
            break
        if last is not None and following - last < LEAST_GAP_S * 1000:
            raise DataError("too_often", "It would come more often than every fifteen minutes.", "*/15 * * * *")
        at = last = following
    if last is None:
        raise DataError("never", "It would never come.", "Look at its day and month.")
    return found


def every(gap: timedelta, zone: str, now: datetime) -> EverySchedule:
    """The schedule that comes every `gap`, counted from `now`. Raises DataError for less than fifteen minutes."""
    zone_of(zone)
    if gap.total_seconds() < LEAST_GAP_S:
        raise DataError("too_often", "It would come more often than every fifteen minutes.", "Say 15m or more.")
    return EverySchedule(every_s=int(gap.total_seconds()), anchor_ms=to_ms(now), zone=zone)


def next_after(schedule: AnySchedule, after_ms: int) -> int | None:
    """The first occurrence after `after_ms` (Unix ms); None when there is none any more. Raises DataError for a line that cannot be read."""
    match schedule:
        case AtSchedule():
            return schedule.at_ms if schedule.at_ms > after_ms else None
        case EverySchedule():
            step = schedule.every_s * 1000
            return schedule.anchor_ms + max(0, (after_ms - schedule.anchor_ms) // step + 1) * step
        case TriggerSchedule():
            return (after_ms // (LOOK_S * 1000) + 1) * LOOK_S * 1000
        case CallSchedule():
            return None
        case CronSchedule():
            return next(_times(schedule, after_ms), None)


def passed(schedule: AnySchedule, after_ms: int, until_ms: int) -> PassedOccurrences | None:
    """What was due after `after_ms` and up to `until_ms`; None when nothing was."""
    match schedule:
        case AtSchedule():
            return PassedOccurrences(schedule.at_ms, 0) if after_ms < schedule.at_ms <= until_ms else None
        case EverySchedule():
            step = schedule.every_s * 1000
            first = next_after(schedule, after_ms)
            if first is None or first > until_ms:
                return None
            steps = (until_ms - first) // step
            return PassedOccurrences(first + steps * step, steps)
        case TriggerSchedule():
            newest = until_ms // (LOOK_S * 1000) * LOOK_S * 1000
            return PassedOccurrences(newest, 0) if newest > after_ms else None
        case CallSchedule():
            return None
        case CronSchedule():
            return _passed_cron(schedule, after_ms, until_ms)


def _passed_cron(schedule: CronSchedule, after_ms: int, until_ms: int) -> PassedOccurrences | None:
    newest, count = None, 0
    for at in _times(schedule, after_ms):
        if at > until_ms:
            break
        newest, count = at, count + 1
        if count >= _MOST_STEPS:  # away for years: how many they were is no matter any more
            near = _passed_cron(schedule, max(at, until_ms - int(_FAR.total_seconds() * 1000)), until_ms)
            return near and PassedOccurrences(near.newest_ms, count + near.skipped)
    return None if newest is None else PassedOccurrences(newest, count - 1)


def _times(schedule: CronSchedule, after_ms: int) -> Iterator[int]:
    """Its occurrences after `after_ms`, for five years."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  only who has jobs pays for it

    start = from_ms(after_ms).astimezone(zone_of(schedule.zone))
    try:
        for moment in CronSim(schedule.expr, start):
            if moment - start > _YEARS:
                return
            at = to_ms(moment)
            if at > after_ms:
                yield at
    except CronSimError as error:
        said = re.sub(r"[^\x20-\x7e]", "", str(error))[:80]
        raise DataError("bad_schedule", f"The cron line cannot be read: {said}.", "30 7 * * 1-5") from None


_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TRIGGERS_IN_WORDS: dict[str, str] = {
    "unanswered": "when somebody has not answered you for {:g} h",
    "owed": "when somebody waits for you for {:g} h",
    "draft_waiting": "when a draft waits for {:g} h",
    "channel_deaf": "when a channel hears nobody for {:g} h",
    "budget": "when {:g} % of the day's budget is spent",
    "pairing_waiting": "when somebody waits at the door for {:g} h",
}


def in_words(schedule: AnySchedule) -> str:
    """When it comes, as a person says it: `every day 07:30`, `Mon-Fri 08:30`, `every 2 h`, `once`."""
    match schedule:
        case AtSchedule():
            return "once"
        case EverySchedule():
            return f"every {span(timedelta(seconds=schedule.every_s))}"
        case TriggerSchedule():
            return _TRIGGERS_IN_WORDS[schedule.name].format(schedule.amount)
        case CallSchedule():
            return "when it is run"
        case CronSchedule():
            return _cron_in_words(schedule.expr)


def _cron_in_words(expr: str) -> str:
    """What most lines are in few words, and others as the library explains them; a line that cannot be read as it stands."""
    if match := re.fullmatch(r"(\d+) (\d+) \* \* (\*|[0-7](?:[-,][0-7])*)", expr):
        days = match[3]
        named = "every day" if days == "*" else re.sub("[0-7]", lambda day: _DAYS[int(day[0])], days).replace(",", ", ")
        return f"{named} {int(match[2]):02}:{int(match[1]):02}"
    if match := re.fullmatch(r"\*/(\d+) \* \* \* \*", expr):
        return f"every {match[1]} min"
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  as above

    try:
        said: str = CronSim(expr, EPOCH).explain()
    except CronSimError:
        return expr
    return said[:1].lower() + said[1:]
