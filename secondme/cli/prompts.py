"""Questions at a terminal: a choice, a passphrase, a text in the owner's editor."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from secondme.cli.output import note
from secondme.core.errors import ConfigError, CredentialsError
from secondme.core.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class GoneBackError(Exception):
    """The person wants to answer the question before this one again."""


BACK = "<"
"""Where somebody can go back: typed alone, with Enter, it does."""


def ask_line(prompt: str, *, secret: bool = False) -> str:
    """The line that was typed after `prompt`, which is on stderr; nothing is shown of a secret. The loop stands still meanwhile. Raises
    EOFError when there is none, KeyboardInterrupt when the person leaves."""
    with _leavable():
        if secret:
            import getpass

            return getpass.getpass(prompt, stream=sys.stderr)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return input()


_NO_KEY = re.compile(r"\x1b[\[O]?[\d;]*[A-Za-z~]?")
"""What an arrow key sends has a letter in it."""


def ask_key(prompt: str, keys: str) -> str:
    """Which of `keys` was pressed after `prompt`, which is on stdout; upper case is the same, and what was pressed before is forgotten. Where the
    terminal gives no single keys, the letter and Enter. Nothing is shown of it. Raises EOFError when there is none, KeyboardInterrupt when the
    person leaves."""
    with _leavable(), _single_keys(sys.stdin.fileno()) as keyboard:
        sys.stdout.write(prompt)
        sys.stdout.flush()
        while True:
            pressed = os.read(keyboard, 64).decode("utf-8", "replace")
            if pressed in {"", "\x04"}:
                raise EOFError
            if found := [key for key in _NO_KEY.sub("", pressed).lower() if key in keys]:
                return found[0]


@contextmanager
def _single_keys(keyboard: int) -> Iterator[int]:
    """The terminal gives each key as it is pressed, if it can."""
    try:
        import termios
        import tty

        before = termios.tcgetattr(keyboard)
        tty.setcbreak(keyboard)
    except (ImportError, OSError, termios.error):
        yield keyboard
        return
    try:
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def confirm(question: str) -> None:
    """The person said yes. Raises typer.Abort when they did not, or left."""
    with _leavable():
        typer.confirm(question, abort=True, err=True)


@contextmanager
def _leavable() -> Iterator[None]:
    """Ctrl-C raises where the line is read. The loop's own handler would only ask the task to end, which waits for the line."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


VARIABLE = "SECONDME_BACKUP_PASSPHRASE"
_MOST_BYTES = 4096
_SHORTEST = 8


def asker(file: Path | None, *, twice: bool) -> Callable[[], str]:
    """A function that gives the passphrase. The environment's is taken out of it now: no program we start gets it.

    With `twice` it is for something new: typed a second time, and not too short. The function raises ConfigError or CredentialsError.
    """
    from_environment = os.environ.pop(VARIABLE, "")

    def ask() -> str:
        if file is not None:
            found = _first_line(file)
        elif from_environment:
            found = from_environment
        elif sys.stdin.isatty():
            found = _typed(twice=twice)
        else:
            raise CredentialsError(
                "no_passphrase",
                "The backup needs a passphrase, and there is no terminal to ask on.",
                f"Set {VARIABLE}, or use --passphrase-file.",
            )
        if twice and len(found) < _SHORTEST:
            raise CredentialsError("short_passphrase", f"A passphrase has at least {_SHORTEST} characters.", "Use a longer one.")
        return found

    return ask


def _typed(*, twice: bool) -> str:
    """What was typed, the same twice if asked for. Nothing is shown of it, not even of what was typed ahead."""
    try:
        while True:
            found = ask_line("Passphrase of the backup: ", secret=True)
            if not twice or ask_line("Once more: ", secret=True) == found:
                return found
            note("The two differ.", "warn")
    except EOFError:
        raise typer.Abort from None


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES)
        return raw.split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8").removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "unreadable_passphrase", f"{file} cannot be read.", "Check its owner and mode; it must be UTF-8."
        ) from error


_MOST = 64 * 1024


def words_for(before: str, typed: str | None) -> str:
    """What the person wants it to say: `typed`, standard input when that is `-`, else what they leave in their editor.

    Raises ConfigError when there is neither a word nor a terminal, DataError when the editor failed.
    """
    from secondme.core.errors import ConfigError

    if typed == "-":
        return sys.stdin.read(_MOST)
    if typed is not None:
        return typed
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "no_terminal", "There is no terminal for an editor.", "Say it with --text, or --text - and standard input."
        )
    with tempfile.TemporaryDirectory(prefix="secondme-") as folder:  # 0700
        path = Path(folder) / "draft.txt"
        path.write_text(before, "utf-8")
        edit_file(path)
        return plain_text(path.read_bytes())[:_MOST]


_IN_TERMINALS = frozenset(
    {"ed", "emacs", "helix", "hx", "joe", "kak", "mcedit", "micro", "nano", "ne", "nvim", "pico", "vi", "view", "vim"}
)
"""Editors that wait for keys where there is no keyboard; others open a window, or are a script."""


def edit_file(path: Path) -> None:
    """The person has had `path` in their editor ($VISUAL, $EDITOR, else vi). Raises ConfigError when that draws in a terminal and there is
    none, DataError when it could not be opened or failed."""
    from secondme.core.errors import ConfigError, DataError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(editor)
        if Path(words[0] if words else "").name in _IN_TERMINALS and not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ConfigError("no_terminal", f"{editor} needs a terminal, and there is none.", f"The file to edit is {path}")
        done = subprocess.run([*words, str(path)], check=False)  # noqa: S603  the person's own choice of editor
    except (OSError, ValueError) as error:  # ValueError: quotation marks that are never closed
        raise DataError("no_editor", f"{editor} cannot be started.", "Set EDITOR to an editor that is installed.") from error
    if done.returncode != 0:
        raise DataError("editor_failed", f"{editor} ended with {done.returncode}; nothing was changed.")


def secret_value(name: str, setting: str, value: str | None) -> str:
    """The secret of a skill, asked for or read from standard input. Raises ConfigError for one from a command line, where others can read it."""
    fix = f"secondme skills config {name} {setting}"
    if value is not None:
        raise ConfigError("secret_in_argv", f"{setting} is a secret: others can read a command line.", fix)
    word = ask_line(f"{setting} (hidden): ", secret=True) if sys.stdin.isatty() else sys.stdin.readline(64 * 1024)
    if not word.strip():
        raise ConfigError("no_value", f"{setting} needs a value.", fix)
    return word.strip()
