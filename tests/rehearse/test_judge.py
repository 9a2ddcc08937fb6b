# ruff: noqa: RUF001  texts of many scripts
"""The judge tells strangers from the owner, not the owner from the owner, and no odd text breaks it."""

import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearse.writers import ANA, GENERIC, OWNERS, Writer, some, surface_fixed

from secondme.core.rehearse.features import FEATURES, features, grams, laughter, rate
from secondme.core.rehearse.judge import judge

TERSE = replace(ANA, length=2, split=0)
STRANGE = [
    "",
    " ",
    "😂😂👨‍👩‍👧❤️",
    "שלום, מה נשמע? חחח",
    "今天不行，明天吧！哈哈",
    "a" * 4000,
    "word " * 800,
    "\n\n",
    "\u202eabc",
    "нет, ага)",
    "ok",
]


@pytest.mark.heavy  # two hundred judgements
def test_the_owner_against_themselves_is_a_coin() -> None:
    """A pair that is held out is a pair of equals, whatever was learned."""
    shares = [
        judge(some(TERSE, 10, 3 * seed), some(TERSE, 30, 3 * seed + 1), some(TERSE, 30, 3 * seed + 2), seed=seed).share
        for seed in range(200)
    ]
    assert 0.45 <= fmean(shares) <= 0.55


@pytest.mark.parametrize("name", OWNERS)
def test_the_order_of_those_who_answer_instead(name: str) -> None:
    owner = OWNERS[name]
    friend = OWNERS["ivo" if name == "ben" else "ben"]

    def told(write: list[list[str]]) -> float:
        return fmean(
            judge(some(owner, 60, 10 + at), some(owner, 40, 20 + at), texts, seed=at).share for at, texts in enumerate(write)
        )

    itself = told([some(owner, 40, 30 + at) for at in range(2)])
    half = told([[*some(owner, 20, 40 + at), *some(friend, 20, 50 + at)] for at in range(2)])
    other = told([some(friend, 40, 60 + at) for at in range(2)])
    assert itself < half < other
    assert told([some(GENERIC, 40, 70)]) > 0.9
    assert told([["Sounds good!"] * 40]) > 0.95
    assert told([some(surface_fixed(owner), 40, 80)]) > 0.75


def test_whoever_repeats_old_answers_passes_the_judge() -> None:
    """Why what is copied is counted."""
    past = some(ANA, 200, 1)
    assert judge(past, some(ANA, 60, 2), Random(3).sample(past, 60)).share < 0.6


@given(st.lists(st.one_of(st.sampled_from(STRANGE), st.text(max_size=40)), max_size=6), st.integers(0, 9))
@settings(max_examples=12)
def test_equal_texts_cannot_be_told(texts: list[str], seed: int) -> None:
    assert judge(STRANGE[seed:], texts, texts, seed=seed).right == (0.5,) * len(texts)


@given(st.permutations(range(13)), st.integers(0, 5))
@settings(max_examples=8)
def test_the_order_of_pairs_and_of_the_past_changes_nothing(order: list[int], seed: int) -> None:
    past, real, other = some(ANA, 13, 1), some(ANA, 13, 2), some(surface_fixed(ANA), 13, 3)
    right = judge(past, real, other, seed=seed).right
    shuffled = judge([past[at] for at in order], [real[at] for at in order], [other[at] for at in order], seed=seed)
    assert shuffled.right == tuple(right[at] for at in order)


def test_without_a_past_it_matters_not_who_is_called_the_owner() -> None:
    real, other = some(ANA, 25, 1), some(surface_fixed(ANA), 25, 2)
    assert judge([], real, other).right == judge([], other, real).right


def test_strange_texts_are_judged_like_others() -> None:
    plain = ["fine, see you"] * len(STRANGE)
    told = judge(some(ANA, 20, 1), plain, STRANGE)
    assert len(told.right) == len(STRANGE)
    assert told.share > 0.5
    assert judge([], [], []).share == 0.5
    assert judge(["x"], ["a"], ["b"]).right in {(0.0,), (0.5,), (1.0,)}


