"""Which language is a message in? Its script, else the small words in it. A guess, for statistics and a prompt; empty when there is nothing to tell it by."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.remember.style.words import stop_words, table

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEYOND_LATIN = re.compile("[\u0370-\u1cff\u3040-\ud7af]")
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),  # before Han: a Japanese text has both
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff\u3130-\u318f]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("uk", re.compile("[іїєґІЇЄҐ]")),  # before Russian, which does not have these
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("fa", re.compile("[پچژگ]")),  # before Arabic, likewise
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)
_LETTER_WEIGHT = 1.5
_CLEAR = 0.25
_ENOUGH = 1.0
"""Small words that several languages have tell nothing until there are some: "que va" is no French."""
_MOST_WORDS = 60


def guess(text: str, words: Iterable[str]) -> str:
    """The language of `text`, whose folded words are `words`, as a two-letter code; empty when it is not clear."""
    beyond = _BEYOND_LATIN.findall(text[:1000])
    if len(beyond) * 2 > sum(map(str.isalpha, text[:1000])):
        return next((language for language, script in _SCRIPTS if script.search(text)), "")
    scores: dict[str, float] = {}
    stops = stop_words()
    for at, word in enumerate(words):
        if at >= _MOST_WORDS:
            break
        for language in stops.get(word, ()):
            scores[language] = scores.get(language, 0.0) + 1 / len(stops[word])
    if not text.isascii():
        for letter in set(text.casefold()):
            if letter in _letters():
                scores[_letters()[letter]] = scores.get(_letters()[letter], 0.0) + _LETTER_WEIGHT
    if not scores:
        return ""
    best, *rest = sorted(scores.items(), key=lambda item: -item[1])
    return "" if best[1] < _ENOUGH or (rest and best[1] - rest[0][1] < _CLEAR) else best[0]


@cache
def _letters() -> dict[str, str]:
    return {letter: language for language, lists in table("words").items() for letter in lists.get("letters", "")}
