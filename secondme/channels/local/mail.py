"""What waits for a contact that is not at its terminal? One small append-only file each, which outlives a kill.

A line is a message (`{"id", "text"}`) or the mark that one was received (`{"ack"}`). Writing the same id twice changes nothing: this
is the platform that collapses resends.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_COMPACT_LINES = 400
_KEEP_IDS = 200


def mail_path(directory: Path, contact: str) -> Path:
    """The file of one contact's mail. Its name tells nobody who that is."""
    return directory / (hashlib.sha256(contact.encode()).hexdigest()[:32] + ".jsonl")


class Mail:
    """The messages of one contact that were not acknowledged yet."""

    def __init__(self, directory: Path, contact: str) -> None:
        self._path = mail_path(directory, contact)
        self._known: dict[str, str | None] = {}
        """Id -> text, or None once received; in order of arrival."""
        self._lines = 0
        self._read()

    def add(self, message: str, text: str) -> bool:
        """The message is on disk. False when it was there before. Raises UnavailableError when the disk refuses."""
        if message in self._known:
            return False
        self._append({"id": message, "text": text})
        self._known[message] = text
        return True

    def acknowledge(self, message: str) -> None:
        """The message was received and is forgotten, its id is not. Repeatable."""
        if self._known.get(message) is not None:
            self._append({"ack": message})
            self._known[message] = None
            if self._lines > _COMPACT_LINES:
                self._compact()

    def waiting(self) -> list[tuple[str, str]]:
        """What was not acknowledged, oldest first, as (id, text)."""
        return [(message, text) for message, text in self._known.items() if text is not None]

    def _read(self) -> None:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return
        for line in raw.splitlines():
            try:
                entry = json.loads(line)
                self._lines += 1
                if "ack" in entry:
                    self._known[entry["ack"]] = None
                else:
                    self._known[entry["id"]] = entry["text"]
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a process that was killed while it wrote
        if raw and not raw.endswith(b"\n"):
            self._compact()

    def _append(self, entry: dict[str, str]) -> None:
        self._write(os.O_APPEND, [entry], self._path)
        self._lines += 1

    def _compact(self) -> None:
        received = [message for message, text in self._known.items() if text is None][-_KEEP_IDS:]
        waiting = dict(self.waiting())
        self._known = {**dict.fromkeys(received), **waiting}
        entries = [{"ack": message} for message in received] + [{"id": message, "text": text} for message, text in waiting.items()]
        fresh = self._path.with_suffix(".new")
        self._write(os.O_TRUNC, entries, fresh)
        fresh.replace(self._path)
        self._lines = len(entries)

    def _write(self, mode: int, entries: list[dict[str, str]], path: Path) -> None:
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | mode, 0o600)
            try:
                before = os.fstat(descriptor).st_size
                if os.write(descriptor, data) != len(data):
                    os.ftruncate(descriptor, before)
                    raise OSError("short write")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UnavailableError(
                "local_mail_unwritable", "The local channel cannot write its mail.", "Check the disk."
            ) from error
