"""Numbers as a person reads them: one table for the whole house."""

from datetime import timedelta

import pytest

from secondme.core.format import counted, money, size, span
from secondme.core.text import did_you_mean


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (2048, "2.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (120_400, "120 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (3_500_000, "3.5 MB"),
        (64 * 1024**2, "67 MB"),
        (2 * 10**9, "2.0 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_a_size_is_spelt_one_way_and_decimal(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "$0.00"),
        (1, "$0.0001"),
        (4_200, "$0.0042"),
        (9_999, "$0.0100"),
        (10_000, "$0.01"),
        (1_840_000, "$1.84"),
        (1_204_000_000, "$1,204.00"),
    ],
)
def test_money_is_never_told_as_nothing(micros: int, words: str) -> None:
    assert money(micros) == words


def test_counts_spans_and_near_words() -> None:
    assert [counted(number, "reply", "replies") for number in (0, 1, 2)] == ["0 replies", "1 reply", "2 replies"]
    assert [span(timedelta(seconds=each)) for each in (-5, 59, 60, 3599, 7200, 90_000)] == [
        "0 s",
        "59 s",
        "1 min",
        "59 min",
        "2 h",
        "1 d",
    ]
    assert did_you_mean("Telegarm", ["telegram", "local"], "else") == "Did you mean telegram?"
    assert did_you_mean("xyz", ["telegram"], "else") == "else"
    assert did_you_mean("bat", ["cat", "hat", "dog"], most=3) == "Did you mean hat or cat?"
