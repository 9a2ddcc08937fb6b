"""Jobs in Redis. Each step of one is a script, and may be repeated; times are the store's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId, new_id
from secondme.core.jobs.policy import Situation
from secondme.core.jobs.records import JobRecord, JobRun, JobsStanding, JobState, JobView
from secondme.core.jobs.schedule import AtSchedule
from secondme.core.log import get_logger
from secondme.core.send.store import once_of
from secondme.core.store import keys
from secondme.core.store.events import Nudge, nudge
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from secondme.core.config.models import JobLimits
    from secondme.core.records import ApprovedContact, NewRow
    from secondme.core.store.client import Store

log = get_logger(__name__)

MOST_JOBS = 100
MOST_ATTEMPTS = 5
"""How often an occurrence is begun, whatever ended it before."""
LEASE_MS = 15_000
_FAILS = 5
"""Occurrences in a row that came to nothing, after which a job is disabled."""
_PAGE = 20
_PREFIX = 3
_BROKEN_S = 3600.0
_LATE_MS = 300_000
_CALLS_A_MINUTE, _CALLS_A_DAY, _MOST_CALLS = 10, 100, 20
_NO_CHAT = "none"
"""Whose outbox a run without words names."""

Verdict = Literal["run", "again", "manual", "miss", "back", "rest"]


@dataclass(frozen=True, slots=True)
class Due:
    """A job with a step to take, as it was read, and the store's time then."""

    job: JobRecord
    state: JobState
    now_ms: int
    calls: int = 0
    """How many wait for it to run."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of a claim: a run that is ours under a fence, or why there is none."""

    outcome: str
    fence: int = 0
    attempt: int = 0
    payload: str = ""
    """What came with the call that it runs for, JSON."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends."""

    outcome: str
    counts: Literal["kept", "failed", "waits", "broken"] = "kept"
    """For what it counts; `broken` disables the job at once."""
    next_ms: int | None = None
    again_after_s: float | None = None
    """Seconds until it is tried again; None: it is over."""
    facts: Mapping[str, object] | None = None
    """For its log, JSON values, no words."""
    drafts: tuple[str, ...] = ()
    """What it laid before the owner, or sent to a contact: ids of replies."""
    seen: str = ""
    rows: Sequence[NewRow] = ()
    after_s: float = 0.0
    """Seconds until the rows leave."""
    limit: int = 0
    """How many times jobs may tell the owner in a day; 0: this one does not count."""
    max_runs: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """Words of a run for a contact."""

    job: str
    fence: int
    category: str
    rows: Sequence[NewRow]
    basis: str
    """The id of the newest turn that was known when they were written."""
    once: str
    """What they are written once for, within a week."""
    sends: bool = False
    """True: they leave, where that is allowed; else they wait for the owner."""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class JobGrant:
    """That jobs may write to somebody without asking."""

    contact_id: ContactId
    category: str
    until: datetime


