"""Can what happens be written down? The log's files are opened as a gateway opens them, and nothing is written, made or emptied.

Owners and modes that keep us out of our own directory are what the check `files` reports; they are passed over here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from typing import TYPE_CHECKING

from secondme.core.doctor.kinds import found
from secondme.core.log import common_file, security_file

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.doctor.kinds import Finding

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_IN_THE_WAY = {errno.ELOOP: "a link", errno.ENXIO: "a pipe or socket", errno.EISDIR: "a directory"}


def refused_log(directory: Path) -> Finding | None:
    """Why a gateway could not write its log into `directory`; None when it could."""
    if not os.path.lexists(directory):
        return _refused_directory(next(each for each in directory.parents if os.path.lexists(each)))
    if not directory.is_dir():
        return _blocked(directory, "no directory")
    facts = directory.stat()
    if facts.st_uid != os.getuid() or facts.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        return None
    return _refused_directory(directory) or next(
        filter(None, map(_refused_file, (security_file(directory), common_file(directory)))), None
    )


def _refused_directory(path: Path) -> Finding | None:
    """A directory where something is to be made."""
    if not path.is_dir():
        return _blocked(path, "no directory")
    if os.access(path, os.W_OK | os.X_OK):
        return None
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return _unwritable(path, errno.EROFS)
    return _unwritable(path, errno.EACCES)


def _refused_file(path: Path) -> Finding | None:
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        return None  # the next line makes it
    except OSError as error:
        kind = _IN_THE_WAY.get(error.errno or 0)
        return _blocked(path, kind) if kind else _unwritable(path, error.errno or 0)
    with contextlib.closing(os.fdopen(descriptor, "ab", buffering=0)):
        is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
    return None if is_plain else _blocked(path, "no plain file")


def _blocked(path: Path, kind: str) -> Finding:
    return found("log-blocked", path=path, quoted=shlex.quote(str(path)), kind=kind)


def _unwritable(path: Path, number: int) -> Finding | None:
    """None for a file of somebody else's, which the check `files` reports."""
    facts = path.lstat()
    if number == errno.EROFS:
        fix = "Mount that file system for writing; a gateway that runs goes on by itself."
    elif number in {errno.EACCES, errno.EPERM} and facts.st_uid == os.getuid():
        fix = f"chmod u+rw{'x' if path.is_dir() else ''} {shlex.quote(str(path))}"
    elif path.is_dir():
        fix = "Set SECONDME_HOME to a directory of yours."
    elif facts.st_uid != os.getuid():
        return None
    else:
        fix = "Look at that disk; a gateway that runs goes on by itself."
    return found("log-unwritable", path=path, why=os.strerror(number).lower(), fix=fix)
