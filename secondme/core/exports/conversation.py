"""A conversation out of an export, whatever platform wrote it: messages, who is who, and turns gathered from them."""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from secondme.core.errors import DataError
from secondme.core.exports.sentences import MARKS, is_no_name
from secondme.core.records import OwnMessage, Turn
from secondme.core.text import caseless, safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secondme.core.exports.message import ExportedChat, ExportedMessage
    from secondme.core.exports.whatsapp_headers import WallClock
    from secondme.core.ids import ContactId


_CLEAN = str.maketrans("", "", MARKS)
_SHOWN = 20


def name_key(name: str) -> str:
    """A name as names are compared: NFC, letter case and marks of direction aside, and without the `~` of somebody unsaved."""
    flat = " ".join(name.translate(_CLEAN).split()).removeprefix("~").strip()
    return caseless(flat)


def same(name: str, chat: ExportedChat) -> list[str]:
    """Who in `chat` is called `name`."""
    wanted = name_key(name)
    return [who for who in chat.people if name_key(chat.name_of(who)) == wanted]


def owner_of(chat: ExportedChat, *, named: str, usual: str, what: str) -> str:
    """Who in `chat` the owner is: `named` by themselves, else as the export says, else who is called as `usual` in a chat of two.

    Raises DataError listing the people of `what` when that is nobody, or several.
    """
    if named:
        found = same(named, chat)
        if len(found) == 1:
            return found[0]
        raise _who(
            "no_such_person" if not found else "name_not_unique",
            f"{named!r} is {'nobody' if not found else 'not one person'}",
            what,
            chat,
        )
    if chat.owner is not None:
        return chat.owner
    found = same(usual, chat) if len(chat.people) <= 2 and not chat.is_group else []  # noqa: PLR2004  a chat of two
    if len(found) == 1:
        return found[0]
    raise _who("owner_unknown", "It is not clear who you are", what, chat)


def other_of(chat: ExportedChat, owner: str) -> str | None:
    """The other one's key in a chat of two; None when nobody else wrote, or in a group."""
    others = [who for who in chat.people if who != owner]
    return others[0] if len(others) == 1 and not chat.is_group else None


def by_name(name: str, contacts: Iterable[tuple[ContactId, str | None]]) -> list[ContactId]:
    """The ids of those of `contacts` (id, display name) who are called `name`."""
    wanted = name_key(name)
    return [contact for contact, known in contacts if wanted and known and name_key(known) == wanted]


def _who(code: str, why: str, what: str, chat: ExportedChat) -> DataError:
    names = [safe_name(chat.name_of(who)) for who, _ in chat.people.most_common(_SHOWN)]
    more = f" and {len(chat.people) - _SHOWN} more" if len(chat.people) > _SHOWN else ""
    return DataError(
        code, f"{why} in {what}. In it speak: {', '.join(names) or 'nobody'}{more}.", "Say who you are with --me NAME."
    )


_LONGEST_NAME = 128
_MOST_NAMES = 10_000
"""WhatsApp's groups end at 1,024 people."""
_MOST_LONGER = 16
_OFTEN = 3
"""So often must a longer name be seen to be one."""
_CLEAN_NAME = str.maketrans(dict.fromkeys(map(ord, MARKS)) | dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " "))


class Author:
    """Everything that begins with one name: how often, and which longer names it may be short for."""

    __slots__ = ("count", "is_sentence", "longer", "name")

    def __init__(self, prefix: str) -> None:
        self.name = " ".join(prefix.translate(_CLEAN_NAME).split())
        self.is_sentence = is_no_name(prefix)
        self.count = 0
        self.longer: dict[str, int] | None = {}


