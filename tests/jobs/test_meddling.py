"""Somebody writes, speaks, stops or changes something in front of every single step: nothing stale is sent, and nothing at all once it was stopped."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from fakes.job_house import NOON, JobHouse
from fakes.model import ScriptedModel
from fakes.store_clock import StoreClock

from secondme.core.config.loader import Setup, load
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import SecondmeError
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobWish
from secondme.core.messages import Composed, Usage
from secondme.core.store.client import Store
from secondme.core.store.server import Role

HOUR = timedelta(hours=1)
ANNA = ContactId("local:anna")
STEPS = ["due", "claim_job", "reserve", "model", "settle", "write_job", "conclude_job", "release", "take", "sent"]
"""Scripts of a run, in their order, and the model's own work."""
CHANGES = ["contact writes", "owner writes", "kill", "pause", "revoke", "off", "remove", "edit", "switch off"]
DECIDED = {(step, what) for step in ("conclude_job", "release", "take") for what in ("remove", "edit")}
"""Words that lie before the owner, or are on their way, are no job's any more."""
OWNERS_WORD = {(step, "off") for step in ("conclude_job", "release", "take")}
"""Who sends a draft by hand means it, however the contact is answered otherwise."""


class MeddledStore(Store):
    """Does something in front of the first call of one script."""

    step, is_done = "", False
    change: Callable[[], Awaitable[None]]

    async def meddle(self, step: str) -> None:
        if step == self.step and not self.is_done:
            self.is_done = True
            await self.change()

    async def run(self, name: str, args: tuple[str | bytes | int, ...] = (), /, **of: str | Iterable[str]) -> Any:
        await self.meddle(name)
        return await super().run(name, args, **of)


@pytest.fixture
async def meddled(redis_url: str, tmp_path: Any) -> AsyncIterator[tuple[MeddledStore, Setup]]:
    values = {
        "redis_url": redis_url,
        "pacing.enabled": False,
        "sleep.enabled": False,
        "sleep.timezone": "UTC",
        "persona.name": "Sam",
        "jobs.reach": "allowed",
    }
    setup = load(values, {}, home=tmp_path / "home")
    async with MeddledStore(setup, Role.ATTACH) as meddled:
        yield meddled, setup


async def _change(house: JobHouse, what: str, job: str) -> None:
    match what:
        case "contact writes":
            await house.town.writes("anna", "I am in hospital")
        case "owner writes":
            await house.town.writes("anna", "It is me", from_me=True)
        case "kill":
            await house.services.pauses.kill()
        case "pause":
            await house.services.pauses.pause(ANNA, None)
        case "revoke":
            await house.town.owner.revoke(ANNA)
        case "off":
            await house.services.answering.set_mode(ANNA, ReplyMode.OFF)
        case "remove":
            await house.desk.remove(job)
        case "edit":
            await house.desk.edit(job, text="Something else.")
        case _:
            await house.desk.switch_all(on=False)


@pytest.mark.parametrize("granted", [False, True], ids=["draft", "granted"])
@pytest.mark.parametrize("step", STEPS)
async def test_nothing_stale_leaves_whatever_happens_before_a_step(
    meddled: tuple[MeddledStore, Setup], model: ScriptedModel, clock: StoreClock, step: str, granted: bool
) -> None:
    store, setup = meddled
    for what in CHANGES:
        await store.client.flushall()
        clock.set(int(NOON.timestamp() * 1000))
        store.step, store.is_done = "", False
        house = JobHouse(setup, store, model, clock)
        await house.begin()
        await house.town.let_in("anna", Tier.TRUSTED)
        if granted:
            await house.desk.allow((await house.services.listing()).approved[0], "followup")
        job = await house.desk.add(JobWish("hello", "followup", text="Ask.", cron="0 14 * * *", zone="UTC", target=ANNA))
        sent_before: list[int] = []

        async def change(
            house: JobHouse = house, what: str = what, job_id: str = job.id, sent_before: list[int] = sent_before
        ) -> None:
            sent_before.append(len(house.town.channel.texts(ANNA)))
            await _change(house, what, job_id)

        async def write(_: object) -> Composed:
            await store.meddle("model")
            return Composed("Hope all is well!", Usage(1, 1))

        model.script = write
        house.clock.set(house.clock.ms + 2 * 3_600_000 + 1000)
        await house.begin()
        store.step, store.change = step, change
        await house.keeper.step()
        for draft in (await house.town.drafts.waiting())[0]:
            try:
                await house.town.drafts.send(draft.id)
            except SecondmeError:
                continue
        house.clock.set(house.clock.ms + 1_300_000)
        await house.town.deliver()
        texts = house.town.channel.texts(ANNA)
        assert len(texts) <= 1, (what, texts)
        before = sent_before[0] if sent_before else len(texts)
        is_over = step == "sent" or (step, what) in DECIDED or (not granted and (step, what) in OWNERS_WORD)
        if store.is_done and not is_over and what != "switch off":
            assert len(texts) == before, (what, texts)
