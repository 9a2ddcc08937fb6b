"""The report of a rehearsal: as a value without anybody's words, and what it lets one say. How much is said depends on how much was rehearsed:
below 20 answers no number at all, below 60 only what is clear, and never one without its interval and the owner's own anchors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from secondme.core.clock import rfc3339
from secondme.core.rehearse.comparison import Comparison, Pair, Strip, compare, matched, paired, strip
from secondme.core.rehearse.features import laughter
from secondme.core.rehearse.judge import judge
from secondme.core.rehearse.statistics import SIGNIFICANT, Difference, by_bad_luck, difference, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secondme.core.rehearse.records import PastBurst, RehearsedAnswer, Variant

FEWEST = 20
"""Pairs below which nothing is said: one in five could be an accident."""
ENOUGH = 60
"""Pairs from which there is a number: it is then known to about an eighth."""
FEWEST_OWN = 100
"""Messages of the owner's below which nobody's manner can be known."""
PLAIN = 0.75
"""Told more often than this, it is plainly not the owner, however easily others are told: in a chat of two very different people everybody is."""
FEWEST_BLIND = 40
"""Items of a blind test below which not having seen it says nothing."""
UNSEEN = 0.65
"""Who would be right so often, and was not, could not tell."""
_REFERENCE = 200
"""Past answers that the judge learns from."""
_MATCHED = 0.9
"""Of the bursts must have a partner for an anchor; the judge is weaker with fewer pairs, and the two would not compare."""
_WORDS = frozenset({"names", "laughter", "right"})
"""Fields that hold words of somebody's, or are for the page of answers."""


@dataclass(frozen=True, slots=True)
class Told:
    """How often the judge told that an answer is not the owner's, with the 95 % interval. There is none of fewer than 20 pairs."""

    right: float
    n: int
    low: float
    high: float
    has_number: bool
    """Whether the number may be shown, which takes 60 bursts; else only its word."""

    @property
    def share(self) -> float:
        """0.5: it cannot tell."""
        return self.right / self.n

    @property
    def word(self) -> str:
        """`clearly_not_you`, `clearly_you` or `cannot_say`."""
        if self.low > 0.5:  # noqa: PLR2004  guessing
            return "clearly_not_you"
        return "clearly_you" if self.high < UNSEEN else "cannot_say"


def told(right: Sequence[float], bursts: int = 0) -> Told | None:
    """What the judge's word on so many pairs comes to, of so many bursts where some have no partner; None of too few."""
    n, total = len(right), sum(right)
    return Told(total, n, *wilson(total, n), max(n, bursts) >= ENOUGH) if n >= FEWEST else None


@dataclass(frozen=True, slots=True)
class Advice:
    """What the numbers of one contact speak for. Nobody is switched by it."""

    contact: str
    bursts: int
    clone: Told | None
    anchor: Told | None
    """The contact's own messages, told from the owner's."""
    code: str
    """`draft`, `draft_or_small_talk`, `auto`; empty: too little to say."""
    why: str
    """`held`, `copied`, `new_facts`, `plain`, `no_anchor`, `told`, `overlaps`, `no_blind_test`, `not_told`, `few_bursts`, `few_messages`."""


@dataclass(frozen=True, slots=True)
class VariantReport:
    """One way of answering."""

    variant: int
    persona: str
    model: str
    micros: int
    headline: str
    """`held`: more than one in five would not have left, which is the news; `style`; `none`: too little to say."""
    why: str
    """Of `none`: `few_bursts` or `few_messages`."""
    told: Told | None
    word: str
    """What `told` comes to, as its word; never `clearly_you` of what copies."""
    place: str
    """Against the people who are answered: `farther`, `overlaps`, `closer`; empty when there is no number of either."""
    small_talk: Told | None
    """Of the answers that the small model gave."""
    rest: Told | None
    """Of all others; both None when there is only one kind."""
    comparison: Comparison
    strips: tuple[Strip, ...]
    """Its habits beside the owner's, widest gap first; none of too few pairs."""
    laughter: str
    """How the owner laughs."""
    advice: tuple[Advice, ...]
    right: Mapping[str, float] = field(default_factory=dict)
    """By burst, how certainly the judge told the answer, 0 to 1; empty when there is too little to say."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two variants on the bursts that both answered. No shares below 60 of these."""

    first: int
    second: int
    pairs: int
    first_told: Told | None
    second_told: Told | None
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """What a rehearsal comes to. `secondme.rehearse/1`."""

    bursts: int
    contacts: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    seed: int
    own_messages: int
    itself: Told | None
    """The anchor at one end: other answers of the owner's, told from these."""
    itself_pairs: int
    people: Told | None
    """The anchor at the other: the messages of those who are answered."""
    people_pairs: int
    variants: tuple[VariantReport, ...]
    contrasts: tuple[Contrast, ...]
    names: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:  # JSON has no closer type
        """The report without any words of anybody: numbers, ids and codes; no number that there is too little for."""
        found: dict[str, Any] = _plain(self)
        return found


