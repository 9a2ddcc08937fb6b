"""The base of pages: what every page can be asked, and the usual one, a list with a sheet about the row under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from secondme.cli.tui.panes import Panel, SearchLine, Sheet
from secondme.cli.tui.rows import Heading, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.cli.tui.rows import Entry
    from secondme.cli.tui.switches import Chat

LOOKING = "Looking …"
"""Instead of an empty list, which would be a claim, until it is known what there is."""


class Page(Container):
    """A page of the screen."""

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(id=f"page-{page_id}", classes="page")
        self.desk = desk
        self.page_id = page_id

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """What only this page shows was read. Called while it is shown, before `show`, with the connection in use. Raises SecondmeError."""

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The page shows the snapshot. Called while it is shown, and before."""
        raise NotImplementedError

    def tick(self, now: datetime) -> None:
        """What runs down is right at `now`. Called while it is shown, once a second."""
        raise NotImplementedError

    def hints(self) -> Sequence[Hint]:
        """Which keys do what now, the most important first."""
        raise NotImplementedError

    def focus_page(self) -> None:
        """The keys of this page work."""
        raise NotImplementedError

    def back(self) -> bool:
        """One step back; False when there was none to take."""
        return False

    def reveal(self, key: str) -> None:
        """The cursor stands on this row, as soon as it is there."""
        raise NotImplementedError

    def contact(self) -> Chat | None:
        """The approved contact that the page is about now, if it is about one."""
        return None

    @property
    def is_shown(self) -> bool:
        """False while another page is."""
        return all(node.display for node in self.ancestors_with_self if isinstance(node, Widget))

    @property
    def is_typing(self) -> bool:
        """True while letters are text."""
        focused = self.screen.focused
        return focused is not None and focused.check_consume_key("a", "a")

    def refresh_hints(self) -> None:
        """The last line says what is so now."""
        self.app.refresh_hints()  # type: ignore[attr-defined]  # there is one app


class ListPage(Page):
    """A list beside a sheet that says what is known of the row under the cursor; on a narrow screen below each other, and Enter gives the
    sheet the whole page."""

    TITLE: ClassVar[str] = ""
    EMPTY: ClassVar[str] = ""
    SEARCH: ClassVar[str] = ""
    """What can be searched for; empty where nothing can."""
    WAITS: ClassVar[bool] = False
    """True where everything that is listed waits for the owner."""
    AT_END: ClassVar[bool] = False
    """True where the newest is at the end of the sheet."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self.add_class("split")
        self.rows = Rows(self.draw_row, self._opened, id=f"rows-{page_id}")
        self.search = SearchLine(self.SEARCH)
        self.sheet = Sheet(self._drawn_sheet, id=f"sheet-{page_id}", at_end=self.AT_END)
        self.list_pane = Panel(*self.above_rows(), self.search, self.rows, title=self.TITLE, classes="list")
        self.detail_pane = Panel(self.sheet, *self.below_sheet(), classes="detail")
        self.now: datetime | None = None
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        """List and detail."""
        yield self.list_pane
        yield self.detail_pane

    def above_rows(self) -> Sequence[Widget]:
        """What stands above the list, in its frame."""
        return ()

    def below_sheet(self) -> Sequence[Widget]:
        """What stands under the sheet, in its frame."""
        return ()

    # What a page says of itself

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """A row in one line, or in two."""
        raise NotImplementedError

    def draw_sheet(self, key: str, width: int) -> Content:
        """What is known of a row."""
        raise NotImplementedError

    def title_of(self, key: str) -> tuple[str, str]:
        """What the detail's frame is called, and what stands at its foot."""
        raise NotImplementedError

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """Which keys do what with this row, or with none."""
        raise NotImplementedError

    # What is the same for all

    def _drawn_sheet(self, width: int) -> Content:
        key = self.rows.current
        return self.draw_sheet(key, width) if key is not None else Content()

    def put(self, entries: Sequence[Entry], empty: str = "", *, count: str | None = None, foot: str = "") -> None:
        """These are the rows, or the words that say why there are none; at the foot of the list stands what is true of all."""
        number = sum(1 for entry in entries if not isinstance(entry, Heading))
        self.set_class(not number, "-empty")
        if not number:
            self.remove_class("-open")
        self.list_pane.name_it(self.TITLE, (count if count is not None else str(number)) if number else "", foot, waits=self.WAITS)
        self.rows.put(entries if number else [], empty or self.EMPTY)
        self._reveal()
        self.tell()
        if not number and self.is_shown and self.sheet.has_focus:
            self.focus_page()

    def tell(self) -> None:
        """The sheet and the hints are those of the row under the cursor."""
        key = self.rows.current
        title, foot = self.title_of(key) if key is not None else ("", "")
        self.detail_pane.name_it(title, foot=foot)
        self.sheet.tell(key)
        if self.is_shown:
            self.refresh_hints()

    def tick(self, now: datetime) -> None:
        """Ages and what is left are right."""
        self.now = now
        self.rows.tell()
        self.sheet.tell(self.rows.current)

    def hints(self) -> Sequence[Hint]:
        """Those of the row under the cursor."""
        if self.is_typing:
            return (("Enter", "Take it"), ("Esc", "Show all"))
        found = list(self.row_hints(self.rows.current))
        if self.SEARCH:
            found.append(("/", "Search"))
        if self.has_class("-open"):
            found = [("Esc", "Back"), *(hint for hint in found if hint[0] != "Enter")]
        return found

    def focus_page(self) -> None:
        """The list has the focus, or what was opened of it."""
        self.screen.set_focus(self.sheet if self.has_class("-open") else self.rows)

    def back(self) -> bool:
        """From the sheet to the list; from a search to everything."""
        if self.has_class("-open"):
            self.remove_class("-open")
        elif not self.search.clear_away() and self.rows.has_focus:
            return False
        self.focus_page()
        self.refresh_hints()
        return True

    def action_back(self) -> None:
        """One step back."""
        self.back()

    def action_search(self) -> None:
        """Typing narrows the list."""
        if self.SEARCH:
            self.remove_class("-open")
            self.search.open()

    def reveal(self, key: str) -> None:
        """The cursor stands on this row, as soon as it is there; nothing is searched for."""
        self.search.clear_away()
        self._wanted = key
        self._reveal()
        self.focus_page()

    def _reveal(self) -> None:
        if self._wanted is not None and self._wanted in self.rows.keys:
            self.rows.move_to(self._wanted)
            self._wanted = None

    def searched(self) -> None:
        """What is searched for has changed."""

    def open_row(self, key: str) -> None:
        """The sheet has the focus; where it was below the list, it has the whole page."""
        del key
        self.add_class("-open")
        self.screen.set_focus(self.sheet)
        self.call_after_refresh(self.sheet.tell, self.rows.current)
        self.refresh_hints()

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self.tell()

    def _opened(self, rows: Rows) -> None:
        if rows.current is not None:
            self.open_row(rows.current)

    @on(Input.Changed, ".search")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.searched()

    @on(Input.Submitted, ".search")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_page()
