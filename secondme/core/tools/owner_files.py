"""Files of the owner, as skills are told of them: read below one folder without following a link, and no more than was agreed on."""

from __future__ import annotations

import os
import stat
import unicodedata
from typing import TYPE_CHECKING

from secondme.core.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEPTH = 6
_MOST_FILES = 1000


def read_file(path: Path, most_bytes: int) -> bytes:
    """What the file holds; `~` is the owner's home. Raises NotFoundError for what is none, or a link; DataError when it is longer."""
    try:
        return _read(os.open(path.expanduser(), _PLAIN), most_bytes)
    except OSError as error:
        raise NotFoundError("no_such_file", "That is no file, or a link, or cannot be read.") from error


def read_files(path: Path, endings: tuple[str, ...], most_bytes: int, most_together: int) -> list[tuple[str, bytes]]:
    """The file `path`, or every file below the folder whose name has one of these endings, by its way there, in order. Links, hidden
    files and what is longer are left out; so is what is over the bounds together. Raises NotFoundError when there is neither."""
    try:
        root = os.open(path.expanduser(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the owner typed it: it may be a link
    except NotADirectoryError:
        return [(path.name, read_file(path, most_bytes))]
    except OSError as error:
        raise NotFoundError("no_such_folder", "There is no such folder, or it cannot be read.") from error
    found: list[tuple[str, bytes]] = []
    left = most_together
    try:
        for name, raw in _walk(root, "", endings, most_bytes):
            left -= len(raw)
            if left < 0 or len(found) >= _MOST_FILES:
                break
            found.append((name, raw))
    finally:
        os.close(root)
    return found


def _walk(folder: int, way: str, endings: tuple[str, ...], most_bytes: int, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Each name is opened from the folder above it, and no link is followed: nothing outside is reached, whatever is swapped meanwhile."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        is_wanted = name.lower().endswith(endings)
        if name.startswith(".") or not name.isprintable():
            continue
        try:
            opened = os.open(name, _PLAIN if is_wanted else _PLAIN | os.O_DIRECTORY, dir_fd=folder)
        except OSError:
            continue  # a link, another kind of file, or not for us
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            try:
                if depth < _DEPTH:
                    yield from _walk(opened, f"{way}{name}/", endings, most_bytes, depth + 1)
            finally:
                os.close(opened)
            continue
        try:
            yield unicodedata.normalize("NFC", way + name), _read(opened, most_bytes)
        except (DataError, OSError):
            continue


def _read(opened: int, most_bytes: int) -> bytes:
    """All that the descriptor has, which is closed afterwards."""
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError
        raw = file.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise DataError("too_long", f"It has more than {most_bytes} bytes.")
    return raw
