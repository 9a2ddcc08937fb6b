"""Is enough of what was said found again? Made-up conversations of six contacts in five languages, with traps; a floor for recall."""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pytest

from secondme.core.config.models import MemorySettings
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import read_query

TALK = tomllib.loads(Path(__file__).with_name("talk.toml").read_text("utf-8"))
LANGUAGES = {"local:anna": "en", "local:bea": "en", "local:carl": "de", "local:dora": "es", "local:egor": "ru", "local:fang": "zh"}
MESSAGES = 300
START_MS = 1_700_000_000_000
FLOORS = {5: 0.9, 10: 0.97}
"""Of how many questions the message is among the first so many. Nine of ten and 97 of 100, as this is written."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a contact's memory, and the message that answers it."""

    contact: str
    text: str
    answer: str


def decoys(fact: list[str], filler: str) -> list[str]:
    """What shares words with a fact and does not answer what is asked: the question with something else, and the beginning of what was said."""
    statement, question = fact[0].replace("{}", ""), fact[1]
    return [
        f"{question} {filler}",
        f"{statement[: len(statement) // 2]} … {filler}",
        f"{filler} {statement[: len(statement) // 3]}",
    ]


def conversation(contact: str, chance: random.Random) -> tuple[list[MemoryMessage], list[Question]]:
    """300 messages at random places: twenty facts, three for each that only look like it, and small talk."""
    talk = TALK[LANGUAGES[contact]]
    value = 2 + [each for each, language in LANGUAGES.items() if language == LANGUAGES[contact]].index(contact)
    facts = [[part.strip() for part in fact.split("|")] for fact in talk["facts"]]
    said = [(fact[0].replace("{}", fact[value]), fact[1]) for fact in facts]
    said += [(decoy, "") for fact in facts for decoy in decoys(fact, chance.choice(talk["filler"]))]
    said += [(" ".join(chance.sample(talk["filler"], chance.choice((1, 1, 2)))), "") for _ in range(MESSAGES - len(said))]
    chance.shuffle(said)
    messages, questions, at_ms = [], [], START_MS
    for number, (text, question) in enumerate(said):
        at_ms += chance.choice((1, 2, 5, 90)) * 60_000
        speaker = "contact" if question or chance.random() < 0.5 else "owner"
        messages.append(MemoryMessage(f"m{number}", at_ms, speaker, text))
        if question:
            questions.append(Question(contact, question, f"m{number}"))
    return messages, questions


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Memories, list[Question]]]:
    memories = Memories(tmp_path_factory.mktemp("memory"), MemorySettings())
    chance, asked = random.Random(20), []
    for contact in LANGUAGES:
        messages, questions = conversation(contact, chance)
        memories.append(contact, messages)
        asked += questions
    yield memories, asked
    memories.close()


def ranks(memories: Memories, asked: list[Question]) -> list[int]:
    """At which place the answer was found, from 1 on; a large number where it was not."""
    found = []
    for question in asked:
        ids = [each.message.id for each in memories.search([question.contact], read_query(question.text))]
        found.append(ids.index(question.answer) + 1 if question.answer in ids else 1000)
    return found


def test_enough_is_found_again(town: tuple[Memories, list[Question]]) -> None:
    memories, asked = town
    places = ranks(memories, asked)
    shares = {depth: mean(place <= depth for place in places) for depth in FLOORS}
    by_contact = {
        contact: mean(place <= 5 for place, question in zip(places, asked, strict=True) if question.contact == contact)
        for contact in LANGUAGES
    }
    print(shares, by_contact)
    assert len(asked) == 120
    assert {depth: share for depth, share in shares.items() if share < FLOORS[depth]} == {}
    assert min(by_contact.values()) >= 0.65


def test_two_contacts_who_say_the_same_of_somebody_are_kept_apart(town: tuple[Memories, list[Question]]) -> None:
    memories, _ = town
    for contact, place in (("local:anna", "Lisbon"), ("local:bea", "Oslo")):
        bodies = [each.message.body for each in memories.search([contact], read_query("Where does Laura live now?"))]
        assert any(place in body for body in bodies[:5])
        assert not any({"Lisbon": "Oslo", "Oslo": "Lisbon"}[place] in body for body in bodies)


def test_what_was_edited_deleted_or_changed_is_found_as_it_is_now(town: tuple[Memories, list[Question]]) -> None:
    memories, asked = town
    contact = "local:trap"
    messages, _ = conversation("local:anna", random.Random(4))
    memories.append(contact, messages)
    late = messages[-1].at_ms + 86_400_000
    memories.append(contact, [MemoryMessage(f"t{n}", late + n * 7_200_000, "contact", text) for n, text in enumerate((
        "The spare key is below the blue flowerpot",
        "My bank card has the code 4711 on it",
        "I quit at the brewery, I work at the aquarium now",
        "The spare key is with the porter",
    ))])  # fmt: skip
    memories.edit(contact, "t0", "The spare key is in the mailbox")
    memories.forget_messages(contact, ["t1"])
    key = [each.message for each in memories.search([contact], read_query("Where is the spare key?"))[:2]]
    assert {each.body for each in key} == {"The spare key is in the mailbox", "The spare key is with the porter"}
    everything = [
        each.message.body for text in ("flowerpot", "bank card code 4711") for each in memories.search([contact], read_query(text))
    ]
    assert not any("flowerpot" in body or "4711" in body for body in everything)
    assert memories.search([contact], read_query("Where do I work now?"))[0].message.id == "t2"
    assert memories.left_of(["flowerpot", "4711"]) == []
    memories.forget(contact)
    assert asked
