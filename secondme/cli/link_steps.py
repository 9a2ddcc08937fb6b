"""Linking a channel at a terminal: steps are drawn as they come, QR codes among them; one code replaces another until one was used.

QR codes are drawn in half blocks where there is room, which every font has; else in sextants, three rows a line. A WhatsApp code is 57
modules wide (ISO/IEC 18004, version 10-L): 31 lines in half blocks with its margin, 21 in sextants (Unicode 13, Symbols for Legacy
Computing), which is what a window of 24 lines can show.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, assert_never

from secondme.cli.output import Screen, note
from secondme.cli.prompts import ask_line
from secondme.core.channel_plugin import Linked, LinkQuestion, Say, ShowCode, ShowQr, Step
from secondme.core.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence


_MARGIN = 2
"""Modules of white around it. The standard asks for four; cameras are content with two."""
_DARK_ON_LIGHT = "\x1b[30;107m"
_RESET = "\x1b[0m"
_FIRST_SEXTANT = 0x1FB00
_LEFT, _RIGHT = 0b010101, 0b101010
_ORDINARY = {0: " ", _LEFT: "▌", _RIGHT: "▐", 0b111111: "█"}
"""These four are older than the block of sextants, which leaves them out."""


def draw_qr(payload: str, columns: int, lines: int) -> list[str]:
    """The code as lines of text, dark on white whatever the terminal's colours; empty when even the smallest form is too large."""
    import segno

    matrix = [
        [bool(module) for module in row] for row in segno.make_qr(payload, error="l", boost_error=False).matrix_iter(border=_MARGIN)
    ]
    width, height = len(matrix[0]), len(matrix)
    if width <= columns and (height + 1) // 2 <= lines:
        drawn = _halves(matrix)
    elif (width + 1) // 2 <= columns and (height + 2) // 3 <= lines:
        drawn = _sextants(matrix)
    else:
        return []
    return [f"{_DARK_ON_LIGHT}{line}{_RESET}" for line in drawn]


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


_WORDS = 3
"""Lines below a QR code: what to do, and where the cursor stands."""


class Answers:
    """Where the answers of an owner come from: given beforehand, else typed. Secrets that are typed are added to `kept`: with it,
    linking can be tried again without them."""

    def __init__(self, given: Mapping[str, str], known: Mapping[str, object], kept: dict[str, str] | None = None) -> None:
        self._given = dict(given)
        self._known = known
        self._kept = {} if kept is None else kept

    async def ask(self, question: LinkQuestion) -> str:
        """The answer, without white space around it. At a terminal a wrong one is asked for again, and what was answered before it stays;
        elsewhere the channel says what is wrong. Raises ConfigError when nobody is there to ask."""
        answer, is_live = self._before(question), sys.stdin.isatty()
        while answer is None or (is_live and question.check(answer)):
            if not is_live:
                fix = "Set it in the environment." if question.secret else f"--answer {question.name}=..."
                raise ConfigError("needs_answer", f"There is no terminal to ask for {question.name}.", fix)
            if answer is not None:
                note(f"That cannot be: {question.check(answer)}.", "bad")
            answer = _typed(question).strip()
            if question.secret:
                self._kept[question.name] = answer
        return answer

    def _before(self, question: LinkQuestion) -> str | None:
        """What is known without asking."""
        if question.name in self._given:
            return self._given[question.name].strip()
        return str(self._known.get(question.name) or "") or self._kept.get(question.name, question.default)


def _typed(question: LinkQuestion) -> str:
    try:
        return ask_line(f"{question.text}: ", secret=question.secret)
    except EOFError:
        raise ConfigError("needs_answer", f"There is no answer for {question.name}.") from None


async def draw(steps: AsyncIterator[Step], screen: Screen) -> Linked:
    """Every step is shown; the last one is returned. Raises what linking raises."""
    board = _Board(screen)
    try:
        async with contextlib.aclosing(steps):  # type: ignore[type-var]  # async generators, all of them
            async for step in steps:
                match step:
                    case Say(text):
                        board.say(text)
                    case ShowQr(payload, seconds):
                        board.qr(payload, seconds)
                    case ShowCode(code, seconds):
                        board.code(code, seconds)
                    case Linked():
                        return step
                    case _:
                        assert_never(step)
    finally:
        board.close()
    raise UnavailableError("not_linked", "Linking ended without a result.", "Try again.")


class _Board:
    """Where codes are drawn over each other. Without a terminal each is a line of text, for whoever draws it elsewhere."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._is_raised = False
        self._said = ""

    def say(self, text: str) -> None:
        self._said = text
        self._screen.line(text)

    def qr(self, payload: str, seconds: float) -> None:
        if not self._screen.is_terminal:
            self._screen.line(f"qr {payload}")
            self._screen.stream.flush()
            return
        columns, lines = os.get_terminal_size(self._screen.stream.fileno())  # COLUMNS may be what another window had
        drawn = draw_qr(payload, columns - 1, lines - _WORDS)
        self._wipe()
        if not drawn:
            self._screen.line("The window is too small for the code: enlarge it, or use --phone.", "warn")
        for line in drawn:
            self._screen.stream.write(line + "\r\n")
        self._screen.line(f"{self._said} The code changes in {seconds:.0f} s.", "dim")
        self._screen.stream.flush()

    def code(self, code: str, seconds: float) -> None:
        self._screen.line(f"Type this code on the phone within {seconds:.0f} s:  {code}", "accent")
        self._screen.stream.flush()

    def close(self) -> None:
        """What was there before the codes is there again."""
        if self._is_raised:
            self._screen.stream.write("\x1b[?1049l")
            self._screen.stream.flush()
            self._is_raised = False

    def _wipe(self) -> None:
        if not self._is_raised:
            self._screen.stream.write("\x1b[?1049h")
            self._is_raised = True
        self._screen.stream.write("\x1b[H\x1b[2J")
