"""The page of memory: of whom something is remembered; what, from which message; searched, and forgotten."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.sheets import LineDialog, SheetDialog
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import QUIET
from secondme.core.clock import from_ms
from secondme.core.format import ago, counted, size
from secondme.core.ids import ContactId
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.widgets import DataTable

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.memory.reports import FactReport, MemoryHit, MemoryOverview

_MOST = 500
_HITS = 10
_FACTS = 30
_AGAIN_MS = 10_000


class MemoryPage(Page):
    """People of whom something is remembered, the newest first."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Who", 10, flexible=3, most=44),
        Column("Kept", 10),
        Column("Last", 10),
    )
    EMPTY: ClassVar[str] = (
        "Nothing is remembered yet.\n\nWhat is said while the gateway runs is remembered here, and what you import."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("c", "correct_fact", "Correct a fact"),
        Binding("f", "forget_fact", "Forget a fact"),
        Binding("x", "forget", "Forget all"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._sizes: dict[ContactId, tuple[int, int]] | None = None
        self._names: dict[str, str] = {}
        self._read_ms = 0

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """Whose files there are."""
        self._names = {contact.contact_id: contact.display_name or "" for contact in snapshot.listing.approved[:_MOST]}
        if self._sizes is None or not 0 <= now_ms - self._read_ms < _AGAIN_MS:
            self._sizes = await self.desk.link.services.memory_desk.sizes([ContactId(each) for each in self._names])
            self._read_ms = now_ms

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self._put(now)

    def tick(self, now: datetime) -> None:
        """Ages are right."""
        if self.is_shown:
            self._put(now)

    def detail_of(self, key: str) -> Text:
        """Who it is."""
        text = Text(self._who(key), style="bold")
        text.append(f"  {key}", style=f"not bold {QUIET}")
        text.append("\nEnter shows what is known, and from when.", style=f"not bold {QUIET}")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_read()

    @work
    async def action_read(self) -> None:
        """What is known of a person."""
        key = self.table.current
        found = await self._overview(key) if key else None
        if key and found is not None:
            await self.app.push_screen_wait(SheetDialog(self._who(key), card(found), {}))

    @work
    async def action_search(self) -> None:
        """Find what was said."""
        key = self.table.current
        words = await self.app.push_screen_wait(LineDialog(f"What was said with {self._who(key)}?", "find")) if key else None
        if not key or not words:
            return
        hits = await self.desk.fetch(partial(self.desk.link.services.memory_desk.search, ContactId(key), words, _HITS))
        if hits is not None:
            await self.app.push_screen_wait(SheetDialog(words[:60], _found(hits), {}))

    @work
    async def action_forget_fact(self) -> None:
        """One that is wrong is gone."""
        key = self.table.current
        chosen = await self._chosen_fact(key, "Forget which fact?")
        if key and chosen:
            await self.desk.decide(partial(self._forget_fact, key, chosen.id))

    @work
    async def action_correct_fact(self) -> None:
        """The owner's word in the place of one that is wrong."""
        key = self.table.current
        chosen = await self._chosen_fact(key, "Correct which fact?")
        if not key or not chosen:
            return
        what = safe_text(chosen.kind.replace("_", " "))
        value = await self.app.push_screen_wait(LineDialog(f"What is right? {what}:", "keep", safe_text(chosen.value)))
        if value and value.strip():
            await self.desk.decide(partial(self._correct_fact, key, chosen.id, value))

    async def _chosen_fact(self, key: str | None, title: str) -> FactReport | None:
        found = await self._overview(key) if key else None
        facts = {fact.id: fact for each in found or () for fact in each.facts if fact.until is None}
        if not facts:
            self.app.notify("No facts are known.", markup=False)
            return None
        choices = [Choice(fact.id, _fact_line(fact)) for fact in list(facts.values())[:_FACTS]]
        return facts.get(await self.app.push_screen_wait(ChoiceDialog(title, choices, choices[0].value)) or "")

    @work
    async def action_forget(self) -> None:
        """Everything that was said with a person."""
        key = self.table.current
        if not key:
            return
        words = (
            "What was said with them is forgotten to the last byte. The conversation of the last days stays.\nThere is no way back."
        )
        if await self.app.push_screen_wait(ConfirmDialog(f"Forget everything with {self._who(key)}?", words, "Forget")):
            await self.desk.decide(partial(self._forget, key))
            self._sizes = None

    async def _overview(self, key: str) -> list[MemoryOverview] | None:
        return await self.desk.fetch(partial(self.desk.link.services.memory_desk.overview, ContactId(key)))

    async def _correct_fact(self, key: str, fact: str, value: str) -> str:
        is_known = await self.desk.link.services.memory_desk.correct_fact(ContactId(key), fact, value)
        return "Your word stands in its place." if is_known else "That fact is gone."

    async def _forget_fact(self, key: str, fact: str) -> str:
        await self.desk.link.services.memory_desk.forget_facts(ContactId(key), [fact])
        return "The fact is forgotten."

    async def _forget(self, key: str) -> str:
        done = await self.desk.link.services.memory_desk.forget_all(ContactId(key))
        return f"{counted(done.messages, 'message')} forgotten; nothing of it is left." if not done.left else "Some of it is left."

    def _who(self, key: str | None) -> str:
        return shown_name(self._names.get(key or ""), key or "")

    def _put(self, now: datetime) -> None:
        if self._sizes is None:
            self.put([], "Looking …")
            return
        newest = sorted(self._sizes.items(), key=lambda each: -each[1][1])
        rows: list[Row] = [
            (who, ((self._who(who), ""), (size(count), ""), (ago(from_ms(at_ms), now), QUIET))) for who, (count, at_ms) in newest
        ]
        self.put(rows)


def card(found: Sequence[MemoryOverview]) -> Text:
    """What is remembered of a person, in one text."""
    text = Text()
    for each in found:
        first, last = (each.first_at or "")[:10], (each.last_at or "")[:10]
        when = f" from {first} to {last}" if first else ""
        text.append(f"{each.messages:,} messages{when}\n", style="bold")
        parts = (f"{each.by_contact:,} theirs", f"{each.by_owner:,} yours", f"{each.by_clone:,} of the clone")
        text.append(f"{', '.join(parts)}; {each.imported:,} from exports\n\n", style=f"not bold {QUIET}")
        for fact in each.facts[:_FACTS]:
            style = QUIET if fact.until else ""
            text.append(f"  {_fact_line(fact)}\n", style=f"not bold {style}".strip())
    return text


def _fact_line(fact: FactReport) -> str:
    whose = "they say" if fact.said_by == "contact" else "you say"
    return safe_text(
        f"{fact.kind.replace('_', ' ')}: {fact.value}  ({whose}, {fact.said_at[:10]}{', no more' if fact.until else ''})"
    )


def _found(hits: Sequence[MemoryHit]) -> Text:
    text = Text()
    for hit in hits:
        text.append(f"{hit.at[:10]} {hit.speaker}  ", style=f"not bold {QUIET}")
        text.append(f"{' '.join(hit.text.split())[:300]}\n", style="not bold")
    return text if hits else Text("Nothing like that was said.")
