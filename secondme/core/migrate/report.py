"""The report of a migration: one verdict for each value, counted by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from secondme.core.migrate.formats import Left, Sleep

KINDS = (
    "histories",
    "turns",
    "pauses",
    "everybody_paused",
    "contacts",
    "styles",
    "relationships",
    "relationship_overrides",
    "token_usage",
    "token_stats",
    "deferred",
    "sleep_hours",
    "session",
    "other_keys",
)


@dataclass(slots=True)
class Fate:
    """What became of the values of one kind."""

    taken: int = 0
    already: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> values left out on purpose."""
    refused: Counter[str] = field(default_factory=Counter)
    """Reason -> values that could not be used."""


@dataclass(slots=True)
class PredecessorReport:
    """What became of everything. The same with and without `execute`."""

    fates: dict[str, Fate] = field(default_factory=lambda: {kind: Fate() for kind in KINDS})
    sleep: Sleep | None = None
    """What the settings should say. Writing them is for who owns the configuration."""
    session: dict[str, Any] | None = None  # JSON values
    processed: int = 0


class PredecessorWatcher(Protocol):
    """Who wants to know as it happens."""

    def value(self, kind: str, name: str, verdict: str) -> None:
        """One value was decided about. `name` may hold anything; never what was said."""

    def moved(self, report: PredecessorReport) -> None:
        """Another batch is done."""


class MigrationLedger:
    """Where every verdict is written down."""

    def __init__(self, watcher: PredecessorWatcher) -> None:
        self.report = PredecessorReport()
        self._watcher = watcher

    def note(self, kind: str, name: str, verdict: str | Left) -> None:
        """The verdict on one value: taken, already, or why it was left."""
        fate = self.report.fates[kind]
        self.report.processed += 1
        if verdict == "taken":
            fate.taken += 1
        elif verdict == "already":
            fate.already += 1
        elif isinstance(verdict, Left):
            (fate.skipped if verdict.skipped else fate.refused)[verdict.reason] += 1
            verdict = verdict.reason
        else:
            fate.refused[verdict] += 1
        self._watcher.value(kind, name, verdict)

    def count(self, kind: str, verdict: str | Left, number: int = 1) -> None:
        """As `note`, for values too many or too private to be named."""
        fate = self.report.fates[kind]
        if verdict == "taken":
            fate.taken += number
        elif verdict == "already":
            fate.already += number
        else:
            left = verdict if isinstance(verdict, Left) else Left(verdict)
            (fate.skipped if left.skipped else fate.refused)[left.reason] += number

    def batch_done(self) -> None:
        """Tell who watches."""
        self._watcher.moved(self.report)
