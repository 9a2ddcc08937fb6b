"""What the stages of the wizard share: the home they set up, who is asked, and what was decided so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondme.core.config.loader import Setup, keep_secret

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.command import Invocation
    from secondme.cli.onboard.prompts import Interview
    from secondme.cli.output import Screen
    from secondme.core.config.files import Value
    from secondme.core.errors import SecondmeError


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

    @property
    def screen(self) -> Screen:
        """Where the owner reads."""
        return self.interview.screen

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
        self.screen.line(f"  ✓ {text}", "good")

    def bad(self, text: str) -> None:
        """Something is not."""
        self.screen.line(f"  ✗ {text}", "bad")

    def failed(self, error: SecondmeError) -> None:
        """Something went wrong, and this mends it."""
        self.bad(f"{error.message} {self.screen.typed(error.fix)}".rstrip())

    def aside(self, text: str) -> None:
        """Something to know."""
        self.screen.line(f"  {text}", "dim")
