"""Splitting: where a person would end one message and begin the next. Pure."""

import re
from collections.abc import Callable
from itertools import pairwise

from secondme.core.text import whole_characters

COMFORTABLE = 600
"""Characters up to which nobody would split."""
LIMIT = 4000
"""Characters no platform we know refuses: Telegram takes 4,096 UTF-16 units, WhatsApp 65,536."""
_MOST = 8
_MOST_LINES = 5
"""More short messages than this in a row are a list, not a manner of writing."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_LINE = re.compile(r"\n+")
_SENTENCE = re.compile(
    r"[.!?…؟۔।॥]+[\"'”’»)\]]*\s+|[。！？｡．]+[」』”’）】]*\s*"  # noqa: RUF001  full-width marks need no space after them
)
_WORD = re.compile(r"\s+")
_SEAMS = (_LINE, _SENTENCE, _WORD)
"""Behind what a text that is too long for a platform is cut; the first one that will do."""


def split_reply(text: str, *, by_line: bool = False) -> list[str]:
    """`text` as messages, in order: whole when short, else at paragraphs; what a platform would not take, at lines, then sentences, words,
    and characters as a reader sees them. Nothing is lost but white space at the seams; none is empty or longer than `LIMIT` UTF-16 units.

    `by_line`: each line is a message, as somebody writes who sends several short ones, unless there are more than a person would send.
    """
    text = text.strip()
    if not text:
        return []
    if by_line:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if 1 < len(lines) <= _MOST_LINES:
            return [piece for line in lines for piece in _fit(line)]
    if len(text) <= COMFORTABLE:
        return _fit(text)
    paragraphs = _pieces(_PARAGRAPH, text)
    parts = _pack(paragraphs, lambda part: len(part) <= COMFORTABLE)
    if len(parts) > _MOST:
        parts = _pack(paragraphs, lambda part: len(part) <= LIMIT // 2)
    return [piece for part in parts for piece in _fit(part)]


def split_where_needed(text: str) -> list[str]:
    """`text` as it stands, cut only where a platform would not take it. Nothing is lost but white space around it and at the seams."""
    return _fit(text.strip()) if text.strip() else []


def _pieces(seam: re.Pattern[str], text: str) -> list[str]:
    """`text`, cut behind every seam; the seams stay at the ends of the pieces."""
    cuts = [0, *(found.end() for found in seam.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(cuts) if start < end]


def _pack(pieces: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Neighbours together, as they stood, while they fit; without the white space around them."""
    packed = [""]
    for piece in pieces:
        if fits((packed[-1] + piece).strip()):
            packed[-1] += piece
        else:
            packed.append(piece)
    return [part.strip() for part in packed if part.strip()]


def _fit(text: str) -> list[str]:
    return [text] if _is_taken(text) else _pack(_small(text, _SEAMS), _is_taken)


def _small(text: str, seams: tuple[re.Pattern[str], ...]) -> list[str]:
    """`text` in pieces that a platform takes, each cut as finely as it must be."""
    if _is_taken(text.strip()):
        return [text]
    if seams:
        return [small for piece in _pieces(seams[0], text) for small in _small(piece, seams[1:])]
    pieces = []
    while text:
        at = min(len(text), LIMIT)
        while not _is_taken(text[:at]):
            at -= (_units(text[:at]) - LIMIT + 1) // 2  # a character is at most two UTF-16 units
        at = whole_characters(text, at)
        pieces.append(text[:at])
        text = text[at:]
    return pieces


def _is_taken(text: str) -> bool:
    return _units(text) <= LIMIT


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
