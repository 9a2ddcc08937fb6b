"""What the stages of the wizard share: the home they set up, who is asked, and what was decided so far."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from secondme.cli.columns import folded
from secondme.cli.onboard.prompts import WizardChoice, WizardQuestion
from secondme.core.config.files import save_env_file
from secondme.core.config.loader import Setup, keep_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence
    from pathlib import Path

    from secondme.cli.command import Invocation
    from secondme.cli.onboard.prompts import Interview
    from secondme.cli.output import Screen
    from secondme.core.config.files import Value
    from secondme.core.errors import SecondmeError

T = TypeVar("T")
_SERVER, _SERVER_KEPT = "SECONDME_MODEL__BASE_URL", "server_kept"
"""The address of the model's server: in `.env`, and in the draft that says that the wizard has put it there."""


class Unproven(StrEnum):
    """What becomes of answers that could not be proven."""

    AGAIN = "again"
    """The same ones are tried once more."""
    ELSE = "else"
    """They are asked for again."""
    WITHOUT = "without"
    """Nothing of them is kept."""
    ANYWAY = "anyway"
    """They are kept as they are."""


@dataclass(slots=True)
class OnboardingPlan:
    """What was decided. Nothing of it is anywhere else until it is written."""

    settings: dict[str, Value | None] = field(default_factory=dict)
    """For config.toml; None: the default counts again."""
    secrets: dict[str, str | None] = field(default_factory=dict)
    """Proven, and kept apart from the settings."""
    persona: dict[str, str] | None = None
    """Name, tone, language and style guide of a persona file to be made."""
    exports: list[Path] = field(default_factory=list)
    export_owner: str = ""
    channels: list[str] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    """By channel, as `NAME=VALUE`: what linking it need not ask."""
    digest: bool = False
    """A note in the owner's own chat each morning."""
    service: bool = False
    start: bool = False
    runs: bool = False
    """A gateway of this home runs already, with what was decided before."""
    report: dict[str, Any] = field(default_factory=dict)
    """What a script is told, by stage; JSON values."""


