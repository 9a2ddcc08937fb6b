"""The page of conversations: a list, and one opened below a head that says who it is and how they are answered.

Three speakers are told apart by sign, word and the line down their side, on every line of a message: nothing that somebody writes can look
as if another had said it. Lines are broken here for that reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import DataTable, Input, Static

from secondme.cli.tui.pages.approved import ask_mode, ask_persona, ask_relationship, how_answered, pause_or_resume
from secondme.cli.tui.pages.kept import open_sent
from secondme.cli.tui.pages.page import Page, countdown, shown_name
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import ACCENT, GOOD, QUIET, WARN
from secondme.core.clock import from_ms
from secondme.core.format import ago, counted
from secondme.core.gateway.trace_messages import in_words, why_held
from secondme.core.ids import ContactId
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import Console
    from textual.app import ComposeResult

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.gateway.store import ConversationDetail, ConversationState, Passed
    from secondme.core.records import ApprovedContact, Pause
    from secondme.core.send.drafts import Draft


Told = tuple["ApprovedContact", "ConversationDetail | None", "Sequence[Draft]", str]


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

    def tell(self, contact: ApprovedContact, detail: ConversationDetail | None, drafts: Sequence[Draft], paused: str) -> None:
        """The conversation is on the screen; who was at its end sees what is new. `detail` None: it is being read."""
        self._told = contact, detail, drafts, paused
        self._head.update(_title(contact, detail, paused))
        who = shown_name(contact.display_name, contact.contact_id)
        room = self._scroll.scrollable_content_region.width or self.app.size.width
        text = Text("Looking …", style=QUIET) if detail is None else transcript(detail, drafts, who, self.app.console, room)
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


def _title(contact: ApprovedContact, detail: ConversationDetail | None, paused: str) -> Text:
    text = Text(shown_name(contact.display_name, contact.contact_id), style="bold")
    text.append(f"  {safe_name(contact.contact_id)}  Esc back\n", style=f"not bold {QUIET}")
    facts = [f"{contact.mode.value} {'as you said' if contact.reply_mode is not None else 'by tier'}"]
    if detail is not None:
        facts.append(f"{detail.standing.type.value.replace('_', ' ')}{' as you said' if detail.standing.manual else '?'}")
    facts.append(f"voice {safe_name(contact.persona)}" if contact.persona else "the usual voice")
    text.append(" · ".join([*facts, paused] if paused else facts), style=f"not bold {QUIET}")
    return text


_LONGEST = 2000
"""Characters of one message that are shown."""
_SILENT = frozenset({"begun", "answered", "sent"})
"""What the reply itself shows."""
_MOST_STAGES = 3


@dataclass(frozen=True, slots=True)
class TalkVoice:
    """Who says something."""

    word: str
    sign: str
    side: str
    style: str


SPEAKERS = {
    "incoming": TalkVoice("contact", "◁", "│", ""),
    "fromMe": TalkVoice("you", "▶", "┃", ACCENT),
    "outgoing": TalkVoice("clone", "◆", "║", GOOD),
}


def transcript(detail: ConversationDetail, drafts: Sequence[Draft], name: str, console: Console, width: int) -> Text:
    """The conversation in lines of at most `width` cells. `name` is what the contact is called, safe to show."""
    who = name if name.casefold() not in {speaker.word for speaker in SPEAKERS.values()} else f"contact {name}"
    page = _Page(console, width, {"incoming": who, "fromMe": "you", "outgoing": "clone"})
    remarks = _remarks(detail)
    day, before = "", ""
    for turn in detail.turns:
        local = turn.timestamp.astimezone()
        if f"{local:%Y-%m-%d}" != day:
            day, before = f"{local:%Y-%m-%d}", ""
            page.line(f"── {local:%a} {day} ──", QUIET)
        if (speaks := f"{turn.type} {local:%H:%M}") != before:
            page.head(turn.type, f"{local:%H:%M}")
        page.said(turn.type, turn.shown)
        found = remarks.pop(turn.id, [])
        page.remarks(found)
        before = "" if found else speaks
    for mail in detail.mail:
        if mail.message_id in remarks:  # its turn is not in the history any more
            page.head("incoming", f"{mail.timestamp.astimezone():%H:%M}")
            page.said("incoming", mail.shown)
            page.remarks(remarks[mail.message_id])
    _unsent(page, detail, drafts)
    page.text.rstrip()
    return page.text


def _unsent(page: _Page, detail: ConversationDetail, drafts: Sequence[Draft]) -> None:
    if detail.unsent:
        page.head("outgoing", "on its way, not sent yet", "◇")
        for row in detail.unsent:
            page.said("outgoing", row.text)
    for draft in drafts:
        page.head("outgoing", "a draft, press 7 to decide", "◇")
        for part in draft.texts:
            page.said("outgoing", part)
        why = f"only in your own words: {draft.fault.replace('_', ' ')}" if draft.fault else why_held(draft.reason)
        page.remarks([(f"it waits for you: {why}", WARN)])


def newest_line(kind: str, content: str) -> tuple[str, str]:
    """A message in one line with its speaker's sign, and the style."""
    speaker = SPEAKERS[kind]
    return f"{speaker.sign} {one_line(content)}", speaker.style


