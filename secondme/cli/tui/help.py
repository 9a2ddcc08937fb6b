"""The keys of the screen: those of the page that is shown first, then those that work everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from secondme.cli.tui.dialogs import Dialog, Frame
from secondme.cli.tui.layout import column, heading, key_of, lines, say
from secondme.cli.tui.nav import BEHIND, PAGES
from secondme.cli.tui.theme import INK

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.content import Content


class HelpDialog(Dialog[None]):
    """Every key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "cancel", "Close")]

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page

    def compose(self) -> ComposeResult:
        """One list."""
        title = PAGES.get(self._page) or BEHIND[self._page][1]
        found = [heading(f"On {title}"), *map(_line, PAGE_KEYS[self._page]), say("")]
        found += [heading("Everywhere"), *map(_line, EVERYWHERE)]
        with Frame("Keys"):
            with VerticalScroll(classes="whole"):
                yield Static(lines(*found), markup=False)
            yield Static("j k scroll · Esc close", classes="keys")


def _line(row: tuple[str, str]) -> Content:
    keys, says = row
    drawn = say(" ").join([key_of(key) for key in keys.split(" ")])
    return say(column(drawn, 13), (says, INK))


EVERYWHERE = (
    ("1 … 9 0", "pages, in the order of the row above"),
    ("j k ↓ ↑", "move"),
    ("g G", "first, last"),
    ("Tab h l", "list, detail, composer"),
    ("Enter Esc", "open, back; Enter never decides"),
    ("/", "search here"),
    ("y", "copy the code or the id"),
    ("p", "pause everybody, or answer again"),
    ("! k", "the kill switch: ! asks, k does it"),
    ("^p", "every command, to search"),
    ("? q", "this help; leave"),
)
_PERSON = (
    ("e", "tier, note, and who they are to you"),
    ("m", "answer, draft, only listen, or neither"),
    ("v", "in which of your voices they are answered"),
    ("z", "pause this contact, or answer again"),
)
_DRAFT = (
    ("s", "send the draft as it is"),
    ("e", "say it in your own words"),
)
PAGE_KEYS = {
    "today": (
        ("a", "approve: choose a tier"),
        ("d", "deny the request, or drop the draft"),
        *_DRAFT,
        ("w", "write to them as yourself"),
        ("z", "pause this contact, or answer again"),
        ("Enter", "open it on its page"),
    ),
    "chats": (
        ("Enter", "read it"),
        ("w", "write to them as yourself"),
        *_PERSON[1:],
        ("F", "open a recording or picture that they sent"),
        ("Enter ^j", "in the composer: send, new line"),
    ),
    "drafts": (*_DRAFT, ("d", "drop it"), ("Space", "mark; s and d then act on all marked"), ("Enter", "read all of it")),
    "people": (
        ("a", "approve who waits; unblock who was denied"),
        ("d", "deny who waits; revoke who was approved"),
        *_PERSON,
        ("w", "write to them as yourself"),
        ("i", "invite somebody: code, link, QR; open invites"),
        ("f", "filter by tier, channel or state"),
        ("Space", "mark; a and d then act on all marked"),
    ),
    "jobs": (
        ("o", "switch it on or off"),
        ("r", "run it now"),
        ("t", "what it would say now"),
        ("n", "a ready-made one: what it would say, then on"),
        ("e", "its words, its time or its name"),
        ("d", "delete it"),
        ("Enter", "what became of it, run by run"),
    ),
    "memory": (
        ("e", "correct a fact"),
        ("d", "forget it"),
        ("/", "search what was said with this person"),
        ("Enter", "all that is kept of them"),
        ("^d", "forget everything with them"),
    ),
    "skills": (
        ("o", "switch it on or off"),
        ("e", "its settings"),
        ("t", "try a tool"),
        ("a", "approve a skill of yours, or do what a skill proposes"),
        ("d", "drop what a skill proposes"),
        ("Enter", "all that it may do, and how it is"),
    ),
    "voice": (
        ("u", "use it for everybody else"),
        ("n", "a new persona"),
        ("e", "edit it"),
        ("t", "try it: a message, and what it would answer"),
        ("/", "how you write to one contact; Esc: all in all"),
        ("r", "rehearse: how much it sounds like you"),
    ),
    "rehearsal": (
        ("r", "go on with it, or a new one; asks first"),
        ("n", "a new one, whatever is under the cursor"),
        ("b", "blind test: which of two is yours?"),
        ("Enter", "side by side: your answers, the clone's"),
        ("d", "stop it, or delete it"),
        ("y", "copy its id"),
        ("Esc", "back to Voice"),
    ),
    "usage": (("b", "by day, by contact, by model"),),
    "system": (("c", "link or unlink a channel"), ("z", "answer nobody there, or again"), ("Enter", "what is the matter with it")),
}
