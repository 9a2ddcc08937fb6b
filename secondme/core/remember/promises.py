"""Promises: what the owner said they would do for a contact, found by rules of six languages in their own words. Pure.

Rules see the plain forms ("I'll send you the contract tomorrow") and no others: a promise that is missed is one that the owner keeps in mind
themselves, as before; small talk that is taken for one costs their trust in the list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.dates import day_meant
from secondme.core.files import table
from secondme.core.normalization import expand, fold
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 200
_READ = 2000
"""Characters of a message that are read."""
_FEWEST_WORDS = 2
_SENTENCE = re.compile(r"(?:[^.!?\n]|(?<=\w)\.(?=\w)|(?<=\d)\.(?! ?$)){1,400}[.!?]*")
_QUOTED = re.compile(
    r"\"[^\"\n]{0,300}\"|\u201c[^\u201d\n]{0,300}\u201d|\u201e[^\u201c\n]{0,300}\u201c|\u00ab[^\u00bb\n]{0,300}\u00bb|^>.*$",
    re.MULTILINE,
)
_WORD = re.compile(r"[\w'-]+")
_CLAUSE_END = re.compile(r"[,;:]| (?:but|and|aber|und|pero|mais|ma|mas) ")
_PRONOUNS = "te|ti|lhe|me|se|lo|la|le|eu|yo|io"
"""What may stand between "not" and a verb in Spanish, Italian and Portuguese."""
_ANY_DAY = date(2000, 1, 1)
"""Only whether a day is named counts."""
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


def promise_in(text: str) -> str:
    """The sentences of `text` in which its writer promises something, on one line of at most 200 characters; empty when there are none.

    None in questions, in what is denied, and in quoted words.
    """
    found = [" ".join(sentence.split()) for sentence in _sentences(text) if _is_promise(sentence)]
    line = " ".join(found)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def _sentences(text: str) -> list[str]:
    said = _QUOTED.sub(" ", safe_text(text[:_READ]))
    return [match[0].strip() for match in _SENTENCE.finditer(said)]


def _is_promise(sentence: str) -> bool:
    if sentence.endswith("?"):
        return False
    plain = fold(sentence.translate(_APOSTROPHES))
    words = _WORD.findall(plain)
    if len(words) < _FEWEST_WORDS:
        return False
    rules = [each for each in _languages() if not each.first.isdisjoint(words)]
    return not any(each.unless.search(plain) for each in rules) and any(_says(plain, each, rules) for each in rules)


def _says(plain: str, rules: PromiseRules, near: Sequence[PromiseRules]) -> bool:
    """True when one of the patterns stands in `plain` and none of the languages `near` denies it."""
    is_soon = rules.weak and (day_meant(plain, _ANY_DAY) is not None or rules.soon.search(plain))
    for pattern in (*rules.promise, *(rules.weak if is_soon else ())):
        for match in pattern.finditer(plain):
            front = plain[: match.start()].rpartition(",")[2]
            behind = plain[match.end() :] if "," in match[0] else _CLAUSE_END.split(plain[match.start() :], maxsplit=1)[0]
            if not any(each.denied_before.search(front) or each.denied.search(behind) for each in near):
                return True
    return False


@dataclass(frozen=True, slots=True)
class PromiseRules:
    """Those of one language."""

    first: frozenset[str]
    promise: tuple[re.Pattern[str], ...]
    weak: tuple[re.Pattern[str], ...]
    soon: re.Pattern[str]
    denied: re.Pattern[str]
    denied_before: re.Pattern[str]
    unless: re.Pattern[str]


@cache
def _languages() -> tuple[PromiseRules, ...]:
    return tuple(_rules(lists) for lists in table("remember", "promises").values())


def _rules(lists: dict[str, str | list[str]]) -> PromiseRules:
    words = {name: value for name, value in lists.items() if isinstance(value, str)}
    whole: dict[str, str] = {}
    for name, value in words.items():  # a list may name those above it
        whole[name] = expand(value, whole)
    promise, weak = (tuple(re.compile(expand(each, whole)) for each in lists.get(name, ())) for name in ("promise", "weak"))
    after = whole["not"]
    before = f"{after}|{whole['not_before']}" if "not_before" in whole else after
    return PromiseRules(
        frozenset(whole["first"].split("|")),
        promise,
        weak,
        re.compile(rf"(?<!\w)(?:{whole.get('soon', '(?!)')})(?!\w)"),
        re.compile(rf"(?<!\w)(?:{after})(?!\w)"),
        re.compile(rf"(?<!\w)(?:{before})(?: (?:{_PRONOUNS}))?\s*$"),
        re.compile(whole["unless"]),
    )
