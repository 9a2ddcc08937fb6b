"""Pacing: when a person would answer. Pure: the same inputs and the same seed give the same schedule.

Formula and defaults are the predecessor's "HTS delay": think, type at 240 ms a character (longer texts a little faster), jitter,
bounds, and a cognitive pause when the last reply has only just left. Sleep hours are wall-clock times in an IANA zone; waking is
computed on the local calendar, so it is right across a change of the clocks.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from secondme.core.clock import from_ms, to_ms
from secondme.core.messages import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.config.models import PacingSettings, SleepSettings
    from secondme.core.ports import Random

_FREE_CHARACTERS = 100
_FAR_AHEAD = timedelta(minutes=1)
_LONGEST_VIGIL = timedelta(hours=12)
"""So long before `sleep.awake_until` it counts: a night, and not the nights before it."""
_SPEED_UP = 0.1
"""Per further 100 characters, at most half."""


def plan_paces(texts: list[str], *, since_last_reply_s: float | None, settings: PacingSettings, rng: Random) -> list[Pace]:
    """When each text is typed and sent, in order, none before the one in front of it has left."""
    if not settings.enabled:
        return [Pace(0.0, 0.0) for _ in texts]
    paces: list[Pace] = []
    start = 0.0
    for index, text in enumerate(texts):
        think = rng.uniform(settings.think_min_s, settings.think_max_s) if index == 0 else 0.0
        total = (think + _typing_s(len(text), settings)) * (1 + rng.uniform(-settings.jitter, settings.jitter))
        total = min(max(total, settings.min_s), settings.max_s)
        if index == 0 and since_last_reply_s is not None and since_last_reply_s <= settings.pause_within_s:
            total += max(0.0, rng.uniform(settings.pause_min_s, settings.pause_max_s) - since_last_reply_s)
        typing = max(total - think, min(settings.min_s, total))
        due = start + total * settings.scale
        paces.append(Pace(due - typing * settings.scale, due))
        start = due
    return paces


def gathering_s(written: Sequence[datetime], now: datetime, settings: PacingSettings) -> float:
    """Seconds until an answer may be thought of: `gather_s` after the newest of a burst, `gather_max_s` after its first at the latest.

    `written` are the moments by the senders' clocks, oldest first; one that is ahead of ours delays no longer than a fresh message, and one
    that is far ahead not at all: our clock was put back since it came.
    """
    if not settings.enabled or written[-1] - now > _FAR_AHEAD:
        return 0.0
    quiet = max(0.0, (now - written[-1]).total_seconds())
    waited = max(0.0, (now - written[0]).total_seconds())
    wait_s = min(settings.gather_s * settings.scale - quiet, settings.gather_max_s * settings.scale - waited)
    return max(0.0, wait_s)


def _typing_s(characters: int, settings: PacingSettings) -> float:
    typing = characters * settings.typing_s_per_character
    if characters > _FREE_CHARACTERS:
        typing *= 1 - min(0.5, (characters - _FREE_CHARACTERS) / 100 * _SPEED_UP)
    return typing


UNIVERSAL = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Etc/Universal", "Universal", "Zulu", "Etc/Zulu", "Etc/GMT", "GMT"})
"""Zones of machines, and of hardly anybody who sleeps."""


class SleepSchedule:
    """When the owner sleeps."""

    def __init__(self, settings: SleepSettings) -> None:
        self._settings = settings
        self._zone: tzinfo = ZoneInfo(settings.timezone) if settings.timezone else machine_zone()
        until = settings.awake_until
        self._vigil = [(until - _LONGEST_VIGIL, until)] if until is not None else []

    def is_asleep(self, now: datetime) -> bool:
        """True at local times from `start` (included) to `end` (excluded), also across midnight."""
        start, end = self._settings.start, self._settings.end
        if not self._settings.enabled or start == end or any(since <= now < until for since, until in self._vigil):
            return False
        local = now.astimezone(self._zone).time()
        return start <= local < end if start < end else local >= start or local < end

    def wakes_at(self, now: datetime) -> datetime:
        """The first moment (aware UTC) after `now`, at which they sleep, when they are awake, whatever the clocks do that night."""
        return self._turns(self._settings.end, now, asleep=False)

    def put_off_s(self, now: datetime, rng: Random) -> float:
        """Seconds until an answer may be thought of: 0 when awake, else waking and a share of the spread, so not all come at once.

        A day that is shorter than the spread has them all: nobody is answered in the next sleep.
        """
        if not self.is_asleep(now):
            return 0.0
        wakes = self.wakes_at(now)
        spread_s = self._settings.spread_minutes * 60
        awake_s = (self._falls_asleep_at(wakes) - wakes).total_seconds()
        return (wakes - now).total_seconds() + rng.uniform(0.0, 1.0) * max(0.0, min(spread_s, awake_s - 1))

    def awake_for(self, since: datetime, now: datetime) -> timedelta:
        """How much of the time from `since` to `now` the owner was awake; at most the last 14 days are looked at."""
        since = max(since, now - timedelta(days=14))
        awake = timedelta(0)
        moment = since
        while moment < now:
            asleep = self.is_asleep(moment)
            step = min(self.wakes_at(moment) if asleep else self._falls_asleep_at(moment), now)
            if not asleep:
                awake += step - moment
            moment = step
        return awake

    def _falls_asleep_at(self, now: datetime) -> datetime:
        start, end = self._settings.start, self._settings.end
        if not self._settings.enabled or start == end:
            return datetime.max.replace(tzinfo=UTC)
        return self._turns(start, now, asleep=True)

    def _turns(self, edge: time, now: datetime, *, asleep: bool) -> datetime:
        """The first moment after `now` at which `is_asleep` is `asleep` and was not: when the clock shows `edge`, or is put to the other
        side of it, or when staying awake begins or ends."""
        moment = now
        while True:
            following = self._next(edge, moment)
            change = self._change(moment, following)
            vigil = [each for pair in self._vigil for each in pair if moment < each < following]
            for each in sorted([*([] if change is None else [change]), *vigil, following]):
                if self.is_asleep(each) is asleep:
                    return each
            moment = following

    def _next(self, wanted: time, now: datetime) -> datetime:
        """The next moment at which the clock shows `wanted`. One that is skipped is as far behind the change as it would have been."""
        day = now.astimezone(self._zone).date()
        while True:
            for fold in (0, 1):  # when the clocks go back, the same local time comes twice
                moment = datetime.combine(day, wanted.replace(fold=fold), self._zone).astimezone(UTC)
                if moment > now and (fold == 0 or moment.astimezone(self._zone).time() == wanted):
                    return moment
            day += timedelta(days=1)

    def _change(self, since: datetime, until: datetime) -> datetime | None:
        """The first second in which the clocks are another time from UTC than at `since`; None when at `until` they are not. They change
        at most once between two nights."""
        before = since.astimezone(self._zone).utcoffset()
        if until.astimezone(self._zone).utcoffset() == before:
            return None
        same, changed = to_ms(since) // 1000, -(-to_ms(until) // 1000)
        while changed - same > 1:
            middle = (same + changed) // 2
            if from_ms(middle * 1000).astimezone(self._zone).utcoffset() == before:
                same = middle
            else:
                changed = middle
        return from_ms(changed * 1000)


def machine_zone() -> tzinfo:
    """The IANA zone that TZ names, as in a container; else this machine's, by the link that /etc/localtime is; UTC when it is not one."""
    with contextlib.suppress(KeyError, ValueError, OSError):
        return ZoneInfo(os.environ.get("TZ", "").removeprefix(":"))
    try:
        _, found, name = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")
        return ZoneInfo(name) if found else UTC
    except (KeyError, ValueError, OSError):
        return UTC
