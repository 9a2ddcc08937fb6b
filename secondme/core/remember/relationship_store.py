"""What is a contact to the owner? Said by the owner, else inferred from signals, in the predecessor's format.

Rules (the predecessor's where it had one):
- Each type has a score, which fades by 0.95 a day; a signal adds its confidence to its type.
- It starts as an acquaintance, with a confidence of 0.5.
- It changes from the third signal on, to the type with the highest score, when that one's share of all scores is at least 0.3 above the
  confidence in the present type. Family and friends never become acquaintances.
- Confidence is the present type's share while no other is above it. Once one is, it falls with the share, but not below 0.5: else a first
  certain judgement could never be corrected (a share above 1.3 does not exist).
- What the owner said is never changed by a signal, and signals are not even counted then.
- Nothing is written about a contact that was not let in. Signals are forgotten 90 days after the last one, the owner's word is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.enums import Relationship
from secondme.core.errors import NotFoundError
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store

TTL_S = 90 * 86_400
START_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """What a contact is to the owner."""

    type: Relationship = Relationship.ACQUAINTANCE
    confidence: float = START_CONFIDENCE
    """0 to 1; 1 when the owner said it."""
    manual: bool = False
    """True when the owner said it."""
    signal_count: int = 0


class RelationshipStore:
    """Who is what. Each change is one script."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, contact: ContactId) -> Standing:
        """What the contact is now; an acquaintance while nothing is known. What cannot be read counts as unknown, and is left as it is."""
        names = ("currentType", "currentConfidence", "signalCount")
        found = await self._store.call(self._store.client.hmget(keys.relationship(contact), names))
        manual = bool(await self._store.call(self._store.client.exists(keys.relationship_override(contact))))
        return _standing([*(raw or b"" for raw in found[:2]), b"1" if manual else b"0", found[2] or b""])

    async def heard(self, contact: ContactId, relationship: Relationship, confidence: float, now_ms: int) -> Standing | None:
        """What the contact is after this signal; None, and nothing written, when it was not let in. Each call counts."""
        return await self._relate(contact, "signal", relationship, confidence, now_ms)

    async def set_by_owner(self, contact: ContactId, relationship: Relationship | None) -> Standing:
        """The contact is what the owner says; None: what the signals say. Repeatable. Raises NotFoundError when it was not let in."""
        verb: Literal["set", "auto"] = "set" if relationship else "auto"
        standing = await self._relate(contact, verb, relationship, 0, 0)  # no time passes: fading changes no share
        if standing is None:
            raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")
        return standing

    async def _relate(
        self,
        contact: ContactId,
        verb: Literal["signal", "set", "auto"],
        relationship: Relationship | None,
        confidence: float,
        now_ms: int,
    ) -> Standing | None:
        answer = await self._store.run(
            "relate",
            (keys.relationship(contact), keys.relationship_override(contact), keys.approved(contact)),
            (verb, relationship.value if relationship else "", repr(float(confidence)), now_ms, TTL_S),
        )
        return _standing(answer) if answer else None


def _standing(answer: Sequence[bytes]) -> Standing:
    kind, confidence, manual, count = (each.decode("utf-8", "replace") for each in answer)
    try:
        relationship = Relationship(kind)
    except ValueError:
        return Standing(manual=manual == "1", signal_count=_whole(count))
    share = 1.0 if manual == "1" else min(1.0, max(0.0, _number(confidence)))
    return Standing(relationship, share, manual == "1", _whole(count))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return START_CONFIDENCE
    return value if value == value else START_CONFIDENCE  # noqa: PLR0124  not a number is never itself


def _whole(text: str) -> int:
    return int(_number(text)) if text and 0 <= _number(text) < 2**53 else 0
