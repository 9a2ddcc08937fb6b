"""Putting a backup in the place of a home: unpacked beside it, checked to the last byte, read by a real server, then swapped in.

A note on disk says that the swap is decided: whatever happens meanwhile, the next start finishes or undoes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from secondme.core.backup.archive import CONFIG, DATA, STORE, BackupManifest, Member, is_sealed, not_ours, read_archive, unseal
from secondme.core.backup.store import forward_jobs
from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, ConfigError
from secondme.core.fault_points import point
from secondme.core.files import hold, new_file, private_dir, remove_unfinished, replacement
from secondme.core.store import keys
from secondme.core.store.rdb import lay_down, private_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from secondme.core.config.paths import Places
    from secondme.core.ports import Clock


_STAGE = "restoring"
_ASIDE = re.compile(r"before-restore-[0-9TZ-]{1,40}", re.ASCII)


class Swap:
    """The change of one home. Nothing is created by looking."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.config = places.config / _STAGE
        """What will lie beside `config.toml`."""
        self.data = places.data / f"{_STAGE}-data"
        """What will lie in the data directory. On some machines that is the same directory."""
        self._note = places.restore_note

    @property
    def is_decided(self) -> bool:
        """True when a change was begun and has not ended."""
        return self._note.exists()

    def prepare(self) -> None:
        """There is an empty place for what is new. What an earlier try left there is gone. Must not be called when decided."""
        self.discard()
        private_dir(self.config)
        private_dir(self.data)

    def discard(self) -> None:
        """Nothing is beside the home any more. Must not be called when decided."""
        assert not self.is_decided
        remove_unfinished(self._note)
        shutil.rmtree(self.config, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def decide(self, aside: str) -> None:
        """From now on the new home counts: `finish` brings it about, now or after a crash. `aside` names the directory for the old things.

        Everything that is new is on the disk before.
        """
        _sync_tree(self.config)
        _sync_tree(self.data)
        for _, target in self._pairs():
            _check_movable(target)
        kept = {self.places.memory_keys, self.places.media}  # most backups have none, and those that are here are still good
        absent = [target.name for staged, target in self._pairs() if not staged.exists() and target not in kept]
        with replacement(self._note) as file:
            file.write(json.dumps({"aside": aside, "absent": absent}).encode())
            point("restore.deciding")
        _sync(self._note.parent)
        point("restore.decided")

    def finish(self) -> list[Path]:
        """Everything new is in its place; returns where the old things are now. Repeatable, and safe to be killed in: until `forget`, it is decided."""
        aside, absent = self._read_note()
        for staged, target in self._pairs():
            old = target.parent / aside
            is_staged = os.path.lexists(staged)
            if os.path.lexists(target) and (is_staged or (target.name in absent and not os.path.lexists(old / target.name))):
                private_dir(old)
                target.rename(_free(old / target.name))
                point("restore.moved_aside")
            if is_staged:
                staged.rename(target)
                point("restore.moved_in")
        for directory in {self.places.config, self.places.data}:
            _sync(directory)
        return sorted({path for path in (self.places.config / aside, self.places.data / aside) if path.is_dir()})

    def forget(self) -> None:
        """The change has ended. Repeatable."""
        self._note.unlink(missing_ok=True)
        _sync(self._note.parent)
        self.discard()

    def _pairs(self) -> Iterator[tuple[Path, Path]]:
        """What is new, and where it belongs. The store comes first: until it is in place, nothing new can be answered."""
        for name in (
            "store",
            "channels",
            "local",
            "skill-snapshots",
            "memory",
            "memory-keys",
            "media",
            "api.token",
            "api-tokens.json",
            self.places.witness.name,
        ):
            yield self.data / name, self.places.data / name
        for name in ("credentials.json", ".env", "personas", "skills", "skills.lock", "config.toml"):
            yield self.config / name, self.places.config / name

    def _read_note(self) -> tuple[str, list[str]]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text("utf-8"))
            aside, absent = note["aside"], note["absent"]
            if _ASIDE.fullmatch(aside) and isinstance(absent, list):
                return aside, absent
        raise ConfigError("restore_note_unreadable", f"{self._note} cannot be read.", f"Look at {self.data} and {self.config}.")


def _free(wanted: Path) -> Path:
    """`wanted`, or the same with a number: nothing that was moved aside is replaced."""
    number, path = 1, wanted
    while os.path.lexists(path):
        number += 1
        path = wanted.with_name(f"{wanted.name}.{number}")
    return path


def _check_movable(target: Path) -> None:
    """Raises ConfigError when a rename would fail: the thing is a disk of its own, or its directory cannot be written."""
    if not os.access(target.parent, os.W_OK) or target.is_mount():
        raise ConfigError("cannot_move", f"{target} cannot be moved aside.", "Restore into another home: --home DIRECTORY")


def _sync_tree(root: Path) -> None:
    """Every file below `root` is on the disk, and so are their names."""
    for here, _, files in os.walk(root):
        for name in files:
            _sync(root / here / name)
        _sync(root / here)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot sync a directory
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_SPARE = 64 * 1024 * 1024
"""Bytes that stay free on the disk."""
_BEGINNING = 64
_SHORT_COMMAND_S = 2.0
"""How long a short command may still use the store."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A backup that lies beside its home, every byte of it as it was written."""

    manifest: BackupManifest
    digest: str
    """Which backup it is: the hash of what it says about itself."""


def look_into(file: BinaryIO, ask: Callable[[], str]) -> BackupManifest:
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
    of life are left out, and what was seen of a clock: no gateway of this home gave them."""
    store = swap.data / name
    lay_down(swap.data / STORE, store)
    async with private_store(store, binary=binary) as client:
        await client.delete(keys.GATEWAYS, keys.STORE_CLOCK)
        await forward_jobs(client)
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
    with new_file(path) as file:
        yield file
    point("restore.unpacked")
