"""Jobs with real processes on one store: one gateway and nine workers, of which some are killed at each step of a run; each occurrence is run once."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from fakes.job_house import job_of
from fakes.process import WITHOUT_API, GatewayProcess, eventually, settings_of, write_config
from redis import Redis

from secondme.core.jobs.schedule import AtSchedule
from secondme.core.jobs.store import JobStore
from secondme.core.records import OutboxRow
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

pytestmark = pytest.mark.heavy  # ten processes, and a lease that runs out

OWNER = "telegram:4711"
TELEGRAM = '[telegram]\ntoken = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"\nowner_id = 4711\napi_url = "http://127.0.0.1:9"\n'
DEATHS = ["jobs.claimed:KILL:2", "jobs.worked:KILL:2", "jobs.concluded:KILL:2"]
JOBS = 80


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 9])
async def test_beside_other_workers_that_die_each_occurrence_is_run_once(home: Path, redis_url: str, workers: int) -> None:
    write_config(home, WITHOUT_API + TELEGRAM)
    raw, url, setup = Redis.from_url(redis_url), {"SECONDME_REDIS_URL": redis_url}, settings_of(home, redis_url)
    raw.flushall()
    async with Store(setup, Role.ATTACH) as store:
        jobs = JobStore(store)
        now = await jobs.now_ms()
        for number in range(JOBS):
            schedule = AtSchedule(at_ms=now + 3000 + 100 * number, zone="UTC")
            await jobs.put(job_of(f"j{number}", schedule, loud=True, grace_s=0), now_ms=now)

        def rows() -> Counter[str]:
            return Counter(OutboxRow.decode(each, "").row_id for each in raw.lrange(keys.outbox(OWNER), 0, -1))  # type: ignore[arg-type]

        with ExitStack() as running:
            running.enter_context(GatewayProcess(home, "all", **url))
            faults = [(DEATHS[number % 3],) if number % 2 == 0 else () for number in range(workers)]
            started = [running.enter_context(GatewayProcess(home, "worker", *fault, **url)) for fault in faults]
            await eventually(lambda: len(rows()) == JOBS)
            deaths = sum(each.process.poll() == -9 for each in started)
        outcomes = Counter([run.outcome for number in range(JOBS) for run in await jobs.runs(f"j{number}")])
        print(f"deaths={deaths} rows={sum(rows().values())} outcomes={dict(outcomes)}")
        assert set(rows().values()) == {1}
        assert outcomes == {"queued": JOBS}
        assert deaths > 0
