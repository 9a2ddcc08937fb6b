"""Which secrets did the owner leave in `.env`? Read like the environment, below it; written by `onboard` and `config set`, by hand too.

A service and cron do not see what a login shell exports: this file they do. 0600, or it is not read at all.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from secondme.core.config.paths import open_private, replace_private
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_env_file(path: Path) -> dict[str, str]:
    """The names and values of the file; empty when there is none. Raises ConfigError when others can read it, or nobody."""
    text = _text(path)
    if not text:
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415  only who has such a file pays for it

    return {name: value for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items() if value}


def save_env_file(path: Path, changes: Mapping[str, str | None]) -> None:
    """Every name in `changes` has that value; None: it is not in the file. Other lines and comments are as before. Repeatable.

    Raises ConfigError when the old file cannot be read, the disk refuses, or a value has a line break.
    """
    if any("\n" in (value or "") or "\r" in (value or "") for value in changes.values()):
        raise ConfigError("bad_setting", "A secret is one line.")
    kept = [line for line in (_text(path) or "").splitlines() if _name(line) not in changes]
    lines = [*kept, *(f"{name}={_quoted(value)}" for name, value in changes.items() if value is not None)]
    try:
        replace_private(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise ConfigError(
            "unwritable_env_file", f"{path} cannot be written: {error.strerror}.", "Check its owner and the disk."
        ) from error


def _text(path: Path) -> str | None:
    try:
        return open_private(path)
    except (OSError, UnicodeError):
        raise ConfigError("unreadable_env_file", f"{path} cannot be read.", "Check its owner and mode.") from None


def _name(line: str) -> str:
    return line.strip().removeprefix("export ").partition("=")[0].strip()


def _quoted(value: str) -> str:
    """In single quotes nothing but the quote and the backslash means anything: the rule of python-dotenv, and of the shell but for those two."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
