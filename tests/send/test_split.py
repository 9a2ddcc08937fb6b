"""One reply as several messages, with nothing lost."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.send.split import COMFORTABLE, LIMIT, split_reply

words = st.text(st.sampled_from("ab .!?\n\t…。👋🏽é"), max_size=30)
long_texts = st.lists(st.tuples(words, st.integers(1, 400)), max_size=6).map(lambda parts: "".join(word * n for word, n in parts))
anything = st.text(max_size=200) | long_texts


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(anything)
def test_nothing_is_lost_but_white_space(text: str) -> None:
    assert "".join("".join(split_reply(text)).split()) == "".join(text.split())


@given(anything)
def test_no_part_is_empty_or_longer_than_a_platform_takes(text: str) -> None:
    for part in split_reply(text):
        assert part.strip()
        assert units(part) <= LIMIT


@given(st.text(max_size=COMFORTABLE))
def test_a_short_text_stays_whole(text: str) -> None:
    assert split_reply(text) == ([text.strip()] if text.strip() else [])


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\t \u3000"])
def test_nothing_is_no_message(text: str) -> None:
    assert split_reply(text) == []


def test_paragraphs_are_messages_and_short_neighbours_share_one() -> None:
    long, short = "word " * 90 + "end.", "Just a line."
    assert split_reply(f"{long}\n\n{short}\n \n{long}\n\n{short}") == [f"{long}\n\n{short}", f"{long}\n\n{short}"]


def test_one_long_paragraph_is_one_message_while_a_platform_takes_it() -> None:
    text = "A sentence of some length. " * 140
    assert split_reply(text) == [text.strip()]


def test_a_paragraph_over_the_limit_is_cut_between_sentences() -> None:
    sentence = "This is number one of many sentences."
    parts = split_reply(" ".join([sentence] * 300))
    assert len(parts) > 1
    assert all(part.startswith("This is") and part.endswith("sentences.") for part in parts)


def test_a_sentence_over_the_limit_is_cut_between_words() -> None:
    parts = split_reply("word " * 3000)
    assert {word for part in parts for word in part.split(" ")} == {"word"}


def test_a_word_over_the_limit_is_cut_between_characters() -> None:
    parts = split_reply("👋" * 5000)
    assert [len(part) for part in parts] == [2000, 2000, 1000]


@given(anything)
def test_every_part_stands_in_the_text_as_it_is_and_between_two_is_only_white_space(text: str) -> None:
    at = 0
    for part in split_reply(text):
        start = text.index(part, at)
        assert text[at:start].strip() == ""
        at = start + len(part)
    assert text[at:].strip() == ""


CHARACTERS = (
    "a",
    "é",
    "e\u0301",
    "ß",
    "漢",
    "한",
    "각",
    "กำ",
    "ที่",
    "क्षि",
    "த்",
    "שָׁ",
    "مَّ",
    "👋",
    "👋🏽",
    "👨‍👩‍👧‍👦",
    "👩🏽‍🚀",
    "🏳️‍🌈",
    "🇩🇪",
    "1️⃣",
    "❤️",
)
"""Each is one character to who reads it (Unicode UAX #29)."""
WHOLE = re.compile("|".join(sorted((re.escape(each) for each in CHARACTERS), key=len, reverse=True)) + r"|\s|[.。]")
text_of = st.lists(st.tuples(st.sampled_from([*CHARACTERS, " ", "\n", ". ", "。"]), st.integers(1, 900)), min_size=1, max_size=8)


@given(text_of)
def test_no_character_is_cut_in_any_script(pieces: list[tuple[str, int]]) -> None:
    for part in split_reply("".join(word * n for word, n in pieces)):
        assert WHOLE.sub("", part) == ""
        assert units(part) <= LIMIT


lines = st.lists(
    st.sampled_from(["1. Milk", "- عربى" * 9, "買い物をする。" * 40, "A longer line, of several words." * 12, "👨‍👩‍👧‍👦" * 60]),
    min_size=1,
    max_size=20,
)


@given(lines)
def test_lines_stay_whole_while_a_platform_takes_them(few: list[str]) -> None:
    some = few * 40
    parts = split_reply("\n".join(some))
    assert [line.strip() for part in parts for line in part.split("\n")] == [line.strip() for line in some]
    assert all(units(f"{one}\n{next_.partition(chr(10))[0]}") > LIMIT for one, next_ in pairwise(parts))


@pytest.mark.parametrize(
    "text",
    [
        "Shopping:\n" + "\n".join(f"{i}. Item number {i} from the market, the good one." for i in range(1, 120)),
        "\n".join(f"Line {i} is short." for i in range(300)),
    ],
)
def test_a_long_list_keeps_its_lines(text: str) -> None:
    parts = split_reply(text)
    assert "\n".join(parts) == text
    assert len(parts) == -(-units(text) // LIMIT)


def test_full_width_sentences_are_cut_without_a_space_between_them() -> None:
    sentence = "明日の朝九時に駅の前で待っています。"
    parts = split_reply(sentence * 400)
    assert all(part == sentence * (len(part) // len(sentence)) for part in parts)
    assert len(parts) == 2


def test_one_character_that_is_longer_than_a_platform_takes_is_cut_all_the_same() -> None:
    assert [units(part) for part in split_reply("a" + "\u0301" * 5000)] == [4000, 1001]


def test_many_paragraphs_become_few_messages() -> None:
    parts = split_reply("\n\n".join(f"Paragraph {number}. " + "x" * 500 for number in range(12)))
    assert len(parts) <= 8


@pytest.mark.parametrize(
    "text", ["a" * 2000 + "\n" * 3000 + "b" * 2000, "a" * 1999 + "\t" * 4001 + "b", "a" * 5000 + "\n \n" * 3000]
)
def test_a_desert_of_white_space_is_no_message(text: str) -> None:
    assert all(part.strip() for part in split_reply(text))


@pytest.mark.parametrize("entity", ["https://example.org/" + "a" * 900, "@" + "name" * 8, "#" + "topic" * 10, "👨‍👩‍👧‍👦"])
def test_what_a_platform_makes_a_link_of_is_never_cut(entity: str) -> None:
    text = " ".join(f"{word} {entity}" for word in ["one", "two", "three"] * 200)
    parts = split_reply(text)
    assert len(parts) > 1
    assert sum(part.split().count(entity) for part in parts) == 600
    assert all(len(part.encode("utf-16-le")) // 2 <= 4096 for part in parts)
