"""The page of chats: who talks, one conversation read, and the line in which the owner writes as themselves."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from secondme.cli.tui.composer import MOST, Composer, ComposerArea
from secondme.cli.tui.contact_forms import ask_mode, ask_voice
from secondme.cli.tui.layout import channel_title, countdown, say, shown_name
from secondme.cli.tui.pages.chat_line import ChatLine
from secondme.cli.tui.pages.kept import open_sent
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.pages.thread import MOST_TURNS, one_line, thread
from secondme.cli.tui.questions import asks
from secondme.cli.tui.switches import Chat, pause_or_resume
from secondme.cli.tui.theme import FAINT, SOFT
from secondme.core.admit.pairing import channel_of
from secondme.core.format import span
from secondme.core.gateway.conversation_desk import remarks_of
from secondme.core.ids import ContactId, new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content
    from textual.widget import Widget

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.gateway.draft_views import DraftView
    from secondme.core.gateway.store import ConversationDetail, ConversationState
    from secondme.core.records import ApprovedContact, Pause
    from secondme.core.send.drafts import Draft

_MOST_STATES = 60
"""How so many conversations stand, those in sight first, is read at each look."""


class ChatsPage(ListPage):
    """Conversations, the newest word on top."""

    TITLE: ClassVar[str] = "Conversations"
    EMPTY: ClassVar[str] = "Nobody was approved yet, so nobody talks.\n\nRequests appear on People. Press 4."
    SEARCH: ClassVar[str] = "name or number"
    AT_END: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "write", "Write to them as yourself", show=False),
        Binding("m", "mode", "Mode", show=False),
        Binding("z", "pause_it", "Pause, or answer again", show=False),
        Binding("v", "voice", "Voice", show=False),
        Binding("F,shift+f", "open_file", "Open what they sent", show=False),
        Binding("y", "copy", "Copy the id", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._composer = Composer()
        super().__init__(desk, page_id)
        self._contacts: dict[str, ApprovedContact] = {}
        self._pauses: dict[str, Pause] = {}
        self._drafts: dict[str, list[Draft]] = defaultdict(list)
        self._states: dict[str, ConversationState] = {}
        self._ranks: dict[str, int] | None = None
        self._detail: tuple[str, ConversationDetail, list[DraftView]] | None = None
        """Whose conversation was read last, and what it is."""
        self._most = MOST_TURNS
        self._once: dict[str, tuple[str, str]] = {}
        """Contact -> words that were sent and may not have arrived, and under which key: said again, they are sent once."""

    def below_sheet(self) -> Sequence[Widget]:
        """The composer."""
        return (self._composer,)

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """How the conversations in sight stand, and all of the one under the cursor."""
        del now_ms
        self._know(snapshot)
        services = self.desk.link.services
        wanted = self._in_sight()
        self._states |= await services.conversations.of([ContactId(each) for each in wanted])
        for key in wanted:
            self.desk.link.note_newest(key, self._states[key].at_ms)
        read = self.rows.current if self.rows.current in self._contacts else next(iter(wanted), None)
        if read is not None:
            detail = await services.conversations.detail(ContactId(read))
            self._detail = read, detail, await services.draft_views.of(self._drafts[read])

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The conversations that fit the search, and what was said since in the one that is read."""
        was_open = self.rows.current if self.has_class("-open") else None
        self.now = now
        self._know(snapshot)
        if was_open is not None and was_open not in self._contacts:
            self.back()
            self.app.notify("That contact is not approved any more.", severity="warning", markup=False)
        self._put()

    def _know(self, snapshot: Snapshot) -> None:
        self._contacts = {contact.contact_id: contact for contact in snapshot.listing.approved}
        self._pauses, self._ranks = snapshot.pauses, snapshot.ranks
        if snapshot.drafts is not None:
            self._drafts = defaultdict(list)
            for draft in snapshot.drafts:
                self._drafts[draft.contact_id].append(draft)

    def _order(self) -> list[str]:
        """Who fits the search; who said something last on top, then who was approved last."""
        ranks, search = self._ranks or {}, self.search.value
        wanted = [key for key, contact in self._contacts.items() if contact.is_like(search)] if search else list(self._contacts)
        newest = [ranks.get(key, 0) for key in wanted]
        return [wanted[at] for at in sorted(range(len(wanted)), key=newest.__getitem__, reverse=True)]

    def _in_sight(self) -> list[str]:
        """Rows around the cursor, and the first ones."""
        order = self._order()
        current = self.rows.current
        at = order.index(current) if current is not None and current in self._contacts and current in order else 0
        start = max(0, at - _MOST_STATES // 2)
        return list(dict.fromkeys([*order[: _MOST_STATES // 2], *order[start : start + _MOST_STATES]]))

    def _put(self) -> None:
        order = self._order()
        search = self.search.value
        count = f"{len(order)} of {len(self._contacts)}" if search else str(len(order))
        self.put(order, "Nobody fits. Esc shows all." if search else "", count=count)

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """Who, and what was said last."""
        contact, state = self._contacts.get(key), self._states.get(key)
        if contact is None:
            return say("")
        drafts = len(self._drafts[key])
        at = (self._ranks or {}).get(key)
        line = ChatLine(shown_name(contact.shown_name, key), state, at, drafts, key in self._pauses)
        return line.drawn(self.now, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """The conversation."""
        contact = self._contacts.get(key)
        if self._detail is None or self._detail[0] != key or contact is None or self.now is None:
            return say((LOOKING, FAINT))
        _, detail, drafts = self._detail
        name = shown_name(contact.display_name, key)
        text = thread(detail, remarks_of(detail), drafts, name, width, self.now, self._most)
        return text if text.plain else say(("Nothing was said in the last 7 days.", SOFT))

    def title_of(self, key: str) -> tuple[str, str]:
        """Whose conversation it is, and how they are answered."""
        contact = self._contacts[key]
        self._composer.aim(key, f"Write as yourself: the clone then stays out of it for {self._silence()}")
        standing = self._detail[1].standing if self._detail is not None and self._detail[0] == key else None
        facts = [contact.tier.value, contact.mode.value]
        if standing is not None and standing.manual:
            facts.append(standing.type.value.replace("_", " "))
        if contact.persona:
            facts.append(f"voice {one_line(contact.persona)}")
        facts.append(channel_title(contact.channel_id or channel_of(key)))
        if (pause := self._pauses.get(key)) is not None:
            facts.append("paused" if pause.until is None or self.now is None else f"paused {countdown(pause.until - self.now)}")
        if self.sheet.is_scrolled_back:
            facts.append("G to the newest ↓")
        return shown_name(contact.shown_name, key), " · ".join(facts)

    def _silence(self) -> str:
        from datetime import timedelta

        minutes = self.desk.link.setup.settings.takeover.pause_minutes
        return "an hour" if minutes == _HOUR else span(timedelta(minutes=minutes))

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done in this chat."""
        if key is None:
            return ()
        pause: Hint = ("z", "Answer again" if key in self._pauses else "Pause")
        return (("Enter", "Read"), ("w", "Write as you"), ("m", "Mode"), pause, ("v", "Voice"), ("F", "Open file"))

    def hints(self) -> Sequence[Hint]:
        """While the owner writes: how it is sent."""
        if self._composer.is_typing:
            return (("Enter", "Send as you"), ("^j", "New line"), ("Esc", "Keep and go back"))
        return super().hints()

    def tick(self, now: datetime) -> None:
        """Ages and pauses are right."""
        super().tick(now)
        self._show_older()
        if (key := self.rows.current) is not None and key in self._contacts:
            title, foot = self.title_of(key)
            self.detail_pane.name_it(title, foot=foot)

    def _show_older(self) -> None:
        """Who reads up to the top sees what was said before, and stays at the line they read."""
        turns = self._detail[1].turns if self._detail is not None else []
        sheet = self.sheet
        if sheet.has_focus and sheet.scroll_offset.y == 0 and sheet.is_scrolled_back and len(turns) > self._most:
            before = sheet.max_scroll_y
            self._most += MOST_TURNS
            sheet.tell(self.rows.current)
            self.call_after_refresh(self._stay, before, _LAYOUTS)

    def _stay(self, before: int, looks: int) -> None:
        """The line that was read before something came above it is in sight again, as soon as that is laid out."""
        if self.sheet.max_scroll_y == before and looks > 0:
            self.call_after_refresh(self._stay, before, looks - 1)
        else:
            self.sheet.scroll_to(y=self.sheet.max_scroll_y - before, animate=False)

    def contact(self) -> Chat | None:
        """The chat under the cursor."""
        contact = self._current()
        if contact is None:
            return None
        return Chat(contact.contact_id, shown_name(contact.display_name, contact.contact_id), contact.contact_id in self._pauses)

    def _current(self) -> ApprovedContact | None:
        return self._contacts.get(self.rows.current or "")

    def tell(self) -> None:
        """Another conversation is read from its end, and read anew."""
        key = self.rows.current
        if key is not None and (self._detail is None or self._detail[0] != key):
            self._most = MOST_TURNS
            self.desk.look_again()
        super().tell()

    # What the owner does

    def searched(self) -> None:
        """Who fits."""
        self._put()
        self.desk.look_again()

    async def action_write(self) -> None:
        """Typing writes to the contact under the cursor."""
        if self._current() is not None:
            self.add_class("-open")
            self._composer.write()

    @on(ComposerArea.Left)
    def _left(self, event: ComposerArea.Left) -> None:
        """What is typed is kept."""
        event.stop()
        self._composer.keep()
        self.focus_page()

    @on(ComposerArea.Sent)
    def _sent(self, event: ComposerArea.Sent) -> None:
        event.stop()
        self._send_words()

    @asks
    async def _send_words(self) -> None:
        """What is typed is on its way to the contact, once."""
        contact, text = self._current(), self._composer.text
        if contact is None or not text.strip():
            return
        if len(text) > MOST:
            self.app.notify(f"{len(text):,} characters: shorten it to {MOST:,}.", severity="warning", markup=False)
            return
        key = contact.contact_id
        before = self._once.get(key)
        self._once[key] = (text, before[1] if before is not None and before[0] == text else new_id())
        if await self.desk.decide(partial(self._write, contact, text, self._once[key][1])):
            self._once.pop(key, None)
            if self.rows.current == key and self._composer.text == text:
                self._composer.clear_away()

    async def _write(self, contact: ApprovedContact, text: str, once: str) -> str:
        await self.desk.link.services.owner_messages.write(contact.contact_id, text, once=once)
        who = shown_name(contact.display_name, contact.contact_id)
        return f"On its way to {who}; the clone stays out of it for {self._silence()}."

    @asks
    async def action_mode(self) -> None:
        """Answer them, draft, only listen, or neither."""
        if (contact := self._current()) is not None:
            await ask_mode(self, contact)

    @asks
    async def action_voice(self) -> None:
        """Choose in which voice they are answered."""
        if (contact := self._current()) is not None:
            await ask_voice(self, contact)

    @asks
    async def action_open_file(self) -> None:
        """Hear or see what they sent, as long as it is kept."""
        if (contact := self._current()) is not None:
            await open_sent(self, ContactId(contact.contact_id))

    @asks
    async def action_pause_it(self) -> None:
        """Pause this contact, or answer it again."""
        if (chat := self.contact()) is not None:
            await pause_or_resume(self.app, self.desk, chat)

    def action_copy(self) -> None:
        """The id is in the terminal's clipboard."""
        if (contact := self._current()) is not None:
            self.desk.copy(contact.contact_id, "the id")


_LAYOUTS = 50
"""Looks at most for what has come to be laid out: a busy machine takes several."""
_HOUR = 60
