"""Who was turned away, for how long, and why?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.pages.page import Page, countdown, shown_name
from secondme.cli.tui.table import Column
from secondme.cli.tui.theme import QUIET
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.widgets import DataTable

    from secondme.cli.tui.desk import Desk
    from secondme.cli.tui.link import Snapshot
    from secondme.cli.tui.table import Row
    from secondme.core.records import DeniedContact


class DeniedPage(Page):
    """Denied contacts, the last on top."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Name", 10, flexible=2, most=28),
        Column("Contact", 12, flexible=3, most=34),
        Column("By", 11, from_width=60),
        Column("For", 12),
        Column("Reason", 10, flexible=4, from_width=76),
    )
    EMPTY: ClassVar[str] = "Nobody is turned away.\n\nWho is denied is ignored in silence for 24 hours and is listed here."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("u", "unblock", "Unblock")]

    def __init__(self, desk: Desk, page_id: str) -> None:
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
        text.append(
            f"  turned away {contact.denied_at:%Y-%m-%d %H:%M} UTC by {safe_name(contact.denied_by)}", style=f"not bold {QUIET}"
        )
        if contact.reason:
            text.append(f"\n{safe_name(contact.reason)}", style="not bold")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_unblock()

    @work
    async def action_unblock(self) -> None:
        """Let the one under the cursor knock again, after a confirmation."""
        key = self.table.current
        if key is None:
            return
        who = shown_name(self._contacts[key].display_name, key)
        body = "Their next message makes a new request. It does not let them in."
        if await self.app.push_screen_wait(ConfirmDialog(f"Let {who} knock again?", body, "Unblock")):
            await self.desk.decide(partial(self._unblock, key, who))

    async def _unblock(self, key: str, who: str) -> str:
        await self.desk.link.owner.unblock(key)
        return f"{who} may knock again."


def _row(contact: DeniedContact, now: datetime) -> Row:
    return contact.contact_id, (
        (shown_name(contact.display_name, contact.contact_id), "bold"),
        (safe_name(contact.contact_id), ""),
        (safe_name(contact.denied_by), QUIET),
        (countdown(contact.expires_at - now), ""),
        (safe_name(contact.reason or ""), QUIET),
    )
