"""The log: constant event names and plain facts, one JSON object a line.

Never message text, names, codes or keys: callers pass ids masked by `ids.mask_contact_id`. Files are 0600 and rotate at 10 MB;
several processes write them at once: a gateway, its workers, and commands that decide something.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import stat
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
from types import MappingProxyType

from secondme.core.errors import ConfigError
from secondme.core.files import lock_within, open_dir
from secondme.core.text import safe_text

SECURITY = "secondme.security"
SEVERITIES = MappingProxyType({"warning": "warn"})
"""What the security log calls the level that `logging` calls so."""
"""The logger whose events have a file of their own beside the common one."""

_ROTATE_BYTES = 10 * 1024 * 1024
_KEEP_FILES = 6
_KEEP_SECURITY_FILES = 30
"""Files in all, the newest included."""
_LOCK_S, _LOCK_AGAIN_S = 0.02, 0.001
"""How long another process may hold the lock: far longer than a rotation takes."""
_FACTS = "secondme_facts"

Fact = str | int | float | bool | Sequence[Mapping[str, str | int | None]] | None
"""What a line may hold beside its event: values of ours, or a list of small objects of ours."""


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
            self._logger.handle(_EventRecord(self._logger.name, level, event, facts))


class _EventRecord(logging.LogRecord):
    """An event of ours. What `logging` finds out for each record and we never write (the line of code, thread, process, task) stays empty: it costs
    more than the rest of a line."""

    def __init__(self, name: str, level: int, event: str, facts: dict[str, Fact]) -> None:
        now = time.time()  # noqa: TID251  as any record of `logging`
        self.__dict__ = {
            **_UNSAID,
            "name": name,
            "msg": event,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": now,
            "msecs": now % 1 * 1000,
            _FACTS: facts,
        }


_UNSAID: dict[str, object] = {
    "args": (), "exc_info": None, "exc_text": None, "filename": "", "funcName": "", "lineno": 0, "module": "", "pathname": "",
    "process": None, "processName": None, "relativeCreated": 0.0, "stack_info": None, "taskName": None, "thread": None, "threadName": None,
}  # fmt: skip
"""The rest of a record's attributes: any formatter may ask for them."""


logging.getLogger("secondme").addHandler(logging.NullHandler())
"""A short command keeps no log: nothing of one comes between the lines that a person reads."""


def get_logger(name: str) -> Logger:
    """The logger of a module; call it with `__name__`."""
    return Logger(name)


