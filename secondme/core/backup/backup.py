"""Making a backup while everything goes on: channel files, then the store at one moment, then mail; packed, read again, and only then named."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from secondme import __version__
from secondme.core.backup.archive import (
    CONFIG,
    DATA,
    FORMAT,
    STORE,
    BackupManifest,
    Member,
    check_names,
    read_archive,
    seal,
    unseal,
    write_archive,
)
from secondme.core.backup.store import note_backup, save_store
from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, ConfigError, DataError
from secondme.core.fault_points import point
from secondme.core.files import hold, private_dir
from secondme.core.memory.cipher import MemoryKeys, copy_encrypted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secondme.core.config.loader import Setup
    from secondme.core.config.paths import Places
    from secondme.core.ports import Clock
    from secondme.core.store.client import Store


_CHUNK = 256 * 1024
_SQLITE = b"SQLite format 3\0"
_TRIES, _AGAIN_S = 50, 0.1
"""How often a database that somebody is writing to is tried."""
_LEFT_OUT = (".lock", ".new", ".sock", "-wal", "-shm", "-journal")
"""Locks, files that are being written, sockets, and what SQLite keeps beside a database: that is in the copy already."""


class Gathered:
    """Copies of files in a directory of ours, each with its place in the archive."""

    def __init__(self, room: Path) -> None:
        self.room = room
        self.members: list[Member] = []
        self.files: dict[str, Path] = {}
        self.skipped: list[str] = []
        """What was there and is not in the backup, and is no passing thing."""

    def take(self, name: str, source: Path, *, through_links: bool, key: str | None = None) -> None:
        """A copy of `source` is here, unless it is gone; a database with a `key` is copied as it is, encrypted. Links are followed only where
        the owner puts files with their own hands."""
        try:
            check_names([name, "store.rdb"])
        except DataError:
            self.skipped.append(name)
            return
        copy = self.room / str(len(self.files))
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if through_links else os.O_NOFOLLOW)
        try:
            descriptor = os.open(source, flags)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(
                "unreadable_file", f"{source} cannot be read: {error.strerror}.", "Check its owner and mode."
            ) from error
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.skipped.append(name)
                return
            beginning = file.read(len(_SQLITE))
            if beginning == _SQLITE:
                _copy_database(source, copy)
            elif key is not None:
                copy_encrypted(source, copy, key)
            else:
                file.seek(0)
                with copy.open("wb") as into:
                    while chunk := file.read(_CHUNK):
                        into.write(chunk)
        self.add(name, copy)

    def add(self, name: str, copy: Path) -> None:
        """`copy`, which nobody changes any more, is a member."""
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.files[name] = copy
        self.members.append(Member(name=name, size=copy.stat().st_size, sha256=digest))


def gather_before(gathered: Gathered, places: Places) -> None:
    """What must not be newer than the store: a message that a channel holds until the store has it is in one of both, or in both, which is
    no harm: it has the same id."""
    for path in (places.config_file, places.credentials, places.config / ".env"):
        gathered.take(f"{CONFIG}/{path.name}", path, through_links=True)
    for name, path in _below(places.personas, through_links=True):
        gathered.take(f"{CONFIG}/personas/{name}", path, through_links=True)
    gathered.take(f"{CONFIG}/{places.skills_lock.name}", places.skills_lock, through_links=True)
    for name, path in _below(places.skills, through_links=False):
        gathered.take(f"{CONFIG}/skills/{name}", path, through_links=False)
    for name, path in _below(places.skill_snapshots, through_links=False):
        gathered.take(f"{DATA}/skill-snapshots/{name}", path, through_links=False)
    for name, path in _below(places.data / "channels", through_links=False):
        gathered.take(f"{DATA}/channels/{name}", path, through_links=False)
    for path in (places.api_token, places.api_tokens):
        gathered.take(f"{DATA}/{path.name}", path, through_links=False)


def gather_after(gathered: Gathered, places: Places, *, with_memory_keys: bool = False, with_media: bool = False) -> None:
    """What must not be older than the store: a message that the store calls delivered is in the mail, and one that left a journal is in
    memory. One that is there too early is recognised by its id. Of memory only what was said is kept: the rest is made from it."""
    for name, path in _below(places.local_mail, through_links=False):
        gathered.take(f"{DATA}/local/{name}", path, through_links=False)
    for name, path in _below(places.memory, through_links=False):
        if name.endswith(".db"):
            key = MemoryKeys(places.memory_keys).find(path.stem)
            gathered.take(f"{DATA}/memory/{name}", path, through_links=False, key=key)
    for name, path in _below(places.memory_keys, through_links=False) if with_memory_keys else ():
        gathered.take(f"{DATA}/{places.memory_keys.name}/{name}", path, through_links=False)
    for name, path in _below(places.media, through_links=False) if with_media else ():
        gathered.take(f"{DATA}/{places.media.name}/{name}", path, through_links=False)


def _below(directory: Path, *, through_links: bool) -> Iterator[tuple[str, Path]]:
    """Every file below `directory`, with its path from there, in order."""
    for here, folders, files in os.walk(directory):
        folders.sort()
        for name in sorted(files):
            path = directory / here / name
            if name == "lock" or name.endswith(_LEFT_OUT) or (path.is_symlink() and not through_links) or not path.is_file():
                continue
            yield path.relative_to(directory).as_posix(), path


def _copy_database(source: Path, copy: Path) -> None:
    """`copy` is the database at one moment, whoever writes to it meanwhile. Copying its file would tear it."""
    tries = 0

    def give_up(status: int, *_: int) -> None:  # the library itself would try for ever
        nonlocal tries
        tries += status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
        if tries > _TRIES:
            raise sqlite3.OperationalError("locked")

    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=0)) as there,
            contextlib.closing(sqlite3.connect(copy)) as here,
        ):
            there.backup(here, progress=give_up, sleep=_AGAIN_S)
            here.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise DataError("database_unreadable", f"{source} cannot be copied.", "Stop the gateway, or look at the file.") from error


ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made, and read again."""

    size: int
    manifest: BackupManifest
    skipped: list[str]


