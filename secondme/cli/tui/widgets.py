"""The screen's frame: theme, status bar, tabs, and the switches in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text
from textual.theme import Theme
from textual.widgets import Static, TabbedContent, TabPane

from secondme.cli.tui.dialogs import ConfirmDialog, PauseDialog, length_of
from secondme.cli.tui.pages.page import countdown
from secondme.core.admit.pauses import Missed, told_of_missed
from secondme.core.clock import from_ms
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from textual.app import App

    from secondme.cli.tui.link import Actions
    from secondme.core.admit.control_store import EverybodyPaused
    from secondme.core.gateway.status import ChannelFacts, SystemStatus


THEME = Theme(
    name="secondme",
    primary="#86aed1",
    secondary="#7d8fa8",
    accent="#a3c9a8",
    foreground="#d7dce3",
    background="#12161c",
    surface="#171c24",
    panel="#202733",
    success="#94c4a0",
    warning="#dcb677",
    error="#dd8a8a",
    dark=True,
    variables={
        "footer-key-foreground": "#86aed1",
        "footer-background": "#171c24",
        "block-cursor-background": "#2c3a4d",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#212a37",
        "block-cursor-blurred-foreground": "#d7dce3",
        "input-selection-background": "#3b5573",
        "border": "#3b4a5f",
    },
)

QUIET = "#8b96a5"
GOOD = "#94c4a0"
WARN = "#dcb677"
BAD = "#dd8a8a"
ACCENT = "#86aed1"


Piece = tuple[str, str]
_GAP = "   "


class Bar(Static):
    """The first line of the screen."""

    def __init__(self) -> None:
        super().__init__(id="bar", markup=False)
        self._overview: SystemStatus | None = None
        self._now: datetime | None = None
        self._is_lost = False
        self._drafts = 0

    def show(self, overview: SystemStatus | None, now: datetime, *, is_lost: bool, drafts: int = 0) -> None:
        """The bar says how things stand; without a connection, that it does not know."""
        self._overview, self._now, self._is_lost, self._drafts = overview, now, is_lost, drafts
        self.update(self._text())

    def on_resize(self) -> None:
        """The words fit."""
        self.update(self._text())

    def _text(self) -> Text:
        """The longest form that fits: first the queue goes, then the channels, then the gateway's word becomes a mark."""
        room = self.content_size.width
        forms = [
            self._pieces(*parts) for parts in ((True, True, True), (True, True, False), (True, False, False), (False, False, False))
        ]
        texts = [Text(_GAP).join(Text(words, style=style) for words, style in form) for form in forms]
        text = next((each for each in texts if each.cell_len <= room), texts[-1])
        text.truncate(max(1, room), overflow="ellipsis")
        return text

    def _pieces(self, named: bool, channels: bool, queue: bool) -> Sequence[Piece]:  # noqa: FBT001  a table of forms above
        pieces: list[Piece] = [("secondme", f"bold {ACCENT}")] if named else []
        if self._is_lost or self._overview is None:
            return [*pieces, ("◌ store lost" if self._is_lost else "◌ looking …", WARN)]
        overview = self._overview
        pieces.append(
            ("● gateway running", GOOD) if overview.runs else ("○ no gateway: secondme serve" if queue else "○ no gateway", WARN)
        )
        if channels:
            pieces += [_channel(facts) for facts in overview.channels if facts.state != "off" or facts.paused]
        if overview.runs or overview.everybody is not None:
            pieces.append(self._answering(overview.everybody))
        if queue:
            drafts = "draft" if self._drafts == 1 else "drafts"
            counts = ((overview.backlog.queued, "unanswered"), (self._drafts, drafts))
            pieces += [(f"{count} {word}", QUIET) for count, word in counts if count]
        waiting = overview.pairing.pending
        if waiting:
            pieces.append((f"{waiting} waiting", f"bold {WARN}"))
        return pieces

    def _answering(self, everybody: EverybodyPaused | None) -> Piece:
        if everybody is None:
            return "answering", QUIET
        if everybody.killed:
            return "■ KILL SWITCH ON", f"bold {BAD}"
        if everybody.until_ms is not None and self._now is not None:
            return f"❚❚ paused {countdown(from_ms(everybody.until_ms) - self._now)}", f"bold {WARN}"
        return "❚❚ paused", f"bold {WARN}"


def _channel(facts: ChannelFacts) -> Piece:
    """A dot and a name when all is well, and else what is the matter."""
    name = safe_name(facts.id)
    if facts.paused:
        return f"❚❚ {name} paused", WARN
    if facts.state == "connected":
        return f"● {name}", GOOD
    words = "needs you" if facts.state == "needs_owner" else safe_name(facts.state)
    return f"◌ {name} {words}", BAD if facts.state == "needs_owner" else WARN


