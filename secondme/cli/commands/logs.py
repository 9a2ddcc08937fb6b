"""`secondme logs`: what the gateway and the commands wrote down; the newest lines, older files included, and what comes from now on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, Json, command, duration
from secondme.cli.output import CommandResult, Screen, emit_event, flush, for_people
from secondme.core.clock import SystemClock
from secondme.core.log_reader import Following, moment_of, newest_lines, parse

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from secondme.core.config.loader import Setup

NAME = "secondme.jsonl"
_STYLES = {"debug": "dim", "warning": "warn", "error": "bad"}
_SHOWN_BY_ITSELF = frozenset({"timestamp", "level", "logger", "event"})


class LogLevel(StrEnum):
    """How much a line matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_LEVELS = tuple(LogLevel)


@command("secondme.logs/1", has_json=False)
async def logs(
    invocation: Invocation,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they come, until interrupted.")] = False,
    level: Annotated[LogLevel, typer.Option(help="Only lines that matter at least this much.")] = LogLevel.DEBUG,
    since: Annotated[str, typer.Option(metavar="DURATION", help="Only lines that are not older: 90s, 60m, 2h or 7d.")] = "",
    event: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this event; can be given again.")] = None,
    as_json: Json = False,
) -> CommandResult:
    """Show what the gateway and the commands wrote down, the newest at the end. With --json: one JSON object a line."""
    first = SystemClock().now() - duration(since) if since else None
    wanted = LogFilter(level, frozenset(name.strip().replace(" ", "_") for name in event or ()), first)
    await _show(invocation.setup(), lines, wanted, follow=follow, as_json=as_json)
    return CommandResult({}, lambda _: None)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted."""

    level: str = "debug"
    events: frozenset[str] = frozenset()
    since: datetime | None = None

    def takes(self, line: dict[str, Any]) -> bool:
        """True for a line that is."""
        level = str(line.get("level"))
        if level in _LEVELS and _LEVELS.index(level) < _LEVELS.index(self.level):
            return False
        if self.events and line.get("event") not in self.events:
            return False
        return not self.is_before(line)

    def is_before(self, line: dict[str, Any]) -> bool:
        """True for a line that is older than the wanted ones."""
        at = moment_of(line)
        return self.since is not None and at is not None and at < self.since


async def _show(setup: Setup, lines: int, wanted: LogFilter, *, follow: bool, as_json: bool) -> None:
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


def newest(path: Path, end: int, count: int, wanted: LogFilter) -> list[dict[str, Any]]:
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
    facts = " ".join(
        f"{key}={for_people(_plain(value))}" for key, value in line.items() if key not in _SHOWN_BY_ITSELF and value is not None
    )
    clock = f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at is not None else "?"
    text = f"{clock}  {level:<7} {line['event'].replace('_', ' ')}  {facts}".rstrip()
    screen.line(" ".join(text.split("\n")), _STYLES.get(level, ""))
    flush(screen.stream)


def _plain(value: object) -> str:
    return " ".join((value if isinstance(value, str) else json.dumps(value)).split())
