"""Reload: which settings a process that runs takes over at once, and which only its next start.

What is in `AT_ONCE` is looked at in the running sections each time that it is needed; nothing is made from it beforehand, so that a value that
is put into its section counts from the next look on. Everything else is built into something: a socket, a connection, a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.config.loader import known_names, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.core.config.loader import Settings

AT_ONCE = frozenset(
    {
        "pairing.*",
        "model.*",
        "queue.slots",
        "queue.stale_after_hours",
        "queue.drain_s",
        "delivery.*",
        "pacing.*",
        "sleep.enabled",
        "sleep.start",
        "sleep.end",
        "sleep.spread_minutes",
        "limits.*",
        "takeover.*",
        "disclosure.*",
        "budget.daily_usd",
        "budget.daily_usd_per_contact",
        "drafts.*",
        "memory.budget_tokens",
        "memory.keep_days",
        "memory.weights.*",
        "hearing.unclear",
        "sight.remember_minutes",
        "jobs.*",
        "log.*",
        "tui.*",
        "secrets",
        "skill_secrets",
    }
)
"""Names of settings, or of a whole group (`pacing.*`). Of the last four, a process keeps the log's level itself, the screen reads its own when
it opens, and keys of skills are read anew with each use."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of the settings that had changed, by their names."""

    taken: tuple[str, ...]
    """They count from now on."""
    waiting: tuple[str, ...]
    """They count from the next start on."""


def is_taken_at_once(dotted: str) -> bool:
    """Whether a process that runs can take this setting over."""
    parts = dotted.split(".")
    return dotted in AT_ONCE or any(f"{'.'.join(parts[:length])}.*" in AT_ONCE for length in range(1, len(parts)))


def take_over(running: Settings, wanted: Settings) -> Reloaded:
    """`running` has the values of `wanted` wherever a process that runs can take them over."""
    changed = list(_changed(running, wanted))
    taken = [name for name in changed if is_taken_at_once(name)]
    for name in taken:
        _put(running, name.split("."), wanted)
    return Reloaded(tuple(taken), tuple(name for name in changed if name not in taken))


def _changed(running: Settings, wanted: Settings) -> Iterator[str]:
    for name in known_names():
        if value_of(running, name) != value_of(wanted, name):
            yield name


def _put(running: Settings, path: list[str], wanted: Settings) -> None:
    """One value of a section is another. Of a group inside a section the whole is put there: its object may be the default of all."""
    name, *inner = path
    if inner:
        vars(getattr(running, name))[inner[0]] = getattr(getattr(wanted, name), inner[0])
    else:
        vars(running)[name] = getattr(wanted, name)
