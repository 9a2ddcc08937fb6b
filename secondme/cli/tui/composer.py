"""The line under a conversation in which the owner writes as themselves. What is typed is kept for each contact until it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static, TextArea

if TYPE_CHECKING:
    from textual.app import ComposeResult

MOST = 16_000
"""Characters; a message has no more."""


class ComposerArea(TextArea):
    """Several lines; Enter sends, Ctrl+J is a new line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send as you", show=False, priority=True),
        Binding("ctrl+j", "new_line", "New line", show=False, priority=True),
        Binding("escape", "leave", "Keep and go back", show=False, priority=True),
    ]

    class Sent(Message):
        """Enter: the words are meant for their contact."""

    class Left(Message):
        """Escape: they are kept."""

    def action_send(self) -> None:
        """It is for the page to send."""
        self.post_message(self.Sent())

    def action_leave(self) -> None:
        """It is for the page to go back."""
        self.post_message(self.Left())

    def action_new_line(self) -> None:
        """The cursor stands on a line of its own."""
        self.insert("\n")


class Composer(Horizontal):
    """Words to one contact at a time."""

    def __init__(self) -> None:
        super().__init__(id="composer")
        self._words = ComposerArea(soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
        self._kept: dict[str, str] = {}
        self._contact = ""

    def compose(self) -> ComposeResult:
        """A sign, and the words."""
        yield Static("▶", classes="sign", markup=False)
        yield self._words

    def aim(self, contact: str, placeholder: str) -> None:
        """What is typed from here on is for this contact; what was typed for another is kept."""
        self._words.placeholder = placeholder
        if contact != self._contact:
            self.keep()
            self._contact = contact
            self._words.load_text(self._kept.get(contact, ""))
            self._words.move_cursor(self._words.document.end)

    def keep(self) -> None:
        """What is typed is there when the contact is come back to."""
        if self._contact:
            self._kept[self._contact] = self._words.text

    def write(self) -> None:
        """Typing writes."""
        self.screen.set_focus(self._words)

    @property
    def text(self) -> str:
        """What is typed."""
        return self._words.text

    @property
    def is_typing(self) -> bool:
        """True while letters are text here."""
        return self._words.has_focus

    def clear_away(self) -> None:
        """What was typed was sent."""
        self._kept.pop(self._contact, None)
        self._words.load_text("")
