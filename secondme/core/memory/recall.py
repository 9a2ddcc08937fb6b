"""What a reply gets of the memory: the messages that answer what was just said, as many as a number of tokens allows."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.memory.query import is_question
from secondme.core.text import estimate_tokens, whole_characters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, tzinfo

    from secondme.core.memory.library import Memories
    from secondme.core.memory.messages import MemoryCandidate, Previous
    from secondme.core.memory.query import MemoryQuery
    from secondme.core.memory.ranking import MemoryHints, RankedMessage

_MOST_CHARACTERS = 700
"""Of one message; the longest are no answer to one question."""
_CUT = " …"
_RIGHT_AFTER_MS = 6 * 3_600_000
"""A question that was answered later than this was not answered by that."""
_SHORT_ANSWER, _SHORT_QUESTION = 120, 200
"""Characters: a longer answer says by itself what it is about, and a longer question costs more than it explains."""
_MISSES = 8
"""Messages that do not fit any more, one after another, until no shorter one is looked for."""


@dataclass(frozen=True, slots=True)
class RecalledMessage:
    """A message that the model is shown again. `said_at` is in the owner's zone; a question that stands before its answer has the
    answer's score, and `why` says `asked`."""

    contact: str
    id: str
    said_at: datetime
    speaker: str
    text: str
    score: float
    why: tuple[str, ...]


def recall(
    memories: Memories,
    contacts: Sequence[str],
    query: MemoryQuery,
    *,
    budget_tokens: int,
    zone: tzinfo,
    shown: Collection[str] = (),
    hints: Mapping[str, MemoryHints] = MappingProxyType({}),
) -> list[RecalledMessage]:
    """What is remembered of `contacts` and answers `query`, in the order in which it was said, within `budget_tokens` by estimate.

    `shown` are ids of messages that the model sees anyway. A question is put before the answer that was found, where both fit. Blocks:
    call it in a thread. Raises as `Memories.search`.
    """
    if budget_tokens <= 0:
        return []
    return pack(memories.search(contacts, query, hints=hints), budget_tokens=budget_tokens, zone=zone, shown=shown)


def pack(
    ranked: Sequence[RankedMessage], *, budget_tokens: int, zone: tzinfo, shown: Collection[str] = ()
) -> list[RecalledMessage]:
    """The best of `ranked` that fit together, in the order in which they were said; each once, and none that is `shown`."""
    kept: dict[tuple[str, str], tuple[tuple[int, int, str], RecalledMessage]] = {}
    left, misses = budget_tokens, 0
    for each in ranked:
        message = each.message
        if message.id in shown or (each.contact, message.id) in kept or not message.body.strip():
            continue
        row = _row(each, message, each.why, zone)
        cost = _cost(row.text)
        if cost > left:
            misses += 1
            if misses == _MISSES:
                break
            continue
        kept[each.contact, message.id] = ((message.at_ms, message.rank, message.id), row)
        left -= cost
        asked = message.previous
        if asked is None or asked.id in shown or (each.contact, asked.id) in kept or not _explains(asked, message):
            continue
        question = _row(each, asked, ("asked",), zone)
        if _cost(question.text) <= left:
            kept[each.contact, asked.id] = ((asked.at_ms, asked.rank, asked.id), question)
            left -= _cost(question.text)
    return [row for _, row in sorted(kept.values(), key=lambda each: each[0])]


def _explains(asked: Previous, message: MemoryCandidate) -> bool:
    """True when `message` is a short answer to a question that the other one asked just before."""
    return (
        len(message.body) <= _SHORT_ANSWER
        and len(asked.body) <= _SHORT_QUESTION
        and is_question(asked.body)
        and asked.speaker != message.speaker
        and message.at_ms - asked.at_ms <= _RIGHT_AFTER_MS
    )


def _row(found: RankedMessage, message: MemoryCandidate | Previous, why: tuple[str, ...], zone: tzinfo) -> RecalledMessage:
    text = message.body
    if len(text) > _MOST_CHARACTERS:
        text = text[: whole_characters(text, _MOST_CHARACTERS)].rstrip() + _CUT
    return RecalledMessage(
        found.contact, message.id, from_ms(message.at_ms).astimezone(zone), message.speaker, text, found.score, why
    )


def _cost(text: str) -> int:
    return estimate_tokens(text)
