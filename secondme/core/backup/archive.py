"""The file of a backup: a manifest with the size and hash of every member, tar and gzip, and age encryption on request.

Reading trusts nothing: names, sizes and hashes are checked before anything is written.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import Field, ValidationError

from secondme.core.errors import ConfigError, CredentialsError, DataError
from secondme.core.fault_points import point
from secondme.core.records import Moment, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


FORMAT = 1
NAME = "manifest.json"
STORE = "store.rdb"
"""The store at one moment."""
CONFIG, DATA = "config", "data"
"""Folders of the archive: what lies beside `config.toml`, and what lies in the data directory."""
MOST_BYTES = 16 * 1024 * 1024
"""Of the manifest itself: some 100,000 members."""
MOST_MEMBERS = 100_000
_LONGEST_NAME = 1024
_DEEPEST = 12
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILES = frozenset(
    {
        f"{CONFIG}/config.toml",
        f"{CONFIG}/credentials.json",
        f"{CONFIG}/.env",
        f"{CONFIG}/skills.lock",
        f"{DATA}/api.token",
        f"{DATA}/api-tokens.json",
        STORE,
    }
)
_FOLDERS = (
    f"{CONFIG}/personas/",
    f"{CONFIG}/skills/",
    f"{DATA}/channels/",
    f"{DATA}/local/",
    f"{DATA}/skill-snapshots/",
    f"{DATA}/memory/",
    f"{DATA}/memory-keys/",
    f"{DATA}/media/",
)


class Member(Record):
    """One file of the archive."""

    name: str
    size: int = Field(ge=0)
    sha256: str


class BackupManifest(Record):
    """What is in the archive, in the order in which it comes."""

    format: int
    version: str
    """Of secondme."""
    made_at: Moment
    store_kind: str
    """`embedded` or `redis_url`: where the store was."""
    members: list[Member] = Field(max_length=MOST_MEMBERS)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def contents(self) -> dict[str, Any]:  # JSON values
        """What is in it, for a person who wants to know whether it is the right one."""
        names = {member.name: member.size for member in self.members}
        return {
            "settings": f"{CONFIG}/config.toml" in names,
            "secrets": bool({f"{CONFIG}/.env", f"{CONFIG}/credentials.json"} & set(names)),
            "personas": sum(name.startswith(f"{CONFIG}/personas/") for name in names),
            "skills": len({name.split("/")[2] for name in names if name.startswith(f"{CONFIG}/skills/")}),
            "channels": sorted({name.split("/")[2] for name in names if name.startswith(f"{DATA}/channels/")}),
            "mail": sum(name.startswith(f"{DATA}/local/") and name.endswith(".jsonl") for name in names),
            "memories": sum(name.startswith(f"{DATA}/memory/") for name in names),
            "media": sum(name.startswith(f"{DATA}/media/") for name in names),
            "memoryKeys": sum(name.startswith(f"{DATA}/memory-keys/") for name in names),
            "storeBytes": names[STORE],
        }


def read_manifest(raw: bytes) -> BackupManifest:
    """The manifest that `raw` holds. Raises DataError when it is none, of a newer format, or names what no backup of ours has."""
    try:
        manifest = BackupManifest.model_validate_json(raw)
    except (ValidationError, RecursionError):
        if (newer := _newer(raw)) is not None:
            raise newer from None
        raise not_ours() from None  # the original would repeat a stranger's bytes
    if manifest.format != FORMAT:
        raise _newer(raw) or not_ours()
    check_names([member.name for member in manifest.members])
    if not all(_HASH.fullmatch(member.sha256) for member in manifest.members):
        raise not_ours()
    return manifest


def check_names(names: Sequence[str]) -> None:
    """Each name is a place of ours and comes once; with the store among them. Raises DataError."""
    if not all(map(_is_safe, names)):
        raise DataError(
            "backup_bad_name", "The backup names a file outside of a home: it is damaged or forged.", "Use another one."
        )
    if len({name.casefold() for name in names}) != len(names) or STORE not in names:
        raise not_ours()


def not_ours() -> DataError:
    """The error for a file that is no backup."""
    return DataError(
        "not_a_backup", "That is no backup of secondme, or it is damaged.", "Use a file that `secondme backup` has written."
    )


def _is_safe(name: str) -> bool:
    if name in _FILES:
        return True
    parts = name.split("/")
    return (
        name.startswith(_FOLDERS)
        and len(name) <= _LONGEST_NAME
        and len(parts) <= _DEEPEST
        and all(part not in {"", ".", ".."} for part in parts)
        and name.isprintable()
        and "\\" not in name
    )


def _newer(raw: bytes) -> DataError | None:
    """The error for a manifest of a later version, whatever else is in it."""
    found = re.match(rb'\s*\{\s*"format"\s*:\s*([0-9]{1,9})\s*[,}]', raw)
    if found is None or int(found[1]) <= FORMAT:
        return None
    return DataError(
        "backup_too_new", "The backup was made by a newer secondme.", "Upgrade this one first:  pip install --upgrade secondme"
    )


_BEGINNINGS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
MOST_SEALED_BYTES = 128 * 1024 * 1024
"""The library encrypts in memory and needs five times as much, beside the 512 MB that make a passphrase hard to guess."""


def is_sealed(beginning: bytes) -> bool:
    """True when a file that begins like this is encrypted."""
    return beginning.startswith(_BEGINNINGS)


def seal(plain: Path, into: BinaryIO, passphrase: str) -> None:
    """`into` holds what `plain` does, for whoever knows the passphrase. Takes a second by intent.

    Raises ConfigError when there is too much of it or the library is missing.
    """
    pyrage = _library()
    if plain.stat().st_size > MOST_SEALED_BYTES:
        raise ConfigError(
            "backup_too_large_to_encrypt", "The backup is too large to be encrypted here.", "secondme backup - | age -p > FILE.age"
        )
    into.write(pyrage.passphrase.encrypt(plain.read_bytes(), passphrase))


def unseal(sealed: BinaryIO, passphrase: str) -> BinaryIO:
    """What was encrypted; it touches no disk. Raises CredentialsError for a wrong passphrase, DataError for a damaged file."""
    pyrage = _library()
    raw = sealed.read(MOST_SEALED_BYTES * 11 // 10)
    if sealed.read(1):
        raise ConfigError(
            "backup_too_large_to_decrypt",
            "The backup is too large to be decrypted here.",
            "age -d FILE | secondme restore - --yes",
        )
    try:
        return io.BytesIO(pyrage.passphrase.decrypt(raw, passphrase))
    except pyrage.DecryptError as error:
        said = str(error)
        if "xcessive work" in said:
            raise DataError(
                "backup_costly", "Its passphrase would take minutes to check: it is no backup of ours.", "age -d FILE"
            ) from None
        if said in {"Decryption failed", "No matching keys found"}:
            raise CredentialsError(
                "wrong_passphrase", "The passphrase does not open the backup.", "Try the one it was made with."
            ) from None
        raise DataError("backup_damaged", "The encrypted backup is damaged.", "Use another one.") from None


def _library() -> Any:  # a module with no types of its own
    try:
        import pyrage  # type: ignore[import-untyped]  # noqa: PLC0415  2 MB that only an encrypted backup needs
    except ImportError:
        raise ConfigError("no_age", "Encrypting needs the package pyrage.", "pip install pyrage") from None
    return pyrage


_CHUNK = 256 * 1024
_LEVEL = 6
_OVERHEAD = 8 * 1024
"""Bytes around a member: its header, one for a long name, and padding. The end of the archive is padded to 10 KB."""


def write_archive(into: BinaryIO, manifest: BackupManifest, files: Mapping[str, Path]) -> None:
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


def read_archive(raw: BinaryIO, take: Callable[[Member], BinaryIO | None], room: int) -> BackupManifest:
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