def _plain(value: object) -> Any:  # JSON, of whatever a report holds
    if isinstance(value, Told):
        number = {"low": round(value.low, 4), "high": round(value.high, 4), "share": round(value.share, 4)}
        return {"pairs": value.n, "word": value.word} | (number if value.has_number else {})
    if is_dataclass(value):
        return {to_camel(each.name): _plain(getattr(value, each.name)) for each in fields(value) if each.name not in _WORDS}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    return round(value, 4) if isinstance(value, float) else value


def report(  # noqa: PLR0913  everything that is known, by name
    bursts: Sequence[PastBurst],
    answers: Sequence[RehearsedAnswer],
    variants: Sequence[Variant],
    *,
    past: Mapping[str, Sequence[str]],
    others: Mapping[str, Sequence[str]],
    contacts: Mapping[str, Sequence[str]],
    owns: Mapping[str, int],
    names: Mapping[str, str],
    seed: int,
    blind: Mapping[int, tuple[float, int]] | None = None,
) -> RehearsalReport:
    """What the variants' answers to `bursts` come to. By contact: whole answers of the owner's before these (oldest first), others that were not
    rehearsed, whole bursts of the contact, how many messages of the owner's are known, and a name. `blind`: by variant how often the owner was
    right, half where they had no idea, in how many items."""
    bursts = sorted(bursts, key=lambda burst: (burst.at, burst.id))
    asked = tuple(dict.fromkeys(burst.contact for burst in bursts))
    own = {contact: (*past.get(contact, ()), *others.get(contact, ())) for contact in asked}
    styled, reference = [burst for burst in bursts if not burst.asks_if_machine], _reference(bursts, past)
    itself, people = (_against(styled, texts, reference, seed) for texts in (others, contacts))
    bench = _Bench(bursts, reference, own, contacts, owns, seed, itself, people)
    by_variant = [[answer for answer in answers if answer.variant == at] for at in range(len(variants))]
    pairs = [paired(bursts, each) for each in by_variant]
    return RehearsalReport(
        bursts=len(bursts),
        contacts=asked,
        since=bursts[0].at if bursts else None,
        until=bursts[-1].at if bursts else None,
        seed=seed,
        own_messages=bench.own_messages,
        itself=bench.anchor(itself),
        itself_pairs=len(itself),
        people=bench.anchor(people),
        people_pairs=len(people),
        variants=tuple(bench.examine(at, variant, by_variant[at], (blind or {}).get(at)) for at, variant in enumerate(variants)),
        contrasts=tuple(bench.contrast((one, two), (pairs[one], pairs[two])) for one, two in combinations(range(len(variants)), 2)),
        names=dict(names),
    )


def _reference(bursts: Sequence[PastBurst], past: Mapping[str, Sequence[str]]) -> list[str]:
    """The newest past answers, to each contact as many as its part of the bursts."""
    share = Counter(burst.contact for burst in bursts)
    return [text for contact, count in share.items() for text in past.get(contact, ())[-(-_REFERENCE * count // len(bursts)) :]]


def _against(
    bursts: Sequence[PastBurst], texts: Mapping[str, Sequence[str]], reference: Sequence[str], seed: int
) -> dict[str, float]:
    """Whether the judge tells texts of somebody's from the real answers, by burst; as many as there are."""
    found = [(burst, text) for burst, text in zip(bursts, matched(bursts, texts, seed), strict=True) if text is not None]
    right = judge(reference, ["\n".join(burst.real) for burst, _ in found], [text for _, text in found], seed=seed).right
    return {burst.id: each for (burst, _), each in zip(found, right, strict=True)}


def _over(bursts: Sequence[PastBurst], anchor: Mapping[str, float]) -> Told | None:
    """An anchor over these bursts; None where too few of them have a partner."""
    right = [anchor[burst.id] for burst in bursts if burst.id in anchor]
    return told(right, len(bursts)) if len(right) >= _MATCHED * len(bursts) else None


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every variant is held against."""

    bursts: Sequence[PastBurst]
    reference: Sequence[str]
    own: Mapping[str, Sequence[str]]
    contacts: Mapping[str, Sequence[str]]
    owns: Mapping[str, int]
    seed: int
    itself: Mapping[str, float]
    people: Mapping[str, float]
    """What the judge said of the owner's other answers, and of the messages of those who are answered, by burst."""

    @property
    def own_messages(self) -> int:
        return sum(self.owns.get(contact, 0) for contact in self.own)

    def anchor(self, right: Mapping[str, float]) -> Told | None:
        """One of the two over all bursts; None where too little of the owner is known."""
        styled = [burst for burst in self.bursts if not burst.asks_if_machine]
        return _over(styled, right) if self.own_messages >= FEWEST_OWN else None

    def tell(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """Whether the judge tells the clone's answers, by burst."""
        right = judge(self.reference, [pair.real for pair in pairs], [pair.reply for pair in pairs], seed=self.seed).right
        return {pair.burst.id: each for pair, each in zip(pairs, right, strict=True)}

    def examine(
        self, at: int, variant: Variant, answers: Sequence[RehearsedAnswer], blind: tuple[float, int] | None
    ) -> VariantReport:
        """One variant."""
        pairs, compared = paired(self.bursts, answers), compare(self.bursts, answers, self.own)
        right = self.tell(pairs)
        why = "few_messages" if self.own_messages < FEWEST_OWN else "few_bursts" if len(pairs) < FEWEST else ""
        clone = None if why else told(list(right.values()))
        itself, people = self.anchor(self.itself), self.anchor(self.people)
        small = [right[pair.burst.id] for pair in pairs if pair.answer.route == "phatic"]
        rest = [right[pair.burst.id] for pair in pairs if pair.answer.route != "phatic"]
        is_mixed = not why and bool(small and rest)
        return VariantReport(
            variant=at,
            persona=variant.persona,
            model=f"{variant.model}, run {variant.run}" if variant.run else variant.model,
            micros=sum(answer.micros for answer in answers),
            headline="held" if compared.is_held_often else "none" if why else "style",
            why=why,
            told=clone,
            word=_word(clone, itself, compared) if clone else "",
            place=_place(clone, people) if clone and people and clone.has_number and people.has_number else "",
            small_talk=told(small) if is_mixed else None,
            rest=told(rest) if is_mixed else None,
            comparison=compared,
            strips=() if why else strip(pairs, self.own, self.contacts, seed=self.seed),
            laughter=laughter([pair.real for pair in pairs] + [text for texts in self.own.values() for text in texts]),
            advice=tuple(self.advise(contact, answers, right, blind) for contact in self.own),
            right={} if why else right,
        )

    def advise(
        self, contact: str, answers: Sequence[RehearsedAnswer], right: Mapping[str, float], blind: tuple[float, int] | None
    ) -> Advice:
        """What the numbers of one contact alone speak for."""
        bursts = [burst for burst in self.bursts if burst.contact == contact]
        compared = compare(bursts, answers, self.own)
        clone = told([right[burst.id] for burst in bursts if burst.id in right])
        people = _over([burst for burst in bursts if not burst.asks_if_machine], self.people)
        code, why = "draft", ""
        if len(bursts) - compared.failed < FEWEST:
            code, why = "", "few_bursts"
        elif compared.is_held_often:
            why = "held"
        elif self.owns.get(contact, 0) < FEWEST_OWN or not clone:
            code, why = "", "few_bursts" if not clone else "few_messages"
        elif compared.is_copying or compared.is_inventing:
            why = "copied" if compared.is_copying else "new_facts"
        elif clone.low > PLAIN:
            why = "plain"
        elif not people:
            why = "no_anchor"
        else:
            code, why = _weigh(_place(clone, people), blind)
        shown = bool(code) and self.owns.get(contact, 0) >= FEWEST_OWN
        return Advice(contact, len(bursts), clone if shown else None, people if shown else None, code, why)

    def contrast(self, variants: tuple[int, int], pairs: tuple[Sequence[Pair], Sequence[Pair]]) -> Contrast:
        """Two variants on the bursts that both answered."""
        common = {pair.burst.id for pair in pairs[0]} & {pair.burst.id for pair in pairs[1]}
        if len(common) < ENOUGH or self.own_messages < FEWEST_OWN:
            return Contrast(*variants, len(common), None, None, None)
        first, second = ([*self.tell([pair for pair in each if pair.burst.id in common]).values()] for each in pairs)
        return Contrast(*variants, len(common), told(first), told(second), difference(first, second, seed=self.seed))


def _word(clone: Told, itself: Told | None, compared: Comparison) -> str:
    """The clone's word; not what the owner's own other answers would get too, for people change, and not `clearly_you` of what copies."""
    drifts = clone.word == "clearly_not_you" and itself is not None and clone.low <= itself.share
    return "cannot_say" if drifts or (clone.word == "clearly_you" and compared.is_copying) else clone.word


def _place(clone: Told, people: Told) -> str:
    if clone.low > people.high:
        return "farther"
    return "closer" if clone.high < people.low else "overlaps"


def _weigh(place: str, blind: tuple[float, int] | None) -> tuple[str, str]:
    """Advice by where the clone stands; only a blind test of the owner's speaks for more than small talk."""
    if place == "farther":
        return "draft", "told"
    if place == "overlaps":
        return "draft_or_small_talk", "overlaps"
    return ("auto", "not_told") if blind and is_not_told(*blind) else ("draft_or_small_talk", "no_blind_test")


def is_not_told(right: float, n: int) -> bool:
    """Whether a blind test shows that its taker cannot tell: who is right in 65 of 100 would hardly have been right so seldom."""
    return n >= FEWEST_BLIND and by_bad_luck(right, n, UNSEEN) < SIGNIFICANT
