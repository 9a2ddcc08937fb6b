"""What can be counted in one message of the owner's: numbers, emoji, language, and words of fixed lists. Never its text, and never a name."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.files import table
from secondme.core.records import Moment, OwnMessage, Record
from secondme.core.text import caseless

if TYPE_CHECKING:
    from collections.abc import Iterable


_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0971-\u09e5\u09f0-\u0dff])"
"""A letter, or a mark that is written on or beside one: Python takes marks for no part of a word, and Hindi would fall apart."""
WORD = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*")
"""A word, its apostrophes inside."""
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u3130-\u318f]")
"""Characters of scripts whose words are not told apart by spaces, or whose endings grow onto them."""
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


def folded(text: str) -> str:
    """`text` for looking words up: case folded, accents composed, apostrophes straight."""
    return caseless(text if text.isascii() else text.translate(_APOSTROPHES))


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
def listed(kind: str, language: str) -> tuple[str, ...]:
    """The entries of one list, folded."""
    return tuple(
        folded(entry.strip())
        for entry in table("remember.style", "words").get(language, {}).get(kind, "").split("|")
        if entry.strip()
    )


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
    for language in table("remember.style", "words"):
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
    entries = (entry.strip() for lists in table("remember.style", "words").values() for entry in lists.get(kind, "").split("|"))
    return {folded(entry): entry for entry in entries if entry}


@cache
def _laughter() -> re.Pattern[str]:
    """Matches laughter in a folded text; the group that matched is the spelling's place in the list."""
    lists = table("remember.style", "laughter")
    apart = "|".join(f"({pattern})" for pattern in lists["spellings"].values())
    inside = "|".join(f"({pattern})" for pattern in lists["inside"].values())
    return re.compile(rf"(?<![^\W_])(?:{apart})(?![^\W_])|{inside}")


@cache
def laughs() -> dict[str, frozenset[str]]:
    """Every spelling of laughter there is, in the order of its list, and the languages it is told in; none named: in every one but those that
    `never` names. Nothing else is ever kept as laughter."""
    lists = table("remember.style", "laughter")
    only = lists["only"]
    return {spelling: frozenset(only.get(spelling, "").split(" | ")) - {""} for spelling in (*lists["spellings"], *lists["inside"])}


def laughter_in(low: str, language: str) -> str:
    """How a folded text in `language` laughs, as the list spells it; empty when it does not."""
    never = {spelling: languages.split(" | ") for spelling, languages in table("remember.style", "laughter")["never"].items()}
    spellings = list(laughs().items())
    for found in _laughter().finditer(low):
        spelling, only = spellings[(found.lastindex or 1) - 1]
        if (not only or language in only) and language not in never.get(spelling, ()):
            return spelling
    return ""


def _alternatives(kind: str) -> str:
    """Longest first; what has spaces between words must end where a word ends."""
    return "|".join(
        re.escape(entry) + ("" if UNSPACED.search(entry) else r"(?!\w)")
        for entry in sorted(fixed(kind), key=lambda each: (-len(each), each))
    )


_MOST_JOINED = 8
"""Pictures in one joined emoji; the longest that is drawn anywhere has four."""


def emoji_in(text: str) -> list[str]:
    """The emoji in `text`, in order; one that can also be a sign of text is told as a picture, however it was typed."""
    if text.isascii():
        return []
    return [emoji + "\ufe0f" if len(emoji) == 1 and _pictures().match(emoji) else emoji for emoji in _pattern().findall(text)]


@cache
def _pictures() -> re.Pattern[str]:
    return re.compile(f"[{_class(table('remember.style', 'emoji')['pictures'])}]")


@cache
def _pattern() -> re.Pattern[str]:
    lists = table("remember.style", "emoji")
    shown, pictures, signs = (_class(lists[kind]) for kind in ("shown", "pictures", "signs"))
    one = f"(?:[{shown}{pictures}](?!\ufe0e)(?:\ufe0f|[\U0001f3fb-\U0001f3ff]|)|[{signs}]\ufe0f)"
    tags = "|".join("".join(chr(0xE0000 + ord(letter)) for letter in region) for region in lists["subregion"])
    return re.compile(
        f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|\U0001f3f4(?:{tags})\U000e007f|{one}(?:\u200d{one}){{0,{_MOST_JOINED - 1}}}"
    )


def _class(ranges: str) -> str:
    return "".join("-".join(chr(int(end, 16)) for end in span.split("-")) for span in ranges.split())