async def make_backup(
    setup: Setup,
    store: Store,
    into: BinaryIO,
    clock: Clock,
    passphrase: str | None,
    *,
    with_memory_keys: bool = False,
    with_media: bool = False,
) -> Made:
    """`into` (open for reading and writing, empty) holds everything, encrypted when there is a passphrase, and was read again.

    Raises BusyError while another backup is being made, ConfigError when the disk or a file refuses, and as `save_store`.
    """
    places = setup.places
    with _room(places.data) as room:
        gathered = Gathered(room)
        try:
            gather_before(gathered, places)
            snapshot = room / STORE
            snapshot.touch(0o600)
            await save_store(store, snapshot, clock, binary=setup.settings.store.server)
            gathered.add(STORE, snapshot)
            point("backup.store_saved")
            gather_after(gathered, places, with_memory_keys=with_memory_keys, with_media=with_media)
            manifest = BackupManifest(
                format=FORMAT,
                version=__version__,
                made_at=from_ms(clock.now_ms()),
                store_kind="embedded" if store.server is not None else "redis_url",
                members=gathered.members,
            )
            _pack(gathered, manifest, into, passphrase)
        except OSError as error:
            raise ConfigError(
                "backup_unwritable", f"The backup cannot be written: {error.strerror}.", "Free some space."
            ) from error
    await note_backup(store, clock)
    return Made(os.fstat(into.fileno()).st_size, manifest, gathered.skipped)


def _pack(gathered: Gathered, manifest: BackupManifest, into: BinaryIO, passphrase: str | None) -> None:
    if passphrase is None:
        write_archive(into, manifest, gathered.files)
    else:
        packed = gathered.room / "packed"
        with packed.open("wb") as file:
            write_archive(file, manifest, gathered.files)
        seal(packed, into, passphrase)
    into.flush()
    os.fsync(into.fileno())
    into.seek(0)
    read_archive(into if passphrase is None else unseal(into, passphrase), lambda _: None, ENDLESS)


@contextlib.contextmanager
def _room(data: Path) -> Iterator[Path]:
    """An empty directory beside the data, with its protection. What a killed backup left there is gone."""
    descriptor = hold(private_dir(data) / "backup.lock")
    if descriptor is None:
        raise BusyError("backup_running", "Another backup of this home is being made.", "Wait for it.")
    room = data / "backing-up"
    try:
        shutil.rmtree(room, ignore_errors=True)
        yield private_dir(room)
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(descriptor)
