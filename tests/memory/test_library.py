"""The memories of all contacts: each in files of its own, found only by whom they are for, gone when they are forgotten."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.size import sized

from secondme.core.config.models import MemorySettings, MemoryWeights
from secondme.core.memory.facts import Fact
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import read_query
from secondme.core.memory.ranking import MemoryHints
from secondme.core.messages import Speaker

START_MS = 1_700_000_000_000
HOSTILE_IDS = (
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b",
    "",
    ".",
    "*",
    "local:anna",
    "local:Anna",
    "local:\u0430nna",
    "local:anna ",
    "x" * 100_000,
    "\ud800",
    "a.db-wal",
    "file:x?mode=memory",
)


@pytest.fixture
def memories(tmp_path: Path) -> Iterator[Memories]:
    made = Memories(tmp_path / "memory", MemorySettings())
    yield made
    made.close()


def said(*texts: str, first: int = 0) -> list[MemoryMessage]:
    return [
        MemoryMessage(f"m{number}", START_MS + number * 60_000, "contact" if number % 2 else "owner", text)
        for number, text in enumerate(texts, first)
    ]


def test_nobody_finds_what_was_said_to_somebody_else(memories: Memories) -> None:
    chance = random.Random(11)
    topics = ["pizza", "birthday", "train", "doctor", "guitar", "holiday"]
    contacts = [f"local:contact{number}" for number in range(50)]
    for number, contact in enumerate(contacts):
        memories.append(contact, said(*(f"canary{number}x our {chance.choice(topics)} plan {at}" for at in range(12))))
    for _ in range(sized(10_000, 1_000)):
        asked = chance.sample(range(50), chance.randint(1, 3))
        words = f"{chance.choice(topics)} canary{chance.randrange(50)}x plan {chance.randrange(12)}"
        foreign = MemoryHints(graph={f"m{chance.randrange(12)}": 1.0, "nobody": 1.0})
        found = memories.search(
            [contacts[each] for each in asked], read_query(words), hints={contacts[chance.randrange(50)]: foreign}
        )
        assert found
        assert all(any(f"canary{each}x" in row.message.body for each in asked) for row in found)
        assert all(f"canary{contacts.index(row.contact)}x" in row.message.body for row in found)


def test_an_id_is_never_part_of_a_path(memories: Memories, tmp_path: Path) -> None:
    for number, contact in enumerate(HOSTILE_IDS):
        memories.append(contact, said(f"secret number{number}"))
    assert {path.name for path in tmp_path.iterdir()} == {"memory"}
    assert len({path.name for path in memories.all_files() if path.suffix == ".db"}) == len(HOSTILE_IDS)
    for number, contact in enumerate(HOSTILE_IDS):
        assert [row.message.body for row in memories.search([contact], read_query("secret"))] == [f"secret number{number}"]
        assert memories.forget(contact)
        assert memories.files(contact) == []


def test_accounts_of_one_person_are_searched_together(memories: Memories) -> None:
    memories.append("a", said("We adopted a dog called Rex", "How lovely"))
    memories.append("b", said("Rex is ill, the dog needs the vet", "Oh no"))
    memories.append("c", said("Our dog Rex is another one"))
    found = memories.search(["a", "b", "a"], read_query("what about the dog Rex"))
    assert {(row.contact, row.message.id) for row in found} == {("a", "m0"), ("a", "m1"), ("b", "m0"), ("b", "m1")}


def test_who_asks_for_nobody_known_makes_no_file(memories: Memories) -> None:
    assert memories.search(["nobody"], read_query("dog")) == []
    assert memories.messages("nobody") == []
    assert memories.forget_messages("nobody", ["m1"]) == memories.count("nobody") == 0
    assert not memories.forget("nobody")
    assert not memories.edit("nobody", "m1", "dog")
    assert memories.all_files() == []


def test_only_so_many_files_are_open_and_all_are_found_again(memories: Memories) -> None:
    for number in range(40):
        memories.append(f"contact {number}", said(f"number {number}"))
    assert len([path for path in memories.all_files() if path.name.endswith("-wal")]) == 32
    assert [memories.count(f"contact {number}") for number in range(40)] == [1] * 40


def test_nothing_is_left_of_a_forgotten_contact_and_all_of_the_others(memories: Memories) -> None:
    memories.append("a", said("zqxjkvw"))
    memories.append("b", said("kwqzzjv", "another", "third"))
    assert memories.forget("a")
    assert not memories.forget("a")
    assert memories.left_of(["zqxjkvw"]) == []
    assert memories.left_of(["kwqzzjv"])
    memories.forget_messages("b", ["m0", "m3"])
    assert memories.left_of(["kwqzzjv"]) == []
    assert {each.id for each in memories.messages("b")} == {"m1", "m2"}


def test_a_contact_that_another_process_forgot_is_forgotten_here_too(memories: Memories, tmp_path: Path) -> None:
    memories.append("a", said("zqxjkvw"))
    other = Memories(tmp_path / "memory", MemorySettings())
    assert other.forget("a")
    assert memories.search(["a"], read_query("zqxjkvw")) == []
    memories.append("a", said("apple"))
    other.forget("a")
    memories.append("a", said("bread"))
    assert [each.text for each in other.messages("a")] == ["bread"]
    other.close()


@pytest.mark.parametrize("when", ["before it is opened", "while it is open"])
def test_a_damaged_file_is_moved_aside_and_said_once(when: str, tmp_path: Path) -> None:
    memories = Memories(tmp_path, MemorySettings())
    memories.append("a", said(*(f"apple {number} zqxjkvw" * 20 for number in range(200))))
    path = next(each for each in memories.all_files() if each.suffix == ".db")
    if when == "before it is opened":
        memories.close()
    else:
        memories.forget_messages("a", ["m0"])  # nothing is in the log any more
    whole = path.read_bytes()
    path.write_bytes((b"" if when == "before it is opened" else whole[:4096]) + b"no database" * len(whole))
    if when == "while it is open":
        memories.close()
    assert memories.search(["a"], read_query("apple")) == []
    assert memories.damaged() == memories.damaged() == ["a"]  # until somebody has done what can be done
    memories.mended("a")
    (aside,) = (each for each in memories.all_files() if each.name == f"{path.name}.broken-1")
    assert aside.stat().st_mode & 0o777 == 0o600
    assert memories.append("a", said("apple")) == 1
    assert len(memories.search(["a"], read_query("apple"))) == 1
    assert memories.damaged() == []
    memories.forget("a")
    assert memories.all_files() == []
    memories.close()


def test_threads_share_the_memories(memories: Memories) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for number in range(40):
                contact = f"contact {chance.randrange(40)}"
                memories.append(contact, said(f"apple {seed}", first=seed * 100 + number))
                assert memories.search([contact], read_query("apple"))
        except BaseException as error:  # noqa: BLE001  the test judges it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(memories.count(f"contact {number}") for number in range(40)) == 160


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({}, ["m0", "m1", "m2"]),
        ({"keyword": 0}, ["m1", "m2"]),
        ({"keyword": 0, "semantic": 0}, ["m2"]),
        ({"keyword": 0, "graph": 0}, ["m1"]),
        ({"keyword": 0, "semantic": 0, "graph": 0}, []),
    ],
)
def test_a_source_whose_weight_is_0_finds_nothing(weights: dict[str, float], expected: list[str], tmp_path: Path) -> None:
    memories = Memories(tmp_path, MemorySettings(weights=MemoryWeights(**weights)))
    memories.append(
        "a",
        [
            MemoryMessage(each.id, each.at_ms * (at + 1), "owner", each.text)
            for at, each in enumerate(said("apple", "bread", "candle"))
        ],
    )
    hints = {"a": MemoryHints(meanings={"m1": (1.0, 1.0)}, graph={"m2": 1.0, "unknown": 1.0})}
    assert sorted(row.message.id for row in memories.search(["a"], read_query("apple"), hints=hints)) == expected
    memories.close()


def test_words_are_looked_for_in_every_file_beside_the_memories_too(memories: Memories) -> None:
    memories.append("a", said("apple"))
    (folder,) = {path.parent for path in memories.all_files()}
    (folder / "automem.outbox").write_bytes(b"...zeppelin...")
    assert [path.name for path in memories.left_of(["zeppelin"])] == ["automem.outbox"]
    assert memories.left_of(["bread"]) == []


@pytest.mark.parametrize("is_whole", [False, True])
def test_the_half_of_a_file_that_a_killed_process_left_is_forgotten_too(memories: Memories, *, is_whole: bool) -> None:
    memories.append("a", said("apple zqxjkvw", "bread"))
    (path,) = memories.files("a")[:1]
    left = path.with_name(f".{path.name}.0badcafe.1.new")
    left.write_bytes(b"...apple zqxjkvw...")
    memories.discard_damaged("a", ["bread"])
    assert left.exists()
    if is_whole:
        memories.forget("a")
    else:
        memories.discard_damaged("a", ["apple zqxjkvw"])
    assert not left.exists()


def test_the_newest_facts_are_those_that_hold_and_no_more_than_were_asked_for(memories: Memories) -> None:
    memories.append("anna", said(*["x"] * 5))
    claims = [
        Fact("contact", "kin_dog", "Rex", "my dog is Rex", Speaker.CONTACT, START_MS, ("m0",)),
        Fact("contact", "kin_dog", "Tim", "my dog is Tim", Speaker.CONTACT, START_MS + 1, ("m1",)),
        *[Fact("contact", "likes", f"thing {n}", f"thing {n}", Speaker.CONTACT, START_MS + n, (f"m{n}",)) for n in range(2, 5)],
    ]
    memories.add_facts("anna", claims)
    newest = [each.fact.object for each in memories.newest_facts("anna", 10)]
    assert newest == ["thing 4", "thing 3", "thing 2", "Tim"]
    assert newest == [each.fact.object for each in memories.facts("anna") if not each.until_ms]
    assert [each.fact.object for each in memories.newest_facts("anna", 2)] == newest[:2]
    assert [each.fact.sources for each in memories.newest_facts("anna", 1)] == [("m4",)]
    assert memories.newest_facts("nobody", 10) == []
