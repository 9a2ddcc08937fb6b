"""What did linking a channel find out? Tokens and the owner's identity there, as dotted names of settings, in one 0600 file.

Nobody edits this file: `secondme channels connect` writes it, `disconnect --forget` removes from it, and what the owner says in
`config.toml` or in the environment wins over it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from secondme.core.config.paths import open_private, replace_private
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_credentials(path: Path) -> dict[str, str | int]:
    """The saved settings; empty when nothing was linked. Raises ConfigError when the file is not ours alone or cannot be read."""
    try:
        text = open_private(path)
        saved = {} if text is None else json.loads(text)
    except (ValueError, OSError):
        raise _unreadable(path) from None  # the original may quote a secret
    if not isinstance(saved, dict) or not all(isinstance(value, str | int) for value in saved.values()):
        raise _unreadable(path)
    return saved


def save_credentials(path: Path, channel: str, settings: Mapping[str, str | int] | None) -> None:
    """What is known of `channel` is exactly `settings`; None: nothing. The rest of the file is as before. Repeatable.

    A crash leaves the old file or the new one. Raises ConfigError when the old one cannot be read or the disk refuses.
    """
    kept: dict[str, Any] = {name: value for name, value in read_credentials(path).items() if not name.startswith(f"{channel}.")}
    kept.update({f"{channel}.{name}": value for name, value in (settings or {}).items()})
    try:
        replace_private(path, json.dumps(kept, indent=2))
    except OSError as error:
        raise ConfigError("unwritable_credentials", f"{path} cannot be written: {error.strerror}.", "Check the disk.") from error


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(
        "unreadable_credentials", f"{path} cannot be read.", "Move it away and link the channels again: secondme channels connect"
    )
