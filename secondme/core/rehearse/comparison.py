"""What can be counted beside the judge's word: what became of the answers, what differs from the owner's, copied words, facts from nowhere."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from random import Random
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.rehearse.features import FEATURES, LEAST_SPREAD, features
from secondme.core.rehearse.statistics import wilson
from secondme.core.remember.style.measure import languages
from secondme.core.text import caseless

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from secondme.core.rehearse.records import PastBurst, RehearsedAnswer

_ROUNDS = 200
_MOST_OWN = 300
"""Answers of the owner's to one contact that their ups and downs are measured by."""
_APART = 1.96 * 2**0.5
"""Standard deviations by which two samples of one writer differ in one of twenty cases."""
_BY_NAME = {feature.name: feature for feature in FEATURES}


class Pair(NamedTuple):
    """A burst whose answer counts for the style: it could have been sent, and nobody asked whether a machine writes."""

    burst: PastBurst
    answer: RehearsedAnswer

    @property
    def real(self) -> str:
        """The owner's whole answer."""
        return "\n".join(self.burst.real)

    @property
    def reply(self) -> str:
        """The clone's."""
        return "\n".join(self.answer.reply)


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """How many answers did not pass for one reason."""

    outcome: str
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class Strip:
    """One feature, for a picture; say a value in words with `say`."""

    feature: str
    low: float
    high: float
    """Between them lie 95 % of as many answers of the owner's own: their ups and downs."""
    real: float
    clone: float
    contact: float | None
    """Of the people who are answered; None when too little of them is known."""
    gap: float
    """Between clone and real, over what two samples of the owner's may differ by: above 1 is no accident."""

    @property
    def thing(self) -> str:
        """What it counts, in words: "a comma"."""
        return _BY_NAME[self.feature].thing

    def say(self, value: float) -> str:
        """`value` of this feature in words."""
        return _BY_NAME[self.feature].say(value)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one variant's answers come to beside the owner's. Answers are whole ones, of pairs that count for the style."""

    passed: int
    held: int
    silent: int
    failed: int
    """With what was never asked; the four are all bursts."""
    reasons: tuple[Reason, ...]
    machine_asked: int
    """Bursts that ask whether a machine writes: a matter of honesty, not of style."""
    machine_passed: int
    pairs: int
    length: float
    """Median characters."""
    own_length: float
    messages: float
    """Per answer."""
    own_messages: float
    copied: int
    """Equal to one of the owner's other answers to the contact, or to one message of one."""
    own_copied: int
    new_facts: int
    own_new_facts: int
    other_language: int
    """Clearly in another language than what is answered."""
    own_other_language: int

    @property
    def is_held_often(self) -> bool:
        """More than one in five: that is the news, whatever the style."""
        return self.held * 5 > self.passed + self.held + self.silent

    @property
    def is_copying(self) -> bool:
        """Clearly more of it is copied than of the owner's own: the two intervals do not meet."""
        return wilson(self.copied, self.pairs)[0] > wilson(self.own_copied, self.pairs)[1]

    @property
    def is_inventing(self) -> bool:
        """More than twice the owner's facts from nowhere, and more than an accident or two."""
        return self.new_facts > max(2, 2 * self.own_new_facts)


def paired(bursts: Sequence[PastBurst], answers: Sequence[RehearsedAnswer]) -> list[Pair]:
    """The pairs that count for the style, oldest first; of several answers to a burst, the last."""
    by_burst = {answer.burst: answer for answer in answers}
    ordered = sorted(bursts, key=lambda burst: (burst.at, burst.id))
    pairs = (Pair(burst, by_burst[burst.id]) for burst in ordered if burst.id in by_burst and not burst.asks_if_machine)
    return [pair for pair in pairs if pair.answer.outcome == "passed" and pair.reply.strip()]


def matched(bursts: Sequence[PastBurst], texts: Mapping[str, Sequence[str]], seed: int) -> list[str | None]:
    """For each burst one of its contact's `texts` by chance, none twice; None where there are too few."""
    rng = Random(seed)  # noqa: S311  chance is not secret here
    left = {
        contact: rng.sample(list(texts.get(contact, ())), len(texts.get(contact, ())))
        for contact in dict.fromkeys(burst.contact for burst in bursts)
    }
    return [left[burst.contact].pop() if left[burst.contact] else None for burst in bursts]


