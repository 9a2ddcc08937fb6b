"""How is a person asked at a terminal? By questionary, on stderr: stdout is for the result."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import questionary
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.styles import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.cli.onboarding.interview import Choice, Question

_STYLE = Style([
    ("qmark", "fg:ansicyan bold"),
    ("question", "bold"),
    ("answer", "fg:ansicyan"),
    ("pointer", "fg:ansicyan bold"),
    ("highlighted", "fg:ansicyan"),
    ("selected", "fg:ansicyan"),
    ("instruction", "fg:ansibrightblack"),
    ("disabled", "fg:ansibrightblack"),
    ("validation-toolbar", "fg:ansired noreverse"),
])  # fmt: skip


class TerminalPrompter:
    """See `Prompter`."""

    async def text(self, question: Question) -> str:
        """See `Prompter`."""
        ask = questionary.password if question.secret else questionary.text
        answer = await ask(
            question.text, default=question.default or "", validate=_validated(question), **_looks()
        ).unsafe_ask_async()
        return str(answer)

    async def choose(self, question: Question, choices: Sequence[Choice]) -> str:
        """See `Prompter`."""
        options = [questionary.Choice(each.title, value=each.value, disabled=each.why_not or None) for each in choices]
        preset = next((option for option in options if option.value == question.default and not option.disabled), None)
        answer = await questionary.select(
            question.text, choices=options, default=preset, instruction="(arrows, Enter)", use_jk_keys=False, **_looks()
        ).unsafe_ask_async()
        return str(answer)

    async def choose_many(self, question: Question, choices: Sequence[Choice]) -> list[str]:
        """See `Prompter`."""
        preset = set((question.default or "").split(","))
        options = [
            questionary.Choice(each.title, value=each.value, disabled=each.why_not or None, checked=each.value in preset)
            for each in choices
        ]
        answer = await questionary.checkbox(
            question.text, choices=options, instruction="(space marks, Enter goes on)", use_jk_keys=False, **_looks()
        ).unsafe_ask_async()
        return [str(value) for value in answer]

    async def confirm(self, question: Question) -> bool:
        """See `Prompter`."""
        asked = questionary.confirm(question.text, default=question.default != "no", **_looks())
        return bool(await asked.unsafe_ask_async())


def _validated(question: Question) -> Any:  # questionary takes True or the words
    def validate(answer: str) -> bool | str:
        text = answer.strip()
        if not text and question.default is None:
            return "This needs an answer."
        return question.check(text) or True

    return validate


def _looks() -> dict[str, Any]:
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    depth = ColorDepth.DEPTH_1_BIT if plain else None
    return {"style": _STYLE, "qmark": "?", "output": create_output(stdout=sys.stderr), "color_depth": depth}
