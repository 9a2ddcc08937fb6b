"""Dialogs of the page of skills: a long text to read and decide by, a form made from settings, and the input of a try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Checkbox, Input, Static

from secondme.cli.tui.dialogs import Dialog, Frame
from secondme.cli.tui.layout import say
from secondme.cli.tui.theme import FAINT, WAITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult
    from textual.content import Content
    from textual.events import Key

    from secondme.core.tools.reports import SettingReport


class SheetDialog(Dialog[str]):
    """A long text, and what can be decided: `choices` are keys with their words. Enter alone decides nothing."""

    def __init__(self, title: str, text: Content, choices: Mapping[str, str]) -> None:
        super().__init__()
        self._title, self._text, self._choices = title, text, choices

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        with Frame(self._title):
            with VerticalScroll(classes="whole"):
                yield Static(self._text)
            keys = [f"{key} {words.lower()}" for key, words in self._choices.items()]
            yield Static(" · ".join([*keys, "↑ ↓ scroll", "Esc close"]), classes="keys")

    def on_mount(self) -> None:
        """The arrows scroll."""
        self.query_one(VerticalScroll).focus()

    def on_key(self, event: Key) -> None:
        """A key that decides."""
        if event.key in self._choices:
            event.stop()
            self.dismiss(event.key)


class SettingsDialog(Dialog[dict[str, Any]]):
    """A form made from a skill's settings. The value has what was changed; an empty field is its default again."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", priority=True)]

    def __init__(self, title: str, rows: Sequence[SettingReport], typed: Mapping[str, Any] | None = None) -> None:
        """`typed` is what was typed before and could not be kept."""
        super().__init__()
        self._title, self._rows, self._typed = title, rows, typed or {}
        self._warning = Static("", classes="label")

    def compose(self) -> ComposeResult:
        """Title, a field for each setting, keys."""
        with Frame(self._title):
            with VerticalScroll(classes="whole"):
                for row in self._rows:
                    value = self._typed.get(row.name, None if row.type == "secret" else row.value)
                    if row.type == "boolean":
                        yield Checkbox(row.label, bool(value), id=f"set-{row.name}", compact=True)
                        continue
                    yield Static(say(row.label, (f"  {_kind(row)}", FAINT)), classes="label")
                    shown = "" if value is None else str(value)
                    hint = "kept; type to change" if row.type == "secret" and row.set else ""
                    yield Input(shown, placeholder=hint, password=row.type == "secret", id=f"set-{row.name}")
            yield self._warning
            yield Static("Ctrl+S save · Tab next · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """The first field has the focus."""
        next(iter(self.query("Input, Checkbox"))).focus()

    def on_input_submitted(self) -> None:
        """Enter saves."""
        self.action_save()

    def action_save(self) -> None:
        """What was changed, when all of it can be."""
        changes: dict[str, Any] = {}
        for row in self._rows:
            if row.type == "boolean":
                on = self.query_one(f"#set-{row.name}", Checkbox).value
                if on is not bool(row.value):
                    changes[row.name] = on
                continue
            typed = self.query_one(f"#set-{row.name}", Input).value.strip()
            before = "" if row.value is None or row.type == "secret" else str(row.value)
            if typed == before:
                continue
            value, fault = _read(row, typed)
            if fault:
                self._warning.update(say((f"{row.label} {fault}", WAITS)))
                return
            changes[row.name] = value
        self.dismiss(changes)


class LineDialog(Dialog[str | None]):
    """One line of text. Typing begins behind the first `behind` characters of what stands there."""

    def __init__(self, title: str, verb: str, text: str = "", behind: int = 0) -> None:
        super().__init__()
        self._title, self._verb, self._text, self._behind = title, verb, text, behind

    def compose(self) -> ComposeResult:
        """Title, one line, keys."""
        with Frame(self._title):
            yield Input(self._text, max_length=4000)
            yield Static(f"Enter {self._verb} · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """Typing goes there at once."""
        field = self.query_one(Input)
        field.focus()
        field.cursor_position = self._behind

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(event.value.strip())


def _kind(row: SettingReport) -> str:
    kind = " or ".join(row.choices) if row.choices else row.type
    return f"{kind}, needed" if row.required else kind


def _read(row: SettingReport, typed: str) -> tuple[Any, str]:
    """A value from what was typed, and why it cannot be one."""
    from secondme.core.errors import DataError
    from secondme.core.tools.manifest import ConfigField, value_from_text

    if not typed:
        return None, ""
    try:
        return value_from_text(ConfigField(type=row.type, choices=tuple(row.choices)), typed), ""
    except DataError as error:
        return None, error.message.removeprefix("The setting ")
