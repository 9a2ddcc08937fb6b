"""Private files: directories and files that nobody else can open, written whole or not at all, and locks that end with their holder."""

import contextlib
import errno
import fcntl
import os
import shlex
import stat
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from secondme.core.errors import ConfigError
from secondme.core.text import plain_text

_TRY_AGAIN_S = 0.02


def open_dir(path: Path) -> int:
    """A descriptor of the directory: it is ours and nobody else can enter it; it is made when it is missing. Where others may make names,
    as in /tmp, a link is not followed. Raises ConfigError, OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if _is_shared(path.parent) else 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        for missing in reversed([each for each in (path, *path.parents) if not each.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)  # parents=True would leave those open to others
        descriptor = os.open(path, flags)
    except NotADirectoryError:
        raise ConfigError("bad_directory", f"{path} is not a directory.", "Remove it, or set SECONDME_HOME elsewhere.") from None
    with contextlib.ExitStack() as refused:
        refused.callback(os.close, descriptor)
        facts = os.fstat(descriptor)
        if facts.st_uid != os.getuid():
            raise ConfigError("bad_directory", f"{path} belongs to somebody else.", "Set SECONDME_HOME to a directory of yours.")
        if facts.st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
        refused.pop_all()
    return descriptor


def _is_shared(directory: Path) -> bool:
    """True for a directory in which anybody may make names."""
    with contextlib.suppress(OSError):
        return bool(directory.stat().st_mode & stat.S_IWOTH)
    return False


def refuse_planted(path: Path) -> None:
    """Raises ConfigError when `path`, in a directory of everybody's, is there and is not our own private directory: somebody else made it,
    and whoever looked for a socket in it would talk to them."""
    try:
        facts = path.lstat()
    except OSError:
        return  # whoever makes it looks again
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise ConfigError(
            "planted_directory",
            f"{path} was made by somebody else, where this home's sockets belong.",
            "Remove it, or set SECONDME_HOME to a directory with a shorter name.",
        )


def private_dir(path: Path) -> Path:
    """`path` exists, is ours, and nobody else can enter it. Repeatable. Raises ConfigError when that cannot be had."""
    try:
        os.close(open_dir(path))
    except OSError as error:
        raise ConfigError(
            "unusable_directory",
            f"{path} cannot be used: {error.strerror or error}.",
            "Check its owner and mode, or set SECONDME_HOME to a directory of yours.",
        ) from error
    return path


def new_file(path: Path, mode: int = 0o600) -> BinaryIO:
    """A file that was not there before, to write and to read. Raises FileExistsError, also for a link, and OSError."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode), "w+b")


@contextlib.contextmanager
def replacement(path: Path, mode: int = 0o600, *, over: bool = True) -> Iterator[BinaryIO]:
    """A file beside `path` that is on the disk, and has its name, when all went well; else nothing is left of it and `path` is as before.

    Raises OSError; not `over` an older one: FileExistsError. What a killed process leaves ends in its `.<pid>.new`, and doctor removes it.
    """
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}.{os.getpid()}.new")
    try:
        with new_file(fresh, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if over:
            fresh.replace(path)
        else:
            path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """What killed processes left of a `replacement` of `path` is gone. For whoever is the only one to write it."""
    for left in path.parent.glob(f".{path.name}.*.new"):
        left.unlink(missing_ok=True)


def write_private(path: Path, data: str | bytes) -> None:
    """`path` holds exactly `data`, 0600; a crash leaves the old file or the new one. Raises OSError when the disk refuses, ConfigError as
    `private_dir`."""
    private_dir(path.parent)
    with replacement(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def read_private(path: Path, *, even_open: bool = False) -> str | None:
    """What `path` holds; None when there is no such file. Raises ConfigError when others can read it, unless `even_open`, for whoever
    reports just that; OSError and UnicodeError as ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "Not a file", str(path))
        if facts.st_uid != os.getuid() or (facts.st_mode & 0o077 and not even_open):
            raise ConfigError("open_credentials", f"{path} can be read by others.", f"chmod 600 {shlex.quote(str(path))}")
        return plain_text(file.read()).replace("\r\n", "\n")


def hold(path: Path, wait_s: float = 0.0) -> int | None:
    """A descriptor that holds the lock until it is closed; None while another process has it, longer than `wait_s`.

    Raises ConfigError when the file cannot be made. The file stays: removing a locked file would let two hold "the" lock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(
            "unusable_directory", f"{path.parent} cannot be written: {error.strerror}.", "Check its owner, mode and free space."
        ) from error
    if lock_within(descriptor, wait_s):
        return descriptor
    os.close(descriptor)
    return None


def lock_within(descriptor: int, wait_s: float, again_s: float = _TRY_AGAIN_S) -> bool:
    """True with the lock; false when somebody else kept it for `wait_s`."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(again_s)
        else:
            return True


def is_held(path: Path) -> bool:
    """True while a process holds the lock. Makes no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def packaged(stage: str, name: str) -> str:
    """The text of a file in `lists` of a stage of core: what comes with the package."""
    from importlib.resources import files  # noqa: PLC0415  most commands read none

    return files(f"secondme.core.{stage}").joinpath("lists", name).read_text("utf-8")


@cache
def table(
    stage: str, name: str
) -> dict[str, Any]:  # Any: TOML; each reader knows its own file's shape, and a test reads every file
    """What `lists/<name>.toml` of a stage says; read once."""
    import tomllib  # noqa: PLC0415  as above

    return tomllib.loads(packaged(stage, f"{name}.toml"))
