"""The first page: what waits for the owner's decision, who talked lately, what is the matter, and what today costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from secondme.cli.tui.alarms import Alarm, alarms
from secondme.cli.tui.draft_decisions import acts_of
from secondme.cli.tui.layout import apart, bar, column, countdown, fit, lines, say, shown_name, sparks
from secondme.cli.tui.pages.chat_line import ChatLine
from secondme.cli.tui.pages.page import LOOKING, Page
from secondme.cli.tui.pages.thread import one_line
from secondme.cli.tui.panes import Panel
from secondme.cli.tui.questions import asks
from secondme.cli.tui.rows import Rows
from secondme.cli.tui.switches import Chat
from secondme.cli.tui.theme import ACCENT, BAD, FAINT, GOOD, INK, SOFT, WAITS
from secondme.core.clock import from_ms
from secondme.core.format import coming, lately, money
from secondme.core.ids import ContactId
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from textual.app import ComposeResult
    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.gateway.draft_views import DraftView
    from secondme.core.gateway.status import ChannelFacts
    from secondme.core.gateway.store import ConversationState
    from secondme.core.jobs.records import JobView
    from secondme.core.records import PairingRequest

_MOST = 50
"""Drafts, and conversations, that are listed; the others are on their pages."""
_NAME = 20
_AGAIN_MS = 10_000
"""What is the matter, and what was spent, is not looked up at every look."""
_DAYS = 7
_MICROS = 1_000_000
_LABEL = 12
_BAR = 28
_NEXT = 6
_CHANNEL = 17


class Still(Static):
    """A few lines that are drawn for the width there is. It takes no keys."""

    def __init__(self, draw: Callable[[int], Content]) -> None:
        super().__init__(markup=False)
        self._draw = draw
        self._told: Content | None = None

    def tell(self) -> None:
        """It says what is so now."""
        if (width := self.content_size.width) > 0 and (content := self._draw(width)) != self._told:
            self._told = content
            self.update(content)

    def on_resize(self) -> None:
        """The lines fit."""
        self._told = None
        self.tell()


@dataclass
class TodayFacts:
    """What the panes at the right show."""

    jobs: list[JobView]
    alarms: list[Alarm]
    days: dict[str, int]
    """Day (UTC) -> what was spent, millionths of a dollar."""
    at_ms: int


class TodayPage(Page):
    """Requests by the time that is left, then drafts with a fault, then drafts by their age."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "yes", "Approve", show=False),
        Binding("d", "no", "Deny, or drop", show=False),
        Binding("s", "send", "Send", show=False),
        Binding("e", "edit", "Edit", show=False),
        Binding("y", "copy", "Copy the code or the id", show=False),
        Binding("w", "write", "Write to them as yourself", show=False),
        Binding("z", "pause_it", "Pause, or answer again", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._waiting = Rows(self._draw_waiting, self._opened, id="rows-today")
        self._lately = Rows(self._draw_lately, self._opened, id="rows-lately")
        self._waiting_pane = Panel(self._waiting, title="Waiting for you", id="p-waiting")
        self._stills = {
            name: Still(draw)
            for name, draw in (
                ("alarms", self._draw_alarms),
                ("money", self._draw_money),
                ("channels", self._draw_channels),
                ("next", self._draw_next),
            )
        }
        titles = {"alarms": "Worth a look", "money": "Today", "channels": "Channels", "next": "Next"}
        self._panes = {
            name: Panel(still, title=titles[name], id=f"p-{name}", classes="still") for name, still in self._stills.items()
        }
        self._requests: dict[str, PairingRequest] = {}
        self._views: dict[str, DraftView] | None = None
        self._states: dict[str, ConversationState] = {}
        self._snapshot: Snapshot | None = None
        self._known: TodayFacts | None = None
        self._now: datetime | None = None
        self._names: dict[str, str] = {}
        self._drafts: dict[str, int] = {}

    def compose(self) -> ComposeResult:
        """What waits and who talked at the left; the rest at the right, or below."""
        with Vertical(id="today-left"):
            yield self._waiting_pane
            yield Panel(self._lately, title="Lately", id="p-lately")
        with Vertical(id="today-right"):
            yield from self._panes.values()

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """What belongs to the drafts, how the newest conversations stand, and now and then what is the matter."""
        services = self.desk.link.services
        views = await services.draft_views.of((snapshot.drafts or [])[:_MOST])
        self._views = {view.draft.id: view for view in views}
        newest = self._newest(snapshot)
        self._states = await services.conversations.of([ContactId(each) for each in newest])
        if self._known is None or not 0 <= now_ms - self._known.at_ms < _AGAIN_MS:
            jobs = (await services.jobs.all())[0] if snapshot.overview.jobs.total else []
            account = await services.spending.account(now_ms, _DAYS, [])
            found = await alarms(services, snapshot, jobs, from_ms(now_ms))
            self._known = TodayFacts(jobs, found, {day: spent.micros for day, spent in account.days.items()}, now_ms)

    def _newest(self, snapshot: Snapshot) -> list[str]:
        talked = [each.contact_id for each in snapshot.listing.approved if snapshot.ranks.get(each.contact_id)]
        return sorted(talked, key=lambda key: snapshot.ranks[key], reverse=True)[:_MOST]

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """Everything as it stands."""
        self._snapshot, self._now = snapshot, now
        self._names = {each.contact_id: shown_name(each.display_name, each.contact_id) for each in snapshot.listing.approved}
        self._requests = {each.contact_id: each for each in snapshot.listing.pending}
        self._drafts = {}
        for draft in snapshot.drafts or ():
            self._drafts[draft.contact_id] = self._drafts.get(draft.contact_id, 0) + 1
        self._put(now)
        self._lately.put(self._newest(snapshot), "Nobody wrote yet." if snapshot.listing.approved else "Nobody was approved yet.")
        self.refresh_hints()

    def tick(self, now: datetime) -> None:
        """What runs down is right; what has ended is gone."""
        self._now = now
        if any(each.expires_at <= now for each in self._requests.values()):
            self._put(now)
        for rows in (self._waiting, self._lately):
            rows.tell()
        for still in self._stills.values():
            still.tell()

    def _put(self, now: datetime) -> None:
        self._requests = {
            key: each for key, each in sorted(self._requests.items(), key=lambda item: item[1].expires_at) if each.expires_at > now
        }
        views = sorted((self._views or {}).values(), key=lambda view: (not view.draft.fault, view.draft.held_at))
        entries = [*self._requests, *(view.draft.id for view in views)]
        count = len(self._requests) + (self._snapshot.draft_count if self._snapshot else 0)
        self._waiting_pane.name_it("Waiting for you", str(count) if count else "", waits=True)
        nothing = "Nobody waits for you.\n\nWho asks to be approved, and replies that need your word, appear here by themselves."
        self._waiting.put(entries, LOOKING if self._views is None else nothing)
        known = self._known
        self._panes["alarms"].name_it("Worth a look", str(len(known.alarms)) if known and known.alarms else "")
        for still in self._stills.values():
            still.tell()

    # Rows

    def _draw_waiting(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        if (request := self._requests.get(key)) is not None:
            left = say(("● ", WAITS), (shown_name(request.display_name, request.contact_id), f"bold {INK}"))
            right = say((f"ends in {countdown(request.expires_at - self._now)}" if self._now else "", WAITS))
            words = one_line(request.first_line or "") or f"code {request.code} · {safe_name(request.contact_id)}"
            what = say(("asks   ", WAITS), (words, SOFT))
        elif (view := (self._views or {}).get(key)) is not None:
            draft = view.draft
            is_bad = bool(draft.fault) or draft.overtaken
            left = say(("▲ ", BAD) if is_bad else ("● ", WAITS), (one_line(view.name), f"bold {INK}"))
            right = say((lately(draft.held_at, self._now) if self._now else "", FAINT))
            asked = view.asked[-1].text if view.asked else f"job “{view.job_name}”" if view.job_name else draft.text
            what = say(("draft  ", WAITS), (one_line(asked), SOFT))
        else:
            return say("")
        if tight:
            return apart(say(column(left, _NAME), " ", what), right, width)
        return lines(apart(left, right, width), fit(say("  ", what), width))

    def _draw_lately(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        ranks = self._snapshot.ranks if self._snapshot else {}
        paused = self._snapshot is not None and key in self._snapshot.pauses
        line = ChatLine(self._names.get(key, ""), self._states.get(key), ranks.get(key), self._drafts.get(key, 0), paused)
        return line.drawn(self._now, width, tight=tight)

    # The panes at the right

    def _draw_alarms(self, width: int) -> Content:
        if self._known is None:
            return say((LOOKING, FAINT))
        if not self._known.alarms:
            return say(("Nothing is the matter.", SOFT))
        signs = {"bad": ("▲ ", BAD), "note": ("· ", FAINT)}
        return lines(
            *[
                apart(say(signs[each.level], (each.words, INK)), say((each.when, FAINT)), width)
                for each in self._known.alarms[:_NEXT]
            ]
        )

    def _draw_money(self, width: int) -> Content:
        """Today beside the cap, a week day by day, and what came and went."""
        snapshot = self._snapshot
        if snapshot is None or self._known is None or self._now is None:
            return say((LOOKING, FAINT))
        overview = snapshot.overview
        today, cap = overview.glance.today_micros, overview.cap_usd
        share = today / (cap * _MICROS) if cap else 0.0
        size = max(6, min(_BAR, width - _LABEL - 14))
        style = GOOD if share < 0.8 else INK if share < 1 else BAD  # noqa: PLR2004  four fifths
        week = _week(self._known.days, self._now)
        drawn = [
            piece
            for number, sign in enumerate(sparks([value for _, value in week]))
            for piece in ((f"{sign * 2} ", ACCENT if number == _DAYS - 1 else SOFT),)
        ]
        heard = sum(facts.received for facts in overview.channels)
        sent = sum(facts.sent for facts in overview.channels)
        held = overview.backlog.held
        return lines(
            fit(say((f"{'Cost today':<{_LABEL}}", FAINT), bar(share, size, style), (f" {money(today)} ", f"bold {INK}"), (f"of ${cap:g}", FAINT)), width),
            fit(say((f"{'7 days':<{_LABEL}}", FAINT), *drawn, (f" {money(round(sum(value for _, value in week)))}", SOFT)), width),
            fit(say(" " * _LABEL, (" ".join(day for day, _ in week), FAINT)), width),
            fit(
                say(
                    (f"{'Messages':<{_LABEL}}", FAINT), (f"{heard:,}", f"bold {INK}"), (" in   ", SOFT), (f"{sent:,}", f"bold {INK}"), (" out", SOFT),
                    (f"   {held:,}" if held else "", f"bold {WAITS}"), (" held" if held else "", SOFT),
                ),
                width,
            ),
        )  # fmt: skip

    def _draw_channels(self, width: int) -> Content:
        channels = self._snapshot.overview.channels if self._snapshot else []
        runs = self._snapshot is not None and self._snapshot.overview.runs
        return lines(*[channel_line(facts, width, runs=runs) for facts in channels]) if channels else say((LOOKING, FAINT))

    def _draw_next(self, width: int) -> Content:
        if self._known is None or self._now is None:
            return say((LOOKING, FAINT))
        from secondme.core.jobs.schedule import zone_of

        failed = [view for view in self._known.jobs if view.state.why in {"failed", "broken"} and not view.state.enabled]
        due = [(view.next_at, view) for view in self._known.jobs if view.next_at is not None and view.state.enabled]
        found = []
        for at, view in sorted(due, key=lambda each: each[0])[:_NEXT]:
            when = coming(at.astimezone(zone_of(view.job.schedule.zone)), self._now)
            found.append(apart(say(("◷ ", FAINT), (safe_name(view.job.name), INK)), say((when, FAINT)), width))
        found += [apart(say(("▲ ", BAD), (safe_name(view.job.name), INK)), say(("failed", BAD)), width) for view in failed]
        return lines(*found) if found else say(("No job is on: 5, then n.", SOFT))

    # What the owner does

    def hints(self) -> Sequence[Hint]:
        """Those of the row under the cursor."""
        if self._lately.has_focus:
            return (
                (("Enter", "Read"), ("w", "Write as you"), ("z", "Pause"), ("y", "Copy id"), ("p", "Pause all"))
                if self._lately.current
                else (("p", "Pause all"),)
            )
        if self._request() is not None:
            return (("a", "Approve"), ("d", "Deny"), ("y", "Copy code"), ("Enter", "Open"), ("p", "Pause all"))
        if (view := self._view()) is not None:
            return (*acts_of(view.draft), ("Enter", "Open"), ("y", "Copy id"), ("p", "Pause all"))
        return (("p", "Pause all"), ("4", "People"), ("2", "Chats"))

    def focus_page(self) -> None:
        """What waits has the focus."""
        self.screen.set_focus(self._waiting if self._waiting.keys or not self._lately.keys else self._lately)

    def reveal(self, key: str) -> None:
        """The cursor stands on this row."""
        self._waiting.move_to(key)

    def contact(self) -> Chat | None:
        """The approved contact under the cursor."""
        view = self._view()
        key = self._lately.current if self._lately.has_focus else view.draft.contact_id if view is not None else None
        if key is None or key not in self._names:
            return None
        return Chat(key, self._names[key], self._snapshot is not None and key in self._snapshot.pauses)

    def _request(self) -> PairingRequest | None:
        return self._requests.get(self._waiting.current or "") if not self._lately.has_focus else None

    def _view(self) -> DraftView | None:
        return (self._views or {}).get(self._waiting.current or "") if not self._lately.has_focus else None

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self.refresh_hints()

    def _opened(self, rows: Rows) -> None:
        """It is shown on its own page."""
        if (key := rows.current) is not None:
            page = "chats" if rows is self._lately else "people" if key in self._requests else "drafts"
            self.app.call_next(self.desk.go_to, page, key)

    @asks
    async def action_yes(self) -> None:
        """Approve who asks, after a choice of tier."""
        if (request := self._request()) is not None:
            await self.desk.pairing.approve(self.app, [request])

    @asks
    async def action_no(self) -> None:
        """Deny the request, or drop the draft. It always asks."""
        if (request := self._request()) is not None:
            await self.desk.pairing.deny(self.app, [request])
        elif (view := self._view()) is not None:
            await self.desk.drafts.drop(self.app, [view])

    @asks
    async def action_send(self) -> None:
        """Send the draft as it is."""
        if (view := self._view()) is not None:
            await self.desk.drafts.send(self.app, view)

    @asks
    async def action_edit(self) -> None:
        """Say it in the owner's own words."""
        if (view := self._view()) is not None:
            await self.desk.drafts.edit(self.app, view)

    @asks
    async def action_pause_it(self) -> None:
        """Pause this contact, or answer it again."""
        from secondme.cli.tui.switches import pause_or_resume

        if (chat := self.contact()) is not None:
            await pause_or_resume(self.app, self.desk, chat)

    async def action_write(self) -> None:
        """Write to them as the owner, in their chat."""
        if (chat := self.contact()) is not None:
            await self.desk.go_to("chats", chat.contact)
            await self.app.run_action("write", self.app.page)  # type: ignore[attr-defined]  # there is one app

    def action_copy(self) -> None:
        """The code of a request, else the contact's id, is in the terminal's clipboard."""
        if (request := self._request()) is not None:
            self.desk.copy(request.code, "the code")
        elif (chat := self.contact()) is not None:
            self.desk.copy(chat.contact, "the id")


def channel_line(facts: ChannelFacts, width: int, *, runs: bool) -> Content:
    """One channel: how it stands, and what passed through it since its gateway started."""
    words, style, sign = channel_state(facts, runs=runs)
    counts = f"{facts.received:,} in · {facts.sent:,} out" if facts.received or facts.sent else ""
    name = column(say((safe_name(facts.title) or facts.id, INK)), _CHANNEL)
    return apart(say((f"{sign} ", style), name, " ", (words, SOFT)), say((counts, FAINT)), width)


def channel_state(facts: ChannelFacts, *, runs: bool) -> tuple[str, str, str]:
    """How a channel stands: in a word, a style and a sign."""
    if facts.paused:
        return "paused", WAITS, "❚"
    if facts.disconnected:
        return "disconnected", FAINT, "○"
    if not runs:
        return "no gateway", FAINT, "○"
    match facts.state:
        case "connected":
            return "connected", GOOD, "●"
        case "off":
            return "off", FAINT, "○"
        case "needs_owner":
            return "needs you", BAD, "▲"
        case other:
            return safe_name(other.replace("_", " ")), FAINT, "◌"


def _week(days: dict[str, int], now: datetime) -> list[tuple[str, float]]:
    """The last seven days, oldest first: two letters of the day, and what was spent (days are UTC, as sums are)."""
    from datetime import UTC, timedelta

    today = now.astimezone(UTC).date()
    wanted = [today - timedelta(days=back) for back in range(_DAYS - 1, -1, -1)]
    return [(f"{day:%a}"[:2], float(days.get(f"{day:%Y-%m-%d}", 0))) for day in wanted]
