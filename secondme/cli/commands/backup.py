"""`secondme backup` and `secondme restore`: everything that a person would miss, in one file, and a home again."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, Screen, note
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.config.paths import find_places
from secondme.core.errors import ConfigError, DataError, NotFoundError
from secondme.core.fault_points import point
from secondme.core.files import private_dir, replacement, write_private
from secondme.core.format import counted, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.core.backup.archive import BackupManifest
    from secondme.core.backup.restore import Swap, Unpacked
    from secondme.core.config.loader import Setup

STDIO = "-"


@command("secondme.backup/1")
async def backup(
    invocation: Invocation,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="Where to; `-` is stdout. Else a name with the time, here.")] = "",
    encrypt: Annotated[bool, typer.Option("--encrypt", help="With a passphrase; the program `age` opens it too.")] = False,
    passphrase_file: Annotated[Path | None, typer.Option(help="Its first line is the passphrase; implies --encrypt.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it is there.")] = False,
    with_memory_keys: Annotated[
        bool, typer.Option("--with-memory-keys", help="Also what opens encrypted memories: forgetting does not reach this backup.")
    ] = False,
    with_media: Annotated[
        bool, typer.Option("--with-media", help="Also the recordings and pictures that are kept of what people sent.")
    ] = False,
) -> CommandResult:
    """Save settings, personas, keys, channels and conversations as they are at one moment, while the gateway runs or not."""
    from secondme.cli.prompts import asker
    from secondme.core.backup.backup import make_backup
    from secondme.services import open_services

    to_stdout = file == STDIO
    if to_stdout and (invocation.as_json or sys.stdout.isatty()):
        raise typer.BadParameter("`-` writes the archive to stdout: redirect it, and leave --json away")
    ask = asker(passphrase_file, twice=True)
    passphrase = ask() if encrypt or passphrase_file is not None else None
    setup, clock = invocation.setup(), SystemClock()
    path = Path(STDIO) if to_stdout else _path(file, f"{clock.now():%Y%m%dT%H%M%SZ}", is_sealed=passphrase is not None)
    if path.exists() and not to_stdout and not overwrite:
        raise ConfigError("backup_exists", f"{path} is there already.", "Name another file, or add --overwrite.")
    with tempfile.TemporaryFile(dir=private_dir(setup.places.data)) if to_stdout else _unnamed(path) as archive:
        async with open_services(setup) as services:
            made = await make_backup(
                setup,
                services.store,
                archive,
                clock,
                passphrase,
                with_memory_keys=with_memory_keys,
                with_media=with_media,
            )
        if to_stdout:
            archive.seek(0)
            shutil.copyfileobj(archive, sys.stdout.buffer)
            note(f"{size(made.size)}, read again and found whole.", "dim")
    data = {
        "file": str(path),
        "bytes": made.size,
        "encrypted": passphrase is not None,
        "madeAt": rfc3339(made.manifest.made_at),
        "contents": made.manifest.contents(),
        "skipped": made.skipped,
        "inKeyring": sorted(name for name, source in setup.sources.items() if source == "keyring"),
    }
    return CommandResult(data, lambda screen: None if to_stdout else _show_backup(screen, data))


def _path(wanted: str, stamp: str, *, is_sealed: bool) -> Path:
    name = f"secondme-backup-{stamp}.tar.gz{'.age' if is_sealed else ''}"
    path = Path(wanted).expanduser() if wanted else Path(name)
    return path / name if path.is_dir() or wanted.endswith("/") else path


@contextlib.contextmanager
def _unnamed(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that gets its name when all went well; else nothing is left of it."""
    try:
        with replacement(path) as file:
            yield file
            point("backup.written")
    except OSError as error:
        raise ConfigError(
            "backup_unwritable", f"{path.parent} cannot be written: {error.strerror}.", "Name another place."
        ) from error


def _show_backup(screen: Screen, data: dict[str, Any]) -> None:
    screen.line(data["file"], "bold")
    screen.line(f"{size(data['bytes'])}: {describe(data['contents'])}. Read again and found whole.")
    for name in data["skipped"]:
        screen.line(f"Not in it: {name}", "warn")
    for name in data["inKeyring"]:
        screen.line(f"Not in it: {name}, which is in this machine's keyring.", "warn")
    if not data["encrypted"]:
        screen.line(
            "It is not encrypted: whoever has it can read your conversations and use your keys. --encrypt changes that.", "warn"
        )
    screen.hint(f"To bring it back:  secondme restore {shlex.quote(data['file'])}", "dim")


