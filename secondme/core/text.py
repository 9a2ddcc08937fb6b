"""How does a stranger's text become safe to show? It is cleaned at the edge, once, for terminals, logs and files alike.

Threats: ANSI and OSC escapes (clipboard, title, hyperlinks), C1 controls, bidirectional overrides that reorder what is read
(CVE-2021-42574), zero-width characters that hide in names, rich markup.
"""

import re
import unicodedata
from functools import lru_cache

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but \t and \n, DEL, C1
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"  # bidi, zero-width, fillers
    "\u2028\u2029\U000e0000-\U000e0fff\ud800-\udfff]"  # line separators, tags, lone surrogates
)
_SPACE = re.compile(r"\s+")
_NAME_LIMIT = 64


def safe_text(value: str) -> str:
    """`value` without anything a terminal would obey or an eye would miss. Newlines and tabs stay. Repeatable."""
    return _HIDDEN.sub("", value)


def safe_name(value: str) -> str:
    """One visible line of at most 64 characters in NFC; empty when nothing visible was in it. Repeatable."""
    return _one_line(value[: _NAME_LIMIT * 8])


@lru_cache(maxsize=2048)
def _one_line(bounded: str) -> str:
    line = _SPACE.sub(" ", safe_text(bounded)).strip()
    line = unicodedata.normalize("NFC", line)
    if len(line) > _NAME_LIMIT:
        line = line[: _NAME_LIMIT - 1].rstrip() + "…"
    return line


def clip_utf8(value: str, limit_bytes: int) -> str:
    """`value` cut to at most `limit_bytes` of UTF-8, never inside a character; lone surrogates become `?`. Repeatable."""
    return value.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")
