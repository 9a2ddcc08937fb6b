"""A month of jobs in seconds: several processes look, die at every step and fail, clocks jump, machines sleep. Each occurrence is run once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest
from fakes.job_house import job_of
from fakes.store_clock import StoreClock

from secondme.core.clock import SystemClock, to_ms
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.jobs.schedule import CronSchedule, next_after
from secondme.core.jobs.store import Ending, JobStore
from secondme.core.jobs.timekeeper import Run, Timekeeper
from secondme.core.records import NewRow, OutboxRow
from secondme.core.security_log import SecurityLog
from secondme.core.store import keys
from secondme.core.store.client import Store

DAY = 86_400_000
ZONES = [
    "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Beirut", "Asia/Kolkata",
    "Pacific/Chatham", "Africa/Casablanca", "Antarctica/Troll",
]  # fmt: skip
LINES = ["30 7 * * *", "30 2 * * *", "0 9 * * 1", "0 */6 * * *", "0 0 1 * *"]
CHAT = ContactId("telegram:1")


class Died(BaseException):
    """A process ends where it stands."""


def row_of(run: Run) -> NewRow:
    name = f"job-{run.job.id}-{run.occurrence_ms}"
    return NewRow(row_id=name, reply_id=name, contact_id=CHAT, channel_id="telegram", kind="owner", text="Tea", scheduled=True,
                  job=run.job.id, occurrence=run.occurrence_ms)  # type: ignore[arg-type]  # fmt: skip


class Saying:
    """Says what it ran; fails sometimes, and dies in the middle of it."""

    def __init__(self, rng: Random, *, fails: float = 0.0, dies: float = 0.0) -> None:
        self._rng, self._fails, self._dies = rng, fails, dies

    def _may_die(self) -> None:
        if self._rng.random() < self._dies:
            raise Died

    async def carry_out(self, run: Run) -> Ending:
        self._may_die()
        if self._rng.random() < self._fails:
            raise UnavailableError("down", "The model is down.")
        self._may_die()
        return Ending("queued", rows=[row_of(run)], facts={"rows": [row_of(run).row_id]})


async def posted(store: Store) -> Counter[str]:
    rows = await store.client.lrange(keys.outbox(CHAT), 0, -1)
    return Counter(OutboxRow.decode(raw, "").row_id for raw in rows)


async def live(keepers: list[Timekeeper], clock: StoreClock, jobs: JobStore, until_ms: int, rng: Random) -> int:
    """The time goes from step to step; at each, every process looks. Returns how many died."""
    deaths = 0
    while clock.ms < until_ms:
        _, wait_s = await jobs.due()
        ready = await asyncio.gather(*(keeper.step() for keeper in keepers), return_exceptions=True)
        deaths += sum(isinstance(each, Died) for each in ready)
        for each in ready:
            if isinstance(each, BaseException) and not isinstance(each, Died):
                raise each
        due, wait_s = await jobs.due()
        if not due:
            clock.set(min(until_ms, clock.ms + int((wait_s or 3600) * 1000) + rng.randrange(1, 900)))
    return deaths


def wanted(since_ms: int, until_ms: int) -> set[str]:
    found = set()
    for zone in ZONES:
        for at, line in enumerate(LINES):
            schedule, moment = CronSchedule(expr=line, zone=zone), since_ms
            while (moment := next_after(schedule, moment) or until_ms) < until_ms:  # type: ignore[assignment]
                found.add(f"job-{zone.split('/')[1].lower().replace('_', '-')}-{at}-{moment}")
    return found


async def put_all(jobs: JobStore) -> None:
    for zone in ZONES:
        for at, line in enumerate(LINES):
            await jobs.put(
                job_of(f"{zone.split('/')[1].lower().replace('_', '-')}-{at}", CronSchedule(expr=line, zone=zone), grace_s=7200)
            )


@pytest.mark.parametrize(("days", "processes", "dies"), [(31, 4, 0.01), pytest.param(366, 10, 0.003, marks=pytest.mark.slow)])
async def test_each_occurrence_is_run_once_whoever_dies(
    store: Store, jobs: JobStore, clock: StoreClock, days: int, processes: int, dies: float
) -> None:
    start = to_ms(datetime(2026, 3, 10, tzinfo=UTC))
    clock.set(start)
    rng = Random(11)
    await put_all(jobs)
    keepers = [
        Timekeeper(jobs, Saying(rng, fails=0.03, dies=dies), SecurityLog(), f"w{number}", SystemClock())
        for number in range(processes)
    ]
    deaths = await live(keepers, clock, jobs, start + days * DAY, rng)
    found, expected = await posted(store), wanted(start, start + days * DAY - 2 * 3_600_000)
    print(f"wanted={len(expected)} posted={sum(found.values())} deaths={deaths}")
    assert [row for row, times in found.items() if times > 1] == []
    assert sorted(expected - set(found)) == []
    assert deaths > 0
