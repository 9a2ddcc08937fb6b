"""Exports that anybody may have made: a plain text, or the chat in a zip, read as a stream, bounded, never unpacked to disk.

Refused of zips: encrypted, broken, unknown compression, names that point elsewhere, a table of contents or a text out of all proportion.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, Self, cast

from secondme.core.errors import DataError, NotFoundError
from secondme.core.format import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


_BLOCK = 1 << 16
_ZIP_MAGICS = frozenset({b"PK\x03\x04", b"PK\x05\x06"})
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is refused for its size. Far beyond any honest export: WhatsApp ends one after 40,000 messages."""

    file_bytes: int = 2 << 30
    """Of text, unpacked."""
    line_characters: int = 1 << 20
    """WhatsApp's longest message has 65,536."""
    archive_ratio: int = 200
    """How much more may come out of a zip than went in; a chat shrinks to a fifth, a bomb to a thousandth."""
    archive_index_bytes: int = 32 << 20
    """Of a zip's table of contents: some 300,000 files."""


class ExportFile:
    """One file to read, several times if need be. Raises DataError, in plain words, for whatever cannot be read."""

    def __init__(self, path: Path, wanted: MemberChoice, bounds: Bounds | None = None) -> None:
        self.path = path
        self._wanted = wanted
        self._bounds = bounds or Bounds()
        self.size = 0
        """Bytes to come, as far as is known before they are read."""
        self.digest = ""
        """Of the chat's bytes, packed or not (SHA-256, the first 24 hexadecimal digits), once they were read to their end."""

    def check(self) -> Self:
        """It is a file, of bearable size, and can be opened; `size` is known."""
        with self._opened():
            pass
        return self

    @contextlib.contextmanager
    def stream(self, progress: Callable[[int], None] | None = None) -> Iterator[Counted]:
        """The text's bytes from the beginning. `progress` is told how many more were read."""
        with self._opened() as raw:
            counted = Counted(raw, self._bounds.file_bytes, self.path.name, progress)
            yield counted
            if counted.is_over:
                self.digest = counted.digest()

    def lines(self, progress: Callable[[int], None] | None = None) -> Iterator[str]:
        """Its lines, without their ends: U+000A ends one, and U+000D in front of it belongs to the end. Nothing else does."""
        with self.stream(progress) as raw:
            rest = ""
            for text in _decoded(raw, self.path.name):
                *whole, rest = (rest + text).split("\n") if rest else text.split("\n")
                for line in whole:
                    yield line.removesuffix("\r")
                if len(rest) > self._bounds.line_characters:
                    raise DataError(
                        "line_too_long",
                        f"{self.path.name} has a line of more than {self._bounds.line_characters:,} characters: that is no chat.",
                    )
            if rest:
                yield rest

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self._open_file() as file:
                if file.read(4) in _ZIP_MAGICS:
                    file.seek(0)
                    archive = _Archive(file, self.path, self._bounds.archive_index_bytes)
                    with archive.open(self._wanted, self._bounds.file_bytes, self._bounds.archive_ratio) as (member, size):
                        self.size = size
                        yield member
                else:
                    file.seek(0)
                    yield file
        except OSError as error:
            raise DataError(
                "unreadable_file", f"{self.path.name} cannot be read: {error.strerror or 'input/output error'}."
            ) from error

    def _open_file(self) -> BinaryIO:
        try:
            facts = self.path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError("no_such_file", f"There is no file {self.path.name}.") from error
        if not stat.S_ISREG(facts.st_mode):
            raise DataError("not_a_file", f"{self.path.name} is not a file.", "Give the exported .txt, .zip or .json.")
        self.size = facts.st_size
        return self.path.open("rb")


class Counted:
    """A stream of bytes that ends with a refusal when it gives too many."""

    def __init__(self, raw: BinaryIO, most: int, name: str, progress: Callable[[int], None] | None) -> None:
        self._raw = raw
        self._left = most
        self._name = name
        self._progress = progress
        self._hash = hashlib.sha256()
        self.count = 0
        self.is_over = False

    def digest(self) -> str:
        """Of the bytes that came: SHA-256, the first 24 hexadecimal digits."""
        return self._hash.hexdigest()[:24]

    def read(self, most: int = _BLOCK) -> bytes:
        """At most `most` more bytes; none at the end."""
        block = self._raw.read(min(most, _BLOCK) if most >= 0 else _BLOCK)
        self.count += len(block)
        if self.count > self._left:
            raise DataError("file_too_large", f"{self._name} holds more than {size(self._left)} of text: that is no chat export.")
        self._hash.update(block)
        self.is_over = not block and most != 0
        if self._progress is not None:
            self._progress(len(block))
        return block


def _decoded(raw: Counted, name: str) -> Iterator[str]:
    block = raw.read()
    encoding = _encoding(block, name)
    decoder = codecs.getincrementaldecoder(encoding)()
    while True:
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise _not_text(name) from error
        if "\0" in text:
            raise _not_text(name)
        if text:
            yield text
        if not block:
            return
        block = raw.read()


def _encoding(head: bytes, name: str) -> str:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise _not_text(name)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _not_text(name: str) -> DataError:
    return DataError("wrong_encoding", f"{name} is neither UTF-8 nor UTF-16 text.", _FIX)


class _Archive:
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
