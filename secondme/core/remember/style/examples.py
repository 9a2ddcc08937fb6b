"""Examples: of what the owner really answered a contact, that which answers what was asked now. Pure: nothing is stored here."""

from __future__ import annotations

import re
import unicodedata
from math import log, sqrt
from typing import TYPE_CHECKING

from secondme.core.remember.style.measure import UNSPACED, folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.records import OwnMessage

_BEFORE, _ANSWER = 300, 500
_TOTAL = 6_000
"""Characters of all examples together: a dozen whole ones of real chats fit, a dozen of the longest do not."""
_COMPARED = 120
"""The last characters of a text that are looked at: an answer is mostly to what was said last."""
_LOOKED_AT = 16_000
"""Characters that are compared in all: each reply compares anew."""
_ACCENT = re.compile("[\u0300-\u036f\u0591-\u05bd\u064b-\u065f]+")
_BETWEEN = re.compile(r"(?:[^\w\n\u0900-\u0eff]|_)+")
"""What stands between words; the vowels of Indian scripts and of Thai, which Python takes for no part of a word, do not."""


def examples_for(burst_text: str, own: Sequence[OwnMessage], limit: int = 12) -> list[tuple[str, str]]:
    """At most `limit` pairs of what was said to the owner and what they answered, the most similar to `burst_text` first, and no more than
    6,000 characters of them.

    Similar is what shares runs of three and four letters (of scripts without spaces, of two) that few of these pairs have; newer goes first
    where that decides nothing. A split answer is one, its messages on lines of their own. No pair comes twice.
    """
    pairs = _answers(own)
    if not pairs:
        return []
    most = min(_COMPARED, _LOOKED_AT // len(pairs))
    scores = _likeness(_plain([burst_text], _COMPARED)[0], _plain([before for before, _ in pairs], most))
    ranked = sorted(range(len(pairs)), key=lambda at: (-scores[at], -at))
    found: dict[tuple[str, str], tuple[str, str]] = {}
    left = _TOTAL
    for before, answer in (pairs[at] for at in ranked):
        shown = _tail(before, _BEFORE), _head(answer, _ANSWER)
        same = folded(shown[0]), folded(shown[1])
        if same not in found and len(shown[0]) + len(shown[1]) <= left:
            found[same] = shown
            left -= len(shown[0]) + len(shown[1])
            if len(found) == limit:
                break
    return list(found.values())


def _answers(own: Sequence[OwnMessage]) -> list[tuple[str, str]]:
    """(what was said before, the whole answer), oldest first; only answers whose question is known."""
    runs: list[tuple[str, list[str]]] = []
    for message in sorted(own, key=lambda each: (each.at, each.id)):
        if not message.follows:
            runs.append((message.before.strip(), [message.text]))
        elif runs:
            runs[-1][1].append(message.text)
    return [(before, "\n".join(texts).strip()) for before, texts in runs if before and "".join(texts).strip()]


def _plain(texts: Sequence[str], most: int) -> list[str]:
    """The end of each text as words between single spaces: folded, without accents and signs. All at once, which is ten times faster."""
    low = folded("\n".join(" ".join(text[-most:].split()) for text in texts))
    if not low.isascii():
        low = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", low)))
    return [f" {line.strip()} " for line in _BETWEEN.sub(" ", low).split("\n")]


def _likeness(wanted: str, documents: Sequence[str]) -> list[float]:
    """The cosine of each plain text with `wanted`: runs of three letters and of four weigh the more the fewer of `documents` have them.

    A text's own weights are taken to grow with its length, so that nothing is counted but what it shares with `wanted`. Rounded: equal ones
    are equal.
    """
    shared = [0.0] * len(documents)
    everything = "\n".join(documents)
    sizes = (2, 3, 4) if UNSPACED.search(wanted) else (3, 4)
    having: dict[str, list[int]] = {}
    for size in sizes:
        for piece in {wanted[at : at + size] for at in range(len(wanted) - size + 1)}:
            if size == 2 and not (UNSPACED.match(piece[0]) and UNSPACED.match(piece[1])):  # noqa: PLR2004  a word of such a script
                continue
            before = having.get(piece[:-1])
            if before is not None:
                those = [at for at in before if piece in documents[at]]
            else:
                those = [at for at, document in enumerate(documents) if piece in document] if piece in everything else []
            having[piece] = those
            if those:
                weight = log((len(documents) + 1) / (len(those) + 0.5)) ** 2
                for at in those:
                    shared[at] += weight
    return [round(sum_ / sqrt(len(document)), 9) for sum_, document in zip(shared, documents, strict=True)]


def _head(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :].lstrip()
