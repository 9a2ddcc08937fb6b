"""JSON as some versions of Telegram wrote it, made right while it is read: values without quotation marks, and numbers that no program has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError

if TYPE_CHECKING:
    from secondme.core.exports.export_file import Counted

HUGE = "\ue000huge:"
"""What stands in front of a number that was too large, now a text."""
_MOST_DIGITS = 40
_TOKEN = re.compile(
    rb'("[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?)'  # a text, or a key
    rb"|(-?\d{19,})(?=[\s,\]}])"  # 2^63 has nineteen digits
    rb'|((?<=:)\s*)([^\s"{}\[\],:\d-][^",{}\[\]\r\n]*)',  # a value without quotation marks
    re.DOTALL,
)
_WORDS = frozenset({b"true", b"false", b"null"})
_BOM = b"\xef\xbb\xbf"
_LONGEST = 8 << 20
"""Of one text."""


class Mended:
    """A stream of JSON. It holds back what may be half of something."""

    def __init__(self, raw: Counted, name: str) -> None:
        self._raw = raw
        self._name = name
        self._rest = b""
        self._is_new = True

    @property
    def count(self) -> int:
        """Bytes of the file that were read."""
        return self._raw.count

    def read(self, size: int = -1) -> bytes:
        """More of it, any number of bytes; none at the end. For 0, none."""
        while size != 0:
            block = self._raw.read()
            if self._is_new:
                self._is_new, block = False, block.removeprefix(_BOM)
            text = self._rest + block
            end = _last_end(text) if block else len(text)
            self._rest = text[end:]
            if len(self._rest) > _LONGEST:
                raise DataError("hostile_json", f"{self._name} has a text that is longer than any of Telegram's.")
            if end or not block:
                return _TOKEN.sub(_mend, text[:end])
        return b""


def _last_end(text: bytes) -> int:
    """Where something surely ends, outside of texts: behind the last comma or bracket that no text has in it."""
    end = 0
    for match in _ENDS.finditer(text):
        if match[1]:
            end = match.end()
        elif match[2] is not None:
            break  # a text that has not ended yet
    return end


_ENDS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([,\[\]{}])|(")', re.DOTALL)


def _mend(match: re.Match[bytes]) -> bytes:
    text, number, space, word = match.groups()
    if text is not None:
        return text
    if number is not None:
        return b'"' + HUGE.encode() + number[:_MOST_DIGITS] + b'"' if not -(2**63) <= int(number[:_MOST_DIGITS]) < 2**63 else number
    if word.strip() in _WORDS:
        return match[0]
    return space + b'"' + word.strip().replace(b"\\", b"\\\\") + b'"'


def number_of(value: Any) -> Any:  # Any: JSON
    """A number that was too large as a number again; anything else as it is."""
    if isinstance(value, str) and value.startswith(HUGE):
        digits = value.removeprefix(HUGE)
        return int(digits) if digits.lstrip("-").isdecimal() else None
    return value
