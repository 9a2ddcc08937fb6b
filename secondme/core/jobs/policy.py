"""What a job may do to whom: decided from what is known, before anything is composed, and asked again by the script that carries it out. Pure.

The owner's own chat may be told. A contact is written to by nobody but the owner, who may let drafts be laid before them (`reach`), and may allow
single people to be greeted without asking (a grant). Sources: the owner's requirements on proactivity, OWASP's "excessive agency" (LLM06).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.enums import ReplyMode, Tier

if TYPE_CHECKING:
    from datetime import time

    from secondme.core.config.models import JobLimits
    from secondme.core.jobs.records import JobKind

Category = Literal["reminder", "digest", "owed", "promises", "birthdays", "week", "watch", "ask", "greet", "followup", "write"]
Reach = Literal["self", "drafts", "allowed"]
TO_CONTACTS: frozenset[Category] = frozenset({"greet", "followup", "write"})
"""What is said to a contact; everything else is said to the owner."""
GRANTABLE: frozenset[Category] = frozenset({"greet", "followup"})
"""What may leave without being looked at, to somebody whom the owner allowed."""
_HOUR_MS = 3_600_000


def category_of(kind: JobKind) -> Category:
    """What a job of this kind says to its target."""
    return "reminder" if kind == "say" else kind


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a contact, and of what was sent before. Times are Unix ms."""

    now_ms: int
    local_time: time
    """On the contact's clock, or else the owner's."""
    is_asleep: bool
    """The owner sleeps: nobody would believe that they write now."""
    is_approved: bool
    tier: Tier
    mode: ReplyMode
    """How the contact is answered."""
    is_stopped: bool
    """The kill switch is on, or the contact, its channel or everybody is paused."""
    granted_until_ms: int
    newest_turn_ms: int
    unanswered: int
    has_open_draft: bool
    drafts_today: int
    sent_last_hour: int
    sent_today: int
    sent_to_contact_today: int
    sent_to_contact_week: int
    last_sent_ms: int


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What becomes of it: `draft` and `send` are composed; `later` is tried again; `skip` and `refuse` are not composed, and `why` is written down."""

    verdict: Literal["draft", "send", "later", "skip", "refuse"]
    why: str = ""


def decide(category: Category, reach: Reach, situation: Situation, limits: JobLimits) -> PolicyDecision:
    """What may be done about words of `category` for the contact of `situation`."""
    if objection := _objection(category, reach, situation, limits):
        return objection
    may_send = (
        reach == "allowed"
        and category in GRANTABLE
        and situation.tier is Tier.TRUSTED
        and situation.mode is ReplyMode.AUTO
        and situation.granted_until_ms > situation.now_ms
    )
    if may_send:
        is_full = situation.sent_last_hour >= limits.sent_per_hour or situation.sent_today >= limits.sent_per_day
        return PolicyDecision("skip", "limit") if is_full else PolicyDecision("send")
    return PolicyDecision("skip", "limit") if situation.drafts_today >= limits.drafts_per_day else PolicyDecision("draft")


def _objection(category: Category, reach: Reach, situation: Situation, limits: JobLimits) -> PolicyDecision | None:
    """The first thing that speaks against it, whether it is sent or laid before the owner."""
    objections: tuple[tuple[bool, Literal["refuse", "skip", "later"], str], ...] = (
        (category not in TO_CONTACTS, "refuse", "not_for_contacts"),
        (reach == "self", "refuse", "reach"),
        (not situation.is_approved, "refuse", "not_approved"),
        (situation.mode in {ReplyMode.OBSERVE, ReplyMode.OFF}, "skip", "mode"),
        (situation.is_stopped, "skip", "stopped"),
        (situation.unanswered >= limits.unanswered, "skip", "unanswered"),
        (situation.has_open_draft, "skip", "open_draft"),
        (_is_over(situation, limits), "skip", "limit"),
        (situation.now_ms - situation.newest_turn_ms < limits.quiet_minutes * 60_000, "later", "in_conversation"),
        (situation.is_asleep or not limits.earliest <= situation.local_time < limits.latest, "later", "time_of_day"),
    )
    return next((PolicyDecision(verdict, why) for holds, verdict, why in objections if holds), None)


def _is_over(situation: Situation, limits: JobLimits) -> bool:
    return (
        situation.sent_to_contact_today >= limits.contact_per_day
        or situation.sent_to_contact_week >= limits.contact_per_week
        or situation.now_ms - situation.last_sent_ms < limits.gap_hours * _HOUR_MS
    )
