"""What an author's message is: their words, or what WhatsApp wrote in their place (a file, a survey, a deletion, a notice of its own).

Known first by its shape, which is the same in every language, and then by the words of many.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from secondme.core.exports.message import ExportedKind
from secondme.core.exports.sentences import (
    LONGEST,
    LRM,
    MARKS,
    asks_for_a_tap,
    beginnings,
    is_deletion,
    is_said_anyhow,
    is_said_unmarked,
    known,
    plain,
)
from secondme.core.files import table

_STRIP = str.maketrans("", "", MARKS)
_NAME = r"[^<>\n/\\]{1,255}"
_EXTENSION = r"\.[A-Za-z0-9]{1,8}"
_LETTERED = r"\.(?:[A-Za-z][A-Za-z0-9]{1,4}|3gp|7z)"
"""Where nothing else shows that it is a file's name; 8.30 is a time."""
_OWN_NAME = r"(?:(?:IMG|VID|AUD|PTT|DOC|STK|GIF)-[0-9]{8}-WA[0-9]{3,8}|[0-9]{8}-[A-Z]{2,12}-[0-9-]{10,25})(?:\.[A-Za-z0-9]{0,8})?"
"""WhatsApp's own names for files: whatever the brackets behind say, in whatever language, it is an attachment."""
_ATTACHED_IOS = re.compile(rf"<[^<>:\uff1a\n]{{1,40}}[:\uff1a] ?({_NAME}{_EXTENSION}|[0-9]{{8}}-{_NAME})>\Z")
_ATTACHED_BEFORE = re.compile(rf"<({_NAME}{_LETTERED})[:\uff1a]? ([^<>\n]{{2,40}})>\Z")
"""`<name.ext attached>`"""
_ATTACHED_OLD = re.compile(rf"({_NAME}{_LETTERED}) <([^<>\n:=/]{{2,40}})>\Z")
"""`name.ext <attached>`"""
_ATTACHED_ANDROID = re.compile(rf"({_OWN_NAME}|{_NAME}{_EXTENSION}) \(([^()\n]{{2,60}})\)\Z")
_CAMERA_NAME = re.compile(rf"(?=\S*\d{{4}})[\w.-]+{_LETTERED}\Z")
"""A name as devices give it, IMG_1234.jpg; with words in brackets behind it nobody types it."""
_IS_OWN_NAME = re.compile(rf"{_OWN_NAME}\Z")
_FILE_NAME = re.compile(rf"[^\n/\\]{{1,255}}{_EXTENSION}\Z")
_PAGES = re.compile(rf"{_NAME}{_EXTENSION} \u2022 ")
"""`name.pdf • 3 pages`"""
_PLACE = re.compile(r"[^\n:]{1,60}[:\uff1a] https://(?:maps\.google\.com/\?q=|maps\.apple\.com/|foursquare\.com/)")
_OPTION = re.compile(r"\s*([^\W\d_][^:\uff1a\n]{0,24}?) ?[:\uff1a] ?(.*)\Z")
_VOTES = re.compile(r"[(\uff08][^()\uff08\uff09]{0,24}\d[^()\uff08\uff09]{0,24}[)\uff09]\s*\Z")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_SEVERAL = 4
"""Letters of a script without spaces that are more than one word."""
_LONGEST_ANGLED = 80
_WORD_CATEGORIES = frozenset("LM")
_WORD_SIGNS = frozenset(" /-.'\u2019\u2018\u02bb\u200c\u200d")
_FEW = 60
"""A placeholder is no longer."""


def words_behind_a_file(body: str) -> str:
    """`(words)` where `body` is a file's name and words in brackets; else empty."""
    match = _ATTACHED_ANDROID.match(body)
    return f"({match[2]})" if match else ""


Reading = tuple[ExportedKind, str, str, str | None]
"""Kind, text, the author's own words, and the name of a file."""


