"""How does the owner write, all in all? Measures of single messages become one profile, to this contact or to everybody."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from pydantic import Field

from secondme.core.records import Record
from secondme.core.remember.style.measure import Measure, measure
from secondme.core.remember.style.words import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondme.core.records import OwnMessage

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
    from secondme.core.remember.style.inherited import inherited  # noqa: PLC0415  once in the life of most contacts, never for others

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
