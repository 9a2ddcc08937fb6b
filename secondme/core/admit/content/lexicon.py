"""Concepts in a text, and where they stand: words of many languages, looked up once per word, so time grows with length alone."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.admit.content.skeleton import skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_FIRST_CJK, _LAST_CJK = "\u3040", "\u9fff"
_INDIC = "\u0900-\u0963\u0966-\u0dff"
_TOKEN = re.compile(f"[{_CJK}]|[{_INDIC}]+|[^\\W_{_CJK}{_INDIC}]+")
_WORD = 2
"""A word is two steps long, a character of a script without spaces one: such words are mostly two characters."""


_MAX_PLACES = 200
"""Of one concept: no person repeats a word that often, and a wall of them must not cost more."""


class ConceptSpan(NamedTuple):
    """Where a concept was found, in steps from the text's start."""

    start: int
    end: int


class _Rest(NamedTuple):
    """What has to follow the word, or the two words, that a phrase was found by."""

    words: list[str]
    concept: str
    starred: bool


class Lexicon:
    """Phrases, by the words they start with: two where both are whole, so that common first words stay cheap."""

    def __init__(self, concepts: Mapping[str, str]) -> None:
        self._words: dict[str, list[_Rest]] = {}
        self._pairs: dict[tuple[str, str], list[_Rest]] = {}
        self._stems: dict[str, list[_Rest]] = {}
        for concept, phrases in concepts.items():
            for phrase in {phrase.strip() for phrase in phrases.split("|")}:
                self._add(concept, phrase)
        self._stem_lengths: dict[str, tuple[int, ...]] = {}
        for stem in self._stems:
            lengths = {*self._stem_lengths.get(stem[:2], ()), len(stem)}
            self._stem_lengths[stem[:2]] = tuple(sorted(lengths))

    def find(self, folded: str) -> dict[str, list[ConceptSpan]]:
        """Every concept in `folded` with its first places, in order of their starts."""
        tokens = _TOKEN.findall(folded)
        steps = [0]
        for token in tokens:
            steps.append(steps[-1] + (1 if _FIRST_CJK <= token[0] <= _LAST_CJK else _WORD))
        found: dict[str, list[ConceptSpan]] = {}
        known: dict[str, list[_Rest]] = {}
        for index, (token, following) in enumerate(zip_longest(tokens, tokens[1:], fillvalue="")):
            begun = known.get(token)
            if begun is None:
                begun = known[token] = self._begun(token)
            for size, rests in ((1, begun), (2, self._pairs.get((token, following), ()))):
                for rest in rests:
                    end = index + size + len(rest.words)
                    if rest.words and not _follows(tokens[index + size : end], rest):
                        continue
                    spans = found.setdefault(rest.concept, [])
                    if len(spans) < _MAX_PLACES:
                        spans.append(ConceptSpan(steps[index], steps[end]))
        return found

    def _add(self, concept: str, phrase: str) -> None:
        stars = [word.endswith("*") for word in phrase.split()]
        words = [_TOKEN.findall(skeleton(word)) for word in phrase.split()]
        flat = [
            part + ("*" if star and part is parts[-1] else "") for parts, star in zip(words, stars, strict=True) for part in parts
        ]
        if not flat:
            return
        first, others = flat[0], flat[1:]
        if first.endswith("*"):
            self._stems.setdefault(first.rstrip("*"), []).append(_rest(others, concept))
        elif others and not others[0].endswith("*"):
            self._pairs.setdefault((first, others[0]), []).append(_rest(others[1:], concept))
        else:
            self._words.setdefault(first, []).append(_rest(others, concept))

    def _begun(self, token: str) -> list[_Rest]:
        begun = list(self._words.get(token, ()))
        for length in self._stem_lengths.get(token[:2], ()):
            if length <= len(token):
                begun += self._stems.get(token[:length], ())
        return begun


def _rest(words: list[str], concept: str) -> _Rest:
    return _Rest(words, concept, any(word.endswith("*") for word in words))


def _follows(tokens: list[str], rest: _Rest) -> bool:
    if not rest.starred or len(tokens) != len(rest.words):
        return tokens == rest.words
    pairs = zip(tokens, rest.words, strict=True)
    return all(token.startswith(word[:-1]) if word.endswith("*") else token == word for token, word in pairs)


class Sequence:
    """Concepts after one another with at most so many words between them, or (`a + b`) anywhere."""

    def __init__(self, source: str) -> None:
        self._anywhere = "+" in source
        parts = source.replace("+", " 0 ").split()
        if self._anywhere and any(gap != "0" for gap in parts[1::2]):
            raise ValueError(f"A sequence is either in order or anywhere: {source}")
        self._choices = [frozenset(part.split("/")) for part in parts[::2]]
        self._gaps = [int(gap) * _WORD for gap in parts[1::2]]

    def concepts(self) -> Iterable[str]:
        """Every concept that is named."""
        return (concept for choice in self._choices for concept in choice)

    @property
    def starts(self) -> frozenset[str]:
        """The concepts of which one must be there."""
        return self._choices[0]

    def find(self, found: Mapping[str, list[ConceptSpan]]) -> list[ConceptSpan]:
        """Where the whole sequence was found. Linear in the places of its concepts."""
        for choice in self._choices:
            if found.keys().isdisjoint(choice):
                return []
        places = [sorted({span for concept in choice for span in found.get(concept, ())}) for choice in self._choices]
        if self._anywhere:
            return [places[0][0]]
        reached = places[0]
        for gap, spans in zip(self._gaps, places[1:], strict=True):
            reached = _then(reached, spans, gap)
        return reached


def _then(before: list[ConceptSpan], after: list[ConceptSpan], gap: int) -> list[ConceptSpan]:
    """Each span of `after` that begins at most `gap` steps behind the end of one of `before`, stretched over both."""
    by_end = sorted(before, key=lambda span: span.end)
    joined, index = [], 0
    for span in after:
        while index < len(by_end) and by_end[index].end <= span.start:
            index += 1
        if index and span.start - by_end[index - 1].end <= gap:
            joined.append(ConceptSpan(by_end[index - 1].start, span.end))
    return joined
