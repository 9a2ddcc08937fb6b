"""What can be said from how often: intervals, exact probabilities, and differences of pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_Z = 1.959963984540054
"""Of a two-sided interval of 95 %."""
_Z_POWER = 0.8416212335729143
"""With so much beyond, a true difference of that size is found in four of five tries (Cohen 1988)."""
_ROUNDS = 2000
SIGNIFICANT = 0.05
_EVEN = 0.5
"""Of a pair in which it could not be told."""


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, `right` of `n` (Wilson 1927); `right` may have halves. 0 to 1 when n is 0."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, _Z * _Z / n
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(share * (1 - share) * z2 + z2 * z2 / 4) / (1 + z2)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def by_chance(right: float, n: int) -> float:
    """The exact probability that guessing is right at least so often; half a success more or less counts as not reached."""
    ways: int = sum(math.comb(n, k) for k in range(max(0, math.floor(right)), n + 1))
    return ways / (1 << n)


def by_bad_luck(right: float, n: int, share: float) -> float:
    """The exact probability that somebody who is right in `share` is right at most so often; half a success more counts as had."""
    return math.fsum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(min(n, math.ceil(right)) + 1))


def sign_test(first: int, second: int) -> float:
    """The exact two-sided probability that of the pairs in which only one was told the two share so unevenly (McNemar's exact test)."""
    return min(1.0, 2 * by_chance(max(first, second), first + second))


@dataclass(frozen=True, slots=True)
class Difference:
    """How two ways of answering the same words differ in how often they are told."""

    value: float
    low: float
    high: float
    """95 % interval."""
    p: float
    """Of the sign test over the pairs in which only one was told."""
    more: int | None
    """How many more pairs would decide a difference of this size in four of five tries; None: it is decided, or there is none to decide."""

    @property
    def is_decided(self) -> bool:
        """Whether both the test and the interval say that it is no accident."""
        return self.p < SIGNIFICANT and not self.low <= 0 <= self.high


def difference(first: Sequence[float], second: Sequence[float], *, seed: int) -> Difference:
    """How much more often the first was told than the second; the interval is a bootstrap over the pairs. Neither may be empty."""
    differences = [one - two for one, two in zip(first, second, strict=True)]
    rng, n = Random(seed), len(differences)  # noqa: S311  chance is not secret here
    means = sorted(fmean(rng.choices(differences, k=n)) for _ in range(_ROUNDS))
    only_first = sum(one > _EVEN >= two for one, two in zip(first, second, strict=True))
    only_second = sum(two > _EVEN >= one for one, two in zip(first, second, strict=True))
    tail = _ROUNDS // 40
    found = Difference(fmean(differences), means[tail], means[-tail - 1], sign_test(only_first, only_second), None)
    if found.is_decided or not found.value:
        return found
    needed = math.ceil(((_Z + _Z_POWER) * pstdev(differences) / found.value) ** 2)
    return Difference(found.value, found.low, found.high, found.p, max(1, needed - n))
