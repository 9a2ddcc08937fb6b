"""The part of a conversation that the model is shown: the newest turns that belong together, as far as they fit; no holes, each
once.

Turns are cut into chunks where a pause and a change of subject come together, as the predecessor did; its words were English ones in
ASCII, ours are of any script. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from secondme.core.files import table
from secondme.core.messages import AttachmentKind, Utterance
from secondme.core.normalization import WORD, fold, syllables, unspaced
from secondme.core.records import Mail, Turn
from secondme.core.text import estimate_tokens, whole_characters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet


_LONG = 4
"""Letters of a keyword; the predecessor's."""
_SHORT = 3
"""In scripts that write no vowels, or write them as marks."""
_READ = 500
"""Characters of a text that are looked at."""


def keywords(text: str) -> frozenset[str]:
    """The keywords of the first 500 characters of `text`, folded: words of four letters and more (three in Arabic, Hebrew and Indic
    scripts), pairs of neighbours in Chinese, Japanese, Thai and Korean; none that says nothing."""
    words, pairs = _stopwords()
    found: set[str] = set()
    for word in WORD.findall(fold(text[:_READ])):
        if unspaced().match(word) or syllables().match(word):
            found.update(pair for pair in map("".join, pairwise(word)) if pair not in pairs)
        elif len(word) >= (_SHORT if "\u0590" <= word[0] <= "\u0fff" else _LONG) and word not in words:
            found.add(word)
    return frozenset(found)


def overlap(one: AbstractSet[str], other: AbstractSet[str]) -> float:
    """Which share of the smaller set is in the larger one; 0 when either is empty."""
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0


@cache
def _stopwords() -> tuple[frozenset[str], frozenset[str]]:
    source = table("reply", "stopwords")
    words, pairs = (frozenset(fold(" ".join(source[name].values())).split()) for name in ("words", "pairs"))
    return words, pairs


MIN_MESSAGES = 5
GAP_MINUTES = 10
MIN_OVERLAP = 0.25
MOST_CHARACTERS = 500
"""All four are the predecessor's."""

CLIPPED = " … [shortened]"
OPENING = "[…]"
"""Stands for a contact's turn where a conversation begins with the owner's: the Messages API wants the contact's first."""

_KINDS = "|".join(re.escape(kind.value) for kind in AttachmentKind)
_NOTE = re.compile(rf"\[(?=\s*(?:forwarded|answers|may not have arrived|picture|{_KINDS})\b)", re.IGNORECASE)
_NO_END = str.maketrans('"[]', "'()")
Shown = Mapping[str, Mapping[int, int]]
"""Message id -> number of the attachment -> which of the pictures beside the prompt it is, from 1."""


def select(
    history: Sequence[Turn],
    burst: Sequence[Mail],
    *,
    budget_tokens: int,
    min_messages: int = MIN_MESSAGES,
    gap_minutes: float = GAP_MINUTES,
    min_overlap: float = MIN_OVERLAP,
    most_characters: int = MOST_CHARACTERS,
) -> list[Turn]:
    """The newest turns of `history` that the model is shown before `burst`: in order, each once, shortened, an unbroken run.

    `history` is oldest first, replies on their way at its end; the burst may be among them and is not shown. The budget is kept, except
    that `min_messages` are shown whatever they cost; a budget of 0 shows nothing. Turns without words are left out before anything is
    counted.
    """
    said = [_clip(turn, most_characters) for turn in _before(history, {mail.message_id for mail in burst})]
    if budget_tokens <= 0 or not said:
        return []
    costs = [estimate_tokens(turn.content) for turn in said]
    start, left = len(said), budget_tokens
    for first in reversed(_chunk_starts(said, gap_minutes, min_overlap)):
        cost = sum(costs[first:start])
        if cost > left:
            break
        start, left = first, left - cost
    whole = start < len(said)
    while start and (len(said) - start < min_messages or (not whole and costs[start - 1] <= left)):
        start -= 1
        left -= costs[start]
    return said[start:]


