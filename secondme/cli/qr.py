"""QR codes as text.

They are drawn in half blocks where there is room, which every font has; else in sextants, three rows a line. A WhatsApp code is 57 modules wide
(ISO/IEC 18004, version 10-L): 31 lines in half blocks with its margin, 21 in sextants (Unicode 13, Symbols for Legacy Computing), which is what
a window of 24 lines can show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARGIN = 2
"""Modules of white around it. The standard asks for four; cameras are content with two."""
_DARK_ON_LIGHT = "\x1b[30;107m"
_RESET = "\x1b[0m"
_FIRST_SEXTANT = 0x1FB00
_LEFT, _RIGHT = 0b010101, 0b101010
_ORDINARY = {0: " ", _LEFT: "▌", _RIGHT: "▐", 0b111111: "█"}
"""These four are older than the block of sextants, which leaves them out."""


def draw_qr(payload: str, columns: int, lines: int, *, has_blocks: bool = True) -> list[str]:
    """The code as lines of text, to be shown dark on white; empty when even the smallest form is too large for so many cells and lines.
    Without blocks in the terminal's encoding it is drawn in blanks with a ground of their own, and larger."""
    import segno

    matrix = [
        [bool(module) for module in row] for row in segno.make_qr(payload, error="l", boost_error=False).matrix_iter(border=_MARGIN)
    ]
    width, height = len(matrix[0]), len(matrix)
    if not has_blocks:
        return _grounds(matrix) if 2 * width <= columns and height <= lines else []
    if width <= columns and (height + 1) // 2 <= lines:
        return _halves(matrix)
    if (width + 1) // 2 <= columns and (height + 2) // 3 <= lines:
        return _sextants(matrix)
    return []


def dark_on_white(lines: Sequence[str]) -> list[str]:
    """The lines in these colours, whatever the terminal's own are."""
    return [f"{_DARK_ON_LIGHT}{line}{_RESET}" for line in lines]


def _grounds(matrix: Sequence[Sequence[bool]]) -> list[str]:
    """A row a line, two columns a module."""
    return ["".join("\x1b[40m  " if module else "\x1b[107m  " for module in row) for row in matrix]


def _halves(matrix: Sequence[Sequence[bool]]) -> list[str]:
    """Two rows a line."""
    white = [False] * len(matrix[0])
    padded = [*matrix, white]
    return [
        "".join(" ▀▄█"[upper + 2 * lower] for upper, lower in zip(padded[at], padded[at + 1], strict=True))
        for at in range(0, len(matrix), 2)
    ]


def _sextants(matrix: Sequence[Sequence[bool]]) -> list[str]:
    """Three rows and two columns a character."""
    width = len(matrix[0])
    rows = [[*row, False] for row in matrix] + [[False] * (width + 1)] * 2
    return [
        "".join(_sextant([rows[at + down][left + right] for down in range(3) for right in range(2)]) for left in range(0, width, 2))
        for at in range(0, len(matrix), 3)
    ]


def _sextant(cells: Sequence[bool]) -> str:
    """The character whose six cells, left to right and top to bottom, are dark like these."""
    number = sum(dark << place for place, dark in enumerate(cells))
    if number in _ORDINARY:
        return _ORDINARY[number]
    return chr(_FIRST_SEXTANT + number - 1 - (number > _LEFT) - (number > _RIGHT))
