"""In which order messages answer a question: each sign moves what it should, and the weights of settings do what they say."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secondme.core.clock import to_ms
from secondme.core.config.models import MemorySettings, MemoryWeights
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import NamedDay, read_query
from secondme.core.memory.ranking import SIGNS, MemoryHints, weights_of


@pytest.fixture
def memories(tmp_path: Path) -> Iterator[Memories]:
    made = Memories(tmp_path / "memory", MemorySettings())
    yield made
    made.close()


def at(day: int, hour: int = 10, minute: int = 0, month: int = 6) -> int:
    return to_ms(datetime(2024, month, day, hour, minute, tzinfo=UTC))


def first(memories: Memories, text: str, hints: MemoryHints | None = None) -> str:
    query = read_query(text, contact_names=["Caroline"], owner_names=["Melanie Müller"])
    return memories.search(["a"], query, hints={"a": hints} if hints else {})[0].message.id


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did Caroline say about the guitar lesson?", "contact"),
        ("What did Melanie say about the guitar lesson?", "owner"),
        ("what did müller say about the guitar lesson", "owner"),
        ("What did Mel say about the guitar lesson?", "owner"),
        ("What did Carolin say about the guitar lesson?", "contact"),
    ],
)
def test_who_is_named_is_found_first(question: str, expected: str, memories: Memories) -> None:
    texts = ("the guitar lesson was so nice", "the guitar lesson was so good")
    for number, (speaker, text) in enumerate(zip(("contact", "owner"), texts, strict=True)):
        memories.append("a", [MemoryMessage(speaker, at(number + 1), speaker, text)])  # type: ignore[arg-type]
    assert first(memories, question) == expected


def test_a_name_that_is_a_common_word_is_one_only_where_it_is_written_as_one() -> None:
    about = {text: read_query(text, contact_names=["Will"]).about for text in ("what will it cost", "What does Will like?")}
    assert about == {"what will it cost": None, "What does Will like?": "contact"}


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("When did we meet on 8 May, 2023?", [NamedDay(2023, 5, 8)]),
        ("what happened on May 3rd", [NamedDay(0, 5, 3)]),
        ("Was war am 3. März 2022?", [NamedDay(2022, 3, 3)]),
        ("el 5 de mayo de 2021", [NamedDay(2021, 5, 5)]),
        ("2023-07-04 and July", [NamedDay(2023, 7, 4), NamedDay(0, 7, 0)]),
        ("I may march on", []),
        ("on 2023-99-99", []),
    ],
)
def test_days_and_months_are_read(question: str, days: list[NamedDay]) -> None:
    assert list(read_query(question).days) == days


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What about the concert on 8 May?", "on the day"),
        ("What about the concert in June 2024?", "in June"),
        ("concert on 30 February", "in June"),
    ],
)
def test_what_was_said_on_the_day_that_is_named_is_found_first(question: str, expected: str, memories: Memories) -> None:
    memories.append("a", [MemoryMessage("on the day", at(8, month=5), "contact", "the concert again")])
    memories.append("a", [MemoryMessage("in June", at(20), "contact", "the concert was long")])
    assert first(memories, question) == expected


def test_what_answers_a_question_is_found_before_what_came_before_it(memories: Memories) -> None:
    said = ("I read a book about birds today", "What is the name of your sister?", "she likes a cup of tea daily")
    names = ("before", "question", "answer")
    memories.append(
        "a",
        [
            MemoryMessage(name, at(1, minute=n), "owner" if n == 1 else "contact", text)
            for n, (name, text) in enumerate(zip(names, said, strict=True), 1)
        ],
    )
    memories.append("a", [MemoryMessage("start", at(1), "contact", "hello there")])
    memories.append("a", [MemoryMessage(f"m{n}", at(2 + n), "contact", f"we talked about the weather {n}") for n in range(9)])
    found = {each.message.id: each for each in memories.search(["a"], read_query("name of her sister"))}
    assert [name for name in found if name in {"before", "answer"}] == ["answer", "before"]
    assert "answer" in found["answer"].why


@pytest.mark.parametrize(
    ("question", "expected"),
    [("When is the party?", "time"), ("How many came to the party?", "number"), ("Who came to the party?", "name")],
)
def test_the_kind_of_answer_that_is_asked_for_counts(question: str, expected: str, memories: Memories) -> None:
    said = {"time": "the party is on friday then", "number": "the party had seven people", "name": "the party had Bob there"}
    for number, (name, text) in enumerate(said.items()):
        memories.append("a", [MemoryMessage(name, at(number + 1), "contact", text)])
    assert first(memories, question) == expected


def test_hints_put_a_message_first_that_has_no_word_of_the_question(memories: Memories) -> None:
    memories.append("a", [MemoryMessage("words", at(1), "contact", "our dog sleeps")])
    memories.append("a", [MemoryMessage("other", at(2), "contact", "Rex was at the vet")])
    assert first(memories, "dog") == "words"
    assert first(memories, "dog", MemoryHints(meanings={"other": (2.0, 2.0)})) == "other"
    assert first(memories, "dog", MemoryHints(graph={"other": 9})) == "other"


def test_the_same_text_is_found_once_and_a_short_one_as_often_as_it_was_said(memories: Memories) -> None:
    memories.append("a", [MemoryMessage(f"long {n}", at(n + 1), "contact", "We will see the Museum of Glass!") for n in range(3)])
    memories.append("a", [MemoryMessage(f"short {n}", at(n + 10), "contact", "museum") for n in range(3)])
    found = [each.message.id for each in memories.search(["a"], read_query("museum"))]
    assert sorted(each.split()[0] for each in found) == ["long", "short", "short", "short"]
    assert "long 2" in found


@pytest.mark.parametrize(
    ("weights", "meanings", "zero"),
    [
        ({"keyword": 0}, False, {"own", "around", "wide", "session", "cover", "cover_near", "phrase", "meaning", "meaning_near"}),
        ({"semantic": 0}, True, {"meaning", "meaning_near"}),
        ({"graph": 0}, True, {"graph"}),
        ({}, True, set()),
    ],
)
def test_a_weight_of_0_silences_its_signs(weights: dict[str, float], *, meanings: bool, zero: set[str]) -> None:
    by_sign = dict(zip(SIGNS, weights_of(MemoryWeights(**weights), meanings=meanings), strict=True))
    assert {sign for sign, weight in by_sign.items() if not weight} == zero


def test_weights_multiply_their_group() -> None:
    once, twice = (weights_of(MemoryWeights(keyword=each), meanings=False) for each in (1, 2))
    doubled = {sign for sign, one, two in zip(SIGNS, once, twice, strict=True) if one and two == 2 * one}
    assert doubled == {"own", "around", "wide", "session", "cover", "cover_near", "phrase"}


def test_a_word_that_nobody_wrote_finds_those_like_it(memories: Memories) -> None:
    memories.append("a", [MemoryMessage("typo", at(1), "contact", "We visited the restaurant on Friday")])
    memories.append("a", [MemoryMessage("compound", at(2), "contact", "Die Geburtstagsparty war toll")])
    assert first(memories, "restaurent") == "typo"
    assert first(memories, "Geburtstag") == "compound"


def test_the_same_question_asked_before_is_no_answer(memories: Memories) -> None:
    memories.append("a", [MemoryMessage("asked", at(1), "contact", "where do the penguins live?")])
    memories.append("a", [MemoryMessage("answer", at(3), "owner", "penguins live near the south pole")])
    assert [each.message.id for each in memories.search(["a"], read_query("Where do the penguins live"))] == ["answer"]
