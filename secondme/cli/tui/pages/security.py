"""The page of security events: the newest ones, ids masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text

from secondme.cli.tui.pages.page import Page
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import BAD, QUIET, WARN
from secondme.core.security_log import Entry, newest_entries
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from secondme.cli.tui.link import Actions, Snapshot

_MOST = 300
_STYLES = {"warn": WARN, "error": BAD}


class SecurityPage(Page):
    """Events, the newest on top. They come from this machine's log, so they are there with no store too."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Time", 8),
        Column("Date", 10, from_width=100),
        Column("Level", 5, from_width=50),
        Column("Event", 20, flexible=1, most=26),
        Column("Contact", 12, flexible=1, most=24, from_width=60),
        Column("Details", 12, flexible=3, from_width=76),
    )
    EMPTY: ClassVar[str] = (
        "Nothing happened yet.\n\nRequests, decisions, wrong codes, pauses and suspicious messages are listed here."
    )

    def __init__(self, desk: Actions, page_id: str, path: Path) -> None:
        super().__init__(desk, page_id)
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._read: tuple[int, int] | None = None

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """Nothing of it comes from the store."""

    def tick(self, now: datetime) -> None:
        """What was written since the last time is there."""
        del now
        try:
            found = self._path.stat()
        except OSError:
            mark = None
        else:
            mark = (found.st_ino, found.st_size)
        if mark != self._read or not self._rows:
            self._read = mark
            newest = reversed(newest_entries(self._path, _MOST) if mark else [])
            self._entries = {str(number): entry for number, entry in enumerate(newest)}
            self.put([_row(key, entry) for key, entry in self._entries.items()])

    def detail_of(self, key: str) -> Text:
        """Everything the line says."""
        entry = self._entries[key]
        text = Text(f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}  {_event(entry)}", style="bold")
        text.append(f"  {safe_name(entry.contact_id)}  {_details(entry)}", style="not bold")
        return text


def _row(key: str, entry: Entry) -> Row:
    local = entry.at.astimezone()
    return key, (
        (f"{local:%H:%M:%S}", QUIET),
        (f"{local:%Y-%m-%d}", QUIET),
        (safe_name(entry.severity), _STYLES.get(entry.severity, QUIET)),
        (_event(entry), _STYLES.get(entry.severity, "")),
        (safe_name(entry.contact_id), ""),
        (_details(entry), QUIET),
    )


def _event(entry: Entry) -> str:
    return safe_name(entry.event.replace("_", " "))


def _details(entry: Entry) -> str:
    return " ".join(safe_text(entry.in_words()).split())
