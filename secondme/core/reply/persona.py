"""Whose voice is it? A Markdown file that a person edits; a plain default while there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_STYLE = "Keep responses brief and natural."
_LIMIT_BYTES = 64 * 1024


def load_style(directory: Path, file: str) -> str:
    """The style guide in `directory`/`file`, or the default when it does not exist. Read anew each time: edits count at once.

    Raises ConfigError when the file is there but cannot be used.
    """
    path = directory / file
    if path.parent != directory or "\0" in file:
        raise ConfigError("bad_persona", "persona.file must be a plain file name.", "Correct persona.file.")
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8").strip()
    except FileNotFoundError:
        return DEFAULT_STYLE
    except UnicodeDecodeError as error:
        raise ConfigError("bad_persona", f"{path} is not UTF-8 text.", f"Save {path} as UTF-8.") from error
    except OSError as error:
        raise ConfigError("bad_persona", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    if len(raw) > _LIMIT_BYTES:
        raise ConfigError("bad_persona", f"{path} is larger than 64 KB.", "Shorten it.")
    return text or DEFAULT_STYLE
