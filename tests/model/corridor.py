"""What both machines stand on: one loop, one real store and one town for all examples of a test."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from fakes.model import ScriptedModel
from fakes.size import sized
from fakes.town import Town
from fakes.watching import Ear
from hypothesis import HealthCheck, Phase, settings

from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.core.store.server import Role

T = TypeVar("T")

CONTACTS = ("anna", "ben", "cleo")


def walks(examples: int, steps: int) -> settings:
    """The same walks every time, printed so that a failure can be repeated. Time decides nothing."""
    return settings(
        max_examples=sized(examples, max(5, examples // 3)),
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


class Corridor:
    """A town that a machine, which is not a coroutine, can use."""

    def __init__(self, runner: asyncio.Runner, town: Town, ear: Ear) -> None:
        self._runner, self.town, self.ear = runner, town, ear
        self.client = town.store.client

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(step)

    async def empty(self) -> None:
        await self.client.flushall()
        await self.town.inbox.open()
        await self.ear.heard()


@contextmanager
def open_corridor(redis_url: str, home: Path, **flags: object) -> Iterator[Corridor]:
    """A corridor with the given settings; `__` stands for the dot in their names."""
    basics: dict[str, Any] = {"redis_url": redis_url, "pacing.enabled": False, "sleep.enabled": False}
    dotted = {name.replace("__", "."): value for name, value in flags.items()}
    setup = load({**basics, **dotted}, {}, home=home)
    with asyncio.Runner() as runner:
        store = Store(setup, Role.ATTACH)

        async def enter() -> Corridor:
            await store.__aenter__()
            ear = Ear(store)
            await ear.open()
            return Corridor(runner, Town(setup, store, ScriptedModel(), Random(7)), ear)

        corridor = runner.run(enter())
        yield corridor
        runner.run(corridor.ear.close())
        runner.run(store.close())
