"""Longer text of the owner's own, and asking until what was typed is kept or given up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Static, TextArea

from secondme.cli.tui.dialogs import Dialog, Frame
from secondme.cli.tui.layout import say
from secondme.cli.tui.theme import BAD, WAITS
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult

    from secondme.cli.tui.pages.page import Page

_KEYS = "Ctrl+S save · Tab buttons · Esc cancel"


class TextDialog(Dialog[str | None]):
    """A text to change. What was typed is not thrown away by one key; what was not changed is not saved again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("escape", "leave", "Cancel", priority=True),
    ]

    def __init__(self, title: str, text: str, before: str, check: Callable[[str], str] = lambda _: "") -> None:
        """`before` is what is kept so far, where `text` was typed already; `check` says what is wrong with a text, and nothing that is wrong
        is saved."""
        super().__init__()
        self._title, self._text, self._before, self._check = title, text, before, check
        self._is_warned = False

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with Frame(self._title, "wide"):
            yield TextArea(self._text, soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="success", id="save", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(_KEYS, classes="keys", markup=False)

    def on_mount(self) -> None:
        """Typing goes on at the end."""
        super().on_mount()
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def action_save(self) -> None:
        """Kept, when it is another text than before, and nothing is wrong with it."""
        text = self.query_one(TextArea).text
        if wrong := self._check(text):
            self.query_one(".keys", Static).update(say((safe_text(wrong), BAD)))
            return
        self.dismiss(None if text == self._before else text)

    def action_leave(self) -> None:
        """Nothing was decided; words that were typed are only lost when asked twice."""
        if self._is_warned or self.query_one(TextArea).text == self._before:
            self.dismiss(None)
        else:
            self._is_warned = True
            self.query_one(".keys", Static).update(say(("Esc again throws away what you wrote.", WAITS)))

    def on_text_area_changed(self) -> None:
        """Who writes on wants to keep it."""
        self._is_warned = False
        self.query_one(".keys", Static).update(_KEYS)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click, or Enter on a button."""
        if event.button.id == "save":
            self.action_save()
        else:
            self.action_leave()


async def ask_until_kept(
    page: Page, ask: Callable[[str], Dialog[str | None]], text: str, keep: Callable[[str], Awaitable[str]]
) -> bool:
    """True once what the owner typed is kept; they are asked again, with what they typed, after each failure, and told why. False when they
    gave it up. Called in a worker."""
    while typed := await page.app.push_screen_wait(ask(text)):
        if await page.desk.decide(partial(keep, typed)):
            return True
        text = typed
    return False
