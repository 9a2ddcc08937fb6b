"""What did the owner really answer this person, when something like it was said? The nearest pairs, for a model to hear the voice in."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from secondme.core.remember.style.words import UNSPACED, WORD, folded, stop_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.records import OwnMessage

_BEFORE, _ANSWER = 300, 500
_BURST = 2000


def examples_for(burst_text: str, own: Sequence[OwnMessage], limit: int = 6) -> list[tuple[str, str]]:
    """At most `limit` pairs of what was said to the owner and what they answered, the most similar to `burst_text` first.

    Similar is what shares words; newer goes first where that decides nothing. A split answer is one, its messages on lines of their own.
    """
    wanted = _terms(burst_text[:_BURST])
    ranked: list[tuple[float, int, tuple[str, str]]] = []
    for at, (before, answer) in enumerate(_answers(own)):
        ranked.append((_likeness(wanted, _terms(before)), at, (_tail(before, _BEFORE), _head(answer, _ANSWER))))
    ranked.sort(key=lambda each: (-each[0], -each[1]))
    return list(dict.fromkeys(pair for _, _, pair in ranked))[:limit]


def _answers(own: Sequence[OwnMessage]) -> list[tuple[str, str]]:
    """(what was said before, the whole answer), oldest first; only answers whose question is known."""
    runs: list[tuple[str, list[str]]] = []
    for message in sorted(own, key=lambda each: (each.at, each.id)):
        if not message.follows:
            runs.append((message.before.strip(), [message.text]))
        elif runs:
            runs[-1][1].append(message.text)
    return [(before, "\n".join(texts).strip()) for before, texts in runs if before and "".join(texts).strip()]


def _terms(text: str) -> frozenset[str]:
    """What a text is about: its words without accents, of scripts without spaces each two neighbouring characters. Small words count only
    where there are no others."""
    low = folded(text)
    unspaced = UNSPACED.search(low) is not None
    words = set(WORD.findall(UNSPACED.sub(" ", low) if unspaced else low))
    telling = {_bare(word) for word in words if word not in stop_words()} or {_bare(word) for word in words}
    if unspaced:
        telling |= {low[at : at + 2] for at in range(len(low) - 1) if UNSPACED.match(low[at]) and UNSPACED.match(low[at + 1])}
    return frozenset(telling)


def _bare(word: str) -> str:
    if word.isascii():
        return word
    return "".join(character for character in unicodedata.normalize("NFD", word) if not unicodedata.combining(character))


def _likeness(a: frozenset[str], b: frozenset[str]) -> float:
    """Dice's coefficient: 0 nothing in common, 1 the same."""
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def _head(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :].lstrip()
