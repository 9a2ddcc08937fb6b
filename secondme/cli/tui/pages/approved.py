"""The page of approved contacts, and what can be done with the contact under the cursor: pause, mode, persona, relationship."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input, Static

from secondme.cli.tui.dialogs import ConfirmDialog, PauseDialog, TierChoice, TierDialog, length_of
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.pages.page import Page, countdown, shown_name
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import ACCENT, GOOD, QUIET, WARN, resume
from secondme.core.admit.pairing import channel_of
from secondme.core.enums import Relationship, ReplyMode, Tier
from secondme.core.ids import ContactId
from secondme.core.text import safe_name, safe_text
from secondme.services import persona_library

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.config.loader import Setup
    from secondme.core.records import ApprovedContact, Pause


async def pause_or_resume(page: Page, contact: ApprovedContact, *, is_paused: bool) -> None:
    """The contact is paused for as long as the owner chose, or answered again. Called in a worker: it asks."""
    who = shown_name(contact.display_name, contact.contact_id)
    if is_paused:
        await resume(page.app, page.desk, contact.contact_id, who)
        return
    choice = await page.app.push_screen_wait(PauseDialog(f"Pause {who} for how long?"))
    if choice is not None:
        await page.desk.decide(partial(_pause, page.desk, contact.contact_id, who, choice))


async def _pause(desk: Actions, contact: str, who: str, choice: str) -> str:
    await desk.link.services.pauses.pause(contact, length_of(choice))
    return f"{who} is paused, {choice}."


_UNSAID = ""
"""The value of a choice that is taken back."""
_MODES = {
    ReplyMode.AUTO: "answered",
    ReplyMode.DRAFT: "you approve every reply",
    ReplyMode.OBSERVE: "listened to, not answered",
    ReplyMode.OFF: "neither answered nor kept",
}


def how_answered(contact: ApprovedContact) -> str:
    """The contact's reply mode in words, and who decided it."""
    by = "you said so" if contact.reply_mode is not None else f"by tier {contact.tier.value}"
    return f"{contact.mode.value}: {_MODES[contact.mode]} ({by})"


async def ask_mode(page: Page, contact: ApprovedContact) -> None:
    """The contact's messages are treated as the owner chose. Called in a worker, as the others here."""
    who = shown_name(contact.display_name, contact.contact_id)
    choices = [Choice(mode.value, mode.value, says) for mode, says in _MODES.items()]
    choices.append(Choice(_UNSAID, "by tier", f"as anybody who is {contact.tier.value}"))
    dialog = ChoiceDialog(
        f"What happens to {who}'s messages?", choices, contact.reply_mode.value if contact.reply_mode else _UNSAID
    )
    choice = await page.app.push_screen_wait(dialog)
    if choice is not None:
        await page.desk.decide(partial(_set_mode, page.desk, contact, who, choice))


async def ask_relationship(page: Page, contact: ApprovedContact) -> None:
    """The contact is to the owner what they said."""
    who, identity = shown_name(contact.display_name, contact.contact_id), ContactId(contact.contact_id)
    standing = await page.desk.fetch(lambda: page.desk.link.services.relationships.of(identity))
    if standing is None:
        return
    choices = [Choice(each.value, each.value.replace("_", " ")) for each in Relationship]
    guess = "" if standing.manual else f"so far: {standing.type.value.replace('_', ' ')}"
    choices.append(Choice(_UNSAID, "let hints tell", guess or "what they write decides"))
    dialog = ChoiceDialog(f"Who is {who} to you?", choices, standing.type.value if standing.manual else _UNSAID)
    choice = await page.app.push_screen_wait(dialog)
    if choice is not None:
        await page.desk.decide(partial(_relate, page.desk, identity, who, choice))


async def ask_persona(page: Page, contact: ApprovedContact) -> None:
    """The contact is answered in the voice that the owner chose."""
    who = shown_name(contact.display_name, contact.contact_id)
    choices = await page.desk.fetch(lambda: asyncio.to_thread(_voices, page.desk.link.setup))
    if choices is None:
        return
    known = {choice.value for choice in choices}
    if contact.persona and contact.persona not in known:
        gone = Choice(contact.persona, safe_name(contact.persona), "is not there: the built-in default speaks", is_possible=False)
        choices.append(gone)
    choices.append(Choice(_UNSAID, "as usual", "by relationship, or your default"))
    choice = await page.app.push_screen_wait(
        ChoiceDialog(f"In which of your voices is {who} answered?", choices, contact.persona or _UNSAID)
    )
    if choice is not None:
        await page.desk.decide(partial(_set_persona, page.desk, contact, who, choice))


