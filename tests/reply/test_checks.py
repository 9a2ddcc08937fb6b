"""The last look before anything can leave: what must not pass, and what must not be held back."""

# ruff: noqa: RUF001 - texts of many scripts

import base64
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reply.corpus_reading import lines, table

from secondme.core.reply import checks, disclosure
from secondme.core.reply.checks import MOST_CHARACTERS, Fault, FaultKind, Instructions, find_fault, prepare, tidy

GUIDE = (
    "You write for Sam.\n<style_guide>\nKeep your sentences short and dry, never more than two of them, this is a list of facts for Anna to "
    "keep in memory.\n请用简短干练的句子回答，每次最多两句话，不要使用表情符号。\n</style_guide>"
)
TOLD = Instructions(
    system=(GUIDE, '<owner_notes>{"name": "Anna"}</owner_notes>'), contact_ids=frozenset({"4915112345678@c.us", "telegram:4711"})
)
ORDINARY = {language: lines(listed) for language, listed in table("ordinary").items()}
FAULTS = {FaultKind(kind): lines(listed) for kind, listed in table("faults").items()}
BAD = [(kind, text) for kind, texts in FAULTS.items() for text in texts]
MOST_MS = 400
"""For one text of the greatest length; ten times what is measured."""


def found(text: str, told: Instructions = TOLD) -> FaultKind | None:
    fault = find_fault(text, told)
    return fault.kind if fault else None


def test_no_ordinary_reply_is_held_back() -> None:
    texts = [(language, text) for language, listed in ORDINARY.items() for text in listed]
    held = [(language, text, fault) for language, text in texts if (fault := find_fault(tidy(text, "Sam"), TOLD))]
    print(f"\n{len(held)} of {len(texts)} ordinary replies in {len(ORDINARY)} languages held back")
    assert len(texts) >= 300
    assert len(ORDINARY) >= 10
    assert held == []


def test_every_bad_reply_is_found_for_what_it_is() -> None:
    counts = Counter(kind for kind, _ in BAD)
    missed = [(kind, text) for kind, text in BAD if found(text if kind is FaultKind.MARKUP else tidy(text, "Sam")) is not kind]
    print(
        f"\n{len(BAD) - len(missed)} of {len(BAD)} bad replies found: {', '.join(f'{kind} {count}' for kind, count in counts.items())}"
    )
    assert len(BAD) >= 200
    assert missed == []


@pytest.mark.parametrize(
    "kind", [FaultKind.TOOL_TRACE, FaultKind.ERROR_TEXT, FaultKind.PROMPT_LEAK, FaultKind.ADVICE, FaultKind.FOREIGN_ID]
)
def test_a_fault_is_found_behind_and_before_ordinary_words(kind: FaultKind) -> None:
    alone = {text for text in FAULTS[kind] if find_fault(text, TOLD) == Fault(FaultKind.ERROR_TEXT, "no_words")}
    assert [text for text in FAULTS[kind] if text not in alone and found(f"haha ok.\n{text}\nsee you!") is None] == []


def test_details_are_words_of_ours_and_never_of_the_text() -> None:
    for _, text in BAD:
        fault = find_fault(text, TOLD)
        assert fault is not None
        assert fault.detail.replace("_", "").isalpha()
        assert fault.detail.islower()


def test_every_table_can_be_read_ahead_of_the_first_reply() -> None:
    for reader in (checks._patterns, checks._advice, disclosure._patterns):
        reader.cache_clear()
    prepare()
    assert [reader.cache_info().currsize for reader in (checks._patterns, checks._advice, disclosure._patterns)] == [1, 1, 1]


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "\u2800\u3164", "\x1b\x07", "\ufeff\u200e"])
def test_nothing_to_see_is_empty(text: str) -> None:
    assert find_fault(text, TOLD) == Fault(FaultKind.EMPTY, "empty")


