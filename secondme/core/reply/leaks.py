"""Leaks: whether a text repeats what a model was told about its task. Seven words in a row, or forty letters, whatever stands
between them.

Also turned round, by thirteen letters, in base64 or in hexadecimal. Words that may be repeated - the owner's own examples, the
conversation - are no leak. Linear in both texts; what was told is read once and kept while it stays the same.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from secondme.core.normalization import WORD, fold, unspaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WORDS = 7
_SHORTEST_RUN = 24
"""Letters of seven words that are worth a look: `so it is up to me now` is everybody's."""
_LETTERS = 40
_CHARACTERS = 20
"""Of scripts without spaces, where one stands for two letters."""
_MOST_READ = 40_000
"""Letters of what was told."""
_GAP = re.compile(r"[\W_]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,8000}={0,2}(?:\s[A-Za-z0-9+/_-]{4,8000}={0,2}){0,200}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){24,4000}")
_MOST_RUNS = 8
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")


@dataclass(frozen=True, slots=True)
class _Index:
    """What was told, to be looked up."""

    last: tuple[str, ...]
    """Its last words, with which a run may begin that goes on in what is told next."""
    runs: frozenset[str]
    """Every seven words."""
    letters: str
    pieces: dict[str, int]
    """Where pieces of half a run's length begin in `letters`: each whole run has one of them in it."""


def repeats(text: str, told: tuple[str, ...], own: Sequence[str]) -> bool:
    """True when `text` repeats a part of `told` that is not in `own`, as it is or in a simple disguise."""
    index = _index(told)
    words = WORD.findall(fold(text))
    mine: str | None = None
    for run in _runs(words):
        if run in index.runs:
            mine = mine if mine is not None else _spaced(own)
            if f" {run} " not in mine:
                return True
    return any(_shares(letters, index, own) for letters in _disguises(text, words))


def _disguises(text: str, words: list[str]) -> Iterator[str]:
    letters = _squeeze(" ".join(words))
    yield letters
    yield letters[::-1]
    yield letters.translate(_ROT13)
    for run in islice(_BASE64.finditer(text), _MOST_RUNS):
        yield _squeeze(fold(_readable(run.group())))
    for run in islice(_HEX.finditer(text), _MOST_RUNS):
        yield _squeeze(fold(bytes.fromhex(re.sub(r"[^0-9a-fA-F]", "", run.group())).decode("utf-8", "ignore")))


def _readable(run: str) -> str:
    packed = re.sub(r"[\s=]", "", run).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(packed[: len(packed) // 4 * 4], validate=True).decode("utf-8", "ignore")
    except ValueError:
        return ""


def _shares(letters: str, index: _Index, own: Sequence[str]) -> bool:
    """True when a whole run of `letters` stands in the index, and not in `own`."""
    mine: str | None = None
    checked = 0
    for size in (_LETTERS // 2, _CHARACTERS // 2):
        for at in range(len(letters) - size + 1):
            piece = letters[at : at + size]
            place = index.pieces.get(piece)
            if place is None or at < checked:
                continue
            start, end = _stretch(letters, at, index.letters, place, size)
            run = letters[start:end]
            if _weight(run) < _LETTERS:
                continue
            mine = mine if mine is not None else "\n".join(_squeeze(" ".join(WORD.findall(fold(words)))) for words in own)
            if run not in mine:
                return True
            checked = end - size
    return False


def _stretch(letters: str, at: int, told: str, place: int, size: int) -> tuple[int, int]:
    """From where to where `letters` and `told` agree around a piece, at most a run's length to either side."""
    start, end = at, at + size
    while start and at - start < _LETTERS and place - (at - start) > 0 and letters[start - 1] == told[place - (at - start) - 1]:
        start -= 1
    while (
        end < len(letters)
        and end - at < size + _LETTERS
        and place + end - at < len(told)
        and letters[end] == told[place + end - at]
    ):
        end += 1
    return start, end


def _weight(run: str) -> int:
    return len(run) + sum(len(part) for part in unspaced().findall(run))


@lru_cache(maxsize=16)
def _index(told: tuple[str, ...]) -> _Index:
    """What stands first is told to everybody: it is read once, and what is this contact's is added to it."""
    if not told:
        return _Index((), frozenset(), "", {})
    before = _index(told[:-1])
    words = [*before.last, *WORD.findall(fold(told[-1][:_MOST_READ]))]
    letters = (before.letters + _squeeze("\n".join(words[len(before.last) :])))[:_MOST_READ]
    pieces = dict(before.pieces)
    long, short = _LETTERS // 2, _CHARACTERS // 2
    for at in range(len(before.letters) // long * long, len(letters) - long + 1, long):
        pieces.setdefault(letters[at : at + long], at)
    for at in range(len(before.letters) // short * short, len(letters) - short + 1, short):
        if unspaced().match(letters[at]):
            pieces.setdefault(letters[at : at + short], at)
    return _Index(tuple(words[1 - _WORDS :]), before.runs.union(_runs(words)), letters, pieces)


def _runs(words: list[str]) -> Iterator[str]:
    for at in range(len(words) - _WORDS + 1):
        run = " ".join(words[at : at + _WORDS])
        if len(run) >= _SHORTEST_RUN:
            yield run


def _spaced(texts: Sequence[str]) -> str:
    return " " + " | ".join(" ".join(WORD.findall(fold(text))) for text in texts) + " "


def _squeeze(folded: str) -> str:
    return _GAP.sub("", folded)
