"""How does a restore go at a terminal? What is in the backup, a question, and then everything or nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from secondme.cli.backup import describe, size_of
from secondme.cli.compose import open_store
from secondme.cli.output import CommandResult, Screen
from secondme.cli.prompts import asker, confirm
from secondme.core.backup.restore import Swap, aside_name, lay_store, look_into, nobody_else, unpack
from secondme.core.backup.store import check_free, fill, settled
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.config.paths import find_places
from secondme.core.errors import ConfigError, DataError, NotFoundError
from secondme.core.fault_points import point
from secondme.core.store.lock import is_held
from secondme.core.store.server import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secondme.cli.command import Invocation
    from secondme.core.backup.archive import Manifest
    from secondme.core.backup.restore import Unpacked
    from secondme.core.config.loader import Setup
    from secondme.core.config.paths import Places
    from secondme.core.ports import Clock

SCHEMA = "secondme.restore/1"
STDIN = "-"
_REDIS_URL = re.compile(r"^(\s*redis_url\s*=.*)$", re.MULTILINE)
_REDIS_LINE = re.compile(r"^\s*(?:export\s+)?SECONDME_REDIS_URL\s*=.*\n?", re.MULTILINE)
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was typed."""

    file: str
    yes: bool
    dry_run: bool
    passphrase_file: Path | None
    overwrite: bool
    embedded: bool


async def restore(invocation: Invocation, wishes: Wishes) -> CommandResult:
    """The backup is this home now, and the old one is aside; or nothing was touched. Raises SecondmeError for every way it may not be."""
    swap, clock = Swap(_places(invocation)), SystemClock()
    ask = asker(wishes.passphrase_file, twice=False)
    if wishes.dry_run and wishes.file:
        with _opened(wishes.file) as file:
            return _looked(swap, wishes, look_into(file, ask))
    if not wishes.file and not swap.is_decided:
        raise NotFoundError("nothing_to_finish", "No restore was left unfinished here.", "Name a backup:  secondme restore FILE")
    with contextlib.ExitStack() as open_:
        backup = open_.enter_context(_opened(wishes.file)) if wishes.file else None
        async with nobody_else(swap.places, clock):
            finished = await _finish(invocation, swap) if swap.is_decided else []
            if backup is None:
                return _finished(finished)
            swap.prepare()
            try:
                return await _restore(invocation, swap, wishes, backup, ask, clock)
            finally:
                if not swap.is_decided:
                    swap.discard()


def _places(invocation: Invocation) -> Places:
    """Where this home is. Not through the settings: they may be what is broken."""
    said = os.environ.get("SECONDME_HOME")
    return find_places(invocation.home or (Path(said) if said else None))


async def _restore(
    invocation: Invocation, swap: Swap, wishes: Wishes, file: BinaryIO, ask: Callable[[], str], clock: Clock
) -> CommandResult:
    unpacked = unpack(file, swap, ask)
    setup = _settings_after(invocation, swap, embedded=wishes.embedded)
    binary = setup.settings.store.server
    data = _data(wishes, unpacked.manifest)
    is_private = setup.settings.redis_url is None
    keys = await lay_store(swap, "store" if is_private else "laid", binary=binary)
    _confirm(swap, wishes, data)
    aside = aside_name(clock)
    if not is_private:
        keys = await _fill(setup, swap, unpacked, aside, clock, overwrite=wishes.overwrite)
    swap.decide(aside)
    old = await _finish(invocation, swap, setup)
    data |= {"keys": keys, "store": "embedded" if is_private else "redis_url", "setAside": [str(path) for path in old]}
    return CommandResult(data, lambda screen: _show(screen, data), schema=SCHEMA)


async def _fill(setup: Setup, swap: Swap, unpacked: Unpacked, aside: str, clock: Clock, *, overwrite: bool) -> int:
    """The store behind redis_url holds the backup's keys; returns how many. Before the files change places: this can be done again."""
    from secondme.core.config.paths import private_dir

    laid = swap.data / "laid"
    async with open_store(setup, Role.ATTACH) as target:
        await check_free(target, unpacked.digest, overwrite=overwrite)
        saved = private_dir(setup.places.data / aside) / "redis.rdb"
        count = await fill(target, laid, unpacked.digest, saved, clock, binary=setup.settings.store.server)
        with contextlib.suppress(OSError):
            saved.parent.rmdir()  # nothing was there before
    shutil.rmtree(laid)
    return count


