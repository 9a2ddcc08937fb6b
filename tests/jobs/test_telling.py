"""Jobs that speak to the owner: once, in time, where the owner is, and truly said."""

from datetime import timedelta
from typing import Any

import pytest
from fakes.job_house import NOON, OWNER, JobHouse, job_of
from fakes.model import ScriptedModel
from fakes.store_clock import StoreClock

from secondme.core.clock import from_ms
from secondme.core.config.loader import Setup, load
from secondme.core.errors import CredentialsError, DataError, UnavailableError
from secondme.core.jobs.desk import JobWish
from secondme.core.jobs.schedule import AtSchedule
from secondme.core.messages import Composed, Undeliverable, Usage
from secondme.core.send.store import Sending
from secondme.core.store.client import Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def house(setup: Setup, store: Store, model: ScriptedModel, clock: StoreClock) -> JobHouse:
    house = JobHouse(setup, store, model, clock)
    await house.begin()
    return house


async def test_a_reminder_is_told_once_at_its_time_and_its_log_has_the_platforms_id(house: JobHouse) -> None:
    job, moment = await house.desk.remind("tomorrow 9:00 call the dentist")
    await house.pass_time(moment.at - timedelta(minutes=1))
    assert house.told() == []
    await house.pass_time(moment.at + DAY)
    assert house.told() == ["call the dentist"]
    (run,) = await house.jobs.runs(job.id)
    assert (run.outcome, run.occurrence) == ("sent", moment.at)
    assert run.platform_ids == run.rows  # this channel takes our ids for its own
    assert (await house.jobs.view(job.id)).state.why == "done"
    assert house.town.model.prompts == []


async def test_what_a_platform_refuses_is_never_called_sent(house: JobHouse) -> None:
    job, moment = await house.desk.remind("in 1h tea")
    house.town.channel.outcome = lambda *_: Undeliverable("blocked")
    await house.pass_time(moment.at + HOUR, deliver=False)
    (sending,) = [await house.town.outbox.take(OWNER, "local", "s")]
    assert (await house.jobs.runs(job.id))[0].outcome == "queued"
    await house.town.outbox.retry(sending, delay_s=0, final=True)  # type: ignore[arg-type]
    (run,) = await house.jobs.runs(job.id)
    assert (run.outcome, run.sent_at, run.platform_ids) == ("undeliverable", None, ())


async def test_what_may_or_may_not_have_gone_out_is_not_called_sent(house: JobHouse) -> None:
    job, moment = await house.desk.remind("in 1h tea")
    await house.pass_time(moment.at + timedelta(minutes=1), deliver=False)
    step = await house.town.outbox.take(OWNER, "local", "s")  # and then its sender is never heard of again
    assert isinstance(step, Sending)
    assert [run.outcome for run in await house.jobs.runs(job.id)] == ["queued"]
    house.clock.set(house.clock.ms + 120_000)
    assert await house.town.deliver() == ["sent"]
    assert [(run.outcome, run.platform_ids) for run in await house.jobs.runs(job.id)] == [("sent", (step.row.row_id,))]


async def test_under_the_kill_switch_nothing_is_told_and_a_reminder_comes_afterwards(house: JobHouse) -> None:
    _, moment = await house.desk.remind("in 1h tea")
    await house.services.pauses.kill()
    await house.pass_time(moment.at + HOUR)
    assert house.told() == []
    await house.services.pauses.unkill()
    await house.pass_time(moment.at + 2 * HOUR)
    assert house.told() == ["tea"]


async def test_what_was_on_its_way_when_the_kill_switch_came_is_dropped_and_said_so(house: JobHouse) -> None:
    job, moment = await house.desk.remind("in 1h tea")
    await house.pass_time(moment.at + timedelta(minutes=1), deliver=False)
    await house.services.pauses.kill()
    await house.town.deliver()
    assert house.told() == []
    assert [(run.outcome, run.why) for run in await house.jobs.runs(job.id)] == [("dropped", "killed")]


async def test_without_a_chat_of_the_owners_a_reminder_waits_for_one(house: JobHouse) -> None:
    _, moment = await house.desk.remind("in 1h tea")
    await house.services.control.farewell("g1")
    house.clock.set(house.clock.ms + 2 * 3_600_000)
    assert await house.keeper.step() == 1
    await house.pass_time(from_ms(house.clock.ms) + HOUR)
    assert house.told() == ["tea"]
    assert moment.at < from_ms(house.clock.ms)


