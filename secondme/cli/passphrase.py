"""What is the passphrase of a backup? From a file, from the environment, or typed where nobody sees it; never from the command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from secondme.cli.output import note
from secondme.cli.prompting import ask_line
from secondme.core.errors import ConfigError, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        return raw.split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "unreadable_passphrase", f"{file} cannot be read.", "Check its owner and mode; it must be UTF-8."
        ) from error