_BEYOND_LATIN = re.compile("[\u0370-\u1cff\u3040-\ud7af]")
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),  # before Han: a Japanese text has both
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff\u3130-\u318f]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("uk", re.compile("[іїєґІЇЄҐ]")),  # before Russian, which does not have these
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("fa", re.compile("[پچژگ]")),  # before Arabic, likewise
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)
_LETTER_WEIGHT = 1.5
_CLEAR = 0.25
_ENOUGH = 1.0
"""Small words that several languages have tell nothing until there are some: "que va" is no French."""
_MOST_WORDS = 60


def guess(text: str, words: Iterable[str]) -> str:
    """The language of `text`, whose folded words are `words`, as a two-letter code; empty when it is not clear."""
    beyond = _BEYOND_LATIN.findall(text[:1000])
    if len(beyond) * 2 > sum(map(str.isalpha, text[:1000])):
        return next((language for language, script in _SCRIPTS if script.search(text)), "")
    scores: dict[str, float] = {}
    stops = stop_words()
    for at, word in enumerate(words):
        if at >= _MOST_WORDS:
            break
        for language in stops.get(word, ()):
            scores[language] = scores.get(language, 0.0) + 1 / len(stops[word])
    if not text.isascii():
        for letter in set(text.casefold()):
            if letter in _letters():
                scores[_letters()[letter]] = scores.get(_letters()[letter], 0.0) + _LETTER_WEIGHT
    if not scores:
        return ""
    best, *rest = sorted(scores.items(), key=lambda item: -item[1])
    return "" if best[1] < _ENOUGH or (rest and best[1] - rest[0][1] < _CLEAR) else best[0]


def languages(texts: Iterable[str]) -> tuple[str, ...]:
    """The languages that some of `texts` are clearly in, as two-letter codes, the most frequent first."""
    looked_at = (text[:_LOOKED_AT] for text in texts)
    found = Counter(language for text in looked_at if (language := guess(text, WORD.findall(folded(text)))))
    return tuple(language for language, _ in found.most_common())


@cache
def _letters() -> dict[str, str]:
    return {letter: language for language, lists in table("remember.style", "words").items() for letter in lists.get("letters", "")}


