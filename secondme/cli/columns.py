"""A table as aligned columns, no wider than a terminal; as a list where a column would not fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP = 2
_NAME = "name"
_TYPED = frozenset({"check", "code", "contact", "draft", "message", "persona", "setting"})
"""Columns whose words somebody may type: a part of one would be of no use."""
_LEAST, _LEAST_OF_NAME = 12, 8
"""Cells that a column of other words, and one of names, has at least: a date and a comma, and four wide characters."""
_MOST_WHOLE = (40, 24, _LEAST)
"""Words up to so many cells are kept whole, as far as there is room for that: an address, the name of a model, whatever is left."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?|[A-Z][a-z]{2} \d\d [A-Z][a-z]{2} \d\d:\d\d")
"""A time in a column of times: it stands on one line."""
_JOINTS = re.compile(r"(?<=[-/:@=_;?&])(?=[^-/:@=_;?&])")
"""Where a word that is too long is parted, rather than anywhere."""
_JOINER = "\u200d"
_LABEL = re.compile(r" *(?:\S+ {2,}|[-\u2013•*✓✗!] | *)")
_WIDEST_LABEL = 24
_PIECES = re.compile(r"(?:\S*/)?(?:python[\d.]* -m )?\bsecondme [^.,;:()]*(?:[.,;:()](?! |$)[^.,;:()]*)*[.,;:)]?|\S+")
"""A command with its words, up to the end of its sentence; any other word."""


def lay_out(headers: Sequence[str], rows: Sequence[Sequence[str]], room: int | None) -> tuple[str, list[str]]:
    """The line above the rows, and those of the rows; no line is wider than `room` cells (None: endless) unless an id is."""
    columns = [[header, *(row[place] for row in rows)] for place, header in enumerate(headers)]
    widths = [max(map(cell_len, column)) for column in columns]
    if room is not None:
        inner = room - _GAP * (len(columns) - 1)
        least = next((fits for most in _MOST_WHOLE if sum(fits := [_least(each, most) for each in columns]) <= inner), None)
        if least is None:
            return "", [line for row in rows for line in _listed(headers, row, room)]
        widths = _shared(widths, least, inner)
    lines = [line for row in rows for line in _side_by_side(headers, row, widths)]
    return next(_side_by_side(headers, headers, widths)), lines


def bounded(text: str, room: int) -> str:
    """`text`, or as much of it as fits into so many cells with an ellipsis behind it. No picture and no letter is cut in two."""
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(0, room - 1)).rstrip(f" {_JOINER}") + "…"


def _least(column: Sequence[str], most: int) -> int:
    """The cells that a column cannot do without, where words of up to `most` cells stay whole."""
    header = column[0]
    if header == _NAME:
        return min(_LEAST_OF_NAME, max(map(cell_len, column)))
    longest = max(cell_len(word) for cell in column for word in cell.split(" "))
    moments = max((cell_len(cell) for cell in column if _MOMENT.fullmatch(cell)), default=0)
    return longest if header in _TYPED else max(cell_len(header), moments, min(longest, most))


def _shared(widths: list[int], least: list[int], room: int) -> list[int]:
    """The widths when they have `room` together: the widest give up cells first, down to their least."""
    widths = [*widths]
    while (excess := sum(widths) - room) > 0:
        place = max((place for place in range(len(widths)) if widths[place] > least[place]), key=lambda place: widths[place])
        others = [width for width in widths if width < widths[place]]
        next_widest = max(others, default=0)
        widths[place] = max(least[place], widths[place] - excess, min(next_widest, widths[place] - 1))
    return widths


def _side_by_side(headers: Sequence[str], row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of one row: one, or as many as its tallest cell needs."""
    cells = [
        [bounded(cell, width)] if header == _NAME else folded(cell, width)
        for header, cell, width in zip(headers, row, widths, strict=True)
    ]
    for number in range(max(map(len, cells))):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        padded = [part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True)]
        yield (" " * _GAP).join(padded).rstrip()


def folded(text: str, width: int, *, hang: str = "", tears: bool = True) -> list[str]:
    """The text in lines of `width` cells, broken between words; all but the first begin with `hang`. A word that is too long by itself is
    torn, or stands alone."""
    if cell_len(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
        elif tears and cell_len(word) > width:
            lines += _torn(word, width)
        elif word:
            lines.append(f"{hang if any(lines) else ''}{word}")
    return [line for line in lines if line]


def wrapped(text: str, width: int) -> list[str]:
    """A line of ours, broken between words where it is wider than a terminal: what goes on stands under its beginning, or under what its label
    is followed by. A command stays whole, so that it can be copied; one that is wider than the terminal is left to it."""
    if cell_len(text) <= width:
        return [text]
    label = _LABEL.match(text)
    hang = cell_len(label[0]) if label and cell_len(label[0]) <= _WIDEST_LABEL else 0
    start, lines = text[: len(label[0]) if hang and label else 0], [""]
    for piece in _PIECES.findall(text[len(start) :]):
        joined = f"{lines[-1]} {piece}" if lines[-1] else piece
        if hang + cell_len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(piece)
    return [f"{start if number == 0 else ' ' * hang}{line}" for number, line in enumerate(lines)]


def _torn(word: str, width: int) -> list[str]:
    """A word in pieces of `width` cells, parted where it has joints as far as they are there."""
    pieces = [""]
    for part in _JOINTS.split(word):
        if cell_len(pieces[-1] + part) <= width:
            pieces[-1] += part
        else:
            pieces += chop_cells(part, width)
    return [piece for piece in pieces if piece]


def _listed(headers: Sequence[str], row: Sequence[str], room: int) -> Iterator[str]:
    """One row as a list, a line for each header that says something, and an empty one."""
    indent = max(map(cell_len, headers)) + _GAP
    for header, cell in zip(headers, row, strict=True):
        if cell:
            least = room if header in _TYPED else max(_LEAST, room - indent)
            lines = [bounded(cell, least)] if header == _NAME else folded(cell, least)
            for number, line in enumerate(lines):
                yield f"{header if number == 0 else '':<{indent}}{line}"
    yield ""
