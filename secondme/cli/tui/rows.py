"""A list of any length of which only the rows in sight are drawn, each for the room there is: one line, or two."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from secondme.cli.tui.layout import broken, fit, lines, say
from secondme.cli.tui.theme import ACCENT, FAINT, SOFT, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.content import Content
    from textual.events import Click


@dataclass(frozen=True, slots=True)
class Heading:
    """A line between rows. The cursor passes over it."""

    words: str
    count: int


Entry = str | Heading
"""The key of a row, or a heading."""

_EDGE = 1
"""The cursor's edge, left of every row."""
_GUTTER = 1
"""Between a row and the scroll bar."""
_EMPTY_LINES = 2


class Rows(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under a cursor. What they say is asked for when they come into sight, and again at `tell`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--empty"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("g,home", "end(False)", show=False),
        Binding("G,shift+g,end", "end(True)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("enter", "open", show=False),
    ]

    class Moved(Message):
        """The cursor stands elsewhere, or what it stands on is another."""

        def __init__(self, rows: Rows) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> Rows:
            """Which list."""
            return self.rows

    def __init__(
        self,
        draw: Callable[[str, int, bool], Content],
        opened: Callable[[Rows], None],
        *,
        id: str | None = None,  # noqa: A002  the framework's name
        tight: bool | None = None,
    ) -> None:
        """`draw` makes a row of a key, the width there is, and whether there is one line only, and not two. `opened` is called, at once, when
        the row under the cursor is opened: by Enter, or by a click on it. That decides nothing."""
        super().__init__(id=id)
        self._draw, self._opened = draw, opened
        self._is_tight = tight
        """One line for each row; None: as the screen is wide."""
        self._entries: list[Entry] = []
        self._places: dict[str, int] = {}
        self._starts: list[int] = []
        self._height = 0
        self._at: int | None = None
        self._empty = ""
        self._drawn: dict[int, tuple[Content, bool, list[Strip]]] = {}
        """What was drawn of an entry: from what, under the cursor or not, and its lines."""

    # What is in it

    def put(self, entries: Sequence[Entry], empty: str = "") -> None:
        """These are the rows, or the words that say why there are none. The cursor stays on its row, where that is still there, and the
        rows in sight stay where they are."""
        found = list(entries)
        if empty != self._empty:
            self._empty = empty
            self.refresh(layout=not found)
        if found != self._entries:
            before, line = self.current, self._line_of(self._at)
            was_at = self._at
            self._entries = found
            self._places = {entry: number for number, entry in enumerate(found) if isinstance(entry, str)}
            self._at = self._places.get(before) if before is not None else None
            if self._at is None:
                self._at = self._near(was_at or 0, 1)
            self._lay_out()
            if self.scroll_offset.y and line is not None and self.current == before:
                self.scroll_to(y=self.scroll_offset.y + (self._line_of(self._at) or 0) - line, animate=False, force=True)
            if self.current != before:
                self._show_cursor()
                self.post_message(self.Moved(self))
            self._drawn.clear()
            self.refresh(layout=True)
        else:
            self.tell()

    def tell(self) -> None:
        """What is in sight says what is so now; nothing else is drawn again."""
        if not self._entries or not self.is_attached:
            return
        top, height = self.scroll_offset.y, self.size.height
        for index in [each for each in self._drawn if not self._is_in_sight(each, top, height)]:
            del self._drawn[index]
        for index, (content, _, _) in list(self._drawn.items()):
            if self._content(index) != content:
                del self._drawn[index]
                self._refresh_entry(index)

    @property
    def current(self) -> str | None:
        """The key of the row under the cursor."""
        entry = self._entries[self._at] if self._at is not None and self._at < len(self._entries) else None
        return entry if isinstance(entry, str) else None

    @property
    def keys(self) -> list[str]:
        """Every row's key, in order."""
        return list(self._places)

    def move_to(self, key: str) -> None:
        """The cursor stands on this row, if there is one."""
        if (place := self._places.get(key)) is not None:
            self._go(place)

    def text_of(self, key: str) -> str:
        """What a row says, as it is drawn now."""
        return self._draw(key, self._room, self.is_tight).plain

    # How it is laid out

    @property
    def is_tight(self) -> bool:
        """One line for each row."""
        return self._is_tight if self._is_tight is not None else not self.screen.has_class("-wide")

    @property
    def _room(self) -> int:
        return max(4, self.scrollable_content_region.width - _EDGE - _GUTTER)

    def _lines_of(self, number: int, entry: Entry, *, tight: bool) -> int:
        if isinstance(entry, Heading):
            return 1 if tight or number == 0 else 2
        return 1 if tight else 2

    def _lay_out(self) -> None:
        """How high each row is, is known before one is drawn."""
        tight = self.is_tight if self.is_attached else True
        heights = [self._lines_of(number, entry, tight=tight) for number, entry in enumerate(self._entries)]
        self._starts = [0, *accumulate(heights)]
        self._height = self._starts.pop()
        self.virtual_size = Size(self.size.width, self._height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as its rows."""
        del container, viewport, width
        self._lay_out()
        return self._height or len(self._empty.split("\n")) + _EMPTY_LINES

    def on_resize(self) -> None:
        """Everything is drawn for its new width."""
        self._lay_out()
        self._drawn.clear()
        self._show_cursor()
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme: everything is drawn again."""
        super().notify_style_update()
        self._drawn.clear()

    # How it is drawn

    def render_line(self, y: int) -> Strip:
        """A line in sight."""
        line, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if not self._entries:
            return self._empty_line(y, width)
        if line >= self._height:
            return Strip.blank(width, self.rich_style)
        index = bisect_right(self._starts, line) - 1
        strips = self._strips(index, width)
        within = line - self._starts[index]
        return strips[within] if within < len(strips) else Strip.blank(width, self.rich_style)

    def _strips(self, index: int, width: int) -> list[Strip]:
        picked = index == self._at
        if (known := self._drawn.get(index)) is not None and known[1] == picked:
            return known[2]
        content = self._content(index)
        style = self.get_visual_style("rows--cursor") if picked else self.visual_style
        if picked and self.has_focus and is_plain():
            style += Style(reverse=True)
        edge = ("▌", ACCENT) if picked and self.has_focus else " "
        height = self._lines_of(index, self._entries[index], tight=self.is_tight)
        drawn = lines(*[say(edge, line) for line in content.split("\n", allow_blank=True)[:height]])
        strips = [
            strip.adjust_cell_length(width, style.rich_style) for strip in Visual.to_strips(self, drawn, width, height, style)
        ]
        self._drawn[index] = content, picked, strips
        return strips

    def _content(self, index: int) -> Content:
        entry = self._entries[index]
        if isinstance(entry, str):
            return self._draw(entry, self._room, self.is_tight)
        above = "" if index == 0 or self.is_tight else "\n"
        return say(above, fit(say((entry.words, f"bold {SOFT}"), (f"  {entry.count}", FAINT)), self._room))

    def _empty_line(self, y: int, width: int) -> Strip:
        said = [line for part in self._empty.split("\n") for line in broken(part, max(10, width - 4))]
        number = y - max(0, (self.size.height - len(said)) // 2)
        words = said[number] if 0 <= number < len(said) else ""
        style = self.get_visual_style("rows--empty")
        (strip,) = Visual.to_strips(self, say((" " * max(0, (width - len(words)) // 2) + words, SOFT)), width, 1, style)
        return strip.adjust_cell_length(width, style.rich_style)

    # The cursor

    def action_move(self, by: int) -> None:
        """One row on, or back; headings are passed over."""
        self._go(self._near((self._at if self._at is not None else -1) + by, by))

    def action_end(self, last: bool) -> None:  # noqa: FBT001  a binding's argument
        """The last row, or the first."""
        self._go(self._near(len(self._entries) - 1, -1) if last else self._near(0, 1))
        if not last:
            self.scroll_home(animate=False)

    def action_page(self, by: int) -> None:
        """As many rows as are in sight."""
        line = (self._line_of(self._at) or 0) + by * max(1, self.size.height - 1)
        target = bisect_right(self._starts, min(max(0, line), max(0, self._height - 1))) - 1
        self._go(self._near(target, by) if self._near(target, by) is not None else self._near(target, -by))

    def action_open(self) -> None:
        """The row under the cursor is looked at."""
        if self.current is not None:
            self._opened(self)

    def on_click(self, event: Click) -> None:
        """The row there; on the row under the cursor, it is opened."""
        if not self._entries:
            return
        line = event.y + self.scroll_offset.y
        index = bisect_right(self._starts, line) - 1
        if line >= self._height or not isinstance(self._entries[index], str):
            return
        if index == self._at:
            self.action_open()
        else:
            self._go(index)

    def on_focus(self) -> None:
        """The cursor has its edge."""
        self._redraw_cursor()

    def on_blur(self) -> None:
        """It has none."""
        self._redraw_cursor()

    def _redraw_cursor(self) -> None:
        if self._at is not None:
            self._drawn.pop(self._at, None)
            self._refresh_entry(self._at)

    def _near(self, index: int, by: int) -> int | None:
        """The row at `index`, or the next one in the direction of `by`."""
        while 0 <= index < len(self._entries):
            if isinstance(self._entries[index], str):
                return index
            index += 1 if by > 0 else -1
        if self._places and index >= len(self._entries) and by > 0:
            return max(self._places.values())
        return None

    def _go(self, index: int | None) -> None:
        if index is None or index == self._at:
            return
        before, self._at = self._at, index
        for each in (before, index):
            if each is not None and each < len(self._entries):
                self._drawn.pop(each, None)
                self._refresh_entry(each)
        self._show_cursor()
        self.post_message(self.Moved(self))

    def _line_of(self, index: int | None) -> int | None:
        return self._starts[index] if index is not None and index < len(self._starts) else None

    def _show_cursor(self) -> None:
        """The row under the cursor is in sight, and a heading right above it."""
        start = self._line_of(self._at)
        if start is None or self._at is None:
            return
        height = self._lines_of(self._at, self._entries[self._at], tight=self.is_tight)
        if self._at == 1 and isinstance(self._entries[0], Heading):
            start, height = 0, height + start
        self.scroll_to_region(Region(0, start, 1, height), animate=False, force=True)

    def _is_in_sight(self, index: int, top: int, height: int) -> bool:
        start = self._line_of(index)
        return start is not None and start < top + height and start + 2 >= top

    def _refresh_entry(self, index: int) -> None:
        if self.is_attached and (start := self._line_of(index)) is not None:
            height = self._lines_of(index, self._entries[index], tight=self.is_tight)
            self.refresh(Region(0, start - self.scroll_offset.y, self.size.width, height))
