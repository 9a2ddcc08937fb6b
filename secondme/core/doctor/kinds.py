"""What can be found at all? `lists/findings.toml` names every kind of finding, with its words, its fix, and a page of the documentation.

Text and documentation come from one place, so `docs/troubleshooting.md` cannot say something else than the doctor does.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from secondme.core.text import safe_text

_LONGEST_FACT = 300


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Something does not work, or somebody can read what is private."""
    WARNING = "warning"
    """It works, and somebody should look."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding. `what` and `fix` have places for facts in braces."""

    id: str
    check: str
    """The check that finds it; `*`: any, `channels`: each channel's."""
    severity: Severity
    what: str
    fix: str
    means: str
    """What it means and why it matters, for the documentation."""
    can_fix: bool = False
    """True when `secondme doctor --fix` mends it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong here. `fix` is a command to type, or one sentence; `subject` is the file that `--fix` mends."""

    id: str
    severity: Severity
    what: str
    fix: str
    can_fix: bool
    subject: str = ""

    def to_dict(self) -> dict[str, str | bool]:
        """As JSON values."""
        return {"id": self.id, "severity": self.severity.value, "what": self.what, "fix": self.fix, "canFix": self.can_fix}


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of finding, by id, in the order of the file."""
    text = files("secondme.core.doctor").joinpath("lists", "findings.toml").read_text("utf-8")
    return {
        identity: Kind(id=identity, **{**entry, "severity": Severity(entry["severity"])})
        for identity, entry in tomllib.loads(text).items()
    }


def found(identity: str, *, subject: str = "", **facts: object) -> Finding:
    """The finding of this kind, with its facts in the places for them. Raises KeyError for a kind or a place that nobody filled."""
    kind = kinds()[identity]
    shown = {name: safe_text(str(fact)).replace("\n", " ")[:_LONGEST_FACT] for name, fact in facts.items()}
    return Finding(identity, kind.severity, kind.what.format_map(shown), kind.fix.format_map(shown), kind.can_fix, subject)
