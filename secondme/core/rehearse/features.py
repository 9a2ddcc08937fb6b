"""What a small program looks at in a text to know its writer by: twenty-three habits that have a name, and runs of characters that have none."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal, NamedTuple

from secondme.core.clock import from_ms
from secondme.core.records import OwnMessage
from secondme.core.remember.style.measure import WORD, Measure, emoji_in, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_DOUBLED = re.compile(r"[!?！？؟]{2,}")  # noqa: RUF001  full-width, Arabic
_MANY = 3
"""More of a mark in one text tells no more about its writer."""
_SHORT = 3
"""Characters in which a text of small letters is no habit yet: "ok"."""
_LOOKED_AT = 2000
"""Characters, as the measure of style looks at."""
_GRAM_CHARACTERS, _LONGEST_GRAM = 400, 4
_REMEMBERED = 2048
"""Texts: a report judges the same ones against each variant and both measures."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    words: list[str]
    formality: float
    laughter: str

    def some(self, marks: str) -> int:
        return min(_MANY, sum(map(self.text.count, marks)))

    def ends_in(self, marks: tuple[str, ...]) -> bool:
        return self.text.endswith(marks) and not self.text.endswith("..")


class Feature(NamedTuple):
    """One habit. `name` is its code; `thing` says it to a person, as in "a comma in every second answer"."""

    name: str
    thing: str
    kind: Literal["median", "share", "mean"]
    """What several texts come to: the middle one (of a logarithm), the share that has it, or the mean."""
    of: Callable[[_Text], float]

    def sum_up(self, values: Sequence[float]) -> float:
        """What several texts come to; 0 for none."""
        if not values:
            return 0.0
        if self.kind == "median":
            return math.expm1(median(values))
        return 1 - values.count(0.0) / len(values) if self.kind == "share" else sum(values) / len(values)

    def say(self, value: float) -> str:
        """A sum in words: "18 characters", "in every eighth answer", "never"."""
        if self.kind == "share":
            return rate(value)
        return f"{value:.0f} {self.thing}" if self.kind == "median" else f"{value:.1f} {self.thing}"


FEATURES = (
    Feature("length", "characters", "median", lambda t: math.log1p(len(t.text))),
    Feature("words", "words", "median", lambda t: math.log1p(len(t.words))),
    Feature("word_length", "letters a word", "mean", lambda t: fmean(map(len, t.words)) if t.words else 0.0),
    Feature("emoji", "an emoji", "share", lambda t: min(_MANY, len(emoji_in(t.text)))),
    Feature("exclamations", "an exclamation mark", "share", lambda t: t.some("!！")),  # noqa: RUF001
    Feature("questions", "a question mark", "share", lambda t: t.some("?？؟\u037e")),  # noqa: RUF001
    Feature("full_stop", "a full stop at the end", "share", lambda t: t.ends_in((".", "。", "।", "\u06d4"))),
    Feature("open_end", "an end without a mark", "share", lambda t: t.text[-1:].isalnum()),
    Feature("ellipsis", "an ellipsis", "share", lambda t: "..." in t.text or "…" in t.text),
    Feature("commas", "a comma", "share", lambda t: t.some(",，、،")),  # noqa: RUF001
    Feature("apostrophes", "an apostrophe", "share", lambda t: t.some("'’")),  # noqa: RUF001
    Feature("small_start", "a small first letter", "share", lambda t: next(filter(str.isalpha, t.text), "").islower()),
    Feature("all_small", "only small letters", "share", lambda t: t.text.islower() and len(t.text) > _SHORT),
    Feature("capital_words", "a word in capitals", "share", lambda t: any(len(w) > 1 and w.isupper() for w in t.words)),
    Feature("digits", "a digit", "share", lambda t: any(map(str.isdigit, t.text))),
    Feature("laughter", "laughter", "share", lambda t: bool(t.laughter)),
    Feature("stretched", "stretched letters", "share", lambda t: bool(_STRETCHED.search(t.text))),
    Feature("lines", "several lines", "share", lambda t: "\n" in t.text),
    Feature("doubled_marks", "marks in a row", "share", lambda t: bool(_DOUBLED.search(t.text))),
    Feature("brackets", "a bracket", "share", lambda t: t.some("()[]（）「」")),  # noqa: RUF001
    Feature("links", "a link", "share", lambda t: "http" in t.text),
    Feature("formality", "of 1 in formality", "mean", lambda t: t.formality),
    Feature("rare_marks", "a colon, dash or quotation mark", "share", lambda t: t.some(';:-–—"“”„«»')),  # noqa: RUF001
)
"""What a text is measured by, in the order of `features`."""
LEAST_SPREAD = 0.1
"""Of a feature that its writer never varies: one exception is no other person."""


@lru_cache(_REMEMBERED)
def features(text: str) -> tuple[float, ...]:
    """The numbers of `FEATURES` for one text."""
    text = text[:_LOOKED_AT].strip()
    measured = _measured(text)
    looked_at = _Text(text, WORD.findall(text.replace("’", "'")), measured.formality, measured.laughter or "")  # noqa: RUF001
    return tuple(float(feature.of(looked_at)) for feature in FEATURES)


def grams(text: str) -> Counter[str]:
    """How often each run of one to four characters is in the first 400 of `text`, white space as one blank, both ends marked."""
    marked = f"\x02{' '.join(text[: 2 * _GRAM_CHARACTERS].split())[:_GRAM_CHARACTERS]}\x03"
    return Counter(marked[at : at + size] for size in range(1, _LONGEST_GRAM + 1) for at in range(len(marked) - size + 1))


def laughter(texts: Sequence[str]) -> str:
    """How laughter is mostly spelt in `texts`: `jaja`; empty when nobody laughs."""
    spelt = Counter(found for text in texts if (found := _measured(text[:_LOOKED_AT]).laughter))
    return spelt.most_common(1)[0][0] if spelt else ""


def _measured(text: str) -> Measure:
    return measure(OwnMessage(id="", at=from_ms(0), text=text))


_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NEVER, _ALWAYS = 0.005, 0.97
_FRACTIONS = {9 / 10: "nine of ten", 4 / 5: "four of five", 3 / 4: "three of four", 2 / 3: "two of three"}


def rate(share: float) -> str:
    """A share of answers in words: "in every second answer", "in two of three answers", "in 1 of 40 answers", "never"."""
    if share < _NEVER or share > _ALWAYS:
        return "never" if share < _NEVER else "in every answer"
    every = round(1 / share)
    fractions = {1 / (at + 2): f"every {word}" for at, word in enumerate(_ORDINALS)} | _FRACTIONS
    nearest = min(fractions, key=lambda each: abs(each - share))
    if every > len(_ORDINALS) + 1:
        return f"in 1 of {every} answers"
    return f"in {fractions[nearest]} answer{'s' if nearest in _FRACTIONS else ''}"