class Authors:
    """The names of one chat. First `learn` from every line, then `split` any."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = tuple(name for name in known if ": " in name)
        self._authors: dict[str, Author] = {}
        self._names: dict[str, str] = {}

    def learn(self, rest: str) -> tuple[Author, int] | None:
        """Another line says `rest` behind its header. Returns its author and where their words begin; None when it has none."""
        first = self._first_end(rest)
        if first <= 0:
            return None
        prefix = rest[:first]
        author = self._authors.get(prefix)
        if author is None:
            if len(self._authors) >= _MOST_NAMES:
                raise DataError("too_many_people", f"More than {_MOST_NAMES:,} people speak in it: that is no chat export.")
            author = self._authors[prefix] = Author(prefix)
            if prefix in self._known:
                author.longer = None
        if author.is_sentence or not author.name:
            return None
        author.count += 1
        if author.longer is not None:
            second = _end_of_name(rest, first + 2)
            if second < 0 or (len(author.longer) >= _MOST_LONGER and rest[:second] not in author.longer):
                author.longer = None
            else:
                author.longer[rest[:second]] = author.longer.get(rest[:second], 0) + 1
        return author, first + 2

    def split(self, rest: str) -> tuple[str | None, int]:
        """Who says `rest`, and where their words begin; (None, 0) when WhatsApp itself does."""
        first = self._first_end(rest)
        author = self._authors.get(rest[:first]) if first > 0 else None
        if author is None or author.is_sentence or not author.name:
            return None, 0
        if _are_names(author.longer):
            end = _end_of_name(rest, first + 2)
            return self._name(rest[:end]), end + 2
        return author.name, first + 2

    def people(self) -> dict[str, int]:
        """How often each was seen."""
        people: dict[str, int] = {}
        for author in self._authors.values():
            if author.is_sentence or not author.count:
                continue
            longer = author.longer if _are_names(author.longer) else None
            for name, count in (longer or {author.name: author.count}).items():
                people[self._name(name)] = people.get(self._name(name), 0) + count
        return people

    def _first_end(self, rest: str) -> int:
        for name in self._known:
            if rest.startswith(f"{name}: "):
                return len(name)
        return _end_of_name(rest, 0)

    def _name(self, prefix: str) -> str:
        name = self._names.get(prefix)
        if name is None:
            name = self._names[prefix] = " ".join(prefix.translate(_CLEAN_NAME).split())
        return name


def _end_of_name(rest: str, start: int) -> int:
    """Where the name ends that goes on at `start`; -1 for nowhere. A line may end with its colon when nothing was said."""
    end = rest.find(": ", start, _LONGEST_NAME)
    if end < 0 and len(rest) <= _LONGEST_NAME and rest.endswith(":", start):
        return len(rest) - 1
    return end


def _are_names(longer: dict[str, int] | None) -> bool:
    return bool(longer) and all(count >= _OFTEN for count in longer.values())  # type: ignore[union-attr]  # bool() asked


MOST_TURNS = 100
"""As many as a history holds."""
HISTORY_AGE = timedelta(days=7)
"""So long a history lives."""
MOST_OF_CONTACT = 300
MOST_OVERALL = 1000
"""As many as are kept of the owner's messages to one contact, and of measures over all."""
_BEFORE = 500
_FOLLOWS = timedelta(seconds=90)
_MOST_MINUTES = 256
"""Minutes whose messages are still counted: exports are in the order of arrival, and a message may arrive late."""


class SpokenTurn(NamedTuple):
    """One message with words, until it becomes a record."""

    at: datetime
    """The moment, aware; messages of one minute, or second, stand a millisecond apart in the order of the file."""
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

    def turn(self, digest: str) -> Turn:
        """As a history keeps it; `digest` is of the file."""
        kind: Literal["incoming", "fromMe"] = "incoming" if self.role == "user" else "fromMe"
        return Turn(id=self.id, role=self.role, content=self.words, timestamp=self.at, type=kind, sources=(digest,))

    def own(self, digest: str) -> OwnMessage:
        """As it is learnt from."""
        return OwnMessage(id=self.id, at=self.at, text=self.words, before=self.before, follows=self.follows, sources=(digest,))


class Gathering:
    """One chat, as it is read."""

    def __init__(self, clock: WallClock, owner: str, *, keeps_other: bool, is_handed_on: bool = False) -> None:
        """`keeps_other`: this is a chat of two, and what the other one said may be kept. `is_handed_on`: all of it is, see `take`."""
        self.own: deque[SpokenTurn] = deque(maxlen=MOST_OF_CONTACT if keeps_other else MOST_OVERALL)
        self.turns: deque[SpokenTurn] = deque(maxlen=MOST_TURNS)
        """The last ones, however old they are."""
        self.found = 0
        """The owner's messages, kept or not."""
        self.waiting: list[SpokenTurn] = []
        """What was not handed on yet."""
        self._clock = clock
        self._owner = owner
        self._keeps_other = keeps_other
        self._is_handed_on = is_handed_on and keeps_other
        self._before = ""
        self._spoke_at: datetime | None = None
        """When the owner spoke last, if nobody has since."""
        self._minutes: dict[datetime, dict[tuple[str, str] | None, int]] = {}
        """For each time of the export: how many messages have it, and how many of them say the same."""

    def add(self, message: ExportedMessage) -> None:
        """Another message, in the order of the export."""
        place = self._count(message.at, None)
        who, words = message.who, message.words
        if who is None:
            return
        if who != self._owner:
            self._spoke_at = None
            if words and self._keeps_other:
                self._before = f"{self._before}\n{words}"[-_BEFORE:] if self._before else words[-_BEFORE:]
                self._remember(
                    SpokenTurn(self._moment(message, place), message.at, "user", words, self._count(message.at, ("user", words)))
                )
        elif words:
            at = self._moment(message, place)
            self.found += 1
            follows = self._spoke_at is not None and timedelta(0) <= at - self._spoke_at <= _FOLLOWS
            nth = self._count(message.at, ("assistant", words))
            said = SpokenTurn(at, message.at, "assistant", words, nth, "" if follows else self._before, follows)
            self.own.append(said)
            self._remember(said)
            self._before, self._spoke_at = "", at

    def take(self) -> list[SpokenTurn]:
        """What came since the last call, whole and in the order of the file."""
        taken, self.waiting = self.waiting, []
        return taken

    def _moment(self, message: ExportedMessage, place: int) -> datetime:
        moment = message.instant or self._clock.moment(message.at)
        return moment + timedelta(milliseconds=place) if place else moment

    def _remember(self, said: SpokenTurn) -> None:
        if self._keeps_other:
            self.turns.append(said)
            if self._is_handed_on:
                self.waiting.append(said)

    def _count(self, local: datetime, what: tuple[str, str] | None) -> int:
        """How many there were before this one. All messages are counted, so that a better reader moves none."""
        counts = self._minutes.get(local)
        if counts is None:
            if len(self._minutes) >= _MOST_MINUTES:
                del self._minutes[next(iter(self._minutes))]
            counts = self._minutes[local] = {}
        counts[what] = counts.get(what, 0) + 1
        return counts[what] - 1


