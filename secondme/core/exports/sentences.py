"""WhatsApp's own sentences in an export (notices, calls, deletions), in every language at once: an export does not name its own."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from secondme.core.files import table
from secondme.core.text import caseless

MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\ufeff"
"""Marks of direction, which programs put around what they insert."""
LRM = "\u200e"
LONGEST = 400
"""No sentence of WhatsApp's is longer."""
_STRIP = str.maketrans("", "", MARKS)
_QUOTE = re.compile('["“”„«»「『]')
_NO_ENTRY = "\U0001f6ab\u20e0\ufe0f _*~"
"""The sign, and the marks of emphasis, that stand around a deletion."""
_LONGEST_NAME = 80
_EARLY = 24
"""A sentence of WhatsApp's comes to its point so soon."""
_CLEAR = 16
_KEY = 3
"""The shortest phrase has so many letters."""
_FEW = 4
"""No ending of a sentence of WhatsApp's is shorter."""
_AT_THE_END = MARKS + " .。।"
_ASKING = re.compile("[?!\uff1f\uff01\u061f\n]")
_CALL_TAIL = re.compile(r"(?:[,.:(·•]|\W{0,3}\S{0,6} ?\d).{0,60}\Z", re.DOTALL)
"""What may stand behind a call: how long it was, when, or that nobody answered."""


def plain(text: str) -> str:
    """`text` as it is looked up: no marks, no full stop, one kind of space, small letters."""
    return caseless(" ".join(text.translate(_STRIP).split()).strip(" .。।\"'“”"))


@cache
def known(name: str, group: str) -> frozenset[str]:
    """The phrases of a group of a list, as `plain` has them."""
    return frozenset(plain(each) for words in table("exports", name)[group].values() for each in words)


@cache
def _list(name: str, group: str) -> tuple[str, ...]:
    return tuple(
        unicodedata.normalize("NFC", each).casefold() for words in table("exports", name)[group].values() for each in words
    )


def is_sentence(text: str) -> bool:
    """True when WhatsApp itself is known to say this, in a line without an author. It says more than is known here."""
    small = text[:LONGEST].casefold()
    groups = ("sentence", "notice", "calls", "loose")
    return any(each in small for group in groups for each in _list("system", group)) or is_of_a_group(text)


def is_no_name(text: str) -> bool:
    """True when this, in front of `: `, is the beginning of WhatsApp's own sentence, with a quoted name in it or without; nobody's name."""
    small = text[:LONGEST].casefold()
    return any(each in small for each in _list("system", "sentence")) or bool(_QUOTE.search(small) and is_sentence(text))


def is_of_a_group(text: str) -> bool:
    """True when WhatsApp says this in groups only."""
    small = text[:LONGEST].translate(_STRIP).strip(" .。").casefold() + "$"
    return any(each in small for each in _list("system", "group"))


def is_deletion(line: str) -> bool:
    """True when this stands where a message was deleted, by whomever."""
    text = plain(line[:LONGEST].strip(_NO_ENTRY + MARKS))
    return text in known("deleted", "deleted") or any(_fits(text, *each) for each in _holed().get(text[:_KEY], ()))


@cache
def _holed() -> dict[str, list[tuple[str, str]]]:
    """What stands in front of a name and behind it, by the first letters."""
    found: dict[str, list[tuple[str, str]]] = {}
    for each in known("deleted", "by"):
        before, _, after = each.partition("{}")
        found.setdefault(before[:_KEY], []).append((before, after))
    return found


def _fits(text: str, before: str, after: str) -> bool:
    if not (text.startswith(before) and text.endswith(after)):
        return False
    name = text[len(before) : len(text) - len(after)]
    return 0 < len(name) <= _LONGEST_NAME and not _ASKING.search(name)


def is_said_anyhow(looked_up: str) -> bool:
    """True when WhatsApp says this (`plain`) even behind an author: it is so long that nobody types it, or asks to be tapped."""
    return looked_up.startswith(_whole()) or looked_up.endswith(_tails())


