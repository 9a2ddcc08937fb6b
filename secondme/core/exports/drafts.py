"""Which lines make one message? A line that does not begin one goes on with the message before it; and a line that only looks like a
beginning, inside somebody's list of dates, does so too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LONGEST_TEXT = 65_536
"""WhatsApp's own limit. What is longer is cut; its lines are counted all the same."""
_SLACK = timedelta(days=1)
"""Exports are in the order of arrival, which need not be that of sending."""
_MOST_DOUBTS = 1000


class Draft:
    """A message whose lines are still being read."""

    __slots__ = ("_parts", "_size", "at", "author", "is_marked", "is_sure", "lines", "number", "raw")

    def __init__(
        self, at: datetime, author: str | None, body: str, number: int, raw: str, *, is_marked: bool, is_sure: bool
    ) -> None:
        self.at = at
        self.author = author
        self.number = number
        self.raw = raw
        self.lines = 1
        self.is_marked = is_marked
        self.is_sure = is_sure
        """False for what has no author and is no sentence of WhatsApp's that we know: it may be a line of the message before."""
        self._parts = [body[:LONGEST_TEXT]]
        self._size = len(body)

    def add(self, line: str) -> None:
        """Another line of it."""
        self.lines += 1
        if self._size < LONGEST_TEXT:
            self._parts.append(line[: LONGEST_TEXT - self._size])
            self._size += len(line) + 1

    def absorb(self, other: Draft) -> None:
        """`other` was no message but more of this one."""
        self.add(other.raw)
        for part in other._parts[1:]:
            self.add(part)
        self.lines += other.lines - len(other._parts)

    def text(self) -> str:
        """All of it, without white space at its end."""
        return (self._parts[0] if len(self._parts) == 1 else "\n".join(self._parts)).rstrip()


class Drafts:
    """The message that is being read, and after it what may be messages or more of it."""

    def __init__(self) -> None:
        self._current: Draft | None = None
        self._doubts: list[Draft] = []

    def begin(self, draft: Draft) -> Iterator[Draft]:
        """`draft` begins. Yields what is finished by that."""
        if self._current is None:
            self._current = draft
        elif draft.is_sure or len(self._doubts) >= _MOST_DOUBTS:
            yield from self._resolve(draft.at + _SLACK)
            yield self._current
            self._current = draft
        else:
            self._doubts.append(draft)

    def go_on(self, line: str) -> bool:
        """True when `line` is more of what is being read; False when nothing is."""
        draft = self._doubts[-1] if self._doubts else self._current
        if draft is None:
            return False
        draft.add(line)
        return True

    def end(self) -> Iterator[Draft]:
        """There are no more lines. Yields what is left."""
        if self._current is not None:
            yield from self._resolve(None)
            yield self._current
            self._current = None

    def _resolve(self, latest: datetime | None) -> Iterator[Draft]:
        """What is doubtful becomes a message when its time lies between its neighbours', and else more of the message before."""
        for doubt in self._doubts:
            assert self._current is not None
            if doubt.at >= self._current.at - _SLACK and (latest is None or doubt.at <= latest):
                yield self._current
                self._current = doubt
            else:
                self._current.absorb(doubt)
        self._doubts.clear()
