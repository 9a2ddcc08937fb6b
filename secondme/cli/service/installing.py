"""How does a service come and go? Its file is written only where there was none or one of ours, and what changes in it is shown."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.cli.service.unit import MARKER
from secondme.core.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.service.managers import Manager


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the file."""

    outcome: Literal["created", "updated", "unchanged"]
    diff: list[str]


def install(manager: Manager) -> Written:
    """The service is known, and starts with the machine or at login. Repeatable. Raises ConfigError for a file that is not ours."""
    manager.require()
    old, new = read_ours(manager.path), manager.text()
    if old != new:
        _write(manager.path, new)
    manager.enable()
    if old == new:
        return Written("unchanged", [])
    diff = difflib.unified_diff((old or "").splitlines(), new.splitlines(), "before", "now", lineterm="", n=1)
    return Written("created", []) if old is None else Written("updated", list(diff))


def uninstall(manager: Manager) -> bool:
    """The service has stopped and its file is gone; False when there was none. Repeatable. Raises ConfigError for a file that is not ours."""
    if read_ours(manager.path) is None:
        return False
    manager.require()
    manager.forget()
    manager.path.unlink(missing_ok=True)
    manager.forgotten()
    return True


def require_installed(manager: Manager) -> None:
    """Raises NotFoundError when there is no such service of ours."""
    if read_ours(manager.path) is None:
        raise NotFoundError("service_not_installed", "The service is not installed.", "secondme service install")
    manager.require()


def read_ours(path: Path) -> str | None:
    """The file's text; None when there is none. Raises ConfigError when somebody else wrote it."""
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("unreadable_service", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    if MARKER not in text:
        raise ConfigError("not_our_service", f"{path} was not written by secondme.", "Move it away first.")
    return text


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    except OSError as error:
        raise ConfigError("unwritable_service", f"{path} cannot be written: {error.strerror}.", "Check its directory.") from error
    finally:
        fresh.unlink(missing_ok=True)
