"""Schedules like a person's: the formula, its bounds, and the same again from the same seed."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.config.models import PacingSettings
from secondme.core.messages import Pace
from secondme.core.send.pacing import plan_paces

texts = st.lists(st.text(max_size=40).map(lambda text: text * 30), max_size=5)
ago = st.none() | st.floats(0, 60)
seeds = st.integers(0, 2**32)
DEFAULT = PacingSettings()


class Always:
    """Chance that is no chance: always this far between the bounds."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, a: float, b: float, /) -> float:
        return a + (b - a) * self.share


def paces(lengths: list[int], since: float | None = None, share: float = 0.5, settings: PacingSettings = DEFAULT) -> list[Pace]:
    return plan_paces(["x" * length for length in lengths], since_last_reply_s=since, settings=settings, rng=Always(share))


@given(texts, ago, seeds)
def test_no_message_takes_less_than_the_least_or_more_than_the_most(parts: list[str], since: float | None, seed: int) -> None:
    start = 0.0
    for index, pace in enumerate(plan_paces(parts, since_last_reply_s=since, settings=DEFAULT, rng=Random(seed))):
        pause = DEFAULT.pause_max_s if index == 0 and since is not None else 0.0
        assert DEFAULT.min_s <= pace.due_after_s - start + 1e-9
        assert pace.due_after_s - start <= DEFAULT.max_s + pause + 1e-9
        start = pace.due_after_s


@given(texts, ago, seeds, st.floats(0, 10))
def test_each_is_typed_after_the_one_before_has_left(parts: list[str], since: float | None, seed: int, scale: float) -> None:
    settings = PacingSettings(scale=scale)
    planned = plan_paces(parts, since_last_reply_s=since, settings=settings, rng=Random(seed))
    moments = [moment for pace in planned for moment in (pace.typing_after_s, pace.due_after_s)]
    assert len(planned) == len(parts)
    assert all(moment >= -1e-9 for moment in moments)
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(moments))


@given(texts, ago, seeds)
def test_the_same_seed_gives_the_same_schedule(parts: list[str], since: float | None, seed: int) -> None:
    one, two = (plan_paces(parts, since_last_reply_s=since, settings=DEFAULT, rng=Random(seed)) for _ in range(2))
    assert one == two


@given(texts, ago, seeds)
def test_without_pacing_everything_leaves_at_once(parts: list[str], since: float | None, seed: int) -> None:
    planned = plan_paces(parts, since_last_reply_s=since, settings=PacingSettings(enabled=False), rng=Random(seed))
    assert planned == [Pace(0.0, 0.0)] * len(parts)


@pytest.mark.parametrize(("length", "expected_s"), [(0, 2.0), (10, 4.4), (50, 14.0), (60, 16.4), (100, 20.0)])
def test_a_short_text_takes_thinking_and_240_ms_a_character(length: int, expected_s: float) -> None:
    assert paces([length])[0].due_after_s == pytest.approx(expected_s)


@pytest.mark.parametrize(("length", "typing_s"), [(100, 1.0), (200, 1.8), (350, 2.625), (600, 3.0), (1000, 5.0)])
def test_a_longer_text_is_typed_faster_up_to_twice(length: int, typing_s: float) -> None:
    settings = PacingSettings(typing_s_per_character=0.01)
    assert paces([length], settings=settings)[0].due_after_s == pytest.approx(2.0 + typing_s)


@pytest.mark.parametrize(("share", "expected_s"), [(0.0, (1 + 2.4) * 0.85), (0.5, 2 + 2.4), (1.0, (3 + 2.4) * 1.15)])
def test_jitter_stretches_the_whole_by_15_percent(share: float, expected_s: float) -> None:
    assert paces([10], share=share)[0].due_after_s == pytest.approx(expected_s)


@pytest.mark.parametrize(("since", "pause_s"), [(None, 0.0), (0.0, 3.5), (2.0, 1.5), (3.5, 0.0), (20.0, 0.0), (30.1, 0.0)])
def test_a_reply_soon_after_the_last_takes_a_pause_more(since: float | None, pause_s: float) -> None:
    assert paces([1000], since)[0].due_after_s == pytest.approx(20.0 + pause_s)


def test_the_pause_and_the_thinking_are_the_first_messages_only() -> None:
    first, second = paces([10, 10], 0.0)
    assert first.due_after_s == pytest.approx(4.4 + 3.5)
    assert second.due_after_s - first.due_after_s == pytest.approx(2.4)


def test_typing_shows_after_the_thinking() -> None:
    first, second = paces([10, 10])
    assert (first.typing_after_s, first.due_after_s) == (pytest.approx(2.0), pytest.approx(4.4))
    assert second.typing_after_s == pytest.approx(first.due_after_s)


def test_the_scale_multiplies_everything() -> None:
    whole, tenth = paces([10, 300], 1.0), paces([10, 300], 1.0, settings=PacingSettings(scale=0.1))
    assert [pytest.approx(pace.due_after_s / 10) for pace in whole] == [pace.due_after_s for pace in tenth]
    assert [pytest.approx(pace.typing_after_s / 10) for pace in whole] == [pace.typing_after_s for pace in tenth]


