"""How do sleep hours get into config.toml? Only where it says nothing about sleep yet; what a person wrote is never changed."""

from __future__ import annotations

import contextlib
import os
from datetime import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.store.predecessor import Sleep


def verdict(config_file: Path, sleep: Sleep) -> str:
    """`taken` when the file can get these hours, `already` when it says the same, else why not."""
    if sleep.timezone is None:
        return "no_time_zone_for_offset"
    theirs = _section(config_file)
    if theirs is None:
        return "taken"
    said = {name: f"{value:%H:%M}" if isinstance(value, time) else value for name, value in theirs.items()}
    ours = {"enabled": sleep.enabled, "start": f"{sleep.start:%H:%M}", "end": f"{sleep.end:%H:%M}", "timezone": sleep.timezone}
    return "already" if all(said.get(name) == value for name, value in ours.items()) else "config_has_sleep"


def write(config_file: Path, sleep: Sleep) -> None:
    """The file has the hours at its end, and what it was before is beside it as `.bak`. All at once or not at all; both 0600."""
    from secondme.core.errors import ConfigError
    from secondme.core.paths import private_dir

    path = config_file.resolve()  # a link stays one
    private_dir(path.parent)
    try:
        before = path.read_bytes() if path.exists() else None
        if before is not None:
            _replace(path.with_name(path.name + ".bak"), before)
        gap = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
        _replace(path, (before or b"") + gap + "\n".join(sleep.toml()).encode() + b"\n")
    except OSError as error:
        raise ConfigError(
            "unwritable_config", f"{path} cannot be written: {error.strerror}.", "Check its owner and mode."
        ) from error


def _section(config_file: Path) -> dict[str, Any] | None:
    import tomllib

    with contextlib.suppress(FileNotFoundError):
        found = tomllib.loads(config_file.read_text("utf-8")).get("sleep")
        return found if isinstance(found, dict) or found is None else {}
    return None


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
