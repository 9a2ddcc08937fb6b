"""Whose contact is it? Leases, fences, dead and frozen workers, lost tokens."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import Composed, ModelOutcome, Prompt
from secondme.core.queue.worker import Answered, Verdict
from secondme.core.records import Burst

PEOPLE = [f"p{number}" for number in range(10)]
SHORT_LEASE = {"queue.lease_s": 0.5}


@pytest.mark.parametrize("setup", [SHORT_LEASE], indirect=True)
async def test_a_long_answer_keeps_its_lease(town: Town, shift: Any) -> None:
    await shift.let_in("anna")

    async def long(_: Burst) -> Verdict:
        await asyncio.sleep(1.6)
        return Answered([])

    async with shift.working(long, "w1"), shift.working(long, "w2"):
        await town.writes("anna", "hi")
        await shift.until(shift.is_idle)
    assert [(burst.fence, burst.attempt) for burst in shift.bursts] == [(1, 1)]


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
    assert isinstance(frozen, Burst)
    async with shift.working():
        await shift.until(shift.is_idle)
        assert await town.inbox.renew(frozen, "frozen") is False
        assert await town.inbox.finish(frozen, "frozen", []) is False
        assert await town.inbox.defer(token, "frozen", frozen.fence, delay_s=0, reason="x", forgive=True) is False
    assert [(burst.fence, burst.attempt) for burst in shift.bursts] == [(2, 2)]
    assert await shift.replies("anna") == ["re: hi"]


@pytest.mark.parametrize("setup", [SHORT_LEASE], indirect=True)
@pytest.mark.parametrize("begun", [True, False])
async def test_a_dead_workers_contacts_are_taken_over(town: Town, shift: Any, *, begun: bool) -> None:
    await shift.let_in(*PEOPLE)
    for who in PEOPLE:
        await town.writes(who, "hi")
    for token in await town.tokens("dead"):
        if begun:
            assert isinstance(await town.inbox.begin(token, "dead"), Burst)
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
    assert [len(burst.mail) for burst in shift.bursts] == [1] * len(PEOPLE)


async def test_repair_leaves_healthy_contacts_alone(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    for who in PEOPLE:
        await town.writes(who, "hi")
    await town.inbox.open()
    assert await town.inbox.repair() == 0
    assert await town.store.client.xlen("QUEUE:messages") == len(PEOPLE)


@pytest.mark.parametrize("setup", [{"queue.slots": 1}], indirect=True)
async def test_who_is_put_off_occupies_no_slot_and_is_answered_later(town: Town, shift: Any, model: ScriptedModel) -> None:
    await shift.let_in("anna", "bob")
    refused = 0

    def limited(prompt: Prompt) -> ModelOutcome:
        nonlocal refused
        if "anna" in prompt.turns[-1].text and refused < 2:
            refused += 1
            raise UnavailableError("model_rate_limited", "429", retry_after_s=200.0)
        return Composed("re: " + prompt.turns[-1].text)

    model.script = limited
    async with shift.working():
        await town.writes("anna", "I am anna")
        await shift.until(lambda: shift.waits_for("model_rate_limited"))
        (due,) = [score for _, score in await town.store.client.zrange("QUEUE:later", 0, -1, withscores=True)]
        assert due > await town.control.now_ms() + 100_000
        await town.writes("bob", "I am bob")
        await shift.until(lambda: is_replied(town, "bob"))
        assert await shift.waiting() == {"model_rate_limited": 1}
        await shift.until(shift.is_idle, hurry=True)
    assert (await shift.replies("anna"), await shift.replies("bob")) == (["re: I am anna"], ["re: I am bob"])
    assert [burst.attempt for burst in shift.bursts] == [1] * 4


async def is_replied(town: Town, who: str) -> bool:
    return await town.raw_keys(f"OUTBOX:local:{who}") != []


@pytest.mark.parametrize(
    "error", [CredentialsError("model_key_refused", "no"), ConfigError("bad_persona", "no"), CredentialsError("no_model_key", "no")]
)
async def test_what_only_a_human_can_mend_waits_and_says_why(
    town: Town, shift: Any, model: ScriptedModel, error: Exception
) -> None:
    def broken(_: Prompt) -> ModelOutcome:
        raise error

    await shift.let_in("anna")
    model.script = broken
    async with shift.working():
        await town.writes("anna", "hi")
        await shift.until(lambda: shift.waits_for(error.code))  # type: ignore[attr-defined]
        backlog = await town.control.backlog(("local",))
        assert (backlog.contacts, backlog.queued, backlog.dead) == (1, 1, 0)
        model.script = None
        await shift.until(shift.is_idle, hurry=True)
    assert await shift.replies("anna") == ["re: hi"]
    assert await shift.waiting() == {}


async def test_waiting_for_the_model_never_makes_a_dead_letter(town: Town, shift: Any, model: ScriptedModel) -> None:
    def down(_: Prompt) -> ModelOutcome:
        raise UnavailableError("model_overloaded", "529", retry_after_s=100.0)

    await shift.let_in("anna")
    model.script = down
    async with shift.working():
        await town.writes("anna", "hi")
        await shift.until(lambda: shift.tried(9), hurry=True)
        assert (await shift.dead("anna"), {burst.attempt for burst in shift.bursts}) == (0, {1})
        assert [burst.defers for burst in shift.bursts[:9]] == list(range(9))


async def test_a_record_that_cannot_be_read_waits_untouched(town: Town, shift: Any) -> None:
    await shift.let_in("anna", "bob")
    await town.store.client.set("PAIRING:approved:local:anna", b"{broken")
    async with shift.working():
        await town.writes("anna", "hi")
        await shift.until(lambda: shift.waits_for("corrupt_record"))
        await town.writes("bob", "hi")
        await shift.until(lambda: is_replied(town, "bob"))
    assert await town.store.client.get("PAIRING:approved:local:anna") == b"{broken"
    assert (await shift.dead("anna"), await town.store.client.llen("INBOX:local:anna")) == (0, 1)


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_paused_contact_is_parked_and_answered_after_resuming(town: Town, shift: Any, *, everybody: bool) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    whom = None if everybody else ContactId("local:anna")
    await town.control.pause(whom, None)
    async with shift.working():
        await shift.until(lambda: shift.waits_for("paused"))
        assert shift.bursts == []
        assert await town.control.resume(whom) == "resumed"
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == ["re: hi"]


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_pause_that_ends_by_itself_wakes_its_contacts(town: Town, shift: Any, *, everybody: bool) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    await town.control.pause(None if everybody else ContactId("local:anna"), timedelta(milliseconds=300))
    async with shift.working():
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == ["re: hi"]


def night(start_h: float, end_h: float) -> dict[str, Any]:
    """A night from so many hours from now to so many."""
    now = datetime.now(UTC)
    at = [(now + timedelta(hours=each)).time().isoformat("seconds") for each in (start_h, end_h)]
    return {"sleep.enabled": True, "sleep.start": at[0], "sleep.end": at[1], "sleep.timezone": "UTC"}


@pytest.mark.parametrize(
    ("setup", "hours", "expected"),
    [({}, 5.9, ["re: hi"]), ({}, 6.1, []), (night(-9, -1), 13.5, ["re: hi"]), (night(-9, -1), 14.5, [])],
    indirect=["setup"],
)
async def test_what_is_older_than_six_hours_awake_is_not_answered(
    town: Town, shift: Any, hours: float, expected: list[str]
) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi", sent_at=datetime.now(UTC) - timedelta(hours=hours))
    async with shift.working():
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == expected


@pytest.mark.parametrize("setup", [night(-2, 3)], indirect=True)
async def test_while_the_owner_sleeps_messages_gather_for_one_reply(town: Town, shift: Any, model: ScriptedModel) -> None:
    await shift.let_in("anna")
    async with shift.working():
        await town.writes("anna", "one")
        await shift.until(lambda: shift.waits_for("asleep"))
        await town.writes("anna", "two")
        ((_, due),) = await town.store.client.zrange("QUEUE:later", 0, -1, withscores=True)
    left_h = (due - await town.control.now_ms()) / 3_600_000
    assert 2.9 < left_h < 3.0 + 20 / 60
    assert (model.prompts, await town.store.client.llen("INBOX:local:anna")) == ([], 2)