class JobStore:
    """Every job of a home."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def standing(self) -> JobsStanding:
        """How many jobs there are, and what runs came to; nothing of what cannot be read. One round trip but for the time."""
        try:
            late_ms = await self.now_ms() - _LATE_MS
        except DataError:
            late_ms = 0
        pipe = self._store.client.pipeline(transaction=False)
        pipe.zcard(keys.JOBS_INDEX)
        pipe.zcard(keys.JOBS_DUE)
        pipe.zcount(keys.JOBS_DUE, "-inf", late_ms)
        pipe.exists(keys.JOBS_OFF)
        pipe.hgetall(keys.JOBS_COUNTS)
        (total, on, late, off, counts), _ = await self._store.look(pipe)
        outcomes = {name.decode(): int(count) for name, count in (counts or {}).items() if count.isdigit()}
        return JobsStanding(total or 0, on or 0, late or 0, is_off=bool(off), outcomes=outcomes)

    async def now_ms(self) -> int:
        """The store's time, Unix ms."""
        now: int = int((await self._store.run("due", (1,), schedule=keys.JOBS_DUE))[0])
        return now

    async def all(self) -> tuple[list[JobView], list[DataError]]:
        """Every job, the oldest first, and what of them could not be read. Reading changes nothing."""
        ids = [raw.decode() for raw in await self._store.call(self._store.client.zrange(keys.JOBS_INDEX, 0, MOST_JOBS * 2))]
        return await self._views(ids)

    async def view(self, job: str) -> JobView:
        """One of them. Raises NotFoundError, DataError."""
        views, broken = await self._views([job])
        if broken:
            raise broken[0]
        if not views:
            raise _unknown(job)
        return views[0]

    async def names(self, jobs: Sequence[str]) -> dict[str, str]:
        """What each of these jobs is called. One that is gone, or cannot be read, is left out."""
        return {due.job.id: due.job.name for due in await self._read(jobs)} if jobs else {}

    async def find(self, reference: str) -> JobView:
        """The job with this id or name, or whose id begins so. Raises NotFoundError."""
        views, _ = await self.all()
        wanted = reference.casefold().strip()
        for exactly in (
            [view for view in views if view.job.id == wanted],
            [view for view in views if view.job.name.casefold() == wanted],
            [view for view in views if len(wanted) >= _PREFIX and view.job.id.startswith(wanted)],
        ):
            if len(exactly) == 1:
                return exactly[0]
        raise _unknown(reference)

    async def due(self, most: int = _PAGE) -> tuple[list[Due], float | None]:
        """The first `most` jobs whose next step is due, and seconds until the first that is not (None: nothing waits)."""
        ready: list[str] = []
        wait_s: float | None = None
        for name, left_s in await self._store.due(keys.JOBS_DUE, most):
            if left_s > 0:
                wait_s = left_s
                break
            ready.append(name)
        return await self._read(ready), wait_s

    async def read(self, job: str) -> Due:
        """One job, to be claimed. Raises NotFoundError, DataError."""
        read, broken = await self._records([job])
        if broken:
            raise broken[job]
        if not read:
            raise _unknown(job)
        return read[0]

    async def every(self) -> list[Due]:
        """Every job as it stands now, also those that nothing is due of."""
        return await self._read([raw.decode() for raw in await self._store.call(self._store.client.zrange(keys.JOBS_INDEX, 0, -1))])

    async def put(self, job: JobRecord, *, enabled: bool = True, why: str = "", now_ms: int | None = None) -> JobRecord:
        """The job is kept in place of the version that `job.rev` names; nothing of before `now_ms` is made up for. Repeatable.

        Raises BusyError when it was changed meanwhile, or there are a hundred already.
        """
        now = await self.now_ms() if now_ms is None else now_ms
        following = job.next_after(now) if enabled else None
        record = job.model_copy(update={"rev": 0}).encode()
        given = (job.id, job.rev, record, int(enabled), why, "" if following is None else following, MOST_JOBS, now)
        answer = await self._store.run("put_job", given, job=job.id)
        match answer[0]:
            case b"changed":
                raise BusyError("job_changed", "Somebody changed that job meanwhile.", "Look at it again: secondme jobs list")
            case b"full":
                raise BusyError("too_many_jobs", f"There are {MOST_JOBS} jobs already.", "secondme jobs remove ID")
            case _:
                await nudge(self._store, Nudge.JOBS)
                return job.model_copy(update={"rev": int(answer[1])})

    async def remove(self, job: str) -> bool:
        """The job is no more, and a run of it that is under way comes to nothing; false when there was none. Repeatable."""
        return bool(await self._store.run("remove_job", (job,), job=job) == b"removed")

    async def forget(self, contact: ContactId) -> int:
        """No job is for the contact any more; how many were. Repeatable."""
        theirs = [due.job.id for due in await self.every() if due.job.target == contact]
        for job in theirs:
            await self.remove(job)
        return len(theirs)

    async def switch(self, *, on: bool) -> None:
        """Jobs run by themselves from now on, or none does."""
        client = self._store.client
        await self._store.call(client.delete(keys.JOBS_OFF) if on else client.set(keys.JOBS_OFF, "1"))

    async def is_off(self) -> bool:
        """True when no job runs by itself."""
        return bool(await self._store.call(self._store.client.exists(keys.JOBS_OFF)))

    async def call(self, job: str, *, key: str = "", payload: str = "", by_program: bool = False) -> bool:
        """The job is run soon, by a process that works, whatever its schedule says, with what came with the call (JSON); false when that was asked
        before with this `key`, within eight days. Raises NotFoundError; BusyError when too many calls wait, or a program calls too often."""
        limits = (_CALLS_A_MINUTE, _CALLS_A_DAY) if by_program else (0, 0)
        answer: bytes = await self._store.run("call_job", (job, key or new_id(), payload, *limits, _MOST_CALLS), job=job)
        match answer:
            case b"missing":
                raise _unknown(job)
            case b"limit":
                raise BusyError(
                    "too_many_calls", f"A job is called {_CALLS_A_MINUTE} times a minute at most.", "Call it less often."
                )
            case b"full":
                raise BusyError("too_many_calls", f"{_MOST_CALLS} calls of that job wait already.", "secondme jobs runs " + job)
            case _:
                await nudge(self._store, Nudge.JOBS)
                return answer == b"called"

    # A run

    async def claim(
        self,
        due: Due,
        verdict: Verdict,
        runner: str,
        *,
        occurrence_ms: int = 0,
        next_ms: int | None = None,
        skipped: int = 0,
        most_runs: int = 0,
    ) -> Claim:
        """What came of it: `run` is ours, from now on, for as long as it is tended."""
        job, state = due.job, due.state
        given = (
            job.id,
            state.rev,
            state.cursor_ms,
            verdict,
            occurrence_ms,
            "" if next_ms is None else next_ms,
            runner,
            LEASE_MS,
            skipped,
            MOST_ATTEMPTS,
            most_runs,
        )
        outcome, *rest = await self._store.run("claim_job", given, job=job.id)
        if outcome == b"run":
            return Claim("run", int(rest[0]), int(rest[1]), rest[2].decode())
        return Claim(outcome.decode())

    async def tend(self, job: str, fence: int) -> bool:
        """True while the run is still ours; its lease starts anew."""
        return bool(await self._store.run("tend_job", (job, fence, LEASE_MS), job=job))

    async def conclude(self, job: str, fence: int, ending: Ending) -> str:
        """The run has ended so, in one step with what it tells: `done`, `again`, `disabled`, or `stale` when it was not ours any more and nothing
        happened."""
        rows = list(ending.rows)
        chat, channel = (rows[0].contact_id, rows[0].channel_id) if rows else (_NO_CHAT, _NO_CHAT)
        known = {**(ending.facts or {}), **({"drafts": list(ending.drafts)} if ending.drafts else {})}
        facts = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in known.items())
        given = (
            job,
            fence,
            ending.outcome,
            "" if ending.next_ms is None else ending.next_ms,
            facts,
            "" if ending.again_after_s is None else int(ending.again_after_s * 1000),
            ending.counts,
            _FAILS,
            ending.seen,
            chat,
            int(ending.after_s * 1000),
            ending.limit,
            ending.max_runs,
            keys.EVENTS_STATUS,
            *(row.encode() for row in rows),
        )
        answer = await self._store.run("conclude_job", given, job=job, contact=chat, channel=channel)
        verdict: str = answer[0].decode()
        if rows:
            await nudge(self._store, Nudge.OUTBOX)
        return verdict

    async def situation(
        self, contact: ApprovedContact, channel: str, category: str, moment: datetime, *, is_asleep: bool
    ) -> Situation:
        """What is known of the contact now; `moment` is the time on its clock."""
        who, client, now = contact.contact_id, self._store.client, await self.now_ms()
        hour, day, week = now - 3_600_000, now - 86_400_000, now - 604_800_000
        pipe = client.pipeline(transaction=False)
        pipe.exists(keys.KILLED, keys.PAUSE_ALL, keys.pause(who), keys.channel_pause(channel))
        pipe.hget(keys.grants(who), category)
        pipe.zrevrange(keys.history(who), 0, 0, withscores=True)
        pipe.get(keys.unanswered(who))
        pipe.lrange(keys.held(who), 0, -1)
        pipe.zcount(keys.PROACTIVE_DRAFTS, day, "+inf")
        pipe.zcount(keys.PROACTIVE_SENT, hour, "+inf")
        pipe.zcount(keys.PROACTIVE_SENT, day, "+inf")
        pipe.zcount(keys.proactive_sent_to(who), day, "+inf")
        pipe.zcount(keys.proactive_sent_to(who), week, "+inf")
        pipe.zrevrange(keys.proactive_sent_to(who), 0, 0, withscores=True)
        found, _ = await self._store.look(pipe)
        stopped, granted, newest, unanswered, held, drafts, sent_hour, sent_day, to_day, to_week, last = found
        return Situation(
            now_ms=now,
            local_time=moment.time(),
            is_asleep=is_asleep,
            is_approved=True,
            tier=contact.tier,
            mode=contact.mode,
            is_stopped=bool(stopped),
            granted_until_ms=int(granted or 0),
            newest_turn_ms=int(newest[0][1]) if newest else 0,
            unanswered=int(unanswered or 0),
            has_open_draft=any(_object(raw).get("reason") == "proactive" for raw in held or ()),
            drafts_today=drafts or 0,
            sent_last_hour=sent_hour or 0,
            sent_today=sent_day or 0,
            sent_to_contact_today=to_day or 0,
            sent_to_contact_week=to_week or 0,
            last_sent_ms=int(last[0][1]) if last else 0,
        )

    async def newest_turn(self, contact: ContactId) -> str:
        """The id of what was said last with a contact; empty when nothing is known."""
        newest = await self._store.call(self._store.client.zrevrange(keys.history(contact), 0, 0))
        found = _object(newest[0]).get("id") if newest else ""
        return found if isinstance(found, str) else ""

    async def write(self, letter: Letter, limits: JobLimits) -> str:
        """What became of words for a contact, asked again at the last moment: `draft` or `sent`; `done` when they were written before; else why they
        are nowhere."""
        contact = letter.rows[0].contact_id
        given = (
            letter.job,
            letter.fence,
            contact,
            letter.rows[0].reply_id,
            once_of(letter.once),
            "send" if letter.sends else "draft",
            letter.category,
            letter.basis,
            keys.EVENTS_QUEUE,
            keys.TOLD_TTL_MS,
            limits.drafts_per_day,
            limits.sent_per_hour,
            limits.sent_per_day,
            limits.contact_per_day,
            limits.contact_per_week,
            int(limits.gap_hours * 3_600_000),
            int(limits.quiet_minutes * 60_000),
            limits.unanswered,
            int(letter.after_s * 1000),
            *(row.encode() for row in letter.rows),
        )
        answer = await self._store.run("write_job", given, job=letter.job, contact=contact, channel=letter.rows[0].channel_id)
        verdict: str = answer[0].decode()
        await nudge(self._store, Nudge.OUTBOX)
        return verdict

    async def is_written(self, once: str) -> bool:
        """True when `Letter.once` was written, or decided about, within a week."""
        return await self._store.call(self._store.client.zscore(keys.OWNER_TOLD, once_of(once))) is not None

    async def allow(self, contact: ContactId, category: str, until_ms: int | None) -> None:
        """Jobs may write `category` to the contact by themselves until then; None: not any more. Repeatable."""
        client, name = self._store.client, keys.grants(contact)
        await self._store.call(client.hdel(name, category) if until_ms is None else client.hset(name, category, str(until_ms)))

    async def grants(self, contacts: Sequence[ContactId]) -> list[JobGrant]:
        """What was allowed, also what has ended, of these contacts."""
        pipe = self._store.client.pipeline(transaction=False)
        for contact in contacts:
            pipe.hgetall(keys.grants(contact))
        found = (await self._store.look(pipe))[0] if contacts else []
        return [
            JobGrant(contact, category.decode(), from_ms(int(until)))
            for contact, fields in zip(contacts, found, strict=True)
            for category, until in (fields or {}).items()
            if until.isdigit()
        ]

    async def seen(self, job: str) -> str:
        """What `Ending.seen` last said of it; empty when nothing did."""
        raw = await self._store.call(self._store.client.get(keys.job_seen(job)))
        return raw.decode() if raw else ""

    async def runs(self, job: str) -> list[JobRun]:
        """What became of its occurrences, the newest first; what a platform said of rows that left is in it."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.lrange(keys.job_log(job), 0, -1)
        pipe.lrange(keys.JOBS_FATES, 0, -1)
        (log, fates), _ = await self._store.look(pipe)
        return _runs(log or [], [each for each in map(_object, fates or []) if each.get("job") == job])

    async def _views(self, ids: Sequence[str]) -> tuple[list[JobView], list[DataError]]:
        read, unread = await self._records(ids)
        broken = [*unread.values()]
        if not read:
            return [], broken
        pipe = self._store.client.pipeline(transaction=False)
        for due in read:
            pipe.lrange(keys.job_log(due.job.id), -8, -1)
        pipe.lrange(keys.JOBS_FATES, 0, -1)
        (*logs, fates), _ = await self._store.look(pipe)
        known = [*map(_object, fates or [])]
        views = []
        for due, log in zip(read, logs, strict=True):
            runs = _runs(log or [], [each for each in known if each.get("job") == due.job.id])
            views.append(JobView(due.job, due.state, _next_at(due), runs[0] if runs else None))
        return views, broken

    async def _read(self, ids: Sequence[str]) -> list[Due]:
        """Of `ids`; what cannot be read is looked at again in an hour, and the doctor finds it."""
        read, broken = await self._records(ids)
        for job in broken:
            log.error("job_broken", job=job)
            await self._store.postpone(keys.JOBS_DUE, ContactId(job), _BROKEN_S)
        return read

    async def _records(self, ids: Sequence[str]) -> tuple[list[Due], dict[str, DataError]]:
        if not ids:
            return [], {}
        now_ms = await self.now_ms()
        pipe = self._store.client.pipeline(transaction=False)
        for job in ids:
            pipe.get(keys.job_definition(job))
            pipe.hgetall(keys.job_state(job))
            pipe.zscore(keys.JOBS_DUE, job)
            pipe.llen(keys.job_calls(job))
        found, _ = await self._store.look(pipe)
        read, broken = [], {}
        for at, job in enumerate(ids):
            raw, fields, score, calls = found[4 * at : 4 * at + 4]
            if raw is None:
                continue
            try:
                record = JobRecord.decode(raw, keys.job_definition(job))
                record.next_after(now_ms)  # a zone that this machine does not know is one job's trouble
            except DataError as error:
                broken[job] = error
                continue
            except (ArithmeticError, ValueError) as error:  # steps of nothing, and times that no calendar has
                said = f"The record {keys.job_definition(job)} cannot be used; it was left as it is."
                broken[job] = DataError("corrupt_record", said, f"secondme jobs remove {job}")
                log.debug("job_unusable", job=job, error=type(error).__name__)
                continue
            due_ms = None if score is None else int(score)
            state = JobState.of({name.decode(): value.decode() for name, value in (fields or {}).items()}, due_ms)
            read.append(Due(record, state, now_ms, calls or 0))
        return read, broken


def _unknown(reference: str) -> NotFoundError:
    return NotFoundError("unknown_job", f"There is no job {safe_name(reference)!r}.", "secondme jobs list")


def _next_at(due: Due) -> datetime | None:
    """When its next occurrence is; a run that is under way is not one."""
    if not due.state.enabled:
        return None
    following = due.job.next_after(due.state.cursor_ms)
    if following is not None and following <= due.now_ms and not isinstance(due.job.schedule, AtSchedule):
        following = due.job.next_after(due.now_ms)
    return None if following is None else from_ms(following)


def _object(raw: bytes) -> dict[str, Any]:
    """A line of a log; empty for one that cannot be read."""
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


_PASSED = frozenset({"coalesced"})
"""Lines that say something of an occurrence that has a line of its own."""


def _runs(lines: Iterable[bytes], fates: Sequence[dict[str, Any]]) -> list[JobRun]:
    """One for each occurrence, the newest first: the last line of each, what earlier ones said of it, and what became of its rows."""
    told: dict[int, dict[str, Any]] = {}
    for line in map(_object, lines):
        key = line.get("occurrence")
        if not isinstance(key, int | float) or not isinstance(line.get("outcome"), str):
            continue
        before = told.pop(int(key), {})
        kept = {**before, **line}
        if line["outcome"] in _PASSED and before:
            kept["outcome"] = before["outcome"]
        told[int(key)] = kept
    runs = []
    for line in reversed(told.values()):
        mine = [each for each in fates if each.get("occurrence") == line["occurrence"]]
        try:
            runs.append(JobRun.model_validate({**line, **_fate_of(line, mine)}))
        except ValidationError:
            continue
    return runs


def _fate_of(line: dict[str, Any], fates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the rows of a run came to: what any of them was stopped by, else `sent` once all have left."""
    if not fates:
        return {}
    last = {str(each.get("row")): each for each in fates}
    stopped = next((each for each in last.values() if each.get("outcome") != "sent"), None)
    rows = line.get("rows") or line.get("drafts") or []
    outcome = stopped["outcome"] if stopped else "sent" if len(last) >= len(rows) else line["outcome"]
    sent = [each for each in last.values() if each.get("outcome") == "sent"]
    return {
        "outcome": outcome,
        **({"why": stopped["why"]} if stopped and isinstance(stopped.get("why"), str) else {}),
        **({"sentAt": max(each["at"] for each in sent)} if sent else {}),
        "platformIds": [str(each["id"]) for each in sent if each.get("id")],
    }
