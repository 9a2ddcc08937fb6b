"""What is written down about what happened? Constant event names and plain facts, one JSON object a line.

Never message text, names, codes or keys: callers pass ids masked by `ids.mask_contact_id`. The file is 0600 and rotates at
10 MB, 5 files kept.
"""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from secondme.core.text import safe_text

_ROTATE_BYTES = 10 * 1024 * 1024
_KEEP_FILES = 5
_FACTS = "secondme_facts"

Fact = str | int | float | bool | None


class Logger:
    """Writes events of one module. `error` means that somebody should look; an expected refusal is `info`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **facts: Fact) -> None:
        """Write an event that only helps while developing."""
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Fact) -> None:
        """Write an event of ordinary work."""
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Fact) -> None:
        """Write an event that the owner may want to know."""
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, error: BaseException | None = None, **facts: Fact) -> None:
        """Write an event that somebody should look at. Of `error`, only its type and where it was raised: its text may quote a person."""
        if error is not None:
            facts["error"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            facts["at"] = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
        self._write(logging.ERROR, event, facts)

    def _write(self, level: int, event: str, facts: dict[str, Fact]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={_FACTS: facts})


def get_logger(name: str) -> Logger:
    """The logger of a module; call it with `__name__`."""
    return Logger(name)


class JsonLines(logging.Formatter):
    """One JSON object a line; whatever is in it, it stays one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON with `timestamp` (RFC 3339 UTC), `level`, `logger`, `event` and its facts."""
        facts: dict[str, Fact] = getattr(record, _FACTS, {})
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": safe_text(record.getMessage()),
            **facts,
        }
        return json.dumps(line, ensure_ascii=True)


class Plain(logging.Formatter):
    """A short line for a person who watches."""

    def format(self, record: logging.LogRecord) -> str:
        """Local time, event, facts."""
        facts: dict[str, Fact] = getattr(record, _FACTS, {})
        shown = " ".join(f"{key}={' '.join(safe_text(str(value)).split())}" for key, value in facts.items())
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{clock}  {mark}{safe_text(record.getMessage()).replace('_', ' ')}  {shown}".rstrip()


class PrivateFile(RotatingFileHandler):
    """A rotating file that is 0600 from its first moment, and so is each that follows it."""

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename,
            "a",
            encoding=self.encoding,
            errors=self.errors,
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )


def set_up(level: str, directory: Path | None, *, console: bool) -> None:
    """Events go to `directory`/secondme.jsonl and, with `console`, to stderr: warnings in plain words on a terminal, JSON elsewhere. Repeatable.

    `directory` must exist. Libraries' own loggers stay silent below warning: they may quote a request.
    """
    handlers: list[logging.Handler] = []
    if directory is not None:
        file = PrivateFile(directory / "secondme.jsonl", maxBytes=_ROTATE_BYTES, backupCount=_KEEP_FILES, encoding="utf-8")
        file.setFormatter(JsonLines())
        handlers.append(file)
    if console:
        stream = logging.StreamHandler(sys.stderr)
        if sys.stderr.isatty():
            stream.setFormatter(Plain())
            stream.setLevel(logging.WARNING)  # a person's terminal stays calm; the file has everything
        else:
            stream.setFormatter(JsonLines())
        handlers.append(stream)
    ours = logging.getLogger("secondme")
    for old in list(ours.handlers):
        ours.removeHandler(old)
        old.close()
    ours.setLevel(level.upper())
    ours.propagate = False
    for handler in handlers or [logging.NullHandler()]:
        ours.addHandler(handler)
    logging.raiseExceptions = False  # a full disk must not stop a reply; the store says it loudly enough
