"""The output of commands: one `CommandResult` rendered as text or as a JSON envelope, columns, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from secondme.cli.marks import shows_marks
from secondme.core.errors import BusyError, ConfigError, CredentialsError, DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ExitCode(IntEnum):
    """Part of the contract with scripts."""

    DONE = 0
    NO = 1
    """It ran, and the answer is no: nothing runs, nobody answered."""
    USAGE = 2
    BAD_INPUT = 65
    UNAVAILABLE = 69
    BUG = 70
    BUSY = 75
    CREDENTIALS = 77
    CONFIG = 78
    INTERRUPTED = 130


def exit_code_of(error: SecondmeError) -> ExitCode:
    """The exit code of a cause."""
    match error:
        case ConfigError():
            return ExitCode.CONFIG
        case CredentialsError():
            return ExitCode.CREDENTIALS
        case UnavailableError():
            return ExitCode.UNAVAILABLE
        case BusyError():
            return ExitCode.BUSY
        case NotFoundError() | DataError():
            return ExitCode.BAD_INPUT
        case _:
            return ExitCode.BUG


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command came to. `show` writes it for a person; everything a script needs is in `data`."""

    data: dict[str, Any]  # JSON values
    show: Callable[[Screen], None]
    exit_code: ExitCode = ExitCode.DONE
    errors: list[SecondmeError] = field(default_factory=list)
    schema: str = ""
    """What its JSON is called, where that is not the command's own."""
    is_streamed: bool = False
    """True when everything was printed as it came: no envelope follows."""


def message_result(data: dict[str, Any], text: str, hint: str = "") -> CommandResult:
    """A result that is one sentence for a person, and one of ours with the command that may come next."""

    def show(screen: Screen) -> None:
        screen.line(f"{text} {screen.typed(hint)}".rstrip())

    return CommandResult(data, show)


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_DIGEST = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")


_NARROW = 30
"""Columns below which a terminal breaks lines as it likes."""


class OutputError(Exception):
    """What is to be read cannot be written: the file that stands for the terminal is full. Its text is the system's word for it."""


class Screen:
    """Where a person reads. Styled on a terminal, plain elsewhere and under NO_COLOR; hostile characters never pass."""

    def __init__(self, stream: TextIO | None = None, *, home: Path | None = None) -> None:
        self.stream = stream or sys.stdout
        self.home = home
        """The home that was typed: commands that are shown name it too."""
        self.is_terminal = self.stream.isatty()
        self.shows_marks = shows_marks(self.stream)
        """False where blocks and lines cannot be drawn."""
        self.is_styled = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "", style: str = "") -> None:
        """One line (or several) of text. On a terminal none is wider than it is: they are broken between words."""
        safe = safe_text(text)
        if self.is_terminal and len(safe) > _NARROW:
            safe = self._wrapped(safe)
        self._put(safe, style)

    def _put(self, safe: str, style: str = "") -> None:
        if self.is_styled and style:
            safe = f"\x1b[{_STYLES[style]}m{safe}\x1b[0m"
        _put(self.stream, safe + "\n")

    def _wrapped(self, text: str) -> str:
        width = shutil.get_terminal_size().columns
        if width < _NARROW or max(map(len, text.split("\n"))) * 2 <= width:  # no character takes more than two cells
            return text
        from secondme.cli.columns import wrapped

        return "\n".join(row for line in text.split("\n") for row in wrapped(line, width))

    def hint(self, text: str, style: str = "") -> None:
        """A line of our own words in which commands stand, as they are to be typed for this home."""
        self.line(self.typed(text), style)

    def typed(self, hint: str) -> str:
        """Words of ours with their commands as they are to be typed for this home. Never for words of somebody else: they stay as they are."""
        if self.home is None:
            return hint

        return typed(hint, self.home)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
        """Aligned columns, or the hint `empty` when there are none. On a terminal none is wider than it is; elsewhere nothing is cut."""
        if not rows:
            self.hint(empty, "dim")
            return

        cells = [[for_people(safe_text(cell).replace("\n", " ").replace("\t", " ")) for cell in row] for row in rows]
        from secondme.cli.columns import lay_out

        above, lines = lay_out(headers, cells, shutil.get_terminal_size().columns if self.is_terminal else None)
        if above:
            self._put(above, "dim")
        for line in lines:
            self._put(line)


