"""The style profile: measures summed up, for one contact or for everybody. Pure: nothing is stored here."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Any

from pydantic import Field

from secondme.core.records import OwnMessage, Record
from secondme.core.remember.style.measure import Measure, fixed, folded, measure

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
_FEWEST_PLACES = 5
"""Apostrophes, written or left out, below which nothing is said about them."""
_CASED = 0.2
"""Of all messages, those that begin with a letter that has two cases: below it, capitals are no habit of this owner's script."""


class StyleProfile(Record):
    """How the owner writes. Shares are of all messages, 0 to 1."""

    sample_count: int
    mean_length: float
    """Characters of one message."""
    median_length: float
    lengths: tuple[float, ...] = ()
    """Characters of one message: the 10th, 25th, 50th, 75th and 90th of a hundred; empty where only means are known."""
    emoji_per_message: float
    emoji_share: float | None = None
    """Messages with an emoji. None, here and below: not known of ten messages or more."""
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
    small_start_share: float | None = None
    """Of the messages that begin with a letter of two cases: the small one. None also where few do."""
    comma_share: float | None = None
    apostrophe_share: float | None = None
    """Messages with an apostrophe inside a word."""
    curly_share: float | None = None
    """Of the apostrophes: the curly ones. None also where there are fewer than five."""
    bare_share: float | None = None
    """Of the places for an apostrophe: those where it is left out. None also where there are fewer than five."""
    laughter_share: float | None = None
    laughter: tuple[str, ...] = ()
    """Spellings of laughter, the most used first, from the fixed list."""
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
    known = [each for each in measures if each.laughter is not None]
    asking = [each for each in measures if each.language == "es" and each.questions + each.exclamations]
    pieces = _pieces(measures)
    return StyleProfile(
        sample_count=count,
        mean_length=_round(fmean(each.length for each in measures)),
        median_length=_round(median(each.length for each in measures)),
        lengths=_spread([each.length for each in measures]),
        emoji_per_message=_round(sum(each.emoji_count for each in measures) / count),
        emoji_share=_share(measures, "emoji_count"),
        favourite_emoji=_most_used(emoji for each in measures for emoji in each.emoji),
        formality=_round(fmean(each.formality for each in measures)),
        ellipsis_share=_share(measures, "ellipses"),
        exclamation_share=_share(measures, "exclamations"),
        question_share=_share(measures, "questions"),
        opening_mark_share=_share(asking, "opens") if asking else None,
        period_share=_share(measures, "ends_with_period"),
        lower_case_share=_share(measures, "is_lower"),
        capital_share=_share(measures, "starts_with_capital"),
        small_start_share=_small_starts(known),
        **(_newer_shares(known) if len(known) >= FEWEST else {}),
        laughter=_most_used(each.laughter for each in known if each.laughter),
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
        lengths=_spread(found.lengths) if len(found.lengths) >= FEWEST else (),
        emoji_per_message=_round(sum(found.emoji) / per_message),
        formality=_round(fmean(found.formality)),
        ellipsis_share=_round(min(1.0, found.ellipses / found.samples)),
        exclamation_share=_round(min(1.0, found.exclamations / found.samples)),
        question_share=_round(min(1.0, found.questions / found.samples)),
        period_share=_round(min(1.0, found.periods / found.samples)),
        greetings=_most_counted(found.greetings, "greetings"),
        sign_offs=_most_counted(found.sign_offs, "sign_offs"),
    )


def _spread(lengths: Sequence[float]) -> tuple[float, ...]:
    twentieths = quantiles(lengths, n=20, method="inclusive")
    return tuple(_round(twentieths[at]) for at in (1, 4, 9, 14, 17))


def _small_starts(measures: Sequence[Measure]) -> float | None:
    """Of messages whose script has capitals: how many begin without one."""
    cased = [each for each in measures if each.starts_small or each.starts_with_capital]
    return _share(cased, "starts_small") if len(cased) >= max(FEWEST, _CASED * len(measures)) else None


def _newer_shares(measures: Sequence[Measure]) -> dict[str, float | None]:
    """What measures of before do not know."""
    written = sum(each.apostrophes or 0 for each in measures)
    bare = sum(each.bare_words or 0 for each in measures)
    curly = sum(each.curly_apostrophes or 0 for each in measures)
    return {
        "comma_share": _share(measures, "commas"),
        "apostrophe_share": _share(measures, "apostrophes"),
        "curly_share": _round(curly / written) if written >= _FEWEST_PLACES else None,
        "bare_share": _round(bare / (written + bare)) if written + bare >= _FEWEST_PLACES else None,
        "laughter_share": _share(measures, "laughter"),
    }


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
