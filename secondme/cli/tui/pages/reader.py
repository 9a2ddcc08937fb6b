"""Where is a conversation read? Below a head that says who it is and how they are answered; what is new is at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from secondme.cli.tui.pages.page import shown_name
from secondme.cli.tui.pages.transcript import transcript
from secondme.cli.tui.theme import QUIET
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from secondme.cli.tui.talks import Conversation
    from secondme.core.records import ApprovedContact
    from secondme.core.send.drafts import Draft

Told = tuple["ApprovedContact", "Conversation | None", "Sequence[Draft]", str]


class Reader(Vertical):
    """One conversation."""

    def __init__(self) -> None:
        super().__init__(classes="reader")
        self._head = Static(classes="head")
        self._body = Static(classes="body")
        self._scroll = VerticalScroll(self._body)
        self._told: Told | None = None
        self._shown: tuple[str, Text] = "", Text()
        """Whose conversation is on the screen, and what it says."""

    def compose(self) -> ComposeResult:
        """Head and text."""
        yield self._head
        yield self._scroll

    def focus_text(self) -> None:
        """The arrows scroll."""
        self._scroll.focus()

    def tell(self, contact: ApprovedContact, talk: Conversation | None, drafts: Sequence[Draft], paused: str) -> None:
        """The conversation is on the screen; who was at its end sees what is new. `talk` None: it is being read."""
        self._told = contact, talk, drafts, paused
        self._head.update(_title(contact, talk, paused))
        who = shown_name(contact.display_name, contact.contact_id)
        room = self._scroll.scrollable_content_region.width or self.app.size.width
        text = Text("Looking …", style=QUIET) if talk is None else transcript(talk, drafts, who, self.app.console, room)
        if not text.plain:
            text = Text("Nothing was said in the last 7 days.", style=QUIET)
        if (contact.contact_id, text) != self._shown:
            is_at_end = self._shown[0] != contact.contact_id or self._scroll.scroll_y >= self._scroll.max_scroll_y
            self._shown = contact.contact_id, text
            self._body.update(text)
            if is_at_end:
                self.call_after_refresh(self._scroll.scroll_end, animate=False)

    def on_resize(self) -> None:
        """Lines are broken where the terminal ends."""
        if self._told is not None:
            self.call_after_refresh(self.tell, *self._told)


def _title(contact: ApprovedContact, talk: Conversation | None, paused: str) -> Text:
    text = Text(shown_name(contact.display_name, contact.contact_id), style="bold")
    text.append(f"  {safe_name(contact.contact_id)}  Esc back\n", style=f"not bold {QUIET}")
    facts = [f"{contact.mode.value} {'as you said' if contact.reply_mode is not None else 'by tier'}"]
    if talk is not None:
        facts.append(f"{talk.standing.type.value.replace('_', ' ')}{' as you said' if talk.standing.manual else '?'}")
    facts.append(f"voice {safe_name(contact.persona)}" if contact.persona else "the usual voice")
    text.append(" · ".join([*facts, paused] if paused else facts), style=f"not bold {QUIET}")
    return text