async def _finish(invocation: Invocation, swap: Swap, setup: Setup | None = None) -> list[Path]:
    """What was decided has come about, and nothing is left to finish; returns where the old things are."""
    old = swap.finish()
    point("restore.finished")
    setup = setup or invocation.setup()
    if setup.settings.redis_url is not None:
        async with open_store(setup, Role.ATTACH) as target:
            await settled(target)
    swap.forget()
    return old


def _settings_after(invocation: Invocation, swap: Swap, *, embedded: bool) -> Setup:
    """The settings as they will be. Raises ConfigError when the backup's are not usable here."""
    from secondme.cli.command import Invocation as Typed

    if embedded:
        _forget_redis_url(swap.config)
    setup = Typed(swap.config, invocation.settings).setup()
    if embedded and setup.settings.redis_url is not None:
        raise ConfigError(
            "redis_url_set", f"redis_url is set by {setup.sources['redis_url']}.", "Unset it, or leave --embedded away."
        )
    return setup.model_copy(update={"places": swap.places})


def _forget_redis_url(config: Path) -> None:
    """The unpacked settings say nothing of redis_url."""
    file, secrets = config / "config.toml", config / ".env"
    if file.exists():
        text = file.read_text("utf-8")
        table = _TABLE.search(text)
        end = table.start() if table else len(text)
        file.write_text(_REDIS_URL.sub(r"# \1", text[:end]) + text[end:], "utf-8")
    if secrets.exists():
        secrets.write_text(_REDIS_LINE.sub("", secrets.read_text("utf-8")), "utf-8")


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The backup, which can be read twice. What comes from stdin is on disk meanwhile, without a name."""
    if name == STDIN:
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


def _confirm(swap: Swap, wishes: Wishes, data: dict[str, Any]) -> None:
    if wishes.yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")
    screen = Screen(sys.stderr)
    _show_contents(screen, data)
    confirm(f"Put it in the place of {swap.places.config}? What is there is moved aside.")


def _data(wishes: Wishes, manifest: Manifest) -> dict[str, Any]:
    return {
        "file": wishes.file,
        "madeAt": rfc3339(manifest.made_at),
        "version": manifest.version,
        "storeKind": manifest.store_kind,
        "contents": manifest.contents(),
        "bytes": manifest.size,
        "dryRun": wishes.dry_run,
    }


def _looked(swap: Swap, wishes: Wishes, manifest: Manifest) -> CommandResult:
    data = _data(wishes, manifest)

    def show(screen: Screen) -> None:
        _show_contents(screen, data)
        if is_held(swap.places.gateway_lock):
            screen.line("A gateway of this home is running: stop it before a restore.", "warn")
        screen.line("The backup is whole. Nothing was changed.")

    return CommandResult(data, show, schema=SCHEMA)


def _finished(old: list[Path]) -> CommandResult:
    data = {"finished": True, "setAside": [str(path) for path in old]}

    def show(screen: Screen) -> None:
        screen.line("The restore that was broken off is finished.", "good")
        _show_aside(screen, data)

    return CommandResult(data, show, schema=SCHEMA)


def _show_contents(screen: Screen, data: dict[str, Any]) -> None:
    screen.line(f"A backup of {data['madeAt']}, made by secondme {data['version']}, {size_of(data['bytes'])}:", "bold")
    screen.line(f"  {describe(data['contents'])}")


def _show(screen: Screen, data: dict[str, Any]) -> None:
    _show_contents(screen, data)
    screen.line(f"It is in place: {data['keys']} keys in the store.", "good")
    _show_aside(screen, data)
    linked = [name for name in data["contents"]["channels"] if name != "local"]
    if "whatsapp" in linked:
        screen.line(
            "It is linked to WhatsApp as the same device as before. Never start the old installation again: two on one link "
            "cut each other off, and WhatsApp may end it.",
            "warn",
        )
    screen.line(
        "Where the old gateway still runs, stop it: it would answer the same people, and take Telegram's messages away.", "warn"
    )
    screen.hint("Start this one:  secondme serve", "dim")


def _show_aside(screen: Screen, data: dict[str, Any]) -> None:
    for path in data["setAside"]:
        screen.line(f"What was here before is in {path}; delete it when you miss nothing.")
