"""A conversation as a row of a list: on Chats, and on Today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.cli.tui.layout import apart, column, fit, lines, say
from secondme.cli.tui.pages.page import LOOKING
from secondme.cli.tui.pages.thread import newest_line
from secondme.cli.tui.theme import FAINT, INK, SOFT, WAITS
from secondme.core.clock import from_ms
from secondme.core.format import counted, lately

if TYPE_CHECKING:
    from datetime import datetime

    from textual.content import Content

    from secondme.core.gateway.store import ConversationState

_NAME = 20


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What a row says of a conversation. `name` is safe to show."""

    name: str
    state: ConversationState | None
    at_ms: int | None
    """When something was said last, Unix ms."""
    drafts: int
    is_paused: bool

    def drawn(self, now: datetime | None, width: int, *, tight: bool) -> Content:
        """Who, what was said last and when, and what waits there."""
        left = say(("● " if self.drafts else "  ", WAITS), (self.name, f"bold {INK}"))
        when = lately(from_ms(self.at_ms), now) if self.at_ms and now else ""
        drafts = f"{counted(self.drafts, 'draft')}  " if self.drafts else ""
        right = say((drafts, WAITS), ("paused  " if self.is_paused else "", SOFT), (when, FAINT))
        if self.state is not None:
            said = newest_line(self.state.newest)
        else:
            said = say((LOOKING if self.at_ms else "nothing was said yet", FAINT))
        if tight:
            return apart(say(column(left, _NAME), " ", said), right, width)
        return lines(apart(left, right, width), fit(say("  ", said), width))
