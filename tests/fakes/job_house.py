"""Jobs as a test makes them."""

from datetime import UTC, datetime
from random import Random

from fakes.model import ScriptedModel
from fakes.store_clock import StoreClock
from fakes.town import Town

from secondme.core.clock import SystemClock, from_ms, to_ms
from secondme.core.config.loader import Setup
from secondme.core.config.models import JobLimits
from secondme.core.ids import ContactId
from secondme.core.jobs.records import JobRecord
from secondme.core.jobs.schedule import AnySchedule, CronSchedule, EverySchedule
from secondme.core.jobs.store import Ending, JobStore, Letter
from secondme.core.records import NewRow
from secondme.core.store.client import Store
from secondme.job_desk import asking, job_desk, timekeeper

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def job_of(name: str, schedule: AnySchedule | str, **given: object) -> JobRecord:
    """A job in Berlin, by a cron line or another schedule."""
    when = CronSchedule(expr=schedule, zone="Europe/Berlin") if isinstance(schedule, str) else schedule
    made = {"kind": "say", "text": "Tea", "grace_s": 3600, "origin": "cli", "created_at": NOON, "edited_at": NOON, **given}
    return JobRecord(id=name, name=name, schedule=when, **made)  # type: ignore[arg-type]


class TownClock(SystemClock):
    """The store's moved time for everybody who asks a clock."""

    def __init__(self, store_clock: StoreClock) -> None:
        self._store_clock = store_clock

    def now(self) -> datetime:
        return from_ms(self.now_ms())

    def now_ms(self) -> int:
        return self._store_clock.ms


OWNER = ContactId("local:owner")


class JobHouse:
    """A town in which time is moved by hand, with a timekeeper, and an owner who can be told."""

    def __init__(self, setup: Setup, store: Store, model: ScriptedModel, clock: StoreClock) -> None:
        self.clock = clock
        self.town = Town(setup, store, model, Random(3), TownClock(clock))
        self.services = self.town.services
        self.jobs = self.services.jobs
        self.desk = job_desk(self.services)
        self.keeper = timekeeper(self.services, "w1", asking(self.services, model))

    async def begin(self) -> None:
        """A gateway is there, and knows the owner's own chat."""
        channel = {"state": "connected", "title": "Local", "ownerChat": OWNER, "since": self.clock.ms}
        await self.services.control.beat(
            "g1", {"part": "all", "host": "here", "pid": 1, "version": "1", "startedAt": 1, "channels": {"local": channel}}
        )

    async def pass_time(self, until: datetime, *, deliver: bool = True) -> int:
        """Time goes from step to step until then, and everything that is due happens; how many runs there were."""
        runs, end = 0, to_ms(until)
        while True:
            await self.begin()
            runs += await self.keeper.step()
            await self.town.draft_store.expire()
            if deliver:
                await self.town.deliver()
            due, wait_s = await self.jobs.due()
            if due and self.clock.ms < end:
                self.clock.set(self.clock.ms + 1000)
                continue
            if wait_s is None or self.clock.ms + wait_s * 1000 > end:
                self.clock.set(end)
                await self.begin()
                await self.keeper.step()
                if deliver:
                    await self.town.deliver()
                return runs
            self.clock.set(self.clock.ms + int(wait_s * 1000) + 1)

    def told(self) -> list[str]:
        """What reached the owner's own chat."""
        return self.town.channel.texts(OWNER)


async def live_with_jobs(jobs: JobStore, contact: ContactId) -> None:
    """Every script of jobs has run once, on the real clock."""
    now = await jobs.now_ms()
    job = await jobs.put(job_of("hourly", EverySchedule(every_s=3600, anchor_ms=now - 60_000, zone="UTC"), created_at=from_ms(now)))
    await jobs.call(job.id)
    due = await jobs.read(job.id)
    claim = await jobs.claim(due, "manual", "w", occurrence_ms=now)
    assert await jobs.tend(job.id, claim.fence)
    row = NewRow(
        row_id="j1",
        reply_id="j1",
        contact_id=contact,
        channel_id="local",
        kind="reply",
        text="hello",
        job=job.id,
        occurrence=from_ms(now),
    )
    letter = Letter(job.id, claim.fence, "write", [row], await jobs.newest_turn(contact), "once")
    await jobs.write(letter, JobLimits(quiet_minutes=1))
    told = row.model_copy(update={"contact_id": OWNER, "kind": "owner", "row_id": "j2"})
    await jobs.conclude(job.id, claim.fence, Ending("queued", rows=[told], limit=5))
    await jobs.remove(job.id)
