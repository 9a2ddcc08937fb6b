"""Fixes: only what is certain, is ours, and takes nothing away that anybody could miss."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.clock import SystemClock
from secondme.core.config.files import plan, write
from secondme.core.doctor.checks.files import half_written, is_dead_socket, sockets
from secondme.core.errors import BusyError, ConfigError
from secondme.core.files import hold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondme.core.config.paths import Places
    from secondme.core.doctor.check import Finding


def repair(places: Places, findings: Sequence[Finding]) -> list[str]:
    """What was mended, in words; what cannot be mended is left as it is, and will be found again. Repeatable."""
    done = []
    for finding in findings:
        mend = _REPAIRS.get(finding.id)
        if mend is None or not finding.subject:
            continue
        try:
            words = mend(places, Path(finding.subject))
        except (OSError, ConfigError, BusyError):
            continue
        if words:
            done.append(words)
    return done


def _close_file(_: Places, path: Path) -> str:
    return _narrow(path, 0o600)


def _close_directory(_: Places, path: Path) -> str:
    return _narrow(path, 0o700)


def _narrow(path: Path, mode: int) -> str:
    """The mode was set through an open file, which nobody can have exchanged for a link meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            return ""
        before = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    return f"{path}: mode {before:04o} is {mode:04o} now"


def _remove_socket(places: Places, path: Path) -> str:
    """Removed under the lock of whoever would listen there: nobody can have begun to meanwhile. A lock that was never made is not made
    for this: its file says that a gateway has run here."""
    lock = next((each for name, each in sockets(places) if name == path), None)
    if lock is None:
        return ""
    descriptor = hold(lock) if lock.exists() else None
    if descriptor is None and lock.exists():
        return ""
    try:
        if not is_dead_socket(path):
            return ""
        path.unlink()
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return f"{path}: removed, nobody listened there"


def _remove_half_written(places: Places, path: Path) -> str:
    if path not in half_written(places):
        return ""
    path.unlink()
    return f"{path}: removed, it was never finished"


def _drop_effort(places: Places, path: Path) -> str:
    write(plan(path, {"model.effort": ""}), SystemClock().now_ms())
    return f"{places.config_file}: model.effort is empty, so none is asked for"


STORE_REPAIRS = frozenset({"record-broken", "index-broken", "mail-outside-queue"})
"""Findings that are mended in the store and not in files."""
_REPAIRS: dict[str, Callable[[Places, Path], str]] = {
    "open-secret": _close_file,
    "open-file": _close_file,
    "open-directory": _close_directory,
    "unwritable-directory": _close_directory,
    "stale-socket": _remove_socket,
    "leftover-file": _remove_half_written,
    "model-no-effort": _drop_effort,
}
