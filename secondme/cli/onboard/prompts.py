"""How the wizard asks: questions, answers given beforehand by flags, and a draft from which a broken-off interview goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import questionary
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.styles import Style

from secondme.cli.marks import without_bytes
from secondme.core.errors import ConfigError
from secondme.core.files import read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.output import Screen


FILE = "onboarding.json"


class OnboardingDraft:
    """Answers by name. `path` None keeps nothing: a script starts from the beginning each time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.answers: dict[str, str] = {} if path is None else _read(path)

    def note(self, name: str, answer: str) -> None:
        """The answer is on disk. Raises ConfigError when it cannot be."""
        self.answers[name] = answer
        self._save()

    def forget(self, name: str) -> None:
        """There is no such answer any more. Repeatable."""
        if self.answers.pop(name, None) is not None:
            self._save()

    def clear(self) -> None:
        """There is no draft. Repeatable."""
        self.answers = {}
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            write_private(self._path, json.dumps(self.answers, indent=2, ensure_ascii=False))
        except OSError as error:
            raise ConfigError(
                "unwritable_config", f"{self._path} cannot be written: {error.strerror}.", "Check the disk."
            ) from error


def _read(path: Path) -> dict[str, str]:
    """A draft that cannot be read is none: it only saves typing."""
    try:
        kept = json.loads(read_private(path) or "{}")
    except (OSError, ValueError, RecursionError, ConfigError):
        return {}
    return {str(name): str(answer) for name, answer in kept.items()} if isinstance(kept, dict) else {}


Check = Callable[[str], str]
"""What is wrong with an answer, in words; empty when it will do."""


@dataclass(frozen=True, slots=True)
class WizardQuestion:
    """What is asked. `name` is the answer's name in the draft and among the flags; `text` is what a person reads."""

    name: str
    text: str
    flag: str
    """How a script answers it: `--persona-name`, or a variable where it is a secret."""
    default: str | None = None
    """What Enter means. None: it must be answered."""
    check: Check = field(default=lambda _: "")
    secret: bool = False


@dataclass(frozen=True, slots=True)
class WizardChoice:
    """One of several answers. `why_not` is set where it cannot be chosen here."""

    value: str
    title: str
    why_not: str = ""


