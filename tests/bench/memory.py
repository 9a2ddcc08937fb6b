"""How much of what was said is found again? Recall of evidence, and processor time, of the product's own index and ranking.

`python tests/bench/memory.py --locomo FILE [--realtalk FOLDER] [--json]`: LoCoMo's JSON (snap-research/locomo) and REALTALK's folder
(danny911kr/REALTALK) are looked for elsewhere and never part of the project. `--sizes` measures time in one long conversation, with
generated text. Prints; decides nothing.
"""

import argparse
import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from secondme.core.clock import to_ms
from secondme.core.config.models import MemorySettings
from secondme.core.memory.index import MemoryMessage
from secondme.core.memory.library import Memories

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop", 5: "adversarial"}
DEPTHS = (5, 10, 20)
BUDGET_TOKENS = 1000
WRITTEN_TIMES = ("%I:%M %p on %d %B, %Y", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y, %H:%M")
SIZES = (2_000, 14_000, 50_000)


@dataclass
class Dialogue:
    """One conversation between two people, and the questions about it."""

    name: str
    speakers: list[str]
    messages: list[MemoryMessage] = field(default_factory=list)
    questions: list[tuple[str, set[str], int]] = field(default_factory=list)
    """Words, ids of the evidence, category."""


def moment(written: str) -> datetime | None:
    """A time as one of the data sets writes it."""
    for form in WRITTEN_TIMES:
        try:
            return datetime.strptime(written.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def text_of(turn: dict[str, Any]) -> str:
    """What was written, and what a picture that came with it shows."""
    body = turn.get("text") or turn.get("clean_text") or ""
    caption = turn.get("blip_caption") or ""
    shown = " ".join(map(str, caption)) if isinstance(caption, list) else str(caption)
    return f"{body} [shares {shown}]" if shown else body


def dialogue(name: str, conversation: dict[str, Any], asked: list[dict[str, Any]]) -> Dialogue:
    """A conversation of either data set; its first speaker is the contact, the other one the owner."""
    numbers = sorted(int(key[8:]) for key in conversation if re.fullmatch(r"session_\d+", key) and conversation[key])
    turns = [(number, turn) for number in numbers for turn in conversation[f"session_{number}"]]
    speakers = list(dict.fromkeys(turn["speaker"] for _, turn in turns))
    made = Dialogue(name, speakers)
    last = datetime(2020, 1, 1, tzinfo=UTC)
    for at, (number, turn) in enumerate(turns):
        begun = moment(conversation.get(f"session_{number}_date_time") or "")
        last = moment(turn.get("date_time") or "") or begun or (last if at and turns[at - 1][0] == number else last + timedelta(days=1))
        speaker = "contact" if turn["speaker"] == speakers[0] else "owner"
        made.messages.append(MemoryMessage(turn["dia_id"], to_ms(last), speaker, text_of(turn), rank=at))
    known = {each.id for each in made.messages}
    for question in asked:
        named = (re.fullmatch(r"\(?D:?(\d+):(\d+)\)?", part) for each in question.get("evidence") or () for part in re.split(r"[;\s,]+", str(each)))
        evidence = {f"D{int(match[1])}:{int(match[2])}" for match in named if match} & known
        if evidence:
            made.questions.append((question["question"], evidence, int(question["category"])))
    return made


def locomo(path: Path) -> Iterator[Dialogue]:
    """The conversations of a LoCoMo file, flat or with a `conversation` each."""
    for at, each in enumerate(json.loads(path.read_text("utf-8"))):
        yield dialogue(str(each.get("sample_id", at)), each.get("conversation", each), each["qa"])


def realtalk(folder: Path) -> Iterator[Dialogue]:
    """The conversations of a REALTALK folder, a file each."""
    for path in sorted(folder.glob("*.json")):
        each = json.loads(path.read_text("utf-8"))
        yield dialogue(path.stem, each.get("conversation", each), each.get("qa", ()))


def asked_of(memories: Memories, made: Dialogue, found: dict[str, dict[str, list[float]]], times: list[float]) -> None:
    """Asks every question of one conversation, and notes what part of its evidence was found, by category and depth."""
    memories.append(made.name, made.messages)
    names = {"contact_names": made.speakers[:1], "owner_names": made.speakers[1:2]}
    for words, evidence, category in made.questions:
        begun = time.process_time()
        ids = [each.message.id for each in memories.search([made.name], words, **names)]
        times.append((time.process_time() - begun) * 1000)
        for group in ("all", CATEGORIES.get(category, str(category))):
            for depth in DEPTHS:
                found[group][f"r{depth}"].append(len(evidence.intersection(ids[:depth])) / len(evidence))


def measured(dialogues: Iterator[Dialogue]) -> dict[str, Any]:
    """Recall in per cent by category, and processor time a question in milliseconds."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        memories = Memories(Path(folder) / "memory", MemorySettings())
        for made in dialogues:
            asked_of(memories, made, found, times)
        memories.close()
    rows: dict[str, Any] = {
        group: {"questions": len(shares["r5"]), **{name: round(100 * mean(each), 2) for name, each in shares.items()}}
        for group, shares in sorted(found.items())
    }
    return {**rows, "cpu_ms": percentiles(times)}


def percentiles(times: list[float]) -> dict[str, float]:
    """The middle one, and the one that 95 of 100 are below."""
    ordered = sorted(times) or [0.0]
    return {"p50": round(ordered[len(ordered) // 2], 2), "p95": round(ordered[int(0.95 * len(ordered))], 2)}
