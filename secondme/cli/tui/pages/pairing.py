"""The pages of people who wait and of people who were denied."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog, ReasonDialog, TierDialog
from secondme.cli.tui.pages.page import Page, countdown, shown_name
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import ACCENT, BAD, QUIET, WARN
from secondme.core.admit.pairing import channel_of
from secondme.core.format import ago
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.widgets import DataTable

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.enums import Tier
    from secondme.core.records import DeniedContact, PairingRequest


_SOON = timedelta(minutes=5)
_LAST = timedelta(minutes=1)


class PendingPage(Page):
    """Requests, the one that ends first on top."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("", 1),
        Column("Name", 10, flexible=2, most=28),
        Column("Contact", 12, flexible=3, most=34),
        Column("Channel", 8, from_width=76),
        Column("Code", 6, from_width=44),
        Column("Asked", 7, from_width=60),
        Column("Ends in", 7),
    )
    EMPTY: ClassVar[str] = (
        "Nobody waits.\n\nWho writes to you for the first time appears here with a code.\n"
        "To approve somebody at once, hand them a code of: secondme pairing invite"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "Approve"),
        Binding("d", "deny", "Deny"),
        Binding("space", "mark", "Mark"),
        Binding("A,shift+a", "approve_all", "All in"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._requests: dict[str, PairingRequest] = {}
        self._marked: set[str] = set()
        self._now: datetime | None = None

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The requests of the snapshot that have not ended by `now`."""
        self._requests = {request.contact_id: request for request in snapshot.listing.pending}
        self._marked &= self._requests.keys()
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """The countdowns are right."""
        self._now = now
        self.put([self._row(request, now) for request in self._requests.values() if request.expires_at > now])

    def detail_of(self, key: str) -> Text:
        """The whole name and id, however narrow the table is."""
        request = self._requests[key]
        text = Text(shown_name(request.display_name, request.contact_id), style="bold")
        text.append(f"  {safe_name(request.contact_id)}", style="not bold")
        if self._now is not None:
            text.append(f"  asked {ago(request.requested_at, self._now)} ago on {_channel(request)}", style=f"not bold {QUIET}")
        if len(self._marked) > 0:
            text.append(f"   {len(self._marked)} marked", style=f"not bold {ACCENT}")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_approve()

    def action_mark(self) -> None:
        """The row is marked, or not any more; the cursor goes on."""
        key = self.table.current
        if key is not None and self._now is not None:
            self._marked ^= {key}
            self.tick(self._now)
            self.table.action_cursor_down()

    @work
    async def action_approve(self) -> None:
        """Approve the marked, or the one under the cursor, after a choice of tier."""
        await self._approve(self._chosen())

    @work
    async def action_approve_all(self) -> None:
        """Approve everybody who waits, after a choice of tier."""
        await self._approve(list(self._requests.values()))

    @work
    async def action_deny(self) -> None:
        """Deny the marked, or the one under the cursor, after a reason."""
        requests = self._chosen()
        if not requests:
            return
        title = f"Turn {_who(requests)} away?"
        body = "They are ignored in silence for 24 hours and are told nothing."
        reason = await self.app.push_screen_wait(ReasonDialog(title, "Deny", body))
        if reason is not None:
            await self.desk.decide_all([partial(self._deny, each, reason) for each in requests], "{} people are denied.")
            self._marked.clear()

    async def _approve(self, requests: list[PairingRequest]) -> None:
        if not requests:
            return
        single = len(requests) == 1
        dialog = TierDialog(f"Approve {_who(requests)}?", "Approve", notes="" if single else None)
        choice = await self.app.push_screen_wait(dialog)
        if choice is not None:
            decisions = [partial(self._let_in, each, choice.tier, choice.notes) for each in requests]
            await self.desk.decide_all(decisions, "{} people are approved as " + choice.tier.value + ".")
            self._marked.clear()

    async def _let_in(self, request: PairingRequest, tier: Tier, notes: str) -> str:
        decision = await self.desk.link.services.pairing.approve_request(request, tier, notes)
        who = shown_name(decision.display_name, decision.contact_id)
        return f"{who} is approved as {decision.tier}." if decision.outcome == "approved" else f"{who} was approved before."

    async def _deny(self, request: PairingRequest, reason: str) -> str:
        await self.desk.link.services.pairing.deny_request(request, reason)
        return f"{shown_name(request.display_name, request.contact_id)} is denied."

    def _chosen(self) -> list[PairingRequest]:
        current = self.table.current
        keys = [key for key in self._requests if key in self._marked] or ([current] if current is not None else [])
        return [self._requests[key] for key in keys]

    def _row(self, request: PairingRequest, now: datetime) -> Row:
        left = request.expires_at - now
        style = BAD if left < _LAST else WARN if left < _SOON else ""
        marked = request.contact_id in self._marked
        return request.contact_id, (
            ("●" if marked else " ", ACCENT),
            (shown_name(request.display_name, request.contact_id), "bold"),
            (safe_name(request.contact_id), ""),
            (_channel(request), QUIET),
            (request.code, ACCENT),
            (ago(request.requested_at, now), QUIET),
            (countdown(left), style),
        )


def _channel(request: PairingRequest) -> str:
    return safe_name(request.channel_id or channel_of(request.contact_id))


def _who(requests: list[PairingRequest]) -> str:
    if len(requests) == 1:
        return shown_name(requests[0].display_name, requests[0].contact_id)
    return f"{len(requests)} people"


class DeniedPage(Page):
    """Denied contacts, the last on top."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Name", 10, flexible=2, most=28),
        Column("Contact", 12, flexible=3, most=34),
        Column("By", 11, from_width=60),
        Column("For", 12),
        Column("Reason", 10, flexible=4, from_width=76),
    )
    EMPTY: ClassVar[str] = "Nobody is denied.\n\nWho is denied is ignored in silence for 24 hours and is listed here."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("u", "unblock", "Unblock")]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._contacts: dict[str, DeniedContact] = {}

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The denials that have not ended by `now`."""
        self._contacts = {contact.contact_id: contact for contact in snapshot.listing.denied}
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """What is left of each cooldown is right."""
        self.put([_row(contact, now) for contact in self._contacts.values() if contact.expires_at > now])

    def detail_of(self, key: str) -> Text:
        """The whole id and reason."""
        contact = self._contacts[key]
        text = Text(shown_name(contact.display_name, key), style="bold")
        text.append(f"  {safe_name(key)}", style="not bold")
        text.append(f"  denied {contact.denied_at:%Y-%m-%d %H:%M} UTC by {safe_name(contact.denied_by)}", style=f"not bold {QUIET}")
        if contact.reason:
            text.append(f"\n{safe_name(contact.reason)}", style="not bold")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_unblock()

    @work
    async def action_unblock(self) -> None:
        """Let the one under the cursor ask again, after a confirmation."""
        key = self.table.current
        if key is None:
            return
        who = shown_name(self._contacts[key].display_name, key)
        body = "Their next message makes a new request. It does not approve them."
        if await self.app.push_screen_wait(ConfirmDialog(f"Unblock {who}?", body, "Unblock")):
            await self.desk.decide(partial(self._unblock, key, who))

    async def _unblock(self, key: str, who: str) -> str:
        await self.desk.link.services.pairing.unblock(key)
        return f"{who} is unblocked."


def _row(contact: DeniedContact, now: datetime) -> Row:
    return contact.contact_id, (
        (shown_name(contact.display_name, contact.contact_id), "bold"),
        (safe_name(contact.contact_id), ""),
        (safe_name(contact.denied_by), QUIET),
        (countdown(contact.expires_at - now), ""),
        (safe_name(contact.reason or ""), QUIET),
    )
