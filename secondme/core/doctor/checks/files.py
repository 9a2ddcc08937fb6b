"""Checks of files: private, ours and tidy; logs that can be written; nothing left by killed processes.

Owners and modes that keep us out of our own directory are what the check `files` reports; they are passed over here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import socket
import stat
from typing import TYPE_CHECKING

from secondme.core.doctor.check import Check, DoctorContext, Finding, Ok, Outcome, found, in_thread, verdict
from secondme.core.doctor.store import is_running
from secondme.core.files import is_held
from secondme.core.log import common_file, security_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secondme.core.config.paths import Places


_OTHERS = 0o077
_MOST = 200
"""Files of one directory that are looked at."""


async def files(subject: DoctorContext) -> Outcome:
    """Directories are 0700 and files 0600, all of them ours, and nothing is left over."""
    if not subject.places.config.exists() and not subject.places.data.exists():
        return Ok("nothing is there yet")
    findings = await in_thread(lambda: list(_findings(subject.places)))
    return verdict(*findings, detail="private and tidy")


def _findings(places: Places) -> Iterator[Finding]:
    open_roots = []
    for directory in _directories(places):
        for finding in _look_at_directory(directory):
            open_roots.append(directory)
            yield finding
    secrets = [places.credentials, places.env_file, places.api_token, places.api_tokens]
    for path in [*secrets, *_files(places)]:
        is_secret = path in secrets
        # a file in a directory that nobody else can enter is private, whatever its own mode; what holds secrets is not used then
        if is_secret or any(path.is_relative_to(root) for root in open_roots):
            yield from _look_at_file(path, "open-secret" if is_secret else "open-file")
        else:
            yield from _foreign(path)
    yield from _left_over(places)


def _directories(places: Places) -> list[Path]:
    every = (places.config, places.data, places.logs, places.store, places.personas, places.data / "channels")
    return [path for path in dict.fromkeys(every) if path.is_dir()]


def _files(places: Places) -> list[Path]:
    """Files of ours with something in them that is nobody else's business."""
    found_: list[Path] = []
    for directory, patterns in (
        (places.config, ("config.toml*",)),
        (places.personas, ("*.md",)),
        (places.logs, ("*.jsonl*",)),
        (places.data, ("*.lock",)),
        (places.data / "channels", ("*/*",)),
    ):
        for pattern in patterns:
            found_ += [path for path in sorted(directory.glob(pattern))[:_MOST] if path.is_file()]
    return found_


def _look_at_directory(path: Path) -> Iterator[Finding]:
    facts = path.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid != os.getuid():
        yield found("foreign-owner", path=path, quoted=shlex.quote(str(path)), owner=facts.st_uid)
    elif mode & _OTHERS:
        yield found("open-directory", subject=str(path), path=path, quoted=shlex.quote(str(path)), mode=f"{mode:04o}")
    elif not mode & stat.S_IWUSR or not mode & stat.S_IXUSR:
        yield found("unwritable-directory", subject=str(path), path=path, quoted=shlex.quote(str(path)))


def _look_at_file(path: Path, kind: str) -> Iterator[Finding]:
    try:
        facts = path.lstat()
    except OSError:
        return
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid == os.getuid() and stat.S_ISREG(facts.st_mode) and mode & _OTHERS:
        yield found(kind, subject=str(path), path=path, quoted=shlex.quote(str(path)), mode=f"{mode:04o}")
    else:
        yield from _foreign(path)


def _foreign(path: Path) -> Iterator[Finding]:
    try:
        owner = path.lstat().st_uid
    except OSError:
        return
    if owner != os.getuid():
        yield found("foreign-owner", path=path, quoted=shlex.quote(str(path)), owner=owner)


def _left_over(places: Places) -> Iterator[Finding]:
    for path, lock in sockets(places):
        if not is_held(lock) and is_dead_socket(path):
            yield found("stale-socket", subject=str(path), path=path)
    for path in half_written(places):
        yield found("leftover-file", subject=str(path), path=path)


def sockets(places: Places) -> list[tuple[Path, Path]]:
    """Every socket of ours, and the lock that whoever listens there holds."""
    store_lock = places.store / "lock"
    return [(places.store_socket, store_lock), *((each, places.gateway_lock) for each in (places.api_socket, places.local_socket))]


def is_dead_socket(path: Path) -> bool:
    """True when it is a socket, and nobody listens."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(0.2)
            probe.connect(str(path))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def half_written(places: Places) -> list[Path]:
    """What a process that is gone left of `files.replacement`."""
    left = []
    for directory in (places.config, places.data, places.local_mail, *places.data.glob("channels/*")):
        for path in sorted(directory.glob("*.new"))[:_MOST]:
            pid = path.name.removesuffix(".new").rpartition(".")[2]
            if pid.isdigit() and not is_running(int(pid)) and path.is_file():
                left.append(path)
    return list(dict.fromkeys(left))


CHECKS = (Check("files", "Files", "Modes and owners of everything of ours, and what killed processes left behind", files),)


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
