"""The second line: the ten pages in the order of their digits, and what waits on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from secondme.cli.tui.layout import fit, say
from secondme.cli.tui.theme import ACCENT, FAINT, SOFT, WAITS, is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from textual.events import Click

PAGES = {
    "today": "Today",
    "chats": "Chats",
    "drafts": "Drafts",
    "people": "People",
    "jobs": "Jobs",
    "memory": "Memory",
    "skills": "Skills",
    "voice": "Voice",
    "usage": "Usage",
    "system": "System",
}
"""Page id -> title, in the order of their digits."""
DIGITS = dict(zip(PAGES, "1234567890", strict=True))
"""`0` stands right of `9` on the keyboard, and here."""
BEHIND = {"rehearsal": ("voice", "Rehearsal")}
"""Pages without a digit -> the page that they are opened from, and lead back to, and their title."""


class Nav(Static):
    """The row of pages. With little room the blanks go first, then the digits, then the pages where nothing waits."""

    class Chosen(Message):
        """A page was clicked."""

        def __init__(self, page: str) -> None:
            super().__init__()
            self.page = page

    def __init__(self) -> None:
        super().__init__(id="nav", markup=False)
        self._active = "today"
        self._waiting: dict[str, int] = {}
        self._spans: list[tuple[int, int, str]] = []

    def show(self, active: str, waiting: Mapping[str, int]) -> None:
        """This page is shown, or one behind it, and so much waits on each."""
        active = BEHIND.get(active, (active,))[0]
        found = {page: count for page, count in waiting.items() if count}
        if (active, found) != (self._active, self._waiting) or not self._spans:
            self._active, self._waiting = active, found
            self.update(self._text())

    def on_resize(self) -> None:
        """What fits."""
        self.update(self._text())

    def on_click(self, event: Click) -> None:
        """The page there."""
        for start, end, page in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(page))

    def _text(self) -> Content:
        room = self.size.width
        row: dict[str, Content] = {}
        gap = 0
        for gap, row in self._forms():
            if sum(tab.cell_length for tab in row.values()) + gap * (len(row) - 1) <= room:
                break
        self._spans, at = [], 0
        for page, tab in row.items():
            self._spans.append((at, at + tab.cell_length, page))
            at += tab.cell_length + gap
        return fit(Content(" " * gap).join(row.values()), max(1, room))

    def _forms(self) -> Iterator[tuple[int, dict[str, Content]]]:
        plain = is_plain()
        for digit, gap in ((True, 2 if plain else 1), (True, int(plain)), (False, int(plain))):
            yield gap, {page: self._tab(page, digit=digit) for page in PAGES}
        few = [page for page in PAGES if page in self._waiting or page == self._active]
        yield 1, {page: self._tab(page, digit=False) for page in few}

    def _tab(self, page: str, *, digit: bool) -> Content:
        is_here, waiting = page == self._active, self._waiting.get(page)
        number = f"{DIGITS[page]} " if digit else ""
        if is_plain():
            words = f"{number}{PAGES[page]}{f' ({waiting})' if waiting else ''}"
            return say((f" {words} ", "bold reverse") if is_here else words)
        field = " on $sm-picked" if is_here else ""
        return say(
            (" ", field),
            (number, f"{FAINT}{field}"),
            (PAGES[page], f"bold {ACCENT}{field}" if is_here else SOFT),
            (f" {waiting}" if waiting else "", f"bold {WAITS}{field}"),
            (" ", field),
        )
