"""Jobs that write to contacts: never but as a draft, or where the owner allowed it; never behind a newer turn, never too often."""

from datetime import timedelta
from typing import Any

import pytest
from fakes.job_house import NOON, JobHouse
from fakes.model import ScriptedModel
from fakes.store_clock import StoreClock

from secondme.core.config.loader import Setup, load
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import BusyError
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobWish
from secondme.core.jobs.records import JobRecord
from secondme.core.messages import Composed, Usage
from secondme.core.store import keys
from secondme.core.store.client import Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANNA = ContactId("local:anna")


def settings(redis_url: str, home: Any, reach: str, **more: object) -> Setup:
    values = {
        "redis_url": redis_url,
        "pacing.enabled": False,
        "sleep.enabled": False,
        "sleep.timezone": "UTC",
        "persona.name": "Sam",
        "jobs.reach": reach,
        **more,
    }
    return load(values, {}, home=home)


async def house_of(setup: Setup, store: Store, model: ScriptedModel, clock: StoreClock, tier: Tier = Tier.TRUSTED) -> JobHouse:
    house = JobHouse(setup, store, model, clock)
    await house.begin()
    await house.town.let_in("anna", tier)
    model.script = lambda _: Composed("Hope all is well!", Usage(10, 5))
    return house


@pytest.fixture
async def house(redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any) -> JobHouse:
    return await house_of(settings(redis_url, tmp_path / "home", "drafts"), store, model, clock)


async def weekly(house: JobHouse, kind: str = "write") -> JobRecord:
    return await house.desk.add(JobWish("hello", kind, text="Ask how she is.", cron="0 14 * * *", zone="UTC", target=ANNA))  # type: ignore[arg-type]


async def test_with_the_usual_reach_nobody_is_written_to_and_no_model_is_asked(
    redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any
) -> None:
    house = await house_of(settings(redis_url, tmp_path / "home", "self"), store, model, clock)
    job = await weekly(house)
    await house.pass_time(NOON + 3 * HOUR)
    assert [(run.outcome, run.why) for run in await house.jobs.runs(job.id)] == [("refused", "reach")]
    assert model.prompts == []
    assert (await house.town.drafts.waiting())[0] == []


async def test_words_for_a_contact_wait_for_the_owner_and_leave_once_approved(house: JobHouse) -> None:
    job = await weekly(house)
    await house.pass_time(NOON + 3 * HOUR)
    (draft,) = (await house.town.drafts.waiting())[0]
    assert (draft.contact_id, draft.reason, draft.text) == (ANNA, "proactive", "Hope all is well!")
    assert house.town.channel.texts(ANNA) == []
    assert (await house.jobs.runs(job.id))[0].outcome == "draft"
    await house.town.drafts.send(draft.id)
    await house.town.deliver()
    assert house.town.channel.texts(ANNA) == ["Hope all is well!"]
    (run,) = await house.jobs.runs(job.id)
    assert (run.outcome, len(run.platform_ids)) == ("sent", 1)
    said = await house.town.conversation.said(ANNA)
    assert said[-1].content == "Hope all is well!"


async def test_a_draft_of_a_job_goes_when_the_owner_speaks(house: JobHouse) -> None:
    job = await weekly(house)
    await house.pass_time(NOON + 3 * HOUR)
    await house.town.writes("anna", "Hello Anna, it is me", from_me=True)
    assert (await house.town.drafts.waiting())[0] == []
    assert (await house.jobs.runs(job.id))[0].outcome == "overtaken"


async def test_a_draft_behind_newer_words_is_only_sent_when_the_owner_says_so_twice(house: JobHouse) -> None:
    await weekly(house)
    await house.pass_time(NOON + 3 * HOUR)
    (draft,) = (await house.town.drafts.waiting())[0]
    await house.town.writes("anna", "I am in hospital")
    with pytest.raises(BusyError) as caught:
        await house.town.drafts.send(draft.id)
    assert caught.value.code == "overtaken"
    await house.town.drafts.send(draft.id, anyway=True)
    await house.town.deliver()
    assert house.town.channel.texts(ANNA) == ["Hope all is well!"]


async def test_who_writes_while_it_is_composed_is_not_written_to(house: JobHouse) -> None:
    job = await weekly(house)

    async def meanwhile(_: object) -> Composed:
        await house.town.writes("anna", "wait, news")
        return Composed("Hope all is well!", Usage(1, 1))

    house.town.model.script = meanwhile
    await house.pass_time(NOON + 2 * HOUR + timedelta(minutes=1))
    assert (await house.town.drafts.waiting())[0] == []
    assert (await house.jobs.runs(job.id))[0].outcome == "overtaken"


@pytest.mark.parametrize("stops", ["kill", "pause", "observe", "off", "revoke"])
async def test_who_is_not_answered_is_not_written_to_and_no_model_is_asked(house: JobHouse, stops: str) -> None:
    await weekly(house)
    match stops:
        case "kill":
            await house.services.pauses.kill()
        case "pause":
            await house.services.pauses.pause(ANNA, None)
        case "revoke":
            await house.town.owner.revoke(ANNA)
        case _:
            await house.services.answering.set_mode(ANNA, ReplyMode(stops))
    await house.pass_time(NOON + 3 * HOUR)
    assert house.town.model.prompts == []
    assert (await house.town.drafts.waiting())[0] == []


