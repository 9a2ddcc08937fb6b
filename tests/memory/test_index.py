"""The index of one conversation: the same whatever came when, with nothing left of what is forgotten."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes.size import sized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondme.core.errors import BusyError
from secondme.core.memory import index as index_module
from secondme.core.memory.facts import Spoken, facts_in
from secondme.core.memory.index import MOST_CHARACTERS, MOST_OF_SESSION, ConversationIndex, CorruptIndexError
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Speaker

DAY_MS = 86_400_000
MINUTE_MS = 60_000
MIDNIGHT_MS = 1_717_192_800_000
"""1 June 2024, 00:00 in Berlin."""
START_MS = 1_700_000_000_000
WORDS = ("apple", "bread", "candle", "dragon", "eagle", "forest", "garden", "the", "what", "you", "7", "сад", "猫が")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ConversationIndex]:
    opened = ConversationIndex(tmp_path / "memory" / "one.db")
    yield opened
    opened.close()


def message(number: int, text: str | None = None, *, at_ms: int | None = None, source: str = "") -> MemoryMessage:
    when = START_MS + number * MINUTE_MS if at_ms is None else at_ms
    return MemoryMessage(
        f"m{number}", when, "contact" if number % 2 else "owner", f"words of {number}" if text is None else text, source=source
    )


def content(index: ConversationIndex) -> tuple[object, ...]:
    """Everything that an index holds, numbers replaced by ids."""
    rows = index._db.execute(
        "select m.id, m.at_ms, m.rank, m.speaker, m.body, m.tokens, s.id, p.id, n.id, t.own, t.near, t.far from message m"
        " join turn t on t.rowid = m.number join message s on s.number = m.session left join message p on p.number = m.previous"
        " left join message n on n.number = m.next order by m.at_ms, m.rank, m.id"
    ).fetchall()
    sessions = index._db.execute(
        "select m.id, s.words from session s join message m on m.number = s.rowid order by m.id"
    ).fetchall()
    terms = index._db.execute("select term, col, doc, cnt from word order by term, col").fetchall()
    counts = [index._db.execute(f"select count(*) from {table}").fetchone()[0] for table in ("message", "turn", "session")]
    return rows, sessions, terms, counts, index.size()


def rebuilt(index: ConversationIndex, path: Path) -> tuple[object, ...]:
    """What an index that is made at once of the same messages holds."""
    other = ConversationIndex(path, idle_minutes=index._idle_ms / MINUTE_MS, zone=index._zone)
    other.append(index.messages())
    made = content(other)
    other.close()
    return made


ids = st.integers(0, 24).map("m{}".format)
moments = st.integers(0, 50).map(lambda at: START_MS + (at * 5 + at // 20 * 30) * MINUTE_MS)
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
messages = st.builds(
    MemoryMessage,
    id=ids,
    at_ms=moments,
    speaker=st.sampled_from(["contact", "owner", "clone"]),
    text=texts,
    rank=st.integers(0, 2),
    source=st.sampled_from(["", "one", "two"]),
)
steps = st.one_of(
    st.tuples(st.just("append"), st.lists(messages, min_size=4, max_size=12)),
    st.tuples(st.just("edit"), st.tuples(ids, texts)),
    st.tuples(st.just("forget"), st.lists(ids, max_size=4)),
    st.tuples(st.just("disown"), st.tuples(st.sampled_from(["one", "two"]), st.lists(ids, max_size=4))),
)


@settings(max_examples=sized(1000, 40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(todo=st.lists(steps, min_size=4, max_size=12), most=st.sampled_from([3, MOST_OF_SESSION]))
def test_the_index_is_the_one_that_a_rebuild_makes_whatever_came_when(
    todo: list[tuple[str, object]], most: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "MOST_OF_SESSION", most)
    folder = tmp_path_factory.mktemp("index")
    index = ConversationIndex(folder / "one.db", idle_minutes=15, zone=ZoneInfo("Europe/Berlin"))
    for name, value in todo:
        getattr(index, name)(*value) if isinstance(value, tuple) else getattr(index, name)(value)
    assert content(index) == rebuilt(index, folder / "other.db")
    assert index.faults() == []
    before = content(index)
    index.rebuild()
    assert content(index) == before
    index.close()


def test_a_long_conversation_is_the_same_in_any_order(tmp_path: Path) -> None:
    chance = random.Random(3)
    said = [
        message(number, " ".join(chance.choices(WORDS, k=5)), at_ms=START_MS + number * MINUTE_MS + number // 90 * DAY_MS)
        for number in range(400)
    ]
    indexes = []
    for order, size in ((said, 400), (said[::-1], 37), (chance.sample(said, 400), 20)):
        index = ConversationIndex(tmp_path / f"{len(indexes)}.db")
        for at in range(0, 400, size):
            index.append(order[at : at + size])
        indexes.append(index)
    assert content(indexes[0]) == content(indexes[1]) == content(indexes[2])
    for index in indexes:
        index.close()


def test_edits_and_gaps_in_a_long_conversation_are_followed_by_the_neighbours(index: ConversationIndex, tmp_path: Path) -> None:
    chance = random.Random(4)
    index.append(
        [message(number, " ".join(chance.choices(WORDS, k=3)), at_ms=START_MS + number * MINUTE_MS) for number in range(150)]
    )
    for number in chance.sample(range(150), 30):
        if number % 3:
            index.edit(f"m{number}", f"other words {number}")
        else:
            index.forget([f"m{number}"])
    assert content(index) == rebuilt(index, tmp_path / "other.db")


def test_appending_again_changes_nothing_and_another_text_is_an_edit(index: ConversationIndex) -> None:
    said = [message(number) for number in range(5)]
    assert index.append(said) == 5
    before = content(index)
    assert index.append(said) == 0
    assert content(index) == before
    assert index.append([message(2, "something else")]) == 1
    assert [each.text for each in index.messages()][2] == "something else"
    assert index.edit("m2", "once more")
    assert not index.edit("nobody", "once more")
    assert index.frequencies(["els"]) == {}


@pytest.mark.parametrize(
    ("minutes", "sessions"),
    [
        ([0, 29, 58], 1),
        ([0, 30, 59], 2),
        (list(range(61)), 2),
        ([225, 235], 1),
        ([235, 245], 2),
        ([245, 255], 1),
    ],
)
def test_a_session_ends_with_a_silence_with_the_day_and_after_sixty_messages(
    minutes: list[int], sessions: int, tmp_path: Path
) -> None:
    index = ConversationIndex(tmp_path / "one.db", zone=ZoneInfo("Europe/Berlin"))
    index.append([message(at, at_ms=MIDNIGHT_MS + minute * MINUTE_MS) for at, minute in enumerate(minutes)])
    assert index._db.execute("select count(distinct session) from message").fetchone()[0] == sessions
    index.close()


def test_neighbours_do_not_cross_sessions(index: ConversationIndex) -> None:
    index.append([message(0, "apple"), message(1, "bread"), message(2, "candle", at_ms=START_MS + DAY_MS)])
    near = {each.id: (each.near, each.far, each.previous and each.previous.id) for each in index.named(["m0", "m1", "m2"])}
    assert near == {"m0": ("bread", "", None), "m1": ("appl", "", "m0"), "m2": ("", "", None)}


def bytes_left(folder: Path, *words: str) -> list[str]:
    """The words that some file still holds."""
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    return [word for word in words if word.encode() in held]


@pytest.mark.parametrize(
    "forget",
    [
        lambda index: index.forget(["m50"]),
        lambda index: index.forget(index.older(START_MS + 51 * MINUTE_MS)),
        lambda index: index.forget(index.disown("import", index.of_source("import"))),
        lambda index: index.edit("m50", "nothing special"),
        lambda index: index.append([message(50, "nothing special")]),
    ],
    ids=["ids", "outdated", "source", "edit", "append"],
)
def test_no_byte_is_left_of_what_is_forgotten(
    forget: Callable[[ConversationIndex], object], index: ConversationIndex, tmp_path: Path
) -> None:
    folder = tmp_path / "memory"
    unique = ("zqxjkvw", "Grüßlwort")
    token = "grusslwort"
    said = [message(number, source="import" if number == 50 else "") for number in range(100)]
    said[50] = message(50, "we met zqxjkvw at Grüßlwort", source="import")
    for each in said:
        index.append([each])
    assert bytes_left(folder, *unique, token) == [*unique, token]
    forget(index)
    assert bytes_left(folder, *unique, token) == []
    assert bytes_left(folder, "words of 51") == ["words of 51"]
    assert index.faults() == []


def test_what_a_reader_kept_from_being_scrubbed_is_scrubbed_the_next_time(index: ConversationIndex, tmp_path: Path) -> None:
    index.append([message(0, "zqxjkvw"), message(1, "apple")])
    reader = sqlite3.connect(tmp_path / "memory" / "one.db", isolation_level=None)
    reader.execute("begin")
    reader.execute("select * from message").fetchall()
    index._db.execute("pragma busy_timeout = 1")
    with pytest.raises(BusyError):
        index.forget(["m0"])
    assert [each.id for each in index.messages()] == ["m1"]
    reader.close()
    assert index.forget(["m0"]) == 0
    assert bytes_left(tmp_path / "memory", "zqxjkvw") == []


def test_words_whose_scrubbing_was_cut_short_are_gone_after_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "memory" / "one.db"
    index = ConversationIndex(path)
    index.append([message(0, "zqxjkvw"), message(1, "apple")])
    monkeypatch.setattr(ConversationIndex, "scrub", lambda _self: None)
    index.forget(["m0"])
    index.close()
    assert bytes_left(path.parent, "zqxjkvw")
    monkeypatch.undo()
    ConversationIndex(path).close()
    assert bytes_left(path.parent, "zqxjkvw") == []


def test_an_index_of_other_rules_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.db"
    index = ConversationIndex(path)
    index.append([message(0, "apple"), message(1, "bread"), message(25, "candle")])
    index.close()
    monkeypatch.setattr(index_module, "VERSION", -1)
    monkeypatch.setattr(index_module, "tokens", lambda text: [f"new{text}"])
    index = ConversationIndex(path, idle_minutes=20)
    assert index.frequencies(["newapple", "appl"]) == {"newapple": 1}
    assert index._db.execute("select count(distinct session) from message").fetchone() == (2,)
    assert index.size() == (3, 3)
    index.close()


def test_nobody_else_can_read_the_files(index: ConversationIndex, tmp_path: Path) -> None:
    index.append([message(0)])
    folder = tmp_path / "memory"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        ".db": 0o600,
        ".db-wal": 0o600,
        ".db-shm": 0o600,
    }


@pytest.mark.parametrize(
    "text",
    ["", "\ud800 half", "a\0b", "x" * (MOST_CHARACTERS + 5), '" OR near(own) *', "?" * 500, "猫" * 3000],
    ids=["empty", "surrogate", "nul", "long", "syntax", "marks", "cats"],
)
def test_hostile_text_is_kept_as_text(text: str, index: ConversationIndex) -> None:
    index.append([message(0, text), message(1, "apple")])
    assert index.append([message(0, text)]) == 0
    (kept, _) = index.messages()
    assert len(kept.text) <= MOST_CHARACTERS
    assert kept.text == text[:MOST_CHARACTERS].encode("utf-8", "replace").decode()
    assert index.faults() == []


@pytest.mark.parametrize("at_ms", [-(10**18), -1, 0, 10**18])
def test_a_message_of_no_time_is_kept_at_the_edge_of_time(at_ms: int, index: ConversationIndex) -> None:
    index.append([message(0, at_ms=at_ms), message(1)])
    assert {each.id for each in index.messages()} == {"m0", "m1"}
    assert index.forget(["m0"]) == 1


@pytest.mark.parametrize("damage", ["text", "cut", "pages", "other"])
def test_a_damaged_file_is_said_to_be_one(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    index = ConversationIndex(path)
    index.append([message(number, f"apple {number} " * 20) for number in range(200)])
    index.close()
    whole = path.read_bytes()
    match damage:
        case "text":
            path.write_bytes(b"no database, but a text that somebody wrote here" * 50)
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "pages":
            path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
        case _:
            path.unlink()
            other = sqlite3.connect(path)
            other.execute("create table meta (name, value)")
            other.close()
    with pytest.raises(CorruptIndexError):
        _use_all_of(path)


def _use_all_of(path: Path) -> None:
    index = ConversationIndex(path)
    try:
        index.messages()
        index.append([message(number, f"bread {number}") for number in range(300)])
        index.rebuild()
    finally:
        index.close()


CHILD = """
import sys
from pathlib import Path
from secondme.core.memory.index import ConversationIndex
from secondme.core.memory.messages import MemoryMessage
index = ConversationIndex(Path(sys.argv[1]))
at = index.size()[0]
while True:
    index.append([MemoryMessage(f"m{at + n}", 1_700_000_000_000 + (at + n) * 60_000, "contact", f"hello number {at + n} pizza") for n in range(5)])
    at += 5
    print(at, flush=True)
