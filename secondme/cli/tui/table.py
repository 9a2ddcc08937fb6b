"""A table that stays calm while it changes: rows keep their place, the cursor keeps its row, and only what changed is drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

if TYPE_CHECKING:
    from collections.abc import Sequence

_PADDING = 2
"""One blank on each side of a cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `width` is in terminal cells; flexible ones share what is left over."""

    label: str
    width: int
    flexible: int = 0
    """Its share of the room that is left, and 0 for a fixed width."""
    most: int = 0
    """It grows no wider than this; 0: as wide as it gets."""
    from_width: int = 0
    """It is left out on terminals narrower than this."""


Cell = tuple[str, str]
"""Text that is safe to show, and its style."""
Row = tuple[str, tuple[Cell, ...]]
"""The row's key, and a cell for every column, shown or not."""


class PeopleTable(DataTable[Text]):
    """A table that can be shown anew every second."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, cell_padding=1)
        self._all = tuple(columns)
        self._shown: tuple[tuple[int, int], ...] = ()
        """Index and width of each column that fits."""
        self._rows: list[Row] = []
        self._drawn: dict[str, tuple[Cell, ...]] = {}

    def show(self, rows: list[Row]) -> None:
        """These rows are on the screen. Repeatable; costs little when little changed."""
        self._rows = rows
        self._draw(anew=[key for key, _ in rows] != list(self._drawn))

    @property
    def current(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self.cursor_row][0] if 0 <= self.cursor_row < len(self._rows) else None

    def on_resize(self) -> None:
        """The columns fit the terminal."""
        fitting = self._fit(self.size.width)
        if fitting != self._shown:
            self._shown = fitting
            self.clear(columns=True)
            self._drawn = {}
            for index, width in fitting:
                self.add_column(self._all[index].label, width=width)
            self._draw(anew=True)

    def _fit(self, room: int) -> tuple[tuple[int, int], ...]:
        chosen = [index for index, column in enumerate(self._all) if room >= column.from_width]
        left = room - 1 - sum(self._all[index].width + _PADDING for index in chosen)
        shares = sum(self._all[index].flexible for index in chosen)
        fitted = []
        for index in chosen:
            column = self._all[index]
            width = column.width + (max(0, left) * column.flexible // shares if shares else 0)
            fitted.append((index, min(width, column.most) if column.most else width))
        return tuple(fitted)

    def _draw(self, *, anew: bool) -> None:
        if not self._shown:
            return
        if not anew:
            for number, (key, cells) in enumerate(self._rows):
                before = self._drawn[key]
                for place, (index, width) in enumerate(self._shown):
                    if cells[index] != before[index]:
                        self.update_cell_at(Coordinate(number, place), _text(cells[index], width))
        else:
            before_key, before_row, offset = self._at_cursor(), self.cursor_row, self.scroll_y
            self.clear()
            for key, cells in self._rows:
                self.add_row(*(_text(cells[index], width) for index, width in self._shown), key=key)
            keys = [key for key, _ in self._rows]
            if keys:
                row = keys.index(before_key) if before_key in keys else min(before_row, len(keys) - 1)
                self.move_cursor(row=row, scroll=False)
                self.scroll_to(y=offset, animate=False)
        self._drawn = dict(self._rows)

    def _at_cursor(self) -> str | None:
        drawn = list(self._drawn)
        return drawn[self.cursor_row] if 0 <= self.cursor_row < len(drawn) else None


def _text(cell: Cell, width: int) -> Text:
    text = Text(cell[0], style=cell[1], no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text
