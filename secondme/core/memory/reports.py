"""Reports: memory as the command line, the API and the screen show it."""

from __future__ import annotations

from secondme.core.records import CamelModel


class MemoryStatusReport(CamelModel):
    """How memory stands."""

    enabled: bool
    filled: bool
    """True when journals are written and what was said before them is remembered."""
    contacts: int
    bytes: int
    waiting: int
    """Contacts with something that is not yet remembered."""
    encrypted: bool
    """Whether files are encrypted, each with a key of its own."""
    damaged: int
    """Files that were moved aside."""
    facts: str
    embeddings: str
    recipients: list[str]
    """Vendors and servers that are sent what people write, or facts of it, so that it is found again; nobody by default."""
    unsent: int
    """Parts of conversations that AutoMem, and graphs that FalkorDB, does not have as they are: not stored, or not erased yet."""
    keep_days: int
    budget_tokens: int


class EvaluatedQuestion(CamelModel):
    """Where the answer to one question was found."""

    question: str
    place: int | None
    """Of the first message that answers it, from 1; None when it is not among the first 50."""
    in_budget: bool
    """Whether a reply would be shown it."""
    cpu_ms: float


class EvaluationReport(CamelModel):
    """How well what was said with a person is found again."""

    questions: list[EvaluatedQuestion]
    found: dict[str, float]
    """Shares of the questions whose answer is among the first `5`, `10`, `20`, and `inBudget`."""


class FactReport(CamelModel):
    """One fact, as somebody's claim."""

    id: str
    subject: str
    kind: str
    value: str
    text: str
    said_by: str
    """`contact` or `owner`."""
    said_at: str
    """RFC 3339."""
    until: str | None
    """When a newer one replaced it; None while it holds."""
    messages: list[str]


class MemoryHit(CamelModel):
    """One message that was found."""

    message_id: str
    contact_id: str
    at: str
    """RFC 3339."""
    speaker: str
    """`contact`, `owner` or `clone`."""
    text: str
    score: float
    why: list[str]


class MemoryOverview(CamelModel):
    """What is remembered of one contact."""

    contact_id: str
    messages: int
    by_contact: int
    by_owner: int
    by_clone: int
    imported: int
    first_at: str | None
    last_at: str | None
    facts: list[FactReport]


class ForgottenReport(CamelModel):
    """What was forgotten, and what of it was found when the contact's files were searched again."""

    messages: int
    facts: int
    left: int
    """Files that still have words of it. Anything but 0 is a fault."""
