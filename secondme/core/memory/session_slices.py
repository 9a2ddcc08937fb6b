"""Slices of a conversation: a few messages that follow one another, small enough to be found as one thing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_TURNS = 6
_MOST_CHARACTERS = 500
_MOST_PIECES = 4
"""Of one message: what is longer counts by its beginning."""
_NAMES = {"contact": "Them", "owner": "Me"}
"""No real names: they are in what is said where they matter."""


@dataclass(frozen=True, slots=True)
class SpokenMessage:
    """A message as memory has it; `session` is the number of its conversation."""

    message_id: str
    at_ms: int
    speaker: Literal["contact", "owner", "clone"]
    text: str
    session: int


@dataclass(frozen=True, slots=True)
class SessionSlice:
    """Messages of one conversation that follow one another, as lines of at most 500 characters in all."""

    session: int
    at_ms: int
    """When the first was said."""
    message_ids: tuple[str, ...]
    content: str

    def hash_for(self, contact: str) -> str:
        """The same for the same words at the same time in the same conversation with `contact`, and for nothing else."""
        return hashlib.sha256(f"{contact}|{self.session}|{self.at_ms}|{self.content}".encode()).hexdigest()[:32]


def session_slices(messages: Iterable[SpokenMessage]) -> Iterator[SessionSlice]:
    """The conversations in slices, each of which begins with the last line of the one before where there is room.

    The clone's own words are left out: whoever reads the slices must not learn from them what the clone made up.
    """
    spoken = sorted((each for each in messages if each.speaker in _NAMES), key=lambda each: (each.session, each.at_ms))
    for session, group in groupby(spoken, key=lambda each: each.session):
        lines = [(each, line) for each in group for line in _lines(each)]
        start = 0
        while start < len(lines):
            end = start + 1
            while end < len(lines) and end - start < _MOST_TURNS and _length(lines[start : end + 1]) <= _MOST_CHARACTERS:
                end += 1
            part = lines[start:end]
            ids = tuple(dict.fromkeys(message.message_id for message, _ in part))
            yield SessionSlice(session, part[0][0].at_ms, ids, "\n".join(line for _, line in part))
            has_room = end < len(lines) and end - start > 1 and _length(lines[end - 1 : end + 1]) <= _MOST_CHARACTERS
            start = end - 1 if has_room else end


def _length(lines: list[tuple[SpokenMessage, str]]) -> int:
    return sum(len(line) + 1 for _, line in lines) - 1


def _lines(message: SpokenMessage) -> list[str]:
    """The message in lines that each fit into a slice; none when it says nothing."""
    name = _NAMES[message.speaker]
    room = _MOST_CHARACTERS - len(name) - 2
    rest = " ".join(safe_text(message.text[: 2 * _MOST_PIECES * room]).split())
    pieces: list[str] = []
    while rest and len(pieces) < _MOST_PIECES:
        end = len(rest) if len(rest) <= room else rest.rfind(" ", room // 2, room + 1)
        piece = rest[: end if end > 0 else room]
        pieces.append(f"{name}: {piece}")
        rest = rest[len(piece) :].lstrip()
    return pieces
