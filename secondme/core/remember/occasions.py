"""Occasions: birthdays of contacts, and what the owner promised them, as they are learnt from what both write.

Of a contact only a date is kept, never words. A promise is in the owner's own words: what the clone wrote, what was forwarded, and what its
chat forgets is none.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from secondme.core.clock import from_ms
from secondme.core.dates import NamedDate, day_meant, in_year, next_on
from secondme.core.messages import split_told
from secondme.core.records import Moment, Record
from secondme.core.remember.promises import promise_in
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from secondme.core.ids import ContactId
    from secondme.core.ports import Clock
    from secondme.core.records import OwnMessage
    from secondme.core.remember.occasion_store import OccasionStore

PROMISE_AGE = timedelta(days=30)
"""After so long nobody waits for it any more."""
LONGEST_PROMISE = 200
_OLDEST = 120
"""Years; who was born before that made a slip."""
_MOST_READ = 2_000
"""Messages that are known to have been read; those of about twenty busy contacts' histories."""


class BirthdaySource(StrEnum):
    """Who says when it is. The owner's word counts before the others, then an address book or an import, then memory, then rules."""

    OWNER = "owner"
    ADDRESS_BOOK = "address_book"
    IMPORT = "import"
    MEMORY = "memory"
    RULES = "rules"


class Birthday(Record):
    """When a contact has their birthday. A value of `FACTS:birthday:{contactId}`."""

    day: int = Field(ge=1, le=31)
    month: int = Field(ge=1, le=12)
    year: int | None = Field(None, ge=1, le=9999)
    """Of birth; None when it is not known."""
    source: BirthdaySource
    message_id: str = ""
    """Where it was said; empty when in no message."""
    at: Moment
    """When it was said."""

    @property
    def named(self) -> NamedDate:
        """The date alone."""
        return NamedDate(self.day, self.month, self.year)

    def next_on(self, today: date) -> date:
        """The next time that it is celebrated, `today` counted. Who was born on 29 February celebrates on the 28th in other years."""
        return next_on(self.named, today)

    def age_on(self, day: date) -> int | None:
        """How old they are at the end of that day; None when the year is not known, or was not yet."""
        if self.year is None or day.year < self.year:
            return None
        return day.year - self.year - (day < in_year(self.named, day.year))


class Promise(Record):
    """What the owner said they would do, in their own words. A value of `FACTS:promise:{contactId}`, by the id of the message."""

    id: str
    """Twelve hexadecimal digits; no two contacts share one."""
    said_at: Moment
    text: str = ""
    """One line of at most 200 characters; empty once it is settled."""
    day: date | None = None
    """The day for which it was said, in the owner's time zone."""
    state: Literal["open", "done", "not_one"] = "open"


def promise_id(contact: ContactId, message_id: str) -> str:
    """What the promise in this message is called."""
    return hashlib.sha256(f"{contact}\n{message_id}".encode("utf-8", "replace")).hexdigest()[:12]


def birthday(named: NamedDate, source: BirthdaySource, at: datetime, message_id: str = "") -> Birthday:
    """The record of a birthday. A year that cannot be one of birth, as in "my birthday is on 4 May 2026", is left out."""
    is_birth = named.year is not None and at.year - _OLDEST <= named.year <= at.year - (source is not BirthdaySource.OWNER)
    year = named.year if is_birth else None
    return Birthday(day=named.day, month=named.month, year=year, source=source, message_id=message_id, at=at)


class OccasionLearner:
    """Keeps birthdays and promises as they are said."""

    def __init__(
        self, store: OccasionStore, zone: tzinfo, clock: Clock, birthdays_in: Callable[[str], Iterable[NamedDate]] | None = None
    ) -> None:
        """`birthdays_in` finds what the writer of a text says of their birthday; None: memory does that. `zone` is the owner's."""
        self._store = store
        self._zone = zone
        self._clock = clock
        self._birthdays_in = birthdays_in
        self._read: OrderedDict[str, int] = OrderedDict()

    async def heard(self, contact: ContactId, message_id: str, text: str) -> None:
        """The birthday that the contact says they have is kept, while their message is in the history. Repeatable. Raises UnavailableError."""
        if self._birthdays_in is None or not any(map(str.isdigit, text)):  # as nearly always: every date has a number
            return
        for named in self._birthdays_in(text):
            record = birthday(named, BirthdaySource.RULES, from_ms(self._clock.now_ms()), message_id)
            await self._store.learn_birthday(contact, record)

    async def said(self, contact: ContactId, messages: Sequence[OwnMessage]) -> int:
        """The promises in the owner's messages to the contact are kept; how many are new. What was read once is not read again until its
        words change. Repeatable. Raises UnavailableError."""
        found: dict[str, Promise] = {}
        unread = {promise_id(contact, each.id): each for each in messages if self._is_unread(contact, each)}
        for name, message in unread.items():
            if text := promise_in(message.text):
                found[message.id] = self._promise(name, text, message.at)
        count = await self._store.keep_promises(contact, found) if found else 0
        for name, message in unread.items():
            self._read[name] = hash(message.text)
            self._read.move_to_end(name)
        while len(self._read) > _MOST_READ:
            self._read.popitem(last=False)
        return count

    async def promised(self, contact: ContactId, message_id: str, words: str, said_at: datetime) -> int:
        """1 when this message of the owner's, in which somebody who read the conversation saw a promise, is kept as one and was not before.
        Repeatable. Raises UnavailableError."""
        line = " ".join(safe_text(split_told(words)[1]).split())[:LONGEST_PROMISE]
        if not line:
            return 0
        return await self._store.keep_promises(contact, {message_id: self._promise(promise_id(contact, message_id), line, said_at)})

    async def remembered(self, contact: ContactId, said: tuple[NamedDate, str, datetime] | None) -> None:
        """The contact's birthday is, as far as memory knows it, this date, from this message at this time; None: memory knows none.
        Repeatable. Raises UnavailableError."""
        if said is None:
            await self._store.unlearn_birthday(contact, BirthdaySource.MEMORY)
            return
        named, message_id, at = said
        record = birthday(named, BirthdaySource.MEMORY, at, message_id)
        if await self._store.learn_birthday(contact, record) == "weaker":  # maybe than a newer one, which memory has forgotten
            await self._store.unlearn_birthday(contact, BirthdaySource.MEMORY)
            await self._store.learn_birthday(contact, record)

    def _is_unread(self, contact: ContactId, message: OwnMessage) -> bool:
        return self._read.get(promise_id(contact, message.id)) != hash(message.text)

    def _promise(self, name: str, text: str, said_at: datetime) -> Promise:
        return Promise(id=name, said_at=said_at, text=text, day=day_meant(text, said_at.astimezone(self._zone).date()))