PAGES = {
    "pending": "Waiting",
    "approved": "Approved",
    "denied": "Denied",
    "security": "Security",
    "channels": "Channels",
    "conversations": "Conversations",
    "drafts": "Drafts",
    "voice": "Voice",
    "usage": "Usage",
    "skills": "Skills",
    "memory": "Memory",
    "jobs": "Jobs",
}
"""Page id -> title, in the order of their keys."""
KEYS = dict(zip(PAGES, "1234567890", strict=False)) | {"jobs": "j"}
"""Page id -> the key that brings it up, and stands before its title; a page beyond the tenth has a letter, or is in the palette only."""
_SHORTER = PAGES | {"conversations": "Chats"}
_SHORT = _SHORTER | {
    "pending": "Wait",
    "approved": "In",
    "denied": "Out",
    "security": "Log",
    "channels": "Apps",
    "usage": "Cost",
    "memory": "Mem",
}
_URGENT = frozenset({"pending", "drafts"})
"""What waits for the owner is counted even where there is little room."""
_PADDING = 2
"""One blank on each side of a tab."""


class PageTabs(TabbedContent):
    """The page that the owner chose last stays. The framework brings up whatever page a focus comes from, and a focus may come late:
    the page that was left would take the place of the one that was chosen."""

    def on_tab_pane_focused(self, event: TabPane.Focused) -> None:
        """Nothing changes."""
        event.prevent_default()
        event.stop()


def labels(room: int, counts: Mapping[str, int], active: str) -> dict[str, str]:
    """Page id -> what its tab says: the longest form that fits into `room` cells, and the shortest when none does."""
    for form in _forms(counts, active):
        if sum(cell_len(label) + _PADDING for label in form.values()) <= room:
            break
    return form


def _forms(counts: Mapping[str, int], active: str) -> Iterator[dict[str, str]]:
    urgent = {page: counts.get(page, 0) for page in _URGENT}
    yield _named(PAGES, counts)
    yield _named(_SHORTER, urgent)
    yield _named(_SHORT, urgent)
    yield {page: label.removeprefix(f"{KEYS.get(page)} ") for page, label in _named(_SHORT, urgent).items()}
    signs = {page: KEYS.get(page, title[0]) for page, title in PAGES.items()}
    numbers = {page: f"{sign}({urgent[page]})" if urgent.get(page) else sign for page, sign in signs.items()}
    yield numbers | {active: _named(_SHORTER, urgent)[active]}


def _named(titles: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, str]:
    return {page: label_of(page, titles[page]) + (f" {counts[page]}" if counts.get(page) else "") for page in PAGES}


def label_of(page: str, title: str) -> str:
    """The page's key, where it has one, and its title."""
    return f"{KEYS.get(page, '')} {title}".lstrip()


async def resume(app: App[Any], desk: Actions, contact: str | None, who: str) -> None:
    """The contact, or everybody (None), is answered again; what came during the pause is too, when the owner says so."""
    missed: list[Missed] = []

    async def lift() -> str:
        pauses = desk.link.services.pauses
        await pauses.resume(contact)
        missed.extend(await pauses.missed(contact))
        return f"{who} is answered again."

    async def answer() -> str:
        count = await desk.link.services.pauses.answer_missed(contact)
        return f"{count} {'message waits' if count == 1 else 'messages wait'} for an answer now."

    await desk.decide(lift)
    if missed:
        told = told_of_missed(missed, answer=False)
        if await app.push_screen_wait(ConfirmDialog("Answer what came meanwhile?", told, "Answer")):
            await desk.decide(answer)


class Switches:
    """The two switches that stand over everybody. Called in a worker: they ask."""

    def __init__(self, app: App[Any], desk: Actions) -> None:
        self._app, self._desk = app, desk

    async def pause(self, everybody: EverybodyPaused | None) -> None:
        """Everybody is paused for as long as the owner chose, or answered again."""
        if everybody is not None and everybody.killed:
            self._app.notify("The kill switch is on, which stops everybody already. Press k.", severity="warning", markup=False)
        elif everybody is not None:
            await resume(self._app, self._desk, None, "Everybody")
        else:
            choice = await self._app.push_screen_wait(PauseDialog("Pause everybody for how long?"))
            if choice is not None:
                await self._desk.decide(lambda: self._pause(choice, length_of(choice)))

    async def kill(self, everybody: EverybodyPaused | None) -> None:
        """The kill switch is as the owner confirmed."""
        if everybody is not None and everybody.killed:
            body = "Who waits is answered again."
            if await self._app.push_screen_wait(ConfirmDialog("Lift the kill switch?", body, "Lift it")):
                await self._desk.decide(self._unkill)
        else:
            body = "Nothing is sent to anybody until you lift it. Replies on their way become drafts."
            if await self._app.push_screen_wait(ConfirmDialog("Turn the kill switch on?", body, "Stop everything")):
                await self._desk.decide(self._kill)

    async def _pause(self, choice: str, length: timedelta | None) -> str:
        await self._desk.link.services.pauses.pause(None, length)
        return f"Everybody is paused, {choice}."

    async def _kill(self) -> str:
        await self._desk.link.services.pauses.kill()
        return "The kill switch is on. Nothing is sent to anybody."

    async def _unkill(self) -> str:
        await self._desk.link.services.pauses.unkill()
        return "The kill switch is off."