"""


def test_a_fact_that_the_owner_forgot_or_corrected_does_not_come_back(index: ConversationIndex) -> None:
    said = {"m1": "I live in Rome", "m2": "my dog is called Rex"}
    index.append([MemoryMessage(name, START_MS + at, "contact", text) for at, (name, text) in enumerate(said.items())])
    facts = [fact for name, text in said.items() for fact in facts_in(Spoken(name, START_MS, Speaker.CONTACT, text))]
    assert index.add_facts(facts) == 2
    keys = {each.fact.object: each.key for each in index.facts()}
    assert index.forget_facts([keys["Rex"]]) == 1
    assert index.correct_fact(keys["Rome"], "Oslo", START_MS + 5)
    assert not index.correct_fact(keys["Rome"], "Oslo", START_MS + 5)
    for _ in range(2):
        (kept,) = index.facts()
        assert (kept.fact.object, kept.fact.speaker, kept.fact.sources) == ("Oslo", Speaker.OWNER, ("m1",))
        assert index.add_facts(facts) == 0
    assert index.correct_fact(kept.key, "Paris", START_MS + 6)
    assert index.correct_fact(index.facts()[0].key, "Oslo", START_MS + 7)  # the owner may change their mind
    assert [each.fact.object for each in index.facts()] == ["Oslo"]
    index.forget(["m1"])
    assert index.facts() == []


@pytest.mark.heavy
def test_a_killed_process_loses_nothing_that_it_said_it_kept(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    chance = random.Random(5)
    for _ in range(sized(50, 12)):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged = 0
        for _ in range(chance.randint(1, 60)):
            acknowledged = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
        child.stdout.close()
        child.wait()
        index = ConversationIndex(path)
        assert index.faults() == []
        assert index.size()[0] >= acknowledged
        assert content(index) == rebuilt(index, tmp_path / f"{acknowledged}.db")
        index.close()
