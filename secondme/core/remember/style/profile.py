"""The style profile: measures summed up, for one contact or for everybody, described in words, with real examples. Pure: nothing is stored here."""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from pydantic import Field

from secondme.core.records import OwnMessage, Record
from secondme.core.remember.style.measure import UNSPACED, WORD, Measure, fixed, folded, measure, stop_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_SAMPLES = 100
_PAIRS = 200
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Inherited:
    """The newest samples of each kind, and counts over all of them."""

    lengths: list[float]
    emoji: list[float]
    formality: list[float]
    ellipses: int
    exclamations: int
    questions: int
    periods: int
    greetings: dict[str, int]
    sign_offs: dict[str, int]
    samples: int


def inherited(raw: bytes | str) -> Inherited | None:
    """What `raw` holds; None when it is not what the predecessor wrote."""
    try:
        found = json.loads(raw)
        marks = found["punctuationData"]
        return Inherited(
            lengths=_numbers(found["messageLengths"], 0, _MOST),
            emoji=_numbers(found["emojiCounts"], 0, _MOST),
            formality=_numbers(found["formalityScores"], 0, 1),
            ellipses=_count(marks["ellipsisCount"]),
            exclamations=_count(marks["exclamationCount"]),
            questions=_count(marks["questionCount"]),
            periods=_count(marks["periodEndCount"]),
            greetings=_counted(found["greetings"]),
            sign_offs=_counted(found["signOffs"]),
            samples=_count(found["sampleCount"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _numbers(value: Any, least: float, most: float) -> list[float]:  # whatever JSON holds
    numbers = [_number(each) for each in value[-_SAMPLES:]]
    if not numbers or not all(least <= number <= most for number in numbers):
        raise ValueError("out of range")
    return numbers


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _count(value: Any) -> int:
    number = _number(value)
    if number < 0 or number != int(number):
        raise ValueError("not a count")
    return int(number)


def _counted(value: Any) -> dict[str, int]:
    pairs = [(word, count) for word, count in value[:_PAIRS] if isinstance(word, str)]
    return {folded(word): _count(count) for word, count in pairs}


FEWEST = 10
"""Messages below which nothing is said about a style: the predecessor's number."""
_FAVOURITES = 5
_LANGUAGE_SHARE = 0.05
"""A language in less than a twentieth of the messages was a guess."""


class StyleProfile(Record):
    """How the owner writes. Shares are of all messages, 0 to 1."""

    sample_count: int
    mean_length: float
    """Characters of one message."""
    median_length: float
    emoji_per_message: float
    favourite_emoji: tuple[str, ...] = ()
    formality: float
    """0 relaxed to 1 formal."""
    ellipsis_share: float = 0.0
    exclamation_share: float = 0.0
    question_share: float = 0.0
    opening_mark_share: float | None = None
    """Of the messages with a question or exclamation in Spanish: how many open it with `¿` or `¡`. None: there are none."""
    period_share: float = 0.0
    lower_case_share: float = 0.0
    capital_share: float = 0.0
    """Messages that begin with a capital letter."""
    greetings: tuple[str, ...] = ()
    """The most used ones, from the fixed lists."""
    sign_offs: tuple[str, ...] = ()
    languages: dict[str, float] = Field(default_factory=dict)
    """Two-letter code -> share of the messages whose language was clear, most used first."""
    messages_per_answer: float = 1.0
    """Into how many messages one answer is typically split."""
    piece_length: float = 0.0
    """Median characters of a message that belongs to a split answer; 0 when none was split."""


def profile_of(messages: Sequence[OwnMessage]) -> StyleProfile | None:
    """The profile of these messages, oldest first; None below ten."""
    return profile_of_measures([measure(message) for message in messages])


def profile_of_measures(measures: Sequence[Measure]) -> StyleProfile | None:
    """As `profile_of`, of what was measured before."""
    count = len(measures)
    if count < FEWEST:
        return None
    asking = [each for each in measures if each.language == "es" and each.questions + each.exclamations]
    pieces = _pieces(measures)
    return StyleProfile(
        sample_count=count,
        mean_length=_round(fmean(each.length for each in measures)),
        median_length=_round(median(each.length for each in measures)),
        emoji_per_message=_round(sum(each.emoji_count for each in measures) / count),
        favourite_emoji=_most_used(emoji for each in measures for emoji in each.emoji),
        formality=_round(fmean(each.formality for each in measures)),
        ellipsis_share=_share(measures, "ellipses"),
        exclamation_share=_share(measures, "exclamations"),
        question_share=_share(measures, "questions"),
        opening_mark_share=_share(asking, "opens") if asking else None,
        period_share=_share(measures, "ends_with_period"),
        lower_case_share=_share(measures, "is_lower"),
        capital_share=_share(measures, "starts_with_capital"),
        greetings=_most_used(each.greeting for each in measures if each.greeting),
        sign_offs=_most_used(each.sign_off for each in measures if each.sign_off),
        languages=_languages(measures),
        messages_per_answer=_round(count / max(1, sum(not each.follows for each in measures))),
        piece_length=_round(median(pieces)) if pieces else 0.0,
    )


def profile_from_predecessor(raw: bytes | str) -> StyleProfile | None:
    """The profile that `STYLE:data` of the predecessor amounts to; None below ten samples, and for what is not such a value.

    Its greetings were any words; only those of our fixed lists are taken.
    """
    found = inherited(raw)
    if found is None or found.samples < FEWEST:
        return None
    per_message = found.samples if found.samples <= len(found.lengths) else max(1, len(found.lengths))
    return StyleProfile(
        sample_count=found.samples,
        mean_length=_round(fmean(found.lengths)),
        median_length=_round(median(found.lengths)),
        emoji_per_message=_round(sum(found.emoji) / per_message),
        formality=_round(fmean(found.formality)),
        ellipsis_share=_round(min(1.0, found.ellipses / found.samples)),
        exclamation_share=_round(min(1.0, found.exclamations / found.samples)),
        question_share=_round(min(1.0, found.questions / found.samples)),
        period_share=_round(min(1.0, found.periods / found.samples)),
        greetings=_most_counted(found.greetings, "greetings"),
        sign_offs=_most_counted(found.sign_offs, "sign_offs"),
    )


def _pieces(measures: Sequence[Measure]) -> list[int]:
    """Lengths of the messages of answers that were split."""
    lengths = [after.length for after in measures if after.follows]
    return lengths + [before.length for before, after in pairwise(measures) if after.follows and not before.follows]


def _share(measures: Sequence[Measure], field: str) -> float:
    return _round(sum(bool(getattr(each, field)) for each in measures) / len(measures))


def _most_used(words: Iterable[str]) -> tuple[str, ...]:
    """The five most used, ties by the word itself: a profile is the same however its messages were stored."""
    return tuple(word for word, _ in sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))[:_FAVOURITES])


def _most_counted(counts: dict[str, int], kind: str) -> tuple[str, ...]:
    known = {fixed(kind)[word]: count for word, count in counts.items() if word in fixed(kind)}
    return tuple(word for word, _ in sorted(known.items(), key=lambda item: (-item[1], item[0]))[:_FAVOURITES])


def _languages(measures: Sequence[Measure]) -> dict[str, float]:
    counts: Counter[Any] = Counter(each.language for each in measures if each.language)
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {language: _round(count / total) for language, count in ordered if count / total >= _LANGUAGE_SHARE}


def _round(value: float) -> float:
    return round(float(value), 2)


_BRIEF, _MODERATE = 50, 100
_RARELY, _OCCASIONALLY = 0.2, 0.8
_CASUAL, _SEMI_FORMAL = 0.5, 0.66
_OFTEN, _MOSTLY, _SELDOM = 0.2, 0.5, 0.15
_SPLITS = 1.5
_SHOWN = 3
_NAMES = {
    "ar": "Arabic", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


def describe(profile: StyleProfile) -> str:
    """The profile in a few lines of English, each a habit. Holds nothing but numbers, emoji and words of fixed lists."""
    lines = [
        _length(profile),
        _splitting(profile),
        _emoji(profile),
        f"The tone is {_band(profile.formality, _CASUAL, _SEMI_FORMAL, 'casual', 'semi-formal', 'formal')}.",
        _case(profile),
        _marks(profile),
        _words("Greetings", profile.greetings),
        _words("Sign-offs", profile.sign_offs),
        _told_languages(profile),
    ]
    return "\n".join(line for line in lines if line)


def _band(value: float, low: float, high: float, *words: str) -> str:
    return words[0] if value < low else words[1] if value < high else words[2]


def _length(profile: StyleProfile) -> str:
    how = _band(profile.mean_length, _BRIEF, _MODERATE, "brief", "moderate", "long")
    return f"Messages are {how}, typically {profile.median_length:.0f} characters."


def _splitting(profile: StyleProfile) -> str:
    if profile.messages_per_answer < _SPLITS:
        return "An answer is usually one message."
    return (
        f"An answer is usually split into several short messages: {profile.messages_per_answer:.1f} on average,"
        f" of about {profile.piece_length:.0f} characters each."
    )


def _emoji(profile: StyleProfile) -> str:
    how = _band(profile.emoji_per_message, _RARELY, _OCCASIONALLY, "rarely", "occasionally", "often")
    favourites = " ".join(profile.favourite_emoji)
    return f"Emoji are used {how}" + (f", mostly {favourites}" if favourites else "") + "."


def _case(profile: StyleProfile) -> str:
    if profile.lower_case_share > _MOSTLY:
        return "Everything is written in lower case."
    if profile.capital_share > _MOSTLY:
        return "Messages begin with a capital letter."
    return ""


def _marks(profile: StyleProfile) -> str:
    habits = []
    if profile.period_share > _MOSTLY:
        habits.append("messages end with a full stop")
    elif profile.period_share < _SELDOM:
        habits.append("messages do not end with a full stop")
    if profile.ellipsis_share > _OFTEN:
        habits.append("an ellipsis is frequent")
    if profile.exclamation_share > _OFTEN:
        habits.append("exclamation marks are frequent")
    if profile.opening_mark_share is not None:
        used = profile.opening_mark_share > _MOSTLY
        habits.append("¿ and ¡ open a question or exclamation" if used else "¿ and ¡ are left out")
    return f"Punctuation: {'; '.join(habits)}." if habits else ""


def _words(what: str, words: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(words[:_SHOWN])}." if words else ""


def _told_languages(profile: StyleProfile) -> str:
    if not profile.languages:
        return ""
    shares = [f"{_NAMES.get(code, code)} {share:.0%}" for code, share in list(profile.languages.items())[:_SHOWN]]
    return f"Languages: {', '.join(shares)}."


_BEFORE, _ANSWER = 300, 500
_BURST = 2000


def examples_for(burst_text: str, own: Sequence[OwnMessage], limit: int = 6) -> list[tuple[str, str]]:
    """At most `limit` pairs of what was said to the owner and what they answered, the most similar to `burst_text` first.

    Similar is what shares words; newer goes first where that decides nothing. A split answer is one, its messages on lines of their own.
    """
    wanted = _terms(burst_text[:_BURST])
    ranked: list[tuple[float, int, tuple[str, str]]] = []
    for at, (before, answer) in enumerate(_answers(own)):
        ranked.append((_likeness(wanted, _terms(before)), at, (_tail(before, _BEFORE), _head(answer, _ANSWER))))
    ranked.sort(key=lambda each: (-each[0], -each[1]))
    return list(dict.fromkeys(pair for _, _, pair in ranked))[:limit]


def _answers(own: Sequence[OwnMessage]) -> list[tuple[str, str]]:
    """(what was said before, the whole answer), oldest first; only answers whose question is known."""
    runs: list[tuple[str, list[str]]] = []
    for message in sorted(own, key=lambda each: (each.at, each.id)):
        if not message.follows:
            runs.append((message.before.strip(), [message.text]))
        elif runs:
            runs[-1][1].append(message.text)
    return [(before, "\n".join(texts).strip()) for before, texts in runs if before and "".join(texts).strip()]


def _terms(text: str) -> frozenset[str]:
    """What a text is about: its words without accents, of scripts without spaces each two neighbouring characters. Small words count only
    where there are no others."""
    low = folded(text)
    unspaced = UNSPACED.search(low) is not None
    words = set(WORD.findall(UNSPACED.sub(" ", low) if unspaced else low))
    telling = {_bare(word) for word in words if word not in stop_words()} or {_bare(word) for word in words}
    if unspaced:
        telling |= {low[at : at + 2] for at in range(len(low) - 1) if UNSPACED.match(low[at]) and UNSPACED.match(low[at + 1])}
    return frozenset(telling)


def _bare(word: str) -> str:
    if word.isascii():
        return word
    return "".join(character for character in unicodedata.normalize("NFD", word) if not unicodedata.combining(character))


def _likeness(a: frozenset[str], b: frozenset[str]) -> float:
    """Dice's coefficient: 0 nothing in common, 1 the same."""
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def _head(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :].lstrip()