LONGEST_TEXT = 65_536
"""WhatsApp's own limit. What is longer is cut; its lines are counted all the same."""
_SLACK = timedelta(days=1)
"""Exports are in the order of arrival, which need not be that of sending."""
_MOST_DOUBTS = 1000


class ImportDraft:
    """A message whose lines are still being read."""

    __slots__ = ("_foreign", "_parts", "_size", "at", "author", "is_marked", "is_sure", "lines", "number", "raw")

    def __init__(
        self, at: datetime, author: str | None, body: str, number: int, raw: str, *, is_marked: bool, is_sure: bool
    ) -> None:
        self.at = at
        self.author = author
        self.number = number
        self.raw = raw
        self.lines = 1
        self.is_marked = is_marked
        self.is_sure = is_sure
        """False for what has no author and is no sentence of WhatsApp's that we know: it may be a line of the message before."""
        self._parts = [body[:LONGEST_TEXT]]
        self._size = len(body)
        self._foreign = 0
        """How many parts, the last ones, stand in it without being its author's."""

    def add(self, line: str, *, is_foreign: bool = False) -> None:
        """Another line of it. From a foreign one on, all are."""
        self.lines += 1
        if self._size < LONGEST_TEXT:
            self._parts.append(line[: LONGEST_TEXT - self._size])
            self._size += len(line) + 1
            self._foreign += is_foreign or self._foreign > 0

    def absorb(self, other: ImportDraft) -> None:
        """`other` was no message but more of this one."""
        self.add(other.raw)
        own = len(other._parts) - other._foreign
        for at, part in enumerate(other._parts[1:], 1):
            self.add(part, is_foreign=at >= own)
        self.lines += other.lines - len(other._parts)

    def text(self) -> str:
        """All of it, without white space at its end."""
        return (self._parts[0] if len(self._parts) == 1 else "\n".join(self._parts)).rstrip()

    @property
    def has_foreign(self) -> bool:
        """Lines of it are somebody else's."""
        return self._foreign > 0

    def said(self) -> str:
        """`text` without the lines that are somebody else's."""
        return "\n".join(self._parts[: len(self._parts) - self._foreign]).rstrip() if self._foreign else self.text()


class ImportDrafts:
    """The message that is being read, and after it what may be messages or more of it."""

    def __init__(self) -> None:
        self._current: ImportDraft | None = None
        self._doubts: list[ImportDraft] = []

    def begin(self, draft: ImportDraft) -> Sequence[ImportDraft]:
        """`draft` begins. Returns what is finished by that."""
        current = self._current
        if current is not None and not draft.is_sure and len(self._doubts) < _MOST_DOUBTS:
            self._doubts.append(draft)
            return ()
        self._current = draft
        if current is None:
            return ()
        return (*self._resolve(current, draft.at + _SLACK),) if self._doubts else (current,)

    def go_on(self, line: str, *, is_foreign: bool = False) -> bool:
        """True when `line` is more of what is being read, of its author's words or not; False when nothing is being read."""
        draft = self._doubts[-1] if self._doubts else self._current
        if draft is None:
            return False
        draft.add(line, is_foreign=is_foreign)
        return True

    def end(self) -> Iterator[ImportDraft]:
        """There are no more lines. Yields what is left."""
        if self._current is not None:
            yield from self._resolve(self._current, None)
            self._current = None

    def _resolve(self, current: ImportDraft, latest: datetime | None) -> Iterator[ImportDraft]:
        """`current` and what was doubtful behind it: a message when its time lies between its neighbours', and else more of the message before."""
        for doubt in self._doubts:
            if doubt.at >= current.at - _SLACK and (latest is None or doubt.at <= latest):
                yield current
                current = doubt
            else:
                current.absorb(doubt)
        self._doubts.clear()
        yield current
