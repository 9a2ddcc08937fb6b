"""A town whose settings the test chooses, and an ear on its events."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attacks.watching import Ear
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.settings import load
from secondme.core.store.connect import Store


@pytest.fixture
def town_with(redis_url: str, store: Store, model: ScriptedModel, tmp_path: Path) -> Callable[..., Town]:
    """Builds a town on the test's store; `__` stands for the dot in a setting's name."""

    def build(**flags: Any) -> Town:
        basics = {"redis_url": redis_url, "pacing.enabled": False, "sleep.enabled": False, "persona.name": "Sam"}
        dotted = {name.replace("__", "."): value for name, value in flags.items()}
        return Town(load({**basics, **dotted}, {}, home=tmp_path / "home"), store, model, Random(7))

    return build


@pytest.fixture
async def ear(store: Store) -> AsyncIterator[Ear]:
    """Hears every event of the test's store."""
    listening = Ear(store.client)
    await listening.open()
    yield listening
    await listening.close()
