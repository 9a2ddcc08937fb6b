"""Panes: a frame with a title in it, a sheet that says what is known of one thing, and a line to search by."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from secondme.cli.tui.layout import say
from secondme.cli.tui.theme import FAINT, WAITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.widget import Widget


class Panel(Vertical):
    """A frame. Its title says what is in it, a count beside it how many; at the bottom stands what is true of the whole."""

    def __init__(self, *children: Widget, title: str = "", id: str | None = None, classes: str = "") -> None:  # noqa: A002  the framework's name
        super().__init__(*children, id=id, classes=f"panel {classes}")
        self.name_it(title)

    def name_it(self, title: str, count: str = "", foot: str = "", *, waits: bool = False) -> None:
        """Title, count and foot are these; a count of what waits for the owner is seen from afar."""
        more = (f"  {count}", f"bold {WAITS}" if waits else FAINT) if count else ""
        self.border_title = say(title, more)
        self.border_subtitle = say(foot) if foot else ""


class Sheet(VerticalScroll, can_focus=True, inherit_bindings=False):
    """What is known of one thing, drawn for the width there is. It is drawn again only when it says something else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", show=False),
        Binding("k,up", "scroll_up", show=False),
        Binding("g,home", "scroll_home", show=False),
        Binding("G,shift+g,end", "scroll_end", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("pageup", "page_up", show=False),
    ]

    def __init__(self, draw: Callable[[int], Content], *, id: str | None = None, at_end: bool = False) -> None:  # noqa: A002  the framework's name
        super().__init__(id=id)
        self._draw = draw
        self._body = Static(markup=False)
        self._follows = True
        self._is_at_end = at_end
        """What is new is at the bottom, and stays in sight."""
        self._told = Content()
        self._wanted: str | None = None
        self._subject: str | None = None
        self._width = 0

    def compose(self) -> ComposeResult:
        """One text."""
        yield self._body

    @property
    def text(self) -> str:
        """What it says."""
        return self._told.plain

    @property
    def is_scrolled_back(self) -> bool:
        """True when the owner reads something older than the end."""
        return self._is_at_end and not self._follows and self.scroll_offset.y < self.max_scroll_y

    def release_anchor(self) -> None:
        """The owner scrolls: it stays where they read."""
        super().release_anchor()
        self._follows = False

    def tell(self, subject: str | None) -> None:
        """It says what is so of `subject`. Of another subject it begins anew; of the same one it stays where it was scrolled to, and who
        was at the end of what grows there sees what is new."""
        self._wanted = subject
        width = self.scrollable_content_region.width
        if width <= 0:
            return  # it is not in sight, and is told when it is
        content = self._draw(width)
        is_new = subject != self._subject
        if not is_new and width == self._width and content == self._told:
            return
        self._told, self._subject, self._width = content, subject, width
        self._body.update(content)
        if self._is_at_end and is_new:
            self._follows = True
            self.anchor()
        elif is_new:
            self.scroll_home(animate=False)

    def on_resize(self) -> None:
        """Lines are broken where the pane ends."""
        self.call_after_refresh(self._tell_again)

    def _tell_again(self) -> None:
        self.tell(self._wanted)


class SearchLine(Input):
    """A line to search by, above a list. It is there while it is used."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, classes="search", compact=True)

    def open(self) -> None:
        """Typing searches."""
        self.add_class("shown")
        self.screen.set_focus(self)

    def clear_away(self) -> bool:
        """It is gone, and with it what was searched for. False when it was not there."""
        was_there = self.has_class("shown")
        self.value = ""
        self.remove_class("shown")
        return was_there
