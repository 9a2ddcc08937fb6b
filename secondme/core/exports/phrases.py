"""WhatsApp's own phrases in an export (media left out, messages deleted, system lines), in every language at once: an export does
not name its own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from secondme.core.exports.message import ExportedKind
from secondme.core.files import table
from secondme.core.text import caseless

MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\ufeff"
"""Marks of direction, which programs put around what they insert."""
LRM = "\u200e"
_LONGEST = 400
"""No sentence of WhatsApp's is longer."""
_STRIP = str.maketrans("", "", MARKS)
_ATTACHED_IOS = re.compile(r"<[^<>:\uff1a\n]{1,40}[:\uff1a] ?([^<>\n/\\]{1,255}\.[A-Za-z0-9]{1,8})>\Z")
_ATTACHED_ANDROID = re.compile(r"([^\n/\\]{1,255}\.[A-Za-z0-9]{1,8}) \(([^()\n]{2,60})\)\Z")
_OWN_NAME = re.compile(r"(?:IMG|VID|AUD|PTT|DOC|STK|GIF)-[0-9]{8}-WA[0-9]{3,8}\.")
"""WhatsApp's own names for files: whatever the brackets behind say, in whatever language, it is an attachment."""
_QUOTE = re.compile('["“”„«»「『]')
_FILE_NAME = re.compile(r"[^\n/\\]{1,255}\.[A-Za-z0-9]{1,8}\Z")
_SUSPECT = re.compile(r"[>)]\n|\u200e|https://(?:maps|four)")
"""What else may show that a message is more than words."""
_PLACE = re.compile(r"[^\n:]{1,40}[:\uff1a] https://(?:maps\.google\.com/\?q=|maps\.apple\.com/|foursquare\.com/)")

Reading = tuple[ExportedKind, str, str, str | None]
"""Kind, text, the author's own words, and the name of a file."""


def plain(text: str) -> str:
    """`text` as it is looked up: no marks, no full stop, one kind of space, small letters."""
    return caseless(" ".join(text.translate(_STRIP).split()).strip(" .。\"'“”"))


@cache
def _set(name: str, group: str) -> frozenset[str]:
    return frozenset(plain(each) for words in table("exports", name)[group].values() for each in words)


@cache
def _list(name: str, group: str) -> tuple[str, ...]:
    return tuple(
        unicodedata.normalize("NFC", each).casefold() for words in table("exports", name)[group].values() for each in words
    )


def is_sentence(text: str) -> bool:
    """True when WhatsApp itself is known to say this, in a line without an author. It says more than is known here."""
    small = text[:_LONGEST].casefold()
    return any(each in small for group in ("sentence", "loose") for each in _list("system", group)) or is_of_a_group(text)


def is_no_name(text: str) -> bool:
    """True when this, in front of `: `, is the beginning of WhatsApp's own sentence, with a quoted name in it or without; nobody's name."""
    small = text[:_LONGEST].casefold()
    return any(each in small for each in _list("system", "sentence")) or bool(_QUOTE.search(small) and is_sentence(text))


def is_of_a_group(text: str) -> bool:
    """True when WhatsApp says this in groups only."""
    small = text[:_LONGEST].translate(_STRIP).strip(" .。").casefold() + "$"
    return any(each in small for each in _list("system", "group"))


def read_body(body: str, *, is_marked: bool, placeholders: frozenset[str]) -> Reading:
    """What the message `body` (of an author, without marks in front) is. `is_marked`: WhatsApp put U+200E in front of it, in an export
    that marks what it inserts. `placeholders` stand for media in this very export.
    """
    if not (is_marked or body[:4].casefold() in _beginnings() or body[-1:] in {">", ")"} or _SUSPECT.search(body)):
        return ExportedKind.TEXT, body, body, None  # nearly every message
    first, _, rest = body.partition("\n")
    looked_up = plain(first[:_LONGEST])
    if looked_up in _set("deleted", "deleted"):
        return ExportedKind.DELETED, body, "", None
    attached = _attachment(body, first, rest, looked_up, placeholders)
    if attached is not None:
        return attached
    if (is_marked and not body.startswith("@")) or looked_up.startswith(_whole()):
        return ExportedKind.SYSTEM, body, "", None
    return _unedited(body)


@cache
def _whole() -> tuple[str, ...]:
    return tuple(plain(each) for each in table("exports", "system")["whole"]["begins"])


@cache
def _beginnings() -> frozenset[str]:
    known = _set("deleted", "deleted") | _set("media", "omitted") | _shared("whole") | _shared("begins") | {"null", *_whole()}
    return frozenset(each[:4] for each in known)


def _attachment(body: str, first: str, rest: str, looked_up: str, placeholders: frozenset[str]) -> Reading | None:
    if match := _ATTACHED_IOS.match(first):
        return ExportedKind.MEDIA, body, _caption(rest), match[1]
    if (match := _ATTACHED_ANDROID.match(first)) and (_OWN_NAME.match(match[1]) or plain(match[2]) in _set("media", "attached")):
        return ExportedKind.MEDIA, body, _caption(rest), match[1]
    if first.startswith("<") and first.endswith(">"):
        inner = plain(first[1:-1])
        if first in placeholders or inner in _set("media", "left_out") or inner in _set("media", "omitted"):
            return ExportedKind.MEDIA, body, _caption(rest), None
    if looked_up in _set("media", "omitted") or looked_up == "null" == first:  # `null`: a picture to be seen once, on Android
        return ExportedKind.MEDIA, body, _caption(rest), None
    if looked_up in _shared("whole") or looked_up.startswith(tuple(_shared("begins"))) or _PLACE.match(first):
        return ExportedKind.MEDIA, body, "", None
    return _behind_a_caption(body)


def _behind_a_caption(body: str) -> Reading | None:
    """IOS puts what it inserts behind the author's words, with a mark between."""
    caption, mark, tail = body.rpartition(LRM)
    if not mark or len(tail) > _LONGEST or not caption.strip():
        return None
    match = _ATTACHED_IOS.match(tail)
    if match is None and plain(tail.strip("<>")) not in _set("media", "omitted"):
        return None
    words = "" if LRM in caption or "•" in caption else _caption(caption.rstrip())  # `name.pdf • 3 pages`: nobody's words
    return ExportedKind.MEDIA, body, words, match[1] if match else None


def _caption(rest: str) -> str:
    """A caption; but where a file was left out, its name stands there."""
    words = rest.translate(_STRIP).strip()
    return "" if "\n" not in words and _FILE_NAME.match(words) else words


@cache
def _shared(part: str) -> frozenset[str]:
    return frozenset(each.casefold() for each in table("exports", "media")["shared"][part])


def _unedited(body: str) -> Reading:
    """Text, without the mark that it was edited."""
    if not body.endswith(">"):
        return ExportedKind.TEXT, body, body, None
    words, bracket, mark = body.rpartition("<")
    known = plain(mark[:-1]) in _edited() or (words.endswith(LRM) and ":" not in mark and len(mark) < _LONGEST)
    if not bracket or not known:
        return ExportedKind.TEXT, body, body, None
    words = words.rstrip(LRM).rstrip()
    return ExportedKind.TEXT, words, words, None


@cache
def _edited() -> frozenset[str]:
    return frozenset(plain(each) for each in table("exports", "deleted")["edited"]["words"])
