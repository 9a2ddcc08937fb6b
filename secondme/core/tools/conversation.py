"""What a skill may learn of, and say in, conversations: the one with who writes, and a line to the owner."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from secondme.core.clock import rfc3339
from secondme.core.ids import ContactId
from secondme.core.messages import Origin
from secondme.core.text import safe_text
from secondme.core.tools.asks import error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.memory.reports import FactReport, MemoryHit
    from secondme.core.ports import Clock
    from secondme.core.records import Turn
    from secondme.core.tools.asks import AskContext

Json = dict[str, Any]
_MOST_TURNS, _LONGEST_TURN = 40, 500
_LONGEST_NOTE = 300
_MOST_HITS, _MOST_FACTS = 12, 30
_HOUR_MS, _AN_HOUR = 3_600_000, 3


class ConversationSource:
    """Answers `history` and `notify`. `recent` reads a contact's turns; `tell` says a line to the owner, false where there is no such chat."""

    def __init__(
        self,
        recent: Callable[[ContactId, int], Awaitable[list[Turn]]],
        tell: Callable[[str], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        self._recent = recent
        self._tell = tell
        self._clock = clock
        self._told: dict[str, deque[int]] = {}

    async def history(self, asking: AskContext, question: Json) -> Json:
        """The newest turns with who writes, oldest first, at most 40 of 500 characters. There is none in the owner's own turn."""
        count = question.get("count", _MOST_TURNS)
        if not asking.may("history:self"):
            return error("not_allowed")
        if type(count) is not int or not 0 < count <= _MOST_TURNS:
            return error("bad_ask")
        if asking.turn.origin is not Origin.CONTACT or not asking.turn.contact_id:
            return {"answer": []}
        turns = await self._recent(ContactId(asking.turn.contact_id), count)
        said = [
            {
                "who": "contact" if turn.role == "user" else "owner",
                "text": safe_text(turn.content)[:_LONGEST_TURN],
                "at": rfc3339(turn.timestamp),
            }
            for turn in turns
        ]
        return {"answer": said}

    async def notify(self, asking: AskContext, question: Json) -> Json:
        """One line is on its way to the owner's own chat; three an hour of each skill."""
        text = question.get("text")
        if not (asking.may("notify:owner") or asking.may("propose:message")):
            return error("not_allowed")
        line = " ".join(safe_text(text).split())[:_LONGEST_NOTE] if isinstance(text, str) else ""
        if not line:
            return error("bad_ask")
        now, told = self._clock.now_ms(), self._told.setdefault(asking.skill, deque())
        while told and told[0] <= now - _HOUR_MS:
            told.popleft()
        if len(told) >= _AN_HOUR:
            return error("too_often")
        if not await self._tell(f"{asking.skill}: {line}"):
            return error("no_owner_chat")
        told.append(now)
        return {"answer": True}


class MemorySource:
    """Answers `memory`: what was said with who writes, and the facts that come from it. Nobody else's are ever read."""

    def __init__(
        self,
        search: Callable[[ContactId, str, int], Awaitable[list[MemoryHit]]],
        facts: Callable[[ContactId, str], Awaitable[list[FactReport]]],
    ) -> None:
        self._search = search
        self._facts = facts

    async def answer(self, asking: AskContext, question: Json) -> Json:
        """At most 12 messages, or 30 facts, of 300 characters. There are none in the owner's own turn."""
        find, about = question.get("find"), question.get("facts")
        if not asking.may("memory:self"):
            return error("not_allowed")
        if isinstance(find, str) == isinstance(about, str) or len(str(find or about or "")) > _LONGEST_TURN:
            return error("bad_ask")
        if asking.turn.origin is not Origin.CONTACT or not asking.turn.contact_id:
            return {"answer": []}
        who = ContactId(asking.turn.contact_id)
        if isinstance(find, str):
            hits = await self._search(who, find, _MOST_HITS)
            return {"answer": [_told(each.at, each.speaker, each.text) for each in sorted(hits, key=lambda each: each.at)]}
        found = [each for each in await self._facts(who, str(about)) if each.until is None][:_MOST_FACTS]
        return {
            "answer": [
                {**_told(each.said_at, each.said_by, each.text), "kind": each.kind.replace("_", " "), "value": each.value}
                for each in found
            ]
        }


def _told(at: str, who: str, said: str) -> Json:
    return {"on": at[:10], "who": who, "said": " ".join(said.split())[:_LONGEST_NOTE]}


async def later(_: AskContext, __: Json) -> Json:
    """Something that may be permitted already, and that nothing answers yet."""
    return error("not_set_up")
