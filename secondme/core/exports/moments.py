"""When was a local time? An export says what the clock on the wall showed, not where, nor on which side of a change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

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
        self._hour = -1
        self._offset: timedelta | None = None
        """Of the whole hour; None when the clocks change in it."""

    def moment(self, local: datetime) -> datetime:
        """`local` (naive) as aware UTC."""
        hour = local.toordinal() * 24 + local.hour
        if hour != self._hour:
            self._hour, self._offset = hour, self._offset_of_hour(local.replace(minute=0, second=0))
        moment = self._near_a_change(local) if self._offset is None else local.replace(tzinfo=UTC) - self._offset
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
