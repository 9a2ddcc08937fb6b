"""One message of an export, and what is known of a chat before its messages are read a second time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class ExportedKind(StrEnum):
    """What a message is."""

    TEXT = "text"
    """Somebody's words; none at all in an empty message."""
    SYSTEM = "system"
    """The program's own sentence: nobody said it."""
    MEDIA = "media"
    """A file, or what stands where one was, maybe with a caption."""
    DELETED = "deleted"
    """What stands where a message was deleted."""


class ExportedMessage(NamedTuple):
    """One message, as it was exported. A tuple: there are millions of them."""

    kind: ExportedKind
    author: str | None
    """As the export names them; None for the program itself."""
    at: datetime
    """Local and naive: an export does not say where the phone was."""
    text: str
    words: str
    """What the author said themselves: no placeholder, no mark of the program's, nothing forwarded. Empty when nothing."""
    line: int
    """Where it begins, from 1. In Telegram's JSON, which message it is."""
    lines: int = 1
    media: str | None = None
    """The file's name, when it was exported or named."""
    instant: datetime | None = None
    """The moment itself (aware), when the export says it."""
    author_id: str | None = None
    """What the platform calls the author, when the export says it."""

    @property
    def who(self) -> str | None:
        """Who it was: the platform's id where there is one, else the name."""
        return self.author_id or self.author


@dataclass(slots=True)
class Span:
    """From the first moment to the last, in local time."""

    first: datetime | None = None
    last: datetime | None = None

    def add(self, moment: datetime) -> None:
        """`moment` is in it."""
        if self.first is None or moment < self.first:
            self.first = moment
        if self.last is None or moment > self.last:
            self.last = moment


@dataclass(slots=True)
class ExportedChat:
    """What the first pass learnt of one chat."""

    title: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    """Messages of each, by `ExportedMessage.who`."""
    names: dict[str, str] = field(default_factory=dict)
    """How each of them is called."""
    span: Span = field(default_factory=Span)
    is_group: bool = False
    """The export says so, however many wrote."""
    is_of_two: bool = False
    """The export says so, however few wrote."""
    has_numbers: bool = False
    """Its authors have numbers, as in Telegram before 2020."""
    skipped: str = ""
    """Why nothing of it is anybody's conversation: saved_messages, bot, channel."""
    owner: str | None = None
    """Who exported it, by `ExportedMessage.who`, when the export says so."""
    partner: str | None = None
    """The other one's contact id, when the export says so."""

    @property
    def messages(self) -> int:
        """How many there are."""
        return self.kinds.total()

    def name_of(self, who: str) -> str:
        """How somebody is called."""
        return self.names.get(who, who)
