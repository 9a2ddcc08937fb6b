"""How are the machine's own programs asked? With plain words, a limit of time, and their complaint as one of our errors."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_S = 330.0
"""Starting waits until the gateway is ready, or was given up."""


def ask(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What the program answered, whatever its exit code. Raises UnavailableError when there is no such program, or it does not end."""
    try:
        return subprocess.run(  # noqa: S603  the words are ours
            words, capture_output=True, text=True, errors="replace", timeout=_LONGEST_S, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise no_manager(words[0]) from None
    except subprocess.TimeoutExpired:
        raise UnavailableError("service_slow", f"{words[0]} did not answer.", "secondme service logs") from None


def must(words: Sequence[str]) -> str:
    """What it said on stdout. Raises UnavailableError with its first complaint when it failed."""
    answer = ask(words)
    if answer.returncode:
        lines = [line for line in (answer.stderr + answer.stdout).splitlines() if line.strip()]
        said = safe_name(lines[0])[:200].rstrip(".") if lines else f"exit code {answer.returncode}"
        raise UnavailableError(
            "service_failed", f"{words[0]} {words[-2] if len(words) > 1 else ''}: {said}.", "secondme service logs"
        )
    return answer.stdout


def no_manager(what: str) -> UnavailableError:
    """The error for a machine, or a container, in which nobody runs services for a person."""
    return UnavailableError(
        "no_service_manager",
        f"Nobody here runs services for you ({what}).",
        "Run `secondme serve` under what does: docs/service.md says how in Docker, with a supervisor, and without anything.",
    )
