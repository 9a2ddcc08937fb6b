"""A rehearsal of invented people, as the report takes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from rehearse.writers import ANA, BEN, Writer, some

from secondme.core.rehearse.records import PastBurst, RehearsedAnswer, Variant
from secondme.core.rehearse.verdict import RehearsalReport, report

FIRST = datetime(2026, 9, 12, 10, tzinfo=UTC)
IDS = ("491512345678@c.us", "telegram:77", "local:noa", "local:ivo")
NAMES = dict(zip(IDS, ("Mia Berg", "Otto", "Noa", "Ivo"), strict=True))


@dataclass
class Rehearsal:
    """`counts`: bursts by contact. The owner is `owner`, everybody they write to `friend`."""

    counts: Sequence[int] = (60,)
    owner: Writer = ANA
    friend: Writer = BEN
    owns: int = 300
    past: int = 50
    others: int = 66
    seed: int = 7
    bursts: list[PastBurst] = field(default_factory=list)
    answers: list[RehearsedAnswer] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)

    def __post_init__(self) -> None:
        ids = [contact for at, count in enumerate(self.counts) for contact in [IDS[at]] * count]
        Random(self.seed).shuffle(ids)
        asked, real = some(self.friend, len(ids), self.seed), some(self.owner, len(ids), self.seed + 1)
        self.bursts = [
            PastBurst(
                id=f"b{at}",
                contact=contact,
                at=FIRST + timedelta(hours=20 * at),
                asked=tuple(asked[at].split("\n")),
                real=tuple(real[at].split("\n")),
            )
            for at, contact in enumerate(ids)
        ]

    def texts(self, writer: Writer, count: int, seed: int) -> dict[str, list[str]]:
        return {contact: some(writer, count, seed + at) for at, contact in enumerate(IDS[: len(self.counts)])}

    def answered(self, replies: Callable[[int], list[str]], persona: str = "home", **each: Any) -> "Rehearsal":
        """A variant more, whose answers are these."""
        number = len(self.variants)
        self.variants.append(Variant(persona=persona, model="sonnet-5.5"))
        self.answers += [
            RehearsedAnswer(
                burst=burst.id, variant=number, **({"outcome": "passed", "micros": 5200} | each), reply=tuple(text.split("\n"))
            )
            for burst, text in zip(self.bursts, replies(len(self.bursts)), strict=True)
        ]
        return self

    def by(self, writer: Writer, seed: int = 99, **each: Any) -> "Rehearsal":
        return self.answered(lambda count: some(writer, count, seed), **each)

    def become(self, at: slice, **changes: Any) -> "Rehearsal":
        self.answers[at] = [answer.model_copy(update=changes) for answer in self.answers[at]]
        return self

    def report(self, **more: Any) -> RehearsalReport:
        return report(
            self.bursts,
            self.answers,
            self.variants,
            past=self.texts(self.owner, self.past, 1000),
            others=self.texts(self.owner, self.others, 2000),
            contacts=self.texts(self.friend, max(self.counts, default=0), 3000),
            owns=dict.fromkeys(IDS, self.owns),
            names=NAMES,
            seed=self.seed,
            **more,
        )
