"""Messages as memory keeps them, and as an index finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SpokenBy = Literal["contact", "owner", "clone"]
ANYBODY = ("contact", "owner", "clone")


@dataclass(frozen=True, slots=True)
class MemoryMessage:
    """One message to remember. `rank` orders those of the same millisecond; `source` has the digests of the imports it came with, oldest
    first, with spaces between them, or is empty;    `expires_ms` is when its chat forgets it, 0 for never; `forwarded`: who sent it only passed it on."""

    id: str
    at_ms: int
    speaker: SpokenBy
    text: str
    rank: int = 0
    source: str = ""
    expires_ms: int = 0
    forwarded: bool = False


class Previous(NamedTuple):
    """The message before another one in the same session."""

    id: str
    at_ms: int
    rank: int
    speaker: str
    body: str
    tokens: str


class MemoryCandidate(NamedTuple):
    """A message that may be what is looked for; tokens are separated by spaces, `near` and `far` are those of ±1 and ±2."""

    number: int
    id: str
    at_ms: int
    rank: int
    speaker: str
    session: int
    body: str
    tokens: str
    near: str
    far: str
    previous: Previous | None


@dataclass(frozen=True, slots=True)
class SearchFindings:
    """What one index knows of some terms: how many messages it has, in how many each term is, candidates, and scores of sessions."""

    messages: int
    words: int
    frequencies: Mapping[str, int]
    candidates: Sequence[MemoryCandidate]
    sessions: Mapping[int, float]


def candidate_of(row: tuple[object, ...]) -> MemoryCandidate:
    """The candidate of a row with the columns of MemoryCandidate, and behind them those of Previous."""
    return MemoryCandidate(*row[:10], Previous(*row[10:]) if row[10] is not None else None)  # type: ignore[arg-type,call-arg]  # as _COLUMNS names them