def read_body(
    body: str,
    *,
    is_marked: bool,
    placeholders: frozenset[str],
    edits: frozenset[str] = frozenset(),
    names: frozenset[str] | None = None,
) -> Reading:
    """What the message `body` (of an author, without marks in front) is. `is_marked`: WhatsApp put U+200E in front of it, in an export
    that marks what it inserts. `placeholders` stand for media in this very export, alone or behind a file's name, and `edits` behind messages that were edited. `names`
    are of those of whom WhatsApp may say something in an export whose marks were stripped; None in any other.
    """
    if names is None and not (
        is_marked
        or body[:3] in _beginnings()
        or body[:4].casefold() in _beginnings()
        or body[:1] in _SIGNS
        or body[-1:] in _ENDS
        or _is_suspect(body)
        or asks_for_a_tap(body)
    ):
        return ExportedKind.TEXT, body, body, None  # nearly every message
    first, _, rest = body.partition("\n")
    looked_up = plain(first[:LONGEST])
    if not rest.translate(_STRIP).strip() and is_deletion(first):
        return ExportedKind.DELETED, body, "", None
    attached = _attachment(body, first, rest, looked_up, placeholders | edits, is_tail_unmarked=names is not None)
    if attached is not None:
        return attached
    if is_said_anyhow(looked_up) or (names is not None and is_said_unmarked(body, names)):
        return ExportedKind.SYSTEM, body, "", None
    if is_marked and not body.startswith("@"):
        is_file = len(body) <= _FEW and looked_up.endswith(tuple(_endings()))
        return (ExportedKind.MEDIA if is_file else ExportedKind.SYSTEM), body, "", None
    words = _unedited(body, edits)
    return ExportedKind.TEXT, words, words, None


_SIGNS = frozenset("\U0001f6ab\u20e0_*~")
_ENDS = frozenset(">)\uff09:\uff1a")
_LINE_ENDS = (">\n", ")\n", ":\n", "\uff1a\n")
_PLACES = ("https://maps", "https://four")


def _is_suspect(body: str) -> bool:
    """True when something in it may show that a message is more than words."""
    if LRM in body or "\u2022" in body:
        return True
    if "\n" in body and any(each in body for each in _LINE_ENDS):
        return True
    return "https://" in body and any(each in body for each in _PLACES)


@cache
def _beginnings() -> frozenset[str]:
    shared = _shared("whole") | _shared("begins") | known("media", "omitted")
    return beginnings() | {each[:4] for each in shared} | {"null", "img-", "vid-", "aud-", "ptt-", "doc-", "stk-", "gif-"}


def _attachment(
    body: str, first: str, rest: str, looked_up: str, angled: frozenset[str], *, is_tail_unmarked: bool
) -> Reading | None:
    if match := _ATTACHED_IOS.match(first) or _ATTACHED_BEFORE.match(first):
        return ExportedKind.MEDIA, body, _caption(rest), match[1]
    if (match := _ATTACHED_OLD.match(first)) and plain(match[2]) not in _edited() and f"<{match[2]}>" not in angled:
        return ExportedKind.MEDIA, body, _caption(rest), match[1]
    if (match := _ATTACHED_ANDROID.match(first)) and (
        _IS_OWN_NAME.match(match[1])
        or _CAMERA_NAME.match(match[1])
        or plain(match[2]) in known("media", "attached")
        or f"({match[2]})" in angled
    ):
        return ExportedKind.MEDIA, body, _caption(rest), match[1]
    if _IS_OWN_NAME.match(first):
        return ExportedKind.MEDIA, body, _caption(rest), first
    if first.startswith("<") and first.endswith(">") and _stands_for_a_file(first, rest, angled):
        return ExportedKind.MEDIA, body, _caption(rest), None
    if looked_up in known("media", "omitted") or looked_up == "null" == first:  # `null`: a picture to be seen once, on Android
        return ExportedKind.MEDIA, body, _caption(rest), None
    if _PAGES.match(first) or looked_up in _shared("whole") or looked_up.startswith(tuple(_shared("begins"))):
        return ExportedKind.MEDIA, body, "", None
    if _PLACE.match(first) or _is_survey(first, rest):
        return ExportedKind.MEDIA, body, "", None
    return _behind_a_caption(body, LRM) or (_behind_a_caption(body, " ") if is_tail_unmarked else None)


