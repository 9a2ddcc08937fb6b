"""The security log: who tried to get in, what was decided, and what looked wrong.

One line for each event in `security.jsonl`, through the one logging set-up (`log.set_up`). Warnings and errors are also published
on `events:security`, so that somebody who watches sees them at once. Ids are masked; no name, no message text, no code.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from secondme.core.errors import SecondmeError
from secondme.core.ids import mask_contact_id
from secondme.core.log import SECURITY, SEVERITIES, Fact, get_logger
from secondme.core.log_reader import Following, files_of, moment_of, newest_lines, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from secondme.core.clock import SystemClock as Clock

log = get_logger(SECURITY)

_SHOWN_BY_ITSELF = frozenset({"timestamp", "level", "event", "contactId", "category", "logger"})


class SecurityEvent(StrEnum):
    """What is worth a line. The first eleven are the requirement's (plan.md 1.2.1)."""

    PAIRING_REQUEST = "pairing_request"
    PAIRING_APPROVED = "pairing_approved"
    PAIRING_DENIED = "pairing_denied"
    PAIRING_CODE_ATTEMPT = "pairing_code_attempt"
    PAIRING_REVOKED = "pairing_revoked"
    RATE_LIMIT_TRIGGERED = "rate_limit_triggered"
    PAUSE_ACTIVATED = "pause_activated"
    KILL_SWITCH_ACTIVATED = "kill_switch_activated"
    SUSPICIOUS_CONTENT = "suspicious_content"
    AUTH_SESSION_CREATED = "auth_session_created"
    """A platform took our credentials: the channel is connected, for the first time since it was not."""
    AUTH_SESSION_EXPIRED = "auth_session_expired"
    """A platform takes them no more, or the channel cannot go on for another reason that only the owner can mend; the code says which."""
    PAIRING_FULL = "pairing_full"
    """So many wait that new ones are ignored. At most one a minute."""
    PAIRING_CLOSED = "pairing_closed"
    """Too many wrong codes over all contacts: invites and self-verification are closed for an hour."""
    PAIRING_UNBLOCKED = "pairing_unblocked"
    PAIRING_EDITED = "pairing_edited"
    PAIRING_INVITED = "pairing_invited"
    PAIRING_INVITE_CANCELLED = "pairing_invite_cancelled"
    PAIRING_MIGRATED = "pairing_migrated"
    """Contacts with a history were approved; how many, in one line."""
    REPLY_MODE_CHANGED = "reply_mode_changed"
    """Whether one contact is answered, and how, is the owner's word from now on, or the tier's again (`chosen` says which)."""
    PAUSE_LIFTED = "pause_lifted"
    KILL_SWITCH_LIFTED = "kill_switch_lifted"
    OWNER_COMMAND_REFUSED = "owner_command_refused"
    """A channel took somebody's message for the owner's, and it was not from the owner's own chat."""
    CHANNEL_CONNECTED = "channel_connected"
    CHANNEL_DISCONNECTED = "channel_disconnected"
    """The owner wants a channel to run, or not."""
    CONTACTS_LINKED = "contacts_linked"
    CONTACTS_UNLINKED = "contacts_unlinked"
    CONTACT_FORGOTTEN = "contact_forgotten"
    """Everything of a person was erased."""
    CONTENT_NOT_ANALYZED = "content_not_analyzed"
    """Messages came faster than they could be analysed; they were answered all the same."""
    SKILL_APPROVED = "skill_approved"
    """The owner approved the code of a skill; its digest says which."""
    SKILL_SWITCHED = "skill_switched"
    """A skill is on or off (`enabled`)."""
    SKILL_REMOVED = "skill_removed"
    SKILL_REFUSED = "skill_refused"
    """A skill asked for what it may not have; the code says what. At most one a minute of a skill."""
    PROPOSAL_DECIDED = "proposal_decided"
    """The owner approved or dropped what a skill would do."""
    JOB_MADE = "job_made"
    """The owner made a job, or changed or removed one."""
    JOB_CHANGED = "job_changed"
    JOB_REMOVED = "job_removed"
    JOB_DISABLED = "job_disabled"
    """A job came to nothing too often, or can never come to anything: it does not run any more."""
    JOBS_SWITCHED = "jobs_switched"
    """Jobs run by themselves, or none does (`enabled`)."""
    GRANT_GIVEN = "grant_given"
    """Jobs may write to a contact by themselves, for a time, in one category."""
    GRANT_ENDED = "grant_ended"
    PROACTIVE_SENT = "proactive_sent"
    """A job's words for a contact are on their way without having been looked at."""
    PROACTIVE_HELD = "proactive_held"
    """A job laid words for a contact before the owner."""
    API_REFUSED = "api_refused"
    """Somebody without the token, or from a strange page, asked the HTTP API. At most one a minute."""
    API_TOKEN_MADE = "api_token_made"  # noqa: S105  the name of an event
    """The owner made a token of its own for a program; its name and scopes, never the token."""
    API_TOKEN_REVOKED = "api_token_revoked"  # noqa: S105  the name of an event
    API_TOKEN_REFUSED = "api_token_refused"  # noqa: S105  the name of an event
    """A program asked for more than its token covers. At most one a minute of a name."""
    WEBHOOK_ADDED = "webhook_added"
    """The owner wants something told to a server elsewhere; which host, never the whole address."""
    WEBHOOK_ROTATED = "webhook_rotated"
    WEBHOOK_REMOVED = "webhook_removed"
    WEBHOOK_DISABLED = "webhook_disabled"
    """Its receiver wants no more (`gone`), or took nothing for three days (`failing`)."""


