"""Where do a person's own words come from? An option, standard input, or their editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

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
        return path.read_text("utf-8")[:_MOST]


def edit_file(path: Path) -> None:
    """The person has had `path` in their editor ($VISUAL, $EDITOR, else vi). Raises DataError when it could not be opened or failed."""
    from secondme.core.errors import DataError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603  the person's own choice of editor
    except (OSError, ValueError) as error:  # ValueError: quotation marks that are never closed
        raise DataError("no_editor", f"{editor} cannot be started.", "Set EDITOR to an editor that is installed.") from error
    if done.returncode != 0:
        raise DataError("editor_failed", f"{editor} ended with {done.returncode}; nothing was changed.")
