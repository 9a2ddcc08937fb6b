"""What did the gateway and the commands write down? The newest lines of their log, older files included, and what comes from now on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.cli.output import Screen, emit_event, flush
from secondme.core.clock import SystemClock
from secondme.core.log_reader import Following, moment_of, newest_lines, parse

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from secondme.core.config.loader import Setup

NAME = "secondme.jsonl"
LEVELS = ("debug", "info", "warning", "error")
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
        return not self.is_before(line)

    def is_before(self, line: dict[str, Any]) -> bool:
        """True for a line that is older than the wanted ones."""
        at = moment_of(line)
        return self.since is not None and at is not None and at < self.since


async def show_log(setup: Setup, lines: int, wanted: Wanted, *, follow: bool, as_json: bool) -> None:
    """The newest `lines` that are wanted were printed, the last one at the end; with `follow`, and those that come, until cancelled."""
    path, screen = setup.places.logs / NAME, Screen()
    with contextlib.closing(Following(path)) as following:  # before the old ones are read: none falls between
        for line in reversed(newest(path, following.start, lines, wanted)):
            _print(screen, line, as_json=as_json)
        if follow:
            async for raw in following.lines(SystemClock()):
                line = parse(raw)
                if line is not None and wanted.takes(line):
                    _print(screen, line, as_json=as_json)


def since(back: timedelta | None) -> datetime | None:
    """The moment `back` before now."""
    return None if back is None else SystemClock().now() - back


def newest(path: Path, end: int, count: int, wanted: Wanted) -> list[dict[str, Any]]:
    """The newest `count` wanted lines, the newest first, of the first `end` bytes of the file and of the older files. What cannot be read
    is passed over; nothing is read beyond what is needed."""
    found: list[dict[str, Any]] = []
    for line in filter(None, map(parse, newest_lines(path, end))):
        if wanted.is_before(line):
            break
        if wanted.takes(line):
            found.append(line)
            if len(found) == count:
                break
    return found


def _print(screen: Screen, line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_event(line)
        return
    at, level = moment_of(line), str(line.get("level", ""))
    facts = " ".join(f"{key}={_plain(value)}" for key, value in line.items() if key not in _SHOWN_BY_ITSELF and value is not None)
    clock = f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at is not None else "?"
    text = f"{clock}  {level:<7} {line['event'].replace('_', ' ')}  {facts}".rstrip()
    screen.line(" ".join(text.split("\n")), _STYLES.get(level, ""))
    flush(screen.stream)


def _plain(value: object) -> str:
    return " ".join((value if isinstance(value, str) else json.dumps(value)).split())
