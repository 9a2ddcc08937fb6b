"""The page of usage: today beside the cap, and the last days by day, contact and model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import ACCENT, BAD, GOOD, QUIET, WARN
from secondme.core.clock import from_ms
from secondme.core.reply.store import JOBS, SELF, SpendingReport, Spent
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from secondme.cli.tui.link import Actions, Snapshot

_ACCOUNTS = {SELF: "you yourself", JOBS: "jobs"}
_DAYS = 7
_MOST = 500
_BY = ("day", "contact", "model")
_AGAIN_MS = 10_000
"""By contact, everybody's sums are read to know whose are the highest: not at every look."""
_MICROS = 1_000_000
_BAR = 40
_NEAR = 0.8


class UsagePage(Page):
    """Sums, the newest day or the dearest on top."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("What", 10, flexible=3, most=44),
        Column(f"{'Calls':>7}", 7, from_width=60),
        Column(f"{'Tokens in':>11}", 11, from_width=44),
        Column(f"{'From cache':>10}", 10, from_width=76),
        Column(f"{'Tokens out':>11}", 11, from_width=60),
        Column(f"{'Cost':>10}", 10),
    )
    EMPTY: ClassVar[str] = "No model was called in the last 7 days.\n\nWhat replies cost is summed up here."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("b", "turn", "By day, contact, model")]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._today = Static(classes="today")
        self._filters = Static(classes="filters")
        self._by = _BY[0]
        self._account: SpendingReport | None = None
        self._read_ms = 0
        self._names: dict[str, str] = {}
        self._spent = 0

    def compose(self) -> ComposeResult:
        """Today above the table."""
        yield self._today
        yield self._filters
        yield from super().compose()

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """The sums of the last days; of everybody only where they are shown."""
        self._names = {contact.contact_id: contact.display_name or "" for contact in snapshot.listing.approved}
        by = self._by
        if by == "contact" and self._account is not None and self._account.contacts and 0 <= now_ms - self._read_ms < _AGAIN_MS:
            return
        account = await self.desk.link.services.spending.account(
            now_ms, _DAYS, [SELF, JOBS, *self._names] if by == "contact" else []
        )
        self._account, self._read_ms = account, now_ms
        today = account.days.get(f"{from_ms(now_ms):%Y-%m-%d}")
        self._spent = today.micros if today else 0

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot, now
        self._put()

    def tick(self, now: datetime) -> None:
        """Nothing here runs down."""

    def on_resize(self) -> None:
        """The bar fits."""
        self._put()

    def detail_of(self, key: str) -> Text:
        """Every sum of the row."""
        spent = self._sums()[key]
        text = Text(self._called(key), style="bold")
        if self._by == "contact" and key not in {SELF, JOBS}:
            text.append(f"  {safe_name(key)}", style="not bold")
        text.append(
            f"  {_dollars(spent.micros)}  {spent.calls:,} {'call' if spent.calls == 1 else 'calls'}", style=f"not bold {QUIET}"
        )
        text.append(
            f"\n{spent.input:,} tokens in, {spent.cache_read:,} from the cache, {spent.cache_write:,} into it, {spent.output:,} out",
            style=f"not bold {QUIET}",
        )
        return text

    def action_turn(self) -> None:
        """By day, by contact, by model."""
        self._by = _BY[(_BY.index(self._by) + 1) % len(_BY)]
        self._put()
        self.desk.look_again()

    def _put(self) -> None:
        if self._account is None:
            self.put([], "Looking …")
            return
        self._today.update(self._bar())
        sums = self._sums()
        text = Text(f"by {self._by}, the last {_DAYS} days", style=ACCENT)
        text.append("   b: by " + _BY[(_BY.index(self._by) + 1) % len(_BY)], style=QUIET)
        if len(sums) > _MOST:
            text.append(f"   the dearest {_MOST} are shown", style=WARN)
        self._filters.update(text)
        self.put([self._row(key, spent) for key, spent in list(sums.items())[:_MOST]])

    def _sums(self) -> Mapping[str, Spent]:
        if self._account is None:
            return {}
        if self._by == "day":
            return self._account.days
        sums = self._account.contacts if self._by == "contact" else self._account.models
        return dict(sorted(sums.items(), key=lambda item: item[1].micros, reverse=True))

    def _bar(self) -> Text:
        """Today's spend beside the cap, in words and as a line."""
        cap = self.desk.link.setup.settings.budget.daily_usd
        share = self._spent / (cap * _MICROS) if cap else 1.0
        style = GOOD if share < _NEAR else WARN if share < 1 else BAD
        text = Text(f"Today {_dollars(self._spent)} of ${cap:.2f}", style="bold")
        if self._spent or cap:
            text.append(f"  {share:.0%}", style=style)
        if share >= 1:
            text.append("  spent: messages wait until tomorrow (UTC)", style=BAD)
        length = max(1, min(_BAR, self.size.width - 2))
        filled = min(length, round(share * length)) if share < 1 else length
        text.append(f"\n{'━' * max(filled, 1 if self._spent else 0)}", style=style)
        text.append("╌" * (length - max(filled, 1 if self._spent else 0)), style=QUIET)
        return text

    def _called(self, key: str) -> str:
        if self._by != "contact":
            return safe_name(key) or "unknown"
        return _ACCOUNTS.get(key) or shown_name(self._names.get(key), key)

    def _row(self, key: str, spent: Spent) -> Row:
        prompt = spent.input + spent.cache_read + spent.cache_write
        return key, (
            (self._called(key), "bold"),
            (f"{spent.calls:>7,}", ""),
            (f"{prompt:>11,}", ""),
            (f"{spent.cache_read / prompt:>10.0%}" if prompt else "", QUIET),
            (f"{spent.output:>11,}", ""),
            (f"{_dollars(spent.micros):>10}", ""),
        )


def _dollars(micros: int) -> str:
    return f"${micros / _MICROS:,.4f}"
