"""What skills may do about reminders: propose one, and tell the owner theirs. They are kept as jobs, elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.text import safe_text
from secondme.core.tools.asks import error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.tools.asks import AskContext, Json

_LONGEST = 200
_MOST = 20


class ReminderSource:
    """Answers `remind` and `reminders`. `remind` makes one, `coming` gives those that are still to come, as time and words."""

    def __init__(
        self, remind: Callable[[str, str], Awaitable[str]], coming: Callable[[], Awaitable[Sequence[tuple[str, str]]]]
    ) -> None:
        self._remind = remind
        self._coming = coming

    async def add(self, asking: AskContext, question: Json) -> Json:
        """The owner is reminded, at the time that is typed as people type it. Raises SecondmeError."""
        is_auto = asking.granted.tool.name in asking.granted.grant.auto
        if not asking.may("propose:reminder") or not (asking.is_for_owner or is_auto):
            return error("not_allowed")
        when, text = question.get("when"), question.get("text")
        if not isinstance(when, str) or not isinstance(text, str) or len(when) > _LONGEST or len(text) > _LONGEST:
            return error("bad_ask")
        words = " ".join(safe_text(text).split())
        return {"answer": {"when": await self._remind(when, words), "text": words}}

    async def all(self, asking: AskContext, _: Json) -> Json:
        """The owner's reminders that are still to come, the next first."""
        if not asking.may("reminders:read") or not asking.is_for_owner:
            return error("not_allowed")
        return {"answer": [{"when": when, "text": text} for when, text in (await self._coming())[:_MOST]]}