def compare(bursts: Sequence[PastBurst], answers: Sequence[RehearsedAnswer], own: Mapping[str, Sequence[str]]) -> Comparison:
    """What `answers`, all of one variant, come to; `own`: by contact all other answers of the owner's that are known."""
    by_burst = {answer.burst: answer for answer in answers}
    became = [by_burst.get(burst.id) for burst in bursts]
    outcomes = Counter(answer.outcome if answer else "failed" for answer in became)
    reasons = Counter((answer.outcome, answer.reason) for answer in became if answer and answer.outcome != "passed")
    pairs = paired(bursts, answers)
    copied, own_copied = _copied(bursts, pairs, own)
    replies, reals = [pair.reply for pair in pairs], [pair.real for pair in pairs]
    asking = [answer for burst, answer in zip(bursts, became, strict=True) if burst.asks_if_machine]
    return Comparison(
        passed=outcomes["passed"],
        held=outcomes["held"],
        silent=outcomes["silent"],
        failed=outcomes["failed"],
        reasons=tuple(Reason(*code, count) for code, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        machine_asked=len(asking),
        machine_passed=sum(answer is not None and answer.outcome == "passed" for answer in asking),
        pairs=len(pairs),
        length=median(map(len, replies)) if pairs else 0.0,
        own_length=median(map(len, reals)) if pairs else 0.0,
        messages=fmean(len(pair.answer.reply) for pair in pairs) if pairs else 0.0,
        own_messages=fmean(len(pair.burst.real) for pair in pairs) if pairs else 0.0,
        copied=copied,
        own_copied=own_copied,
        new_facts=sum(pair.answer.new_facts for pair in pairs),
        own_new_facts=sum(pair.answer.own_new_facts for pair in pairs),
        other_language=sum(_is_other_language(pair.reply, pair.burst) for pair in pairs),
        own_other_language=sum(_is_other_language(pair.real, pair.burst) for pair in pairs),
    )


def strip(
    pairs: Sequence[Pair], own: Mapping[str, Sequence[str]], contacts: Mapping[str, Sequence[str]], *, seed: int
) -> tuple[Strip, ...]:
    """What a picture of the features needs, widest gap first; empty without pairs or answers of the owner's to measure their ups and downs by."""
    bursts = [pair.burst for pair in pairs]
    share = {contact: count for contact, count in Counter(burst.contact for burst in bursts).items() if own.get(contact)}
    if not share:
        return ()
    pools = {contact: [features(text) for text in own[contact][-_MOST_OWN:]] for contact in share}
    rng = Random(seed)  # noqa: S311  chance is not secret here
    samples = [[row for contact, count in share.items() for row in rng.choices(pools[contact], k=count)] for _ in range(_ROUNDS)]
    theirs = [features(text) for text in matched(bursts, contacts, seed) if text is not None]
    real, clone = ([features(text) for text in texts] for texts in ([p.real for p in pairs], [p.reply for p in pairs]))
    strips = []
    for at, feature in enumerate(FEATURES):
        sums = sorted(feature.sum_up([row[at] for row in sample]) for sample in samples)
        us, it = (feature.sum_up([row[at] for row in rows]) for rows in (real, clone))
        least = LEAST_SPREAD * (us if feature.kind == "median" else 1) / len(pairs) ** 0.5
        strips.append(
            Strip(
                feature=feature.name,
                low=sums[_ROUNDS // 40],
                high=sums[-_ROUNDS // 40 - 1],
                real=us,
                clone=it,
                contact=feature.sum_up([row[at] for row in theirs]) if theirs else None,
                gap=abs(it - us) / (_APART * max(pstdev(sums), least, 1e-9)),
            )
        )
    return tuple(sorted(strips, key=lambda each: -each.gap))


def _copied(bursts: Sequence[PastBurst], pairs: Sequence[Pair], own: Mapping[str, Sequence[str]]) -> tuple[int, int]:
    """How many replies, and how many real answers, repeat one that the owner gave the contact otherwise or earlier."""
    known = {contact: set(_foldings(own.get(contact, ()))) for contact in {burst.contact for burst in bursts}}
    by_id = {pair.burst.id: pair for pair in pairs}
    copied = own_copied = 0
    for burst in sorted(bursts, key=lambda each: (each.at, each.id)):
        if pair := by_id.get(burst.id):
            copied += fold(pair.reply) in known[burst.contact]
            own_copied += fold(pair.real) in known[burst.contact]
        known[burst.contact] |= set(_foldings(["\n".join(burst.real)]))
    return copied, own_copied


_VARIATION = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
"""How an emoji is drawn: as text, as a picture, in which skin."""


def fold(text: str) -> str:
    """`text` without what makes no other answer of it: case, white space, how an emoji is drawn."""
    return caseless(" ".join(_VARIATION.sub("", text).split()))


def _foldings(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        yield fold(text)
        yield from map(fold, text.splitlines())


def _is_other_language(text: str, burst: PastBurst) -> bool:
    asked, said = languages(["\n".join(burst.asked)]), languages([text])
    return bool(asked and said) and asked != said


_NUMBER = re.compile(r"\d+(?:[:.,/h]\d+)*")
_NAME = re.compile(r"(?<=[\w,;&]) +[\"'(«„“]?([^\W\d_]{2,})")
"""A word that something stands before: the first of a sentence is capitalised whatever it is."""
_SHORT_NAME = 3
_NOUNS_ARE_CAPITALISED = ("de",)


def new_facts(text: str, shown: str) -> int:
    """How many different numbers, times and capitalised names of `text` are nowhere in `shown`. Scripts without capitals have numbers alone,
    and so has German, which capitalises every noun."""
    facts = len(_numbers(text) - _numbers(shown))
    if languages([f"{shown}\n{text}"])[:1] == _NOUNS_ARE_CAPITALISED:
        return facts
    names = {caseless(word) for word in _NAME.findall(text) if word[0].isupper() and not word.isupper()}
    known = caseless(shown)
    return facts + sum(not re.search(_known(name), known) for name in names)


def _known(name: str) -> str:
    """Matches `name` with another last letter, which is grammar, or an ending: Anna for Annas. A short one has to be there as it is."""
    return rf"\b{re.escape(name[:-1])}" if len(name) > _SHORT_NAME else rf"\b{re.escape(name)}\b"


def _numbers(text: str) -> set[str]:
    """The numbers in `text` in one spelling: 09.30 as 9:30, 5:00 as 5, digits of any script as ours."""
    found = set()
    for number in _NUMBER.findall(text):
        parts = [str(int("".join(str(unicodedata.digit(digit)) for digit in part))) for part in re.split(r"\D", number)]
        found.add(":".join(parts[:1] if set(parts[1:]) == {"0"} else parts))
    return found
