"""The page of channels, and how each stands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.pages.page import Page, countdown
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import BAD, GOOD, QUIET, WARN
from secondme.core.channel_manifest import sentence_of
from secondme.core.clock import from_ms
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.widgets import DataTable

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.gateway.status import ChannelFacts


class ChannelsPage(Page):
    """One row for each channel there is, linked or not."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Channel", 12, flexible=2, most=24),
        Column("State", 14, flexible=2, most=28),
        Column("In", 6),
        Column("Out", 6),
        Column("Failed", 7, from_width=60),
        Column("Last heard", 12, from_width=76),
    )
    EMPTY: ClassVar[str] = "There are no channels."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "pause_channel", "Pause it"),
        Binding("c", "connect", "Connect or disconnect"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._channels: dict[str, ChannelFacts] = {}

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The channels as their gateway last said."""
        self._channels = {facts.id: facts for facts in snapshot.overview.channels}
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """How long ago each was heard is right."""
        self.put([_row(facts, now) for facts in self._channels.values()])

    def detail_of(self, key: str) -> Text:
        """What is the matter, in words, and what mends it."""
        facts = self._channels[key]
        text = Text(f"{facts.icon} {safe_name(facts.title)}", style="bold")
        text.append(f"  {_state(facts)[0]}", style="not bold")
        if facts.since_ms is not None:
            text.append(f"  since {from_ms(facts.since_ms):%Y-%m-%d %H:%M} UTC", style=f"not bold {QUIET}")
        words, fix = sentence_of(facts.id, facts.code)
        if facts.state == "off":
            words, fix = "Not linked, or disconnected.", f"secondme channels connect {facts.id}"
        if words:
            text.append(f"\n{safe_name(words)} {fix}".rstrip(), style="not bold")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_pause_channel()

    @work
    async def action_pause_channel(self) -> None:
        """Answer nobody there, or everybody again."""
        facts = self._current()
        if facts is not None:
            await self.desk.decide(partial(self._resume if facts.paused else self._pause, facts))

    @work
    async def action_connect(self) -> None:
        """Stop the channel, after a confirmation, or start it."""
        facts = self._current()
        if facts is None:
            return
        if facts.state == "off":
            await self.desk.decide(partial(self._connect, facts))
            return
        body = "Nothing is received or sent there until it is connected again."
        if await self.app.push_screen_wait(ConfirmDialog(f"Disconnect {safe_name(facts.title)}?", body, "Disconnect")):
            await self.desk.decide(partial(self._disconnect, facts))

    async def _pause(self, facts: ChannelFacts) -> str:
        await self.desk.link.services.pauses.pause_channel(facts.id)
        return f"Nobody on {facts.title} is answered."

    async def _resume(self, facts: ChannelFacts) -> str:
        await self.desk.link.services.pauses.resume_channel(facts.id)
        return f"{facts.title} is answered again."

    async def _connect(self, facts: ChannelFacts) -> str:
        await self.desk.link.services.pauses.connect_channel(facts.id, on=True)
        return f"{facts.title} starts, if it is linked: secondme channels connect {facts.id}"

    async def _disconnect(self, facts: ChannelFacts) -> str:
        await self.desk.link.services.pauses.connect_channel(facts.id, on=False)
        return f"{facts.title} is disconnected."

    def _current(self) -> ChannelFacts | None:
        key = self.table.current
        return self._channels.get(key) if key is not None else None


def _state(facts: ChannelFacts) -> tuple[str, str]:
    if facts.paused:
        return "❚❚ paused", WARN
    match facts.state:
        case "connected":
            return "● connected", GOOD
        case "off":
            return "○ off", QUIET
        case "needs_owner":
            return "■ needs you", BAD
        case other:
            return f"◌ {safe_name(other)}", WARN


def _row(facts: ChannelFacts, now: datetime) -> Row:
    heard = f"{countdown(now - from_ms(facts.last_received_ms))} ago" if facts.last_received_ms else ""
    return facts.id, (
        (f"{facts.icon} {safe_name(facts.title) or facts.id}", "bold"),
        _state(facts),
        (str(facts.received or ""), ""),
        (str(facts.sent or ""), ""),
        (str(facts.failed or ""), WARN),
        (heard, QUIET),
    )
