"""The skeleton of a text (Unicode UTS #39): the same letters for the same look, scripts and disguises aside. Only a copy is changed."""

from __future__ import annotations

import base64
import re
from functools import cache
from itertools import islice
from urllib.parse import unquote

from secondme.core.files import table
from secondme.core.normalization import DROPPED, MIXED_WORD, SPACED_WORD, decompose

_DROPPED = re.compile(f"[{DROPPED}\u093c\u3099\u309a]+")
"""Marks of Indic and Japanese letters too: a skeleton loses more than a fold."""
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
"""Tag characters: an invisible copy of ASCII, meant for flags, used to smuggle text past readers."""

_LEET = str.maketrans("013457@$9", "oieastasg")
_LEET_L = str.maketrans("013457@$9", "oleastasg")
_LEET_MARK = re.compile(r"[a-z][013457@$9]|[013457@$9][a-z]")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{16,2048}={0,2}")
_MAX_RUNS = 8
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}[^%]{0,24}){3}")
_GAP = re.compile(r"[^\w]+")


def skeleton(text: str) -> str:
    """`text` with case, accents, fonts, look-alikes and hidden characters folded away. Linear: a text grows threefold at most.

    Korean stays taken apart: a stem in a list is found whatever ends its last syllable.
    """
    if text.isascii():
        return text.lower()
    return _DROPPED.sub("", decompose(text.translate(_TAGS)).casefold()).translate(_look_alikes())


def unleet(folded: str) -> list[str]:
    """`folded` with digits read as letters, in both readings of 1; empty when no word mixes letters and digits."""
    if not _LEET_MARK.search(folded):
        return []
    readings = (_LEET, _LEET_L) if "1" in folded else (_LEET,)
    return [_read_words(folded, reading) for reading in readings]


def close_up(folded: str) -> str | None:
    """`folded` with its s p a c e d and d.o.t.t.e.d words closed up; None when there are none."""
    if not SPACED_WORD.search(folded):
        return None
    wide = re.sub(r"[ \t]{2,}", "\n", folded)
    return SPACED_WORD.sub(lambda run: run.group().replace(run.group()[1], ""), wide)


def decode(text: str) -> str | None:
    """What stands in `text` as base64 or percent codes, as far as it is readable; None when nothing is."""
    plain = [_readable(run.group()) for run in islice(_BASE64.finditer(text), _MAX_RUNS)]
    if _PERCENT.search(text):
        plain.append(unquote(text, errors="replace"))
    return "\n".join(filter(None, plain)) or None


def squeeze(folded: str) -> str:
    """Nothing but the letters and digits of `folded`."""
    return _GAP.sub("", folded).replace("_", "")


def _readable(run: str) -> str:
    """What a run of base64 says, if it says something printable."""
    try:
        plain = base64.b64decode(run[: len(run) // 4 * 4] if "=" not in run else run, validate=True).decode("utf-8")
    except ValueError:
        return ""
    return plain if plain.isprintable() else ""


def _read_words(folded: str, reading: dict[int, int]) -> str:
    return MIXED_WORD.sub(lambda word: word.group().translate(reading), folded)


@cache
def _look_alikes() -> dict[int, str]:
    """Letters of other scripts that look like Latin ones. Words of those scripts are folded too, and so are our own lists."""
    return {ord(char): latin for latin, others in table("admit", "confusables")["letters"].items() for char in others}
