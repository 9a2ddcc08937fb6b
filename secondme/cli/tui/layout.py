"""What the screen is drawn with: text whose styles are roles, chips, and lines that fit. People's words come in as plain strings only:
nothing here reads markup.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from textual.content import Content
from textual.filter import LineFilter

from secondme.cli.tui.theme import ACCENT, FAINT, GOOD, INK, RULE, SOFT, is_plain
from secondme.core.channel_manifest import manifests
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from textual.color import Color

Piece = str | tuple[str, str] | Content
"""Words, words with the style beside them, or what was drawn before."""
Hint = tuple[str, str]
"""A key as it is shown, and the word for what it does."""

READ_WIDTH = 80
"""Text that is read is no wider."""
_LABEL = 14
_SPARKS = "▁▂▃▄▅▆▇█"


def say(*pieces: Piece) -> Content:
    """The pieces behind each other."""
    return Content.assemble(*pieces)


def lines(*found: Content) -> Content:
    """The lines below each other."""
    return Content("\n").join(found)


def fit(text: Content, width: int) -> Content:
    """At most `width` cells; what does not fit ends in `…`."""
    return text if text.cell_length <= width else text.truncate(max(1, width), ellipsis=True)


def column(text: Content, width: int) -> Content:
    """Exactly `width` cells."""
    fitting = fit(text, width)
    return say(fitting, " " * max(0, width - fitting.cell_length))


def apart(left: Content, right: Content, width: int) -> Content:
    """Left and right on one line of `width` cells; the left gives way, never the right."""
    right = fit(right, width)
    left = fit(left, width - right.cell_length - 1) if right.plain else fit(left, width)
    return say(left, " " * max(0, width - left.cell_length - right.cell_length), right)


def broken(words: str, width: int) -> list[str]:
    """The words in lines of at most `width` cells, broken between words where that can be."""
    width = max(2, width)
    found: list[str] = []
    for paragraph in words.expandtabs(4).split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if cell_len(longer) <= width:
                line = longer
                continue
            if line:
                found.append(line)
            *whole, line = chop_cells(word, width) if cell_len(word) > width else [word]
            found += whole
        found.append(line)
    return found


def wrapped(words: str, width: int, style: str = INK, lead: Piece = "", more: Piece | None = None) -> list[Content]:
    """The words in lines, each behind `lead`; the second and further ones behind `more`, when that is given."""
    room = width - say(lead).cell_length
    return [say(lead if number == 0 or more is None else more, (line, style)) for number, line in enumerate(broken(words, room))]


def chip(word: str, role: str = "quiet") -> Content:
    """A state, always a word; its colour is beside it, and without colour brackets are."""
    if is_plain():
        return say(f"[{word}]")
    return say((f" {word} ", f"{SOFT if role == 'quiet' else f'$sm-{role}'} on $sm-{role}-field"))


def beside(*found: Content) -> Content:
    """What there is of them, a blank between."""
    return Content(" ").join([each for each in found if each.plain])


def key_of(key: str) -> Content:
    """A key to press."""
    return say((f" {key} ", "reverse")) if is_plain() else say((key, f"bold {ACCENT}"))


def keys(hints: Iterable[Hint]) -> Content:
    """Keys with their words, on one line."""
    return Content("   ").join([say(key_of(key), " ", (word, SOFT)) for key, word in hints])


def heading(words: str, right: str = "") -> Content:
    """The title of a part of a sheet."""
    return say((words, f"bold {SOFT}"), (f"  {right}", FAINT) if right else "")


def facts(found: Iterable[tuple[str, str | Content]], width: int) -> list[Content]:
    """Names and values below each other; long values are broken."""
    drawn: list[Content] = []
    for name, value in found:
        label = say((f"{name:<{_LABEL}}", FAINT))
        if isinstance(value, Content):
            drawn.append(say(label, value))
        else:
            drawn += wrapped(value, width, lead=label, more=" " * _LABEL)
    return drawn


def quote(words: str, width: int) -> list[Content]:
    """A contact's words, their side down every line."""
    return wrapped(words, min(READ_WIDTH, width), lead=("│ ", RULE))


def bar(share: float, width: int, style: str = GOOD) -> Content:
    """A part of a whole as a line; anything above nothing is seen."""
    full = min(width, max(1 if share > 0 else 0, round(share * width)))
    return say(("━" * full, style), ("─" * (width - full), RULE))


def sparks(values: Sequence[float]) -> list[str]:
    """A sign for each value, as high as it is beside the largest."""
    top = max(values, default=0) or 1
    return [_SPARKS[min(len(_SPARKS) - 1, round((len(_SPARKS) - 1) * value / top))] for value in values]


def countdown(left: timedelta) -> str:
    """Time that is left: `24:37`, or `3 h 05 min` for more than an hour."""
    seconds = max(0, int(left.total_seconds()))
    if seconds < _HOUR_S:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // 60:02} min"


_HOUR_S = 3600


def shown_name(name: str | None, contact: str) -> str:
    """What a person is called on the screen: one safe line."""
    return safe_name(name or "") or safe_name(contact)


@cache
def channel_title(channel: str) -> str:
    """What a channel is called; one that is not known is called by its id."""
    return next((each.title for each in manifests() if each.id == channel), "") or safe_name(channel)


_ASCII = str.maketrans(
    {
        **dict.fromkeys("●◆", "*"),
        **dict.fromkeys("▲■", "!"),
        **dict.fromkeys("◁", "<"),
        **dict.fromkeys("▶", ">"),
        **dict.fromkeys("◇○◌◷☾❚", "o"),
        **dict.fromkeys("│┃╎▌▐║┆", "|"),
        **dict.fromkeys("─━╌═", "-"),
        **dict.fromkeys("╭╮╰╯┏┓┗┛┌┐└┘├┤┬┴┼", "+"),
        **dict.fromkeys("▁▂▃▄", "."),
        **dict.fromkeys("▅▆▇█▀", "#"),
        **dict.fromkeys("“”", '"'),
        **dict.fromkeys("’‘", "'"),  # noqa: RUF001  what is replaced
        **dict.fromkeys("·", "-"),
        **dict.fromkeys("…", "~"),
        **dict.fromkeys("✓", "x"),
        **dict.fromkeys("↳↓↑→←", ">"),
    }
)


class AsciiOnly(LineFilter):
    """For terminals that draw no other signs: each of ours has another, and what people write loses what cannot be drawn."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same cells, in ASCII."""
        del background
        return [Segment(_in_ascii(text), style, control) for text, style, control in segments]


def _in_ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(char if char.isascii() else _nearest(char) for char in text.translate(_ASCII))


def _nearest(char: str) -> str:
    """As many cells of ASCII as the character has: without its accents, or `?`."""
    if not (cells := cell_len(char)):
        return ""
    base = unicodedata.normalize("NFKD", char)[0]
    return base if base.isascii() and cells == 1 else "?" * cells
