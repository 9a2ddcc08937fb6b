"""What is worth a look: faults that the owner would not see otherwise, found by cheap looks at the store and this machine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from secondme.cli.tui.layout import shown_name
from secondme.core.format import counted, lately
from secondme.core.log import security_file
from secondme.core.security_log import Entry, SecurityEvent, newest_entries
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.cli.tui.link import Snapshot
    from secondme.core.config.loader import Setup
    from secondme.core.jobs.records import JobView
    from secondme.services import Services

_BACKUP_LASTS = timedelta(days=14)
_RECENT = timedelta(days=1)
_NEAR = 0.8
_ENTRIES = 200
_MOST_CODES = 3


@dataclass(frozen=True, slots=True)
class Alarm:
    """One of them. The words are safe to show."""

    level: Literal["bad", "note"]
    words: str
    when: str
    page: str
    """Where more is to be seen."""


async def alarms(services: Services, snapshot: Snapshot, jobs: Sequence[JobView], now: datetime) -> list[Alarm]:
    """What is the matter, the worst first. Raises SecondmeError when the store is out of reach."""
    found = [*_of_channels(snapshot), *_of_jobs(jobs, now), *_of_budget(snapshot)]
    found += await _of_backup(services, snapshot, now)
    found += await asyncio.to_thread(_of_personas, services.setup)
    found += await asyncio.to_thread(_of_codes, services.setup, snapshot, now)
    return sorted(found, key=lambda alarm: alarm.level != "bad")


def _of_channels(snapshot: Snapshot) -> list[Alarm]:
    return [
        Alarm("bad", f"{safe_name(facts.title)} needs you", "now", "system")
        for facts in snapshot.overview.channels
        if facts.state == "needs_owner"
    ]


def _of_jobs(jobs: Sequence[JobView], now: datetime) -> list[Alarm]:
    return [
        Alarm("bad", f"{safe_name(view.job.name)} failed", lately(view.last.occurrence, now) if view.last else "", "jobs")
        for view in jobs
        if view.state.why in {"failed", "broken"} and not view.state.enabled
    ]


def _of_budget(snapshot: Snapshot) -> list[Alarm]:
    overview = snapshot.overview
    share = overview.glance.today_micros / (overview.cap_usd * 1_000_000) if overview.cap_usd else 0.0
    if share >= 1:
        return [Alarm("bad", "Today's budget is spent: messages wait", "today", "usage")]
    return [Alarm("note", f"{share:.0%} of today's budget is spent", "today", "usage")] if share >= _NEAR else []


async def _of_backup(services: Services, snapshot: Snapshot, now: datetime) -> list[Alarm]:
    """Quiet for two weeks, and while nobody has been approved for as long."""
    from secondme.core.backup.store import last_backup_at

    if (made := await last_backup_at(services.store)) is not None:
        age = now - made
        return [Alarm("bad", f"Backup is {age.days} days old", lately(made, now), "system")] if age > _BACKUP_LASTS else []
    first = min((contact.approved_at for contact in snapshot.listing.approved), default=now)
    return [Alarm("note", "No backup was made yet: secondme backup", "", "system")] if now - first > _BACKUP_LASTS else []


def _of_personas(setup: Setup) -> list[Alarm]:
    from secondme.core.errors import ConfigError
    from secondme.services import persona_library

    try:
        broken = persona_library(setup).broken()
    except ConfigError:
        return [Alarm("bad", "The personas cannot be read", "now", "voice")]
    return [Alarm("bad", f"The persona {safe_name(each.id)} is broken", "now", "voice") for each in broken]


def _of_codes(setup: Setup, snapshot: Snapshot, now: datetime) -> list[Alarm]:
    """Wrong codes of the last day, by whom."""
    path = security_file(setup.places.logs)
    entries = newest_entries(path, _ENTRIES) if path.exists() else []
    wrong: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.event == SecurityEvent.PAIRING_CODE_ATTEMPT and entry.severity != "info" and now - entry.at < _RECENT:
            wrong.setdefault(entry.contact_id, []).append(entry)
    del snapshot
    return [
        Alarm("note", f"{counted(len(found), 'wrong code')} from {shown_name(None, who)}", lately(found[-1].at, now), "system")
        for who, found in list(wrong.items())[:_MOST_CODES]
    ]
