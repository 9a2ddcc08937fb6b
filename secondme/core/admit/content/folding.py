"""Folding for the content analyser: the same letters for the same look; case, accents, fonts, scripts, digits and hidden characters
aside.

Only a copy is folded; what is passed on stays as it was written. Unicode UTS #39 calls the result a skeleton.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from functools import cache
from itertools import islice
from urllib.parse import unquote

from secondme.core.admit.content import lists

_CHUNK = 64
"""Ordering combining marks costs the square of their number in a row: normalising in short pieces keeps that linear."""

_GROWTH = 3
"""A Korean syllable becomes three letters. One Arabic ligature would become eighteen."""

_DROPPED = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u093c\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\u3099\u309a\ufe20-\ufe2f"  # marks over, under and through letters
    "\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0100-\U000e01ef]+"  # characters that nobody sees
)
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
"""Tag characters: an invisible copy of ASCII, meant for flags, used to smuggle text past readers."""

_LEET = str.maketrans("013457@$9", "oieastasg")
_LEET_L = str.maketrans("013457@$9", "oleastasg")
_MIXED_WORD = re.compile(r"(?<![a-z0-9@$])(?=[0-9@$]{0,24}[a-z])(?=[a-z]{0,24}[0-9@$])[a-z0-9@$]{2,24}")
_LEET_MARK = re.compile(r"[a-z][013457@$9]|[013457@$9][a-z]")
_SINGLE = re.compile(r"(?<!\w)\w(?:[ .\-_*~|/]\w(?!\w)){4,200}")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{16,2048}={0,2}")
_MAX_RUNS = 8
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}[^%]{0,24}){3}")
_GAP = re.compile(r"[^\w]+")


def fold(text: str) -> str:
    """`text` with case, accents, fonts, look-alikes and hidden characters folded away. Linear: a text grows threefold at most."""
    if text.isascii():
        return text.lower()
    visible = text.translate(_TAGS)
    pieces = (unicodedata.normalize("NFKD", visible[start : start + _CHUNK]) for start in range(0, len(visible), _CHUNK))
    plain = _DROPPED.sub("", "".join(pieces)[: _GROWTH * len(text)].casefold())
    return plain.translate(_look_alikes())


def unleet(folded: str) -> list[str]:
    """`folded` with digits read as letters, in both readings of 1; empty when no word mixes letters and digits."""
    if not _LEET_MARK.search(folded):
        return []
    readings = (_LEET, _LEET_L) if "1" in folded else (_LEET,)
    return [_read_words(folded, reading) for reading in readings]


def close_up(folded: str) -> str | None:
    """`folded` with its s p a c e d and d.o.t.t.e.d words closed up; None when there are none."""
    if not _SINGLE.search(folded):
        return None
    wide = re.sub(r"[ \t]{2,}", "\n", folded)
    return _SINGLE.sub(lambda run: run.group().replace(run.group()[1], ""), wide)


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
    return _MIXED_WORD.sub(lambda word: word.group().translate(reading), folded)


@cache
def _look_alikes() -> dict[int, str]:
    """Letters of other scripts that look like Latin ones. Words of those scripts are folded too, and so are our own lists."""
    return {ord(char): latin for latin, others in lists.table("confusables")["letters"].items() for char in others}
