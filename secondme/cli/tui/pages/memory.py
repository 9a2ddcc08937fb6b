"""The page of memory: every fact that is known of anybody, and from whose words; corrected, forgotten, and what was said, searched."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.editor import ask_until_kept
from secondme.cli.tui.layout import READ_WIDTH, lines
from secondme.cli.tui.pages.memory_rows import MemoryDrawing, fact_line, hit_lines
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.questions import asks
from secondme.cli.tui.rows import Entry, Heading
from secondme.cli.tui.sheets import LineDialog, SheetDialog
from secondme.core.errors import BusyError, NotFoundError
from secondme.core.format import counted
from secondme.core.ids import ContactId
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.cli.tui.pages.memory_rows import KnownFact
    from secondme.core.memory.reports import FactReport

_MOST = 500
"""People whose files are looked at: those who were approved last."""
_AT_ONCE = 20
"""Files that are opened at one look; the others at the next ones."""
_FACTS = 200
"""Facts of one contact, the newest."""
_HITS = 10
_AGAIN_MS = 10_000
_FRAME = 56


class MemoryPage(ListPage):
    """Facts, the newest first, then people of whom something is kept and no fact is known."""

    TITLE: ClassVar[str] = "What it knows"
    EMPTY: ClassVar[str] = (
        "Nothing is remembered yet.\n\nWhat is said while the gateway runs is remembered here, and what you import."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Correct the fact", show=False),
        Binding("d", "no", "Forget the fact", show=False),
        Binding("y", "copy", "Copy the contact's id", show=False),
        Binding("slash", "search", "Search what was said with them", show=False),
        Binding("ctrl+d", "forget_all", "Forget everything with them", show=False, key_display="^d"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._drawing = MemoryDrawing()
        super().__init__(desk, page_id)
        self._sizes: dict[ContactId, tuple[int, int]] | None = None
        self._facts: dict[ContactId, list[FactReport]] = {}
        self._seen: dict[ContactId, tuple[int, int]] = {}
        """As what a contact's files were when its facts were read."""
        self._read_ms = 0

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """Whose files there are, and the facts of those that have changed, a few at a time."""
        desk, drawing = self.desk.link.services.memory_desk, self._drawing
        drawing.names = {each.contact_id: each.display_name or "" for each in snapshot.listing.approved[:_MOST]}
        if self._sizes is None or not 0 <= now_ms - self._read_ms < _AGAIN_MS:
            self._sizes = await desk.sizes([ContactId(each) for each in drawing.names])
            self._read_ms = now_ms
        stale = [each for each, state in self._sizes.items() if self._seen.get(each) != state]
        wanted = sorted(stale, key=lambda each: -(self._sizes or {})[each][1])[:_AT_ONCE]
        if wanted:
            found = await desk.newest_facts(wanted, _FACTS)
            self._facts |= found
            self._seen |= {each: self._sizes[each] for each in found}
            for each in found:
                drawing.cards.pop(each, None)
        if drawing.opened is not None and drawing.opened in self._sizes and drawing.opened not in drawing.cards:
            with suppress(BusyError):  # it is read at the next look
                drawing.cards[drawing.opened] = await desk.overview(drawing.opened)
        read = {each: state for each, state in self._sizes.items() if each in self._facts}
        drawing.know(self._facts, read)

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self.now = self._drawing.now = now
        self._put()

    def tick(self, now: datetime) -> None:
        """Ages are right."""
        self._drawing.now = now
        super().tick(now)

    def _put(self) -> None:
        drawing = self._drawing
        if self._sizes is None:
            self.put([], LOOKING)
            return
        entries: list[Entry] = [*drawing.known]
        if drawing.others:
            entries += [Heading("Only what was said", len(drawing.others)), *drawing.others]
        is_reading = len(self._facts.keys() & self._sizes.keys()) < len(self._sizes)
        foot = "Looking …" if is_reading else f"the newest {len(drawing.known)}" if drawing.has_more else ""
        self.put(entries, LOOKING if is_reading else "", count=str(len(drawing.known)), foot=foot)

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """What, of whom, and whose claim it is."""
        return self._drawing.row(key, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """Whose claim it is, and from what."""
        return self._drawing.sheet(key, min(READ_WIDTH, width), self.row_hints(key))

    def title_of(self, key: str) -> tuple[str, str]:
        """Of whom."""
        contact = self._drawing.contact_of(key)
        return (
            ("", "")
            if contact is None
            else ("Fact" if key in self._drawing.known else self._drawing.who(contact), safe_text(contact))
        )

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done about this fact, and with this person."""
        if self._drawing.contact_of(key) is None:
            return ()
        fact: tuple[Hint, ...] = (("e", "Correct"), ("d", "Forget")) if key in self._drawing.known else ()
        return (*fact, ("/", "Search"), ("Enter", "All that is kept"), ("y", "Copy id"), ("^d", "Forget all"))

    def open_row(self, key: str) -> None:
        """All that is kept of the person is read."""
        self._drawing.opened = self._drawing.contact_of(key)
        super().open_row(key)
        self.desk.look_again()

    def back(self) -> bool:
        """From the sheet to the list."""
        self._drawing.opened = None
        went = super().back()
        self.tell()
        return went

    # What the owner does

    def action_copy(self) -> None:
        """The contact's id is in the terminal's clipboard."""
        if (contact := self._drawing.contact_of(self.rows.current)) is not None:
            self.desk.copy(contact, "the id")

    def action_search(self) -> None:
        """Find what was said with the person under the cursor."""
        self._find()

    @asks
    async def _find(self) -> None:
        contact = self._drawing.contact_of(self.rows.current)
        if contact is None:
            return
        typed = ""
        while words := await self.app.push_screen_wait(
            LineDialog(f"What was said with {self._drawing.who(contact)}?", "find", typed)
        ):
            hits = await self.desk.fetch(partial(self.desk.link.services.memory_desk.search, contact, words, _HITS))
            if hits is not None:
                await self.app.push_screen_wait(SheetDialog(safe_text(words[:_FRAME]), lines(*hit_lines(hits, _FRAME)), {}))
                return
            typed = words

    @asks
    async def action_edit(self) -> None:
        """The owner's word in the place of one that is wrong."""
        if (known := self._current()) is None:
            return
        what = safe_text(known.fact.kind.removeprefix("kin_").replace("_", " "))
        await ask_until_kept(
            self,
            lambda typed: LineDialog(f"What is right? {what}:", "keep", typed),
            safe_text(known.fact.value),
            partial(self._correct, known),
        )

    @asks
    async def action_no(self) -> None:
        """One that is wrong is gone, after a confirmation."""
        if (known := self._current()) is None:
            return
        body = f"{fact_line(known.fact)}\n\nIt is not drawn again from what was said, which stays."
        if await self.app.push_screen_wait(ConfirmDialog("Forget this fact?", body, "Forget")):
            await self.desk.decide(partial(self._forget_fact, known))

    @asks
    async def action_forget_all(self) -> None:
        """Everything that was said with a person, after a confirmation."""
        contact = self._drawing.contact_of(self.rows.current)
        if contact is None:
            return
        words = (
            "What was said with them is forgotten to the last byte. The conversation of the last days stays.\nThere is no way back."
        )
        if await self.app.push_screen_wait(ConfirmDialog(f"Forget everything with {self._drawing.who(contact)}?", words, "Forget")):
            await self.desk.decide(partial(self._forget, contact))

    async def _correct(self, known: KnownFact, value: str) -> str:
        is_known = await self.desk.link.services.memory_desk.correct_fact(known.contact, known.fact.id, value)
        self._changed(known.contact)
        return "Your word stands in its place." if is_known else "That fact is gone."

    async def _forget_fact(self, known: KnownFact) -> str:
        count = await self.desk.link.services.memory_desk.forget_facts(known.contact, [known.fact.id])
        self._changed(known.contact)
        if not count:
            raise NotFoundError("no_such_fact", "That fact was gone already.")
        return "The fact is forgotten."

    async def _forget(self, contact: ContactId) -> str:
        done = await self.desk.link.services.memory_desk.forget_all(contact)
        self._changed(contact)
        return f"{counted(done.messages, 'message')} forgotten; nothing of it is left." if not done.left else "Some of it is left."

    def _changed(self, contact: ContactId) -> None:
        """The contact's facts are read again at the next look."""
        self._read_ms = 0
        self._seen.pop(contact, None)

    def _current(self) -> KnownFact | None:
        return self._drawing.known.get(self.rows.current or "")
