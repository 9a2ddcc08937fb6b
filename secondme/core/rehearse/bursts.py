"""Which answers of the past are rehearsed: a fair sample of what the owner really answered by hand, the same for everybody who is compared.

The shares are the reference's: answered within twelve hours, sixty messages of the owner's before, half an hour apart, not more than
half of one contact where there are several, small talk as often as it is but not above a fifth, the newest ninety days first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from secondme.core.clock import to_ms
from secondme.core.records import Burst, Mail, Token
from secondme.core.rehearse.past import Moment, Past, PastAnswer
from secondme.core.rehearse.records import PastBurst
from secondme.core.reply.disclosure import asks_if_machine
from secondme.core.reply.router_rules import BurstKind, by_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact

MOST = 500
"""Answers in one run."""
FEWEST_BEFORE = 60
"""Messages of the owner's that must stand before an answer: with less, nobody knows how they write."""
_ANSWERED_WITHIN = timedelta(hours=12)
_APART = timedelta(minutes=30)
_NEWEST = timedelta(days=90)
_MOST_SMALL_TALK = 0.2
_MOST_OF_ONE = 0.5
_MOST_MESSAGES = 20
_MOST_CHARACTERS = 4000
_SHOWN_BEFORE = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that can be rehearsed."""

    past: Past
    answer: PastAnswer
    asked: range
    """Positions of the contact's messages that it answers."""
    is_small_talk: bool

    @property
    def id(self) -> str:
        """As its record's."""
        return self.answer.messages[0].id

    @property
    def at(self) -> datetime:
        """When the owner's answer began."""
        return self.answer.messages[0].at

    @property
    def moment(self) -> Moment:
        """What was known when it was written."""
        return Moment(self.past, self.answer.position)

    @property
    def contact(self) -> ContactId:
        """The account that was answered."""
        return self.past.messages[self.asked[-1]].contact

    def record(self) -> PastBurst:
        """As it is kept."""
        turns = self.past.turns
        texts = tuple(turns[at].content for at in self.asked)
        shown = turns[max(0, self.asked[0] - _SHOWN_BEFORE) : self.asked[0]]
        return PastBurst(
            id=self.id,
            contact=self.contact,
            at=self.at,
            before=tuple(("contact" if turn.role == "user" else "owner", turn.content) for turn in shown),
            asked=texts,
            real=tuple(each.text for each in self.answer.messages),
            asks_if_machine=asks_if_machine(list(texts)),
        )

    def burst(self, contact: ApprovedContact, channel: str) -> Burst:
        """As the agent is given it. What `contact` was taught by answers from then on is unknown."""
        until = self.past.begins(self.answer.position)
        known = tuple(each for each in contact.lessons or () if each.at < until) or None
        mail = tuple(
            Mail(
                message_id=self.past.turns[at].id,
                contact_id=contact.contact_id,
                channel_id=channel,
                normalized_contact_id=contact.contact_id,
                contact_name=contact.display_name,
                content=self.past.turns[at].content,
                timestamp=self.past.turns[at].timestamp,
                forwarded=bool(self.past.turns[at].forwarded),
            )
            for at in self.asked
        )
        return Burst(
            token=Token("", self.contact, channel),
            now_ms=to_ms(mail[-1].timestamp),
            fence=0,
            attempt=1,
            defers=0,
            last_reply_ms=None,
            contact=contact.model_copy(update={"lessons": known}),
            mail=mail,
        )


def candidates(past: Past, fewest_before: int = FEWEST_BEFORE) -> list[Candidate]:
    """Every answer of this past that can be rehearsed, oldest first; before each stand so many messages of the owner's."""
    found = []
    for answer in past.answers:
        asked = _asked(past, answer)
        if asked is None or past.count_before(answer.position) < fewest_before:
            continue
        kind = by_rules([past.turns[at].content for at in asked]).kind
        found.append(Candidate(past, answer, asked, kind is BurstKind.PHATIC))
    return found


def _asked(past: Past, answer: PastAnswer) -> range | None:
    """What `answer` answers: the contact's messages right before it, as far as they are one burst; None when nothing that can be."""
    end = answer.position
    start, size = end, 0
    while start and past.turns[start - 1].role == "user" and end - start < _MOST_MESSAGES:
        turn = past.turns[start - 1]
        size += len(turn.content)
        if size > _MOST_CHARACTERS or answer.messages[0].at - turn.timestamp > _ANSWERED_WITHIN:
            break
        start -= 1
    return range(start, end) if start < end and answer.text.strip() else None


def pick(found: Mapping[ContactId, Sequence[Candidate]], count: int, *, since: datetime | None, seed: int) -> list[Candidate]:
    """At most `count` of what was `found` of each person, by time. The same for the same past, seed and count. `since`: nothing older."""
    chance = Random(seed)  # noqa: S311  not secret
    newest = max((each[-1].at for each in found.values() if each), default=None)
    if newest is None:
        return []
    pools: dict[ContactId, list[Candidate]] = {}
    for contact, each in sorted(found.items()):
        allowed = [one for one in each if since is None or one.at >= since]
        pools[contact] = _spread(_ordered(allowed, newest - _NEWEST, chance), count)
    small_talk = [one for pool in pools.values() for one in pool if one.is_small_talk]
    chance.shuffle(small_talk)
    too_much = {id(one) for one in small_talk[math.floor(count * _MOST_SMALL_TALK) :]}
    pools = {contact: [one for one in pool if id(one) not in too_much] for contact, pool in pools.items()}
    shares = _shares({contact: len(pool) for contact, pool in pools.items()}, count)
    picked = [one for contact, pool in pools.items() for one in pool[: shares[contact]]]
    return sorted(picked, key=lambda each: (each.at, each.contact, each.answer.position))


def _ordered(pool: Sequence[Candidate], recent: datetime, chance: Random) -> list[Candidate]:
    """By chance, what is recent first."""
    new, old = [each for each in pool if each.at >= recent], [each for each in pool if each.at < recent]
    chance.shuffle(new)
    chance.shuffle(old)
    return [*new, *old]


def _shares(sizes: Mapping[ContactId, int], count: int) -> dict[ContactId, int]:
    """How many of each: by the square root of how many there are, none more than half where there are several; what one does not have room
    for goes to the others."""
    cap = count if sum(size > 0 for size in sizes.values()) <= 1 else math.ceil(count * _MOST_OF_ONE)
    shares = dict.fromkeys(sizes, 0)
    left = count
    while left > 0:
        open_ = [each for each in sizes if shares[each] < min(sizes[each], cap)]
        if not open_:
            break
        # The one that is furthest below its share gets the next: whole numbers, and no remainder to argue about.
        best = min(open_, key=lambda each: ((shares[each] + 1) / math.sqrt(sizes[each]), each))
        shares[best] += 1
        left -= 1
    return shares


def _spread(pool: Sequence[Candidate], count: int) -> list[Candidate]:
    """The first of `pool` that lie far enough apart; twice `count` are enough to choose from."""
    taken: list[Candidate] = []
    for each in pool:
        if len(taken) >= 2 * count:
            break
        if all(abs(each.at - other.at) >= _APART for other in taken):
            taken.append(each)
    return taken
