"""The predecessor's sleep hours in config.toml: only where it says nothing about sleep yet; what a person wrote is never changed."""

from __future__ import annotations

import contextlib
import tomllib
from datetime import time
from typing import TYPE_CHECKING, Any

from secondme.core.config import files
from secondme.core.text import plain_text

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.migrate.formats import Sleep


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


def write(config_file: Path, sleep: Sleep, now_ms: int) -> None:
    """The file has the hours, and what it was before is kept beside it; see `files.write`."""
    path = config_file.resolve()  # a link stays one
    hours: dict[str, files.Value | None] = {
        "sleep.enabled": sleep.enabled,
        "sleep.start": f"{sleep.start:%H:%M}",
        "sleep.end": f"{sleep.end:%H:%M}",
        "sleep.timezone": sleep.timezone,
    }
    files.write(files.plan(path, hours), now_ms)


def _section(config_file: Path) -> dict[str, Any] | None:
    with contextlib.suppress(FileNotFoundError):
        found = tomllib.loads(plain_text(config_file.read_bytes())).get("sleep")
        return found if isinstance(found, dict) or found is None else {}
    return None