class Severity(StrEnum):
    """How much it matters. From WARN on it is published too."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class SecurityLog:
    """Writes security events of one process. `publish` gets those that matter."""

    def __init__(self, publish: Callable[[dict[str, Fact]], Awaitable[object]] | None = None) -> None:
        self._publish = publish

    async def record(
        self, event: SecurityEvent, severity: Severity = Severity.INFO, contact: str | None = None, **details: Fact
    ) -> None:
        """The event is written down and, from `warn` on, published. Never raises: what was decided stands, logged or not.

        `details` are numbers and words of ours; never a name, a text or a code.
        """
        self.write(event, severity, contact, **details)
        if self._publish is None or severity not in {Severity.WARN, Severity.ERROR}:
            return
        told: dict[str, Fact] = {"event": event.value, "severity": severity.value, **details}
        if contact is not None:
            told["contactId"] = mask_contact_id(contact)
        with contextlib.suppress(SecondmeError):
            await self._publish(told)

    def write(self, event: SecurityEvent, severity: Severity = Severity.INFO, contact: str | None = None, **details: Fact) -> None:
        """The event is written down. For those that a script published when it decided."""
        facts: dict[str, Fact] = {"category": "security"}
        if contact is not None:
            facts["contactId"] = mask_contact_id(contact)
        getattr(log, _LEVELS[severity])(event.value, **{**facts, **details})


_LEVELS = {Severity.DEBUG: "debug", Severity.INFO: "info", Severity.WARN: "warning", Severity.ERROR: "error"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log, read again. `at` is aware UTC."""

    at: datetime
    severity: str
    event: str
    contact_id: str
    details: dict[str, Any]  # whatever JSON held

    def in_words(self) -> str:
        """Its details as `name=value`; of a list of flags, their types and where they were found."""
        return " ".join(f"{name}={_word(value)}" for name, value in self.details.items() if value is not None)


def _word(value: Any) -> str:  # whatever JSON held
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, list):
        return str(value)
    return ",".join(f"{each.get('type')}@{each.get('position') or 0}" if isinstance(each, dict) else str(each) for each in value)


@dataclass(frozen=True, slots=True)
class SecurityReport:
    """What happened in a time, as counts. Each Counter's keys are words of ours or masked ids."""

    first: datetime | None
    last: datetime | None
    total: int
    by_event: Counter[str]
    by_severity: Counter[str]
    by_contact: Counter[str]


def read_entries(path: Path, since: datetime | None = None) -> Iterator[Entry]:
    """The entries of the log at `path` and of its older files, oldest first; a line that cannot be read is passed over.

    `since` (aware) leaves out what is older, and does not open files that ended before it.
    """
    for file in reversed(files_of(path)):
        with contextlib.suppress(FileNotFoundError):
            if since is not None and file.stat().st_mtime < since.timestamp():
                continue
            with file.open("rb") as lines:
                yield from (entry for line in lines if (entry := _entry(line)) and (since is None or entry.at >= since))


def newest_entries(path: Path, count: int, end: int | None = None) -> list[Entry]:
    """The newest `count` entries, oldest first, in the newest file only of its first `end` bytes. Reads no more than that needs."""
    return list(islice(filter(None, map(_entry, newest_lines(path, end))), count))[::-1]


async def follow(path: Path, count: int, clock: Clock) -> AsyncIterator[Entry]:
    """The newest `count` entries, oldest first, and then each one as it is written, until cancelled; rotations are followed. None falls
    between, and none comes twice."""
    with contextlib.closing(Following(path)) as following:  # before the old ones are read
        for known in newest_entries(path, count, following.start):
            yield known
        async for line in following.lines(clock):
            if entry := _entry(line):
                yield entry


def report(entries: Iterable[Entry]) -> SecurityReport:
    """The entries as counts. Reads them once and keeps none: memory grows with the number of contacts, not of lines."""
    first = last = None
    events: Counter[str] = Counter()
    severities: Counter[str] = Counter()
    contacts: Counter[str] = Counter()
    for entry in entries:
        first, last = first or entry.at, entry.at
        events[entry.event] += 1
        severities[entry.severity] += 1
        if entry.contact_id:
            contacts[entry.contact_id] += 1
    return SecurityReport(first, last, sum(events.values()), events, severities, contacts)


def _entry(raw: bytes) -> Entry | None:
    fields = parse(raw)
    at = moment_of(fields) if fields is not None else None
    if fields is None or at is None or "level" not in fields:
        return None
    level, contact = str(fields["level"]), str(fields.get("contactId", ""))
    details = {key: value for key, value in fields.items() if key not in _SHOWN_BY_ITSELF}
    return Entry(at, SEVERITIES.get(level, level), fields["event"], contact, details)
