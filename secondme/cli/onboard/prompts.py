"""How the wizard asks: questions, answers given beforehand by flags, and a draft from which a broken-off interview goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import questionary
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.styles import Style

from secondme.cli.marks import without_bytes
from secondme.cli.prompts import BACK, GoneBackError
from secondme.core.errors import ConfigError
from secondme.core.files import read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from prompt_toolkit.key_binding import KeyPressEvent
    from questionary import Question

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
    is_quick: bool = False
    """True when it is asked on the quick path too, though it has a default."""


@dataclass(frozen=True, slots=True)
class WizardChoice:
    """One of several answers. `why_not` is set where it cannot be chosen here."""

    value: str
    title: str
    why_not: str = ""


class Prompter(Protocol):
    """Somebody who can be asked. Raises KeyboardInterrupt or EOFError when they leave, GoneBackError when they go back."""

    async def text(self, question: WizardQuestion) -> str:
        """An answer that passes the question's check."""

    async def choose(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """The value of one choice."""

    async def choose_many(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> list[str]:
        """The values of any number of choices."""

    async def confirm(self, question: WizardQuestion) -> bool:
        """Yes or no."""


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question that was answered in this run. `answer` is as a person reads it."""

    name: str
    text: str
    answer: str
    stage: str


class Interview:
    """One run of the wizard. Every answer passes through here, and none is asked for twice: a stage that runs again, because the owner
    went back or changes an answer, comes by itself to the question that is open."""

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
        self.is_quick = False
        """True: what has a default is not asked, but for the questions that say so."""
        self.is_repeating = False
        """True while a stage runs again and has not come to a question that is open: nothing of it is shown twice."""
        self._answers = dict(draft.answers)
        self._shown: set[str] = set()
        self._path: dict[str, AnsweredQuestion] = {}
        self._before: dict[str, str] = {}
        self._stages: Sequence[str] = ()

    @property
    def is_live(self) -> bool:
        """True when somebody can be asked."""
        return self._prompter is not None

    @property
    def answered(self) -> list[AnsweredQuestion]:
        """What the owner answered, in the order of the questions, and could answer otherwise."""
        places = {stage: at for at, stage in enumerate(self._stages)}
        return sorted(self._path.values(), key=lambda each: places.get(each.stage, -1))

    def begin(self, stage: str, stages: Sequence[str]) -> None:
        """Questions belong to `stage` from now on, one of `stages` in their order; what it does not ask any more is no answer of the owner's."""
        self.stage, self._stages = stage, stages
        self._path = {name: each for name, each in self._path.items() if each.stage != stage}

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

    def answer(self, name: str) -> str | None:
        """What was answered in this run or beforehand; None: nothing."""
        return self._given.get(name, self._answers.get(name))

    def drop(self, name: str) -> None:
        """The answer turned out to be wrong: the next time the question is asked again, as if it never had been."""
        self._given.pop(name, None)
        self._before.pop(name, None)
        self._forget(name)

    def drop_typed(self, name: str) -> None:
        """As `drop`, for what was typed in this run; what came with the command stays."""
        if name not in self._given:
            self.drop(name)

    def forget_draft(self, *names: str) -> None:
        """The next run knows nothing of what these were remembered as."""
        for name in names:
            self._draft.forget(name)

    def reopen(self, name: str) -> None:
        """The question is asked again, with its answer as what Enter means."""
        if name in self._answers:
            self._before[name] = self._answers[name]
        self._forget(name)
        self.is_repeating = True

    def close(self, name: str) -> None:
        """The question that was opened again keeps the answer it had."""
        if name in self._before:
            self._answers[name] = self._before[name]

    def go_back(self) -> str:
        """The question that was answered last is open again; returns its stage. Before the first one there is nothing to go back to."""
        self.is_repeating = True
        if not self._path:
            self.screen.line("  This is the first question.", "dim")
            return self.stage
        last = self.answered[-1]
        self.reopen(last.name)
        return last.stage

    def finish(self) -> None:
        """Nothing is kept of the answers: they are where they belong."""
        self._draft.clear()

    async def text(self, question: WizardQuestion) -> str:
        """A line of text, without white space around it. Raises ConfigError when it is wrong or nobody can be asked."""
        known = self._known(question)
        if known is not None:
            return known
        return self._noted(question, (await self._open.text(self._with_before(question))).strip())

    async def choose(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """One of the choices. Raises as `text`."""
        self._forget_what_fell_away(question, choices)
        known = self._known(question, choices)
        if known is not None:
            return _among(question, known, choices)
        return self._noted(question, await self._open.choose(self._with_before(question), choices), choices)

    async def choose_many(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> list[str]:
        """Any of the choices. Raises as `text`."""
        self._forget_what_fell_away(question, choices)
        known = self._known(question)
        if known is None:
            chosen = await self._open.choose_many(self._with_before(question), choices)
            known = self._noted(question, ",".join(chosen))
        return [_among(question, value.strip(), choices) for value in known.split(",") if value.strip()]

    async def confirm(self, question: WizardQuestion) -> bool:
        """Yes or no. Raises as `text`."""
        known = self._known(question)
        if known is None:
            known = self._noted(question, "yes" if await self._open.confirm(self._with_before(question)) else "no")
        word = known.lower()
        if word not in _YES | _NO:
            raise _wrong(question, "say yes or no")
        return word in _YES

    async def ask_now(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """One of the choices, for a question about what just happened: its answer is not kept. Somebody must be there."""
        self.at = question
        return await self._open.choose(question, choices)

    @property
    def _open(self) -> Prompter:
        """Who is asked now."""
        assert self._prompter is not None
        self.is_repeating = False
        return self._prompter

    def _known(self, question: WizardQuestion, choices: Sequence[WizardChoice] = ()) -> str | None:
        self.at = question
        name = question.name
        if name in self._given:
            answer = self._given[name].strip()
            if wrong := question.check(answer):
                raise _wrong(question, wrong)
            return answer
        kept = self._answers.get(name)
        if kept is not None and not question.check(kept):
            if name not in self._shown and not question.secret and not self.is_repeating:
                self.screen.line(f"  {question.text} {kept or '-'}", "dim")
            return self._noted(question, kept, choices)
        if self._prompter is not None and not (self.is_quick and question.default is not None and not question.is_quick):
            return None
        if question.default is None:
            raise ConfigError("needs_answer", f"Nothing says what to answer: {question.text}", f"Give {question.flag}.")
        return question.default

    def _with_before(self, question: WizardQuestion) -> WizardQuestion:
        """The question, with what was answered before as what Enter means."""
        before = self._before.get(question.name)
        return question if before is None else replace(question, default=before)

    def _forget(self, name: str) -> None:
        self._answers.pop(name, None)
        self._path.pop(name, None)
        self._draft.forget(name)

    def _forget_what_fell_away(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> None:
        """An answer of before that cannot be chosen any more is asked for again."""
        possible = {choice.value for choice in choices if not choice.why_not}
        kept = self._answers.get(question.name)
        if kept is not None and not possible.issuperset(value for value in kept.split(",") if value):
            self._forget(question.name)

    def _noted(self, question: WizardQuestion, answer: str, choices: Sequence[WizardChoice] = ()) -> str:
        name = question.name
        self._answers[name] = answer
        self._shown.add(name)
        shown = "(hidden)" if question.secret else next((each.title for each in choices if each.value == answer), answer)
        known = self._path.get(name)
        self._path[name] = AnsweredQuestion(name, question.text, shown, known.stage if known else self.stage)
        if not question.secret and self._draft.answers.get(name) != answer:
            self._draft.note(name, answer)
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
        default = question.default or ""
        asked = ask(question.text, default=default, validate=_validated(question), **_looks())
        return str(await _with_back(asked, default).unsafe_ask_async())

    async def choose(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> str:
        """See `Prompter`."""
        options = [questionary.Choice(each.title, value=each.value, disabled=each.why_not or None) for each in choices]
        preset = next((option for option in options if option.value == question.default and not option.disabled), None)
        asked = questionary.select(
            question.text, choices=options, default=preset, instruction="(arrows, Enter)", use_jk_keys=False, **_looks()
        )
        return str(await _with_back(asked).unsafe_ask_async())

    async def choose_many(self, question: WizardQuestion, choices: Sequence[WizardChoice]) -> list[str]:
        """See `Prompter`."""
        preset = set((question.default or "").split(","))
        options = [
            questionary.Choice(each.title, value=each.value, disabled=each.why_not or None, checked=each.value in preset)
            for each in choices
        ]
        asked = questionary.checkbox(
            question.text, choices=options, instruction="(space marks, Enter goes on)", use_jk_keys=False, **_looks()
        )
        return [str(value) for value in await _with_back(asked).unsafe_ask_async()]

    async def confirm(self, question: WizardQuestion) -> bool:
        """See `Prompter`."""
        asked = questionary.confirm(question.text, default=question.default != "no", **_looks())
        return bool(await _with_back(asked).unsafe_ask_async())


def _with_back(asked: Question, default: str = "") -> Question:
    """The question, at which `<` and Enter raise GoneBackError. The key takes the place of a default that was not touched; anywhere else
    in a text it is a character like any other."""
    keys = KeyBindings()
    line = asked.application.current_buffer
    untouched, waiting = Condition(lambda: line.text == default), Condition(lambda: line.text.strip() == BACK)

    def mark(_: KeyPressEvent) -> None:
        line.text = BACK
        line.cursor_position = len(BACK)

    def clear(_: KeyPressEvent) -> None:
        line.text = ""

    def leave(event: KeyPressEvent) -> None:
        event.app.exit(exception=GoneBackError(), style="class:aborting")

    keys.add(BACK, filter=untouched, eager=True)(mark)
    keys.add("enter", filter=waiting, eager=True)(leave)
    for key in ("up", "down", "backspace"):
        keys.add(key, filter=waiting, eager=True)(clear)
    asked.application.key_bindings = merge_key_bindings([each for each in (asked.application.key_bindings, keys) if each])
    return asked


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
