"""How is a backup made while everything goes on? Channel files, then the store at one moment, then the mail; packed, read again, and only then named."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from secondme import __version__
from secondme.core.backup.archive import read_archive, write_archive
from secondme.core.backup.gathering import Gathered, gather_after, gather_before
from secondme.core.backup.manifest import FORMAT, STORE, Manifest
from secondme.core.backup.sealing import seal, unseal
from secondme.core.backup.store_export import save_store
from secondme.core.clock import from_ms
from secondme.core.config.paths import private_dir
from secondme.core.errors import BusyError, ConfigError
from secondme.core.fault_points import point
from secondme.core.store.lock import hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secondme.core.config.loader import Setup
    from secondme.core.ports import Clock
    from secondme.core.store.client import Store

ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made, and read again."""

    size: int
    manifest: Manifest
    skipped: list[str]


async def make_backup(setup: Setup, store: Store, into: BinaryIO, clock: Clock, passphrase: str | None) -> Made:
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
            gather_after(gathered, places)
            manifest = Manifest(
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
    return Made(os.fstat(into.fileno()).st_size, manifest, gathered.skipped)


def _pack(gathered: Gathered, manifest: Manifest, into: BinaryIO, passphrase: str | None) -> None:
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
