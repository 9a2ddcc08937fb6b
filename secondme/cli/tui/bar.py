"""What must the owner see whatever page they are on? Whether it runs, on which channels, whether anybody is answered, and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from secondme.cli.tui.pages.page import countdown
from secondme.cli.tui.theme import ACCENT, BAD, GOOD, QUIET, WARN
from secondme.core.clock import from_ms
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.admit.control_store import EverybodyPaused
    from secondme.core.gateway.status import ChannelFacts, Overview

Piece = tuple[str, str]
_GAP = "   "


class Bar(Static):
    """The first line of the screen."""

    def __init__(self) -> None:
        super().__init__(id="bar", markup=False)
        self._overview: Overview | None = None
        self._now: datetime | None = None
        self._is_lost = False
        self._drafts = 0

    def show(self, overview: Overview | None, now: datetime, *, is_lost: bool, drafts: int = 0) -> None:
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
            pieces.append((f"{waiting} at the door", f"bold {WARN}"))
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
