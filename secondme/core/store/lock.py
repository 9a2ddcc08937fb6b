"""Who may own a thing of which there is one? A locked file: the kernel frees it with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def hold(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed; None while another process has it.

    Raises ConfigError when the file cannot be made. The file stays: removing a locked file would let two hold "the" lock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(
            "unusable_directory", f"{path.parent} cannot be written: {error.strerror}.", "Check its owner, mode and free space."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


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
