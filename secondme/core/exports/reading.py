"""Opening an export that anybody may have made: a plain text or a zip, read as a stream, bounded, never unpacked to disk."""

from __future__ import annotations

import codecs
import contextlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self

from secondme.core.errors import DataError, NotFoundError
from secondme.core.exports.archive import ZIP_MAGICS, Archive, MemberChoice
from secondme.core.format import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


_BLOCK = 1 << 16


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

    def check(self) -> Self:
        """It is a file, of bearable size, and can be opened; `size` is known."""
        with self._opened():
            pass
        return self

    @contextlib.contextmanager
    def stream(self, progress: Callable[[int], None] | None = None) -> Iterator[Counted]:
        """The text's bytes from the beginning. `progress` is told how many more were read."""
        with self._opened() as raw:
            yield Counted(raw, self._bounds.file_bytes, self.path.name, progress)

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
                if file.read(4) in ZIP_MAGICS:
                    file.seek(0)
                    archive = Archive(file, self.path, self._bounds.archive_index_bytes)
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
        self.count = 0

    def read(self, most: int = _BLOCK) -> bytes:
        """At most `most` more bytes; none at the end."""
        block = self._raw.read(min(most, _BLOCK) if most >= 0 else _BLOCK)
        self.count += len(block)
        if self.count > self._left:
            raise DataError("file_too_large", f"{self._name} holds more than {size(self._left)} of text: that is no chat export.")
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
    return DataError(
        "wrong_encoding", f"{name} is neither UTF-8 nor UTF-16 text.", "Export the chat again and give that file as it is."
    )