def _stands_for_a_file(first: str, rest: str, angled: frozenset[str]) -> bool:
    """`<two words>` alone, in whatever language; with words behind it only when it is known."""
    inner = plain(first[1:-1])
    if first in angled or inner in known("media", "left_out") or inner in known("media", "omitted"):
        return True
    if rest.strip() or len(first) > _LONGEST_ANGLED or inner in _edited():
        return False
    if not all(each in _WORD_SIGNS or unicodedata.category(each)[0] in _WORD_CATEGORIES for each in inner):
        return False
    return " " in inner or len(_UNSPACED.findall(inner)) >= _SEVERAL


def _is_survey(first: str, rest: str) -> bool:
    """A word in capitals and a colon, the question, and then the same word, in capitals where there are any, before each answer."""
    title = first.translate(_STRIP).strip()
    if not title.endswith((":", "\uff1a")) or title != title.upper() or len(title) > _FEW:
        return False
    lines = rest.translate(_STRIP).split("\n")
    found = [match for line in lines if (match := _OPTION.match(line)) and match[1] == match[1].upper()]
    return any(_VOTES.search(match[2]) for match in found) or any(plain(match[1]) in _shared("options") for match in found)


def _behind_a_caption(body: str, mark: str) -> Reading | None:
    """IOS puts what it inserts behind the author's words, with a mark between; where the marks were stripped, a space is left."""
    if mark == LRM:
        caption, _, tail = body.rpartition(LRM)
    else:
        caption, tail = _split_tail(body)
    if not tail or len(tail) > LONGEST or not caption.strip():
        return None
    match = _ATTACHED_IOS.match(tail)
    if match is None and plain(tail.strip("<>")) not in known("media", "omitted"):
        return None
    words = "" if LRM in caption or "•" in caption else _caption(caption.rstrip())  # `name.pdf • 3 pages`: nobody's words
    return ExportedKind.MEDIA, body, words, match[1] if match else None


def _split_tail(body: str) -> tuple[str, str]:
    """The words, and what may be a placeholder behind them: from the last `<`, or the last two to four words."""
    if body.endswith(">") and (at := body.rfind(" <")) > 0:
        return body[:at], body[at + 1 :]
    line = body[-_FEW:].rpartition("\n")[2]
    parts = line.split(" ")
    for count in range(min(4, len(parts) - 1), 0, -1):
        tail = " ".join(parts[-count:])
        if plain(tail) in known("media", "omitted"):
            return body[: len(body) - len(tail)], tail
    return body, ""


def _caption(rest: str) -> str:
    """A caption; but where a file was left out, its name stands there."""
    words = _unedited(rest.translate(_STRIP).strip(), frozenset())
    return "" if "\n" not in words and _FILE_NAME.match(words) else words


@cache
def _shared(part: str) -> frozenset[str]:
    return frozenset(each.casefold() for each in table("exports", "media")["shared"][part])


def _unedited(body: str, edits: frozenset[str]) -> str:
    """Text, without the mark that it was edited."""
    if not body.endswith(">"):
        return body
    words, bracket, mark = body.rpartition("<")
    is_known = plain(mark[:-1]) in _edited() or f"<{mark}" in edits
    if not bracket or not (is_known or (words.endswith(LRM) and ":" not in mark and len(mark) < LONGEST)):
        return body
    return words.rstrip(LRM).rstrip()


@cache
def _edited() -> frozenset[str]:
    return frozenset(plain(each) for each in table("exports", "deleted")["edited"]["words"])


@cache
def _endings() -> frozenset[str]:
    return frozenset(plain(each) for each in table("exports", "media")["endings"]["words"])
