"""Who said what, to whom, and what became of it? One row for each person who was let in, the newest word on top; Enter reads on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Input, Static

from secondme.cli.output import ago
from secondme.cli.tui.choosing import Choice, ChoiceDialog
from secondme.cli.tui.pages.page import Page, countdown, shown_name
from secondme.cli.tui.pages.pausing import pause_or_resume
from secondme.cli.tui.pages.transcript import SPEAKERS, newest_line, transcript
from secondme.cli.tui.table import Column
from secondme.cli.tui.talks import Talks
from secondme.cli.tui.theme import ACCENT, QUIET, WARN
from secondme.cli.voice import library
from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError
from secondme.core.ids import ContactId
from secondme.core.stages import in_words
from secondme.core.text import safe_name
from secondme.core.tiers import Relationship, ReplyMode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from secondme.cli.tui.desk import Desk
    from secondme.cli.tui.link import Snapshot
    from secondme.cli.tui.table import Row
    from secondme.cli.tui.talks import Conversation, Talk
    from secondme.core.records import ApprovedContact, Pause
    from secondme.core.send.drafts import Draft

_MOST = 500
"""Rows shown at once; a search finds the others."""
_RANK_MS = 30_000
"""How old the order may be in which more than that stand: to know it, every conversation's last line is read."""
_UNSAID = ""
"""The value of a choice that was not made."""
_MODES = {
    ReplyMode.AUTO: "answered",
    ReplyMode.DRAFT: "answered when you approve the draft",
    ReplyMode.OBSERVE: "listened to, not answered",
    ReplyMode.OFF: "neither answered nor kept",
}


class ConversationsPage(Page):
    """Conversations, the newest word on top; and one of them, open."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Name", 8, flexible=2, most=24),
        Column("Who", 7, from_width=44),
        Column("Said last", 10, flexible=6),
        Column("Ago", 6),
        Column("Stands", 12, flexible=3, most=48, from_width=70),
        Column("Mode", 7, from_width=60),
    )
    EMPTY: ClassVar[str] = "Nobody was let in yet, so nobody talks.\n\nRequests appear on the first page. Press 1."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mode", "Mode"),
        Binding("w", "relate", "Who they are"),
        Binding("v", "persona", "Voice"),
        Binding("z", "pause_contact", "Pause them"),
        Binding("slash", "search", "Search"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self, desk: Desk, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._search = Input(placeholder="name or number", classes="search", compact=True)
        self._filters = Static(classes="filters")
        self._head = Static(classes="head")
        self._body = Static()
        self._reader = VerticalScroll(self._body, classes="reader")
        self._contacts: dict[str, ApprovedContact] = {}
        self._pauses: dict[str, Pause] = {}
        self._drafts: list[Draft] = []
        self._ranks: dict[str, int] | None = None
        self._ranked_ms = 0
        self._talks: dict[str, Talk] = {}
        self._now: datetime | None = None
        self._open: ContactId | None = None
        self._conversation: Conversation | None = None

    def compose(self) -> ComposeResult:
        """The search above the table, and where a conversation is read."""
        yield self._search
        yield self._filters
        yield from super().compose()
        yield self._head
        yield self._reader

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """How the shown conversations stand, and all of the open one."""
        talks, self._contacts = Talks(self.desk.link.store), _by_id(snapshot)
        if self._ranks is None or now_ms - self._ranked_ms > _RANK_MS:
            self._ranks, self._ranked_ms = await talks.ranked([ContactId(each) for each in self._contacts]), now_ms
        self._talks = await talks.of([ContactId(each.contact_id) for each in self._wanted()[:_MOST]])
        self._ranks |= {contact: talk.at_ms for contact, talk in self._talks.items()}
        if self._open is not None and self._open in self._contacts:
            opened = self._open
            found = await talks.conversation(opened)
            if opened == self._open:  # not closed meanwhile
                self._conversation = found

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The conversations that fit the search; in the open one, what was said since."""
        self._contacts, self._pauses, self._now = _by_id(snapshot), snapshot.pauses, now
        self._drafts = self._drafts if snapshot.drafts is None else snapshot.drafts
        self._filter()
        if self._open is not None and self._open not in self._contacts:
            self.action_back()
            self.app.notify("That contact is not let in any more.", severity="warning", markup=False)
        self._tell()

    def tick(self, now: datetime) -> None:
        """Ages and pauses are right."""
        self._now = now
        if self.is_shown:
            self._filter()

    def detail_of(self, key: str) -> Text:
        """The whole id, and how the contact is answered."""
        contact = self._contacts[key]
        text = Text(shown_name(contact.display_name, key), style="bold")
        text.append(f"  {safe_name(key)}", style="not bold")
        text.append(f"\n{self._answered(contact)}", style=f"not bold {QUIET}")
        stands, style = self._stands(key, self._talks.get(key))
        if stands:
            text.append(f"   {stands}", style=f"not bold {style}")
        return text

    def focus_page(self) -> None:
        """The keys of the list, or of the open conversation, work."""
        if self._open is not None:
            self._reader.focus()
        else:
            super().focus_page()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor: it is read."""
        event.stop()
        key = self.table.current
        if key is not None:
            self._open, self._conversation = ContactId(key), None
            self._body.update(Text("Looking …", style=QUIET))
            self.add_class("-open")
            self._tell()
            self.focus_page()
            self.desk.look_again()

    def action_back(self) -> None:
        """The list is there again; from the list, everybody is."""
        if self._open is not None:
            self._open = self._conversation = None
            self.remove_class("-open")
        else:
            self._search.value = ""
            self._search.remove_class("shown")
            self._filter()
        self.focus_page()

    def action_search(self) -> None:
        """Typing searches."""
        if self._open is not None:
            self.action_back()
        self._search.add_class("shown")
        self._search.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter()
        self.desk.look_again()

    @on(Input.Submitted)
    def _searched(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_page()

    def on_resize(self) -> None:
        """The lines of the open conversation are broken anew."""
        self._tell()