def describe(contents: dict[str, Any]) -> str:
    """What is in a backup, in one line."""
    parts = [
        "settings" if contents["settings"] else "",
        "keys and tokens" if contents["secrets"] else "",
        counted(contents["personas"], "persona") if contents["personas"] else "",
        counted(contents["skills"], "skill") if contents.get("skills") else "",
        f"channels {', '.join(contents['channels'])}" if contents["channels"] else "",
        f"mail of {counted(contents['mail'], 'local contact')}" if contents["mail"] else "",
        f"memory of {counted(contents['memories'], 'contact')}" if contents.get("memories") else "",
        counted(contents["media"], "kept recording or picture", "kept recordings and pictures") if contents.get("media") else "",
        f"keys of {counted(contents['memoryKeys'], 'memory', 'memories')}" if contents.get("memoryKeys") else "",
        f"a store of {size(contents['storeBytes'])}",
    ]
    return ", ".join(part for part in parts if part)


# A backup becomes a home again


@command("secondme.restore/1")
async def restore(
    invocation: Invocation,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="A backup; `-` is stdin. Without: finish a restore that was killed.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the backup and say what is in it; change nothing.")] = False,
    passphrase_file: Annotated[Path | None, typer.Option(help="Its first line is the passphrase.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the store behind redis_url holds.")] = False,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Into a private store, whatever the backup says about redis_url.")
    ] = False,
) -> CommandResult:
    """Put a backup in the place of this home, which is moved aside and not deleted. Refuses while a gateway runs."""
    from secondme.cli.prompts import asker
    from secondme.core.backup.restore import Swap, aside_name, lay_store, look_into, nobody_else, unpack
    from secondme.core.config.loader import home_of

    swap = Swap(find_places(home_of(invocation.home)))  # not through the settings: they may be what is broken
    ask = asker(passphrase_file, twice=False)
    if dry_run and file:
        with _opened(file) as archive:
            return _looked(swap, _data(file, look_into(archive, ask), dry_run=True))
    if not file and not swap.is_decided:
        raise NotFoundError("nothing_to_finish", "No restore was left unfinished here.", "Name a backup:  secondme restore FILE")
    with _opened(file) if file else contextlib.nullcontext() as archive:
        async with nobody_else(swap.places, SystemClock()):
            finished = await _finish(invocation, swap) if swap.is_decided else []
            if archive is None:
                return _finished(finished)
            swap.prepare()
            try:
                unpacked = unpack(archive, swap, ask)
                setup = _settings_after(invocation, swap, embedded=embedded)
                data = _data(file, unpacked.manifest, dry_run=dry_run)
                is_private = setup.settings.redis_url is None
                keys = await lay_store(swap, "store" if is_private else "laid", binary=setup.settings.store.server)
                if not yes:
                    _confirm(swap, data)
                aside = aside_name(SystemClock())
                if not is_private:
                    keys = await _fill(setup, swap, unpacked, aside, overwrite=overwrite)
                swap.decide(aside)
                old = await _finish(invocation, swap, setup)
            finally:
                if not swap.is_decided:
                    swap.discard()
    data |= {"keys": keys, "store": "embedded" if is_private else "redis_url", "setAside": [str(path) for path in old]}
    return CommandResult(data, lambda screen: _show_restored(screen, data))


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The backup, which can be read twice. What comes from stdin is on disk meanwhile, without a name."""
    if name == STDIO:
        with tempfile.TemporaryFile() as spooled:
            shutil.copyfileobj(sys.stdin.buffer, spooled)
            spooled.seek(0)
            yield spooled
        return
    path = Path(name).expanduser()
    try:
        if not path.is_file():
            raise DataError("no_such_backup", f"{path} is no file.", "Name a file that `secondme backup` has written.")
        file = path.open("rb")
    except OSError as error:
        raise DataError("unreadable_backup", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    with file:
        yield file


def _settings_after(invocation: Invocation, swap: Swap, *, embedded: bool) -> Setup:
    """The settings as they will be; `embedded`: the unpacked ones say nothing of redis_url any more. Raises ConfigError when they are not
    usable here."""
    from secondme.core.config.files import plan, save_env_file

    if embedded:
        edit = plan(swap.config / "config.toml", {"redis_url": None})
        if edit.is_change:
            write_private(edit.path, edit.after)
        if (secrets := swap.config / ".env").exists():
            save_env_file(secrets, {"SECONDME_REDIS_URL": None})
    setup = Invocation(swap.config, invocation.settings).setup()
    if embedded and setup.settings.redis_url is not None:
        raise ConfigError(
            "redis_url_set", f"redis_url is set by {setup.sources['redis_url']}.", "Unset it, or leave --embedded away."
        )
    return setup.model_copy(update={"places": swap.places})


async def _fill(setup: Setup, swap: Swap, unpacked: Unpacked, aside: str, *, overwrite: bool) -> int:
    """The store behind redis_url holds the backup's keys; returns how many. Before the files change places: this can be done again."""
    from secondme.core.backup.store import check_free, fill
    from secondme.core.store.server import Role
    from secondme.services import open_services

    laid = swap.data / "laid"
    async with open_services(setup, Role.ATTACH) as services:
        await check_free(services.store, unpacked.digest, overwrite=overwrite)
        saved = private_dir(setup.places.data / aside) / "redis.rdb"
        count = await fill(services.store, laid, unpacked.digest, saved, services.clock, binary=setup.settings.store.server)
        with contextlib.suppress(OSError):
            saved.parent.rmdir()  # nothing was there before
    shutil.rmtree(laid)
    return count


