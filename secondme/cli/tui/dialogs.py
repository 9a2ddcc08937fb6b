"""Dialogs: each returns one value, or None when the owner thought better of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from secondme.cli.tui.layout import say
from secondme.cli.tui.theme import INK, SOFT, is_ascii, is_plain
from secondme.core.enums import Tier
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from textual.app import App, ComposeResult

T = TypeVar("T")

_TIERS = {
    Tier.TRUSTED: "answered automatically, may cause changes",
    Tier.STANDARD: "answered automatically",
    Tier.RESTRICTED: "you approve every reply",
}
_LENGTHS: dict[str, timedelta | None] = {
    "30 minutes": timedelta(minutes=30),
    "1 hour": timedelta(hours=1),
    "8 hours": timedelta(hours=8),
    "until I resume": None,
}


class Frame(Vertical):
    """What a dialog asks in: a frame with the question in it."""

    def __init__(self, title: str, classes: str = "") -> None:
        super().__init__(classes=f"dialog {classes}")
        self.border_title = say(title)


class Dialog(ModalScreen[T]):
    """A question in the middle of the screen. Escape is always no."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def on_mount(self) -> None:
        """It looks as this terminal can draw it."""
        self.set_class(is_plain(), "-plain")
        self.set_class(is_ascii(), "-ascii")

    def action_cancel(self) -> None:
        """Nothing was decided."""
        self.dismiss(None)


class Choices(OptionList):
    """A list to choose from, moved through with the keys of every list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "first", show=False),
        Binding("G,shift+g", "last", show=False),
    ]


async def ask(app: App[Any], dialog: Dialog[T]) -> T | None:
    """What the owner said; None when they thought better of it. Called in a worker."""
    return await app.push_screen_wait(dialog)


@dataclass(frozen=True, slots=True)
class TierChoice:
    """How far somebody is trusted, and what the owner wants to remember about them."""

    tier: Tier
    notes: str


class TierDialog(Dialog[TierChoice]):
    """Which tier? Enter takes the highlighted one at once."""

    def __init__(self, title: str, verb: str, tier: Tier = Tier.STANDARD, notes: str | None = "") -> None:
        super().__init__()
        self._title, self._verb, self._tier, self._notes = title, verb, tier, notes

    def compose(self) -> ComposeResult:
        """Title, tiers, notes, buttons."""
        with Frame(self._title):
            yield Choices(*(Option(_tier_text(tier, says), id=tier.value) for tier, says in _TIERS.items()))
            if self._notes is not None:
                yield Static("Note for yourself and the clone", classes="label")
                yield Input(" ".join(safe_text(self._notes).split()), max_length=500, placeholder="optional")
            with Horizontal(classes="buttons"):
                yield Button(self._verb, variant="success", id="yes", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(f"Enter {self._verb.lower()} · Tab note · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """The usual tier is highlighted."""
        tiers = self.query_one(OptionList)
        tiers.highlighted = list(_TIERS).index(self._tier)
        tiers.focus()

    def on_option_list_option_selected(self) -> None:
        """Enter, or a click, on a tier."""
        self._choose()

    def on_input_submitted(self) -> None:
        """Enter in the note."""
        self._choose()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click."""
        if event.button.id == "yes":
            self._choose()
        else:
            self.dismiss(None)

    def _choose(self) -> None:
        highlighted = self.query_one(OptionList).highlighted or 0
        notes = self.query_one(Input).value.strip() if self._notes is not None else ""
        self.dismiss(TierChoice(list(_TIERS)[highlighted], notes))


class ReasonDialog(Dialog[str]):
    """Really, and why? The reason may be empty; it is for the owner alone. Enter alone says no."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "yes", "Yes"), Binding("n", "cancel", "No")]

    def __init__(self, title: str, verb: str, body: str) -> None:
        super().__init__()
        self._title, self._verb, self._body = title, verb, body

    def compose(self) -> ComposeResult:
        """Title, what will happen, reason, buttons."""
        with Frame(self._title):
            yield Static(Content(self._body), classes="body")
            yield Static("Reason, only you see it", classes="label")
            yield Input(max_length=500, placeholder="optional")
            with Horizontal(classes="buttons"):
                yield Button(self._verb, variant="error", id="yes", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(f"y {self._verb.lower()} · Tab reason · n or Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """The harmless button has the focus."""
        self.query_one("#no", Button).focus()

    def action_yes(self) -> None:
        """Decided."""
        self.dismiss(self.query_one(Input).value.strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(event.value.strip())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click."""
        self.dismiss(self.query_one(Input).value.strip() if event.button.id == "yes" else None)


class ConfirmDialog(Dialog[bool]):
    """Really? Enter alone says no: the dangerous button must be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "yes", "Yes"), Binding("n", "cancel", "No")]

    def __init__(self, title: str, body: str, verb: str) -> None:
        super().__init__()
        self._title, self._body, self._verb = title, body, verb

    def compose(self) -> ComposeResult:
        """Title, consequences, buttons."""
        with Frame(self._title):
            yield Static(Content(self._body), classes="body")
            with Horizontal(classes="buttons"):
                yield Button(self._verb, variant="error", id="yes", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(f"y {self._verb.lower()} · n or Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """The harmless button has the focus."""
        self.query_one("#no", Button).focus()

    def action_yes(self) -> None:
        """Decided."""
        self.dismiss(True)  # noqa: FBT003  the dialog's value

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click, or Enter on a button."""
        self.dismiss(True if event.button.id == "yes" else None)


class PauseDialog(Dialog[str]):
    """For how long? The value is a key of `lengths`."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        """Title and lengths."""
        with Frame(self._title):
            yield Choices(*(Option(each, id=each) for each in _LENGTHS))
            yield Static("Enter choose · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """An hour is the usual length."""
        lengths = self.query_one(OptionList)
        lengths.highlighted = 1
        lengths.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Chosen."""
        self.dismiss(event.option.id)


def length_of(choice: str) -> timedelta | None:
    """What a PauseDialog's value means; None: until resumed."""
    return _LENGTHS[choice]


def _tier_text(tier: Tier, says: str) -> Content:
    return say((f" {tier.value:<12}", f"bold {INK}"), (says, SOFT))