@dataclass(slots=True)
class Site:
    """The home that is being set up."""

    invocation: Invocation
    setup: Setup
    interview: Interview
    plan: OnboardingPlan = field(default_factory=OnboardingPlan)
    is_written: bool = False
    """True once what was decided counts."""
    key_server: str | None = None
    """Whose key was asked for last: a server's address, empty for the vendor's own."""
    _proven: dict[Hashable, Any] = field(default_factory=dict)
    _settled: dict[Hashable, Unproven] = field(default_factory=dict)
    _decided: dict[str, tuple[set[str], set[str]]] = field(default_factory=dict)

    async def run(self, stage: str, ask: Callable[[Site], Awaitable[None]]) -> None:
        """The stage is decided as answered now; what it decided before is forgotten. Raises what `ask` raises."""
        plan = self.plan
        settings, secrets = self._decided.pop(stage, (set(), set()))
        for name in settings:
            plan.settings.pop(name, None)
        for name in secrets:
            plan.secrets.pop(name, None)
        before = set(plan.settings), set(plan.secrets)
        try:
            await ask(self)
        finally:
            self._decided[stage] = set(plan.settings) - before[0], set(plan.secrets) - before[1]

    def put_in_order(self, stages: Sequence[str]) -> None:
        """The settings stand in the order of the stages that decided them, whichever ran last."""
        places = {name: at for at, stage in enumerate(stages) for name in self._decided.get(stage, (set(), set()))[0]}
        self.plan.settings = dict(sorted(self.plan.settings.items(), key=lambda each: places.get(each[0], len(stages))))

    async def proof(self, answers: Hashable, prove: Callable[[], Awaitable[T]]) -> T:
        """What `prove` came to for these answers, which is tried once: a stage that runs again asks nobody outside again. Raises what it raises."""
        if answers not in self._proven:
            self._proven[answers] = await prove()
        found: T = self._proven[answers]
        return found

    def settled(self, answers: Hashable) -> Unproven | None:
        """WITHOUT or ANYWAY, where the owner said so of just these answers, and none of them was asked for again since."""
        return self._settled.get(answers) if self.interview.is_repeating else None

    async def ask_unproven(
        self, error: SecondmeError, answers: Hashable, without: str, asked: Sequence[str], *, can_keep: bool = True
    ) -> Unproven:
        """What is to become of `answers`, which failed with `error`; with ELSE, the questions called `asked` are open again.

        Raises the error when nobody can be asked.
        """
        if not self.interview.is_live:
            raise error
        self.bad(error.message)  # its fix is for who meets it elsewhere: here it is asked
        choices = [
            WizardChoice(Unproven.AGAIN, "Try again"),
            WizardChoice(Unproven.ELSE, "Answer something else"),
            WizardChoice(Unproven.WITHOUT, without),
        ]
        if can_keep:
            choices.append(WizardChoice(Unproven.ANYWAY, "Keep it anyway, unproven"))
        question = WizardQuestion("unproven", "Not proven, so not kept. What now?", "", default=Unproven.ELSE)
        answer = Unproven(await self.interview.ask_now(question, choices))
        match answer:
            case Unproven.ELSE:
                for name in asked:
                    self.interview.drop(name)
            case Unproven.WITHOUT | Unproven.ANYWAY:
                self._settled[answers] = answer
            case Unproven.AGAIN:
                pass
        return answer

    @property
    def screen(self) -> Screen:
        """Where the owner reads."""
        return self.interview.screen

    def keep_for_later(self) -> str | None:
        """As `keep_secrets`, when the wizard is left: a key of a server of the owner's own is kept with that server's address, so that nothing
        that runs meanwhile shows it to another one."""
        server = self.key_server
        if "model.api_key" in self.plan.secrets and server and server != self.setup.settings.model.base_url:
            self.interview.remember(_SERVER_KEPT, server)
            save_env_file(self.setup.places.env_file, {_SERVER: server})
        return self.keep_secrets()

    def drop_kept_server(self) -> None:
        """The address that was kept for later is nowhere but in the plan. Repeatable."""
        if self.interview.recalled(_SERVER_KEPT) is not None:
            save_env_file(self.setup.places.env_file, {_SERVER: None})

    def keep_secrets(self) -> str | None:
        """What was proven is where secrets are kept; returns that place, None when there was nothing. Repeatable."""
        where = None
        for name, value in self.plan.secrets.items():
            kept_in = str(self.plan.settings.get("secrets") or self.setup.settings.secrets)
            where = keep_secret(self.setup.places, name, value, home=self.invocation.home, kept_in=kept_in)
        self.plan.secrets = {}
        return where

    def good(self, text: str) -> None:
        """Something is well."""
        self._say(f"  ✓ {text}", "good")

    def bad(self, text: str) -> None:
        """Something is not."""
        self._say(f"  ✗ {text}", "bad")

    def failed(self, error: SecondmeError) -> None:
        """Something went wrong, and this mends it."""
        self.bad(error.message)
        if error.fix:
            self.aside(f"  {self.screen.typed(error.fix)}")

    def aside(self, text: str) -> None:
        """Something to know."""
        self._say(f"  {text}", "dim")

    def tell(self, text: str, style: str = "") -> None:
        """A line of our own words; on a terminal no word of it is torn at the edge."""
        words = text.lstrip(" ")
        before = " " * (len(text) - len(words))
        lines = [words]
        if self.screen.is_terminal:
            lines = folded(words, shutil.get_terminal_size().columns - len(before), hang="  ", tears=False)
        for line in lines:
            self.screen.line(before + line, style)

    def _say(self, text: str, style: str) -> None:
        if not self.interview.is_repeating:
            self.tell(text, style)
