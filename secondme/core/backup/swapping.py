"""How does one home take the place of another, whatever happens meanwhile? What is new lies beside what is old; a note says that it is decided;
then each thing changes places with two renames. Whoever finds the note can finish, and nothing of the old is deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from typing import TYPE_CHECKING

from secondme.core.config.paths import private_dir
from secondme.core.errors import ConfigError
from secondme.core.fault_points import point

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secondme.core.config.paths import Places

_STAGE, _NOTE = "restoring", "restoring.json"
_ASIDE = re.compile(r"before-restore-[0-9TZ-]{1,40}", re.ASCII)


class Swap:
    """The change of one home. Nothing is created by looking."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.config = places.config / _STAGE
        """What will lie beside `config.toml`."""
        self.data = places.data / f"{_STAGE}-data"
        """What will lie in the data directory. On some machines that is the same directory."""
        self._note = places.data / _NOTE

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
        fresh = self._note.with_suffix(".new")
        absent = [target.name for staged, target in self._pairs() if not staged.exists()]
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"aside": aside, "absent": absent}, file)
            file.flush()
            os.fsync(file.fileno())
        point("restore.deciding")
        fresh.replace(self._note)
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
        for name in ("store", "channels", "local", "api.token"):
            yield self.data / name, self.places.data / name
        for name in ("credentials.json", ".env", "personas", "config.toml"):
            yield self.config / name, self.places.config / name

    def _read_note(self) -> tuple[str, list[str]]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text("utf-8"))
            aside, absent = note["aside"], note["absent"]
            if _ASIDE.fullmatch(aside) and isinstance(absent, list):
                return aside, absent
        raise ConfigError("restore_note_unreadable", f"{self._note} cannot be read.", f"Look at {self.data} and {self.config}.")


def refuse_unfinished(places: Places) -> None:
    """Raises ConfigError while a restore was begun and has not ended: some of the home is the old one, some the new."""
    if Swap(places).is_decided:
        raise ConfigError("restore_unfinished", "A restore of this home was broken off.", "secondme restore")


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
