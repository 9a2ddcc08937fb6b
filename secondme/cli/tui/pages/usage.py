"""The page of usage: today beside the cap, and the last days by day, contact and model, as bars."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from secondme.cli.tui.layout import READ_WIDTH, apart, bar, column, facts, keys, lines, say, shown_name
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.theme import ACCENT, BAD, FAINT, GOOD, INK, SOFT
from secondme.core.clock import from_ms
from secondme.core.format import counted, money
from secondme.core.reply.store import ACCOUNTS, SpendingReport, Spent
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from textual.content import Content
    from textual.widget import Widget

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot

_DAYS = 7
_MOST = 500
_BY = ("day", "contact", "model")
_AGAIN_MS = 10_000
"""By contact, everybody's sums are read to know whose are the highest: not at every look."""
_MICROS = 1_000_000
_BAR, _LONGEST_BAR, _SHORTEST_BAR = 72, 60, 4
_NAME, _COST = 20, 11
_NEAR = 0.8


class SpentToday(Static):
    """Today's spend beside the cap, in words and as a line."""

    def __init__(self) -> None:
        super().__init__(classes="today", markup=False)
        self._micros, self._cap = 0, 0.0

    def show(self, micros: int, cap_usd: float) -> None:
        """So much was spent, of so much."""
        self._micros, self._cap = micros, cap_usd
        self.update(self._text())

    def on_resize(self) -> None:
        """The line is as long as there is room."""
        self.update(self._text())

    def _text(self) -> Content:
        share = self._micros / (self._cap * _MICROS) if self._cap else 1.0
        style = GOOD if share < 1 else BAD
        words = say(("Today ", SOFT), (money(self._micros), f"bold {INK}"), (f" of ${self._cap:,.2f}", SOFT))
        if self._micros or self._cap:
            words = say(words, (f"   {share:.0%}", style))
        if share >= 1:
            words = say(words, ("  spent: messages wait until tomorrow (UTC)", BAD))
        elif share >= _NEAR:
            words = say(words, ("  most of it is spent", INK))
        width = max(1, min(_BAR, self.content_size.width))
        return lines(words, bar(min(1.0, share) if self._micros else 0, width, style))


