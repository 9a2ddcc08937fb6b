"""The keys of the screen, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from secondme.cli.tui.dialogs import Dialog
from secondme.cli.tui.widgets import ACCENT

if TYPE_CHECKING:
    from textual.app import ComposeResult


class HelpDialog(Dialog[None]):
    """Every key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "cancel", "Close")]

    def compose(self) -> ComposeResult:
        """One table."""
        with VerticalScroll():
            yield Static("Keys", classes="title")
            for heading, lines in _HELP.items():
                text = Text(f"{heading}\n", style="bold")
                for keys, says in lines:
                    text.append(f"  {keys:<14}", style=f"bold {ACCENT}")
                    text.append(f"{says}\n", style="not bold")
                yield Static(text)
            yield Static("↑ ↓ scroll · Esc close", classes="keys")


_HELP = {
    "Everywhere": (
        ("1 2 3 4 5", "waiting, approved, denied, security, channels"),
        ("6 7 8 9 0", "conversations, drafts, voice, usage, skills"),
        ("j", "jobs"),
        ("Ctrl+P", "every page and what can be done there, to search; memory is there only"),
        ("↑ ↓ PgUp PgDn", "move; the mouse works too"),
        ("p", "pause everybody, or answer again"),
        ("k", "kill switch: nothing is sent to anybody"),
        ("?  q", "this help; leave"),
    ),
    "Waiting": (
        ("Enter a", "approve: choose a tier"),
        ("d", "deny, with a reason"),
        ("Space", "mark; a and d then act on all marked"),
        ("A", "approve everybody who waits"),
    ),
    "Approved": (
        ("/", "search by name or number"),
        ("t c", "show one tier, one channel only"),
        ("Enter e", "change tier and note"),
        ("z", "pause this contact, or answer again"),
        ("r", "revoke: not approved any more"),
    ),
    "Denied": (("u", "unblock"),),
    "Channels": (
        ("z", "answer nobody there, or again"),
        ("c", "disconnect, or connect again"),
    ),
    "Conversations": (
        ("Enter Esc", "read one; back to the list"),
        ("/", "search by name or number"),
        ("m", "answer, draft, only listen, or neither"),
        ("o", "open a recording or picture that they sent"),
        ("w", "who they are to you"),
        ("v", "in which of your voices they are answered"),
        ("z", "pause this contact, or answer again"),
    ),
    "Drafts": (
        ("Enter", "read the whole draft"),
        ("s", "send it; an overtaken one is asked about twice"),
        ("e", "say it in your own words"),
        ("d", "drop it"),
    ),
    "Voice": (
        ("u", "use this persona for everybody else"),
        ("/", "how you write to one contact; Esc: all in all"),
    ),
    "Usage": (("b", "by day, by contact, by model"),),
    "Skills": (
        ("Enter", "what it may do, its tools, what changed"),
        ("e", "switch it on or off"),
        ("c", "its settings"),
        ("t", "try a tool"),
        ("a", "look at your own skill, and approve it"),
        ("y n", "do what a skill proposes, or drop it"),
    ),
    "Jobs": (
        ("Enter", "what became of it, run by run"),
        ("Space", "switch it on or off"),
        ("r", "run it now"),
        ("p", "what it would say now (here p pauses nobody)"),
        ("a", "a ready-made one: what it would say, then on"),
        ("d", "remove it"),
    ),
}
