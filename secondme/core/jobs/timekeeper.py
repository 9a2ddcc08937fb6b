"""The timekeeper: it sees to it that what is due is run, once, by one of all the processes that look.

There is no leader. Every process that works looks at the same schedule, and a script decides who runs what. The time is the store's.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from secondme.core import fault_points
from secondme.core.clock import to_ms
from secondme.core.errors import SecondmeError
from secondme.core.jobs.schedule import AtSchedule, passed
from secondme.core.jobs.store import Ending
from secondme.core.log import get_logger
from secondme.core.security_log import SecurityEvent, Severity
from secondme.core.wake_timer import WakeTimer

if TYPE_CHECKING:
    from secondme.core.jobs.records import JobRecord
    from secondme.core.jobs.store import Claim, Due, JobStore
    from secondme.core.ports import Clock
    from secondme.core.security_log import SecurityLog

log = get_logger(__name__)

_LOOK_S = 5.0
"""How long what another process made due may go unnoticed, when it said nothing."""
_AGAIN_S = 2.0
"""After the store could not be asked."""
_REVIEW_S = 60.0
_SLOTS = 2
_EARLY_S = 0.001
"""The store counts milliseconds: looked at exactly in time, what is due might not be yet."""
_REST_S = 0.05
"""Between jobs that are due together: whoever writes just then is answered in between."""
_TEND_S = 5.0
_RUN_S = 180.0
"""How long a run may take."""
_AHEAD_MS = 600_000
"""A clock that is put back by less is waited for."""
_MADE_MS = 1_764_547_200_000
"""1 December 2025. A machine whose clock is earlier has not been told the time yet: nothing runs on it."""
_BACK_OFF_S = (60.0, 300.0, 900.0, 3600.0)
_DAY_RUNS = {"ask": 24, "write": 24}
"""Of kinds that ask a model."""


@dataclass(frozen=True, slots=True)
class Run:
    """An occurrence of a job that is ours to carry out. Unix ms."""

    job: JobRecord
    occurrence_ms: int
    attempt: int
    now_ms: int
    fence: int = 0
    payload: str = ""
    """What came with the call that it runs for, JSON; empty for most."""


class JobRunner(Protocol):
    """Carries out runs."""

    async def carry_out(self, run: Run) -> Ending:
        """What it came to; whatever it has to say is in it and was said to nobody. Raises SecondmeError: it failed, for now."""


class Timekeeper:
    """One process's share of keeping time."""

    def __init__(self, store: JobStore, runner: JobRunner, security: SecurityLog, name: str, clock: Clock) -> None:
        self._security = security
        self._store = store
        self._runner = runner
        self._name = name
        self._clock = clock
        self._running: set[str] = set()
        self._timer = WakeTimer(clock)

    def nudge(self) -> None:
        """Look at the schedule now: something was made due."""
        self._timer.set()

    async def run(self) -> None:
        """Until cancelled, what is due is run."""
        next_review = self._clock.monotonic()
        async with asyncio.TaskGroup() as runs:
            while True:
                wait_s = _AGAIN_S
                try:
                    if self._clock.monotonic() >= next_review:
                        next_review = self._clock.monotonic() + _REVIEW_S
                        await self.review()
                    wait_s = await self._begin_due(runs)
                except SecondmeError as error:
                    log.debug("jobs_put_off", code=error.code)
                await self._timer.wait(wait_s)

    async def step(self) -> int:
        """What is due now is run to its end; how many runs that were. For a caller that keeps the time itself."""
        count = 0
        for due in (await self._store.due())[0]:
            run = await self._take(due)
            if run is not None:
                count += 1
                await self._carry_out(*run)
        return count

    async def run_now(self, due: Due) -> str:
        """The job was run on the owner's word, whatever its schedule says; what that came to."""
        now = await self._store.now_ms()
        claim = await self._store.claim(
            due, "manual", self._name, occurrence_ms=now, next_ms=due.job.next_after(due.state.cursor_ms)
        )
        if claim.outcome != "run":
            return claim.outcome
        return await self._carry_out(claim, Run(due.job, now, claim.attempt, now, claim.fence, claim.payload), due)

    async def review(self) -> None:
        """Every job has its next step in the schedule, also after a clock was put back or the rules of a zone changed. Repeatable."""
        for due in await self._store.every():
            job, state, now = due.job, due.state, due.now_ms
            if not state.enabled or state.is_open or now < _MADE_MS:
                continue
            if state.cursor_ms > now + _AHEAD_MS:
                await self._store.claim(due, "back", self._name, next_ms=job.next_after(now))
                continue
            expected = job.next_after(state.cursor_ms)
            if expected != state.due_ms and (expected is None or state.due_ms is None or state.due_ms > now):
                await self._store.claim(due, "rest", self._name, next_ms=expected)

    async def _begin_due(self, runs: asyncio.TaskGroup) -> float:
        """What is due is begun, as far as there is room; seconds until the next look. No more is read than can be begun."""
        free = _SLOTS - len(self._running)
        ready, next_s = await self._store.due(free + 1)
        for due in ready[:free]:
            if due.job.id not in self._running and (run := await self._take(due)) is not None:
                self._running.add(due.job.id)
                runs.create_task(self._carry_out(*run)).add_done_callback(partial(self._end, due.job.id))
        return _LOOK_S if next_s is None else min(_LOOK_S, next_s + _EARLY_S)

    def _end(self, job: str, _: asyncio.Task[str]) -> None:
        self._running.discard(job)
        self._timer.set(_REST_S)  # there is room now, and the job itself may be due again

    async def _take(self, due: Due) -> tuple[Claim, Run, Due] | None:
        """The run that is ours now; None when there is none, and what is to be known of that is written down."""
        job, state, now = due.job, due.state, due.now_ms
        if now < _MADE_MS:
            return None
        if state.is_open:
            following = due.job.next_after(max(state.cursor_ms, state.occurrence_ms))
            claim = await self._store.claim(due, "again", self._name, occurrence_ms=state.occurrence_ms, next_ms=following)
            occurrence = state.occurrence_ms
        elif due.calls:
            occurrence = now
            following = due.job.next_after(state.cursor_ms)
            claim = await self._store.claim(due, "manual", self._name, occurrence_ms=occurrence, next_ms=following)
        elif state.cursor_ms > now:
            return None
        else:
            ends_ms = now if job.until is None else min(now, to_ms(job.until))
            found = passed(job.schedule, state.cursor_ms, ends_ms)
            if found is None:
                await self._store.claim(due, "rest", self._name, next_ms=due.job.next_after(state.cursor_ms))
                return None
            occurrence = found.newest_ms
            is_late = job.grace_s and now - occurrence > job.grace_s * 1000
            claim = await self._store.claim(
                due,
                "miss" if is_late else "run",
                self._name,
                occurrence_ms=occurrence,
                next_ms=due.job.next_after(occurrence),
                skipped=found.skipped + bool(is_late),
                most_runs=_DAY_RUNS.get(job.kind, 0),
            )
        fault_points.point("jobs.claimed")
        if claim.outcome in {"missed", "given_up", "limit"}:
            log.warning("job_passed_over", job=job.id, outcome=claim.outcome)
        return (
            (claim, Run(job, occurrence, claim.attempt, now, claim.fence, claim.payload), due) if claim.outcome == "run" else None
        )

    async def _carry_out(self, claim: Claim, run: Run, due: Due) -> str:
        """The run, to its end, under its lease."""
        tending = asyncio.create_task(self._tend(run.job.id, claim.fence))
        working = asyncio.create_task(self._work(run))
        started = self._clock.monotonic()
        try:
            await asyncio.wait({tending, working}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                log.warning("job_lease_lost", job=run.job.id)
                return "stale"
            ending = self._settled(working.result(), run, due)
            ms = int((self._clock.monotonic() - started) * 1000)
            fault_points.point("jobs.worked")
            outcome = await self._store.conclude(
                run.job.id, claim.fence, replace(ending, facts={"attempt": run.attempt, "ms": ms, **(ending.facts or {})})
            )
            fault_points.point("jobs.concluded")
            if outcome == "disabled":
                await self._security.record(SecurityEvent.JOB_DISABLED, Severity.WARN, job=run.job.id, kind=run.job.kind)
            log.info("job_ran", job=run.job.id, kind=run.job.kind, outcome=ending.outcome, state=outcome, ms=ms)
            return ending.outcome if outcome != "stale" else "stale"
        except SecondmeError as error:
            log.warning("job_unsettled", job=run.job.id, code=error.code)  # its lease runs out, and it is begun again
            return "unsettled"
        finally:
            for task in (tending, working):
                task.cancel()
            await asyncio.gather(tending, working, return_exceptions=True)

    async def _work(self, run: Run) -> Ending:
        try:
            async with asyncio.timeout(_RUN_S):
                return await self._runner.carry_out(run)
        except TimeoutError:
            return Ending("failed", "failed", facts={"why": "timeout"})
        except SecondmeError as error:
            log.warning("job_failed", job=run.job.id, code=error.code)
            return Ending("failed", "failed", facts={"why": error.code})
        except Exception as error:  # noqa: BLE001  the top of a task: one job's trouble is not the others'
            log.error("job_crashed", error, job=run.job.id)
            return Ending("failed", "failed", facts={"why": "crashed"})

    def _settled(self, ending: Ending, run: Run, due: Due) -> Ending:
        """The ending with what follows: the next occurrence, or another try as long as it is worth one."""
        job = run.job
        following = due.job.next_after(max(due.state.cursor_ms, run.occurrence_ms))
        ending = replace(ending, next_ms=following, max_runs=1 if isinstance(job.schedule, AtSchedule) else job.max_runs)
        if ending.counts == "waits":
            after_s = ending.again_after_s or _REVIEW_S
        elif ending.counts == "failed" and run.attempt <= len(_BACK_OFF_S):
            after_s = _BACK_OFF_S[run.attempt - 1]
        else:
            return replace(ending, outcome="given_up") if ending.counts == "failed" else ending
        ends_ms = run.occurrence_ms + job.grace_s * 1000 if job.grace_s else None
        is_worth_it = ends_ms is None or run.now_ms + after_s * 1000 < ends_ms
        if is_worth_it:
            return replace(ending, again_after_s=after_s)
        return replace(ending, outcome="given_up", counts="failed", again_after_s=None)

    async def _tend(self, job: str, fence: int) -> None:
        """Ends when the run is not ours any more."""
        while True:
            await self._clock.sleep(_TEND_S)
            with contextlib.suppress(SecondmeError):
                if not await self._store.tend(job, fence):
                    return
