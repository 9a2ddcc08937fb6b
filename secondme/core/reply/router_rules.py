"""The router's rules: small talk in some twenty languages, and what is plainly more than that.

Never small talk on doubt. Not here on purpose: `yes` and `no`, which may answer a question that the owner asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.files import table
from secondme.core.normalization import WORD, either, fold, fold_pattern, phrases, unspaced

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_WORDS = 6
_MOST_CHARACTERS = 200
_MOST_UNSURE = 3
"""So many messages in a row that are no small talk are a thought, however short each of them is."""
_STEPS_PER_WORD = 2
"""A word of a script without spaces is mostly two characters."""
_LONGEST_PHRASE = 5
_LONGEST_JOINED = 12

_ATTACHMENT = re.compile(r"^\s*\[[^\]\n]{1,200}\]", re.MULTILINE)
_LINK = re.compile(r"https?://|www\.|[\w-]\.[a-z]{2,24}(?:[/:\s]|$)|[\w.+-]@[\w-]+\.", re.IGNORECASE)
_ASKS = re.compile("[?\uff1f؟՞፧⁇⁈⁉‽﹖\u037e]")
_GREEK = re.compile("[\u0370-\u03ff]")
_NUMBER = re.compile(r"\d")
_STRETCHED = re.compile(r"(\w)\1{2,}")
_TWICE = re.compile(r"(\w)\1+")
_APOSTROPHES = str.maketrans("", "", "'’‘`´ʼ")  # noqa: RUF001 - the marks people type
_APART = str.maketrans(dict.fromkeys("'’‘`´ʼ", " ' "))  # noqa: RUF001 - as above
_EMOJI = re.compile(
    "[\u00a9\u00ae\u200d\u203c\u2049\u20e3\u2122\u2139\u2194-\u21ff\u231a-\u23ff\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f]"
)
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")


class BurstKind(StrEnum):
    """What a burst is."""

    PHATIC = "phatic"
    """Small talk: the small model answers it."""
    SUBSTANTIVE = "substantive"
    UNSURE = "unsure"
    """The rules cannot tell."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the rules say, and why."""

    kind: BurstKind
    reason: str


@dataclass(frozen=True, slots=True)
class _Tables:
    said: frozenset[str]
    stretched: frozenset[str]
    filler: frozenset[str]
    laughter: re.Pattern[str]
    emoticons: frozenset[str]
    questions: frozenset[str]
    heavy: frozenset[str]
    stems: tuple[str, ...]
    question_joined: re.Pattern[str]
    heavy_joined: re.Pattern[str]


def by_rules(texts: Sequence[str]) -> Ruled:
    """What the burst `texts` is: small talk only if every message is, substantive if any is, else unsure. Linear; at most 200
    characters of a message are looked at closely."""
    if not texts:
        return Ruled(BurstKind.SUBSTANTIVE, "empty")
    ruled = []
    for text in texts:
        one, words = _rule(text)
        if one.kind is BurstKind.SUBSTANTIVE:
            return one
        ruled.append((one, words))
    unsure = [words for one, words in ruled if one.kind is BurstKind.UNSURE]
    if len(unsure) >= _MOST_UNSURE or sum(unsure) > _MOST_WORDS:
        return Ruled(BurstKind.SUBSTANTIVE, "several")
    if unsure:
        return next(one for one, _ in ruled if one.kind is BurstKind.UNSURE)
    reasons = {one.reason for one, _ in ruled}
    return Ruled(BurstKind.PHATIC, reasons.pop() if len(reasons) == 1 else "small_talk")


def _rule(text: str) -> tuple[Ruled, int]:
    """What one message is, and how many words it has."""
    if reason := _plainly_more(text):
        return Ruled(BurstKind.SUBSTANTIVE, reason), 0
    tables = _tables()
    emoji = "".join(_EMOJI.findall(text))
    folded = fold(_EMOJI.sub(" ", text)).translate(_APOSTROPHES)
    parts = [part for part in folded.split() if part not in tables.emoticons]
    words = [word for part in parts for word in _words_of(part, tables)]
    count = _count(words)
    if not parts:
        return _rule_emoji(emoji, smiles=bool(folded.split())), 0
    if _NUMBER.search(" ".join(words)):
        return Ruled(BurstKind.SUBSTANTIVE, "number"), count
    if count > _MOST_WORDS:
        return Ruled(BurstKind.SUBSTANTIVE, "long"), count
    sign = _rule_emoji(emoji, smiles=True) if emoji else Ruled(BurstKind.PHATIC, "small_talk")
    if sign.kind is BurstKind.SUBSTANTIVE:
        return sign, count
    if reason := _small_talk(words, tables):
        return Ruled(sign.kind, reason if sign.kind is BurstKind.PHATIC else sign.reason), count
    elided = WORD.findall(_elided(text))  # the hospital in `à l'hôpital`
    if reason := _said_without_mark(words, tables) or _said_without_mark(elided, tables):
        return Ruled(BurstKind.SUBSTANTIVE, reason), count
    return Ruled(BurstKind.UNSURE, "short"), count


