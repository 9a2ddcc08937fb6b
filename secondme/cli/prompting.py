"""How does a command ask for one line at the terminal? Ctrl-C leaves it at once, Ctrl-D is no answer."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator


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