class JsonLines(logging.Formatter):
    """One JSON object a line; whatever is in it, it stays one line. `words` are what levels are called where not as `logging` calls them."""

    def __init__(self, words: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._words = words

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON with `timestamp` (RFC 3339 UTC), `level`, `logger`, `event` and its facts."""
        facts: dict[str, Fact] = getattr(record, _FACTS, {})
        level, said = record.levelname.lower(), record.getMessage()
        level, moment = self._words.get(level, level), _moment(record.created)
        if not _OWN.isdisjoint(facts):  # then theirs counts
            return json.dumps({"timestamp": moment, "level": level, "logger": record.name, "event": safe_text(said), **facts})
        told = [f", {_quoted(name)}: {_quoted(fact) if type(fact) is str else json.dumps(fact)}" for name, fact in facts.items()]
        return f'{{"timestamp": "{moment}", {_head(level, record.name, said)}{"".join(told)}}}'


_OWN = frozenset({"timestamp", "level", "logger", "event"})


@lru_cache(maxsize=512)
def _head(level: str, logger: str, event: str) -> str:
    """The part of a line that is the same each time: events are constants."""
    return json.dumps({"level": level, "logger": logger, "event": safe_text(event)})[1:-1]


def _moment(created: float) -> str:
    """A time since 1970 in RFC 3339, UTC, cut to milliseconds."""
    fraction, second = math.modf(created)
    micros = round(fraction * 1e6)
    if not 0 <= micros < 1_000_000:  # noqa: PLR2004  of a second; before 1970, or at its very end
        return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{_second(int(second))}.{micros // 1000:03}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


class Plain(logging.Formatter):
    """A short line for a person who watches."""

    def format(self, record: logging.LogRecord) -> str:
        """Local time, event, facts."""
        facts: dict[str, Fact] = getattr(record, _FACTS, {})
        shown = " ".join(f"{key}={' '.join(safe_text(str(value)).split())}" for key, value in facts.items())
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{clock}  {mark}{safe_text(record.getMessage()).replace('_', ' ')}  {shown}".rstrip()


class SharedFile(logging.Handler):
    """Appends lines to a file that several processes write and any of them rotates. No line is lost, torn or written twice.

    Each line is one `write` to a descriptor opened for appending, which the kernel places atomically. Only a rotation takes a lock, and
    a process that does not get it soon goes on writing to the full file: one that is frozen in the middle holds nobody up. A file or a
    directory that was taken away is made anew for the next line; whatever else has got its name meanwhile is not written to.
    """

    def __init__(self, path: Path, rotate_bytes: int, keep: int) -> None:
        super().__init__()
        self._path = path
        self._name = str(path)
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._fd = -1
        self._inode = self._device = -1
        """Which file is open; nobody else gets its number meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        """The record is the file's last line, or lost with a disk that is full: that must not stop a reply."""
        try:
            line = (self.format(record) + "\n").encode("utf-8", "replace")
            try:
                self._append(line)
            except FileNotFoundError:  # the directory was taken away between two of the steps
                self._append(line)
        except (ConfigError, OSError):
            self.handleError(record)

    def _append(self, line: bytes) -> None:
        if self._current_size() + len(line) > self._rotate_bytes:
            self._rotate(len(line))
        os.write(self._fd, line)

    def close(self) -> None:
        """The file is closed. Repeatable."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -1
        super().close()

    def _current_size(self) -> int:
        """The size of the file that has the name now; ours is opened anew when another process has rotated it away."""
        if self._fd >= 0:
            try:
                there = os.stat(self._name)  # noqa: PTH116  once a line: Path.stat costs three times as much
            except FileNotFoundError:
                pass
            except OSError:  # nobody can look whose name it is: what is open can still be written
                return os.fstat(self._fd).st_size
            else:
                if there.st_ino == self._inode and there.st_dev == self._device:
                    return there.st_size
            os.close(self._fd)
            self._fd = -1
        self._fd = _opened(self._path)
        ours = os.fstat(self._fd)
        self._inode, self._device = ours.st_ino, ours.st_dev
        return ours.st_size

    def _shift(self, full: Path) -> None:
        for number in range(self._keep - 2, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        full.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _rotate(self, size: int) -> None:
        """The full file is the newest of the older ones, unless somebody else is doing that or has just done it."""
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if not lock_within(lock, _LOCK_S, _LOCK_AGAIN_S) or self._current_size() + size <= self._rotate_bytes:
                return
            aside = self._path.with_name(f"{self._path.name}.full")
            if aside.exists():  # somebody was killed in the middle
                self._shift(aside)
            self._path.replace(aside)  # at once, so that the others go on with a new file while the older ones are renamed
            self._shift(aside)
            self._current_size()
        finally:
            os.close(lock)


def _opened(path: Path) -> int:
    """A descriptor that appends to `path`: a file of ours in a directory of ours that nobody else can enter; both are made when missing.

    The directory is held meanwhile, so what is looked at is what is written to. Raises OSError or ConfigError for everything else that has the name.
    """
    directory = open_dir(path.parent)
    try:
        flags = (
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        )  # a pipe must not wait for a reader
        descriptor = os.open(path.name, flags, 0o600, dir_fd=directory)
    finally:
        os.close(directory)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid():
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "not a file of ours", str(path))
    return descriptor


def set_up(level: str, directory: Path | None, *, console: bool) -> None:
    """Events go to the `common_file` of `directory` and, with `console`, to stderr: warnings in plain words on a terminal, JSON elsewhere. Repeatable.

    Security events go to its `security_file` as well, whatever the level. `directory` must exist. Libraries' own loggers stay
    silent below warning: they may quote a request.
    """
    handlers: list[logging.Handler] = []
    if directory is not None:
        handlers.append(_lines(common_file(directory), _KEEP_FILES))
    if console:
        stream = logging.StreamHandler(sys.stderr)
        if sys.stderr.isatty():
            stream.setFormatter(Plain())
            stream.setLevel(logging.WARNING)  # a person's terminal stays calm; the file has everything
        else:
            stream.setFormatter(JsonLines())
        handlers.append(stream)
    ours = logging.getLogger("secondme")
    ours.setLevel(level.upper())
    ours.propagate = False
    for handler in handlers:
        handler.setLevel(max(handler.level, ours.level))  # security events come past our logger's own level
    _replace_handlers(ours, handlers or [logging.NullHandler()])
    security = logging.getLogger(SECURITY)
    security.setLevel(min(ours.level, logging.INFO))
    audit = [_lines(security_file(directory), _KEEP_SECURITY_FILES, SEVERITIES)] if directory is not None else []
    _replace_handlers(security, audit)
    logging.raiseExceptions = False  # a full disk must not stop a reply; the store says it loudly enough


def common_file(directory: Path) -> Path:
    """Where every event is written: JSON lines, the newest file of up to 6."""
    return directory / "secondme.jsonl"


def security_file(directory: Path) -> Path:
    """Where security events are written: JSON lines, the newest file of up to 30."""
    return directory / "security.jsonl"


def _lines(path: Path, keep: int, words: Mapping[str, str] = MappingProxyType({})) -> SharedFile:
    handler = SharedFile(path, _ROTATE_BYTES, keep)
    handler.setFormatter(JsonLines(words))
    return handler


def _replace_handlers(logger: logging.Logger, handlers: Sequence[logging.Handler]) -> None:
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    for handler in handlers:
        logger.addHandler(handler)


class OutageLog:
    """Something of ours that is out of reach for a while. `name` begins its events: `queue_unavailable`, `queue_available`."""

    def __init__(self, log: Logger, name: str) -> None:
        self._log = log
        self._name = name
        self._code = ""

    def goes_on(self, code: str) -> None:
        """It is written that the thing is out of reach, unless it was written already."""
        if code != self._code:
            self._code = code
            self._log.warning(f"{self._name}_unavailable", code=code)

    def is_over(self) -> None:
        """It is written that the thing is back, if it was away. Repeatable; costs nothing."""
        if self._code:
            self._code = ""
            self._log.info(f"{self._name}_available")
