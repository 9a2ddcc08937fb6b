"""A question to the memory, read: its terms, the days and the person it names, and what kind of answer it asks for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.files import table
from secondme.core.memory.tokens import COMMON, searchable, tokens
from secondme.core.normalization import WORD, fold

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from secondme.core.memory.messages import SpokenBy

_MOST_CHARACTERS = 2_000
"""Of a question; what follows them is not looked for."""
_ALIKE = 0.6
_SHORTEST_START, _SHORTEST_NICKNAME = 3, 4
_NEVER = re.compile(r"(?!)")
_MONTHS_AND_DAYS = 31
_LAST_MONTH = 12


class NamedDay(NamedTuple):
    """A day, or a month, that a question names; 0 stands for what it does not say."""

    year: int
    month: int
    day: int


@dataclass(frozen=True, slots=True)
class MemoryQuery:
    """What is looked for. `about` is who is named: the messages of that side count more."""

    tokens: str
    """All of them, as an index keeps those of a message: it may be the same question, asked before."""
    terms: tuple[str, ...]
    pairs: frozenset[str]
    """Tokens that follow one another, those of common words too: each two with single spaces between and around them."""
    days: tuple[NamedDay, ...] = ()
    about: SpokenBy | None = None
    asks_when: bool = False
    asks_number: bool = False
    asks_name: bool = False


def read_query(text: str, *, contact_names: Collection[str] = (), owner_names: Collection[str] = ()) -> MemoryQuery:
    """`text` as something to look for. Names are as the owner knows them; a nickname or a slip of the pen in `text` is recognised."""
    text = text[:_MOST_CHARACTERS]
    marked = tokens(text)
    contact, owner = _names(text, contact_names), _names(text, owner_names)
    asks = table("memory", "cues")["asks"]
    return MemoryQuery(
        tokens=" ".join(marked),
        terms=tuple(dict.fromkeys(searchable(marked))),
        pairs=frozenset(f" {one} {other} " for one, other in pairwise(" ".join(marked).replace(COMMON, "").split())),
        days=tuple(_days(fold(text))),
        about=None if contact == owner else "contact" if contact else "owner",
        asks_when=_pattern(asks["when"]).search(text) is not None,
        asks_number=_pattern(asks["number"]).search(text) is not None,
        asks_name=_pattern(asks["name"]).search(text) is not None,
    )


def is_question(text: str) -> bool:
    """True when `text` ends as questions do."""
    return text.rstrip().endswith(("?", "？", "؟", "\u037e"))  # noqa: RUF001  full-width, Arabic, Greek


def tells(kind: str, marked: list[str]) -> bool:
    """True when tokens tell a time (`when`) or a `number`."""
    cues, digits = _cues(kind)
    return not cues.isdisjoint(marked) or any(token.isdigit() and len(token) >= digits for token in marked)


@cache
def _cues(kind: str) -> tuple[frozenset[str], int]:
    """The tokens that tell something, and from how many digits on a number does."""
    source = table("memory", "cues")["tells"][kind]
    return frozenset(token for word in source["words"].split() for token in tokens(word)), source["digits"]


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE) if pattern else _NEVER


def _names(text: str, names: Collection[str]) -> bool:
    """True when a word of `text` is one of the names, or a capitalised one is much like it."""
    known = [word for name in names for word in WORD.findall(fold(name)) if len(word) > 1]
    if not known:
        return False
    said = WORD.findall(text)
    return any(
        _is_like(fold(word), known) if word[:1].isupper() else fold(word) in known and searchable(tokens(word)) for word in said
    )


def _is_like(word: str, known: list[str]) -> bool:
    if word in known:
        return True
    if len(word) >= _SHORTEST_START and any(other.startswith(word) for other in known):
        return True
    if len(word) < _SHORTEST_NICKNAME:
        return False
    mine = set(map("".join, pairwise(word)))
    return any(
        2 * len(mine & theirs) / (len(mine) + len(theirs)) >= _ALIKE
        for theirs in (set(map("".join, pairwise(other))) for other in known if len(other) >= _SHORTEST_NICKNAME)
    )


@cache
def _months() -> tuple[Mapping[str, int], frozenset[str], re.Pattern[str]]:
    """Names of months with their numbers, those that may be other words too, and what a date is written like."""
    source = table("memory", "cues")["months"]
    lines = source["names"].split()
    names = {name: number for number, line in enumerate(lines, 1) for name in line.split("|")}
    either = "|".join(sorted(names, key=len, reverse=True))
    day = r"([0-3]?[0-9])(?:st|nd|rd|th|\.|º|er)?"
    between = r"(?:\s+(?:of|de|del))?[\s,]+"
    written = re.compile(
        rf"\b(?:(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<day>\d\d)"
        rf"|(?:{day.replace('(', '(?P<before>', 1)}{between})?(?P<name>{either})\.?\b"
        rf"(?:\s+{day.replace('(', '(?P<after>', 1)}(?!\d))?(?:{between}(?P<of>(?:19|20)\d\d))?)\b"
    )
    return names, frozenset(source["unsure"].split()), written


def _days(folded: str) -> list[NamedDay]:
    """The days and months that are named, the years with them where they are said."""
    names, unsure, written = _months()
    found = []
    for match in written.finditer(folded):
        if match["year"]:
            named = NamedDay(int(match["year"]), int(match["month"]), int(match["day"]))
        else:
            named = NamedDay(int(match["of"] or 0), names[match["name"]], int(match["before"] or match["after"] or 0))
            if match["name"] in unsure and not (named.year or named.day):
                continue
        if 1 <= named.month <= _LAST_MONTH and named.day <= _MONTHS_AND_DAYS:
            found.append(named)
    return found
