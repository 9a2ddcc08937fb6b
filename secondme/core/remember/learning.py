"""The learner: what contacts seem to be to the owner, and how the owner writes, from messages as they come.

A signal is a hint about one message, never a fact: only many of them, all saying the same, change what a contact is taken for.

What the owner wrote is read from the history, which is safe before anybody is asked to learn; reading it twice changes nothing. What a
contact seems to be is counted once for each message that was heard: a hint that is lost was one of many.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from secondme.core.enums import Relationship
from secondme.core.errors import UnavailableError
from secondme.core.files import table
from secondme.core.log import get_logger
from secondme.core.remember.style.measure import WORD, folded
from secondme.core.remember.style.own_messages import own_messages

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from secondme.core.ids import ContactId
    from secondme.core.ports import Clock
    from secondme.core.remember.occasions import OccasionLearner
    from secondme.core.remember.store import RelationshipStore, StyleStore


LOOKED_AT = 1000
"""Characters; what somebody is shows in a sentence, not in a page."""
_CONFIDENCE = {"sure": 0.9, "likely": 0.7, "hint": 0.5}


@dataclass(frozen=True, slots=True)
class Signal:
    """What one message hints at."""

    relationship: Relationship
    confidence: float


@dataclass(frozen=True, slots=True)
class _Entry:
    rest: tuple[str, ...]
    signal: Signal


def detect(text: str) -> Signal | None:
    """The clearest hint in a contact's message; None when there is none, or two are equally clear and say different things."""
    words = WORD.findall(folded(text[:LOOKED_AT]))
    found: dict[Relationship, tuple[float, int]] = {}
    for at, (word, following) in enumerate(pairwise([*words, ""])):
        for entry in (*_table().get((word, following), ()), *_table().get((word, ""), ())):
            if tuple(words[at + 2 : at + 2 + len(entry.rest)]) == entry.rest:
                kind, confidence = entry.signal.relationship, entry.signal.confidence
                best, count = found.get(kind, (0.0, 0))
                if confidence >= best:
                    found[kind] = (confidence, count + 1 if confidence == best else 1)
    if not found:
        return None
    (kind, clearest), *others = sorted(found.items(), key=lambda item: item[1], reverse=True)
    return None if others and others[0][1] == clearest else Signal(kind, clearest[0])


@cache
def _table() -> dict[tuple[str, str], list[_Entry]]:
    """The first two words of a phrase (the second empty for a single word) -> what must follow, and what it hints at."""
    signals: dict[tuple[str, str], list[_Entry]] = {}
    for kind, grades in table("remember", "relationships").items():
        for grade, entries in grades.items():
            signal = Signal(Relationship(kind), _CONFIDENCE[grade])
            for entry in dict.fromkeys(entries.split("|")):
                first, *rest = WORD.findall(folded(entry)) or [""]
                second, *others = rest or [""]
                if first:
                    signals.setdefault((first, second), []).append(_Entry(tuple(others), signal))
    return signals


@dataclass(frozen=True, slots=True)
class _Heard:
    contact: ContactId
    text: str
    message_id: str
    is_new: bool


log = get_logger(__name__)

_MOST_WAITING = 1000
_AGAIN_S = 5.0


class Learner:
    """Learns in the background how the owner writes, and what their contacts are to them; birthdays and promises too, where it may."""

    def __init__(
        self, style: StyleStore, relationships: RelationshipStore, clock: Clock, occasions: OccasionLearner | None = None
    ) -> None:
        self._style = style
        self._occasions = occasions
        self._relationships = relationships
        self._clock = clock
        self._heard: deque[_Heard] = deque(maxlen=_MOST_WAITING)
        self._spoken: dict[ContactId, None] = {}
        self._woken = asyncio.Event()
        self._complained: set[str] = set()

    def heard(self, contact: ContactId, text: str, message_id: str = "") -> None:
        """What the message of a contact who was approved hints at will be counted, and the birthday that it tells be kept as long as the
        message with this id is; without an id none is. Returns at once, never raises; the newest thousand wait."""
        self._heard.append(_Heard(contact, text[:LOOKED_AT], message_id, is_new=True))
        self._woken.set()

    def corrected(self, contact: ContactId, text: str, message_id: str) -> None:
        """As `heard`, for new words of a message that was counted when it came."""
        self._heard.append(_Heard(contact, text[:LOOKED_AT], message_id, is_new=False))
        self._woken.set()

    def spoke(self, contact: ContactId) -> None:
        """What the owner wrote to the contact will be learnt from; asked twice, once. Returns at once, never raises."""
        if len(self._spoken) < _MOST_WAITING:  # who finds no room is learnt from when the owner writes to them again
            self._spoken[contact] = None
        self._woken.set()

    async def run(self) -> None:
        """Learns until cancelled. A store that is down is waited for; whatever else goes wrong is written down once, and the rest goes on."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.catch_up()
            except UnavailableError as error:
                log.debug("learning_waits", code=error.code)
                self._woken.set()
                await self._clock.sleep(_AGAIN_S)

    async def catch_up(self) -> None:
        """Everything that waits is learnt. Raises UnavailableError; then what was not learnt yet still waits."""
        while self._heard:
            heard = self._heard.popleft()
            try:
                await self._attempt(self._keep_birthday(heard))  # first: it may be done twice
                await self._attempt(self._count(heard))
            except UnavailableError:
                self._heard.appendleft(heard)
                raise
        while self._spoken:
            contact = next(iter(self._spoken))
            del self._spoken[contact]  # before it is read: what is said meanwhile is asked for again
            try:
                await self._attempt(self.learn(contact))
            except UnavailableError:
                self._spoken[contact] = None
                raise

    async def learn(self, contact: ContactId) -> int:
        """How many messages of the owner's to this contact were new; what they promise is kept. Repeatable. Raises UnavailableError."""
        messages = own_messages(await self._style.said(contact))
        added = await self._style.add(contact, messages)
        if self._occasions is not None:
            await self._occasions.said(contact, messages)
        return added

    async def _keep_birthday(self, heard: _Heard) -> None:
        if self._occasions is not None and heard.message_id:
            await self._occasions.heard(heard.contact, heard.message_id, heard.text)

    async def _count(self, heard: _Heard) -> None:
        signal = detect(heard.text) if heard.is_new else None
        if signal is not None:
            await self._relationships.heard(heard.contact, signal.relationship, signal.confidence, self._clock.now_ms())

    async def _attempt(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  the top of a task: one contact's record must not end what is learnt of the others
            frames = traceback.extract_tb(error.__traceback__)
            cause = f"{type(error).__name__}:{frames[-1].name if frames else ''}"
            if cause not in self._complained:
                self._complained.add(cause)
                log.error("learning_failed", error)
