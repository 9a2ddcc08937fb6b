"""What was meant? A word that is nothing gets one line that names the nearest one, and where to look."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from typer._click.exceptions import ClickException, NoSuchOption, UsageError  # typer exports only some of them

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typer._click import Context

_LIKE = 0.6
_MOST = 3


def near(word: str, known: Iterable[str], most: int = _MOST) -> list[str]:
    """The `known` words most like `word`, the nearest first; upper and lower case are the same."""
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    return [folded[each] for each in difflib.get_close_matches(word.casefold(), folded, n=most, cutoff=_LIKE)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean a or b?`, or nothing."""
    found = near(word, known)
    return f"Did you mean {' or '.join(found)}?" if found else ""


def unknown_command(name: str, known: list[str], ctx: Context) -> UsageError:
    """What to raise for a word that is no command."""
    return UsageError(f"There is no command {name}. {did_you_mean(name, known)}".strip(), ctx)


def say(error: ClickException) -> None:
    """One line on stderr: what was wrong on the command line, and where to read on."""
    from secondme.cli.output import Screen

    message = _words(error)
    where = error.ctx.command_path if isinstance(error, UsageError) and error.ctx is not None else "secondme"
    hint = "" if message.endswith("?") else f" Try: {where} --help"
    Screen(sys.stderr).line(f"secondme: {message}{hint}", "bad")


def _words(error: ClickException) -> str:
    if isinstance(error, NoSuchOption):
        options = [name for param in error.ctx.command.get_params(error.ctx) for name in param.opts] if error.ctx else []
        return f"There is no option {error.option_name}. {did_you_mean(error.option_name, options)}".strip()
    message = " ".join(error.format_message().split())
    return message if message.endswith((".", "?", "!")) else f"{message}."
