"""Recordings and pictures that are kept for a while, as files of the home: 0600, a folder a contact, in names that say nothing.

    <media>/<hash of the contact>/<hash of the message>-<number of the attachment>.<Unix seconds until it is kept>.<ogg, jpg, ...>

A file is found by its message's id, and its name says when it goes: nothing else knows of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.errors import UnavailableError
from secondme.core.files import private_dir, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

_HASH = 20
_LEAST_KEPT_S = 3600
"""Also when nothing shall be kept: a reply is written from it, perhaps in another process."""
_DAY_S = 86_400
_SUFFIXES = {
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "image/jpeg": "jpg",
}


@dataclass(frozen=True, slots=True)
class KeptFile:
    """What came as attachment `number` of a message, until it goes."""

    message: str
    number: int
    path: Path
    until: datetime


class Shelf:
    """The media folder of a home. Every call is a few file operations: call it in a thread where that matters."""

    def __init__(self, folder: Path, keep_days: float) -> None:
        self._folder = folder
        self._keep_s = max(_LEAST_KEPT_S, int(keep_days * _DAY_S))

    def keep(self, contact: str, message: str, number: int, data: bytes, mime: str, *, now_ms: int, expires_s: int = 0) -> None:
        """`data` is kept for the owner until its time is over, which is sooner where the chat forgets it sooner. Repeatable.

        Raises UnavailableError when it cannot be written."""
        now_s = now_ms // 1000
        until = now_s + min(self._keep_s, expires_s or self._keep_s)
        try:
            folder = private_dir(self._of(contact))
            kept = [each.path for each in self._files(contact, [message]) if each.number == number]
            write_private(folder / f"{_hash(message)}-{number}.{until}.{_SUFFIXES.get(mime, 'bin')}", data)
            for path in kept:
                if not path.name.startswith(f"{_hash(message)}-{number}.{until}."):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise UnavailableError("media_not_written", f"The media folder cannot be written: {error.strerror}.") from error

    def find(self, contact: str, message: str) -> dict[int, Path]:
        """Number of the attachment -> its file, of those of a message that are still kept."""
        return {each.number: each.path for each in self._files(contact, [message])}

    def kept(self, contact: str, messages: Sequence[str]) -> list[KeptFile]:
        """What is still kept of these messages, in their order and that of their attachments."""
        place = {message: at for at, message in enumerate(messages)}
        return sorted(self._files(contact, messages), key=lambda each: (place[each.message], each.number))

    def rename(self, contact: str, message: str, other: str) -> None:
        """What is kept of the message is found by its `other` id from now on, and goes when it would have gone. Repeatable."""
        for path in self.find(contact, message).values():
            path.rename(path.with_name(f"{_hash(other)}{path.name.removeprefix(_hash(message))}"))

    def drop(self, contact: str, message: str) -> int:
        """How many files of the message were removed. Repeatable."""
        found = list(self._files(contact, [message]))
        for each in found:
            each.path.unlink(missing_ok=True)
        return len(found)

    def forget(self, contact: str) -> None:
        """Nothing of the contact is kept. Repeatable."""
        shutil.rmtree(self._of(contact), ignore_errors=True)

    def sweep(self, now_ms: int) -> int:
        """How many files had had their time and are gone. Repeatable."""
        gone = 0
        for folder in self._folders():
            for path in list(folder.iterdir()):
                with contextlib.suppress(OSError):
                    until = _until(path) or int(path.stat().st_mtime) + _LEAST_KEPT_S  # a write that a kill cut short
                    if until * 1000 > now_ms:
                        continue
                    path.unlink()
                    gone += 1
            with contextlib.suppress(OSError):
                folder.rmdir()  # only an empty one goes
        return gone

    def next_ms(self) -> int | None:
        """When the first file has had its time; None when there is none."""
        ends = [until for folder in self._folders() for path in folder.iterdir() if (until := _until(path)) is not None]
        return min(ends) * 1000 if ends else None

    def size(self) -> tuple[int, int]:
        """How many files there are, and their bytes."""
        sizes = []
        for folder in self._folders():
            for path in folder.iterdir():
                with contextlib.suppress(OSError):
                    sizes.append(path.stat().st_size)
        return len(sizes), sum(sizes)

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            return []

    def _of(self, contact: str) -> Path:
        return self._folder / _hash(contact)

    def _files(self, contact: str, messages: Sequence[str]) -> Iterator[KeptFile]:
        names = {_hash(message): message for message in messages}
        with contextlib.suppress(OSError):
            for path in list(self._of(contact).iterdir()):
                name, _, number = path.name.partition(".")[0].partition("-")
                until = _until(path)
                if name in names and number.isdecimal() and until is not None:
                    yield KeptFile(names[name], int(number), path, from_ms(until * 1000))


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


def _until(path: Path) -> int | None:
    """Until when a file is kept, in Unix seconds; None for one that is not named as ours are."""
    parts = path.name.split(".")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None  # noqa: PLR2004  stem, end, kind
