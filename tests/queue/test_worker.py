"""A worker at work on the real store: who is answered, who waits, and that nobody waits for somebody else."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.queue.worker import Answered, Verdict
from secondme.core.store.inbox import Job
from secondme.core.types import Composed, ModelOutcome, Prompt

PEOPLE = [f"p{number}" for number in range(10)]
SHORT_LEASE = {"queue.lease_s": 0.5}


def texts(job: Job) -> list[str]:
    return [mail.content for mail in job.mail]


async def test_a_burst_is_one_job_and_one_reply(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    for number in range(3):
        await town.writes("anna", f"line {number}")
    async with shift.working():
        await shift.until(shift.is_idle)
    assert [texts(job) for job in shift.jobs] == [["line 0", "line 1", "line 2"]]
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
    assert [texts(job) for job in shift.jobs] == [["one"], ["two", "three"]]
    assert await shift.replies("anna") == ["re: one", "re: three"]


@pytest.mark.parametrize("setup", [{"queue.lease_s": 300}], indirect=True)
async def test_a_token_that_follows_at_once_is_not_left_for_a_lease(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)

    async def writing(job: Job) -> Verdict:
        if int(job.mail[-1].content) < 20:
            await town.writes(job.token.contact_id.removeprefix("local:"), str(int(job.mail[-1].content) + 1))
        return Answered([])

    async with shift.working(writing):
        for who in PEOPLE:
            await town.writes(who, "0")
        await shift.until(shift.is_idle)
    assert Counter(text for job in shift.jobs for text in texts(job)) == {str(number): len(PEOPLE) for number in range(21)}


@pytest.mark.parametrize("setup", [{"queue.lease_s": 300}], indirect=True)
async def test_a_second_token_of_a_contact_at_work_is_settled_after_it(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Job) -> Verdict:
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
    assert (len(shift.jobs), await town.store.client.xlen("QUEUE:messages")) == (1, 0)


async def pending_are(town: Town, expected: int) -> bool:
    return (await town.store.client.xpending("QUEUE:messages", "workers"))["pending"] == expected  # type: ignore[no-any-return]


async def test_a_record_that_cannot_be_read_waits_untouched(town: Town, shift: Any) -> None:
    await shift.let_in("anna", "bob")
    await town.store.client.set("PAIRING:approved:local:anna", b"{broken")
    async with shift.working():
        await town.writes("anna", "hi")
        await shift.until(lambda: one_waits(shift, "corrupt_record"))
        await town.writes("bob", "hi")
        await shift.until(lambda: is_replied(town, "bob"))
    assert await town.store.client.get("PAIRING:approved:local:anna") == b"{broken"
    assert (await shift.dead("anna"), await town.store.client.llen("INBOX:local:anna")) == (0, 1)


async def test_a_contact_is_never_answered_twice_at_a_time_and_slots_are_respected(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    now: Counter[str] = Counter()
    most: list[tuple[int, int]] = []

    async def counting(job: Job) -> Verdict:
        now[job.token.contact_id] += 1
        most.append((now.total(), max(now.values())))
        await asyncio.sleep(0.005)
        now[job.token.contact_id] -= 1
        return Answered([])

    async with shift.working(counting, "w1"), shift.working(counting, "w2"):
        for number in range(5):
            for who in PEOPLE:
                await town.writes(who, str(number))
        await shift.until(shift.is_idle)
    for who in PEOPLE:
        order = [text for job in shift.jobs if job.token.contact_id == f"local:{who}" for text in texts(job)]
        assert order == [str(number) for number in range(5)]
    assert max(each for _, each in most) == 1


@pytest.mark.parametrize("setup", [{"queue.slots": 3}], indirect=True)
async def test_no_more_are_answered_at_once_than_there_are_slots(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    at_work, most, full = 0, 0, asyncio.Event()

    async def waiting(_: Job) -> Verdict:
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
    assert (most, len(shift.jobs)) == (3, len(PEOPLE))


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
        await shift.until(lambda: one_waits(shift, "model_rate_limited"))
        (due,) = [score for _, score in await town.store.client.zrange("QUEUE:later", 0, -1, withscores=True)]
        assert due > await town.control.now_ms() + 100_000
        await town.writes("bob", "I am bob")
        await shift.until(lambda: is_replied(town, "bob"))
        assert await shift.waiting() == {"model_rate_limited": 1}
        await shift.until(shift.is_idle, hurry=True)
    assert (await shift.replies("anna"), await shift.replies("bob")) == (["re: I am anna"], ["re: I am bob"])
    assert [job.attempt for job in shift.jobs] == [1] * 4


async def one_waits(shift: Any, reason: str) -> bool:
    return (await shift.waiting()).get(reason) == 1  # type: ignore[no-any-return]


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
        await shift.until(lambda: one_waits(shift, error.code))  # type: ignore[attr-defined]
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
        await shift.until(lambda: tried(shift, 9), hurry=True)
        assert (await shift.dead("anna"), {job.attempt for job in shift.jobs}) == (0, {1})
        assert [job.defers for job in shift.jobs[:9]] == list(range(9))


async def tried(shift: Any, times: int) -> bool:
    return len(shift.jobs) >= times


async def test_a_message_that_crashes_is_dead_after_exactly_five_attempts(town: Town, shift: Any) -> None:
    await shift.let_in("anna", "bob")

    async def crashing(job: Job) -> Verdict:
        if "poison" in texts(job):
            raise KeyError("canary")
        return await town.gateway.answer(job)  # type: ignore[no-any-return]

    async with shift.working(crashing):
        await town.writes("anna", "poison")
        await shift.until(lambda: tried(shift, 1))
        await town.writes("bob", "hi")
        await shift.until(shift.is_idle, hurry=True)
        await town.writes("anna", "still there?")
        await shift.until(shift.is_idle)
    assert [job.attempt for job in shift.jobs if "poison" in texts(job)] == [1, 2, 3, 4, 5]
    assert await shift.dead("anna") == 1
    assert (await shift.replies("anna"), await shift.replies("bob")) == (["re: still there?"], ["re: hi"])


async def test_a_poisonous_message_in_a_burst_ends_alone(town: Town, shift: Any) -> None:
    await shift.let_in("anna")

    async def crashing(job: Job) -> Verdict:
        if "poison" in texts(job):
            raise ZeroDivisionError
        return await town.gateway.answer(job)  # type: ignore[no-any-return]

    for text in ("one", "poison", "two", "three"):
        await town.writes("anna", text)
    async with shift.working(crashing):
        await shift.until(shift.is_idle, hurry=True)
    burst, rest = ["one", "poison", "two", "three"], ["poison", "two", "three"]
    assert [texts(job) for job in shift.jobs] == [burst, burst, ["one"], rest, rest, *[["poison"]] * 3, ["two", "three"]]
    assert [b"poison" in letter for letter in await town.store.client.lrange("DEAD:local:anna", 0, -1)] == [True]
    assert await shift.replies("anna") == ["re: one", "re: three"]


async def test_stopping_finishes_what_was_begun_and_leaves_the_group(town: Town, shift: Any) -> None:
    await shift.let_in("anna")
    began = asyncio.Event()

    async def slow(_: Job) -> Verdict:
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

    async def endless(_: Job) -> Verdict:
        if len(shift.jobs) == 5:
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
    assert [job.attempt for job in shift.jobs] == [1] * 10
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


async def test_a_worker_that_lost_its_lease_gives_up_and_changes_nothing(town: Town, shift: Any, model: ScriptedModel) -> None:
    await shift.let_in("anna")
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Prompt) -> ModelOutcome:
        began.set()
        await go_on.wait()
        return Composed("from the worker that lost it")

    model.script = slow
    async with shift.working():
        await town.writes("anna", "hi")
        await began.wait()
        await town.store.client.hincrby("MAILBOX:local:anna", "fence", 1)
        go_on.set()
        await shift.until(lambda: tried(shift, 1))
    assert (await shift.replies("anna"), await town.store.client.llen("INBOX:local:anna")) == ([], 1)


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


async def test_a_flushed_script_cache_is_no_trouble(town: Town, shift: Any) -> None:
    await shift.let_in(*PEOPLE)
    async with shift.working():
        for number in range(5):
            for who in PEOPLE:
                await town.writes(who, str(number))
            await town.store.client.script_flush()
        await shift.until(shift.is_idle)
    order = [int(text) for job in shift.jobs if job.token.contact_id == "local:p0" for text in texts(job)]
    assert order == list(range(5))


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_paused_contact_is_parked_and_answered_after_resuming(town: Town, shift: Any, *, everybody: bool) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi")
    whom = None if everybody else ContactId("local:anna")
    await town.control.pause(whom, None)
    async with shift.working():
        await shift.until(lambda: one_waits(shift, "paused"))
        assert shift.jobs == []
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


@pytest.mark.parametrize(("hours", "expected"), [(5.9, ["re: hi"]), (6.1, [])])
async def test_what_is_older_than_six_hours_is_not_answered(town: Town, shift: Any, hours: float, expected: list[str]) -> None:
    await shift.let_in("anna")
    await town.writes("anna", "hi", sent_at=datetime.now(UTC) - timedelta(hours=hours))
    async with shift.working():
        await shift.until(shift.is_idle)
    assert await shift.replies("anna") == expected


def night(start_h: float, end_h: float) -> dict[str, Any]:
    """A night from so many hours from now to so many."""
    now = datetime.now(UTC)
    at = [(now + timedelta(hours=each)).time().isoformat("seconds") for each in (start_h, end_h)]
    return {"sleep.enabled": True, "sleep.start": at[0], "sleep.end": at[1], "sleep.timezone": "UTC"}


@pytest.mark.parametrize("setup", [night(-9, -1)], indirect=True)
@pytest.mark.parametrize(("hours", "expected"), [(13.5, ["re: hi"]), (14.5, [])])
async def test_hours_asleep_do_not_make_a_message_old(town: Town, shift: Any, hours: float, expected: list[str]) -> None:
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
        await shift.until(lambda: one_waits(shift, "asleep"))
        await town.writes("anna", "two")
        ((_, due),) = await town.store.client.zrange("QUEUE:later", 0, -1, withscores=True)
    left_h = (due - await town.control.now_ms()) / 3_600_000
    assert 2.9 < left_h < 3.0 + 20 / 60
    assert (model.prompts, await town.store.client.llen("INBOX:local:anna")) == ([], 2)