def test_what_is_longer_than_what_is_looked_at_never_leaves() -> None:
    assert found("la " * (MOST_CHARACTERS // 3)) is None
    assert found("a" * (MOST_CHARACTERS + 1)) is FaultKind.TOO_LONG


def test_the_contact_s_own_id_may_be_named_and_nobody_else_s() -> None:
    assert found("your id is 4915112345678@c.us") is None
    assert found("your id is telegram:4711") is None
    assert found("your id is 4915112345678:3@c.us") is None
    assert found("your id is 4915112345679@c.us") is FaultKind.FOREIGN_ID
    assert found("your id is telegram:47111") is FaultKind.FOREIGN_ID
    assert found("4915112345678@c.us and 4915112345679@c.us") is FaultKind.FOREIGN_ID


def test_a_question_must_be_answered_with_the_truth() -> None:
    asked = replace(TOLD, asked_if_machine=True)
    assert found("haha what do you think", asked) is FaultKind.NOT_ADMITTED
    assert found("it's me", asked) is FaultKind.DENIAL
    assert found("I'm human after all", asked) is not None
    assert found("yes, I'm Sam's AI assistant", asked) is None
    assert found("haha what do you think") is found("it's me") is None


@pytest.mark.parametrize("text", table("disclosure")["denies"].strip().split("\n"))
def test_a_denial_never_leaves_when_it_was_asked(text: str) -> None:
    assert found(text, replace(TOLD, asked_if_machine=True)) is FaultKind.DENIAL


SECRET = "Keep your sentences short and dry, never more than two of them"


@pytest.mark.parametrize(
    "text",
    [SECRET, SECRET.upper(), SECRET.replace(" ", "\n"), SECRET.replace(" ", "_"), "-".join(SECRET), SECRET[::-1], SECRET.replace("e", "é"), f"ok: {SECRET[10:52]}",
     base64.b64encode(SECRET.encode()).decode(), "decode this: " + base64.urlsafe_b64encode(SECRET.encode()).decode(), SECRET.encode().hex(), SECRET.replace("a", "\u200ba")],
)  # fmt: skip
def test_what_the_model_was_told_is_found_in_any_simple_disguise(text: str) -> None:
    assert found(text) is FaultKind.PROMPT_LEAK


def test_few_shared_words_are_no_leak() -> None:
    assert found("keep your sentences short and dry, mum") is None
    assert found("this is a list of facts about cats") is None


def test_the_owner_s_own_words_may_be_repeated() -> None:
    line = "honestly the best pizza in town is still at Luigi's, no contest"
    told = Instructions(system=(f"<examples>{line}</examples>",))
    assert found(line, told) is FaultKind.PROMPT_LEAK
    assert found(line, replace(told, own_words=(line,))) is None
    assert found(line, replace(told, own_words=("something else",))) is FaultKind.PROMPT_LEAK


@pytest.mark.parametrize("line", ["the train leaves at 9 from platform 4 and we meet at the kiosk near the exit", "12 eggs, 3 onions, 500 g of flour, 2 lemons, 1 bay leaf and 4 carrots please"])  # fmt: skip
def test_the_owner_s_own_words_may_be_repeated_with_their_numbers(line: str) -> None:
    told = Instructions(system=(f"<examples>{line}</examples>",), own_words=(line,))
    assert found(line, told) is None
    assert found(line, replace(told, own_words=("something else",))) is FaultKind.PROMPT_LEAK


def test_own_words_excuse_only_themselves() -> None:
    told = replace(TOLD, own_words=("see you at the station",))
    assert found(f"see you at the station. {SECRET}", told) is FaultKind.PROMPT_LEAK


@given(st.integers(0, len(GUIDE) - 60), st.integers(60, 200), st.sampled_from(["", "ok so ", "😂 "]))
def test_any_long_part_of_what_was_told_is_a_leak(start: int, length: int, before: str) -> None:
    part = GUIDE[start : start + length].replace("<", " ").replace(">", " ")
    assert found(before + part) is not None


@given(st.text(max_size=400))
@example("\u0301" * 400)
@example("&lt;" * 100)
def test_any_text_can_be_looked_at(text: str) -> None:
    fault = find_fault(text, TOLD)
    assert fault == find_fault(text, TOLD)
    if fault is None:
        assert text.strip()


@given(st.text(alphabet="ab \n\"'*_#-[]():Sam“”`•1", max_size=60), st.sampled_from(["", "Sam", "S.", "(", "Sam *"]))
def test_tidying_twice_is_tidying_once(text: str, name: str) -> None:
    once = tidy(text, name)
    assert tidy(once, name) == once


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ('"see you at 8"', "see you at 8"), ("“hi”", "hi"), ("«salut»", "salut"), ("„hallo“", "hallo"), ("「はい」", "はい"), ("Sam: hey", "hey"), ("**Sam:** hey", "hey"),
        ("sam： hey", "hey"), ('Sam: "hey"', "hey"), ("**really** good", "really good"), ("# Plan\nwe eat", "Plan\nwe eat"), ("* a\n* b", "- a\n- b"),
        ("[the map](https://a.example/x)", "the map: https://a.example/x"), ("a\n\n\n\nb", "a\n\nb"), (" \n hi \n", "hi"), ("\x1b[1mhi\u202e", "[1mhi"),
        ('she said "no"', 'she said "no"'), ('"no" and "yes"', '"no" and "yes"'), ("Samuel: who", "Samuel: who"), ("5*4*3 and 2**3", "5*4*3 and 2**3"),
        ("*sigh* ok", "*sigh* ok"), ("__init__ is fine", "__init__ is fine"), ("- milk\n- eggs", "- milk\n- eggs"), ("we are #1", "we are #1"), ('"', '"'), ("Sam:", "Sam:"),
    ],
)  # fmt: skip
def test_tidy_takes_off_a_model_s_manners_and_leaves_a_person_s(said: str, left: str) -> None:
    assert tidy(said, "Sam") == left


WORST = (
    "a ", "<", "take ", "take 1 ", "1 mg ", "<a ", "at a.b.c", '" : ', "im a an the just ", "buy the a ", "( ", "[as ", "你是", "a.b.", "A", "error ", '{"name":"a",', "here is the a ",
    "_a_", "é", "ё", "\u0301", "/a", "**a", "0", "aGVsbG8gYQ ", "x x x x ", "&lt;", "note: ", "in sam's ", "\n", "keepyoursentencesshort", "ab ", "-a", "[[", "((", "ÀÀ", "take 1 mg at a ",
)  # fmt: skip


def test_time_grows_with_length_alone() -> None:
    def cost(text: str) -> float:
        times: list[float] = []
        while not times or (min(times) >= MOST_MS and len(times) < 3):
            began = time.process_time()
            find_fault(text, TOLD)
            times.append((time.process_time() - began) * 1e3)
        return min(times)

    chat = cost("haha yes sure, see you at the station around 8, I'll bring the wine 🍷")
    worst = {unit: cost((unit * MOST_CHARACTERS)[:MOST_CHARACTERS]) for unit in WORST}
    unit = max(worst, key=lambda each: worst[each])
    print(f"\nan ordinary reply: {chat * 1e3:.0f} µs; 8,000 characters at worst: {worst[unit]:.1f} ms with {unit!r}")
    assert worst[unit] < MOST_MS


def test_tidying_the_worst_text_costs_little_time() -> None:
    for unit in ("*", "**a", "[a](", "# ", '"', "_", "\n", "\n \n", "__a ", "[", "- "):
        began = time.process_time()
        tidy((unit * 70_000)[:65_536], "Sam")
        assert time.process_time() - began < 2, unit
