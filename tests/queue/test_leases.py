"""Whose contact is it? Leases, fences, dead and frozen workers, lost tokens."""

import asyncio
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.messages import Composed, ModelOutcome, Prompt
from secondme.core.queue.worker import Answered, Verdict
from secondme.core.records import Job

PEOPLE = [f"p{number}" for number in range(10)]
SHORT_LEASE = {"queue.lease_s": 0.5}


@pytest.mark.parametrize("setup", [SHORT_LEASE], indirect=True)
async def test_a_long_answer_keeps_its_lease(town: Town, shift: Any) -> None:
    await shift.let_in("anna")

    async def long(_: Job) -> Verdict:
        await asyncio.sleep(1.6)
        return Answered([])

    async with shift.working(long, "w1"), shift.working(long, "w2"):
        await town.writes("anna", "hi")
        await shift.until(shift.is_idle)
    assert [(job.fence, job.attempt) for job in shift.jobs] == [(1, 1)]


async def test_words_composed_under_a_lost_lease_are_never_sent(town: Town, shift: Any, model: ScriptedModel) -> None:
    await shift.let_in("anna")
    words = iter(["composed under a lost lease", "composed again"])

    async def overtaken(_: Prompt) -> ModelOutcome:
        said = next(words)
        if said == "composed under a lost lease":
            await town.store.client.hincrby("MAILBOX:local:anna", "fence", 1)
        return Composed(said)

    model.script = overtaken
    async with shift.working():
        await town.writes("anna", "hi")
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == ["composed again"]


@pytest.mark.parametrize("setup", [{"queue.lease_s": 300}], indirect=True)
async def test_a_takeover_while_composing_leaves_nothing_that_waits_for_a_lease(
    town: Town, shift: Any, model: ScriptedModel
) -> None:
    await shift.let_in("anna")

    async def interrupted(_: Prompt) -> ModelOutcome:
        await town.writes("anna", "I am here myself", from_me=True)
        return Composed("too late")

    model.script = interrupted
    async with shift.working():
        await town.writes("anna", "hi")
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == []


@pytest.mark.parametrize("setup", [SHORT_LEASE], indirect=True)
async def test_a_frozen_worker_finds_a_later_fence_and_its_finish_is_refused(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    (token,) = await town.tokens("frozen")
    frozen = await town.inbox.begin(token, "frozen")
    assert isinstance(frozen, Job)
    async with shift.working():
        await shift.until(shift.is_idle)
        assert await town.inbox.renew(frozen, "frozen") is False
        assert await town.inbox.finish(frozen, "frozen", []) is False
        assert await town.inbox.defer(token, "frozen", frozen.fence, delay_s=0, reason="x", forgive=True) is False
    assert [(job.fence, job.attempt) for job in shift.jobs] == [(2, 2)]
    assert await shift.replies("anna") == ["re: hi"]


@pytest.mark.parametrize("setup", [SHORT_LEASE], indirect=True)
@pytest.mark.parametrize("begun", [True, False])
async def test_a_dead_workers_contacts_are_taken_over(town: Town, shift: Any, *, begun: bool) -> None:
    await shift.let_in(*PEOPLE)
    for who in PEOPLE:
        await town.writes(who, "hi")
    for token in await town.tokens("dead"):
        if begun:
            assert isinstance(await town.inbox.begin(token, "dead"), Job)
    async with shift.working():
        await shift.until(shift.is_idle)
    assert [await shift.replies(who) for who in PEOPLE] == [["re: hi"]] * len(PEOPLE)


async def test_repair_restores_a_lost_token(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    for who in PEOPLE:
        await town.writes(who, "hi")
    await town.store.client.delete("QUEUE:messages")
    async with shift.working():
        await shift.until(shift.is_idle)
    assert [await shift.replies(who) for who in PEOPLE] == [["re: hi"]] * len(PEOPLE)
    assert [len(job.mail) for job in shift.jobs] == [1] * len(PEOPLE)


async def test_repair_leaves_healthy_contacts_alone(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    for who in PEOPLE:
        await town.writes(who, "hi")
    await town.inbox.open()
    assert await town.inbox.repair() == 0
    assert await town.store.client.xlen("QUEUE:messages") == len(PEOPLE)
