"""Forms of the screen: choosing one of several, and writing or editing a draft."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from secondme.cli.tui.dialogs import Choices, Dialog, Frame
from secondme.cli.tui.layout import column, say
from secondme.cli.tui.theme import FAINT, INK, SOFT

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
