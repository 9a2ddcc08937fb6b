"""Archives of skills: a zip becomes files in memory, bounded in every direction; nothing of it is written before it was looked at."""

from __future__ import annotations

import stat
import unicodedata
import zipfile
import zlib
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.format import size
from secondme.core.text import safe_name
from secondme.skills.loader import MOST_BYTES, MOST_FILES

if TYPE_CHECKING:
    from pathlib import Path

_MOST_RATIO = 100
_MOST_ENTRIES = 4 * MOST_FILES
_LONGEST_PATH = 200


def read_zip(path: Path) -> tuple[str, dict[str, bytes]]:
    """The name of the one folder in the archive (or of the archive), and its files. Raises DataError for everything odd."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _odd(f"it is larger than {size(MOST_BYTES)}")
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.stem)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, ValueError) as error:
        raise _odd("it is no zip that can be read") from error


def _read(archive: zipfile.ZipFile, name: str) -> tuple[str, dict[str, bytes]]:
    listed = archive.infolist()
    if not all(each.filename for each in listed):
        raise _odd("a file in it has no name")
    entries = [each for each in listed if not each.is_dir()]
    if len(entries) > _MOST_ENTRIES or len(entries) > MOST_FILES:
        raise _odd(f"there are more than {MOST_FILES} files in it")
    if sum(each.file_size for each in entries) > MOST_BYTES:
        raise _odd(f"what is in it is larger than {size(MOST_BYTES)}")
    files: dict[str, bytes] = {}
    for entry in entries:
        parts = _parts(entry)
        if "__MACOSX" in parts or any(part.startswith(".") for part in parts):
            continue
        where = "/".join(parts)
        if where.casefold() in {each.casefold() for each in files}:
            raise _odd(f"{safe_name(where)} is in it twice")
        if entry.file_size > _MOST_RATIO * max(entry.compress_size, 1):
            raise _odd("it is packed too tightly to be a skill")
        with archive.open(entry) as file:
            raw = file.read(entry.file_size + 1)
        if len(raw) > entry.file_size or sum(map(len, files.values())) + len(raw) > MOST_BYTES:
            raise _odd("it is larger than it says")
        files[where] = raw
    tops = {path.partition("/")[0] for path in files}
    if len(tops) == 1 and all("/" in path for path in files):
        (name,) = tops
        files = {path.partition("/")[2]: raw for path, raw in files.items()}
    return name, files


def _parts(entry: zipfile.ZipInfo) -> list[str]:
    """The way of an entry below the folder; raises DataError for one that leads elsewhere, and for what is no plain file."""
    mode = entry.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise _odd("it has links or devices in it")
    where = unicodedata.normalize("NFC", entry.filename)
    parts = where.split("/")
    bad = {"", ".", ".."} & set(parts)
    if bad or "\\" in where or ":" in where or not where.isprintable() or len(where) > _LONGEST_PATH or where.startswith("/"):
        raise _odd("a path in it leads out of it, or cannot be a file's")
    return parts


def _odd(words: str) -> DataError:
    return DataError(
        "bad_skill_archive", f"The archive cannot be used: {words}.", "Ask whoever made it for a plain zip of the folder."
    )
