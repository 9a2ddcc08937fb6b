"""Checks of jobs: whether they are run, what they came to, and whether they can be told."""

from __future__ import annotations

from datetime import timedelta

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.clock import from_ms
from secondme.core.doctor.check import NO_STORE, Check, DoctorContext, NotCheckedError, Ok, Outcome, found, verdict
from secondme.core.errors import SecondmeError
from secondme.core.format import counted
from secondme.core.ids import ContactId
from secondme.core.jobs.records import SELF
from secondme.core.jobs.store import JobStore

_LATE = timedelta(minutes=5)
_DAY = timedelta(days=1)
_WARNED = timedelta(days=7)
"""Before a grant ends, and the owner should know."""


async def jobs(subject: DoctorContext) -> Outcome:
    """Jobs run in time, come to something, and have somebody to tell."""
    store = JobStore(await subject.store())
    try:
        views, broken = await store.all()
        now, is_off = from_ms(await store.now_ms()), await store.is_off()
    except SecondmeError as error:
        raise NotCheckedError(NO_STORE) from error
    if not views and not broken:
        return Ok("none")
    seen = await subject.overview()
    findings = []
    if broken:
        findings.append(found("jobs-unreadable", count=len(broken)))
    disabled = [view.job for view in views if view.state.why in {"failed", "broken"}]
    findings += [found("job-disabled", name=job.name, id=job.id) for job in disabled]
    on = [view for view in views if view.state.enabled]
    late = [view for view in on if view.state.due_ms is not None and now - from_ms(view.state.due_ms) > _LATE]
    if late and seen.runs and not is_off and seen.everybody is None:
        findings.append(found("jobs-not-run", count=len(late)))
    missed = [view for view in views if view.last and view.last.outcome == "missed" and now - view.last.at < _DAY]
    if missed:
        findings.append(found("jobs-missed", count=len(missed), name=missed[0].job.name))
    if any(view.job.target == SELF for view in on) and seen.runs and not any(each.owner_chat for each in seen.channels):
        findings.append(found("jobs-nobody-to-tell"))
    approved = (await PairingStore(await subject.store(), subject.settings.pairing).listing()).approved
    grants = await store.grants([ContactId(each.contact_id) for each in approved])
    ending = [each for each in grants if now < each.until < now + _WARNED]
    if ending:
        findings.append(found("grants-end", count=len(ending)))
    told = f"{counted(len(on), 'job')} on" + (", and none runs by itself: secondme jobs on" if is_off else "")
    return verdict(*findings, detail=told)


CHECKS = (Check("jobs", "Jobs", "What the clone does by itself: whether it runs, and what came of it", jobs),)
