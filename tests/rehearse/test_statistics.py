"""Intervals and probabilities against values that are computed exactly, by fractions."""

from fractions import Fraction
from math import comb, sqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.core.rehearse.statistics import by_bad_luck, by_chance, difference, sign_test, wilson
from secondme.core.rehearse.verdict import is_not_told

EACH = [(k, n) for n in range(1, 61) for k in range(n + 1)]


def tail(n: int, share: Fraction, which: range) -> Fraction:
    return sum((comb(n, k) * share**k * (1 - share) ** (n - k) for k in which), Fraction(0))


def test_probabilities_equal_exact_ones_for_every_count_up_to_sixty() -> None:
    half = Fraction(1, 2)
    for k, n in EACH:
        assert by_chance(k, n) == pytest.approx(float(tail(n, half, range(k, n + 1))), rel=1e-12)
        assert sign_test(k, n - k) == pytest.approx(float(min(1, 2 * tail(n, half, range(max(k, n - k), n + 1)))), rel=1e-12)
    for k, n in EACH[::7]:
        assert by_bad_luck(k, n, 0.65) == pytest.approx(float(tail(n, Fraction(65, 100), range(k + 1))), rel=1e-9)


def test_the_interval_is_where_the_share_is_no_longer_within_two_errors() -> None:
    """Wilson's definition: its ends are the shares p with |k/n - p| = z sqrt(p (1 - p) / n)."""
    for k, n in EACH:
        for end in wilson(k, n):
            if 0 < end < 1:
                assert abs(k / n - end) == pytest.approx(1.959963984540054 * sqrt(end * (1 - end) / n), abs=1e-9)
        low, high = wilson(k, n)
        assert 0 <= low <= k / n <= high <= 1
        assert (low, high) == pytest.approx(tuple(1 - end for end in reversed(wilson(n - k, n))))


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(14, 20, 48, 85), (21, 30, 52, 83), (28, 40, 55, 82), (42, 60, 57, 80), (70, 100, 60, 78), (0, 20, 0, 16), (0, 0, 0, 100)],
)
def test_known_intervals(right: float, n: int, low: int, high: int) -> None:
    assert [round(100 * end) for end in wilson(right, n)] == [low, high]


@given(st.integers(1, 300), st.data())
def test_half_a_success_lies_between(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n - 1))
    assert wilson(k, n)[0] <= wilson(k + 0.5, n)[0] <= wilson(k + 1, n)[0]
    assert wilson(k, n)[1] <= wilson(k + 0.5, n)[1] <= wilson(k + 1, n)[1]
    assert by_chance(k + 0.5, n) == by_chance(k, n)
    assert by_bad_luck(k + 0.5, n, 0.65) == by_bad_luck(k + 1, n, 0.65)


@pytest.mark.parametrize(("n", "fewest"), [(10, 9), (20, 15), (30, 20), (40, 26), (60, 37), (100, 59)])
def test_how_many_right_are_no_accident(n: int, fewest: int) -> None:
    assert by_chance(fewest, n) < 0.05 <= by_chance(fewest - 1, n)


@pytest.mark.parametrize(("n", "most"), [(10, None), (20, None), (39, None), (40, 20), (60, 32), (100, 56)])
def test_how_few_right_show_that_one_cannot_tell(n: int, most: int | None) -> None:
    """Below forty items nothing does."""
    assert max((right for right in range(n + 1) if is_not_told(right, n)), default=None) == most


def told(rng: Random, share: float, n: int) -> list[float]:
    return [float(rng.random() < share) for _ in range(n)]


@given(st.integers(0, 99), st.floats(0.2, 0.9), st.floats(0.2, 0.9), st.integers(5, 80))
@settings(max_examples=25)
def test_a_difference_mirrors_and_says_the_same_again(seed: int, one: float, two: float, n: int) -> None:
    rng = Random(seed)
    first, second = told(rng, one, n), told(rng, two, n)
    found, other = difference(first, second, seed=seed), difference(second, first, seed=seed)
    assert found == difference(first, second, seed=seed)
    assert found.low <= found.value <= found.high
    assert (found.value, found.p, found.is_decided) == (-other.value, other.p, other.is_decided)
    assert found.low == pytest.approx(-other.high)
    assert (found.more is None) == (found.is_decided or not found.value)
    assert found.more is None or found.more > 0


def test_a_difference_is_decided_only_where_test_and_interval_say_so() -> None:
    same = [1.0] * 40
    apart = difference([*same, *[1.0] * 20], [*same, *[0.0] * 20], seed=1)
    assert apart.is_decided
    assert apart.p == pytest.approx(2 / 2**20)
    assert apart.value == pytest.approx(1 / 3)
    few = difference([*same, *[1.0] * 5], [*same, *[0.0] * 5], seed=1)
    assert few.p == 2 / 2**5
    assert few.low > 0
    assert not few.is_decided
    assert difference(same, same, seed=1).more is None


def test_so_many_more_would_decide_in_four_of_five_tries() -> None:
    rng = Random(5)
    first, second = told(rng, 0.8, 60), told(rng, 0.7, 60)
    more = difference(first, second, seed=2).more
    assert more
    pairs = list(zip(first, second, strict=True))
    again = [list(zip(*rng.choices(pairs, k=60 + more), strict=True)) for _ in range(25)]
    assert sum(difference(one, two, seed=at).is_decided for at, (one, two) in enumerate(again)) >= 14


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_equal_ways_differ_in_nothing(right: list[float]) -> None:
    found = difference(right, right, seed=3)
    assert (found.value, found.low, found.high, found.p, found.is_decided) == (0, 0, 0, 1, False)
