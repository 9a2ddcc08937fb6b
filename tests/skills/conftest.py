"""A home with skills, in Berlin."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakes.shared_sandbox import SharedSandbox
from fakes.skill_home import SkillHome

from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.services import Services


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SharedSandbox]:
    sandbox = SharedSandbox()
    yield sandbox
    sandbox.end()


@pytest.fixture
async def skill_home(redis_url: str, store: Store, tmp_path: Path, shared_sandbox: SharedSandbox) -> AsyncIterator[SkillHome]:
    """Nothing is on yet."""
    setup = load({"redis_url": redis_url, "sleep.timezone": "Europe/Berlin"}, {}, home=tmp_path / "home")
    services = Services(setup, store, by="test")
    services.sandbox = shared_sandbox  # type: ignore[assignment]
    yield SkillHome(services)
    await services.close()
