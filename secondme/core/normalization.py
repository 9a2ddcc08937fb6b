"""Normalization: texts, and the word lists and patterns that are looked for in them, without case, accents, fonts and hidden characters.

Only a copy is folded; what is passed on stays as it was written. Linear: what is dear reads short pieces, and a text at most triples.

A pattern is a regular expression with names in angle brackets for word lists of the same table, as `<fill>` or `<machine>`; a list's
words are folded as the texts are. A space in it is one space: texts are reduced to words and single spaces first.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CHUNK = 64
"""Ordering combining marks costs the square of their number in a row: normalising in short pieces keeps that linear."""
_GROWTH = 3
"""A Korean syllable becomes three letters. One Arabic ligature would become eighteen."""

DROPPED = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\ufe20-\ufe2f"  # marks over, under and through letters; Japanese and Indic ones stay, they are letters there
    "\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff\x00-\x08\x0e-\x1f\x7f"  # what nobody sees
)
"""The characters that folding drops, for a class of a regular expression."""
_DROPPED = re.compile(f"[{DROPPED}]+")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]+"
)
_PUT_TOGETHER = re.compile("[\u1100-\u11ff]+|[\u3041-\u30ff]+")
"""Korean and Japanese letters that were taken apart; their parts are all of one combining class, so this is linear too."""
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһкмтвнгпԛԝьιοανκρτυχεηɡɩ",
    "aeopcyxijsdhkmtbhrnqwbioavkptuxengi",
)
"""Letters of other scripts for the Latin ones they look like. Chosen by eye from Unicode UTS #39."""
_WHOLE = str.maketrans({"œ": "oe", "æ": "ae", "\u0131": "i", "ł": "l", "ø": "o", "đ": "d"})
"""Latin letters that Unicode does not take apart."""
_FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f\u0261\u0269]")
_LATIN = re.compile("[a-z]")
_LEET = str.maketrans("013457@$", "oieastas")
MIXED_WORD = re.compile(r"(?<![a-z0-9@$])(?=[0-9@$]{0,24}[a-z])(?=[a-z]{0,24}[0-9@$])[a-z0-9@$]{2,24}")
"""A word of letters and of digits that may stand for letters."""
SPACED_WORD = re.compile(r"(?<!\w)\w(?:[ .\-_*~|/]\w(?!\w)){4,200}")
"""Five letters or more with a space or a dot between each two."""
_LETTERS = re.compile(r"(?<!\w)\w(?:[ .\-_*~|/]\w(?!\w)){1,200}")
_WIDE_SPACE = re.compile(r"[ \t]{2,}")


def decompose(text: str, form: Literal["NFKC", "NFKD"] = "NFKD") -> str:
    """`text` in one of Unicode's compatibility forms."""
    pieces = (unicodedata.normalize(form, text[start : start + _CHUNK]) for start in range(0, len(text), _CHUNK))
    return "".join(pieces)[: _GROWTH * len(text)]


def fold(text: str) -> str:
    """`text` with case, accents, fonts and hidden characters folded away; letters stay of their script."""
    if text.isascii():
        return text.lower()
    plain = _DROPPED.sub("", decompose(text).casefold()).translate(_WHOLE)
    return _PUT_TOGETHER.sub(lambda run: unicodedata.normalize("NFC", run.group()), plain)


def fold_pattern(pattern: str) -> str:
    """`pattern` as its texts are folded, its regular expression left alone; write it in lower case."""
    if pattern.isascii():
        return pattern
    plain = _DROPPED.sub("", unicodedata.normalize("NFKD", pattern)).translate(_WHOLE)
    return _PUT_TOGETHER.sub(lambda run: unicodedata.normalize("NFC", run.group()), plain)


def visible(text: str) -> str:
    """`text` in plain letters, without what nobody sees; case, accents and line breaks stay."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub("", decompose(text, "NFKC").replace("\r", "\n"))


def readings(text: str) -> tuple[str, ...]:
    """`text` folded; and, where it plays with its letters, with look-alikes, digits for letters and s p a c e d words read too."""
    plain = fold(text)
    found = [plain]
    if _FOREIGN.search(plain) and _LATIN.search(plain):
        found.append(plain.translate(_LOOK_ALIKES))
    if MIXED_WORD.search(found[-1]):
        found.append(MIXED_WORD.sub(lambda word: word.group().translate(_LEET), found[-1]))
    if SPACED_WORD.search(_WIDE_SPACE.sub(" ", found[-1])):
        wide = _WIDE_SPACE.sub("\0", found[-1])  # folding has dropped every other one
        found.append(_LETTERS.sub(lambda run: run.group().replace(run.group()[1], ""), wide).replace("\0", " "))
    return tuple(found)


_CJK = "\u2e80-\u2fdf\u3040-\u30fa\u30fc-\u30ff\u3105-\u312f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = f"{_CJK}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Scripts that put no spaces between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer."""
_INDIC = "\u0900-\u0963\u0966-\u0dff"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
WORD = re.compile(f"[{_UNSPACED}]+|[{_INDIC}]+|[{_HANGUL}]+|[^\\W\\d_{_UNSPACED}{_INDIC}{_HANGUL}]+")
"""One word, or a run of a script that has no spaces. Vowel signs of Indic scripts are no `\\w`."""


@cache
def unspaced() -> re.Pattern[str]:
    """Matches a run of a script that puts no spaces between its words."""
    return re.compile(f"[{_UNSPACED}]+")


@cache
def syllables() -> re.Pattern[str]:
    """Matches a run of Korean, whose words carry their particles."""
    return re.compile(f"[{_HANGUL}]+")


_NAMED = re.compile(r"<([a-z_]+)>")


def phrases(listed: str) -> tuple[str, ...]:
    """The entries of a list that are separated by `|` and line breaks, folded, in their order, each once."""
    return tuple(dict.fromkeys(word for part in re.split(r"[|\n]", listed) if (word := fold(part).strip())))


def either(words: Iterable[str]) -> str:
    """A group that matches any of `words`, the longest first; `*` ends a stem."""
    ordered = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(word).replace(r"\*", r"\w{0,12}") for word in ordered) + ")"


def expand(pattern: str, lists: Mapping[str, str]) -> str:
    """`pattern`, folded, with its named lists put in. Raises KeyError for a list that the table does not have."""
    return _NAMED.sub(lambda found: lists[found.group(1)], fold_pattern(pattern))
