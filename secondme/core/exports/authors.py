"""Where does a name end and what they said begin? `: ` stands between, but names and WhatsApp's own sentences may have it too.

What every line of one name has in common belongs to the name: `Mum: mobile` is a name when nothing is ever said by a mere `Mum`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.exports.phrases import MARKS, is_no_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME = 128
_MOST_NAMES = 10_000
"""WhatsApp's groups end at 1,024 people."""
_MOST_LONGER = 16
_OFTEN = 3
"""So often must a longer name be seen to be one."""
_CLEAN = str.maketrans(dict.fromkeys(map(ord, MARKS)) | dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " "))


class Author:
    """Everything that begins with one name: how often, and which longer names it may be short for."""

    __slots__ = ("count", "is_sentence", "longer", "name")

    def __init__(self, prefix: str) -> None:
        self.name = " ".join(prefix.translate(_CLEAN).split())
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
            name = self._names[prefix] = " ".join(prefix.translate(_CLEAN).split())
        return name


def _end_of_name(rest: str, start: int) -> int:
    """Where the name ends that goes on at `start`; -1 for nowhere. A line may end with its colon when nothing was said."""
    end = rest.find(": ", start, _LONGEST_NAME)
    if end < 0 and len(rest) <= _LONGEST_NAME and rest.endswith(":", start):
        return len(rest) - 1
    return end


def _are_names(longer: dict[str, int] | None) -> bool:
    return bool(longer) and all(count >= _OFTEN for count in longer.values())  # type: ignore[union-attr]  # bool() asked