async def _finish(invocation: Invocation, swap: Swap, setup: Setup | None = None) -> list[Path]:
    """What was decided has come about, and nothing is left to finish; returns where the old things are."""
    from secondme.core.backup.store import settled
    from secondme.core.store.server import Role
    from secondme.services import open_services

    old = swap.finish()
    point("restore.finished")
    setup = setup or invocation.setup()
    if setup.settings.redis_url is not None:
        async with open_services(setup, Role.ATTACH) as services:
            await settled(services.store)
    swap.forget()
    return old


def _confirm(swap: Swap, data: dict[str, Any]) -> None:
    from secondme.cli.prompts import confirm

    if not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")
    _show_contents(Screen(sys.stderr), data)
    confirm(f"Put it in the place of {swap.places.config}? What is there is moved aside.")


def _data(file: str, manifest: BackupManifest, *, dry_run: bool) -> dict[str, Any]:
    return {
        "file": file,
        "madeAt": rfc3339(manifest.made_at),
        "version": manifest.version,
        "storeKind": manifest.store_kind,
        "contents": manifest.contents(),
        "bytes": manifest.size,
        "dryRun": dry_run,
    }


def _looked(swap: Swap, data: dict[str, Any]) -> CommandResult:
    from secondme.core.files import is_held

    def show(screen: Screen) -> None:
        _show_contents(screen, data)
        if is_held(swap.places.gateway_lock):
            screen.line("A gateway of this home is running: stop it before a restore.", "warn")
        screen.line("The backup is whole. Nothing was changed.")

    return CommandResult(data, show)


def _finished(old: list[Path]) -> CommandResult:
    data = {"finished": True, "setAside": [str(path) for path in old]}

    def show(screen: Screen) -> None:
        screen.line("The restore that was broken off is finished.", "good")
        _show_aside(screen, data)

    return CommandResult(data, show)


def _show_contents(screen: Screen, data: dict[str, Any]) -> None:
    screen.line(f"A backup of {data['madeAt']}, made by secondme {data['version']}, {size(data['bytes'])}:", "bold")
    screen.line(f"  {describe(data['contents'])}")


def _show_restored(screen: Screen, data: dict[str, Any]) -> None:
    from secondme.core.channel_manifest import find_manifest

    _show_contents(screen, data)
    screen.line(f"It is in place: {data['keys']} keys in the store.", "good")
    _show_aside(screen, data)
    for name in data["contents"]["channels"]:
        if (manifest := find_manifest(name)) is not None and manifest.moved:
            screen.line(manifest.moved, "warn")
    screen.line("Where the old gateway still runs, stop it: it would answer the same people, and take their messages away.", "warn")
    screen.hint("Start this one:  secondme serve", "dim")


def _show_aside(screen: Screen, data: dict[str, Any]) -> None:
    for path in data["setAside"]:
        screen.line(f"What was here before is in {path}; delete it when you miss nothing.")
