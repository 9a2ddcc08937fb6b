"""What did the predecessor know of a style? Its `STYLE:data` as migrated, checked field by field; what is not right is nothing."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from secondme.core.remember.style.words import folded

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