def asks_for_a_tap(body: str) -> bool:
    """True when `body` ends as only WhatsApp ends a sentence."""
    near = body.rstrip(_AT_THE_END)[-_FEW:]
    near = near.lower() if near.isascii() else near.translate(_STRIP).casefold()
    if len(near) >= _FEW and near[-_FEW:] not in _tail_ends():
        return False  # nearly every message
    end = body[-_LONGEST_NAME:]
    return (end.lower() if end.isascii() else end.translate(_STRIP).casefold()).rstrip(" .。।").endswith(_tails())


def is_said_unmarked(body: str, names: frozenset[str]) -> bool:
    """True when this, behind an author, is WhatsApp's own sentence in an export whose marks of direction were stripped: a call, a notice,
    or what one of `names` (as `plain` has them) did."""
    text = plain(body[: LONGEST + 1])
    if len(text) > LONGEST or not text or _ASKING.search(body):
        return False
    for each, _ in _by_key("calls").get(text[:_KEY], ()):
        if text.startswith(each) and (len(text) == len(each) or _CALL_TAIL.match(text, len(each))):
            return True
    if is_said_anyhow(text) or _is_about_the_owner(text, body):
        return True
    if text.startswith(tuple(names)) or text[0] in "+~":
        return is_sentence(text)
    is_of_somebody, phrases = any(name in text for name in names), _by_key("sentence", "notice")
    return any(
        text.startswith(each, at) and (is_of_somebody or is_clear)
        for at in range(min(_EARLY, len(text)))
        for each, is_clear in phrases.get(text[at : at + _KEY], ())
    )


@cache
def _by_key(*groups: str) -> dict[str, list[tuple[str, bool]]]:
    """Phrases by their first letters, for there are hundreds and a message is looked through for all of them; and whether a person hardly
    says them."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for group in groups:
        for each in _list("system", group):
            found.setdefault(each[:_KEY], []).append((each, group == "sentence" or _is_clear(each)))
    return found


def _is_clear(notice: str) -> bool:
    """It is so long that a person hardly says it; a letter without case tells as much as two."""
    return len(notice) * (1 if notice.upper() != notice else 2) >= _CLEAR


@cache
def _whole() -> tuple[str, ...]:
    return tuple(plain(each) for each in table("exports", "system")["whole"]["begins"])


@cache
def _tails() -> tuple[str, ...]:
    return tuple(plain(each) for each in table("exports", "system")["tail"]["ends"])


@cache
def _tail_ends() -> frozenset[str]:
    return frozenset(each[-_FEW:] for each in _tails())


@cache
def _you() -> tuple[str, ...]:
    return tuple(plain(each) for each in table("exports", "system")["you"]["begins"])


def _is_about_the_owner(text: str, body: str) -> bool:
    """`You created this group`; and in few words, of a name: `You added Cara`."""
    if f"{text}$".startswith(_you()):
        return True
    _, *rest = body.split()
    return (
        len(rest) <= _FEW_WORDS
        and text.startswith(_OWNERS)
        and is_of_a_group(body)
        and any(word[0].isupper() or word[0] in "+~\u2068" for word in rest)
    )


_OWNERS = (
    "you ",
    "du hast ",
    "has ",
    "vous avez ",
    "tu as ",
    "hai ",
    "você ",
    "je hebt ",
    "u hebt ",
    "вы ",
    "ви ",
    "anda ",
    "du ",
    "agregaste ",
    "añadiste ",
)
_FEW_WORDS = 5


@cache
def beginnings() -> frozenset[str]:
    """The first four letters, or three where a name follows, of all that may stand in the place of somebody's words."""
    begun = known("deleted", "deleted") | {before for each in _holed().values() for before, _ in each} | set(_whole())
    return frozenset(each[:4] for each in begun)
