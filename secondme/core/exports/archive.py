"""Zips of exports, which anybody may have made: the chat is found by its name, among whatever media, and read as a stream.

Refused: encrypted, broken, unknown compression, names that point elsewhere, a table of contents or a text that is out of all proportion.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from secondme.core.errors import DataError
from secondme.core.format import size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZIP_MAGICS = frozenset({b"PK\x03\x04", b"PK\x05\x06"})
_ENCRYPTED = 0x1
_FREE_BYTES = 16 << 20
"""A text so small is no bomb, whatever it shrank to."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What the library says of a zip that is none."""
_FIX = "Export the chat again and give that file as it is."


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """Which file in a zip is the chat."""

    suffix: str
    """`.txt`"""
    name: str
    """The one that is it, wherever it lies: `_chat.txt`."""
    mark: str = ""
    """Else the one whose name has this in it: `whatsapp`."""

    def choose(self, names: list[str]) -> str | None:
        """The name of the chat; None when nothing or too much could be it."""
        mine = [name for name in names if name.casefold().endswith(self.suffix) and not name.startswith("__MACOSX/")]
        tail = {name: name.rpartition("/")[2].casefold() for name in mine}
        for found in (
            [name for name in mine if tail[name] == self.name],
            [name for name in mine if self.mark and self.mark in tail[name]],
            mine,
        ):
            if len(found) == 1:
                return found[0]
            if found:
                return None
        return None


class Archive:
    """A zip file."""

    def __init__(self, file: BinaryIO, path: Path, most_index_bytes: int) -> None:
        self._name = path.name
        try:
            self._zip = zipfile.ZipFile(cast("BinaryIO", _Modest(file, most_index_bytes, path.name)))
        except _BROKEN as error:
            raise self._refused("broken_archive", "is a broken zip") from error

    @contextlib.contextmanager
    def open(self, wanted: MemberChoice, most: int, ratio: int) -> Iterator[tuple[BinaryIO, int]]:
        """The chat's bytes, and how many they claim to be."""
        info = self._find(wanted)
        if info.file_size > most:
            raise self._refused("file_too_large", f"holds a text of {size(info.file_size)}, which is no chat export")
        try:
            member = self._zip.open(info)
        except _BROKEN as error:
            raise self._refused("broken_archive", "is a broken zip") from error
        with member:
            allowed = max(_FREE_BYTES, info.compress_size * ratio)
            yield cast("BinaryIO", _Member(member, allowed, self._name)), info.file_size

    def _find(self, wanted: MemberChoice) -> zipfile.ZipInfo:
        members = [info for info in self._zip.infolist() if not info.is_dir()]
        if any(_points_elsewhere(info.filename) for info in members):
            raise self._refused("hostile_archive", "has names in it that point outside of it")
        chosen = wanted.choose([info.filename for info in members])
        if chosen is None:
            raise self._refused("no_chat_in_archive", f"does not have exactly one {wanted.suffix} that can be the chat")
        info = self._zip.getinfo(chosen)
        if info.flag_bits & _ENCRYPTED:
            raise self._refused("encrypted_archive", "is encrypted", "Unpack it yourself and give the chat's file.")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise self._refused("broken_archive", "is packed in a way that WhatsApp and Telegram do not use")
        return info

    def _refused(self, code: str, what: str, fix: str = _FIX) -> DataError:
        return DataError(code, f"{self._name} {what}.", fix)


def _points_elsewhere(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or name[1:2] == ":" or "\0" in name


class _Member(io.RawIOBase):
    """What comes out of a zip, until it is out of proportion."""

    def __init__(self, member: IO[bytes], allowed: int, name: str) -> None:
        self._member = member
        self._left = allowed
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        try:
            block = self._member.read(size)
        except _BROKEN as error:
            raise DataError("broken_archive", f"{self._name} is a broken zip.", _FIX) from error
        self._left -= len(block)
        if self._left < 0:
            raise DataError("hostile_archive", f"{self._name} unpacks to far more than a chat would.", _FIX)
        return block


class _Modest(io.RawIOBase):
    """A file of which nothing large is read at once: zipfile reads a table of contents in one piece, however long it says it is."""

    def __init__(self, file: BinaryIO, most: int, name: str) -> None:
        self._file = file
        self._most = most
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        block = self._file.read(min(size, self._most + 1) if size >= 0 else self._most + 1)
        if len(block) > self._most:
            raise DataError("hostile_archive", f"{self._name} has a table of contents out of all proportion.", _FIX)
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As a file's."""
        return self._file.tell()

    def seekable(self) -> bool:
        """True."""
        return True