async def test_one_draft_waits_at_a_time_and_a_contact_that_does_not_answer_is_left_in_peace(house: JobHouse) -> None:
    job = await weekly(house)
    sent = 0
    for day in range(8):
        await house.pass_time(NOON + day * DAY + 3 * HOUR)
        for draft in (await house.town.drafts.waiting())[0]:
            await house.town.drafts.send(draft.id)
            sent += 1
        await house.town.deliver()
    assert sent == 2
    assert {run.why for run in await house.jobs.runs(job.id)} >= {"unanswered"}
    house.clock.set(house.clock.ms + 60_000)
    await house.town.writes("anna", "sorry, I was away")
    assert await house.town.store.client.get(keys.unanswered(ANNA)) is None


async def test_a_grant_lets_a_greeting_leave_and_nothing_else(
    redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any
) -> None:
    house = await house_of(settings(redis_url, tmp_path / "home", "allowed"), store, model, clock)
    contact = (await house.services.listing()).approved[0]
    await house.desk.allow(contact, "followup")
    await weekly(house, "followup")
    await house.pass_time(NOON + 3 * HOUR)
    assert house.town.channel.texts(ANNA) == ["Hope all is well!"]
    assert (await house.town.drafts.waiting())[0] == []
    assert await house.town.store.client.zcard(keys.PROACTIVE_SENT) == 1
    await house.desk.remove("hello")
    await weekly(house, "write")
    await house.pass_time(NOON + 2 * DAY + 3 * HOUR)
    assert house.town.channel.texts(ANNA) == ["Hope all is well!"]
    assert [draft.reason for draft in (await house.town.drafts.waiting())[0]] == ["proactive"]


async def test_a_grant_that_ended_or_was_taken_back_sends_nothing(
    redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any
) -> None:
    house = await house_of(settings(redis_url, tmp_path / "home", "allowed"), store, model, clock)
    contact = (await house.services.listing()).approved[0]
    await house.desk.allow(contact, "followup", timedelta(hours=1))
    await weekly(house, "followup")
    await house.pass_time(NOON + 3 * HOUR)
    assert house.town.channel.texts(ANNA) == []
    assert [draft.reason for draft in (await house.town.drafts.waiting())[0]] == ["proactive"]


async def test_a_grant_that_is_taken_back_while_the_words_wait_to_leave_holds_them(
    redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any
) -> None:
    house = await house_of(settings(redis_url, tmp_path / "home", "allowed"), store, model, clock)
    contact = (await house.services.listing()).approved[0]
    await house.desk.allow(contact, "followup")
    await weekly(house, "followup")
    await house.pass_time(NOON + 2 * HOUR + timedelta(seconds=2), deliver=False)
    await house.desk.disallow(contact, "followup")
    house.clock.set(house.clock.ms + 3_600_000)
    await house.town.deliver()
    assert house.town.channel.texts(ANNA) == []
    assert [draft.reason for draft in (await house.town.drafts.waiting())[0]] == ["proactive"]


async def test_a_thousand_approved_drafts_are_not_a_flood(house: JobHouse) -> None:
    people = [f"p{number}" for number in range(40)]
    for who in people:
        await house.town.let_in(who)
        contact = ContactId(f"local:{who}")
        await house.desk.add(JobWish(who, "write", text="Say hello.", cron="0 14 * * *", zone="UTC", target=contact))
    limit = house.services.settings.jobs.limits
    await house.pass_time(NOON + 3 * HOUR)
    drafts = (await house.town.drafts.waiting())[0]
    assert len(drafts) == limit.drafts_per_day
    refused = []
    for draft in drafts:
        try:
            await house.town.drafts.send(draft.id)
        except BusyError as error:
            refused.append(error.code)
    await house.town.deliver()
    assert len(house.town.channel.shown) == limit.sent_per_hour
    assert set(refused) == {"proactive_limit"}


async def test_a_draft_of_a_greeting_ends_with_its_day(house: JobHouse) -> None:
    job = await weekly(house)
    await house.pass_time(NOON + 3 * HOUR)
    house.clock.set(house.clock.ms + 13 * 3_600_000)
    assert await house.town.draft_store.expire() == 1
    assert (await house.jobs.runs(job.id))[0].outcome == "expired"


async def test_a_jobs_draft_in_the_owners_own_words_is_still_the_jobs(house: JobHouse) -> None:
    job = await weekly(house)
    await house.pass_time(NOON + 3 * HOUR)
    (draft,) = (await house.town.drafts.waiting())[0]
    edited = await house.town.drafts.edit(draft.id, "How are you, dear?")
    assert edited.text == "How are you, dear?"
    await house.town.drafts.send(draft.id)
    await house.town.deliver()
    assert house.town.channel.texts(ANNA) == ["How are you, dear?"]
    assert (await house.jobs.runs(job.id))[0].outcome == "sent"
    assert await house.town.store.client.zcard(keys.PROACTIVE_SENT) == 1
