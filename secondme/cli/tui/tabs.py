"""What are the pages called, in as many words as the terminal has room for, and which one is shown?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.widgets import TabbedContent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from textual.widgets import TabPane

PAGES = {
    "pending": "Waiting",
    "approved": "Approved",
    "denied": "Denied",
    "security": "Security",
    "channels": "Channels",
    "conversations": "Conversations",
    "drafts": "Drafts",
    "voice": "Voice",
    "usage": "Usage",
}
"""Page id -> title, in the order of their keys."""
_SHORTER = PAGES | {"conversations": "Chats"}
_SHORT = _SHORTER | {"pending": "Wait", "approved": "In", "denied": "Out", "security": "Log", "channels": "Apps"}
_URGENT = frozenset({"pending", "drafts"})
"""What waits for the owner is counted even where there is little room."""
_PADDING = 2
"""One blank on each side of a tab."""


class PageTabs(TabbedContent):
    """The page that the owner chose last stays. The framework brings up whatever page a focus comes from, and a focus may come late:
    the page that was left would take the place of the one that was chosen."""

    def on_tab_pane_focused(self, event: TabPane.Focused) -> None:
        """Nothing changes."""
        event.prevent_default()
        event.stop()


def labels(room: int, counts: Mapping[str, int], active: str) -> dict[str, str]:
    """Page id -> what its tab says: the longest form that fits into `room` cells, and the shortest when none does."""
    for form in _forms(counts, active):
        if sum(cell_len(label) + _PADDING for label in form.values()) <= room:
            break
    return form


def _forms(counts: Mapping[str, int], active: str) -> Iterator[dict[str, str]]:
    urgent = {page: counts.get(page, 0) for page in _URGENT}
    yield _named(PAGES, counts)
    yield _named(_SHORTER, urgent)
    yield _named(_SHORT, urgent)
    numbers = {page: f"{number}({urgent[page]})" if urgent.get(page) else str(number) for number, page in enumerate(PAGES, 1)}
    yield numbers | {active: _named(_SHORTER, urgent)[active]}


def _named(titles: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, str]:
    return {
        page: f"{number} {titles[page]} {counts[page]}" if counts.get(page) else f"{number} {titles[page]}"
        for number, page in enumerate(PAGES, 1)
    }
