"""Who asks whether a machine is speaking, who denies it and who says so, in every language of the rules."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reply.corpus_reading import lines, table

from secondme.core.reply.disclosure import admits_being_machine, asks_if_machine, denies_being_machine

SET = {name: lines(listed) for name, listed in table("disclosure").items()}
ORDINARY = [text for listed in table("ordinary").values() for text in lines(listed)]


@pytest.mark.parametrize("text", SET["asks"])
def test_a_sincere_question_is_noticed(text: str) -> None:
    assert asks_if_machine([text])


@pytest.mark.parametrize("text", SET["other"])
def test_a_question_about_something_else_is_none(text: str) -> None:
    assert not asks_if_machine([text])


def test_ordinary_messages_ask_nothing_of_the_kind() -> None:
    asking = [text for text in ORDINARY if asks_if_machine([text])]
    print(
        f"\n{len(asking)} of {len(ORDINARY)} ordinary messages taken for the question; {len(SET['asks'])} of {len(SET['asks'])} questions noticed"
    )
    assert asking == []


@pytest.mark.parametrize(
    "burst",
    [
        ["are you", "a bot?"],
        ["hey", "are you a bot?", "hello?"],
        ["x " * 5000 + "are you a bot?"],
        ["are you a bot?" + " x" * 5000],
    ],
)
def test_a_question_is_noticed_wherever_it_stands_in_a_burst(burst: list[str]) -> None:
    assert asks_if_machine(burst)


def test_a_burst_without_words_asks_nothing() -> None:
    assert not asks_if_machine([])
    assert not asks_if_machine([""])


@pytest.mark.parametrize("text", SET["denies"])
def test_a_denial_is_noticed_and_is_no_admission(text: str) -> None:
    assert denies_being_machine(text)
    assert not admits_being_machine(text)


@pytest.mark.parametrize("text", SET["admits"])
def test_an_admission_is_noticed_and_is_no_denial(text: str) -> None:
    assert admits_being_machine(text)
    assert not denies_being_machine(text)


@pytest.mark.parametrize("text", SET["neither"])
def test_an_evasion_is_neither(text: str) -> None:
    assert not admits_being_machine(text)
    assert not denies_being_machine(text, asked=False)


@pytest.mark.parametrize("text", ["it's me", "I'm human", "ich bin's", "это я"])
def test_what_people_say_without_a_question_is_a_denial_only_after_one(text: str) -> None:
    assert denies_being_machine(text, asked=True)
    assert not denies_being_machine(text, asked=False)


@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_text_can_be_looked_at(texts: list[str]) -> None:
    assert asks_if_machine(texts) in {True, False}
    for text in texts:
        assert not (admits_being_machine(text) and denies_being_machine(text))


@given(st.sampled_from(SET["asks"]), st.sampled_from(["", "  ", "\u200b", "!!", "\n", "hey. ", "ok, "]), st.booleans())
def test_what_stands_around_a_question_hides_nothing(text: str, around: str, loud: bool) -> None:
    assert asks_if_machine([around + (text.upper() if loud and text.isascii() else text)])


def test_the_worst_text_costs_little_time() -> None:
    pieces = (
        "are you ",
        "are a an the just really bot ",
        "im ",
        "你是",
        "i am not ",
        "a ",
        "ты ",
        "bot ",
        ". ",
        "é",
        "a.i.",
        "x x x ",
    )
    cost = {}
    for piece in pieces:
        texts = [(piece * 70_000)[:65_536]] * 10
        began = time.process_time()
        asks_if_machine(texts)
        denies_being_machine(texts[0])
        cost[piece] = (time.process_time() - began) * 1e3
    print(f"\nten messages of 64 KB: {max(cost.values()):.1f} ms with {max(cost, key=lambda each: cost[each])!r}")
    assert max(cost.values()) < 1000