def test_the_hash_seed_of_python_changes_nothing() -> None:
    code = (
        "from rehearse.writers import *; from secondme.core.rehearse.judge import judge;"
        "print(judge(some(ANA, 30, 1), some(ANA, 20, 2), some(ANA, 20, 3), seed=4).right)"
    )
    root = Path(__file__).parents[2]
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{root / 'tests'}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert len(told.pop().split(",")) > 10


def test_a_hundred_pairs_take_little_memory() -> None:
    texts = some(TERSE, 400, 5)
    tracemalloc.start()
    judge(texts[:200], texts[200:300], [text * 20 for text in texts[300:]])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        (
            "laughter",
            "jajaja que va|hahaha|xD|lol|хахаха|哈哈|ㅋㅋㅋ|חחח|هههه|kkkk|rsrs|wwww|เยี่ยม 555|ahahah|mdr",
            "ok|www.example.org|lola|that|555",
        ),
        ("commas", "a, b|是，吧|نعم، غدا", "a b"),
        ("questions", "ya?|真的？|حقا؟", "ya"),
        ("full_stop", "Yes.|好。|हाँ।", "Yes|hm..|wait..."),
        ("open_end", "yes|כן|好", "yes.|yes 😂|"),
        ("small_start", "hi|😂 hi|он", "Hi|שלום|123"),
        ("all_small", "see you|ну да", "See you|ok|"),
        ("capital_words", "so GOOD", "I do|so good"),
        ("stretched", "siiii|noooo", "book|!!!"),
        ("lines", "a\nb", "a\n|a"),
        ("doubled_marks", "what?!|no!!|真的？？", "what?"),
        ("apostrophes", "don't|don’t", "dont"),
        ("emoji", "ok 😂|❤️|🇪🇸", "ok :)|"),
        ("digits", "at 5|٥", "at five"),
        ("links", "see https://example.org", "see"),
        ("rare_marks", "so: yes|“no”|a – b", "so yes"),
        ("brackets", "(no)|（好）", "no"),
        ("ellipsis", "hm...|hm…", "hm.."),
        ("exclamations", "no!|好！", "no"),
    ],
)
def test_a_habit_is_seen_in_any_script(name: str, yes: str, no: str) -> None:
    at = [feature.name for feature in FEATURES].index(name)
    assert [text for text in yes.split("|") if not features(text)[at]] == []
    assert [text for text in no.split("|") if features(text)[at]] == []


def test_there_are_twenty_three_habits_each_with_words() -> None:
    assert len({feature.name for feature in FEATURES}) == len({feature.thing for feature in FEATURES}) == 23
    columns = zip(*map(features, ["Yes, haha", "no"]), strict=True)
    sums = {feature.name: feature.say(feature.sum_up(column)) for feature, column in zip(FEATURES, columns, strict=True)}
    assert sums["commas"] == sums["laughter"] == "in every second answer"
    assert sums["emoji"] == "never"
    assert sums["open_end"] == "in every answer"
    assert sums["length"] == "4 characters"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "never"), (0.004, "never"), (1 / 40, "in 1 of 40 answers"), (0.1, "in every tenth answer"), (1 / 8, "in every eighth answer"),
        (0.34, "in every third answer"), (0.5, "in every second answer"), (0.66, "in two of three answers"), (0.75, "in three of four answers"),
        (0.81, "in four of five answers"), (0.9, "in nine of ten answers"), (1, "in every answer"),
    ],
)  # fmt: skip
def test_a_share_is_said_as_a_person_would(share: float, words: str) -> None:
    assert rate(share) == words


def test_runs_of_characters_are_counted_in_the_first_four_hundred() -> None:
    assert grams("ab") == {
        "\x02": 1,
        "a": 1,
        "b": 1,
        "\x03": 1,
        "\x02a": 1,
        "ab": 1,
        "b\x03": 1,
        "\x02ab": 1,
        "ab\x03": 1,
        "\x02ab\x03": 1,
    }
    assert grams("a  \n b") == grams("a b")
    assert grams("x" * 400) == grams("x" * 4000)


def test_laughter_is_told_as_it_is_spelt() -> None:
    assert laughter(["Jajaja no", "jajajajaja", "hahaha"]) == "jaja"
    assert laughter(["no"]) == ""
    assert isinstance(Writer(("a",)).write(Random(1)), str)