def _plainly_more(text: str) -> str:
    """Why `text` is more than small talk at first sight; empty when it may be small talk."""
    if not text.strip():
        return "empty"
    if _ATTACHMENT.search(text[: _MOST_CHARACTERS * 2]):
        return "attachment"
    if len(text) > _MOST_CHARACTERS:
        return "long"
    if _LINK.search(text):
        return "link"
    if _ASKS.search(text) or (";" in text and _GREEK.search(text) and text.rstrip().endswith(";")):
        return "question"
    return ""


def _rule_emoji(emoji: str, *, smiles: bool) -> Ruled:
    """What emoji say by themselves."""
    marks = table("reply", "phatic")["emoji"]
    for name, reason in (("asks", "question"), ("heavy", "heavy"), ("counts", "number")):
        if any(mark in marks[name] for mark in emoji if mark not in "\ufe0e\ufe0f\u200d"):
            return Ruled(BurstKind.SUBSTANTIVE, reason)
    if any(mark in marks["unclear"] for mark in emoji if mark not in "\ufe0e\ufe0f\u200d"):
        return Ruled(BurstKind.UNSURE, "unclear_emoji")
    if _FLAG.search(emoji) or "\u20e3" in emoji or not (emoji or smiles):  # a flag may be the answer to "where?"
        return Ruled(BurstKind.UNSURE, "unclear_emoji")
    return Ruled(BurstKind.PHATIC, "emoji_only")


def _words_of(part: str, tables: _Tables) -> list[str]:
    """The words of a part of a message, its numbers among them; what is laughter by numbers is a word too."""
    bare = part.strip(".,!…-~*_\"'()。、！，〜～")  # noqa: RUF001 - full-width marks, as they are typed
    if tables.laughter.fullmatch(bare):
        return ["haha"]
    return [*WORD.findall(part), *re.findall(r"\d+", part)]


def _elided(text: str) -> str:
    """`text`, folded, with its words apart where an apostrophe joins them; empty when none does."""
    apart = fold(text).translate(_APART)
    return apart if " ' " in apart else ""


def _count(words: list[str]) -> int:
    return sum(-(-len(word) // _STEPS_PER_WORD) if unspaced().match(word) else 1 for word in words)


def _small_talk(words: list[str], tables: _Tables) -> str:
    """Why these words are small talk; empty when they are not, or not for certain."""
    if not words:
        return ""
    if all(word == "haha" for word in words):
        return "laughter"
    atoms = [atom for word in words for atom in (list(word) if unspaced().match(word) else [word])]
    reached: dict[int, bool] = {0: False}
    """How far the phrases reach, and whether one of them says something by itself."""
    for start in range(len(atoms)):
        if start not in reached:
            continue
        longest = _LONGEST_JOINED if unspaced().match(atoms[start]) else _LONGEST_PHRASE
        for end in range(start + 1, min(start + longest, len(atoms)) + 1):
            phrase = _phrase(atoms[start:end])
            if _is_said(phrase, tables):
                reached[end] = True
            elif phrase in tables.filler:
                reached[end] = reached.get(end, False) or reached[start]
    return "small_talk" if reached.get(len(atoms)) else ""


def _phrase(atoms: list[str]) -> str:
    return ("" if unspaced().match(atoms[0]) else " ").join(atoms)


def _is_said(phrase: str, tables: _Tables) -> bool:
    if phrase in tables.said:
        return True
    return bool(_STRETCHED.search(phrase)) and _TWICE.sub(r"\1", phrase) in tables.stretched


def _said_without_mark(words: list[str], tables: _Tables) -> str:
    """Why these words are more than small talk: heavy, or a question without its mark; empty when they may be either."""
    text = " ".join(words)
    pairs = {" ".join(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words) - size + 1)}
    if not pairs.isdisjoint(tables.heavy) or any(word.startswith(tables.stems) for word in words):
        return "heavy"
    if tables.heavy_joined.search(text):
        return "heavy"
    if not pairs.isdisjoint(tables.questions) or tables.question_joined.search(text):
        return "question"
    return ""


@cache
def _tables() -> _Tables:
    source = table("reply", "phatic")
    said = {_plain(phrase) for listed in source["said"].values() for phrase in phrases(listed)}
    heavy = {_plain(phrase) for phrase in phrases(source["heavy"]["words"])}
    patterns = [fold_pattern(pattern) for pattern in source["laughter"]["patterns"]]
    return _Tables(
        said=frozenset(said),
        stretched=frozenset(_TWICE.sub(r"\1", phrase) for phrase in said),
        filler=frozenset(_plain(phrase) for phrase in phrases(source["filler"]["words"])),
        laughter=re.compile("|".join(patterns)),
        emoticons=frozenset(phrases(source["emoticons"]["words"])),
        questions=frozenset(_plain(phrase) for phrase in phrases(source["question"]["words"])),
        heavy=frozenset(word for word in heavy if not word.endswith("*")),
        stems=tuple(word[:-1] for word in heavy if word.endswith("*")),
        question_joined=re.compile(either(phrases(source["question"]["joined"]))),
        heavy_joined=re.compile(either(phrases(source["heavy"]["joined"]))),
    )


def _plain(phrase: str) -> str:
    """A phrase as the words of a message are."""
    return phrase if phrase.endswith("*") else " ".join(WORD.findall(phrase.translate(_APOSTROPHES)))
