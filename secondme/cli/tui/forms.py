"""Forms of the screen: choosing one of several, and writing or editing a draft."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from secondme.cli.tui.dialogs import Choices, Dialog, Frame
from secondme.cli.tui.layout import column, say
from secondme.cli.tui.theme import FAINT, INK, SOFT, WAITS
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.app import ComposeResult


_MOST = 50
"""Found at once; a longer search finds the others."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a list. Its words are safe to show."""

    value: str
    words: str
    says: str = ""
    is_possible: bool = True


class ChoiceDialog(Dialog[str]):
    """One of a few. The value that is chosen now is highlighted."""

    def __init__(self, title: str, choices: Sequence[Choice], chosen: str) -> None:
        super().__init__()
        self._title, self._choices, self._chosen = title, list(choices), chosen

    def compose(self) -> ComposeResult:
        """Title and choices."""
        with Frame(self._title):
            yield Choices(*_options(self._choices))
            yield Static("Enter choose · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """What is chosen now is highlighted."""
        options = self.query_one(OptionList)
        values = [choice.value for choice in self._choices]
        options.highlighted = values.index(self._chosen) if self._chosen in values else 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Chosen."""
        self.dismiss(self._choices[event.option_index].value)


class FindDialog(Dialog[str]):
    """One of many: typing narrows the list, the arrows choose."""

    def __init__(self, title: str, find: Callable[[str], Iterable[Choice]]) -> None:
        super().__init__()
        self._title, self._find = title, find
        self._found: list[Choice] = []

    def compose(self) -> ComposeResult:
        """Title, search, what was found."""
        with Frame(self._title):
            yield Input(placeholder="name or number")
            yield Choices()
            yield Static("↑ ↓ choose · Enter take · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """Typing searches."""
        self._search("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another letter."""
        self._search(event.value)

    def on_input_submitted(self) -> None:
        """Enter takes the highlighted one."""
        self._take(self.query_one(OptionList).highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click, or Enter in the list."""
        self._take(event.option_index)

    def key_down(self) -> None:
        """The arrows move in the list while the search keeps the focus."""
        self.query_one(OptionList).action_cursor_down()

    def key_up(self) -> None:
        """As down."""
        self.query_one(OptionList).action_cursor_up()

    def _search(self, words: str) -> None:
        self._found = list(islice(self._find(words), _MOST))
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(_options(self._found))
        options.highlighted = 0 if self._found else None

    def _take(self, place: int | None) -> None:
        if place is not None and place < len(self._found):
            self.dismiss(self._found[place].value)


def _options(choices: Sequence[Choice]) -> list[Option]:
    widest = max((cell_len(choice.words) for choice in choices), default=0)
    options = []
    for choice in choices:
        words = column(say((f" {choice.words}", f"bold {INK}" if choice.is_possible else FAINT)), widest + 1)
        options.append(Option(say(words, (f"  {choice.says}", SOFT)), disabled=not choice.is_possible))
    return options


_LONGEST = 16_000
"""Characters; `Drafts.edit` takes no more."""


@dataclass(frozen=True, slots=True)
class WrittenDraft:
    """What the owner wrote for a contact."""

    text: str
    is_sent: bool
    """True when it shall leave at once."""


class WriteDialog(Dialog[WrittenDraft | None]):
    """The owner's own words. What was typed is not thrown away by one key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("escape", "leave", "Cancel", priority=True),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, safe_text(text)
        self._is_warned = False

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with Frame(self._title):
            yield TextArea(self._text, soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="success", id="save", compact=True)
                yield Button("Save, send", id="send", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(_KEYS, classes="keys")

    def on_mount(self) -> None:
        """Typing goes on at the end."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def action_save(self) -> None:
        """Kept; it waits on."""
        self._done(is_sent=False)

    def action_leave(self) -> None:
        """Nothing was decided; words that were typed are only lost when asked twice."""
        if self._is_warned or self.query_one(TextArea).text == self._text:
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
        if event.button.id == "no":
            self.dismiss(None)
        else:
            self._done(is_sent=event.button.id == "send")

    def _done(self, *, is_sent: bool) -> None:
        text = self.query_one(TextArea).text
        if len(text) > _LONGEST:
            words = f"{len(text):,} characters: shorten it to {_LONGEST:,}."
            self.query_one(".keys", Static).update(say((words, WAITS)))
        else:
            self.dismiss(WrittenDraft(text, is_sent))


_KEYS = "Ctrl+S save · Tab buttons · Esc cancel"