async def _set_mode(desk: Actions, contact: ApprovedContact, who: str, choice: str) -> str:
    record = await desk.link.services.answering.set_mode(ContactId(contact.contact_id), ReplyMode(choice) if choice else None)
    return f"{who}: {how_answered(record)}."


async def _relate(desk: Actions, contact: ContactId, who: str, choice: str) -> str:
    standing = await desk.link.services.relationships.set_by_owner(contact, Relationship(choice) if choice else None)
    kind = standing.type.value.replace("_", " ")
    return f"{who} is {kind} to you." if standing.manual else f"{who} seems to be {kind}; that may change by itself."


async def _set_persona(desk: Actions, contact: ApprovedContact, who: str, choice: str) -> str:
    await desk.link.services.choices.set_persona(ContactId(contact.contact_id), choice or None)
    return f"{safe_name(choice)} speaks to {who} from now on." if choice else f"{who} is answered in the usual voice."


def _voices(setup: Setup) -> list[Choice]:
    """What there is to choose from; a broken file cannot be chosen. Raises ConfigError."""
    personas = persona_library(setup)
    sound = [Choice(each.id, safe_name(each.id), safe_name(each.tone or each.name)) for each in personas.all()]
    broken = [Choice(each.id, safe_name(each.id), "cannot be used: press 8", is_possible=False) for each in personas.broken()]
    return sorted([*sound, *broken], key=lambda choice: choice.value)


_MOST = 500
"""Rows shown at once; a search finds the others."""
_TIER_STYLES = {Tier.TRUSTED: GOOD, Tier.STANDARD: "", Tier.RESTRICTED: WARN}