_MOST_EMOJI = 5
"""Of one message: enough for favourites, too few to spell anything with."""
_LOOKED_AT = 2000
"""Characters of a message that are looked at; nobody's chat messages are longer."""
_TAIL = 80
_START, _MARKER, _CONTRACTION = 0.5, 0.1, 0.05
_MOST_CONTRACTIONS = 3
_CAPITAL_SHARE, _CAPITALS, _ALL_LOWER = 0.8, 0.1, 0.15
_SENTENCE = re.compile(r"(?:^|[.!?…。！？]\s+|\n)\W*(\w)")  # noqa: RUF001  full-width marks
_INSIDE = re.compile(r"(?<=[\w,;:)] )([^\W\d_]+)")
_ENDS = re.compile(r"(?<!\.)[.?;\u037e][^\w.]*$")
_COMMA = re.compile(r"(?<!\d),|,(?!\d)|[\uff0c\u3001\u060c\u055d]")
"""Those of texts, full-width, Chinese and Japanese, Arabic, Armenian; none inside a number."""
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['\u2018\u2019\u02bc](?=[^\W\d_])")
_CURLY = frozenset("\u2018\u2019")
_LONG_ENOUGH = 4
"""Letters of a word without its apostrophe that is told in a text whose language is not clear: `im` is German too."""
_ELLIPSIS = re.compile(r"…|\.{3}")
_EXCLAMATION, _QUESTION = re.compile("[!！]"), re.compile("[?？؟\u037e]")  # noqa: RUF001  full-width, Arabic, Greek
_PERIOD = (".", "。", "।", "\u06d4")
"""Latin, Chinese, Hindi, Urdu."""
_UNCASED = frozenset({"zh", "ja", "ko", "ar", "he", "hi", "th", "fa"})


class Measure(Record):
    """One message of the owner's in numbers. A value of `STYLE:overall`."""

    at: Moment
    length: int
    """Characters."""
    emoji: tuple[str, ...] = ()
    """The first five."""
    emoji_count: int = 0
    formality: float = _START
    """0 relaxed to 1 formal."""
    ellipses: int = 0
    exclamations: int = 0
    questions: int = 0
    opens: bool = False
    """`¿` or `¡` is there."""
    ends_with_period: bool = False
    is_lower: bool = False
    """There are letters with two cases, and all of them are small."""
    starts_with_capital: bool = False
    starts_small: bool | None = None
    """The first letter has two cases, and is the small one. This and what follows to `laughter` is None in measures of before."""
    commas: int | None = None
    """Of every script; none inside a number."""
    apostrophes: int | None = None
    """Inside words."""
    curly_apostrophes: int | None = None
    bare_words: int | None = None
    """Words that are written with an apostrophe, without it."""
    laughter: str | None = None
    """How the first laughter is spelt, from the fixed list; empty: there is none."""
    greeting: str = ""
    sign_off: str = ""
    language: str = ""
    follows: bool = False
    sources: tuple[str, ...] | None = None
    """As its message's."""


def measure(message: OwnMessage) -> Measure:
    """What `message` comes to."""
    text = message.text[:_LOOKED_AT]
    low = folded(text)
    words = WORD.findall(low)
    emoji = emoji_in(text)
    language = guess(text, words)
    greeting, sign_off = opening().match(low), closing().search(low[-_TAIL:])
    first = next((character for character in text if character.isalpha()), "")
    stripped, marks = text.rstrip(), _APOSTROPHE.findall(text)
    return Measure(
        at=message.at,
        length=len(message.text),
        emoji=tuple(emoji[:_MOST_EMOJI]),
        emoji_count=len(emoji),
        formality=_formality(text, low, words, language),
        ellipses=len(_ELLIPSIS.findall(text)),
        exclamations=len(_EXCLAMATION.findall(text)),
        questions=len(_QUESTION.findall(text)) + (text.count(";") if language == "el" else 0),
        opens="¿" in text or "¡" in text,
        ends_with_period=stripped.endswith(_PERIOD) and not stripped.endswith(".."),
        is_lower=text.islower(),
        starts_with_capital=first.isupper(),
        starts_small=first.islower() and first != first.upper(),
        commas=len(_COMMA.findall(text)),
        apostrophes=len(marks),
        curly_apostrophes=sum(mark in _CURLY for mark in marks),
        bare_words=_bare_words(words, language),
        laughter=laughter_in(low, language),
        greeting=fixed("greetings")[greeting[1]] if greeting else "",
        sign_off=fixed("sign_offs")[sign_off[1]] if sign_off and not (greeting and sign_off[0] == low) else "",
        language=language,
        follows=message.follows,
        sources=message.sources,
    )


def _formality(text: str, low: str, words: list[str], language: str) -> float:
    spaced = f" {' '.join(words)} "
    there = set(words)
    score = _START
    for known in (language,) if language else ("en", "es", "de", "fr", "it", "pt"):
        formal, casual = markers("formal", known), markers("casual", known)
        score += _MARKER * formal.count(there, spaced, low)
        score -= _MARKER * casual.count(there, spaced, low)
        if not language and score != _START:
            break  # a text too short to tell its language by: the first language that knows a word of it
    if language and "address" in table("remember.style", "words").get(language, {}):
        score += _MARKER * bool(
            {word.casefold() for word in _INSIDE.findall(text) if word[0].isupper()} & set(listed("address", language))
        )
    contractions = sum(word.endswith(_contractions()) for word in words if "'" in word)
    score -= _CONTRACTION * min(_MOST_CONTRACTIONS, contractions)
    if language not in _UNCASED:
        starts = [start for start in _SENTENCE.findall(text) if start.isalpha()]
        # A phone writes the first letter large by itself: what is also ended as a sentence was meant to be one.
        if starts and _ENDS.search(text) and sum(map(str.isupper, starts)) > _CAPITAL_SHARE * len(starts):
            score += _CAPITALS
        if text.islower():
            score -= _ALL_LOWER
    return round(min(1.0, max(0.0, score)), 3)


def _bare_words(words: list[str], language: str) -> int:
    if language:
        listed_ones = markers("bare", language).words
        return sum(word in listed_ones for word in words)
    return sum(word in _bare_anywhere() for word in words)


@cache
def _bare_anywhere() -> frozenset[str]:
    lists = (listed("bare", language) for language in table("remember.style", "words"))
    return frozenset(word for words in lists for word in words if len(word) >= _LONG_ENOUGH)


def _contractions() -> tuple[str, ...]:
    return listed("contractions", "en")