SEEDS = 20_000
FAR = 0.0155
"""The farthest that 20,000 samples stray from their distribution, but once in 7,000 times (Dvoretzky, Kiefer and Wolfowitz)."""
UNBOUNDED = PacingSettings(min_s=0, max_s=100_000)
TYPING_S = {0: 0.0, 5: 1.2, 20: 4.8, 60: 14.4, 100: 24.0, 150: 34.2, 350: 63.0, 600: 72.0, 3000: 360.0}
"""240 ms a character; for each 100 over the first, a tenth less, at most half."""


def firsts(length: int, since: float | None = None, settings: PacingSettings = DEFAULT) -> list[float]:
    """When a text of this length leaves, for each seed, sorted."""
    text = "x" * length
    return sorted(
        plan_paces([text], since_last_reply_s=since, settings=settings, rng=Random(seed))[0].due_after_s for seed in range(SEEDS)
    )


def share_until(seconds: float, typing_s: float, low: float, high: float) -> float:
    """What share of the formula's results is at most `seconds`: thinking in closed form, jitter in thousand steps."""
    if seconds < low or seconds >= high:
        return float(seconds >= high)
    steps = 1000
    jitters = (0.85 + 0.3 * (number + 0.5) / steps for number in range(steps))
    return sum(min(1.0, max(0.0, (seconds / jitter - typing_s - 1) / 2)) for jitter in jitters) / steps


def farthest(sample: list[float], typing_s: float, low: float = 0.5, high: float = 20.0) -> float:
    """How far the sample's quantiles are from the formula's, as a share; at each hundredth of them."""
    places = [SEEDS * hundredth // 100 for hundredth in range(1, 100)]
    return max(
        abs((place + 1) / SEEDS - share_until(sample[place], typing_s, low, high)) for place in places if low < sample[place] < high
    )


@pytest.mark.parametrize("length", [0, 5, 20, 60])
def test_the_spread_is_the_formulas_within_its_bounds(length: int) -> None:
    sample, typing_s = firsts(length), TYPING_S[length]
    assert DEFAULT.min_s <= sample[0]
    assert sample[-1] <= DEFAULT.max_s
    assert farthest(sample, typing_s) < FAR
    at_most = sample.count(DEFAULT.max_s) / SEEDS
    assert abs(at_most - (1 - share_until(DEFAULT.max_s - 1e-9, typing_s, 0.5, 20.0))) < FAR


@pytest.mark.parametrize("length", [100, 150, 350, 600, 3000])
def test_the_spread_of_longer_texts_is_the_formulas_where_nothing_bounds_it(length: int) -> None:
    sample, typing_s = firsts(length, settings=UNBOUNDED), TYPING_S[length]
    assert farthest(sample, typing_s, 0.0, 100_000.0) < FAR
    middle = 2 + typing_s
    deviation = ((4 / 12 + middle**2) * (1 + 0.09 / 12) - middle**2) ** 0.5  # of a product of two independent uniform numbers
    assert sum(sample) / SEEDS == pytest.approx(middle, abs=4 * deviation / SEEDS**0.5)
    assert (1 + typing_s) * 0.85 <= sample[0]
    assert sample[-1] <= (3 + typing_s) * 1.15


@pytest.mark.parametrize("since", [0.0, 3.0, 5.0, 30.0])
def test_the_pause_after_a_reply_is_what_is_left_of_two_to_five_seconds(since: float) -> None:
    pauses = [due - DEFAULT.max_s for due in firsts(3000, since)]  # the rest of it is always the most
    assert pauses[0] >= 0
    assert pauses[-1] <= max(0.0, 5 - since)
    for hundredth in range(1, 100):
        expected = max(0.0, 2 + 3 * hundredth / 100 - since)
        assert pauses[SEEDS * hundredth // 100] == pytest.approx(expected, abs=3 * FAR)


def test_nothing_is_under_the_least_or_over_the_most_where_the_formula_would_be() -> None:
    tight = PacingSettings(min_s=2.5, max_s=3.0)
    for sample in (firsts(0, settings=tight), firsts(3000, settings=tight), firsts(0, 0.0, settings=tight)):
        assert sample[0] >= 2.5
    assert firsts(0, settings=tight)[-1] == firsts(3000, settings=tight)[0] == 3.0
    assert 3.0 < firsts(0, 0.0, settings=tight)[-1] <= 8.0


def test_several_messages_leave_in_order_each_typed_after_the_one_before_has_left() -> None:
    lengths = [40, 3, 700, 0, 120]
    for seed in range(2000):
        planned = plan_paces(["x" * length for length in lengths], since_last_reply_s=1.0, settings=DEFAULT, rng=Random(seed))
        left = 0.0
        for number, (length, pace) in enumerate(zip(lengths, planned, strict=True)):
            took = pace.due_after_s - left
            assert left - 1e-9 <= pace.typing_after_s <= pace.due_after_s
            assert DEFAULT.min_s - 1e-9 <= took <= DEFAULT.max_s + (4.0 if number == 0 else 0.0) + 1e-9
            if number and length < 80:
                assert max(0.5, 0.24 * length * 0.85) - 1e-9 <= took <= max(0.5, 0.24 * length * 1.15) + 1e-9
            left = pace.due_after_s
