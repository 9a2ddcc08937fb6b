"""What did the gateway and the commands write down? The newest lines of their log, older files included, and what comes from now on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from secondme.cli.output import Screen, emit_event, flush
from secondme.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from secondme.core.config.loader import Setup

NAME = "secondme.jsonl"
LEVELS = ("debug", "info", "warning", "error")
_BLOCK = 64 * 1024
_LONGEST = 256 * 1024
"""Bytes of a line; what is longer is none of ours, and is not kept in memory."""
_LOOK_S = 0.2
_STYLES = {"debug": "dim", "warning": "warn", "error": "bad"}
_SHOWN_BY_ITSELF = frozenset({"timestamp", "level", "logger", "event"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted."""

    level: str = "debug"
    events: frozenset[str] = frozenset()
    since: datetime | None = None

    def takes(self, line: dict[str, Any]) -> bool:
        """True for a line that is."""
        level = str(line.get("level"))
        if level in LEVELS and LEVELS.index(level) < LEVELS.index(self.level):
            return False
        if self.events and line.get("event") not in self.events:
            return False
        return self.since is None or not _is_before(line, self.since)


async def show_log(setup: Setup, lines: int, wanted: Wanted, *, follow: bool, as_json: bool) -> None:
    """The newest `lines` that are wanted were printed, the last one at the end; with `follow`, and those that come, until cancelled."""
    path, screen = setup.places.logs / NAME, Screen()
    with contextlib.closing(Following(path)) as following:  # before the old ones are read: none falls between
        for line in reversed(newest(path, following.start, lines, wanted)):
            _print(screen, line, as_json=as_json)
        while follow:
            for raw in following.more():
                found = parsed(raw)
                if found is not None and wanted.takes(found):
                    _print(screen, found, as_json=as_json)
            await asyncio.sleep(_LOOK_S)  # noqa: TID251  a person's command, not the message path


def since(back: timedelta | None) -> datetime | None:
    """The moment `back` before now."""
    return None if back is None else SystemClock().now() - back


def newest(path: Path, end: int, count: int, wanted: Wanted) -> list[dict[str, Any]]:
    """The newest `count` wanted lines, the newest first, of the first `end` bytes of the file and of the older files. What cannot be read
    is passed over; nothing is read beyond what is needed."""
    found: list[dict[str, Any]] = []
    for number, file in enumerate(_files(path)):
        with contextlib.suppress(FileNotFoundError), file.open("rb") as opened:
            size = end if number == 0 else opened.seek(0, os.SEEK_END)
            for raw in _backwards(opened, size):
                line = parsed(raw)
                if line is None:
                    continue
                if wanted.since is not None and _is_before(line, wanted.since):
                    return found
                if wanted.takes(line):
                    found.append(line)
                    if len(found) == count:
                        return found
    return found


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


def parsed(raw: bytes) -> dict[str, Any] | None:
    """A line of the log as JSON values; None for what is none."""
    if len(raw) > _LONGEST:
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("event"), str) else None


def _files(path: Path) -> Sequence[Path]:
    """The log, newest file first. `.full` is there for the moment of a rotation only."""
    numbered = [(int(each.name.rpartition(".")[2]), each) for each in path.parent.glob(f"{path.name}.*") if each.name[-1].isdigit()]
    return [path, path.with_name(f"{path.name}.full"), *(each for _, each in sorted(numbered))]


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


def _is_before(line: dict[str, Any], moment: datetime) -> bool:
    at = _moment(line)
    return at is not None and at < moment


def _moment(line: dict[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(line.get("timestamp")))
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _print(screen: Screen, line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_event(line)
        return
    at, level = _moment(line), str(line.get("level", ""))
    facts = " ".join(f"{key}={_plain(value)}" for key, value in line.items() if key not in _SHOWN_BY_ITSELF and value is not None)
    clock = f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at is not None else "?"
    text = f"{clock}  {level:<7} {line['event'].replace('_', ' ')}  {facts}".rstrip()
    screen.line(" ".join(text.split("\n")), _STYLES.get(level, ""))
    flush(screen.stream)


def _plain(value: object) -> str:
    return " ".join((value if isinstance(value, str) else json.dumps(value)).split())