def merge(
    turns: Iterable[Turn | Mail],
    opening: str = OPENING,
    quotable: Mapping[str, Turn | Mail] = MappingProxyType({}),
    shown: Shown = MappingProxyType({}),
) -> list[Utterance]:
    """`turns` as a model takes them: neighbours of one role are one utterance, line by line, and the first is the contact's.

    Where the owner's comes first, `opening` stands before it; with an empty `opening`, the owner's first utterance is dropped. What is
    forwarded, answers one of `quotable` (message id -> message) or came with an attachment says so in a note that its sender cannot write.
    """
    lines: list[tuple[str, list[str]]] = []
    for turn in turns:
        role = "user" if isinstance(turn, Mail) else turn.role
        if not lines and role != "user":
            if not opening:
                continue
            lines.append(("user", [opening]))
        said = _with_notes(turn, quotable, shown) if role == "user" else turn.content
        if lines and lines[-1][0] == role:
            lines[-1][1].append(said)
        else:
            lines.append((role, [said]))
    return [Utterance(role, "\n".join(texts)) for role, texts in lines]


def _with_notes(turn: Turn | Mail, quotable: Mapping[str, Turn | Mail], shown: Shown) -> str:
    """A contact's words behind what is to be known of them. Notes of ours that they typed themselves lose their brackets' form."""
    identity = _id(turn)
    notes, typed = turn.parts
    words = "\n".join([*_numbered(notes, shown.get(identity)), *([_NOTE.sub("(", typed)] if typed or not notes else [])])
    if turn.forwarded:
        words = f"[forwarded] {words}"
    if turn.reply_to:
        known = quotable.get(turn.reply_to)
        if known is not None:
            whose = "your" if isinstance(known, Turn) and known.role == "assistant" else "their own"
            pictures = "".join(f", picture {number}" for number in (shown.get(turn.reply_to) or {}).values())
            return f'[answers {whose} message "{_quote(known.content)}"{pictures}] {words}'
        if isinstance(turn, Mail):
            return f'[answers "{_quote(turn.quoted)}"] {words}' if turn.quoted else f"[answers an older message] {words}"
    return words


def _id(turn: Turn | Mail) -> str:
    return turn.message_id if isinstance(turn, Mail) else turn.id


def _numbered(notes: Sequence[str], pictures: Mapping[int, int] | None) -> list[str]:
    """The lines that stand for attachments, those that are shown with the number of their picture."""
    if not pictures:
        return list(notes)
    return [f"[picture {pictures[at]}, {note[1:]}" if at in pictures else note for at, note in enumerate(notes)]


def _quote(words: str) -> str:
    """`words` on one line, shortened, and unable to end the note they stand in."""
    return clip(" ".join(words.split()), MOST_CHARACTERS).translate(_NO_END)


def clip(text: str, most_characters: int) -> str:
    """`text`, or its beginning with a mark, at most `most_characters` together; no visible character is cut through."""
    if len(text) <= most_characters:
        return text
    mark = CLIPPED if most_characters > 2 * len(CLIPPED) else ""
    at = whole_characters(text, most_characters - len(mark))
    return text[:at].rstrip() + mark


def _before(history: Sequence[Turn], waiting: set[str]) -> list[Turn]:
    """The turns that are not of the burst and have words, each once."""
    seen = set(waiting)
    said = []
    for turn in history:
        if turn.id not in seen and turn.content.strip():
            seen.add(turn.id)
            said.append(turn)
    return said


def _clip(turn: Turn, most_characters: int) -> Turn:
    shown = clip(turn.content, most_characters)
    return turn if shown == turn.content else turn.model_copy(update={"content": shown})


def _chunk_starts(said: Sequence[Turn], gap_minutes: float, min_overlap: float) -> list[int]:
    """Where the chunks begin: after a pause longer than the gap that is also a change of subject."""
    gap = timedelta(minutes=gap_minutes)
    starts, subject, unread = [0], set[str](), 0
    for at in range(1, len(said)):
        if said[at].timestamp - said[at - 1].timestamp <= gap:
            continue
        subject.update(*(keywords(turn.content) for turn in said[unread:at]))  # only what lies around a pause is read
        words, unread = keywords(said[at].content), at + 1
        if overlap(subject, words) < min_overlap:
            starts.append(at)
            subject.clear()
        subject |= words
    return starts
