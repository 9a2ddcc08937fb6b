"""How much of what was said is found again? Recall of evidence, and processor time, of the product's own index and ranking.

`python tests/bench/memory.py --locomo FILE [--realtalk FOLDER] [--embeddings local] [--json]`: LoCoMo's JSON (snap-research/locomo) and REALTALK's folder
(danny911kr/REALTALK) are looked for elsewhere and never part of the project. `--sizes` measures time in one long conversation, with
generated text. Prints; decides nothing.
"""

import argparse
import asyncio
import json
import re
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from statistics import mean
from typing import Any

from rich.progress import Progress, TextColumn

from secondme.core.clock import SystemClock, to_ms
from secondme.core.config.models import MemorySettings
from secondme.core.ids import ContactId
from secondme.core.memory.library import Memories
from secondme.core.memory.meaning import MeaningIndex
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import read_query
from secondme.core.memory.ranking import MemoryHints
from secondme.core.memory.recall import pack
from secondme.core.ports import EmbeddingProvider
from secondme.core.providers.embeddings import embedding_provider

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop", 5: "adversarial"}
DEPTHS = (5, 10, 20)
BUDGET_TOKENS = 1000
WRITTEN_TIMES = ("%I:%M %p on %d %B, %Y", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y, %H:%M")
SIZES = (2_000, 14_000, 50_000)
APPENDED = 1_000
"""Messages, one at a time: every few hundred the full text merges, which a short run misses or overrates."""
CONTACTS, BATCH = 1_000, 500


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
        last = (
            moment(turn.get("date_time") or "")
            or begun
            or (last if at and turns[at - 1][0] == number else last + timedelta(days=1))
        )
        speaker = "contact" if turn["speaker"] == speakers[0] else "owner"
        made.messages.append(MemoryMessage(turn["dia_id"], to_ms(last), speaker, text_of(turn), rank=at))
    known = {each.id for each in made.messages}
    for question in asked:
        named = (
            re.fullmatch(r"\(?D:?(\d+):(\d+)\)?", part)
            for each in question.get("evidence") or ()
            for part in re.split(r"[;\s,]+", str(each))
        )
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


def asked_of(
    memories: Memories,
    made: Dialogue,
    found: dict[str, dict[str, list[float]]],
    times: list[float],
    provider: EmbeddingProvider | None = None,
) -> None:
    """Asks every question of one conversation, and notes what part of its evidence was found, by category and depth."""
    memories.append(made.name, made.messages)
    meaning = MeaningIndex(memories, provider, SystemClock()) if provider is not None else None
    contact = ContactId(made.name)
    if meaning is not None:
        meaning.changed(contact)
        asyncio.run(embed_all(meaning))
    names = {"contact_names": made.speakers[:1], "owner_names": made.speakers[1:2]}
    for words, evidence, category in made.questions:
        begun = time.process_time()
        near = asyncio.run(meaning.near([contact], words)) if meaning is not None else {}
        ranked = memories.search(
            [contact], read_query(words, **names), hints={contact: MemoryHints(meanings=near.get(contact, {}))}
        )
        times.append((time.process_time() - begun) * 1000)
        ids = [each.message.id for each in ranked]
        shown = {each.id for each in pack(ranked, budget_tokens=BUDGET_TOKENS, zone=UTC)}
        for group in ("all", CATEGORIES.get(category, str(category))):
            for depth in DEPTHS:
                found[group][f"r{depth}"].append(len(evidence.intersection(ids[:depth])) / len(evidence))
            found[group]["in_budget"].append(len(evidence & shown) / len(evidence))


async def embed_all(meaning: MeaningIndex) -> None:
    """Every message has its vector."""
    while await meaning.step():
        pass


def measured(dialogues: Iterator[Dialogue], settings: MemorySettings) -> dict[str, Any]:
    """Recall in per cent by category, and processor time a question in milliseconds, with `memory.embeddings` where that is chosen."""
    provider = embedding_provider(settings, SystemClock(), SystemRandom())
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        memories = Memories(Path(folder) / "memory", settings)
        for made in dialogues:
            asked_of(memories, made, found, times, provider)
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


def long_conversation(messages: int) -> Dialogue:
    """Generated small talk: words as frequent as words are, a session every few dozen messages, and questions of six words."""
    chance = Random(7)
    syllables = ["ba", "ko", "mi", "tu", "re", "sa", "lo", "ni", "fe", "da", "go", "vu"]
    words = ["".join(chance.choice(syllables) for _ in range(chance.randint(2, 4))) for _ in range(20_000)]
    weights = [1 / (at + 3) for at in range(len(words))]
    made, at_ms = Dialogue(str(messages), ["Anna", "Ben"]), to_ms(datetime(2015, 1, 1, tzinfo=UTC))
    for number in range(messages):
        at_ms += chance.randint(10, 400) * 1000 if number % 37 else 9 * 3_600_000
        text = " ".join(chance.choices(words, weights, k=chance.randint(4, 24))) + chance.choice(".?!.")
        made.messages.append(MemoryMessage(f"m{number}", at_ms, "contact" if chance.random() < 0.5 else "owner", text))
    for number in range(200):
        asked = chance.choices(words, weights, k=6) if number % 2 else chance.choice(made.messages).text.split()[:8]
        made.questions.append(("When did Anna " + " ".join(asked), {"m0"}, 4))
    return made


def sized(messages: int) -> dict[str, Any]:
    """Processor time in one conversation of so many messages: to index all, to append one more, to ask, and to forget one."""
    made, times, appended = long_conversation(messages + APPENDED), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        memories = Memories(Path(folder) / "memory", MemorySettings())
        late = made.messages[messages:]
        del made.messages[messages:]
        begun = time.process_time()
        memories.append(made.name, made.messages)
        indexed = time.process_time() - begun
        for message in late:
            begun = time.process_time()
            memories.append(made.name, [message])
            appended.append((time.process_time() - begun) * 1000)
        made.messages.clear()
        asked_of(memories, made, defaultdict(lambda: defaultdict(list)), times)
        begun = time.process_time()
        memories.forget_messages(made.name, [late[0].id])
        forgotten = time.process_time() - begun
        mib = sum(path.stat().st_size for path in memories.all_files()) / 2**20
        memories.close()
    return {
        "append_ms": {**percentiles(appended), "mean": round(mean(appended), 2)},
        "ask_ms": percentiles(times),
        "forget_s": round(forgotten, 2),
        "index_s": round(indexed, 2),
        "mib": round(mib, 1),
    }


def many(messages: int) -> dict[str, Any]:
    """So many messages of a thousand contacts, a contact after the other as an import brings them; a bar shows how far it is."""
    share = max(1, messages // CONTACTS)
    template = long_conversation(share).messages
    sizes: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*Progress.get_default_columns(), TextColumn("{task.fields[rate]}")) as bar,
    ):
        memories = Memories(Path(folder) / "memory", MemorySettings())
        task = bar.add_task("messages", total=share * CONTACTS, rate="")
        begun, wall = time.process_time(), time.monotonic()
        for number in range(CONTACTS):
            for at in range(0, share, BATCH):
                memories.append(f"local:{number}", template[at : at + BATCH])
            bar.update(task, advance=share, rate=f"{share * (number + 1) / (time.monotonic() - wall):,.0f} a second")
            if number % (CONTACTS // 10) == CONTACTS // 10 - 1:
                sizes.append(round(resident_mib(), 1))
        cpu = time.process_time() - begun
        mib = sum(path.stat().st_size for path in memories.all_files()) / 2**20
        memories.close()
    return {"messages": share * CONTACTS, "per_cpu_s": round(share * CONTACTS / cpu), "resident_mib": sizes, "mib": round(mib, 1)}


def resident_mib() -> float:
    """What this process holds of the machine's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def main() -> None:
    """Measures what was asked for, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locomo", type=Path)
    parser.add_argument("--realtalk", type=Path)
    parser.add_argument("--sizes", nargs="*", type=int)
    parser.add_argument("--many", nargs="?", type=int, const=1_000_000, help="messages of a thousand contacts; a million")
    parser.add_argument("--idle-minutes", type=float, default=MemorySettings().idle_minutes, help="memory.idle_minutes")
    parser.add_argument("--embeddings", default="none", help="memory.embeddings: `local` needs the extra `embed`")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results: dict[str, Any] = {}
    settings = MemorySettings(idle_minutes=asked.idle_minutes, embeddings=asked.embeddings)
    if asked.locomo:
        results |= measured(locomo(asked.locomo), settings)
    if asked.realtalk:
        other = measured(realtalk(asked.realtalk), settings)
        results |= {"realtalk": other} if asked.locomo else other
    if asked.sizes is not None:
        results["sizes"] = {str(size): sized(size) for size in asked.sizes or SIZES}
    if asked.many:
        results["many"] = many(asked.many)
    if asked.json:
        print(json.dumps(results, indent=2, sort_keys=True))
        return
    for name, row in results.items():
        rows = row.items() if name in {"sizes", "realtalk"} else [(name, row)]
        for label, values in rows:
            print(f"{label:<14} " + "  ".join(f"{key} {value}" for key, value in values.items()))


if __name__ == "__main__":
    main()