class UsagePage(ListPage):
    """Sums, the newest day or the dearest on top."""

    TITLE: ClassVar[str] = "Usage"
    EMPTY: ClassVar[str] = f"No model was called in the last {_DAYS} days.\n\nWhat replies cost is summed up here."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("b", "turn", "By day, by contact, by model", show=False)]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._today = SpentToday()
        super().__init__(desk, page_id)
        self._by = _BY[0]
        self._account: SpendingReport | None = None
        self._read_ms = 0
        self._names: dict[str, str] = {}
        self._date: date | None = None
        """Today: days of budgets are UTC."""
        self._sums: dict[str, Spent] = {}
        """By the key of its row."""

    def above_rows(self) -> Sequence[Widget]:
        """Today, beside the cap."""
        return (self._today,)

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """The sums of the last days; of everybody only where they are shown."""
        self._names = {contact.contact_id: contact.display_name or "" for contact in snapshot.listing.approved}
        by = self._by
        if by == "contact" and self._account is not None and self._account.contacts and 0 <= now_ms - self._read_ms < _AGAIN_MS:
            return
        spending = self.desk.link.services.spending
        self._account = await spending.account(now_ms, _DAYS, [*ACCOUNTS, *self._names] if by == "contact" else [])
        self._read_ms, self._date = now_ms, from_ms(now_ms).date()

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self.now = now
        self._put()

    def tick(self, now: datetime) -> None:
        """Nothing here runs down."""
        self.now = now

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """What it is, its share of the highest as a bar, and what it cost."""
        spent = self._sums.get(key, Spent())
        top = max((each.micros for each in self._sums.values()), default=0) or 1
        style = ACCENT if self._by != "day" or key == f"{self._date}" else FAINT
        name, cost = say((self._called(key), INK)), say((money(spent.micros), f"bold {INK}"))
        right = say(" " * max(0, _COST - cost.cell_length), cost)
        if tight:
            room = min(_LONGEST_BAR, width - _NAME - _COST - 3)
            left = (
                say("  ", column(name, _NAME), bar(spent.micros / top, room, style)) if room >= _SHORTEST_BAR else say("  ", name)
            )
            return apart(left, right, width) if room < _LONGEST_BAR else say(left, " ", right)
        return lines(
            apart(say("  ", name), cost, width), say("  ", bar(spent.micros / top, max(1, min(_LONGEST_BAR, width - 2)), style))
        )

    def draw_sheet(self, key: str, width: int) -> Content:
        """Every sum of the row."""
        spent = self._sums.get(key, Spent())
        prompt = spent.input + spent.cache_read + spent.cache_write
        whole = sum(each.micros for each in self._sums.values())
        known: list[tuple[str, str | Content]] = [
            (
                "Cost",
                say(
                    (money(spent.micros), f"bold {INK}"),
                    (f"   {spent.micros / whole:.0%} of the {_DAYS} days" if whole else "", SOFT),
                ),
            ),
            ("Calls", f"{spent.calls:,}"),
            ("Tokens in", f"{prompt:,}"),
            ("From cache", f"{spent.cache_read:,}   {spent.cache_read / prompt:.0%}" if prompt else "0"),
            ("Into cache", f"{spent.cache_write:,}"),
            ("Tokens out", f"{spent.output:,}"),
        ]
        if spent.seconds:
            known.append(("Heard", counted(spent.seconds, "second")))
        if spent.characters:
            known.append(("Spoken", counted(spent.characters, "character")))
        acts = [say(""), keys(hint for hint in self.row_hints(key) if hint[0] == "b")]
        return lines(*facts(known, min(READ_WIDTH, width)), *acts)

    def title_of(self, key: str) -> tuple[str, str]:
        """What the sums are of."""
        is_person = self._by == "contact" and key not in ACCOUNTS
        return self._called(key), safe_name(key) if is_person else "days are UTC" if self._by == "day" else f"the last {_DAYS} days"

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """The next way to sum it up."""
        del key
        return (("b", f"By {self._next}"),)

    @property
    def _next(self) -> str:
        return _BY[(_BY.index(self._by) + 1) % len(_BY)]

    # What the owner does

    def action_turn(self) -> None:
        """By day, by contact, by model."""
        self._by = self._next
        self._put()
        self.desk.look_again()

    def _put(self) -> None:
        if self._account is None:
            self.put([], LOOKING)
            return
        sums = self._summed(self._account)
        self._sums = dict(list(sums.items())[:_MOST])
        foot = f"the dearest {_MOST} of {len(sums):,}" if len(sums) > _MOST else ""
        is_read = self._by != "contact" or bool(self._account.contacts) or not self._account.days
        self.put(list(self._sums), "" if is_read else LOOKING, count=f"by {self._by}, the last {_DAYS} days", foot=foot)
        spent = self._account.days.get(f"{self._date}", Spent()).micros
        self._today.show(spent, self.desk.link.setup.settings.budget.daily_usd)

    def _summed(self, account: SpendingReport) -> Mapping[str, Spent]:
        if self._by == "day":
            if not account.days or self._date is None:
                return {}
            wanted = [f"{self._date - timedelta(days=back)}" for back in range(_DAYS)]
            return {day: account.days.get(day, Spent()) for day in wanted}
        sums = account.contacts if self._by == "contact" else account.models
        return dict(sorted(sums.items(), key=lambda item: item[1].micros, reverse=True))

    def _called(self, key: str) -> str:
        match self._by:
            case "day":
                day = date.fromisoformat(key)
                return f"{day:%a} {day.day:>2} {day:%b}"
            case "contact":
                return ACCOUNTS.get(key) or shown_name(self._names.get(key), key)
            case _:
                return safe_name(key) or "unknown"
