"""A store of jobs, whose time a test moves."""

from collections.abc import Iterator

import pytest
from fakes.job_house import NOON
from fakes.store_clock import StoreClock, moved

from secondme.core.clock import to_ms
from secondme.core.jobs.store import JobStore
from secondme.core.store.client import Store


@pytest.fixture
def jobs(store: Store) -> JobStore:
    return JobStore(store)


@pytest.fixture
def clock(jobs: JobStore, redis_url: str) -> Iterator[StoreClock]:
    assert jobs
    with moved():
        yield StoreClock(redis_url, to_ms(NOON))
