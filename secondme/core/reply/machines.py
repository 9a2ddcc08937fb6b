"""Machines that answer us: a phone that replies by itself, another program. Two clones must not talk with each other all night. Pure.

A phone is known by saying the same again and again, soon after each of our replies; it is silence then, until something else comes. A
program that says something new each time is known by its pace: many answers in a row, each within seconds.
"""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING

from secondme.core.normalization import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.records import Mail, Turn

WINDOW_TURNS = 40
"""How many turns of a conversation are enough for both guards."""
_LONG = 8
"""Characters from which two earlier messages of the same kind are enough. Shorter ones, like "ok", are said by people too."""
_SOON = timedelta(minutes=10)
"""After our reply. Who says good morning each day is a person."""
_EARLIER, _EARLIER_SHORT = 2, 5
_ALIKE = 0.9
_READ = 500
_MOMENT = re.compile(r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b|\b\d{1,2}[:.h]\d{2}(?:[:.]\d{2})?(?: ?[ap]\.?m\b)?")
"""What an automatic reply fills in anew: dates and times. Any other number is something new."""
_NUMBER = re.compile(r"\d+")
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_FAST, _CLOCKS_DIFFER = timedelta(seconds=5), timedelta(seconds=2)
_MOSTLY = 0.8


def is_automatic(history: Sequence[Turn], burst: Sequence[Mail]) -> bool:
    """True when the burst says once more what the contact has said before, each time soon after a reply of ours, and nobody
    else in between."""
    said = _plain(" ".join(mail.content for mail in burst))
    waiting = {mail.message_id for mail in burst}
    wanted = _EARLIER if len(said) >= _LONG else _EARLIER_SHORT
    alike, is_between, later = 0, False, burst[0].timestamp
    for turn in reversed([turn for turn in history if turn.id not in waiting]):
        if turn.type == "outgoing":
            if not is_between and later - turn.timestamp > _SOON:
                return False
            is_between = True
        elif turn.type == "fromMe" or not _is_alike(_plain(turn.content), said):
            return False
        elif is_between:  # else it came while we were silent, or they insist: it says nothing new
            alike, is_between = alike + 1, False
            if alike == wanted:
                return True
        later = later if turn.type == "outgoing" else turn.timestamp
    return False


def is_too_fast(history: Sequence[Turn], exchanges: int) -> bool:
    """True when within the last hour of the conversation, without the owner, the contact mostly answered us within seconds, so many times;
    never for 0."""
    if not history or not exchanges:
        return False
    since = history[-1].timestamp - timedelta(hours=1)
    recent = [turn for turn in history if turn.timestamp > since]
    if any(turn.type == "fromMe" for turn in recent):
        return False
    waits = [
        after.timestamp - before.timestamp
        for before, after in pairwise(recent)
        if before.type == "outgoing" and after.role == "user"
    ]
    fast = sum(-_CLOCKS_DIFFER <= wait <= _FAST for wait in waits)
    return fast >= exchanges and fast >= _MOSTLY * len(waits)


def _plain(text: str) -> str:
    folded = _MOMENT.sub(" ", fold(text[:_READ]))
    return _BETWEEN_WORDS.sub(" ", folded).strip() or folded


def _is_alike(one: str, other: str) -> bool:
    if one == other or min(len(one), len(other)) < _LONG or _NUMBER.findall(one) != _NUMBER.findall(other):
        return one == other
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE
