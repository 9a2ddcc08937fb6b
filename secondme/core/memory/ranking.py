"""Ranking: in which order the messages that an index proposes answer a question. A weighted sum of signs; weights are in `lists`. Pure.

Scores of one sort are divided by the best of their sort, over all contacts that are searched together, so weights mean the same for
short and for long conversations.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from functools import cache
from operator import mul
from types import MappingProxyType
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.files import table
from secondme.core.memory.query import is_question, tells
from secondme.core.memory.tokens import COMMON, searchable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from secondme.core.config.models import MemoryWeights
    from secondme.core.memory.messages import MemoryCandidate, SearchFindings
    from secondme.core.memory.query import MemoryQuery, NamedDay

SIGNS = (
    "own",
    "around",
    "wide",
    "session",
    "cover",
    "cover_near",
    "phrase",
    "speaker",
    "date",
    "tells_when",
    "tells_number",
    "tells_name",
    "length",
    "question",
    "answer",
    "first",
    "meaning",
    "meaning_near",
    "graph",
)
_GROUPS = {
    "keyword": ("own", "around", "wide", "session", "cover", "cover_near", "phrase"),
    "semantic": ("meaning", "meaning_near"),
    "graph": ("graph",),
}
"""What `memory.weights` multiplies. The other signs are cues, and count whatever found the message."""
_SCALED = ("own", "around", "wide", "session")
_SATURATION, _BY_LENGTH = 1.2, 0.75
"""BM25's k1 and b, as FTS5 has them."""
_SPAN = 4.6
"""Messages whose words a message is found by, as a mean: itself and two on each side, fewer where a session begins and ends."""
_NEAR, _FAR, _WIDE_FAR = 0.7, 0.35, 0.6
_CAPITALISED = re.compile(r"(?<![.!?:] )(?<!^)\b[A-Z][a-z]+")
_MOST_CAPITALISED = 3
_HALF_KNOWN = 0.5
"""What a question is worth that matches, but is no candidate itself."""
_DAYS_NEAR = ((0, 1.0), (2, 0.7), (7, 0.4))
_SAME_MONTH = 0.6
_SAME_TEXT = 20
"""Letters from which on two messages with the same words are one: short ones mean what they answer."""
_SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True)
class MemoryHints:
    """What other sources say of one contact's messages, by message id.

    `meanings`: how near a message is to what is asked, and how near with its neighbours, each as a quarter of its distance from the mean in
    standard deviations. `graph`: from 0 to 1, how sure a fact or another memory is that a message matters. What is not named is 0.
    """

    meanings: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    graph: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


NO_HINTS = MemoryHints()


@dataclass(frozen=True, slots=True)
class RankedMessage:
    """A message that was found: whose conversation it is of, and how well it answers; scores are only comparable within one search."""

    contact: str
    message: MemoryCandidate
    score: float
    worth: tuple[float, ...] = field(repr=False)
    """What each of `SIGNS` added to the score."""

    @property
    def why(self) -> tuple[str, ...]:
        """The signs that spoke for it most."""
        worth = sorted(zip(self.worth, SIGNS, strict=True), reverse=True)
        return tuple(sign for value, sign in worth[:_SHOWN_REASONS] if value > 0)


def rank(
    query: MemoryQuery,
    found: Mapping[str, SearchFindings],
    weights: MemoryWeights,
    *,
    hints: Mapping[str, MemoryHints] = MappingProxyType({}),
    zone: tzinfo = UTC,
) -> list[RankedMessage]:
    """What was `found` by contact, the best first; of several messages with the same text, the best one, and none that only asks the same.

    `zone` says which day a message is of.
    """
    rows = [(contact, each) for contact, findings in found.items() for each in findings.candidates]
    values = _signs(query, found, hints, zone)
    sums = weights_of(weights, meanings=any(each.meanings for each in hints.values()))
    ranked: list[RankedMessage] = []
    seen: set[tuple[str, str]] = set()
    for (contact, message), signs in zip(rows, values, strict=True):
        worth = tuple(map(mul, sums, signs))
        ranked.append(RankedMessage(contact, message, sum(worth), worth))
    ranked.sort(key=lambda each: (-each.score, -each.message.at_ms, each.message.id))
    kept = []
    for each in ranked:
        words = each.message.tokens  # the text without case, accents and punctuation
        same = ("", words) if len(words) >= _SAME_TEXT else (each.contact, each.message.id)
        if same not in seen and not (words == query.tokens and is_question(each.message.body)):
            seen.add(same)
            kept.append(each)
    return kept


def weights_of(weights: MemoryWeights, *, meanings: bool) -> tuple[float, ...]:
    """The weight of each of `SIGNS`, the owner's settings multiplied in."""
    return _weights("meanings" if meanings and weights.semantic else "words", weights.keyword, weights.semantic, weights.graph)


@cache
def _weights(which: str, keyword: float, semantic: float, graph: float) -> tuple[float, ...]:
    factors = {"keyword": keyword, "semantic": semantic, "graph": graph}
    by_sign = {sign: factors[group] for group, signs in _GROUPS.items() for sign in signs}
    return tuple(float(table("memory", "weights")[which][sign]) * by_sign.get(sign, 1.0) for sign in SIGNS)


def _signs(
    query: MemoryQuery, found: Mapping[str, SearchFindings], hints: Mapping[str, MemoryHints], zone: tzinfo
) -> list[list[float]]:
    """A row of `SIGNS` for each candidate, in the order in which they were found."""
    reading = _SignReader(query, found, zone)
    rows: list[list[float]] = []
    places: dict[tuple[str, str], int] = {}
    for contact, findings in found.items():
        for candidate in findings.candidates:
            places[contact, candidate.id] = len(rows)
            rows.append(reading.signs(candidate, findings, hints.get(contact, NO_HINTS)))
    for sign in range(len(_SCALED)):
        best = max((row[sign] for row in rows), default=0.0)
        if best > 0:
            for row in rows:
                row[sign] /= best
    answer = SIGNS.index("answer")
    for (contact, _), at in places.items():
        row = rows[at]
        if row[answer]:  # what the question before it covers, until now
            asked = places.get((contact, reading.asked[at]))
            row[answer] = (rows[asked][0] if asked is not None else 0) or _HALF_KNOWN * row[answer]
    return rows


class _SignReader:
    """The signs of one candidate after another, for one query."""

    def __init__(self, query: MemoryQuery, found: Mapping[str, SearchFindings], zone: tzinfo) -> None:
        self._query, self._zone = query, zone
        messages = sum(each.messages for each in found.values())
        counts: Counter[str] = Counter()
        for each in found.values():
            counts.update(each.frequencies)
        self._rarity = {term: math.log(1 + (messages - count + 0.5) / (count + 0.5)) for term, count in counts.items()}
        self._whole = sum(self._rarity.values()) or 1.0
        self._usual = max(sum(each.words for each in found.values()) / max(messages, 1), 1.0)
        self.asked: list[str] = []
        """Ids of the questions before the candidates, in their order; empty where there is none."""

    def signs(self, message: MemoryCandidate, findings: SearchFindings, hints: MemoryHints) -> list[float]:
        """The signs of `message`, scores as they are; that it answers a question is how much that question covers."""
        query, body, marked = self._query, message.body, message.tokens.split()
        *scores, cover, cover_near = self._scores(searchable(marked), message.near, message.far)
        spaced = f" {message.tokens.replace(COMMON, '')} "
        previous = message.previous
        asked = previous is not None and is_question(previous.body)
        self.asked.append(previous.id if previous and asked else "")
        return [
            *scores,
            findings.sessions.get(message.session, 0.0),
            cover,
            cover_near,
            float(sum(pair in spaced for pair in query.pairs)),
            float(query.about is not None and (message.speaker == "contact") == (query.about == "contact")),
            self._date(message.at_ms) if query.days else 0.0,
            float(query.asks_when and tells("when", marked)),
            float(query.asks_number and tells("number", marked)),
            min(_MOST_CAPITALISED, len(_CAPITALISED.findall(body))) / _MOST_CAPITALISED if query.asks_name else 0.0,
            math.log1p(body.count(" ") + 1) / 4,
            float(is_question(body)),
            self._cover(previous.tokens.split()) if previous and asked else 0.0,
            float(previous is None),
            *hints.meanings.get(message.id, (0.0, 0.0)),
            hints.graph.get(message.id, 0.0),
        ]

    def _scores(self, own: list[str], near: str, far: str) -> tuple[float, ...]:
        """BM25 of the message's own words, and twice with its neighbours' (lengths of all together); what the words cover of the query by
        rarity, and what they do with those of the next neighbours."""
        length = (len(own) + near.count(" ") + far.count(" ") + 2) / (_SPAN * self._usual)
        near, far = f" {near} ", f" {far} "
        damping = _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length)
        alone = around = wide = cover = cover_near = 0.0
        for term, rarity in self._rarity.items():
            here, beside, beyond = own.count(term), near.count(f" {term} "), far.count(f" {term} ")
            if here:
                alone += rarity * here / (here + damping)
                cover += rarity
            if here or beside:
                cover_near += rarity
            if here or beside or beyond:
                beside_own = here + _NEAR * beside
                one, two = beside_own + _FAR * beyond, beside_own + _WIDE_FAR * beyond
                around += rarity * one / (one + damping)
                wide += rarity * two / (two + damping)
        return alone, around, wide, cover / self._whole, cover_near / self._whole

    def _cover(self, words: Collection[str]) -> float:
        return sum(rarity for term, rarity in self._rarity.items() if term in words) / self._whole

    def _date(self, at_ms: int) -> float:
        day = from_ms(at_ms).astimezone(self._zone).date()
        return max(_nearness(day, named) for named in self._query.days)


def _nearness(day: date, named: NamedDay) -> float:
    """1 on the very day, less on those beside it, and in the same month."""
    if named.year and named.year != day.year:
        return 0.0
    if not named.day:
        return _SAME_MONTH if day.month == named.month else 0.0
    try:
        apart = abs((day - date(named.year or day.year, named.month, named.day)).days)
    except ValueError:  # the 30th of February
        return 0.0
    return next((worth for days, worth in _DAYS_NEAR if apart <= days), 0.0)
