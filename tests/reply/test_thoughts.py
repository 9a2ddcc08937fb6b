"""Thoughts that a server passes on: taken off where words follow, and found where none do."""

# ruff: noqa: RUF001 - brackets of many scripts

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reply.corpus_reading import lines, table

from secondme.core.reply.checks import THOUGHTS, Instructions, find_fault, tidy
from secondme.core.reply.thoughts import has_thoughts, without_thoughts

WORDS = "Sure, see you Friday."
THOUGHT = "She asks about Friday.\n\nI should say yes (I am free)."
BRACKETS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<thinking>", "</thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("<think about='it'>", "</think>"),
    ("<thinking mode=deep>", "</thinking >"),
    ("< think >", "< / think >"),
    ("[thinking]", "[/thinking]"),
    ("[THINK]", "[/THINK]"),
    ("[thinking]", "[end thinking]"),
    ("{thinking}", "{/thinking}"),
    ("(thinking)", "(/thinking)"),
    ("【思考】", "【/思考】"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<analysis>", "</analysis>"),
]
cases = st.sampled_from([str.upper, str.lower, str.title, str])
brackets = st.sampled_from(BRACKETS)
ordinary = st.sampled_from([WORDS, "Нет, завтра.", "好的，周五见。", "1. Milk\n2. Eggs", "ok 👋🏽"])


@pytest.mark.parametrize(
    "text",
    [
        f"(thinking: she asks about Friday)\n{WORDS}",
        f"(Thinking: she asks (again) about Friday.) {WORDS}",
        f"[Thought: she asks\nabout Friday]\n{WORDS}",
        f"*thinking: hm, Friday* {WORDS}",
        f"Thought: she asks about Friday. Reply: {WORDS}",
        f"Thought: she asks about Friday.\nReply: {WORDS}",
        f"**Thinking:** Friday it is.\n\n**Final answer:** {WORDS}",
        f"Reasoning: Friday is free.\n\nMessage:\n{WORDS}",
        f"Gedanken: Freitag passt.\nAntwort: {WORDS}",
        f"思考：周五有空。\n回复：{WORDS}",
        f"She asks about Friday, which is free.</think>\n\n{WORDS}",
        f"<think>a <think>b</think> c</think>{WORDS}",
        f"<think></think>\n\n{WORDS}",
        f"<think>x</think><answer>{WORDS}</answer>",
        f"<|START_THINKING|>x<|END_THINKING|><|START_RESPONSE|>{WORDS}<|END_RESPONSE|>",
        f"<|begin_of_thought|>x<|end_of_thought|><|begin_of_solution|>{WORDS}<|end_of_solution|>",
        f"<|channel|>analysis<|message|>Friday<|end|><|start|>assistant<|channel|>final<|message|>{WORDS}<|return|>",
        f'<think>x</think>\n"{WORDS}"',
        f"<think>she asks <answer>{WORDS}</answer>",
        f"[Thought] she asks [Reply] {WORDS}",
        f"<thinking>she asks\n**Reply:** {WORDS}",
        f'<details type="reasoning" done="true"><summary>Thought</summary>x</details>{WORDS}',
        f"```thinking\nshe asks\n```\n{WORDS}",
        f"Thinking...\nShe asks about Friday.\n...done thinking.\n\n{WORDS}",
    ],
)
def test_words_behind_thoughts_are_left_alone(text: str) -> None:
    assert tidy(text, "Sam") == WORDS


@given(brackets, cases, ordinary)
def test_no_bracket_hides_the_words(bracket: tuple[str, str], case: object, words: str) -> None:
    opening, closing = (case(each) for each in bracket)  # type: ignore[operator]
    assert tidy(f"{opening}{THOUGHT}{closing}\n\n{words}") == words
    assert tidy(f"{words}\n{opening}{THOUGHT}{closing}") == words
    assert tidy(f"{THOUGHT}{closing}{words}") == words
    both = f"{opening}{THOUGHT}{closing}{words} {opening}{THOUGHT}{closing}{words}"
    assert tidy(both) == f"{words} {words}"


@given(brackets, cases, ordinary)
def test_thoughts_that_nothing_follows_are_a_fault(bracket: tuple[str, str], case: object, words: str) -> None:
    opening, closing = (case(each) for each in bracket)  # type: ignore[operator]
    for text in (
        f"{opening}{THOUGHT}",
        f"{opening}{THOUGHT} {words}",
        f"{opening}{THOUGHT}{closing}",
        f"{words}\n{opening}{THOUGHT}",
        f"{words}{opening}{THOUGHT}{closing}{words}{closing}{words}",
    ):
        assert find_fault(tidy(text), Instructions()) == THOUGHTS


@pytest.mark.parametrize(
    "text", ["Sure. <thi", "Sure. <think", "Sure. ◁think", "Thought: she asks.", "(thinking: she asks", "Thinking: hm\n\nSure."]
)
def test_thoughts_that_cannot_be_told_from_words_are_a_fault(text: str) -> None:
    assert (find_fault(tidy(text), Instructions()) is not None) is (text != "Sure. <thi")


def test_ordinary_replies_are_left_as_they_are() -> None:
    texts = [text for listed in table("ordinary").values() for text in lines(listed)]
    texts += [
        "(thinking of you!)",
        "(Reason: the train)",
        "Reason: I am ill",
        "My thoughts: go for it!",
        "[analysis.pdf]",
        "I think: no",
        "Answer: 42",
        "Thinking... ok",
        "(details) to follow",
    ]
    assert [text for text in texts if without_thoughts(text) != text or has_thoughts(text)] == []


@given(
    st.lists(
        st.sampled_from([each for pair in BRACKETS for each in pair] + [WORDS, "\n", "Reply: ", "Thought: ", "(thinking: "])
    ).map("".join)
)
def test_it_is_repeatable(text: str) -> None:
    assert without_thoughts(without_thoughts(text)) == without_thoughts(text)


@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "(thinking: ",
        "\n(thinking: ",
        "</think>",
        "Thought: a. Reply: ",
        "<",
        "<|",
        " ",
        "<think ",
        "[thinking]x",
        "(thinking: ()",
        "```thinking\n",
        "<think>[reply]",
        "thinking... ",
    ],
)
def test_its_time_grows_with_length_alone(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.perf_counter()
    without_thoughts(text)
    has_thoughts(text)
    assert time.perf_counter() - began < 5