def for_people(text: str) -> str:
    """A moment as this machine's clocks show it, and of a digest no more than tells it from others."""
    if _MOMENT.fullmatch(text):
        return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"
    return _DIGEST.sub(r"\1…", text)


def flush(stream: TextIO) -> None:
    """Everything was written. Raises OutputError, and BrokenPipeError when the reader has gone."""
    try:
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror) from error


def _put(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror) from error


_STYLES = {"bold": "1", "dim": "2", "good": "32", "warn": "33", "bad": "31", "accent": "36"}


def emit(result: CommandResult, *, as_json: bool, home: Path | None = None) -> ExitCode:
    """The result is on stdout, its errors on stderr too; returns the exit code. `home` is the one that was typed."""
    if as_json and not result.is_streamed:
        status: Literal["ok", "partial", "error"] = "partial" if result.errors else "ok"
        _write_envelope(result.schema, status, result.exit_code, result.data, result.errors)
    else:
        result.show(Screen(home=home))
        for error in result.errors:
            complain(error)
    return result.exit_code


def emit_error(schema: str, error: SecondmeError, *, as_json: bool) -> ExitCode:
    """The error is one line on stderr for a person, an envelope on stdout for a script; returns the exit code."""
    code = exit_code_of(error)
    if as_json:
        _write_envelope(schema, "error", code, {}, [error])
    else:
        complain(error)
    return code


def emit_event(event: dict[str, Any]) -> None:
    """One JSON object on one line, for commands that report as things happen."""
    _put(sys.stdout, json.dumps(event, sort_keys=True) + "\n")
    flush(sys.stdout)


def complain(error: SecondmeError) -> None:
    """One line on stderr: what happened, and what to do."""
    screen = Screen(sys.stderr)
    hint = "Try: " if error.fix.startswith("secondme ") and not error.fix.endswith(".") else ""  # a command, not a sentence
    fix = f" {hint}{error.fix}" if error.fix else ""
    screen.line(f"secondme: {error.message}".replace("\n", " ") + fix.replace("\n", " "), "bad")


def note(text: str, style: str = "") -> None:
    """A remark on stderr, beside the result."""
    Screen(sys.stderr).line(text, style)


def _write_envelope(schema: str, status: str, exit_code: ExitCode, data: dict[str, Any], errors: Sequence[SecondmeError]) -> None:
    envelope = {
        "schema": schema,
        "status": status,
        "exit_code": int(exit_code),
        "data": data,
        "errors": [{"code": error.code, "message": error.message, "fix": error.fix} for error in errors],
    }
    _put(sys.stdout, json.dumps(envelope, sort_keys=True, indent=2) + "\n")


# The words by which this program is called: so that a hint can be copied into another terminal and works there

_COMMAND_IN_TEXT = re.compile(r"(^|[:;.,] +|\| |[`'])secondme (?=[a-z])")
"""Where a command stands in our sentences. A name in the middle of one is none: `the words of secondme are`."""


def program() -> str:
    """The words to type: `secondme` where that is this program, else its path, or the interpreter with it."""
    called = Path(sys.argv[0])
    found = shutil.which("secondme")
    if found is not None and called.exists() and Path(found).resolve() == called.resolve():
        return "secondme"
    if called.name == "secondme":
        return shlex.quote(str(called))
    return f"{shlex.quote(sys.executable)} -m secondme"


def typed(text: str, home: Path | None) -> str:
    """The commands in `text` as they are to be typed here: with the home that was typed, which one without it would not find."""
    if home is None:
        return text
    return _COMMAND_IN_TEXT.sub(lambda found: f"{found[1]}secondme --home {shlex.quote(str(home))} ", text)


def program_for(home: Path | None) -> str:
    """The words to type for the home that was typed; None: the default one."""
    return program() if home is None else f"{program()} --home {shlex.quote(str(home))}"
