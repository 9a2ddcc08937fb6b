"""Disclosure: whether somebody sincerely asks whether they talk with a machine, and whether an answer admits or denies it.

A question about something else that names a machine (`are you a bot developer`, `the chatbot at work is bad`) is none. In doubt a
question is taken for one: then the reply must say what it is, and that is no harm. Linear: bounded parts, bounded repeats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from secondme.core.files import table
from secondme.core.normalization import either, expand, fold, phrases, readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HALF = 500
"""Of a text its beginning and its end are looked at, so much of each: a question stands there."""
_MOST_TEXTS = 10
_PIECE = 60
"""A question in several messages comes in pieces no longer than this."""
_APART = ("templates", "idioms")
_JOINED = ("ja", "zh", "ko")
"""Languages whose words are not set apart by spaces, or not always."""

_INITIALS = re.compile(r"\b([ai])\s?\.\s?([ai])\b\.?")
_APOSTROPHE = re.compile("['’‘`´ʼ]")  # noqa: RUF001 - the marks people type
_ASK = re.compile("[?？؟;\u037e⁇⁈⁉‽❓❔]")  # noqa: RUF001 - full-width
_STOP = re.compile("[.!。！,，、:：\n\r…—–()（）|/\u2028]+")  # noqa: RUF001 - full-width
_OTHER = re.compile("[^\\w?.\u0900-\u0dff\u3099\u309a]+")
_BESIDE_CJK = re.compile("(?<=[\u3040-\u30ff\u3400-\u9fff]) (?=[\\w?])|(?<=\\w) (?=[\u3040-\u30ff\u3400-\u9fff])")


@dataclass(frozen=True, slots=True)
class _Patterns:
    """What is looked for; `nouns` is a quick first look, without which nothing else can be there."""

    nouns: re.Pattern[str]
    idioms: re.Pattern[str]
    praise: re.Pattern[str]
    """What is said of a person in admiration: no question, though it may be an answer."""
    ask: tuple[re.Pattern[str], ...]
    deny: tuple[re.Pattern[str], ...]
    claim: tuple[re.Pattern[str], ...]
    admit: tuple[re.Pattern[str], ...]


def asks_if_machine(texts: Sequence[str]) -> bool:
    """True when one of the newest ten messages, or two of them together, ask whether a machine, or a person, is speaking."""
    shown = [_bounded(text) for text in texts[-_MOST_TEXTS:]]
    pieces = " ".join(text if len(text) <= _PIECE else "." for text in shown) if len(shown) > 1 else ""
    normals = [_patterns().praise.sub(" ", normal) for text in ("\n".join(shown), pieces) for normal in _normals(text)]
    return any(_finds(_patterns().ask, normal) for normal in normals)


def denies_being_machine(text: str, *, asked: bool = True) -> bool:
    """True when a reply says that no machine is speaking. `asked`: also when it only claims to be human, or the owner in person,
    which people say without meaning anything by it."""
    for normal in _normals(_bounded(text)):
        if _finds(_patterns().deny, normal):
            return True
        if asked and _finds(_patterns().claim, normal) and not _finds(_patterns().admit, normal):
            return True
    return False


def admits_being_machine(text: str) -> bool:
    """True when a reply says that a machine is speaking, and does not take it back."""
    normals = _normals(_bounded(text))
    return any(_finds(_patterns().admit, normal) for normal in normals) and not denies_being_machine(text)


def _bounded(text: str) -> str:
    return text if len(text) <= 2 * _HALF else f"{text[:_HALF]}\n{text[-_HALF:]}"


def _finds(patterns: Iterable[re.Pattern[str]], normal: str) -> bool:
    return any(pattern.search(normal) for pattern in patterns)


def _normals(text: str) -> list[str]:
    """The readings of `text` as words and single spaces, those that name a machine or a person."""
    patterns = _patterns()
    found = (patterns.idioms.sub(" ", _normal(reading)) for reading in readings(text))
    return [normal for normal in dict.fromkeys(found) if patterns.nouns.search(normal)]


def _normal(folded: str) -> str:
    plain = _INITIALS.sub(r"\1\2", _APOSTROPHE.sub("", folded))
    plain = _STOP.sub(" . ", _ASK.sub(" ? ", plain))
    plain = " ".join(_OTHER.sub(" ", plain.replace("_", " ")).split())
    return f" {_BESIDE_CJK.sub('', plain)} "


@cache
def _patterns() -> _Patterns:
    source = table("reply", "disclosure")
    compiled: dict[str, list[re.Pattern[str]]] = {"ask": [], "deny": [], "claim": [], "admit": []}
    nouns: list[str] = []
    for language, words in source.items():
        if language in _APART:
            continue
        lists = _lists(words)
        apart = language not in _JOINED
        nouns += [*phrases(words["machine"]), *phrases(words["person"]), *phrases(words.get("its_me", ""))]
        for kind, found in compiled.items():
            patterns = [*(source["templates"][kind] if apart else ()), *words.get(kind, ())]
            if patterns:
                found.append(_any_of(expand(pattern, lists) for pattern in patterns))
    return _Patterns(
        nouns=re.compile(
            either({fold(noun) for noun in nouns} | {"exist", "me", "io", "ich", "yo", "moi", "you", "toi", "eu", "ik"})
        ),
        idioms=_any_of(source["idioms"]["patterns"]),
        praise=_any_of(source["idioms"]["praise"]),
        **{kind: tuple(found) for kind, found in compiled.items()},
    )


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def _lists(words: Mapping[str, Any]) -> dict[str, str]:  # Any: TOML
    lists = {name: either(phrases(listed)) for name, listed in words.items() if isinstance(listed, str)}
    lists["ends"] = rf"(?= (?:[.?]|$|{lists['ends']} ))" if "ends" in lists else ""
    return lists
