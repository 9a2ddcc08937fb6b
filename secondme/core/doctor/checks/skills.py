"""The check of skills: what is on can run, as it was approved, and something confines it.

What only the skills themselves can tell is a look that the caller brings: nothing of them is imported here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.doctor.check import (
    Check,
    DoctorContext,
    NotCheckedError,
    NotConfigured,
    Ok,
    Outcome,
    found,
    verdict,
    why_unasked,
)
from secondme.core.errors import SecondmeError
from secondme.core.format import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.config.loader import Setup
    from secondme.core.doctor.check import Finding
    from secondme.core.store.client import Store
    from secondme.core.tools.store import ToolRun

_FAILURES = 3
_WITHIN_MS = 600_000
_KINDS = {"changed": "skill-changed", "refused": "skill-refused", "unusable": "skill-unusable"}


@dataclass(frozen=True, slots=True)
class SkillFacts:
    """How one skill stands, in the words of its registry."""

    name: str
    state: str
    reason: str
    fix: str
    is_wanted: bool
    """True when the owner switched it on."""
    is_own: bool


@dataclass(frozen=True, slots=True)
class SkillLook:
    """What the skills of a home, and the machine, tell."""

    skills: Sequence[SkillFacts]
    lock_fault: tuple[str, str] | None
    """Why the list of approvals cannot be used, and what mends it."""
    open_folder: str
    """The folder of skills when others may write it."""
    level: str
    """What confines code; empty when no skill with code is on, and nobody asked."""
    level_fix: str
    too_many: str
    """For whom more tools are on than a model is offered; empty: for nobody."""
    runs: Sequence[ToolRun]
    """The newest uses of tools."""


def check_of(look: Callable[[Setup, Store], Awaitable[SkillLook]]) -> Check:
    """The check, over this look."""

    async def examine(subject: DoctorContext) -> Outcome:
        try:
            seen = await look(subject.setup, await subject.store())
        except SecondmeError as error:
            raise NotCheckedError(why_unasked(error)) from error
        wanted = [each for each in seen.skills if each.is_wanted]
        findings = [*_of_machine(subject, seen), *_of_skills(seen), *_failing(subject, seen)]
        if not findings and not wanted:
            return NotConfigured("no skill is on")
        if findings:
            return verdict(*findings)
        return Ok(f"{counted(len(wanted), 'skill')} on{f', {seen.level}' if seen.level else ''}")

    return Check("skills", "Skills", "what is on can run, as you approved it, and confined", examine)


def _of_machine(subject: DoctorContext, seen: SkillLook) -> list[Finding]:
    findings = []
    if seen.lock_fault is not None:
        findings.append(
            found("skills-lock-broken", path=subject.places.skills_lock, why=seen.lock_fault[0], fix=seen.lock_fault[1])
        )
    if seen.open_folder:
        findings.append(found("skills-folder-open", path=seen.open_folder))
    if seen.level == "none":
        findings.append(found("skills-not-confined", fix=seen.level_fix))
    if seen.too_many:
        findings.append(found("skills-too-many-tools", who=seen.too_many))
    return findings


def _of_skills(seen: SkillLook) -> list[Finding]:
    findings = []
    for each in seen.skills:
        kind = _KINDS.get(each.state, "skill-not-set-up" if each.state == "not_set_up" and each.is_wanted else "")
        is_asked = each.is_wanted or (each.is_own and each.state in {"changed", "refused"})
        if kind and is_asked and seen.lock_fault is None:
            findings.append(found(kind, name=each.name, why=each.reason, fix=each.fix))
    return findings


def _failing(subject: DoctorContext, seen: SkillLook) -> list[Finding]:
    since = subject.clock.now_ms() - _WITHIN_MS
    failures = Counter(run.skill for run in seen.runs if run.at_ms >= since and run.code in _BLAMED)
    return [found("skill-failing", name=name, count=count) for name, count in failures.items() if count >= _FAILURES]


_BLAMED = frozenset(
    {"timed_out", "too_long", "too_much", "too_deep", "not_json", "asks_too_often", "ended", "failed", "no_sandbox", "bad_code"}
)
"""Codes of a call that are the skill's fault, or the machine's; all others are answers."""
