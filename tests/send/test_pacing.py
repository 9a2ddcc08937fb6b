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


@pytest.mark.parametrize(
    ("length", "expected_s"),
    [(0, 2.0), (10, 4.4), (50, 14.0), (60, 16.4), (100, 20.0)],
)
def test_a_short_text_takes_thinking_and_240_ms_a_character(length: int, expected_s: float) -> None:
    assert paces([length])[0].due_after_s == pytest.approx(expected_s)


@pytest.mark.parametrize(("length", "typing_s"), [(100, 1.0), (200, 1.8), (350, 2.625), (600, 3.0), (1000, 5.0)])
def test_a_longer_text_is_typed_faster_up_to_twice(length: int, typing_s: float) -> None:
    settings = PacingSettings(typing_s_per_character=0.01)
    assert paces([length], settings=settings)[0].due_after_s == pytest.approx(2.0 + typing_s)


@pytest.mark.parametrize(("share", "expected_s"), [(0.0, (1 + 2.4) * 0.85), (0.5, 2 + 2.4), (1.0, (3 + 2.4) * 1.15)])
def test_jitter_stretches_the_whole_by_15_percent(share: float, expected_s: float) -> None:
    assert paces([10], share=share)[0].due_after_s == pytest.approx(expected_s)


@pytest.mark.parametrize(
    ("since", "pause_s"),
    [(None, 0.0), (0.0, 3.5), (2.0, 1.5), (3.5, 0.0), (20.0, 0.0), (30.1, 0.0)],
)
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
