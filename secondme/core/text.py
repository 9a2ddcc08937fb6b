"""Text made safe to show, cut and compared: a stranger's is cleaned at the edge, once, for terminals, logs and files alike.

Threats: ANSI and OSC escapes (clipboard, title, hyperlinks), C1 controls, bidirectional overrides that reorder what is read
(CVE-2021-42574), zero-width characters that hide in names, rich markup.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but \t and \n, DEL, C1
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"  # bidi, zero-width, fillers
    "\u2028\u2029\U000e0000-\U000e0fff\ud800-\udfff]"  # line separators, tags, lone surrogates
)
_NO_MARK = frozenset({"Cc", "Cf", "Cs"})
_BLANK = frozenset(
    "\u115f\u1160\u2800\u3164\uffa0\U0001d159\u2065\ufff0\ufff1\ufff2\ufff3\ufff4\ufff5\ufff6\ufff7\ufff8\ufffe\uffff"
)
"""Letters and symbols that are drawn as nothing: Hangul fillers, the empty Braille cell, a musical null, and ignorable code points without
a character (Unicode, DerivedCoreProperties, Default_Ignorable_Code_Point)."""
_SPACE = re.compile(r"\s+")
_NAME_LIMIT = 64
_TURN_TOKENS = 10
"""What a turn costs beside its text; the predecessor's, and the floor of every estimate."""
_ASCII_PER_TOKEN = 4
_BYTES_PER_TOKEN = 3


class EncodingError(UnicodeError):
    """A file of somebody's is no UTF-8. `words` complete "it is ..."; `line` is the first that is none, from 1, or 0 when none is."""

    def __init__(self, words: str, line: int = 0) -> None:
        super().__init__(words)
        self.words = words
        self.line = line


def plain_text(raw: bytes) -> str:
    """What a file that somebody edits says: UTF-8, lines that end as they may, and without the mark that Notepad puts in front of them (a byte
    order mark; Unicode, 23.8). Raises EncodingError."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:4]:
        raise EncodingError("not UTF-8 but UTF-16")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise EncodingError(f"not UTF-8 (at line {line})", line) from error
    return text.removeprefix("\ufeff")


def safe_text(value: str) -> str:
    """`value` without anything a terminal would obey or an eye would miss. Newlines and tabs stay. Repeatable."""
    return _HIDDEN.sub("", value)


def safe_name(value: str) -> str:
    """One visible line of at most 64 characters in NFC; empty when nothing visible was in it. Repeatable."""
    return _one_line(value[: _NAME_LIMIT * 8])


def first_line(value: str, most: int) -> str:
    """The first line of `value` in which something is visible, white space as one blank, at most `most` characters long and cut where a reader
    sees no character cut; safe to show. Empty when there is none. Repeatable."""
    for line in safe_text(value[: most * 20]).splitlines():
        clean = unicodedata.normalize("NFC", _SPACE.sub(" ", line).strip())
        if any(map(_is_visible, clean)):
            return clean if len(clean) <= most else clean[: whole_characters(clean, most - 1)].rstrip()[: most - 1] + "…"
    return ""


@lru_cache(maxsize=2048)
def _one_line(bounded: str) -> str:
    line = _SPACE.sub(" ", safe_text(bounded)).strip()
    line = unicodedata.normalize("NFC", line)
    if not any(map(_is_visible, line)):
        return ""
    if len(line) > _NAME_LIMIT:
        line = line[: _NAME_LIMIT - 1].rstrip() + "…"
    return line


def _is_visible(char: str) -> bool:
    """False for what leaves no mark by itself. What this Python's Unicode does not know yet may be an emoji of next year."""
    return unicodedata.category(char)[0] not in "ZM" and unicodedata.category(char) not in _NO_MARK and char not in _BLANK


def clip_utf8(value: str, limit_bytes: int) -> str:
    """`value` cut to at most `limit_bytes` of UTF-8, never inside a character; lone surrogates become `?`. Repeatable."""
    return value.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")


def whole_characters(value: str, at: int) -> int:
    """The last place up to `at` where `value` can be cut without cutting what a reader sees as one character (Unicode UAX #29). `at`
    itself where that would leave nothing: before it stands one single character, accent upon accent."""
    if not 0 < at < len(value) or (value[at - 1 : at + 1].isascii() and value[at] != "\n"):
        return min(max(at, 0), len(value))
    from wcwidth import grapheme_boundary_before  # noqa: PLC0415  only who cuts pays 35 ms

    return int(grapheme_boundary_before(value, at + 1)) or at


def estimate_tokens(text: str) -> int:
    """About how many tokens a turn with `text` costs; never under 10, which a turn costs by itself.

    Four ASCII characters are a token, and so are three bytes of UTF-8 of everything else: about one per Chinese or Japanese
    character, two for three letters of Cyrillic or Arabic, more than one for an emoji. An estimate, rather too high than too low.
    """
    total = len(text.encode("utf-8", "replace"))
    other = total - len(text) if text.isascii() else total - sum(map(str.isascii, text))
    plain = total - other
    return _TURN_TOKENS - (-plain // _ASCII_PER_TOKEN) - (-other // _BYTES_PER_TOKEN)


def caseless(value: str) -> str:
    """`value` for a comparison that upper and lower case, and how accents are encoded, do not matter to (Unicode, caseless matching)."""
    return value.lower() if value.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).casefold())


def near(word: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The `known` words that are spelt most like `word`, the nearest first; upper and lower case are the same. One that is the word is alone."""
    from difflib import get_close_matches  # noqa: PLC0415  only for a wrong word

    spelt: dict[str, str] = {}
    for each in known:
        spelt.setdefault(caseless(each), each)
    if (same := spelt.get(caseless(word))) is not None:
        return [same]
    return [spelt[each] for each in get_close_matches(caseless(word), spelt, most, cutoff)]


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", most: int = 1) -> str:
    """`Did you mean a or b?`, or `otherwise` when nothing is spelt like `word`."""
    words = near(word, known, most)
    return f"Did you mean {' or '.join(words)}?" if words else otherwise


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A JSON string, or the rest of the body when it does not end: it matches at every quote, so the time is linear."""
_BRACKETS = b"[]{}"
_MOST_MARKS = 200_000
"""Quotes and brackets in one body: 20 ms of work here. A thousand contacts have 2,003."""
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


def is_too_deep(body: bytes, depth: int) -> bool:
    """True when JSON is nested deeper than `depth`, is nothing but brackets and quotes, or its brackets do not match. Nothing is parsed."""
    if sum(map(body.count, (b'"', b"[", b"]", b"{", b"}"))) > _MOST_MARKS:
        return True
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    if len(brackets) <= depth:
        return False
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)
