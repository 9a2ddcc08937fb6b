"""WordPiece: a text as the numbers that BERT and its kin were trained on (Devlin et al., 2018, uncased English).

`lists/wordpieces.txt` is BERT's own vocabulary, one piece a line, as google-research/bert publishes it under the Apache licence 2.0. The names
of special tokens mean nothing inside of a text.
"""

import unicodedata
from functools import cache

from secondme.core.files import packaged

_UNKNOWN, _FIRST, _LAST = 100, 101, 102
"""[UNK], [CLS] and [SEP]."""
_LONGEST_WORD = 100
"""Characters; a longer word is unknown as a whole."""
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
"""Each is a word of its own; Hangul and kana are not."""
_MARKS = frozenset("$+<=>^`|~")
"""What ASCII has beside Unicode's punctuation that parts words as well."""


@cache
def _pieces() -> dict[str, int]:
    return {piece: number for number, piece in enumerate(packaged("providers", "wordpieces.txt").rstrip("\n").split("\n"))}


def token_ids(text: str, most: int) -> list[int]:
    """The numbers of `text` between those of its beginning and its end, at most `most` in all; what does not fit is left away."""
    ids = [_FIRST]
    for word in _words(text):
        ids += _ids_of(word)
        if len(ids) >= most:
            break
    return [*ids[: most - 1], _LAST]


def _words(text: str) -> list[str]:
    """Lower case without accents; every punctuation mark and every ideograph is a word."""
    spaced = "".join(
        " " if char.isspace() else f" {char} " if any(first <= ord(char) <= last for first, last in _IDEOGRAPHS) else char
        for char in text
        if char in "\t\n\r" or (char != "\ufffd" and not unicodedata.category(char).startswith("C"))
    )
    plain = (char.lower() for char in unicodedata.normalize("NFD", spaced) if unicodedata.category(char) != "Mn")
    return "".join(f" {char} " if _is_mark(char) else char for char in plain).split()


def _is_mark(char: str) -> bool:
    return char in _MARKS or unicodedata.category(char).startswith("P")


def _ids_of(word: str) -> list[int]:
    """The longest pieces that `word` is made of, from its beginning on."""
    if len(word) > _LONGEST_WORD:
        return [_UNKNOWN]
    pieces, ids, start = _pieces(), [], 0
    while start < len(word):
        head = "##" if start else ""
        found = next((end for end in range(len(word), start, -1) if head + word[start:end] in pieces), None)
        if found is None:
            return [_UNKNOWN]
        ids.append(pieces[head + word[start:found]])
        start = found
    return ids
