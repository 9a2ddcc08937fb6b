"""Dialogs of the page of rehearsals: what shall be rehearsed, and the owner's blind test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Checkbox, Input, Static

from secondme.cli.tui.dialogs import Dialog, Frame
from secondme.cli.tui.layout import READ_WIDTH, lines, say, wrapped
from secondme.cli.tui.pages.rehearsal_rows import column_width, context_lines, name_in, said_in, stand_beside
from secondme.cli.tui.theme import BAD, FAINT, INK, RULE, SOFT
from secondme.core.rehearse.blind import BlindTest
from secondme.core.rehearse.bursts import MOST
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.content import Content

    from secondme.core.rehearse.archive import RunFile
    from secondme.core.rehearse.blind import BlindSummary, Item, Said

_USUAL, _USUAL_USD = "30", "0.50"
_MOST_VOICES = 12
"""More are offered by the command alone."""
_ABOUT = "Only the way of writing counts. You hear at the end how you did."


@dataclass(frozen=True, slots=True)
class RunWishes:
    """What the owner asks for."""

    count: int
    personas: tuple[str, ...]
    max_usd: float


class RunDialog(Dialog[RunWishes]):
    """How many answers, in which voices, and for how much at most. Nothing is begun by it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "go_on", "Go on", priority=True)]

    def __init__(self, personas: Sequence[str]) -> None:
        super().__init__()
        self._personas = list(personas)[:_MOST_VOICES]
        self._warning = Static("", classes="label", markup=False)

    def compose(self) -> ComposeResult:
        """A field for each, keys."""
        with Frame("Rehearse your own past"):
            with VerticalScroll(classes="whole"):
                yield Static(say("How many of your answers", ("  60 and more give a number", FAINT)))
                yield Input(_USUAL, id="count")
                if self._personas:
                    yield Static(say("In which voices", ("  none ticked: as each contact is answered", FAINT)), classes="label")
                    for number, each in enumerate(self._personas):
                        yield Checkbox(safe_name(each), id=f"voice-{number}", compact=True)
                yield Static(say("At most, in dollars", ("  it ends before it costs more", FAINT)), classes="label")
                yield Input(_USUAL_USD, id="usd")
            yield self._warning
            yield Static("Enter says what it costs · Tab next · Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """The first field has the focus."""
        super().on_mount()
        self._warning.display = False
        self.query_one("#count", Input).focus()

    def on_input_submitted(self) -> None:
        """Enter."""
        self.action_go_on()

    def action_go_on(self) -> None:
        """What was typed, when it can be."""
        count, usd = (self.query_one(each, Input).value.strip() for each in ("#count", "#usd"))
        if not (count.isascii() and count.isdigit() and 1 <= int(count[:6]) <= MOST):
            self._warn(f"How many: 1 to {MOST}.")
            return
        try:
            most = float(usd.lstrip("$"))
        except ValueError:
            most = -1
        if not 0 <= most < _RICHES:
            self._warn("At most: a sum in dollars, like 0.50.")
            return
        ticked = [each for number, each in enumerate(self._personas) if self.query_one(f"#voice-{number}", Checkbox).value]
        self.dismiss(RunWishes(int(count), tuple(ticked), most))

    def _warn(self, words: str) -> None:
        self._warning.display = True
        self._warning.update(say((words, BAD)))


_RICHES = 10_000


class BlindDialog(Dialog[bool]):
    """Of two answers, which is the owner's? Each word is kept at once, and nothing is told of right and wrong. True once all were asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "say('a')", "A is mine"),
        Binding("b", "say('b')", "B is mine"),
        Binding("question_mark", "say('no_idea')", "No idea"),
        Binding("r", "say('remembered')", "I remember it"),
        Binding("j,down", "scroll(1)", "Down"),
        Binding("k,up", "scroll(-1)", "Up"),
    ]

    def __init__(self, file: RunFile, variant: int, count: int) -> None:
        super().__init__()
        self._file, self._count = file, count
        self._test = BlindTest(file.run, variant)
        self._body = Static(markup=False)
        self._scroll = VerticalScroll(self._body, classes="whole", can_focus=True)
        self._frame = Frame("Which one is yours?", "wide blind")

    def compose(self) -> ComposeResult:
        """The pair, and the keys."""
        with self._frame:
            yield self._scroll
            yield Static("a A is mine · b B is mine · ? no idea · r I remember it · Esc later", classes="keys", markup=False)

    def on_mount(self) -> None:
        """The first pair that is open."""
        super().on_mount()
        self._scroll.focus()

    def on_resize(self) -> None:
        """It is drawn for its room."""
        self.call_after_refresh(self._show)

    def action_scroll(self, by: int) -> None:
        """A long pair is read to its end."""
        self._scroll.scroll_relative(y=by, animate=False)

    def action_say(self, said: Said) -> None:
        """Kept; the next pair."""
        if not (items := self._test.open(self._count)):
            return
        try:
            self._file.add_choice(items[0].choice(said))
        except OSError as error:
            self.app.notify(f"It could not be kept: {error.strerror}.", severity="error", markup=False)
            return
        if self._test.open(self._count):
            self._show()
        else:
            self.dismiss(True)  # noqa: FBT003  the dialog's value

    @property
    def summary(self) -> BlindSummary:
        """What was said so far."""
        return self._test.summary(self._count)

    def _show(self) -> None:
        if not (items := self._test.open(self._count)):
            return
        done = self.summary.n
        self._frame.border_title = say("Which one is yours?", (f"  {done + 1} of {done + len(items)}", FAINT))
        width = min(READ_WIDTH, self._scroll.scrollable_content_region.width)
        if width > 0:
            self._body.update(self._drawn(items[0], width, is_first=not done))
            self._scroll.scroll_home(animate=False)

    def _drawn(self, item: Item, width: int, *, is_first: bool) -> Content:
        room = column_width(2, width)
        found = [
            [say((letter, f"bold {INK}")), *said_in(messages, room, ("┃", RULE))]
            for letter, messages in zip("AB", item.shown, strict=True)
        ]
        head = [*wrapped(_ABOUT, width, SOFT), say("")] if is_first else []
        name = name_in(self._file.run, item.burst.contact)
        return lines(*head, *context_lines(item.burst, name, width), say(""), *stand_beside(found, width))
