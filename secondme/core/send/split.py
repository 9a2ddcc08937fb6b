"""Splitting: where a person would end one message and begin the next. Pure."""

import re

COMFORTABLE = 600
"""Characters up to which nobody would split."""
LIMIT = 4000
"""Characters no platform we know refuses: Telegram takes 4,096 UTF-16 units, WhatsApp 65,536."""
_MOST = 8
_MOST_LINES = 5
"""More short messages than this in a row are a list, not a manner of writing."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+")  # noqa: RUF001  full-width marks end sentences too


def split_reply(text: str, *, by_line: bool = False) -> list[str]:
    """`text` as messages, in order: whole when short, else at paragraphs, then sentences, then words. Nothing is lost but white space
    at the seams; none is empty and none longer than `LIMIT` UTF-16 units.

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
    parts = _gather(_PARAGRAPH.split(text), "\n\n", COMFORTABLE)
    if len(parts) > _MOST:
        parts = _gather(_PARAGRAPH.split(text), "\n\n", LIMIT // 2)
    return [piece for part in parts for piece in _fit(part)]


def _gather(pieces: list[str], joint: str, size: int) -> list[str]:
    """Neighbours joined while they stay below `size`."""
    gathered: list[str] = []
    for piece in (piece.strip() for piece in pieces):
        if not piece:
            continue
        if gathered and len(gathered[-1]) + len(joint) + len(piece) <= size:
            gathered[-1] += joint + piece
        else:
            gathered.append(piece)
    return gathered


def _fit(text: str) -> list[str]:
    if _units(text) <= LIMIT:
        return [text]
    half = LIMIT // 2  # a character is at most two UTF-16 units
    fitted: list[str] = []
    for sentence in _gather(_SENTENCE.split(text), " ", half):
        words = _gather(sentence.split(" "), " ", half) if len(sentence) > half else [sentence]
        pieces = (word[at : at + half].strip() for word in words for at in range(0, len(word), half))
        fitted.extend(piece for piece in pieces if piece)
    return fitted


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
