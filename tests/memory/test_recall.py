"""What a reply gets of the memory: the best that fits, in its order, nothing twice."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondme.core.clock import to_ms
from secondme.core.config.models import MemorySettings
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import read_query
from secondme.core.memory.recall import RecalledMessage, recall
from secondme.core.text import estimate_tokens

BERLIN = ZoneInfo("Europe/Berlin")
START = to_ms(datetime(2024, 6, 1, 10, tzinfo=UTC))
MINUTE = 60_000


@pytest.fixture
def memories(tmp_path: Path) -> Iterator[Memories]:
    made = Memories(tmp_path / "memory", MemorySettings())
    made.append(
        "a",
        [
            MemoryMessage("q1", START, "owner", "What is your sister's name?"),
            MemoryMessage("a1", START + MINUTE, "contact", "Josephine, like our grandmother"),
            MemoryMessage("x1", START + 2 * MINUTE, "owner", "nice"),
            MemoryMessage("b1", START + 900 * MINUTE, "contact", "I bought a red bicycle yesterday"),
            MemoryMessage("c1", START + 2000 * MINUTE, "contact", "小猫昨天在图书馆睡觉" * 30),
            MemoryMessage("d1", START + 4000 * MINUTE, "clone", "My bicycle is blue"),
        ],
    )
    yield made
    made.close()


def ids(rows: list[RecalledMessage]) -> list[str]:
    return [row.id for row in rows]


def test_a_question_stands_before_the_answer_that_was_found(memories: Memories) -> None:
    rows = recall(memories, ["a"], read_query("Josephine"), budget_tokens=60, zone=BERLIN)
    assert [(row.id, row.speaker, row.why[0] if row.id == "q1" else "") for row in rows][:2] == [
        ("q1", "owner", "asked"),
        ("a1", "contact", ""),
    ]
    assert rows[1].said_at == datetime(2024, 6, 1, 12, 1, tzinfo=BERLIN)
    assert rows[1].said_at.tzinfo is BERLIN


def test_what_is_shown_anyway_is_not_recalled(memories: Memories) -> None:
    assert ids(recall(memories, ["a"], read_query("bicycle"), budget_tokens=500, zone=UTC)) == ["b1", "d1"]
    assert ids(recall(memories, ["a"], read_query("bicycle"), budget_tokens=500, zone=UTC, shown={"d1"})) == ["b1"]
    assert "q1" not in ids(recall(memories, ["a"], read_query("Josephine"), budget_tokens=500, zone=UTC, shown=["q1"]))


@pytest.mark.parametrize(
    ("budget", "text"), [(0, "bicycle"), (-5, "bicycle"), (500, ""), (500, " \n"), (500, "?!"), (3, "bicycle")]
)
def test_nothing_is_recalled_for_nothing(budget: int, text: str, memories: Memories) -> None:
    assert recall(memories, ["a"], read_query(text), budget_tokens=budget, zone=UTC) == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    budget=st.integers(1, 600),
    text=st.lists(st.sampled_from(["bicycle", "Josephine", "图书馆", "name", "小猫", "nice"]), min_size=1).map(" ".join),
)
def test_the_budget_is_kept_and_the_order_is_that_of_time(budget: int, text: str, memories: Memories) -> None:
    rows = recall(memories, ["a"], read_query(text), budget_tokens=budget, zone=UTC)
    assert sum(estimate_tokens(row.text) for row in rows) <= budget
    assert [row.said_at for row in rows] == sorted(row.said_at for row in rows)
    assert len(set(ids(rows))) == len(rows)


def test_one_that_does_not_fit_makes_room_for_a_shorter_one(memories: Memories) -> None:
    assert ids(recall(memories, ["a"], read_query("图书馆 小猫 bicycle"), budget_tokens=60, zone=UTC)) == ["b1", "d1"]