def one_line(words: str) -> str:
    """Anybody's words, or a trace's, as one line that is safe to show."""
    return " ".join(safe_text(words[:_LONGEST]).split())


def _remarks(detail: ConversationDetail) -> dict[str, list[tuple[str, str]]]:
    """Message id -> what became of it. What is true of several that came together is said under the last of them."""
    place = {turn.id: number for number, turn in enumerate(detail.turns)}
    waiting = {mail.message_id for mail in detail.mail}
    found: dict[str, list[tuple[str, str]]] = {}
    for passed in detail.stages:
        known = [message for message in passed.messages if message in place]
        if known and _tells(passed) and not (passed.stage == "put_off" and waiting & set(known)):
            found.setdefault(max(known, key=place.__getitem__), []).append(
                (in_words(passed.stage, passed.facts), _style(passed.stage))
            )
    remarks = {message: _distinct(lines)[-_MOST_STAGES:] for message, lines in found.items()}
    if detail.mail:
        last = detail.mail[-1].message_id
        why = in_words("begun", {}) if detail.is_begun else in_words("waiting", {"reason": detail.waiting or "queued"})
        remarks.setdefault(last, []).append((why, WARN))
    return remarks


def _tells(passed: Passed) -> bool:
    """True for what the owner cannot see from the messages themselves."""
    if passed.stage == "composed":
        return bool(passed.facts.get("fault") or passed.facts.get("refused"))
    return passed.stage not in _SILENT and passed.facts.get("reason") not in {"gathering", "queued"}


def _style(stage: str) -> str:
    return WARN if stage in {"held", "unanswered", "rate_limited", "inbox_full", "stale"} else QUIET


def _distinct(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(lines))