class ApprovedPage(Page):
    """Approved contacts, the newest on top."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Name", 10, flexible=3, most=28),
        Column("Contact", 12, flexible=3, most=34),
        Column("Tier", 10),
        Column("State", 14, from_width=60),
        Column("On", 14, from_width=96),
        Column("Since", 10, from_width=76),
        Column("Note", 12, flexible=4, from_width=110),
    )
    EMPTY: ClassVar[str] = "Nobody was approved yet.\n\nRequests appear on the first page. Press 1."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit"),
        Binding("z", "pause_contact", "Pause them"),
        Binding("r", "revoke", "Revoke"),
        Binding("slash", "search", "Search"),
        Binding("t", "tier_filter", "Tier"),
        Binding("c", "channel_filter", "Channel"),
        Binding("escape", "all", "Show all", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._search = Input(placeholder="name or number", classes="search", compact=True)
        self._filters = Static(classes="filters")
        self._tier: Tier | None = None
        self._channel: str | None = None
        self._icons: dict[str, str] = {}
        self._contacts: dict[str, ApprovedContact] = {}
        self._pauses: dict[str, Pause] = {}
        self._now: datetime | None = None

    def compose(self) -> ComposeResult:
        """The search above the table."""
        yield self._search
        yield self._filters
        yield from super().compose()

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The approved contacts that fit search and tier."""
        self._contacts = {contact.contact_id: contact for contact in snapshot.listing.approved}
        self._pauses, self._now = snapshot.pauses, now
        self._icons = {facts.id: facts.icon for facts in snapshot.overview.channels}
        self._filter()

    def tick(self, now: datetime) -> None:
        """What is left of pauses is right."""
        self._now = now
        if self._pauses:
            self._filter()

    def detail_of(self, key: str) -> Text:
        """The whole id, who decided, and the note."""
        contact = self._contacts[key]
        text = Text(shown_name(contact.shown_name, key), style="bold")
        text.append(f"  {safe_name(key)}  {safe_name(_channel_of(contact))}", style="not bold")
        text.append(f"  approved {contact.approved_at:%Y-%m-%d} by {safe_name(contact.approved_by)}", style=f"not bold {QUIET}")
        if contact.notes:
            text.append(f"\n{' '.join(safe_text(contact.notes).split())}", style="not bold")
        return text

    def action_search(self) -> None:
        """Typing searches."""
        self._search.add_class("shown")
        self._search.focus()

    def action_all(self) -> None:
        """Everybody is shown again."""
        self._tier = self._channel = None
        self._search.value = ""
        self._search.remove_class("shown")
        self._filter()
        self.focus_page()

    def action_tier_filter(self) -> None:
        """One tier after the other, then all."""
        order = [None, *Tier]
        self._tier = order[(order.index(self._tier) + 1) % len(order)]
        self._filter()

    def action_channel_filter(self) -> None:
        """One channel after the other, then all."""
        order = [None, *sorted({_channel_of(contact) for contact in self._contacts.values()})]
        at = order.index(self._channel) if self._channel in order else 0
        self._channel = order[(at + 1) % len(order)]
        self._filter()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter()

    @on(Input.Submitted)
    def _searched(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_page()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_edit()

    @work
    async def action_edit(self) -> None:
        """Change tier and note."""
        contact = self._current()
        if contact is None:
            return
        title = shown_name(contact.display_name, contact.contact_id)
        choice = await self.app.push_screen_wait(TierDialog(title, "Save", contact.tier, contact.notes or ""))
        if choice is not None:
            await self.desk.decide(partial(self._edit, contact, choice))

    @work
    async def action_revoke(self) -> None:
        """Shut the door again, after a confirmation."""
        contact = self._current()
        if contact is None:
            return
        who = shown_name(contact.display_name, contact.contact_id)
        body = "They are not answered any more, from this moment on. Their history is erased."
        if await self.app.push_screen_wait(ConfirmDialog(f"Revoke {who}?", body, "Revoke")):
            await self.desk.decide(partial(self._revoke, contact, who))

    @work
    async def action_pause_contact(self) -> None:
        """Pause this contact, or answer it again."""
        contact = self._current()
        if contact is not None:
            await pause_or_resume(self, contact, is_paused=contact.contact_id in self._pauses)

    async def _edit(self, contact: ApprovedContact, choice: TierChoice) -> str:
        decision = await self.desk.link.services.pairing.edit(contact.contact_id, tier=choice.tier, notes=choice.notes)
        return f"{shown_name(decision.display_name, contact.contact_id)} is {decision.tier}."

    async def _revoke(self, contact: ApprovedContact, who: str) -> str:
        await self.desk.link.services.pairing.revoke(contact.contact_id)
        return f"{who} is not approved any more."

    def _current(self) -> ApprovedContact | None:
        key = self.table.current
        return self._contacts.get(key) if key is not None else None

    def _filter(self) -> None:
        wanted = [
            contact
            for contact in self._contacts.values()
            if contact.is_like(self._search.value, self._tier) and self._channel in {None, _channel_of(contact)}
        ]
        filtered = bool(self._search.value) or self._tier is not None or self._channel is not None
        text = Text(f"{len(wanted)} of {len(self._contacts)}" if filtered else f"{len(self._contacts)} approved", style=QUIET)
        if self._tier is not None:
            text.append(f"   tier {self._tier.value}", style=ACCENT)
        if self._channel is not None:
            text.append(f"   on {safe_name(self._channel)}", style=ACCENT)
        if self._search.value:
            text.append(f"   like “{safe_name(self._search.value)}”", style=ACCENT)
        if filtered:
            text.append("   Esc shows all", style=QUIET)
        if len(wanted) > _MOST:
            text.append(f"   the newest {_MOST} are shown; / finds the others", style=WARN)
        self._filters.update(text)
        self.put([self._row(contact) for contact in wanted[:_MOST]], "Nobody fits. Esc shows all." if filtered else "")

    def _row(self, contact: ApprovedContact) -> Row:
        pause = self._pauses.get(contact.contact_id)
        return contact.contact_id, (
            (shown_name(contact.display_name, contact.contact_id), "bold"),
            (safe_name(contact.contact_id), ""),
            (contact.tier.value, _TIER_STYLES[contact.tier]),
            ("answered", QUIET) if pause is None else (self._paused(pause), WARN),
            (f"{self._icons.get(_channel_of(contact), '')} {safe_name(_channel_of(contact))}".strip(), QUIET),
            (f"{contact.approved_at:%Y-%m-%d}", QUIET),
            (" ".join(safe_text(contact.notes or "").split()), QUIET),
        )

    def _paused(self, pause: Pause) -> str:
        if pause.until is None or self._now is None:
            return "paused"
        return f"paused {countdown(pause.until - self._now)}"


def _channel_of(contact: ApprovedContact) -> str:
    return contact.channel_id or channel_of(contact.contact_id)
