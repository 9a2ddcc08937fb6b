"""What did linking a channel find out? Tokens and the owner's identity there, as dotted names of settings, in one 0600 file.

Nobody edits this file: `secondme channels connect` writes it, `disconnect --forget` removes from it, and what the owner says in
`config.toml` or in the environment wins over it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError
from secondme.core.paths import private_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_credentials(path: Path) -> dict[str, str | int]:
    """The saved settings; empty when nothing was linked. Raises ConfigError when the file is not ours alone or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path) from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        found = os.fstat(descriptor)
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ConfigError("open_credentials", f"{path} can be read by others.", f"chmod 600 {path}")
        try:
            saved = json.load(file)
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
    private_dir(path.parent)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=2)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError("unwritable_credentials", f"{path} cannot be written: {error.strerror}.", "Check the disk.") from error


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(
        "unreadable_credentials", f"{path} cannot be read.", "Move it away and link the channels again: secondme channels connect"
    )