class Prompter(Protocol):
    """Somebody who can be asked. Raises KeyboardInterrupt or EOFError when they leave."""

    async def text(self, question: WizardQuestion) -> str:
        """An answer that passes the question's check."""

    async def choose(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """The value of one choice."""

    async def choose_many(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> list[str]:
        """The values of any number of choices."""

    async def confirm(self, question: WizardQuestion) -> bool:
        """Yes or no."""


class Interview:
    """One run of the wizard. Every answer passes through here."""

    def __init__(self, given: Mapping[str, str], draft: OnboardingDraft, prompter: Prompter | None, screen: Screen) -> None:
        self._given = dict(given)
        self._draft = draft
        self._prompter = prompter
        self.screen = screen
        self.stage = ""
        """To which stage the questions belong that are asked now."""
        self.at: WizardQuestion | None = None
        """The question that was asked last."""
        self.is_resumed = bool(draft.answers)
        """True when some was answered in an earlier run."""
        self._asked: dict[str, set[str]] = {}

    @property
    def is_live(self) -> bool:
        """True when somebody can be asked."""
        return self._prompter is not None

    def has(self, name: str) -> bool:
        """True when the answer came with the command or from the environment."""
        return name in self._given

    def remember(self, name: str, answer: str) -> None:
        """Where the wizard is left from now on, the next run need not ask this."""
        if self.is_live:
            self._draft.note(name, answer)

    def recalled(self, name: str) -> str | None:
        """What an earlier run of the wizard remembered; None: nothing."""
        return self._draft.answers.get(name)

    def drop(self, name: str) -> None:
        """The answer turned out to be wrong: the next time the question is asked again."""
        self._given.pop(name, None)
        self._draft.forget(name)

    def drop_stage(self, stage: str) -> None:
        """Everything that was answered in the stage is asked again."""
        for name in self._asked.pop(stage, set()):
            self.drop(name)

    def finish(self) -> None:
        """Nothing is kept of the answers: they are where they belong."""
        self._draft.clear()

    async def text(self, question: WizardQuestion) -> str:
        """A line of text, without white space around it. Raises ConfigError when it is wrong or nobody can be asked."""
        known = self._known(question)
        if known is not None:
            return known
        assert self._prompter is not None
        return self._noted(question, (await self._prompter.text(question)).strip())

    async def choose(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """One of the choices. Raises as `text`."""
        self._forget_what_fell_away(question, choices)
        known = self._known(question)
        if known is not None:
            return _among(question, known, choices)
        assert self._prompter is not None
        return self._noted(question, await self._prompter.choose(question, choices))

    async def choose_many(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> list[str]:
        """Any of the choices. Raises as `text`."""
        self._forget_what_fell_away(question, choices)
        known = self._known(question)
        if known is None:
            assert self._prompter is not None
            known = self._noted(question, ",".join(await self._prompter.choose_many(question, choices)))
        return [_among(question, value.strip(), choices) for value in known.split(",") if value.strip()]

    async def confirm(self, question: WizardQuestion) -> bool:
        """Yes or no. Raises as `text`."""
        known = self._known(question)
        if known is None:
            assert self._prompter is not None
            known = self._noted(question, "yes" if await self._prompter.confirm(question) else "no")
        word = known.lower()
        if word not in _YES | _NO:
            raise _wrong(question, "say yes or no")
        return word in _YES

    def _known(self, question: WizardQuestion) -> str | None:
        self.at = question
        name = question.name
        self._asked.setdefault(self.stage, set()).add(name)
        if name in self._given:
            answer = self._given[name].strip()
            if wrong := question.check(answer):
                raise _wrong(question, wrong)
            return answer
        kept = self._draft.answers.get(name)
        if kept is not None and not question.check(kept):
            self.screen.line(f"  {question.text} {kept or '-'}", "dim")
            return kept
        if self._prompter is not None:
            return None
        if question.default is None:
            raise ConfigError("needs_answer", f"Nothing says what to answer: {question.text}", f"Give {question.flag}.")
        return question.default

    def _forget_what_fell_away(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> None:
        """An answer of an earlier run that cannot be chosen any more is asked for again."""
        kept = self._draft.answers.get(question.name)
        possible = {choice.value for choice in choices if not choice.why_not}
        if kept is not None and not possible.issuperset(value for value in kept.split(",") if value):
            self._draft.forget(question.name)

    def _noted(self, question: WizardQuestion, answer: str) -> str:
        if not question.secret:
            self._draft.note(question.name, answer)
        return answer


_YES, _NO = {"yes", "y", "true", "on", "1"}, {"no", "n", "false", "off", "0"}


def _among(question: WizardQuestion, value: str, choices: Sequence[WizardChoice]) -> str:
    chosen = next((choice for choice in choices if choice.value == value), None)
    if chosen is None:
        raise _wrong(question, f"choose {', '.join(choice.value for choice in choices)}")
    if chosen.why_not:
        raise _wrong(question, chosen.why_not)
    return value


def _wrong(question: WizardQuestion, why: str) -> ConfigError:
    return ConfigError("bad_answer", f"{question.flag}: {why}.", "secondme onboard --help")


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

    async def text(self, question: WizardQuestion) -> str:
        """See `Prompter`."""
        ask = questionary.password if question.secret else questionary.text
        answer = await ask(
            question.text, default=question.default or "", validate=_validated(question), **_looks()
        ).unsafe_ask_async()
        return str(answer)

    async def choose(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """See `Prompter`."""
        options = [questionary.Choice(each.title, value=each.value, disabled=each.why_not or None) for each in choices]
        preset = next((option for option in options if option.value == question.default and not option.disabled), None)
        answer = await questionary.select(
            question.text, choices=options, default=preset, instruction="(arrows, Enter)", use_jk_keys=False, **_looks()
        ).unsafe_ask_async()
        return str(answer)

    async def choose_many(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> list[str]:
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

    async def confirm(self, question: WizardQuestion) -> bool:
        """See `Prompter`."""
        asked = questionary.confirm(question.text, default=question.default != "no", **_looks())
        return bool(await asked.unsafe_ask_async())


def _validated(question: WizardQuestion) -> Any:  # questionary takes True or the words
    def validate(answer: str) -> bool | str:
        text = answer.strip()
        if not text and question.default is None:
            return "This needs an answer."
        return question.check(text) or True

    return validate


def _looks() -> dict[str, Any]:
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    depth = ColorDepth.DEPTH_1_BIT if plain else None
    return {"style": _STYLE, "qmark": "?", "output": create_output(stdout=without_bytes(sys.stderr)), "color_depth": depth}
