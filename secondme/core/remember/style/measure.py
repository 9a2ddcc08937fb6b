"""What can be counted in one message of the owner's? Numbers, emoji and words of a fixed list: never its text, and never a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secondme.core.records import Moment, Record
from secondme.core.remember.style.emoji import emoji_in
from secondme.core.remember.style.language import guess
from secondme.core.remember.style.words import WORD, closing, fixed, folded, listed, markers, opening, table

if TYPE_CHECKING:
    from secondme.core.records import OwnMessage

_MOST_EMOJI = 5
"""Of one message: enough for favourites, too few to spell anything with."""
_LOOKED_AT = 2000
"""Characters of a message that are looked at; nobody's chat messages are longer."""
_TAIL = 80
_START, _MARKER, _CONTRACTION = 0.5, 0.1, 0.05
_MOST_CONTRACTIONS = 3
_CAPITAL_SHARE, _CAPITALS, _ALL_LOWER, _LOWER_LENGTH = 0.8, 0.1, 0.15, 10
_SENTENCE = re.compile(r"(?:^|[.!?…。！？]\s+|\n)\W*(\w)")  # noqa: RUF001  full-width marks
_INSIDE = re.compile(r"(?<=[\w,;:)] )([^\W\d_]+)")
_ELLIPSIS = re.compile(r"…|\.{3}")
_EXCLAMATION, _QUESTION = re.compile("[!！]"), re.compile("[?？؟\u037e]")  # noqa: RUF001  full-width, Arabic, Greek
_PERIOD = (".", "。", "।", "\u06d4")
"""Latin, Chinese, Hindi, Urdu."""
_UNCASED = frozenset({"zh", "ja", "ko", "ar", "he", "hi", "th", "fa"})


class Measure(Record):
    """One message of the owner's in numbers. A value of `STYLE:overall`."""

    at: Moment
    length: int
    """Characters."""
    emoji: tuple[str, ...] = ()
    """The first five."""
    emoji_count: int = 0
    formality: float = _START
    """0 relaxed to 1 formal."""
    ellipses: int = 0
    exclamations: int = 0
    questions: int = 0
    opens: bool = False
    """`¿` or `¡` is there."""
    ends_with_period: bool = False
    is_lower: bool = False
    """There are letters with two cases, and all of them are small."""
    starts_with_capital: bool = False
    greeting: str = ""
    sign_off: str = ""
    language: str = ""
    follows: bool = False


def measure(message: OwnMessage) -> Measure:
    """What `message` comes to."""
    text = message.text[:_LOOKED_AT]
    low = folded(text)
    words = WORD.findall(low)
    emoji = emoji_in(text)
    language = guess(text, words)
    greeting, sign_off = opening().match(low), closing().search(low[-_TAIL:])
    first = next((character for character in text if character.isalpha()), "")
    stripped = text.rstrip()
    return Measure(
        at=message.at,
        length=len(message.text),
        emoji=tuple(emoji[:_MOST_EMOJI]),
        emoji_count=len(emoji),
        formality=_formality(text, low, words, language),
        ellipses=len(_ELLIPSIS.findall(text)),
        exclamations=len(_EXCLAMATION.findall(text)),
        questions=len(_QUESTION.findall(text)) + (text.count(";") if language == "el" else 0),
        opens="¿" in text or "¡" in text,
        ends_with_period=stripped.endswith(_PERIOD) and not stripped.endswith(".."),
        is_lower=text.islower(),
        starts_with_capital=first.isupper(),
        greeting=fixed("greetings")[greeting[1]] if greeting else "",
        sign_off=fixed("sign_offs")[sign_off[1]] if sign_off and not (greeting and sign_off[0] == low) else "",
        language=language,
        follows=message.follows,
    )


def _formality(text: str, low: str, words: list[str], language: str) -> float:
    spaced = f" {' '.join(words)} "
    there = set(words)
    score = _START
    for known in (language,) if language else ("en", "es", "de", "fr", "it", "pt"):
        formal, casual = markers("formal", known), markers("casual", known)
        score += _MARKER * formal.count(there, spaced, low)
        score -= _MARKER * casual.count(there, spaced, low)
        if not language and score != _START:
            break  # a text too short to tell its language by: the first language that knows a word of it
    if language and "address" in table("words").get(language, {}):
        score += _MARKER * bool(
            {word.casefold() for word in _INSIDE.findall(text) if word[0].isupper()} & set(listed("address", language))
        )
    contractions = sum(word.endswith(_contractions()) for word in words if "'" in word)
    score -= _CONTRACTION * min(_MOST_CONTRACTIONS, contractions)
    if language not in _UNCASED:
        starts = [start for start in _SENTENCE.findall(text) if start.isalpha()]
        if starts and sum(map(str.isupper, starts)) > _CAPITAL_SHARE * len(starts):
            score += _CAPITALS
        if text.islower() and len(text) > _LOWER_LENGTH:
            score -= _ALL_LOWER
    return round(min(1.0, max(0.0, score)), 3)


def _contractions() -> tuple[str, ...]:
    return listed("contractions", "en")
