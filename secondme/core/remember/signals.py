"""What does somebody who writes this seem to be to the owner? Words and phrases of several languages; the clearest one counts.

A signal is a hint about one message, never a fact: only many of them, all saying the same, change what a contact is taken for.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

from secondme.core.enums import Relationship
from secondme.core.remember.style.words import WORD, folded

LOOKED_AT = 1000
"""Characters; what somebody is shows in a sentence, not in a page."""
_CONFIDENCE = {"sure": 0.9, "likely": 0.7, "hint": 0.5}


@dataclass(frozen=True, slots=True)
class Signal:
    """What one message hints at."""

    relationship: Relationship
    confidence: float


@dataclass(frozen=True, slots=True)
class _Entry:
    rest: tuple[str, ...]
    signal: Signal


def detect(text: str) -> Signal | None:
    """The clearest hint in a contact's message; None when there is none, or two are equally clear and say different things."""
    words = WORD.findall(folded(text[:LOOKED_AT]))
    found: dict[Relationship, tuple[float, int]] = {}
    for at, (word, following) in enumerate(pairwise([*words, ""])):
        for entry in (*_table().get((word, following), ()), *_table().get((word, ""), ())):
            if tuple(words[at + 2 : at + 2 + len(entry.rest)]) == entry.rest:
                kind, confidence = entry.signal.relationship, entry.signal.confidence
                best, count = found.get(kind, (0.0, 0))
                if confidence >= best:
                    found[kind] = (confidence, count + 1 if confidence == best else 1)
    if not found:
        return None
    (kind, clearest), *others = sorted(found.items(), key=lambda item: item[1], reverse=True)
    return None if others and others[0][1] == clearest else Signal(kind, clearest[0])


@cache
def _table() -> dict[tuple[str, str], list[_Entry]]:
    """The first two words of a phrase (the second empty for a single word) -> what must follow, and what it hints at."""
    lists = tomllib.loads(files("secondme.core.remember").joinpath("lists", "relationships.toml").read_text("utf-8"))
    table: dict[tuple[str, str], list[_Entry]] = {}
    for kind, grades in lists.items():
        for grade, entries in grades.items():
            signal = Signal(Relationship(kind), _CONFIDENCE[grade])
            for entry in dict.fromkeys(entries.split("|")):
                first, *rest = WORD.findall(folded(entry)) or [""]
                second, *others = rest or [""]
                if first:
                    table.setdefault((first, second), []).append(_Entry(tuple(others), signal))
    return table
