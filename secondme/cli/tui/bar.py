"""The first line, which says how things stand, and the one banner below it, which says what is the matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from secondme.cli.tui.layout import apart, countdown, say
from secondme.cli.tui.theme import ACCENT, BAD, FAINT, GOOD, INK, SOFT, WAITS
from secondme.core.channel_manifest import sentence_of
from secondme.core.clock import from_ms
from secondme.core.format import money
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from secondme.cli.tui.link import Snapshot
    from secondme.core.gateway.status import ChannelFacts

_ROOM_FOR_COST, _ROOM_FOR_TIME, _ROOM_FOR_CHANNELS = 70, 60, 50
_GAP = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand, as far as the screen knows."""

    snapshot: Snapshot | None = None
    is_looking: bool = False
    """True once the first look takes longer than an eye's blink."""
    lost: str = ""
    """Why the store is out of reach; empty when it is not."""
    known_at: datetime | None = None
    """When it was last in reach."""
    asleep_until: datetime | None = None
    is_fresh: bool = False
    """True on a home where nothing was set up yet."""


class Bar(Static):
    """Name and state at the left; channels, today's cost and the time at the right."""

    def __init__(self) -> None:
        super().__init__(id="bar", markup=False)
        self._standing = Standing()
        self._now: datetime | None = None

    def show(self, standing: Standing, now: datetime) -> None:
        """It says how things stand now."""
        self._standing, self._now = standing, now
        text = self._text()
        if text != self.content:
            self.update(text)

    def on_resize(self) -> None:
        """What fits."""
        self.update(self._text())

    def _text(self) -> Content:
        room = self.content_size.width
        sign, words = self._state()
        left = say(("secondme", f"bold {ACCENT}"), "   ", sign, words)
        if room <= 0:
            return left
        right = next((form for form in self._rights(room) if left.cell_length + _GAP + form.cell_length <= room), Content())
        return apart(left, right, room)

    def _state(self) -> tuple[tuple[str, str], tuple[str, str]]:
        standing, snapshot = self._standing, self._standing.snapshot
        if standing.lost:
            return ("◌ ", BAD), ("store lost", f"bold {BAD}")
        if snapshot is None:
            return (("◌ ", FAINT), ("looking …", SOFT)) if standing.is_looking else (("", ""), ("", ""))
        overview = snapshot.overview
        if (everybody := overview.everybody) is not None:
            if everybody.killed:
                return ("■ ", BAD), ("KILL SWITCH ON", f"bold {BAD}")
            left = f" {countdown(from_ms(everybody.until_ms) - self._now)}" if everybody.until_ms and self._now else ""
            return ("❚❚ ", WAITS), (f"paused{left}", f"bold {WAITS}")
        if not overview.runs:
            return ("○ ", WAITS), ("no gateway", f"bold {WAITS}")
        troubled = next((each for each in overview.channels if each.state == "needs_owner" and not each.paused), None)
        if troubled is not None:
            return ("▲ ", BAD), (f"{_name(troubled)} needs you", f"bold {BAD}")
        if standing.asleep_until is not None:
            return ("☾ ", FAINT), (f"asleep until {standing.asleep_until.astimezone():%H:%M}", SOFT)
        return ("● ", GOOD), ("answering", INK)

    def _rights(self, room: int) -> Iterator[Content]:
        """What stands at the right, the longest form first: the names of channels go before the cost, and the cost before the time."""
        snapshot = self._standing.snapshot
        time = (
            say((f"{self._now.astimezone():%a %H:%M}", FAINT))
            if self._now is not None and room >= _ROOM_FOR_TIME - 2
            else Content()
        )
        if snapshot is None:
            yield time
            return
        runs = snapshot.overview.runs
        linked = (
            [facts for facts in snapshot.overview.channels if facts.state != "off" or facts.paused]
            if room >= _ROOM_FOR_CHANNELS - 2
            else []
        )
        cost = Content()
        if room >= _ROOM_FOR_COST - 2:
            cost = say((f"{money(snapshot.overview.glance.today_micros)} today", SOFT))
        named = Content("  ").join([say(_dot(facts, runs=runs), (_name(facts), SOFT)) for facts in linked])
        signs = Content(" ").join([say((_dot(facts, runs=runs)[0].strip(), _dot(facts, runs=runs)[1])) for facts in linked])
        for parts in ((named, cost, time), (named, time), (signs, cost, time), (signs, time), (time,)):
            yield Content("   ").join([part for part in parts if part.plain])


def _name(facts: ChannelFacts) -> str:
    return safe_name(facts.title) or safe_name(facts.id)


def _dot(facts: ChannelFacts, *, runs: bool) -> tuple[str, str]:
    """How a channel stands, in one sign."""
    if not runs:
        return "○ ", FAINT
    if facts.paused:
        return "❚❚ ", WAITS
    match facts.state:
        case "connected":
            return "● ", GOOD
        case "needs_owner":
            return "▲ ", BAD
        case _:
            return "◌ ", FAINT


class Banner(Static):
    """The worst of what is the matter, in one sentence that says what to do about it."""

    def __init__(self) -> None:
        super().__init__(id="banner", markup=False)
        self._said = ("", "")

    def show(self, standing: Standing) -> None:
        """It says this, or is not there."""
        said = trouble(standing)
        if said != self._said:
            self._said = said
            self.update(Content(said[1]))
            for kind in ("shown", "bad"):
                self.remove_class(kind)
            if said[1]:
                self.add_class("shown")
            if said[0] == "bad":
                self.add_class("bad")


def trouble(standing: Standing) -> tuple[str, str]:
    """How bad it is (`bad`, `waits`) and what is the matter; two empty strings when nothing is."""
    snapshot = standing.snapshot
    if standing.lost:
        seen = f" You see how it was at {standing.known_at.astimezone():%H:%M}." if standing.known_at else ""
        return "bad", f"{standing.lost} Trying again.{seen}"
    if snapshot is None:
        return "", ""
    overview = snapshot.overview
    if overview.everybody is not None and overview.everybody.killed:
        since = from_ms(overview.everybody.since_ms).astimezone()
        return "bad", f"Nothing is sent to anybody since {since:%H:%M}. ! k lifts the kill switch."
    if not overview.can_write:
        return "bad", "The store takes nothing new: its disk may be full. secondme doctor says what to do."
    if not overview.runs:
        start = "Set it up: secondme onboard" if standing.is_fresh else "Start it: secondme serve"
        return "waits", f"No gateway runs, so nobody is answered. {start}"
    for facts in overview.channels:
        if facts.state == "needs_owner" and not facts.paused:
            words, fix = sentence_of(facts.id, facts.code)
            return "bad", f"{_name(facts)}: {safe_name(words)} {fix}".rstrip()
    broken = len(snapshot.listing.corrupt) + snapshot.unreadable_drafts
    if broken:
        names = "secondme pairing list" if snapshot.listing.corrupt else "secondme drafts list"
        return "waits", f"{broken} {'record' if broken == 1 else 'records'} cannot be read: {names} names them."
    return "", ""
