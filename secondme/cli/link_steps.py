"""Linking a channel at a terminal: steps are drawn as they come, QR codes among them; one code replaces another until one was used."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from secondme.cli.output import Screen, note
from secondme.cli.prompts import BACK, GoneBackError, ask_line
from secondme.cli.qr import dark_on_white, draw_qr
from secondme.core.channel_plugin import Linked, LinkQuestion, Say, ShowCode, ShowQr, Step
from secondme.core.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


_WORDS = 3
"""Lines below a QR code: what to do, and where the cursor stands."""


@dataclass(slots=True)
class TypedAnswers:
    """What was typed for one link, in its order, so that the one who types can go back: the link begins anew and asks for the last again."""

    given: dict[str, str] = field(default_factory=dict)
    """Answers that stand."""
    before: dict[str, str] = field(default_factory=dict)
    """Answers that are asked for again: what Enter means."""

    def go_back(self) -> str | None:
        """The question that was answered last is open again; None: there is none."""
        if not self.given:
            return None
        name, answer = self.given.popitem()
        self.before[name] = answer
        return name


class Answers:
    """Where the answers of an owner come from: given beforehand, else typed. Secrets that are typed are added to `kept`: with it,
    linking can be tried again without them."""

    def __init__(
        self,
        given: Mapping[str, str],
        known: Mapping[str, object],
        kept: dict[str, str] | None = None,
        typed: TypedAnswers | None = None,
    ) -> None:
        """With `typed`, `<` goes back: `ask` raises GoneBackError then."""
        self._typed = typed
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
            answer = self._read(question)
            if question.secret:
                self._kept[question.name] = answer
        return answer

    def _read(self, question: LinkQuestion) -> str:
        before = self._typed.before.get(question.name, "") if self._typed is not None else ""
        shown = f" (Enter: {'as before' if question.secret else before})" if before else ""
        answer = _typed(question, shown).strip() or before
        if self._typed is not None:
            if answer == BACK:
                raise GoneBackError
            self._typed.given[question.name] = answer
        return answer

    def _before(self, question: LinkQuestion) -> str | None:
        """What is known without asking."""
        if self._typed is not None and question.name in self._typed.given:
            return self._typed.given[question.name]
        if question.name in self._given:
            return self._given[question.name].strip()
        return str(self._known.get(question.name) or "") or self._kept.get(question.name, question.default)


def _typed(question: LinkQuestion, shown: str) -> str:
    try:
        return ask_line(f"{question.text}{shown}: ", secret=question.secret)
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
        drawn = dark_on_white(draw_qr(payload, columns - 1, lines - _WORDS, has_blocks=self._screen.shows_marks))
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
