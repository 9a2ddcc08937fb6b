"""Unknown words: one line that names the nearest known one, and where to look."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from typer._click.exceptions import ClickException, NoSuchOption, UsageError  # typer exports only some of them

from secondme.core.text import did_you_mean

if TYPE_CHECKING:
    from typer._click import Context

_MOST = 3


def unknown_command(name: str, known: list[str], ctx: Context) -> UsageError:
    """What to raise for a word that is no command."""
    return UsageError(f"There is no command {name}. {did_you_mean(name, known, most=_MOST)}".strip(), ctx)


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
        return f"There is no option {error.option_name}. {did_you_mean(error.option_name, options, most=_MOST)}".strip()
    message = " ".join(error.format_message().split())
    return message if message.endswith((".", "?", "!")) else f"{message}."
