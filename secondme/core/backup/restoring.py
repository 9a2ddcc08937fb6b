"""How does a backup become a home again? It is unpacked beside the home and looked at to the last byte; a real server reads its store; then
the two change places. Until that is decided, nothing of the home was touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from secondme.core.backup.aof_writer import lay_down, private_store
from secondme.core.backup.archive import read_archive
from secondme.core.backup.manifest import CONFIG, DATA, STORE, Manifest, not_ours
from secondme.core.backup.sealing import is_sealed, unseal
from secondme.core.clock import from_ms
from secondme.core.config.paths import private_dir
from secondme.core.errors import BusyError, ConfigError
from secondme.core.fault_points import point
from secondme.core.store import keys
from secondme.core.store.lock import hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from secondme.core.backup.manifest import Member
    from secondme.core.backup.swapping import Swap
    from secondme.core.config.paths import Places
    from secondme.core.ports import Clock

_SPARE = 64 * 1024 * 1024
"""Bytes that stay free on the disk."""
_BEGINNING = 64
_SHORT_COMMAND_S = 2.0
"""How long a short command may still use the store."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A backup that lies beside its home, every byte of it as it was written."""

    manifest: Manifest
    digest: str
    """Which backup it is: the hash of what it says about itself."""


def look_into(file: BinaryIO, ask: Callable[[], str]) -> Manifest:
    """What is in the backup, all of it checked and none of it kept. `file` can be read again from its beginning. Raises as `unpack`."""
    return read_archive(_opened(file, ask), lambda _: None, 1 << 62)


def unpack(file: BinaryIO, swap: Swap, ask: Callable[[], str]) -> Unpacked:
    """The backup's files lie in `swap`, which is prepared. `ask` gives the passphrase, if it needs one.

    Raises DataError for everything that is not exactly a backup of ours, CredentialsError for a wrong passphrase, ConfigError when the disk refuses.
    """
    room = min(shutil.disk_usage(path).free for path in (swap.config, swap.data)) - _SPARE
    with contextlib.ExitStack() as opened:

        def take(member: Member) -> BinaryIO:
            opened.close()
            return opened.enter_context(_create(_place(swap, member.name)))

        try:
            manifest = read_archive(_opened(file, ask), take, room)
        except OSError as error:
            raise ConfigError(
                "restore_unwritable", f"The backup cannot be unpacked: {error.strerror}.", "Free some space."
            ) from error
    return Unpacked(manifest, hashlib.sha256(manifest.encode().encode()).hexdigest())


async def lay_store(swap: Swap, name: str, *, binary: str) -> int:
    """The store lies in the directory `name` of the new data, as an embedded server reads it, and one has read it; returns its keys. Signs
    of life are left out: no gateway of this home gave them."""
    store = swap.data / name
    lay_down(swap.data / STORE, store)
    async with private_store(store, binary=binary) as client:
        await client.delete(keys.GATEWAYS)
        return int(await client.dbsize())


def aside_name(clock: Clock) -> str:
    """How the directory for the old things is called."""
    return f"before-restore-{from_ms(clock.now_ms()):%Y%m%dT%H%M%SZ}"


@contextlib.asynccontextmanager
async def nobody_else(places: Places, clock: Clock) -> AsyncIterator[None]:
    """No gateway of this home runs or can start, and no private server of it, as long as this is open. Raises BusyError."""
    with contextlib.ExitStack() as held:
        gateway = hold(private_dir(places.data) / "gateway.lock")
        if gateway is None:
            raise BusyError(
                "gateway_running",
                "A gateway of this home is running.",
                "Stop it first:  secondme service stop, or Ctrl-C where it runs.",
            )
        held.callback(os.close, gateway)
        if places.store.is_dir():
            deadline = clock.monotonic() + _SHORT_COMMAND_S
            while (store := hold(places.store / "lock")) is None:
                if clock.monotonic() > deadline:
                    raise BusyError(
                        "store_in_use", "Another process uses this home's store.", "Close secondme tui, and what else of it runs."
                    )
                await clock.sleep(0.02)
            held.callback(os.close, store)
        yield


def _opened(file: BinaryIO, ask: Callable[[], str]) -> BinaryIO:
    beginning = file.read(_BEGINNING)
    file.seek(0)
    if not beginning:
        raise not_ours()
    return unseal(file, ask()) if is_sealed(beginning) else file


def _place(swap: Swap, name: str) -> Path:
    """Where a member is unpacked. Its name was checked when the manifest was read."""
    folder, _, rest = name.partition("/")
    return {CONFIG: swap.config / rest, DATA: swap.data / rest}[folder] if rest else swap.data / name


@contextlib.contextmanager
def _create(path: Path) -> Iterator[BinaryIO]:
    private_dir(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
    point("restore.unpacked")
