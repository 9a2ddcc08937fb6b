"""Tokens: what of a text is looked for, the same way in a message and in a question, in every script.

Words are folded (case, accents, fonts) and stemmed by their script; runs of scripts without spaces, and of Korean, become pairs of
neighbouring characters. Latin script is stemmed as English whatever the language is: a message does not say which it is, and what
counts is that both sides are treated alike.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import Stemmer  # type: ignore[import-not-found]  # a compiled module without types

from secondme.core.files import table
from secondme.core.normalization import WORD, fold, syllables, unspaced

VERSION = 1
"""Grows when the same text has other tokens than before: indexes are then made anew."""
COMMON = "-"
"""Begins the token of a word that is only looked at where two words in a row are compared. No word can hold it."""
_LONGEST_WORD = 40
_TOKEN = re.compile(WORD.pattern + r"|\d+")
_KEPT, _BACK = str.maketrans("йЙ", "јЈ"), str.maketrans("ј", "й")  # noqa: RUF001  Cyrillic
"""Folding takes й for и with an accent, and Russian endings would not be known any more; in Serbian the other letter is used for the same sound."""
_ARTICLE = re.compile("^(?:وال|بال|كال|فال|لل|ال)(?=..)")
_SCRIPTS = (
    ("\u0370", "english"),
    ("\u0400", "greek"),
    ("\u0530", "russian"),
    ("\u0600", ""),
    ("\u0700", "arabic"),
    ("\u0900", ""),
    ("\u0980", "hindi"),
)
"""Up to which letter (excluded) which of Snowball's stemmers is used; behind the last one, none."""
_GRAM = 4
_ALIKE = 0.5
_SHORTEST_PART = 4


class _Stemmers(threading.local):
    """One of each a thread: they are not made to be shared."""

    def __init__(self) -> None:
        self.by_name = {name: Stemmer.Stemmer(name) for _, name in _SCRIPTS if name}


_stemmers = _Stemmers()


def tokens(text: str) -> list[str]:
    """The tokens of `text` in their order. A word that says little by itself begins with `-`; one that says nothing is left out."""
    everywhere, alone = _stop_words()
    found: list[str] = []
    for word in _words(text):
        if word in everywhere:
            continue
        if unspaced().match(word) or syllables().match(word):
            found.extend(map("".join, pairwise(word)) if len(word) > 1 else word)
        elif word in alone:
            found.append(COMMON + _stem(word))
        elif len(word) > 1 or word.isdigit():
            found.append(_stem(word[:_LONGEST_WORD]))
    return found


def searchable(found: Iterable[str]) -> list[str]:
    """Those of `found` that are looked for by themselves."""
    return [token for token in found if token[0] != COMMON]


def nearest(token: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Up to `most` of the `known` tokens that may stand for `token`, which nobody wrote: a part of it, made with it, or spelt like it."""
    grams = _grams(token)
    found = []
    for other in known:
        if len(token) >= _SHORTEST_PART and (token in other or (len(other) > _SHORTEST_PART and other in token)):
            found.append((0.9, other))
            continue
        others = _grams(other)
        alike = 2 * len(grams & others) / (len(grams) + len(others))
        if alike >= _ALIKE:
            found.append((alike, other))
    return [other for _, other in sorted(found, reverse=True)[:most]]


def _words(text: str) -> list[str]:
    if text.isascii():
        return _TOKEN.findall(text.lower())
    return _TOKEN.findall(fold(unicodedata.normalize("NFC", text).translate(_KEPT)))


def _stem(word: str) -> str:
    name = next((name for end, name in _SCRIPTS if word[0] < end), "")
    if not name:
        return word
    if name == "arabic":
        word = _ARTICLE.sub("", word)
    elif name == "russian":
        word = word.translate(_BACK)
    return str(_stemmers.by_name[name].stemWord(word))


def _grams(token: str) -> set[str]:
    framed = f"^{token}$"
    return {framed[at : at + _GRAM] for at in range(len(framed) - _GRAM + 1)} or {framed}


@cache
def _stop_words() -> tuple[frozenset[str], frozenset[str]]:
    source = table("memory", "stop_words")
    everywhere, alone = (frozenset(" ".join(source[name].values()).split()) for name in ("everywhere", "alone"))
    return everywhere, alone - everywhere
