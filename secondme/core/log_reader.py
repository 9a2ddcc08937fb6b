"""A log read again: its lines from the newest back over the older files, and those that are appended from now on, over rotations."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from secondme.core.clock import SystemClock as Clock

_BLOCK = 64 * 1024
_LONGEST = 256 * 1024
"""Bytes of a line; what is longer is none of ours, and is not kept in memory."""
_LOOK_AGAIN_S = 0.2


def parse(raw: bytes) -> dict[str, Any] | None:
    """A line of the log as JSON values; None for what is none."""
    if len(raw) > _LONGEST:
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("event"), str) else None


def moment_of(line: dict[str, Any]) -> datetime | None:
    """When the line was written, aware UTC; None for what is no moment, or has no equivalent in other time zones."""
    try:
        at = datetime.fromisoformat(str(line.get("timestamp")))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None and MINYEAR < at.year < MAXYEAR else None


def files_of(path: Path) -> Sequence[Path]:
    """The log at `path`, newest file first. `.full` is there for the moment of a rotation only."""
    numbered = [(int(each.name.rpartition(".")[2]), each) for each in path.parent.glob(f"{path.name}.*") if each.name[-1].isdigit()]
    return [path, path.with_name(f"{path.name}.full"), *(each for _, each in sorted(numbered))]


def newest_lines(path: Path, end: int | None = None) -> Iterator[bytes]:
    """The lines of the log, the last one first, in the newest file only those of the first `end` bytes. Reads no more than is taken."""
    for number, file in enumerate(files_of(path)):
        with contextlib.suppress(FileNotFoundError), file.open("rb") as opened:
            yield from _backwards(opened, end if end is not None and number == 0 else opened.seek(0, os.SEEK_END))


def _backwards(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The lines of the first `end` bytes, the last one first, read in blocks from the end."""
    rest = b""
    while end > 0:
        size = min(_BLOCK, end)
        end -= size
        file.seek(end)
        first, *whole = (file.read(size) + rest).split(b"\n")
        yield from reversed(whole)
        rest = first if len(first) <= _LONGEST else b""
    yield rest


class Following:
    """Lines as they are appended, over rotations: a file that loses its name is read to its end, which may still come for a moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now = Tail.of(path)
        self._last: Tail | None = None
        """The one before, into which a process that has not noticed yet may still write."""
        self.start = self._now.to_end() if self._now is not None else 0

    def close(self) -> None:
        """No file is open."""
        for tail in (self._now, self._last):
            if tail is not None:
                tail.close()

    def more(self) -> Iterator[bytes]:
        """The whole lines that came since the last look."""
        if self._last is not None:
            yield from self._last.lines()
            self._last.close()
            self._last = None
        if self._now is not None:
            yield from self._now.lines()
        if self._now is None or not self._now.has_name(self._path):
            fresh = Tail.of(self._path)
            if fresh is not None:
                self._last, self._now = self._now, fresh
                yield from fresh.lines()

    async def lines(self, clock: Clock) -> AsyncIterator[bytes]:
        """Each line that comes, until cancelled."""
        while True:
            for line in self.more():
                yield line
            await clock.sleep(_LOOK_AGAIN_S)


class Tail:
    """One open file, and where we are in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""

    @classmethod
    def of(cls, path: Path) -> Tail | None:
        """The file that has the name now; None when there is none."""
        try:
            return cls(path.open("rb"))
        except FileNotFoundError:
            return None

    def to_end(self) -> int:
        """We are at its end; returns its size."""
        return self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """It is closed."""
        self._file.close()

    def has_name(self, path: Path) -> bool:
        """False when `path` is another file by now. One that somebody emptied is read from its beginning."""
        try:
            there, ours = path.stat(), os.fstat(self._file.fileno())
        except FileNotFoundError:
            return True  # between two renames
        if ours.st_size < self._file.tell():
            self._file.seek(0)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def lines(self) -> Iterator[bytes]:
        """The whole lines that came."""
        while chunk := self._file.read(_BLOCK):
            *whole, rest = (self._rest + chunk).split(b"\n")
            self._rest = rest if len(rest) <= _LONGEST else b""
            yield from whole
