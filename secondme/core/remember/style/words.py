"""Which words tell how somebody writes? The lists in `style/lists`, read once, when the first message is measured."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0971-\u09e5\u09f0-\u0dff])"
"""A letter, or a mark that is written on or beside one: Python takes marks for no part of a word, and Hindi would fall apart."""
WORD = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*")
"""A word, its apostrophes inside."""
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u3130-\u318f]")
"""Characters of scripts whose words are not told apart by spaces, or whose endings grow onto them."""
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


def folded(text: str) -> str:
    """`text` for looking words up: case folded, accents composed, apostrophes straight."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text.translate(_APOSTROPHES).casefold())


@dataclass(frozen=True, slots=True)
class Markers:
    """Words and phrases of one kind: single words are looked up, phrases are searched for between spaces, and what has no spaces anywhere."""

    words: frozenset[str]
    phrases: tuple[str, ...]
    parts: tuple[str, ...]

    def count(self, words: set[str], spaced: str, text: str) -> int:
        """How many different ones there are in a text: as a set of words, as words between single spaces, and as it is; all folded."""
        found = len(self.words & words) if self.words else 0
        found += sum(phrase in spaced for phrase in self.phrases)
        return found + sum(part in text for part in self.parts)


@cache
def table(name: str) -> dict[str, Any]:  # Any: TOML; each reader knows its own file's shape, and a test reads every file
    """What `lists/<name>.toml` says."""
    return tomllib.loads(files("secondme.core.remember.style").joinpath("lists", f"{name}.toml").read_text("utf-8"))


@cache
def listed(kind: str, language: str) -> tuple[str, ...]:
    """The entries of one list, folded."""
    return tuple(folded(entry.strip()) for entry in table("words").get(language, {}).get(kind, "").split("|") if entry.strip())


@cache
def markers(kind: str, language: str) -> Markers:
    """The entries of one list, ready to be counted."""
    entries = listed(kind, language)
    parts = tuple(entry for entry in entries if UNSPACED.search(entry))
    return Markers(
        frozenset(entry for entry in entries if " " not in entry and entry not in parts),
        tuple(f" {entry} " for entry in entries if " " in entry and entry not in parts),
        parts,
    )


@cache
def stop_words() -> dict[str, tuple[str, ...]]:
    """Word -> the languages that have it."""
    found: dict[str, list[str]] = {}
    for language in table("words"):
        for word in listed("stop", language):
            found.setdefault(word, []).append(language)
    return {word: tuple(dict.fromkeys(languages)) for word, languages in found.items()}


@cache
def opening() -> re.Pattern[str]:
    """Matches a greeting, of any language, at the beginning of a folded text."""
    return re.compile(rf"\W*({_alternatives('greetings')})")


@cache
def closing() -> re.Pattern[str]:
    """Matches a sign-off, of any language, at the end of a folded text; one word may follow after a comma or on a line of its own, a name."""
    return re.compile(rf"(?:^|(?<=\W))({_alternatives('sign_offs')})(?:\W*|\W*[,\n]\W*\w+\W*)$")


@cache
def fixed(kind: str) -> dict[str, str]:
    """Every greeting or sign-off there is, folded -> as it is spelt. Nothing else is ever kept as one."""
    entries = (entry.strip() for lists in table("words").values() for entry in lists.get(kind, "").split("|"))
    return {folded(entry): entry for entry in entries if entry}


def _alternatives(kind: str) -> str:
    """Longest first; what has spaces between words must end where a word ends."""
    return "|".join(
        re.escape(entry) + ("" if UNSPACED.search(entry) else r"(?!\w)")
        for entry in sorted(fixed(kind), key=lambda each: (-len(each), each))
    )
