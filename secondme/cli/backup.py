"""How does a backup go at a terminal? Where it is written, that it gets its name only when it is whole, and what is said about it."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from secondme.cli.compose import open_store
from secondme.cli.output import CommandResult, counted, note
from secondme.cli.prompts import asker
from secondme.core.backup.backup import make_backup
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.config.paths import private_dir
from secondme.core.errors import ConfigError
from secondme.core.fault_points import point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.cli.command import Invocation
    from secondme.cli.output import Screen
    from secondme.core.backup.backup import Made

SCHEMA = "secondme.backup/1"
STDOUT = "-"
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


async def back_up(
    invocation: Invocation, wanted: str, *, encrypt: bool, passphrase_file: Path | None, overwrite: bool
) -> CommandResult:
    """A backup is where it was wanted, whole and read again. Raises ConfigError when a file of that name is there."""
    ask = asker(passphrase_file, twice=True)
    passphrase = ask() if encrypt or passphrase_file is not None else None
    setup, clock = invocation.setup(), SystemClock()
    to_stdout = wanted == STDOUT
    path = Path(STDOUT) if to_stdout else _path(wanted, f"{clock.now():%Y%m%dT%H%M%SZ}", is_sealed=passphrase is not None)
    if path.exists() and not to_stdout and not overwrite:
        raise ConfigError("backup_exists", f"{path} is there already.", "Name another file, or add --overwrite.")
    with _nameless(setup.places.data) if to_stdout else _unnamed(path) as file:
        async with open_store(setup) as store:
            made = await make_backup(setup, store, file, clock, passphrase)
        if to_stdout:
            file.seek(0)
            shutil.copyfileobj(file, sys.stdout.buffer)
    data = {
        "file": str(path),
        "bytes": made.size,
        "encrypted": passphrase is not None,
        "madeAt": rfc3339(made.manifest.made_at),
        "contents": made.manifest.contents(),
        "skipped": made.skipped,
        "inKeyring": sorted(name for name, source in setup.sources.items() if source == "keyring"),
    }
    if to_stdout:
        note(f"{size_of(made.size)}, read again and found whole.", "dim")
        return CommandResult(data, lambda _: None, schema=SCHEMA)
    return CommandResult(data, lambda screen: _show(screen, made, data), schema=SCHEMA)


def _path(wanted: str, stamp: str, *, is_sealed: bool) -> Path:
    name = f"secondme-backup-{stamp}.tar.gz{'.age' if is_sealed else ''}"
    path = Path(wanted).expanduser() if wanted else Path(name)
    return path / name if path.is_dir() or wanted.endswith("/") else path


@contextlib.contextmanager
def _nameless(data: Path) -> Iterator[BinaryIO]:
    """A file that never has a name, on the disk of the data."""
    with tempfile.TemporaryFile(dir=private_dir(data)) as file:
        yield file


@contextlib.contextmanager
def _unnamed(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that gets its name when all went well; else nothing is left of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(
            "backup_unwritable", f"{path.parent} cannot be written: {error.strerror}.", "Name another place."
        ) from error
    try:
        with os.fdopen(descriptor, "r+b") as file:
            yield file
        point("backup.written")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def size_of(count: int) -> str:
    """A number of bytes for a person: `3.2 MB`."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def describe(contents: dict[str, Any]) -> str:
    """What is in a backup, in one line."""
    parts = [
        "settings" if contents["settings"] else "",
        "keys and tokens" if contents["secrets"] else "",
        counted(contents["personas"], "persona") if contents["personas"] else "",
        f"channels {', '.join(contents['channels'])}" if contents["channels"] else "",
        f"mail of {counted(contents['mail'], 'local contact')}" if contents["mail"] else "",
        f"a store of {size_of(contents['storeBytes'])}",
    ]
    return ", ".join(part for part in parts if part)


def _show(screen: Screen, made: Made, data: dict[str, Any]) -> None:
    screen.line(data["file"], "bold")
    screen.line(f"{size_of(data['bytes'])}: {describe(data['contents'])}. Read again and found whole.")
    for name in made.skipped:
        screen.line(f"Not in it: {name}", "warn")
    for name in data["inKeyring"]:
        screen.line(f"Not in it: {name}, which is in this machine's keyring.", "warn")
    if not data["encrypted"]:
        screen.line(
            "It is not encrypted: whoever has it can read your conversations and use your keys. --encrypt changes that.", "warn"
        )
    screen.hint(f"To bring it back:  secondme restore {shlex.quote(data['file'])}", "dim")
