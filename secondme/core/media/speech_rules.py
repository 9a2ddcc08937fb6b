"""What may be spoken: words that somebody only has to hear. What is to be tapped, copied or looked at is written. Pure.

In doubt a text is written: that is never wrong. Linear: bounded parts, bounded repeats.
"""

from __future__ import annotations

import re
import unicodedata

from secondme.core.files import table
from secondme.core.text import safe_name

_SPOKEN_SIGNS = frozenset("°℃℉№™")
"""Symbols by their category, and words all the same; every other one is a picture."""
_JOINER, _NON_JOINER = "\u200d", "\u200c"
"""Between letters they are spelling, in Persian and in the scripts of India; between pictures they make one of two."""
_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")
_EMOTICON = re.compile(
    r"(?<!\S)(?:[:;=8xX][-o']?[()\[\]DPpOo3*/\\|$]{1,3}|[:;=]'-?[()]|<3+|\^[_.]?\^|[xX]D+|[oO][._][oO]|-[._]-|>[._]<|\\o/|¯\\_\(ツ\)_/¯)(?!\S)"
)
_SENTENCE_END = re.compile(r"[.!?…:;,。！？؟।]$")  # noqa: RUF001  full-width

_LINK = re.compile(r"\b[a-z]{2,12}:(?://|[0-9+])|https?:|\bwww\.|\w@\w|[\w-]{2}\.[a-z]{2,24}(?!\w)")
_MARKUP = re.compile(
    r"`|</?[a-zA-Z]|\*\S[^*\n]{0,200}\*|(?<!\w)_\S[^_\n]{0,200}_(?!\w)|~\S[^~\n]{0,200}~|\]\(|^#{1,6}\s|\w_\w|\w\(\)|[{}\\|]"
    r"|[=!<>]=|&&|=>|->|(?<![\w/])~?/[\w.-]+/[\w.-]",
    re.MULTILINE,
)
_BULLET = re.compile(r"^\s*(?:[-*•–—▪◦·→✓☐☑]|\(?(?:[0-9]{1,2}|[a-zA-Z])[.)])\s+\S", re.MULTILINE)  # noqa: RUF001  dashes
_LIST_LINES, _LIST_WORDS = 3, 4
"""So many lines of so few words each, none with an end of a sentence, are a list."""

_NUMBER = re.compile(r"\d(?:(?:[\s\-–./:()_+*#]{0,3}|,)\d){3,}\.?")  # noqa: RUF001  a dash
"""Four digits and more, whatever stands between them: a telephone number, an account, a code; a large sum too. `5, 6, 7, 8` is none."""
_TIME, _YEAR = "[0-2]?[0-9][:.][0-5][0-9](?::[0-5][0-9])?", "(?:19|20)[0-9]{2}"
_DAY = "(?:3[01]|[0-2]?[0-9])"
_DATE = rf"{_DAY}([./-]){_DAY}\1(?:{_YEAR}|[0-9]{{2}})|{_YEAR}-[01][0-9]-[0-3][0-9]|{_DAY}\.[01]?[0-9]\."
_SAID_IN_NUMBERS = re.compile(
    rf"{_YEAR}(?:\s?[-–/]\s?(?:{_YEAR}|[0-9]{{2}}))?\.?"  # noqa: RUF001  as above
    rf"|(?:{_TIME}|{_DAY})\s?[-–]\s?(?:{_TIME}|{_DAY})\.?|{_TIME}\.?|(?:{_DATE})\.?(?:\s{_TIME}\.?)?"  # noqa: RUF001
)
"""Years, times and dates, and from one to another: people say those."""
_WORD = re.compile("[A-Za-z0-9]{4,64}")
_RUN = re.compile("[0-9]+|[^0-9]+")
_CODE_RUNS = 4
"""Letters and digits in turn, like a booking's."""
_DURATION = re.compile("[0-9]{1,2}h[0-9]{1,2}m(?:in)?", re.IGNORECASE)
_ACCOUNT = re.compile(r"\b[A-Z]{2}[0-9]{2}\s?[A-Z]{4}\b")
"""How an IBAN with letters begins."""


def why_written(text: str, longest: int) -> str | None:
    """Why `text` is written and not spoken, in snake_case; None when it may be spoken. `longest`: characters of what would be spoken."""
    spoken = spoken_text(text)
    if not any(map(str.isalpha, spoken)):
        return "no_words"
    if len(spoken) > longest:
        return "too_long"
    said = unicodedata.normalize("NFKC", _EMOTICON.sub(" ", text))
    if _LINK.search(said.lower()):
        return "link"
    if _has_number(said):
        return "number"
    if _is_list(said):
        return "list"
    return "markup" if _MARKUP.search(said) else None


def spoken_text(text: str) -> str:
    """What an engine is given: `text` in one line, without emoji and characters that nobody sees. A line that ends without a mark gets a
    full stop, so that there is a pause."""
    lines = (" ".join(_heard(line).split()) for line in text.splitlines())
    kept = [line for line in lines if line]
    ended = [line if _SENTENCE_END.search(line) else f"{line}." for line in kept[:-1]]
    return " ".join([*ended, *kept[-1:]])


def disclosure(owner_name: str, language: str = "") -> str:
    """What a contact is told before the first voice message, in `language` (ISO 639-1, also with a region) where it is known, else in English."""
    name = safe_name(owner_name)
    sentences: dict[str, str] = table("media", "speech")["disclosure" if name else "disclosure_without_name"]
    return sentences.get(language[:2].lower(), sentences["en"]).replace("{name}", name)


def _heard(line: str) -> str:
    line = _EMOTICON.sub(" ", _KEYCAP.sub(" ", line))
    found: list[str] = []
    for at, character in enumerate(line):
        category = unicodedata.category(character)
        if character in {_JOINER, _NON_JOINER}:
            around = line[max(0, at - 1) : at] + line[at + 1 : at + 2]
            found.append(character if len(around) == 2 and all(unicodedata.category(each)[0] in "LM" for each in around) else "")  # noqa: PLR2004
        elif (category == "So" and character not in _SPOKEN_SIGNS) or "\U0001f3fb" <= character <= "\U0001f3ff":
            found.append(" ")
        elif category not in {"Cc", "Cf", "Cs", "Co", "Cn"} and not "\ufe00" <= character <= "\ufe0f":
            found.append(character)
        elif category == "Cc":
            found.append(" ")
    return "".join(found)


def _has_number(said: str) -> bool:
    if _ACCOUNT.search(said) or any(not _SAID_IN_NUMBERS.fullmatch(found[0]) for found in _NUMBER.finditer(said)):
        return True
    return any(len(_RUN.findall(word)) >= _CODE_RUNS and not _DURATION.fullmatch(word) for word in _WORD.findall(said))


def _is_list(said: str) -> bool:
    if _BULLET.search(said):
        return True
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if len(lines) < _LIST_LINES:
        return False
    items = lines[1:] if lines[0].endswith(":") else lines
    return all(len(line.split()) <= _LIST_WORDS and not _SENTENCE_END.search(line) for line in items)