class _Page:
    """Lines as they grow."""

    def __init__(self, console: Console, width: int, names: dict[str, str]) -> None:
        self.text = Text()
        self._console, self._width, self._names = console, width, names

    def head(self, kind: str, when: str, sign: str = "") -> None:
        """Who speaks from here on."""
        speaker = SPEAKERS[kind]
        line = Text(f"{sign or speaker.sign} {self._names[kind]}", style=f"bold {speaker.style}".strip())
        line.append(f"  {when}", style=f"not bold {QUIET}")
        line.truncate(max(2, self._width), overflow="ellipsis")
        self.text.append_text(line)
        self.text.append("\n")

    def said(self, kind: str, content: str) -> None:
        """What the speaker says, with their line down its side."""
        speaker, more = SPEAKERS[kind], len(content) - _LONGEST
        lines = [(line, "") for line in self._broken(safe_text(content[:_LONGEST]).expandtabs(4), self._width - 2)]
        lines += [(f"… {more:,} more characters", QUIET)] if more > 0 else []
        for line, style in lines:
            self.text.append(f"{speaker.side} ", style=speaker.style or QUIET)
            self.text.append(f"{line}\n", style=style)

    def remarks(self, found: Sequence[tuple[str, str]]) -> None:
        """What became of what was said last."""
        for words, style in found:
            for number, line in enumerate(self._broken(one_line(words), self._width - 4)):
                self.text.append(f"{'    ' if number else '  ↳ '}{line}\n", style=style)

    def line(self, words: str, style: str) -> None:
        """A line of its own."""
        for line in self._broken(words, self._width):
            self.text.append(f"{line}\n", style=style)

    def _broken(self, words: str, width: int) -> list[str]:
        return [line.plain.rstrip() for line in Text(words).wrap(self._console, max(2, width))]


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
    EMPTY: ClassVar[str] = "Nobody was approved yet, so nobody talks.\n\nRequests appear on the first page. Press 1."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mode", "Mode"),
        Binding("w", "relate", "Who they are"),
        Binding("v", "persona", "Voice"),
        Binding("o", "open_sent", "Open", tooltip="Open what was sent"),
        Binding("z", "pause_contact", "Pause them"),
        Binding("slash", "search", "Search"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
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
        self._states: dict[str, ConversationState] = {}
        self._now: datetime | None = None
        self._open: ContactId | None = None
        self._conversation: ConversationDetail | None = None

    def compose(self) -> ComposeResult:
        """The search above the table, and where a conversation is read."""
        yield self._search
        yield self._filters
        yield from super().compose()
        yield self._reader

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """How the shown conversations stand, and all of the open one."""
        states, self._contacts = self.desk.link.services.conversations, _by_id(snapshot)
        if self._ranks is None or now_ms - self._ranked_ms > _RANK_MS:
            self._ranks, self._ranked_ms = await states.newest_ms([ContactId(each) for each in self._contacts]), now_ms
        self._states = await states.of([ContactId(each.contact_id) for each in self._wanted()[:_MOST]])
        self._ranks |= {contact: state.at_ms for contact, state in self._states.items()}
        if self._open is not None and self._open in self._contacts:
            opened = self._open
            detail = await states.detail(opened)
            if opened == self._open:  # not closed meanwhile
                self._conversation = detail

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
            self.app.notify("That contact is not approved any more.", severity="warning", markup=False)
        self._tell()

    def tick(self, now: datetime) -> None:
        """Ages and pauses are right."""
        self._now = now
        if self.is_shown:
            self._filter()

    def detail_of(self, key: str) -> Text:
        """The whole id, and how the contact is answered."""
        contact = self._contacts[key]
        text = Text(shown_name(contact.shown_name, key), style="bold")
        text.append(f"  {safe_name(key)}", style="not bold")
        text.append(f"\n{how_answered(contact)}", style=f"not bold {QUIET}")
        stands, style = self._stands(key, self._states.get(key))
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
    async def action_open_sent(self) -> None:
        """Hear or see what they sent, as long as it is kept."""
        contact = self._current()
        if contact is not None:
            await open_sent(self, ContactId(contact.contact_id))

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
        """Who fits the search; who said something last on top, then who was approved last."""
        ranks = self._ranks or {}
        wanted = [contact for contact in self._contacts.values() if contact.is_like(self._search.value)]
        return sorted(wanted, key=lambda contact: ranks.get(contact.contact_id, 0), reverse=True)

    def _filter(self) -> None:
        wanted, search = self._wanted(), self._search.value
        talking = sum(1 for contact in wanted if (self._ranks or {}).get(contact.contact_id))
        text = Text(f"{counted(talking, 'conversation')} · {len(wanted)} approved", style=QUIET)
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
        state = self._states.get(key)
        turn = state.newest if state else None
        said, style = newest_line(turn.type, turn.shown) if turn else ("nothing was said yet", QUIET)
        when = ago(from_ms(state.at_ms), self._now) if state and state.at_ms and self._now else ""
        return key, (
            (shown_name(contact.shown_name, key), "bold"),
            (SPEAKERS[turn.type].word if turn else "", style),
            (said, style),
            (when, QUIET),
            self._stands(key, state),
            (contact.mode.value, ACCENT if contact.reply_mode is not None else QUIET),
        )

    def _stands(self, key: str, state: ConversationState | None) -> tuple[str, str]:
        """What of it is not over."""
        drafts = self._waiting[key]
        if drafts:
            return ("a draft waits for you" if drafts == 1 else f"{drafts} drafts wait for you"), WARN
        if state is not None and state.unsent:
            return "a reply is on its way", ACCENT
        if state is not None and state.is_begun:
            return in_words("begun", {}), ACCENT
        if key in self._pauses:
            return self._paused(key), WARN
        if state is not None and state.queued:
            return one_line(in_words("waiting", {"reason": state.waiting or "queued"})), ACCENT
        if state is not None and state.newest is not None and state.last is not None and state.newest.type == "incoming":
            return one_line(in_words(state.last.stage, state.last.facts)), QUIET
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
