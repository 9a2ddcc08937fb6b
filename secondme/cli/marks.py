"""Marks on terminals that cannot show them: ticks, arrows, dots and lines are said in ASCII where the encoding of a stream has none of them.

A locale of C, or Windows' code pages behind a pipe, know a hundred or two hundred characters. A tick and a cross that are both a question
mark say nothing.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_NAME = "secondme.marks"
_PLAIN = {
    "✓": "ok",
    "✗": "!!",
    "…": "...",
    "→": "->",
    "←": "<-",
    **dict.fromkeys("–—‑‒―−─━╌═·", "-"),  # noqa: RUF001  what is replaced
    **dict.fromkeys("│┃╎║┆▌▐", "|"),
    **dict.fromkeys("╭╮╰╯┏┓┗┛┌┐└┘├┤┬┴┼", "+"),
    **dict.fromkeys("●◆•▪■▲★", "*"),
    **dict.fromkeys("○◇◌◷", "o"),
    **dict.fromkeys("▶▷►»›❯", ">"),  # noqa: RUF001  as above
    **dict.fromkeys("◁«‹", "<"),  # noqa: RUF001  as above
    **dict.fromkeys("↑", "^"),
    **dict.fromkeys("↓↳", "v"),
    **dict.fromkeys("▁▂▃▄", "."),
    **dict.fromkeys("▀▅▆▇█", "#"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’‚", "'"),  # noqa: RUF001  as above
    **dict.fromkeys("\u00a0\u202f\u2009", " "),
}
"""Each mark of ours, and of the libraries that draw for us, in ASCII."""
_BRAILLE = range(0x2800, 0x2900)
"""What spinners are drawn with."""


def shows_marks(stream: TextIO | None) -> bool:
    """False where a tick cannot be written."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        "✓✗".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def say_plainly() -> None:
    """What the encodings of our output lack is said in ASCII from now on; what people are called, with `?` for what is missing."""
    codecs.register_error(_NAME, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors=_NAME)


def without_bytes(stream: TextIO) -> TextIO:
    """The stream for a library that would encode by itself, and lose marks: everything goes through the stream's own encoding."""
    return stream if shows_marks(stream) else _WithoutBytes(stream)  # type: ignore[return-value]  # a stream in all else


class _WithoutBytes:
    """A stream that hides its buffer."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    return "." if ord(character) in _BRAILLE else _PLAIN.get(character, "?")
