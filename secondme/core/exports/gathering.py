"""What of one chat is worth keeping? The newest of what the owner wrote, and the newest turns of a conversation whose other side may be kept.

Everything is bounded, so a million messages need no more room than a thousand.
"""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from secondme.core.records import OwnMessage, Turn

if TYPE_CHECKING:
    from datetime import datetime

    from secondme.core.exports.message import ExportedMessage
    from secondme.core.exports.moments import WallClock

MOST_TURNS = 100
"""As many as a history holds."""
HISTORY_AGE = timedelta(days=7)
"""So long a history lives."""
MOST_OF_CONTACT = 300
MOST_OVERALL = 1000
"""As many as are kept of the owner's messages to one contact, and of measures over all."""
_BEFORE = 500
_FOLLOWS = timedelta(seconds=90)
_ANY_ZONE = timedelta(days=2)
"""More than any two zones are apart."""


class Said(NamedTuple):
    """One message with words, until it becomes a record."""

    at: datetime
    """The moment, aware."""
    local: datetime
    """As the export has it."""
    role: Literal["user", "assistant"]
    words: str
    nth: int
    """Of those that are the same in all of this."""
    before: str = ""
    follows: bool = False

    @property
    def id(self) -> str:
        """The same whenever this message is imported again, from however long an export, whatever the time zone is thought to be."""
        key = f"{self.role}\n{self.local.isoformat()}\n{self.nth}\n{self.words}"
        return f"import:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"

    def turn(self) -> Turn:
        """As a history keeps it."""
        kind: Literal["incoming", "fromMe"] = "incoming" if self.role == "user" else "fromMe"
        return Turn(id=self.id, role=self.role, content=self.words, timestamp=self.at, type=kind)

    def own(self) -> OwnMessage:
        """As it is learnt from."""
        return OwnMessage(id=self.id, at=self.at, text=self.words, before=self.before, follows=self.follows)


class Gathering:
    """One chat, as it is read."""

    def __init__(self, clock: WallClock, owner: str, now: datetime, *, keeps_other: bool) -> None:
        """`keeps_other`: this is a chat of two, and what the other one said may be kept."""
        self.own: deque[Said] = deque(maxlen=MOST_OF_CONTACT if keeps_other else MOST_OVERALL)
        self.turns: deque[Said] = deque(maxlen=MOST_TURNS)
        self.found = 0
        """The owner's messages, kept or not."""
        self._clock = clock
        self._owner = owner
        self._since, self._now = now - HISTORY_AGE, now
        self._matters_from = (self._since - _ANY_ZONE).replace(tzinfo=None)
        self._keeps_other = keeps_other
        self._before = ""
        self._spoke_at: datetime | None = None
        """When the owner spoke last, if nobody has since."""
        self._same: dict[tuple[str, str], int] = {}
        self._same_at: datetime | None = None

    def add(self, message: ExportedMessage) -> None:
        """Another message, in the order of the export."""
        who, words = message.who, message.words
        if who is None:
            return
        if who != self._owner and not self._keeps_other:
            self._spoke_at = None
            return
        if who != self._owner:
            self._spoke_at = None
            if words:
                self._before = f"{self._before}\n{words}"[-_BEFORE:] if self._before else words[-_BEFORE:]
                if message.at >= self._matters_from:
                    at = message.instant or self._clock.moment(message.at)
                    self._remember(Said(at, message.at, "user", words, self._nth(message.at, "user", words)))
        elif words:
            at = message.instant or self._clock.moment(message.at)
            self.found += 1
            follows = self._spoke_at is not None and timedelta(0) <= at - self._spoke_at <= _FOLLOWS
            nth = self._nth(message.at, "assistant", words)
            said = Said(at, message.at, "assistant", words, nth, "" if follows else self._before, follows)
            self.own.append(said)
            self._remember(said)
            self._before, self._spoke_at = "", at

    def _remember(self, said: Said) -> None:
        if self._keeps_other and self._since <= said.at <= self._now:
            self.turns.append(said)

    def _nth(self, local: datetime, role: str, words: str) -> int:
        if local != self._same_at:
            self._same_at = local
            self._same.clear()
        nth = self._same.get((role, words), 0)
        self._same[role, words] = nth + 1
        return nth
