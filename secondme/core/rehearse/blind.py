"""The owner's blind test: of two answers to the same words, which one is theirs? No program judges; nothing is said before the end.

Left out are pairs that would test something else: what was remembered, what is the same in both, and answers that are facts alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Literal

from secondme.core.clock import from_ms
from secondme.core.dates import day_meant, month_names
from secondme.core.rehearse.comparison import fold
from secondme.core.rehearse.records import BlindChoice, PastBurst, RehearsedAnswer
from secondme.core.rehearse.report_text import blind_verdict
from secondme.core.text import caseless

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from secondme.core.rehearse.archive import RehearsalRun

COUNT = 20
"""Pairs of a test, and after how many more of them one may look again."""
_OLD = timedelta(days=30)
"""Own words are half forgotten by then."""
_BLOCK = 10
"""Pairs in a row of which the owner's answer is A in every second."""
_LINK = re.compile(r"\S+://\S+|www\.\S+|\S+@\S+\.\w+", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['-]\w+)*")
_CAPITAL = re.compile(r"(?<=[\w,;&] )[^\W\d_]{2,}")
"""A word inside a sentence."""
_MOST_FACTS = 8
"""Words beyond which an answer says more than facts."""
_ANY_DAY = from_ms(0).date()

Said = Literal["a", "b", "no_idea", "remembered"]


@dataclass(frozen=True, slots=True)
class Item:
    """One pair."""

    burst: PastBurst
    answer: RehearsedAnswer
    before: tuple[tuple[Literal["contact", "owner"], str], ...]
    """The last turns before the burst, as far as none of them is another pair's answer."""
    is_a: bool
    """Whether the owner's answer is A."""

    @property
    def shown(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """A and B, each in its messages."""
        both = self.burst.real, self.answer.reply
        return both if self.is_a else both[::-1]

    def choice(self, said: Said) -> BlindChoice:
        """What that means."""
        if said == "no_idea" or said == "remembered":  # noqa: PLR1714  the type is narrowed by it
            return BlindChoice(burst=self.burst.id, variant=self.answer.variant, said=said)
        return BlindChoice(burst=self.burst.id, variant=self.answer.variant, said="real" if (said == "a") == self.is_a else "clone")


@dataclass(frozen=True, slots=True)
class BlindSummary:
    """What was said so far. Not to be shown before `is_done`."""

    right: int
    no_idea: int
    n: int
    """Pairs that count: without those that were remembered."""
    same: int
    """Pairs whose answers are the same."""
    remembered: int
    is_done: bool
    """As many as were wanted, or as there are."""
    earlier: int = 0
    """Pairs after which a result may have been seen before these were added."""

    def text(self, friend: str = "") -> str:
        """The result in words, with its interval; of the `friend` of that name."""
        said = blind_verdict(self.right, self.no_idea, self.n, self.same, self.remembered, friend)
        if self.earlier:
            said += f" If you saw the result of the first {self.earlier}, you looked twice: the probability is then larger than this says."
        return said


class BlindTest:
    """The test of one variant of a run. The same pairs in the same order, whenever it is gone on with."""

    def __init__(self, run: RehearsalRun, variant: int) -> None:
        self._run = run
        self._variant = variant
        self._items, self._same = pairs(run, variant)

    def open(self, count: int) -> list[Item]:
        """What there is to ask until `count` pairs count: the first of these is next, and so many are needed while nothing is remembered."""
        said = self._said()
        missing = max(0, count - sum(each != "remembered" for each in said.values()))
        return [item for item in self._items if item.burst.id not in said][:missing]

    def summary(self, count: int) -> BlindSummary:
        """What was said so far."""
        said = [*self._said().values()]
        remembered = said.count("remembered")
        return BlindSummary(
            said.count("real"), said.count("no_idea"), len(said) - remembered, self._same, remembered, not self.open(count)
        )

    def _said(self) -> dict[str, str]:
        return {each.burst: each.said for each in self._run.blind if each.variant == self._variant}


def results(run: RehearsalRun) -> dict[int, tuple[float, int]]:
    """By variant, how often the owner was right in how many pairs, half where they had no idea: what a report is given."""
    found = {at: BlindTest(run, at).summary(0) for at in {each.variant for each in run.blind}}
    return {at: (each.right + each.no_idea / 2, each.n) for at, each in found.items() if each.n}


def pairs(run: RehearsalRun, variant: int, *, contact: str = "", purpose: str = "blind") -> tuple[list[Item], int]:
    """What can be asked, old pairs first, and how many more have two answers that are the same. `contact`: of this one's alone. Each `purpose` has
    sides of its own, which only the run knows."""
    names, chosen, same = _names(run), list[tuple[PastBurst, RehearsedAnswer]](), 0
    for burst in run.bursts.values():
        answer = run.answers.get((burst.id, variant))
        if answer is None or answer.outcome != "passed" or burst.asks_if_machine or contact not in {"", burst.contact}:
            continue  # what is asked whether it is a machine says what it is
        if fold("\n".join(burst.real)) == fold("\n".join(answer.reply)):
            same += 1
        elif not any(_is_facts(each, names) for each in (burst.real, answer.reply)):
            chosen.append((burst, answer))
    key = f"{run.head.id}:{run.head.seed}:{variant}:{purpose}:{contact}:"
    recent = run.head.begun_at - _OLD
    chosen.sort(key=lambda pair: (pair[0].at >= recent, blake2b(f"{key}{pair[0].id}".encode(), digest_size=8).digest()))
    asked = {fold(line) for burst, _ in chosen for text in burst.real for line in text.splitlines()}
    sides = _sides(len(chosen), f"{key}sides")
    return [Item(burst, answer, _unanswered(burst, asked), is_a) for (burst, answer), is_a in zip(chosen, sides, strict=True)], same


def _sides(count: int, key: str) -> list[bool]:
    """As many of both, by chance, in any ten from the first."""
    chance, sides = Random(key), list[bool]()  # noqa: S311  a secret from who looks at the pairs, who has nothing to test a guess by
    for start in range(0, count, _BLOCK):
        size, first = min(_BLOCK, count - start), chance.random() < 0.5  # noqa: PLR2004  a coin
        block = [(at * 2 < size) == first for at in range(size)]
        chance.shuffle(block)
        sides += block
    return sides


def _unanswered(burst: PastBurst, asked: Container[str]) -> tuple[tuple[Literal["contact", "owner"], str], ...]:
    """The turns before a burst, from behind the last that is an answer which is asked for: shown there it would tell that pair's."""
    told = [
        at
        for at, (who, text) in enumerate(burst.before)
        if who == "owner" and any(fold(line) in asked for line in text.splitlines())
    ]
    return burst.before[told[-1] + 1 if told else 0 :]


def _names(run: RehearsalRun) -> frozenset[str]:
    """What is called by a name in this run: people, and whatever is capitalised inside a sentence."""
    said = [text for burst in run.bursts.values() for text in (*burst.asked, *burst.real, *(text for _, text in burst.before))]
    found = {word for text in said for word in _CAPITAL.findall(text) if word[0].isupper() and not word.isupper()}
    return frozenset(caseless(word) for word in [*found, *_WORD.findall(" ".join(each.name for each in run.materials.values()))])


def _is_facts(messages: Iterable[str], names: frozenset[str]) -> bool:
    """Whether an answer has nothing but names, dates, links and numbers in it, which tells who knew them, not who writes so."""
    text = " ".join(messages)
    words = _WORD.findall(_LINK.sub(" ", text))
    if len(words) > _MOST_FACTS or not (words or _LINK.search(text)):
        return False
    return all(_is_fact(caseless(word), names) for word in words)


def _is_fact(word: str, names: frozenset[str]) -> bool:
    is_number = any(map(str.isdigit, word))
    return is_number or word in names or word in month_names() or day_meant(word, _ANY_DAY) is not None
