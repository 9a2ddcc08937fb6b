"""Longer text of the owner's own, and asking until what was typed is kept or given up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

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

T = TypeVar("T")

_KEYS = "Ctrl+S save · Tab buttons · Esc cancel"


class EditorDialog(Dialog[T]):
    """A text to change. What was typed is not thrown away by one key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("escape", "leave", "Cancel", priority=True),
    ]

    def __init__(self, title: str, text: str, before: str) -> None:
        """`before` is what is kept so far, where `text` was typed already."""
        super().__init__()
        self._title, self._text, self._before = title, text, before
        self._is_warned = False

    def on_mount(self) -> None:
        """Typing goes on at the end."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    @property
    def typed(self) -> str:
        """What stands there now."""
        return self.query_one(TextArea).text

    def say_below(self, words: str, style: str) -> None:
        """These words are in the place of the keys, until something is typed."""
        self.query_one(".keys", Static).update(say((words, style)))

    def action_leave(self) -> None:
        """Nothing was decided; words that were typed are only lost when asked twice."""
        if self._is_warned or self.typed == self._before:
            self.dismiss(None)
        else:
            self._is_warned = True
            self.say_below("Esc again throws away what you wrote.", WAITS)

    def on_text_area_changed(self) -> None:
        """Who writes on wants to keep it."""
        self._is_warned = False
        self.query_one(".keys", Static).update(_KEYS)


class TextDialog(EditorDialog[str | None]):
    """A text to change; what was not changed is not saved again."""

    def __init__(self, title: str, text: str, before: str, check: Callable[[str], str] = lambda _: "") -> None:
        """`check` says what is wrong with a text, and nothing that is wrong is saved."""
        super().__init__(title, text, before)
        self._check = check

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with Frame(self._title, "wide"):
            yield TextArea(self._text, soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="success", id="save", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(_KEYS, classes="keys", markup=False)

    def action_save(self) -> None:
        """Kept, when it is another text than before, and nothing is wrong with it."""
        text = self.typed
        if wrong := self._check(text):
            self.say_below(safe_text(wrong), BAD)
        else:
            self.dismiss(None if text == self._before else text)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click, or Enter on a button."""
        if event.button.id == "save":
            self.action_save()
        else:
            self.action_leave()


_LONGEST = 16_000
"""Characters; `Drafts.edit` takes no more."""


@dataclass(frozen=True, slots=True)
class WrittenDraft:
    """What the owner wrote for a contact."""

    text: str
    is_sent: bool
    """True when it shall leave at once."""


class WriteDialog(EditorDialog[WrittenDraft | None]):
    """The owner's own words to a contact: kept, or kept and sent."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title, safe_text(text), safe_text(text))

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with Frame(self._title):
            yield TextArea(self._text, soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="success", id="save", compact=True)
                yield Button("Save, send", id="send", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(_KEYS, classes="keys")

    def action_save(self) -> None:
        """Kept; it waits on."""
        self._done(is_sent=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click, or Enter on a button."""
        if event.button.id == "no":
            self.dismiss(None)
        else:
            self._done(is_sent=event.button.id == "send")

    def _done(self, *, is_sent: bool) -> None:
        text = self.typed
        if len(text) > _LONGEST:
            words = f"{len(text):,} characters: shorten it to {_LONGEST:,}."
            self.say_below(words, WAITS)
        else:
            self.dismiss(WrittenDraft(text, is_sent))


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
