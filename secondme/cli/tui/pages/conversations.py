"""Who said what, to whom, and what became of it? One row for each person who was let in, the newest word on top; Enter reads on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input, Static

from secondme.cli.output import ago, counted
from secondme.cli.tui.pages.answering import ask_mode, ask_persona, ask_relationship, how_answered
from secondme.cli.tui.pages.page import Page, countdown, shown_name
from secondme.cli.tui.pages.pausing import pause_or_resume
from secondme.cli.tui.pages.reader import Reader
from secondme.cli.tui.pages.transcript import SPEAKERS, newest_line, one_line
from secondme.cli.tui.table import Column
from secondme.cli.tui.talks import Talks
from secondme.cli.tui.theme import ACCENT, QUIET, WARN
from secondme.core.clock import from_ms
from secondme.core.gateway.trace_messages import in_words
from secondme.core.ids import ContactId
from secondme.core.text import safe_name

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
        self._reader = Reader()
        self._contacts: dict[str, ApprovedContact] = {}
        self._pauses: dict[str, Pause] = {}
        self._drafts: list[Draft] = []
        self._waiting: Counter[str] = Counter()
        """Drafts by contact."""
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
        self._waiting = Counter(draft.contact_id for draft in self._drafts)
        if not self.is_shown:
            return  # it is read, and shown, when it comes up
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
        text.append(f"\n{how_answered(contact)}", style=f"not bold {QUIET}")
        stands, style = self._stands(key, self._talks.get(key))
        if stands:
            text.append(f"   {stands}", style=f"not bold {style}")
        return text

    def focus_page(self) -> None:
        """The keys of the list, or of the open conversation, work."""
        if self._open is not None:
            self._reader.focus_text()
        else:
            super().focus_page()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor: it is read."""
        event.stop()
        key = self.table.current
        if key is not None:
            self._open, self._conversation = ContactId(key), None
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

    @work
    async def action_mode(self) -> None:
        """Answer them, draft, only listen, or neither."""
        contact = self._current()
        if contact is not None:
            await ask_mode(self, contact)

    @work
    async def action_relate(self) -> None:
        """Say what they are to you."""
        contact = self._current()
        if contact is not None:
            await ask_relationship(self, contact)

    @work
    async def action_persona(self) -> None:
        """Choose in which voice they are answered."""
        contact = self._current()
        if contact is not None:
            await ask_persona(self, contact)

    @work
    async def action_pause_contact(self) -> None:
        """Pause this contact, or answer it again."""
        contact = self._current()
        if contact is not None:
            await pause_or_resume(self, contact, is_paused=contact.contact_id in self._pauses)

    def _current(self) -> ApprovedContact | None:
        key = self._open or self.table.current
        return self._contacts.get(key) if key is not None else None

    def _wanted(self) -> list[ApprovedContact]:
        """Who fits the search; who said something last on top, then who was let in last."""
        ranks = self._ranks or {}
        wanted = [contact for contact in self._contacts.values() if contact.is_like(self._search.value)]
        return sorted(wanted, key=lambda contact: ranks.get(contact.contact_id, 0), reverse=True)

    def _filter(self) -> None:
        wanted, search = self._wanted(), self._search.value
        talking = sum(1 for contact in wanted if (self._ranks or {}).get(contact.contact_id))
        text = Text(f"{counted(talking, 'conversation')} · {len(wanted)} let in", style=QUIET)
        if search:
            text.append(f"   like “{safe_name(search)}”", style=ACCENT)
            text.append("   Esc shows all", style=QUIET)
        if len(wanted) > _MOST:
            text.append(f"   the newest {_MOST} are shown; / finds the others", style=WARN)
        self._filters.update(text)
        empty = "Looking …" if self._ranks is None else "Nobody fits. Esc shows all." if search else ""
        self.put([self._row(contact) for contact in wanted[:_MOST]] if self._ranks is not None else [], empty)

    def _row(self, contact: ApprovedContact) -> Row:
        key = contact.contact_id
        talk = self._talks.get(key)
        turn = talk.newest if talk else None
        said, style = newest_line(turn.type, turn.content) if turn else ("nothing was said yet", QUIET)
        when = ago(from_ms(talk.at_ms), self._now) if talk and talk.at_ms and self._now else ""
        return key, (
            (shown_name(contact.display_name, key), "bold"),
            (SPEAKERS[turn.type].word if turn else "", style),
            (said, style),
            (when, QUIET),
            self._stands(key, talk),
            (contact.mode.value, ACCENT if contact.reply_mode is not None else QUIET),
        )

    def _stands(self, key: str, talk: Talk | None) -> tuple[str, str]:
        """What of it is not over."""
        drafts = self._waiting[key]
        if drafts:
            return ("a draft waits for you" if drafts == 1 else f"{drafts} drafts wait for you"), WARN
        if talk is not None and talk.unsent:
            return "a reply is on its way", ACCENT
        if talk is not None and talk.is_begun:
            return in_words("begun", {}), ACCENT
        if key in self._pauses:
            return self._paused(key), WARN
        if talk is not None and talk.queued:
            return one_line(in_words("waiting", {"reason": talk.waiting or "queued"})), ACCENT
        if talk is not None and talk.newest is not None and talk.last is not None and talk.newest.type == "incoming":
            return one_line(in_words(talk.last.stage, talk.last.facts)), QUIET
        return "", QUIET

    def _tell(self) -> None:
        """The open conversation is on the screen."""
        contact = self._contacts.get(self._open or "")
        if contact is not None:
            drafts = [draft for draft in self._drafts if draft.contact_id == contact.contact_id]
            self._reader.tell(contact, self._conversation, drafts, self._paused(contact.contact_id))

    def _paused(self, key: str) -> str:
        pause = self._pauses.get(key)
        if pause is None:
            return ""
        return "paused" if pause.until is None or self._now is None else f"paused {countdown(pause.until - self._now)}"


def _by_id(snapshot: Snapshot) -> dict[str, ApprovedContact]:
    return {contact.contact_id: contact for contact in snapshot.listing.approved}
