"""What did composing come to? Words, with what speaks against them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """Words for a contact. `hold` names why they are the owner's to send; `fault` what speaks against them as they are."""

    text: str
    hold: str = ""
    fault: str = ""
    by_line: bool = False
    """True when each line is a message of its own, as this owner writes."""
    facts: dict[str, Any] | None = None
    """How it came about, for the trace; quotes nobody."""


@dataclass(frozen=True, slots=True)
class NoReply:
    """Nothing to say, and why: `handed_over` to the owner, or what the model came to instead of words."""

    reason: str
    facts: dict[str, Any] | None = None