@pytest.mark.parametrize("typed", ["", "tomorrow 9:00", "yesterday 9:00 tea", "05/06 9:00 tea", "9 tea", "tomorrow 25:00 tea"])
async def test_a_reminder_without_a_time_or_words_is_refused(house: JobHouse, typed: str) -> None:
    with pytest.raises(DataError) as caught:
        await house.desk.remind(typed)
    assert caught.value.fix
    assert await house.desk.all() == []


async def test_jobs_of_the_night_are_told_in_the_morning_and_reminders_at_their_time(
    redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any
) -> None:
    night = {"sleep.enabled": True, "sleep.start": "23:00", "sleep.end": "07:00", "sleep.timezone": "UTC"}
    setup = load({"redis_url": redis_url, "pacing.enabled": False, "persona.name": "Sam", **night}, {}, home=tmp_path / "home")
    house = JobHouse(setup, store, model, clock)
    await house.begin()
    await house.desk.add(JobWish("night", "say", text="quiet", cron="0 3 * * *", zone="UTC"))
    _, moment = await house.desk.remind("tomorrow 3:00 loud")
    await house.pass_time(moment.at + timedelta(minutes=5))
    assert house.told() == ["loud"]
    await house.pass_time(moment.at + timedelta(hours=6))
    assert house.told() == ["loud", "quiet"]


async def test_a_question_is_one_call_and_a_model_that_is_down_is_asked_again(house: JobHouse) -> None:
    job = await house.desk.add(JobWish("ask", "ask", text="What is due?", cron="0 9 * * *", zone="UTC"))

    def down(_: object) -> Composed:
        raise UnavailableError("overloaded", "Overloaded.")

    house.town.model.script = down
    await house.pass_time(NOON + 21 * HOUR + timedelta(minutes=10))  # 9:10 of the next day
    asked = len(house.town.model.prompts)
    assert asked == 3  # at 9:00, 9:01 and 9:06
    house.town.model.script = lambda _: Composed("The rent.", Usage(10, 5))
    await house.pass_time(NOON + 22 * HOUR)
    assert house.told() == ["The rent."]
    assert len(house.town.model.prompts) == asked + 1
    assert (await house.jobs.runs(job.id))[0].outcome == "sent"


async def test_a_key_that_is_refused_waits_without_a_failure_and_is_one_line_of_the_log(house: JobHouse) -> None:
    job = await house.desk.add(JobWish("ask", "ask", text="What is due?", cron="0 9 * * *", zone="UTC"))

    def refused(_: object) -> Composed:
        raise CredentialsError("bad_key", "The key is refused.")

    house.town.model.script = refused
    await house.pass_time(NOON + 22 * HOUR)
    view = await house.jobs.view(job.id)
    assert (view.state.fails, view.state.enabled) == (0, True)
    assert [(run.outcome, run.why) for run in await house.jobs.runs(job.id)] == [("waiting", "bad_key")]
    assert house.told() == []


async def test_five_days_that_came_to_nothing_disable_a_job_once(house: JobHouse) -> None:
    job = await house.desk.add(JobWish("ask", "ask", text="What is due?", cron="0 9 * * *", zone="UTC"))

    def down(_: object) -> Composed:
        raise UnavailableError("overloaded", "Overloaded.")

    house.town.model.script = down
    await house.pass_time(NOON + 10 * DAY)
    view = await house.jobs.view(job.id)
    assert (view.state.enabled, view.state.why) == (False, "failed")
    assert len(house.town.model.prompts) == 5 * 5
    await house.desk.resume(job.id)
    house.town.model.script = lambda _: Composed("The rent.", Usage(10, 5))
    await house.pass_time(NOON + 11 * DAY)
    assert house.told() == ["The rent."]


async def test_thirty_quiet_days_cost_nothing_and_say_nothing(house: JobHouse) -> None:
    for name in ("digest", "owed", "week", "birthdays", "promises", "followup"):
        await house.desk.choose(name)
    await house.desk.choose("watch", cron_line="0 */6 * * *")
    await house.pass_time(NOON + 30 * DAY)
    assert house.told() == []
    assert house.town.model.prompts == []


async def test_a_job_that_is_switched_off_as_a_whole_or_removed_says_nothing(house: JobHouse) -> None:
    one = await house.desk.add(JobWish("one", "say", text="one", cron="0 14 * * *", zone="UTC"))
    await house.desk.add(JobWish("two", "say", text="two", cron="0 14 * * *", zone="UTC"))
    await house.desk.remove(one.id)
    await house.desk.switch_all(on=False)
    await house.pass_time(NOON + 3 * HOUR)
    assert house.told() == []
    await house.desk.switch_all(on=True)
    await house.pass_time(NOON + 4 * HOUR)
    assert house.told() == ["two"]


