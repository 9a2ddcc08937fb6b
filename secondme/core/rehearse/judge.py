"""The judge: a small program that is shown the owner's answer and another to the same words, and says which is not the owner's.

Two families of what it looks at, because one alone is fooled: habits with a name, and runs of characters. It learns from the other pairs and
the owner's past, never from the pair it judges. Half right is what guessing gives: two lists of the owner's own come to that (whatever the
length of the past; a short one makes it blinder to others, not unfair). Known weak: whoever copies old answers word for word passes; that is
counted in `comparison`.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from itertools import chain
from operator import mul
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

from secondme.core.rehearse.features import FEATURES, LEAST_SPREAD, features, grams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOLDS = 5
_SHUFFLES = 4
"""Divisions into folds that are averaged: more lower the noise of the division no further, for that of the pairs themselves stays."""
_FARTHEST = 4.0
"""Spreads from the owner's mean; what is farther tells no more."""
_PRIOR = 0.25
"""Added to each variance: of few texts it may be none by accident."""
_GRAM_WEIGHT, _FEATURE_WEIGHT = 6.0, 1 / 8
"""How the two families are weighed; chosen on chats of others (surface-fixed model text is told in 88 of 100 at 60 pairs)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge said of each pair."""

    right: tuple[float, ...]
    """1: it told which is not the owner's; 0: it took the owner's for the other's; between: not always, as the pairs it learned from differ."""

    @property
    def share(self) -> float:
        """How often it was right; a half when there was nothing to judge."""
        return fmean(self.right) if self.right else 0.5


@dataclass(frozen=True, slots=True)
class _Seen:
    """A text as the judge sees it: its grams as numbers with weights that make a unit vector, and its features in spreads of the owner's."""

    grams: array[int]
    weights: array[float]
    features: list[float]


class _Class:
    """What the texts of one writer add up to; texts can be taken out and put back."""

    def __init__(self, size: int, seen: Iterable[_Seen]) -> None:
        self.count = 0
        self.grams = [0.0] * size
        self.sums, self.squares = [0.0] * len(FEATURES), [0.0] * len(FEATURES)
        for each in seen:
            self.add(each, 1)

    def add(self, seen: _Seen, sign: int) -> None:
        self.count += sign
        total = self.grams
        for gram, weight in zip(seen.grams, seen.weights, strict=True):
            total[gram] += sign * weight
        for at, value in enumerate(seen.features):
            self.sums[at] += sign * value
            self.squares[at] += sign * value * value

    def summary(self) -> tuple[float, list[float], list[float]]:
        """Length of the grams' sum, means and variances of the features."""
        count = max(1, self.count)
        means = [total / count for total in self.sums]
        spreads = [max(0.0, square / count - mean * mean) + _PRIOR for square, mean in zip(self.squares, means, strict=True)]
        return math.sqrt(sum(map(mul, self.grams, self.grams))) or 1.0, means, spreads


def judge(past: Sequence[str], real: Sequence[str], other: Sequence[str], *, seed: int = 0) -> Judgement:
    """Which of `real[i]` and `other[i]` is not the owner's, for each i; `past` are texts of the owner's before. A text is a whole answer, its
    messages on lines of their own. The order of pairs and of the past changes nothing."""
    order = sorted(range(len(real)), key=lambda i: (*sorted((real[i], other[i])), real[i]))
    past, first, second = sorted(past), [real[i] for i in order], [other[i] for i in order]
    seen, size = _look([*past, *first, *second], owns=len(past))
    known, reals, others = seen[: len(past)], seen[len(past) : -len(order) or None], seen[len(seen) - len(order) :]
    owner, stranger = _Class(size, chain(known, reals)), _Class(size, others)
    rng, right = Random(seed), [0.0] * len(order)  # noqa: S311  chance is not secret here
    folds = [at % _FOLDS for at in range(len(order))]
    for _ in range(_SHUFFLES):
        rng.shuffle(folds)
        for fold in range(min(_FOLDS, len(order))):
            held = [at for at, each in enumerate(folds) if each == fold]
            for at in held:
                owner.add(reals[at], -1)
                stranger.add(others[at], -1)
            for at, told in zip(held, _tell(owner, stranger, [(reals[at], others[at]) for at in held]), strict=True):
                right[at] += told / _SHUFFLES
            for at in held:
                owner.add(reals[at], 1)
                stranger.add(others[at], 1)
    return Judgement(tuple(told for _, told in sorted(zip(order, right, strict=True))))


def _tell(owner: _Class, stranger: _Class, pairs: list[tuple[_Seen, _Seen]]) -> list[float]:
    """1 where the second of a pair looks more like the stranger, 0 where the first does, a half where neither."""
    (own_length, own_means, own_spreads), (length, means, spreads) = owner.summary(), stranger.summary()

    nearness = [theirs / length - ours / own_length for ours, theirs in zip(owner.grams, stranger.grams, strict=True)]

    def strangeness(seen: _Seen) -> float:
        near: float = sum(map(mul, seen.weights, map(nearness.__getitem__, seen.grams)))
        habits: float = sum(
            (value - own_mean) ** 2 / own_spread - (value - mean) ** 2 / spread
            for value, own_mean, own_spread, mean, spread in zip(seen.features, own_means, own_spreads, means, spreads, strict=True)
        )  # the logarithms of the spreads are the same for both texts of a pair
        return _GRAM_WEIGHT * near + _FEATURE_WEIGHT * habits

    differences = [strangeness(second) - strangeness(first) for first, second in pairs]
    return [0.5 if difference == 0 else float(difference > 0) for difference in differences]


def _look(texts: list[str], owns: int) -> tuple[list[_Seen], int]:
    """`texts` as the judge sees them, and how many different grams there are. The spreads are those of the first `owns` texts, of all of them
    where there are none."""
    numbers: dict[str, int] = {}
    measured = [features(text) for text in texts]
    scales = []
    for column in zip(*(measured[:owns] or measured), strict=True):
        mean = fmean(column)
        scales.append((mean, max(LEAST_SPREAD, math.sqrt(fmean((value - mean) ** 2 for value in column)))))
    seen = []
    for text, values in zip(texts, measured, strict=True):
        counts = grams(text)
        weights = [1 + math.log(count) for count in counts.values()]
        length = math.sqrt(sum(map(mul, weights, weights)))
        scaled = [
            max(-_FARTHEST, min(_FARTHEST, (value - mean) / spread)) for value, (mean, spread) in zip(values, scales, strict=True)
        ]
        keys = array("l", (numbers.setdefault(gram, len(numbers)) for gram in counts))
        seen.append(_Seen(keys, array("d", (weight / length for weight in weights)), scaled))
    return seen, len(numbers)
