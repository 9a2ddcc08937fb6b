"""The last line: which keys do what, here and now. A hint is whole or absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Static

from secondme.cli.tui.layout import apart, keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.content import Content
    from textual.events import Click

    from secondme.cli.tui.layout import Hint

PINNED: tuple[Hint, ...] = (("!", "Stop"), ("^p", "Commands"), ("?", "Help"))
_ROOM_FOR_COMMANDS = 58
_GAP = 3
_PRESSED = {
    "Enter": "enter",
    "Esc": "escape",
    "Space": "space",
    "Tab": "tab",
    "^p": "ctrl+p",
    "^d": "ctrl+d",
    "^j": "ctrl+j",
    "!": "exclamation_mark",
    "?": "question_mark",
    "/": "slash",
}
"""A key as it is shown -> as the framework calls it; letters and digits are called what they are."""


class Hints(Static):
    """Keys with their words, the most important first; stopping and help are always there, at the right."""

    def __init__(self) -> None:
        super().__init__(id="hints", markup=False)
        self._hints: tuple[Hint, ...] = ()
        self._is_typing = False
        self._spans: list[tuple[int, int, str]] = []
        """From and to which cell a hint stands, and its key."""

    def show(self, hints: Sequence[Hint], *, typing: bool = False) -> None:
        """These are the keys now. While something is typed, letters are no keys: what is always there goes."""
        if (tuple(hints), typing) != (self._hints, self._is_typing):
            self._hints, self._is_typing = tuple(hints), typing
            self.update(self._text())

    def on_resize(self) -> None:
        """As many as fit."""
        self.update(self._text())

    def on_click(self, event: Click) -> None:
        """As if the key was pressed."""
        for start, end, key in self._spans:
            if start <= event.x - self.styles.padding.left < end:
                self.app.simulate_key(_PRESSED.get(key, key))

    def _text(self) -> Content:
        room = self.content_size.width
        pinned = () if self._is_typing else PINNED if room >= _ROOM_FOR_COMMANDS else (PINNED[0], PINNED[2])
        right = keys(pinned)
        kept: list[Hint] = []
        for hint in self._hints:
            if keys([*kept, hint]).cell_length + (_GAP + right.cell_length if pinned else 0) > room:
                break
            kept.append(hint)
        left = keys(kept)
        self._spans = [*_spans(kept, 0), *_spans(pinned, room - right.cell_length)]
        return apart(left, right, room) if room > 0 else left


def _spans(hints: Sequence[Hint], at: int) -> list[tuple[int, int, str]]:
    found = []
    for hint in hints:
        length = keys([hint]).cell_length
        found.append((at, at + length, hint[0]))
        at += length + _GAP
    return found
