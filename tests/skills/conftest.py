"""A home with skills, in Berlin."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.skill_home import SkillHome

from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.services import Services


@pytest.fixture
async def skill_home(redis_url: str, store: Store, tmp_path: Path) -> AsyncIterator[SkillHome]:
    """Nothing is on yet."""
    setup = load({"redis_url": redis_url, "sleep.timezone": "Europe/Berlin"}, {}, home=tmp_path / "home")
    services = Services(setup, store, by="test")
    yield SkillHome(services)
    await services.close()
