"""Numbers as a person reads them: one table for the whole house."""

from datetime import timedelta

import pytest

from secondme.core.format import counted, size, span
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