@pytest.mark.parametrize("change", ["edit", "pause", "remove"])
async def test_what_an_old_version_would_say_is_never_said(house: JobHouse, change: str) -> None:
    """The job is changed while its run is under way."""
    job = await house.desk.add(JobWish(change, "ask", text="old", every=HOUR))

    async def meanwhile(_: object) -> Composed:
        match change:
            case "edit":
                await house.desk.edit(job.id, text="new")
            case "pause":
                await house.desk.pause(job.id)
            case _:
                await house.desk.remove(job.id)
        return Composed("said", Usage(1, 1))

    house.town.model.script = meanwhile
    house.clock.set(house.clock.ms + 3_600_001)
    await house.begin()
    assert await house.keeper.step() == 1
    await house.town.deliver()
    assert house.told() == []


async def test_a_run_that_somebody_wants_now_does_not_eat_the_next_one(house: JobHouse) -> None:
    job = await house.desk.add(JobWish("tea", "say", text="tea", cron="0 14 * * *", zone="UTC"))
    await house.jobs.call(job.id)
    await house.pass_time(NOON + timedelta(minutes=1))
    assert house.told() == ["tea"]
    await house.pass_time(NOON + 3 * HOUR)
    assert house.told() == ["tea", "tea"]
    assert [run.outcome for run in await house.jobs.runs(job.id)] == ["sent", "sent"]


async def test_how_often_jobs_may_tell_does_not_count_reminders(house: JobHouse) -> None:
    for number in range(20):
        await house.desk.remind(f"in {number + 10}m tea {number}")
    await house.pass_time(NOON + HOUR)
    assert len(house.told()) == 20


async def test_a_version_that_is_not_the_newest_changes_nothing(house: JobHouse) -> None:
    job = await house.jobs.put(job_of("tea", AtSchedule(at_ms=house.clock.ms + 1000, zone="UTC")))
    await house.jobs.put(job.model_copy(update={"text": "other"}))
    with pytest.raises(Exception, match="changed that job meanwhile"):
        await house.jobs.put(job.model_copy(update={"text": "third"}))
    assert (await house.jobs.view("tea")).job.text == "other"


async def test_an_edit_leaves_a_paused_job_paused_and_a_ready_made_one_its_words(house: JobHouse) -> None:
    job = await house.desk.add(JobWish("tea", "say", text="tea", every=HOUR))
    await house.desk.pause(job.id)
    await house.desk.edit(job.id, text="coffee")
    view = await house.jobs.view(job.id)
    assert (view.job.text, view.state.enabled, view.state.why) == ("coffee", False, "paused")
    await house.desk.choose("digest")
    with pytest.raises(DataError) as caught:
        await house.desk.edit("digest", text="say this")
    assert caught.value.code == "ready_made"


async def test_a_job_in_a_zone_that_this_machine_does_not_know_is_no_other_jobs_trouble(house: JobHouse) -> None:
    broken = await house.desk.add(JobWish("mars", "say", text="mars", cron="0 14 * * *", zone="UTC"))
    await house.desk.add(JobWish("tea", "say", text="tea", cron="0 14 * * *", zone="UTC"))
    raw = await house.town.store.client.get(f"JOB:def:{broken.id}")
    await house.town.store.client.set(f"JOB:def:{broken.id}", raw.replace(b'"zone":"UTC"', b'"zone":"Mars/Base"'))
    await house.keeper.review()
    await house.pass_time(NOON + 3 * HOUR)
    assert house.told() == ["tea"]
    assert [view.job.name for view in await house.desk.all()] == ["tea"]


async def test_a_record_that_nobody_thought_of_ends_no_gateway(house: JobHouse) -> None:
    odd = await house.desk.add(JobWish("odd", "say", text="odd", every=HOUR))
    await house.desk.add(JobWish("tea", "say", text="tea", cron="0 14 * * *", zone="UTC"))
    raw = await house.town.store.client.get(f"JOB:def:{odd.id}")
    await house.town.store.client.set(f"JOB:def:{odd.id}", raw.replace(b'"everyS":3600', b'"everyS":0'))
    await house.keeper.review()
    await house.pass_time(NOON + 3 * HOUR)
    assert house.told() == ["tea"]
    assert [view.job.name for view in await house.desk.all()] == ["tea"]


async def test_after_its_end_a_job_says_nothing_whatever_looks_at_it(house: JobHouse) -> None:
    job = await house.desk.add(JobWish("tea", "say", text="tea", cron="0 14 * * *", zone="UTC", until="2026-12-01 20:00"))
    for day in range(5):
        await house.keeper.review()
        await house.pass_time(NOON + day * DAY + 3 * HOUR)
    assert house.told() == ["tea", "tea"]
    assert (await house.jobs.view(job.id)).next_at is None
