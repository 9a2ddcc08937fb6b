"""What is a text about? Its words, in any script, without those that every text has."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from secondme.core.reply.folding import WORD, fold, syllables, unspaced
from secondme.core.reply.tables import table

if TYPE_CHECKING:
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
    source = table("stopwords")
    words, pairs = (frozenset(fold(" ".join(source[name].values())).split()) for name in ("words", "pairs"))
    return words, pairs
