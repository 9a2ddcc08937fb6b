"""The page of people: who waits, who was approved and who was denied, in one list, and what is decided about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.contact_forms import ask_about, ask_mode, ask_voice
from secondme.cli.tui.layout import shown_name
from secondme.cli.tui.pages.page import ListPage
from secondme.cli.tui.pages.people_rows import PeopleDrawing, channel_name
from secondme.cli.tui.questions import asks
from secondme.cli.tui.rows import Entry, Heading
from secondme.cli.tui.switches import Chat, pause_or_resume
from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot

_HINTS: dict[type, tuple[Hint, ...]] = {
    PairingRequest: (("a", "Approve"), ("d", "Deny"), ("y", "Copy code"), ("Space", "Mark")),
    ApprovedContact: (
        ("e", "Tier and note"),
        ("m", "Mode"),
        ("z", "Pause"),
        ("d", "Revoke"),
        ("w", "Write"),
        ("v", "Voice"),
        ("y", "Copy id"),
    ),
    DeniedContact: (("a", "Unblock"), ("y", "Copy id")),
}
_EVERYWHERE: tuple[Hint, ...] = (("i", "Invite"), ("f", "Filter"))
Person = PairingRequest | ApprovedContact | DeniedContact


class PeoplePage(ListPage):
    """Everybody who is known. The one who waits and whose time ends first is on top."""

    TITLE: ClassVar[str] = "People"
    EMPTY: ClassVar[str] = (
        "Nobody wrote to you yet.\n\nWho writes for the first time waits here with a code.\n"
        "To approve somebody at once, hand them an invite: press i."
    )
    SEARCH: ClassVar[str] = "name or number"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "yes", "Approve, or unblock", show=False),
        Binding("d", "no", "Deny, or revoke", show=False),
        Binding("e", "edit", "Tier and note", show=False),
        Binding("m", "mode", "Mode", show=False),
        Binding("v", "voice", "Voice", show=False),
        Binding("z", "pause_it", "Pause, or answer again", show=False),
        Binding("w", "write", "Write to them as yourself", show=False),
        Binding("i", "invite", "Invite somebody", show=False),
        Binding("f", "filter", "Filter", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("y", "copy", "Copy the code or the id", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._drawing = PeopleDrawing()
        super().__init__(desk, page_id)
        self._marked: set[str] = set()
        self._filter = ""

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """How the person under the cursor stands."""
        del now_ms
        key = self.rows.current
        person = next((each for each in snapshot.listing.approved if each.contact_id == key), None)
        if person is not None:
            await self._drawing.read(self.desk.link.services, person)

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """Everybody who fits the search and the filter."""
        self.now = now
        self._drawing.know(snapshot, now)
        self._marked &= self._drawing.people.keys()
        self._drawing.marked = self._marked
        self._put()

    def tick(self, now: datetime) -> None:
        """What is left of requests, pauses and denials is right; what has ended is gone."""
        self._drawing.now = now
        if self._drawing.ended(now):
            self._put()
        super().tick(now)

    def _put(self) -> None:
        parts = self._drawing.parts(self.search.value, self._filter)
        entries: list[Entry] = []
        for title, people in parts:
            if people:
                entries += [Heading(title, len(people)), *people]
        is_narrowed = bool(self.search.value or self._filter)
        number = sum(len(people) for _, people in parts)
        marked = f"{len(self._marked)} marked" if self._marked else ""
        narrowed = (
            f"{number} of {len(self._drawing.people)}{f', {self._filter}' if self._filter else ''}" if is_narrowed else str(number)
        )
        self.put(entries, "Nobody fits. Esc shows everybody." if is_narrowed else "", count=marked or narrowed)

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """Name, and what counts about them."""
        return self._drawing.row(key, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """Everything that is known of the person."""
        return self._drawing.sheet(key, width, self.row_hints(key))

    def title_of(self, key: str) -> tuple[str, str]:
        """The person's name."""
        person = self._drawing.people[key]
        return shown_name(person.display_name, key), channel_name(person)

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be decided about this person."""
        person = self._drawing.people.get(key or "")
        found: list[Hint] = list(_HINTS[type(person)]) if person is not None else []
        if key in self._drawing.paused:
            found = [("z", "Answer again") if hint[0] == "z" else hint for hint in found]
        return [*found, *_EVERYWHERE]

    def contact(self) -> Chat | None:
        """The approved person under the cursor."""
        person = self._current()
        if not isinstance(person, ApprovedContact):
            return None
        return Chat(
            person.contact_id, shown_name(person.display_name, person.contact_id), person.contact_id in self._drawing.paused
        )

    def _current(self) -> Person | None:
        return self._drawing.people.get(self.rows.current or "")

    # What the owner does

    def searched(self) -> None:
        """Who fits."""
        self._put()

    def back(self) -> bool:
        """From the sheet to the list; then everybody is shown again."""
        had_filter, self._filter = (
            bool(self._filter) and not self.has_class("-open"),
            "" if not self.has_class("-open") else self._filter,
        )
        went = super().back()
        if had_filter:
            self._put()
        return went or had_filter

    def action_mark(self) -> None:
        """The row is marked, or not any more; the cursor goes on."""
        key = self.rows.current
        if key is not None and isinstance(self._current(), PairingRequest):
            self._marked ^= {key}
            self._put()
            self.rows.action_move(1)

    def action_copy(self) -> None:
        """The code of a request, else the id, is in the terminal's clipboard."""
        person = self._current()
        if isinstance(person, PairingRequest):
            self.desk.copy(person.code, "the code")
        elif person is not None:
            self.desk.copy(person.contact_id, "the id")

    @asks
    async def action_yes(self) -> None:
        """Approve who waits, after a choice of tier; let who was denied ask again."""
        if requests := self._chosen():
            if await self.desk.pairing.approve(self.app, requests):
                self._marked.clear()
        elif isinstance(person := self._current(), DeniedContact):
            await self.desk.pairing.unblock(self.app, person)

    @asks
    async def action_approve_all(self) -> None:
        """Approve everybody who waits, after a choice of tier."""
        waiting = [each for each in self._drawing.people.values() if isinstance(each, PairingRequest)]
        if await self.desk.pairing.approve(self.app, waiting):
            self._marked.clear()

    @asks
    async def action_no(self) -> None:
        """Deny who waits, revoke who was approved. It always asks."""
        if requests := self._chosen():
            if await self.desk.pairing.deny(self.app, requests):
                self._marked.clear()
        elif isinstance(person := self._current(), ApprovedContact):
            await self.desk.pairing.revoke(self.app, person)

    @asks
    async def action_edit(self) -> None:
        """Tier and note, and who they are to the owner."""
        if isinstance(person := self._current(), ApprovedContact):
            await ask_about(self, person)

    @asks
    async def action_mode(self) -> None:
        """Answer them, draft, only listen, or neither."""
        if isinstance(person := self._current(), ApprovedContact):
            await ask_mode(self, person)

    @asks
    async def action_voice(self) -> None:
        """Choose in which voice they are answered."""
        if isinstance(person := self._current(), ApprovedContact):
            await ask_voice(self, person)

    @asks
    async def action_pause_it(self) -> None:
        """Pause this contact, or answer it again."""
        if (chat := self.contact()) is not None:
            await pause_or_resume(self.app, self.desk, chat)

    async def action_write(self) -> None:
        """Write to them as the owner, in their chat."""
        if (chat := self.contact()) is not None:
            await self.desk.go_to("chats", chat.contact)
            await self.app.run_action("write", self.app.page)  # type: ignore[attr-defined]  # there is one app

    @asks
    async def action_filter(self) -> None:
        """Only a tier, a channel or a state."""
        from secondme.cli.tui.forms import ChoiceDialog

        choices = self._drawing.filters()
        choice = await self.app.push_screen_wait(ChoiceDialog("Show whom?", choices, self._filter))
        if choice is not None:
            self._filter = choice
            self._put()

    @asks
    async def action_invite(self) -> None:
        """Invite somebody, and see who was invited."""
        from secondme.cli.tui.invites import invite

        await invite(self.app, self.desk)

    def _chosen(self) -> list[PairingRequest]:
        """The marked requests, or the one under the cursor."""
        current = self.rows.current
        found = [self._drawing.people[key] for key in self.rows.keys if key in (self._marked or {current or ""})]
        return [each for each in found if isinstance(each, PairingRequest)]
