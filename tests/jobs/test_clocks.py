"""Clocks that jump, machines that sleep, and what the log says of it: every occurrence is accounted for."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from fakes.job_house import job_of
from fakes.store_clock import StoreClock
from jobs.test_timekeeping import CHAT, DAY, Saying, posted

from secondme.core.clock import SystemClock, to_ms
from secondme.core.jobs.schedule import CronSchedule, next_after
from secondme.core.jobs.store import JobStore
from secondme.core.jobs.timekeeper import Timekeeper
from secondme.core.security_log import SecurityLog
from secondme.core.store import keys
from secondme.core.store.client import Store

HOUR, MINUTE = 3_600_000, 60_000
START = to_ms(datetime(2026, 6, 1, 12, tzinfo=UTC))
JUMPS = [
    pytest.param([(3 * DAY, -2 * MINUTE)], 0, id="two minutes back"),
    pytest.param([(3 * DAY, -9 * MINUTE)], 0, id="nine minutes back"),
    pytest.param([(3 * DAY, -12 * HOUR)], 0, id="half a day back"),
    pytest.param([(3 * DAY, -2 * DAY)], 0, id="two days back"),
    pytest.param([(3 * DAY, 2 * HOUR)], 0, id="two hours ahead"),
    pytest.param([(3 * DAY, 20 * HOUR), (3 * DAY + 1, -20 * HOUR)], 1, id="a day ahead and back"),
    pytest.param([(3 * DAY, 400 * DAY), (3 * DAY + 1, -400 * DAY)], 1, id="a year ahead and back"),
    pytest.param([(0, -START), (1, START)], 0, id="no clock at the start"),
    pytest.param([(3 * DAY, -START + 1000), (3 * DAY + 1, START - 1000)], 0, id="no clock after a battery"),
    pytest.param([(day * DAY, -5 * MINUTE) for day in range(1, 6)], 0, id="five minutes back each day"),
    pytest.param([(3 * DAY, -HOUR), (3 * DAY + HOUR, HOUR)], 0, id="an hour back and ahead"),
    pytest.param([(3 * DAY, 30 * MINUTE), (4 * DAY, -30 * MINUTE)], 0, id="half an hour ahead for a day"),
]


class Machine:
    """A machine with a clock that somebody puts, and two processes."""

    def __init__(self, jobs: JobStore, clock: StoreClock) -> None:
        self.jobs, self.clock, self.true_ms, self.off_by_ms = jobs, clock, START, 0
        clock.set(START)
        self.keepers = [Timekeeper(jobs, Saying(Random(number)), SecurityLog(), f"w{number}", SystemClock()) for number in range(2)]

    async def look(self) -> None:
        self.clock.set(max(1000, self.true_ms + self.off_by_ms))
        await self.keepers[0].review()
        for keeper in self.keepers:
            await keeper.step()

    async def live(self, until_ms: int, jumps: list[tuple[int, int]]) -> None:
        """In steps of half an hour; a jump happens at its true time after the start."""
        waiting = sorted(jumps)
        while self.true_ms < until_ms:
            while waiting and START + waiting[0][0] <= self.true_ms:
                self.off_by_ms += waiting.pop(0)[1]
                await self.look()
            await self.look()
            self.true_ms += 30 * MINUTE


def daily(since_ms: int, until_ms: int) -> set[str]:
    schedule, at, found = CronSchedule(expr="30 7 * * *", zone="Europe/Berlin"), since_ms, set()
    while (at := next_after(schedule, at) or until_ms) < until_ms:
        found.add(f"job-tea-{at}")
    return found


@pytest.mark.parametrize(("jumps", "may_miss"), JUMPS)
async def test_a_clock_that_jumps_doubles_nothing_and_loses_nothing_that_was_on_it(
    store: Store, jobs: JobStore, clock: StoreClock, jumps: list[tuple[int, int]], may_miss: int
) -> None:
    """An occurrence is one by the wall clock: each date that the machine's clock showed while it was right is run once."""
    machine = Machine(jobs, clock)
    await jobs.put(job_of("tea", "30 7 * * *", grace_s=12 * 3600), now_ms=START)
    await machine.live(START + 8 * DAY, jumps)
    found = await posted(store)
    assert {row for row, times in found.items() if times > 1} == set()
    right = daily(START, min(START + 8 * DAY, clock.ms) - HOUR)
    missing = right - set(found)
    assert len(missing) <= may_miss, missing
    view = await jobs.view("tea")
    assert view.state.enabled
    assert view.next_at is not None
    assert timedelta(0) < view.next_at - datetime.fromtimestamp(clock.ms / 1000, UTC) <= timedelta(days=1)


@pytest.mark.parametrize("asleep_ms", [2 * HOUR, 2 * DAY, 30 * DAY])
async def test_after_a_sleep_the_log_accounts_for_every_occurrence(
    store: Store, jobs: JobStore, clock: StoreClock, asleep_ms: int
) -> None:
    machine = Machine(jobs, clock)
    await jobs.put(job_of("tea", "0 */3 * * *", grace_s=2 * 3600), now_ms=START)
    await machine.live(START + DAY, [])
    machine.true_ms += asleep_ms
    await machine.live(machine.true_ms + DAY, [])
    runs = await jobs.runs("tea")
    said = len([run for run in runs if run.outcome == "queued"])
    skipped = sum(run.skipped for run in runs)
    schedule, at, count = CronSchedule(expr="0 */3 * * *", zone="Europe/Berlin"), START, 0
    while (at := next_after(schedule, at) or 0) and at <= clock.ms:
        count += 1
    assert said + skipped == count
    assert sum((await posted(store)).values()) == said


async def test_whoever_asks_for_the_time_is_told_the_moved_one(jobs: JobStore, store: Store, clock: StoreClock) -> None:
    for ms in (START, 1001, START + 400 * DAY + 7):
        clock.set(ms)
        pipe = store.client.pipeline(transaction=False)
        pipe.time()
        told = (ms // 1000, ms % 1000 * 1000)
        assert (await jobs.now_ms(), tuple(await store.client.time()), tuple((await pipe.execute())[0])) == (ms, told, told)


async def test_ten_processes_that_look_at_once_run_hundreds_of_due_jobs_once(
    store: Store, jobs: JobStore, clock: StoreClock
) -> None:
    keepers = [Timekeeper(jobs, Saying(Random(number)), SecurityLog(), f"w{number}", SystemClock()) for number in range(10)]
    for round_ in range(4):
        for number in range(100):
            await jobs.put(job_of(f"j{round_}-{number}", "0 13 * * *", grace_s=0), now_ms=clock.ms)
        clock.set(clock.ms + DAY)
        while any(await asyncio.gather(*(keeper.step() for keeper in keepers))):
            pass
        for number in range(100):
            await jobs.remove(f"j{round_}-{number}")
    found = await posted(store)
    assert len(found) == 400
    assert set(found.values()) == {1}
    assert await store.client.llen(keys.outbox(CHAT)) == 400
