"""What a job is, as it is stored: the owner's word, how it stands, and what became of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  pydantic reads it
from typing import Literal

from secondme.core.clock import to_ms
from secondme.core.enums import Thinking  # noqa: TC001  as above
from secondme.core.jobs.schedule import Schedule, next_after
from secondme.core.records import CamelModel, Moment, Record

JobKind = Literal["say", "ask", "write", "digest", "owed", "promises", "birthdays", "followup", "week", "watch"]
"""What a job does: say words as they are, ask the clone, write to a contact, or one of the ready-made ones."""

SELF = "self"
"""The target that is the owner's own chat, wherever that is by then."""


class JobRecord(Record):
    """What the owner wants. `JOB:def:{id}`; nobody else's words are in it, no model, no tool and no address."""

    id: str
    rev: int = 0
    name: str
    kind: JobKind
    target: str = SELF
    """`self`, or the contact that is written to. It never changes by itself."""
    schedule: Schedule
    text: str = ""
    thinking: Thinking | None = None
    persona: str | None = None
    loud: bool = False
    """True: it is told at night too."""
    grace_s: int
    """How late it may still run; 0: whenever."""
    valid_s: int = 0
    """How long a draft of it is worth anything; 0: as long as others."""
    max_runs: int = 0
    """After so many it is done; 0: never."""
    until: Moment | None = None
    origin: str
    """Where it was made: `cli`, `tui`, `owner-chat`, `ready`, or `api` and the token's name."""
    created_at: Moment
    edited_at: Moment

    def next_after(self, after_ms: int) -> int | None:
        """Its first occurrence after `after_ms` (Unix ms), as its schedule says; None when there is none before its end."""
        following = next_after(self.schedule, after_ms)
        return None if following is None or (self.until is not None and following > to_ms(self.until)) else following


class JobRun(CamelModel):
    """What became of one occurrence. No words are kept of it."""

    occurrence: Moment
    at: Moment
    """When it came to that."""
    outcome: str
    """nothing, queued, sent, draft, dropped, expired, overtaken, undeliverable, failed, given_up, missed, coalesced, waiting, limit, clock_back, refused"""
    why: str = ""
    skipped: int = 0
    """How many were due before it and are not made up for."""
    ms: int = 0
    micros: int = 0
    """What it cost, in millionths of a dollar."""
    rows: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    sent_at: Moment | None = None
    platform_ids: tuple[str, ...] = ()
    """Of what reached its platform, as that said."""


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job stands. Unix ms."""

    rev: int
    enabled: bool
    why: str
    """Why it is not: `paused`, `done`, `failed` or `broken`."""
    cursor_ms: int
    occurrence_ms: int
    is_open: bool
    attempts: int
    fails: int
    due_ms: int | None
    """Its next step."""

    @classmethod
    def of(cls, fields: dict[str, str], due_ms: int | None) -> JobState:
        """From the hash and the score that are kept of it; what is missing is nothing."""
        number = {name: int(value) for name, value in fields.items() if value.lstrip("-").isdigit()}
        return cls(
            number.get("rev", 0),
            number.get("enabled", 0) == 1,
            fields.get("why", ""),
            number.get("cursor", 0),
            number.get("occ", 0),
            number.get("open", 0) == 1,
            number.get("attempts", 0),
            number.get("fails", 0),
            due_ms,
        )


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it is shown: what is wanted, how it stands, when it comes next, and what became of it last."""

    job: JobRecord
    state: JobState
    next_at: datetime | None
    last: JobRun | None


@dataclass(frozen=True, slots=True)
class JobsStanding:
    """How jobs stand in all."""

    total: int = 0
    on: int = 0
    """With a time to come."""
    late: int = 0
    """Due for five minutes, and not run."""
    is_off: bool = False
    """No job runs by itself."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """What runs came to, and how often, since this store began."""
