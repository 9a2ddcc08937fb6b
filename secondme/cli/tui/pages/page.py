"""The base of pages: a table, a line about the row under the cursor, and words for when there is nothing to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import DataTable, Static

from secondme.cli.tui.table import Column, PeopleTable, Row
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from textual.app import ComposeResult

    from secondme.cli.tui.link import Actions, Snapshot


class Page(Vertical):
    """A page of the screen."""

    COLUMNS: ClassVar[Sequence[Column]] = ()
    EMPTY: ClassVar[str] = ""

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(id=f"page-{page_id}")
        self.desk = desk
        self.table = PeopleTable(self.COLUMNS)
        self._empty = Static(Text(self.EMPTY), classes="empty")
        self._detail = Static(classes="detail")
        self._rows: list[Row] = []

    def compose(self) -> ComposeResult:
        """The table and what surrounds it."""
        yield self.table
        yield self._empty
        yield self._detail

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """What only this page shows was read. Called while it is shown, before `show`, with the connection in use. Raises SecondmeError."""

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The page shows the snapshot."""
        raise NotImplementedError

    def tick(self, now: datetime) -> None:
        """What runs down is right at `now`."""
        raise NotImplementedError

    def detail_of(self, key: str) -> Text:
        """What else is known about a row."""
        raise NotImplementedError

    def put(self, rows: list[Row], empty: str = "") -> None:
        """These rows are shown, or the words that say why there are none."""
        self._rows = rows
        self.set_class(not rows, "-empty")
        if not rows:
            self._empty.update(Text(empty or self.EMPTY))
        self.table.show(rows)
        if self.has_focus if rows else self.table.has_focus:
            self.focus_page()
        self._show_detail()

    @property
    def is_shown(self) -> bool:
        """False while another page is."""
        return all(node.display for node in self.ancestors_with_self if isinstance(node, Widget))

    def focus_page(self) -> None:
        """The keys of this page work."""
        self.can_focus = not self._rows
        (self.table if self._rows else self).focus()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The line below follows the cursor."""
        event.stop()
        self._show_detail()

    def _show_detail(self) -> None:
        key = self.table.current
        self._detail.update(self.detail_of(key) if key is not None else Text())


def shown_name(name: str | None, contact: str) -> str:
    """What a person is called on the screen: one safe line."""
    return safe_name(name or "") or safe_name(contact)


def countdown(left: timedelta) -> str:
    """Time that is left: `24:37`, or `3 h 05 min` for more than an hour."""
    seconds = max(0, int(left.total_seconds()))
    if seconds < _HOUR_S:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // 60:02} min"


_HOUR_S = 3600
