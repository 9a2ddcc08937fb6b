"""A hundred jobs that are due at once, beside fifty people who are being answered: what does it cost those?"""

import asyncio
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles

from counts import count
from fakes.job_house import job_of
from fakes.process import WITHOUT_API, GatewayProcess, contact, let_in, settings_of, until, write_config

from secondme.channels.local.client import LocalClient
from secondme.core.jobs.schedule import AtSchedule
from secondme.core.jobs.store import JobStore
from secondme.core.store.client import Store
from secondme.core.store.server import Role

PEOPLE, JOBS, MESSAGES, ROUNDS = count(50, 4), count(100, 5), count(8, 2), count(3, 1)
TELEGRAM = (
    '[telegram]\ntoken = "1:' + "A" * 35 + '"\nowner_id = 4711\napi_url = "http://127.0.0.1:9"\n[limits]\nmessages = 100000\n'
)


async def _talk(client: LocalClient, after_s: float) -> list[float]:
    """How long each reply took, in ms: said one after the other, so that each waits for its own; not all people at once."""
    await asyncio.sleep(after_s)
    took = []
    for number in range(MESSAGES):
        began = time.perf_counter()
        client.say(f"are you there, number {number}?")
        await until(client, "message")
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(1.0)
    return took


async def _round(*, with_jobs: bool) -> list[float]:
    home = Path(tempfile.mkdtemp(prefix="smj-", dir="/tmp"))
    try:
        write_config(home, WITHOUT_API + TELEGRAM)
        names = [f"p{number}" for number in range(PEOPLE)]
        setup = settings_of(home)
        await let_in(setup, *names)
        with GatewayProcess(home, "all") as gateway:
            gateway.hears()
            async with AsyncExitStack() as open_, Store(setup, Role.ATTACH) as store:
                clients = [await open_.enter_async_context(contact(home, name)) for name in names]
                jobs = JobStore(store)
                now = await jobs.now_ms()
                for number in range(JOBS if with_jobs else 0):
                    schedule = AtSchedule(at_ms=now + 3000, zone="UTC")
                    await jobs.put(job_of(f"j{number}", schedule, loud=True, grace_s=0), now_ms=now)
                took = await asyncio.gather(*(_talk(client, at / PEOPLE) for at, client in enumerate(clients)))
                if with_jobs:
                    assert (await jobs.standing()).outcomes.get("queued") == JOBS
        return [each for person in took for each in person[1:]]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def p99(took: list[float]) -> float:
    return quantiles(took, n=100)[98]


async def measure() -> tuple[float, float, float, float]:
    """Median and 99th percentile of replies in ms, without jobs and with a hundred due in the middle; of all rounds, which take turns."""
    rounds = [(await _round(with_jobs=False), await _round(with_jobs=True)) for _ in range(ROUNDS)]
    quiet, busy = ([each for pair in rounds for each in pair[side]] for side in (0, 1))
    return median(quiet), p99(quiet), median(busy), p99(busy)


if __name__ == "__main__":
    quiet, quiet_p99, busy, busy_p99 = asyncio.run(measure())
    print(f"without: median {quiet:.0f} ms, p99 {quiet_p99:.0f} ms; with jobs: median {busy:.0f} ms, p99 {busy_p99:.0f} ms")
