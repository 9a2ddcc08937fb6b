"""How are the files laid into one, and how is one taken apart that anybody may have made? As tar and gzip, which every machine can read.

Reading trusts nothing: the manifest comes first, then exactly the members it names, in its order, each a plain file of its size and hash.
How much is unpacked is known before, and counted while it comes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from secondme.core.backup.manifest import MOST_BYTES, NAME, Manifest, not_ours, read_manifest
from secondme.core.errors import DataError
from secondme.core.fault_points import point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from secondme.core.backup.manifest import Member

_CHUNK = 256 * 1024
_LEVEL = 6
_OVERHEAD = 8 * 1024
"""Bytes around a member: its header, one for a long name, and padding. The end of the archive is padded to 10 KB."""


def write_archive(into: BinaryIO, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """`into` holds the archive. `files` says where each member lies."""
    with (
        gzip.GzipFile(fileobj=into, mode="wb", compresslevel=_LEVEL, filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        said = manifest.encode().encode()
        when = int(manifest.made_at.timestamp())
        tar.addfile(_entry(NAME, len(said), when), io.BytesIO(said))
        for member in manifest.members:
            with files[member.name].open("rb") as file:
                tar.addfile(_entry(member.name, member.size, when), file)


def _entry(name: str, size: int, when: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, when
    return entry


def read_archive(raw: BinaryIO, take: Callable[[Member], BinaryIO | None], room: int) -> Manifest:
    """Every member had its size and its hash; returns what the archive says about itself.

    `take` is asked where to write each; None: nowhere. Raises DataError for everything that is not exactly a backup of ours, or is larger
    than `room` bytes. What was taken before that is for the caller to remove.
    """
    forward = _Forward(raw)
    try:
        tar = tarfile.TarFile(fileobj=forward, mode="r")  # type: ignore[arg-type]  # it only finds the headers; members are read past it
        manifest = read_manifest(b"".join(forward.pieces(_size_of(_next(tar), NAME, MOST_BYTES))))
        if manifest.size > room:
            raise DataError("backup_too_large", "There is not enough room on the disk to unpack the backup.", "Free some space.")
        forward.left = manifest.size + _OVERHEAD * (len(manifest.members) + 2)
        for member in manifest.members:
            if _size_of(_next(tar), member.name, member.size) != member.size:
                raise _damaged()
            _read_member(forward, member, take(member))
            point("archive.member")
        if _next(tar) is not None:
            raise not_ours()
        forward.finish()
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise  # the disk, not the archive
        raise not_ours() from None
    return manifest


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    entry = tar.next()
    tar.members.clear()  # type: ignore[attr-defined]  # the library keeps every entry it has seen
    return entry


def _size_of(entry: tarfile.TarInfo | None, name: str, most: int) -> int:
    """The bytes of the plain file that comes next. Raises DataError when it is something else."""
    if entry is None or entry.type != tarfile.REGTYPE or entry.issparse() or entry.name != name or not 0 <= entry.size <= most:
        raise not_ours() if name == NAME else _damaged()
    return entry.size


def _read_member(forward: _Forward, member: Member, into: BinaryIO | None) -> None:
    found = hashlib.sha256()
    for piece in forward.pieces(member.size):
        found.update(piece)
        if into is not None:
            into.write(piece)
    if found.hexdigest() != member.sha256:
        raise _damaged()


def _damaged() -> DataError:
    return DataError("backup_damaged", "The backup is damaged: a file in it is not as it was written.", "Use another one.")


class _Forward:
    """What a gzip file holds, read only forward, and no more of it than is expected. In the shape that `tarfile` takes."""

    def __init__(self, raw: BinaryIO) -> None:
        self._zipped = gzip.GzipFile(fileobj=raw, mode="rb")
        self._at = 0
        self.left = MOST_BYTES + 2 * _OVERHEAD

    def read(self, size: int) -> bytes:
        """A header, or what belongs to one: never much, however large it says it is."""
        if not 0 <= size <= _OVERHEAD:
            raise not_ours()
        return self._read(size)

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> None:
        if to < self._at:
            raise not_ours()
        while self._at < to:
            if not self._read(min(to - self._at, _CHUNK)):
                raise EOFError

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes. Raises EOFError when there are fewer."""
        while size:
            piece = self._read(min(size, _CHUNK))
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    def finish(self) -> None:
        """The compressed data has ended as it should: its own checksum is right, and little came after the last member."""
        while self._read(_CHUNK):
            pass

    def _read(self, size: int) -> bytes:
        data = self._zipped.read(size)
        self._at += len(data)
        self.left -= len(data)
        if self.left < 0:
            raise not_ours()
        return data
