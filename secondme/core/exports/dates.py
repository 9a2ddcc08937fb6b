"""Which of the three numbers of a date is the day? The whole file decides: one line cannot.

Evidence, in this order: a year of four digits; days that exist (and are not in the future); a chat runs forward, so the order with fewer
steps back; what the dialect's region writes. Where that is all there is, it is a guess, and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.exports.headers import Dialect

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
