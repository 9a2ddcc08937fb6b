"""A worker at work on the real store: who is answered, who waits, and that nobody waits for somebody else."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.messages import Composed, ModelOutcome, Prompt
from secondme.core.queue.worker import Answered, Verdict
from secondme.core.records import Burst

PEOPLE = [f"p{number}" for number in range(10)]


def texts(burst: Burst) -> list[str]:
    return [mail.content for mail in burst.mail]


async def test_a_burst_is_one_job_and_one_reply(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    for number in range(3):
        await town.writes("anna", f"line {number}")
    async with shift.working():
        await shift.until(shift.is_idle)
    assert [texts(burst) for burst in shift.bursts] == [["line 0", "line 1", "line 2"]]
    assert await shift.replies("anna") == ["re: line 2"]


async def test_what_comes_while_a_contact_is_answered_is_answered_next(town: Town, shift: Any, model: ScriptedModel) -> None:
    await shift.let_in("anna")
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(prompt: Prompt) -> ModelOutcome:
        began.set()
        await go_on.wait()
        return Composed("re: " + prompt.turns[-1].text.splitlines()[-1])

    model.script = slow
    async with shift.working():
        await town.writes("anna", "one")
        await began.wait()
        await town.writes("anna", "two")
        await town.writes("anna", "three")
        go_on.set()
        await shift.until(shift.is_idle)
    assert [texts(burst) for burst in shift.bursts] == [["one"], ["two", "three"]]
    assert await shift.replies("anna") == ["re: one", "re: three"]


@pytest.mark.parametrize("setup", [{"queue.lease_s": 300}], indirect=True)
async def test_a_token_that_follows_at_once_is_not_left_for_a_lease(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)

    async def writing(burst: Burst) -> Verdict:
        if int(burst.mail[-1].content) < 20:
            await town.writes(burst.token.contact_id.removeprefix("local:"), str(int(burst.mail[-1].content) + 1))
        return Answered([])

    async with shift.working(writing):
        for who in PEOPLE:
            await town.writes(who, "0")
        await shift.until(shift.is_idle)
    assert Counter(text for burst in shift.bursts for text in texts(burst)) == {str(number): len(PEOPLE) for number in range(21)}


@pytest.mark.parametrize("setup", [{"queue.lease_s": 300}], indirect=True)
async def test_a_second_token_of_a_contact_at_work_is_settled_after_it(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Burst) -> Verdict:
        began.set()
        await go_on.wait()
        return Answered([])

    async with shift.working(slow):
        await town.writes("anna", "hi")
        await began.wait()
        await town.store.client.xtrim("QUEUE:messages", maxlen=0, approximate=False)
        assert await town.inbox.repair() == 1
        await shift.until(lambda: pending_are(town, 2))
        go_on.set()
        await shift.until(lambda: pending_are(town, 0))
    assert (len(shift.bursts), await town.store.client.xlen("QUEUE:messages")) == (1, 0)


async def pending_are(town: Town, expected: int) -> bool:
    return (await town.store.client.xpending("QUEUE:messages", "workers"))["pending"] == expected  # type: ignore[no-any-return]


async def test_a_contact_is_answered_by_one_worker_at_a_time_and_in_order(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    now: Counter[str] = Counter()
    most: list[tuple[int, int]] = []

    async def counting(burst: Burst) -> Verdict:
        now[burst.token.contact_id] += 1
        most.append((now.total(), max(now.values())))
        await asyncio.sleep(0.005)
        now[burst.token.contact_id] -= 1
        return Answered([])

    async with shift.working(counting, "w1"), shift.working(counting, "w2"):
        for number in range(5):
            for who in PEOPLE:
                await town.writes(who, str(number))
        await shift.until(shift.is_idle)
    for who in PEOPLE:
        order = [text for burst in shift.bursts if burst.token.contact_id == f"local:{who}" for text in texts(burst)]
        assert order == [str(number) for number in range(5)]
    assert max(each for _, each in most) == 1


@pytest.mark.parametrize("setup", [{"queue.slots": 3}], indirect=True)
async def test_no_more_are_answered_at_once_than_there_are_slots(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    at_work, most, full = 0, 0, asyncio.Event()

    async def waiting(_: Burst) -> Verdict:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        if at_work == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        at_work -= 1
        return Answered([])

    async with shift.working(waiting):
        for who in PEOPLE:
            await town.writes(who, "hi")
        await shift.until(shift.is_idle)
    assert (most, len(shift.bursts)) == (3, len(PEOPLE))


async def test_a_message_that_crashes_is_dead_after_exactly_five_attempts(town: Town, shift: Any) -> None:
    await shift.let_in("anna", "bob")

    async def crashing(burst: Burst) -> Verdict:
        if "poison" in texts(burst):
            raise KeyError("canary")
        return await town.gateway.answer(burst)  # type: ignore[no-any-return]

    async with shift.working(crashing):
        await town.writes("anna", "poison")
        await shift.until(lambda: shift.tried(1))
        await town.writes("bob", "hi")
        await shift.until(shift.is_idle, hurry=True)
        await town.writes("anna", "still there?")
        await shift.until(shift.is_idle)
    assert [burst.attempt for burst in shift.bursts if "poison" in texts(burst)] == [1, 2, 3, 4, 5]
    assert await shift.dead("anna") == 1
    assert (await shift.replies("anna"), await shift.replies("bob")) == (["re: still there?"], ["re: hi"])


async def test_a_poisonous_message_in_a_burst_ends_alone(town: Town, shift: Any) -> None:
    await shift.let_in("anna")

    async def crashing(burst: Burst) -> Verdict:
        if "poison" in texts(burst):
            raise ZeroDivisionError
        return await town.gateway.answer(burst)  # type: ignore[no-any-return]

    for text in ("one", "poison", "two", "three"):
        await town.writes("anna", text)
    async with shift.working(crashing):
        await shift.until(shift.is_idle, hurry=True)
    burst, rest = ["one", "poison", "two", "three"], ["poison", "two", "three"]
    assert [texts(burst) for burst in shift.bursts] == [burst, burst, ["one"], rest, rest, *[["poison"]] * 3, ["two", "three"]]
    assert [b"poison" in letter for letter in await town.store.client.lrange("DEAD:local:anna", 0, -1)] == [True]
    assert await shift.replies("anna") == ["re: one", "re: three"]


async def test_stopping_finishes_what_was_begun_and_leaves_the_group(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    began = asyncio.Event()

    async def slow(_: Burst) -> Verdict:
        began.set()
        await asyncio.sleep(0.05)
        return Answered([])

    async with shift.working(slow) as stop:
        await town.writes("anna", "hi")
        await began.wait()
        stop.set()
    assert await shift.is_idle()
    assert await shift.consumers() == []


@pytest.mark.parametrize("setup", [{"queue.drain_s": 0.1}], indirect=True)
async def test_stopping_hands_back_at_once_what_takes_too_long(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE[:5])
    began = asyncio.Event()

    async def endless(_: Burst) -> Verdict:
        if len(shift.bursts) == 5:
            began.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with shift.working(endless) as stop:
        for who in PEOPLE[:5]:
            await town.writes(who, "hi")
        await began.wait()
        stop.set()
    assert await shift.consumers() == []
    async with shift.working(name="w2"):
        await shift.until(shift.is_idle)
    assert [burst.attempt for burst in shift.bursts] == [1] * 10
    assert [await shift.replies(who) for who in PEOPLE[:5]] == [["re: hi"]] * 5


async def test_an_idle_worker_stops_at_once_and_leaves_the_group(town: Town, shift: Any) -> None:
    async with shift.working():
        await shift.until(lambda: has_joined(shift))
    assert await shift.consumers() == []
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    assert await town.work("w2") == ["answered"]


async def has_joined(shift: Any) -> bool:
    return await shift.town.raw_keys("QUEUE:messages") != [] and await shift.consumers() == ["w1"]


async def test_a_flushed_script_cache_is_no_trouble(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    async with shift.working():
        for number in range(5):
            for who in PEOPLE:
                await town.writes(who, str(number))
            await town.store.client.script_flush()
        await shift.until(shift.is_idle)
    order = [int(text) for burst in shift.bursts if burst.token.contact_id == "local:p0" for text in texts(burst)]
    assert order == list(range(5))


@pytest.mark.parametrize("garbage", ['"text"', "[]", "{}", '{"messageId":null}', '{"messageId":7,"channelId":[]}', "not JSON"])
async def test_mail_that_cannot_be_read_is_set_aside_and_the_next_is_answered(town: Town, shift: Any, garbage: str) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    await town.store.client.lpush("INBOX:local:anna", garbage)
    async with shift.working():
        await shift.until(shift.is_idle)
    assert (await shift.replies("anna"), await shift.dead("anna")) == (["re: hi"], 1)


async def test_the_reply_behind_unreadable_mail_still_finds_its_channel(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    await town.store.client.lpush("INBOX:local:anna", "not JSON")
    await town.store.client.delete("QUEUE:messages")
    assert await town.inbox.repair() == 1
    async with shift.working():
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == ["re: hi"]


async def test_mail_that_lacks_a_field_is_set_aside_after_five_tries(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    await town.store.client.lpush("INBOX:local:anna", '{"messageId":"m0","channelId":"local"}')
    async with shift.working():
        await shift.until(shift.is_idle, hurry=True)
    assert (await shift.replies("anna"), await shift.dead("anna")) == (["re: hi"], 1)
