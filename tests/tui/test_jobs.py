"""Jobs on the screen: seen as they stand, switched, run, looked at before they speak, edited, chosen and deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.screen import Screen, shown
from fakes.town import Town
from textual.widgets import OptionList, TextArea

from secondme.core.errors import NotFoundError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobDesk, JobWish
from secondme.core.jobs.records import JobRecord
from secondme.core.jobs.schedule import AtSchedule, CronSchedule, EverySchedule
from secondme.core.store import keys
from secondme.job_desk import asking, job_desk, timekeeper

OpenScreen = Callable[..., Any]
OWNER = ContactId("local:owner")


async def made(town: Town, name: str, **given: Any) -> JobRecord:
    wish: dict[str, Any] = {"kind": "say", "text": "Put the bins out", "cron": "0 19 * * 2", "zone": "Europe/Berlin", **given}
    return await job_desk(town.services).add(JobWish(name, **wish))


async def owner_is_there(town: Town) -> None:
    """A gateway runs and knows the owner's own chat."""
    now = town.clock.now_ms()
    channel = {"state": "connected", "title": "Local", "ownerChat": OWNER, "since": now}
    facts = {"part": "all", "host": "here", "pid": 1, "version": "1", "startedAt": now, "channels": {"local": channel}}
    await town.services.control.beat("g1", facts)


def line(on: Screen, job: str) -> str:
    """What the row of a job says, in single blanks; empty while there is none."""
    return " ".join(on.page("jobs").rows.text_of(job).split()) if job in on.keys("jobs") else ""


def flat(on: Screen) -> str:
    """Every word on the screen, in one line, without borders."""
    return " ".join(shown(on).replace("│", " ").split())


def sheet(on: Screen) -> str:
    return " ".join(on.sheet("jobs").split())


async def opened(on: Screen, count: int = 1) -> None:
    await on.press("5")
    await on.until(lambda: len(on.keys("jobs")) == count)


async def test_a_screen_without_jobs_says_how_to_have_one(town: Town, screen: OpenScreen) -> None:
    del town
    async with screen(size=(80, 24)) as on:
        await on.press("5")
        await on.until(lambda: "No jobs yet" in flat(on))
        await on.press("n")
        await on.dialog("ChoiceDialog")
        assert "Morning digest every day 07:30" in flat(on)
        assert "Your week Sun 18:00" in flat(on)


async def test_jobs_are_listed_with_their_times_and_the_one_under_the_cursor_in_full(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    bins = await made(town, "bins")
    call = await made(town, "call", kind="write", text="Ask whether to ring.", cron="", on_call=True, target="local:anna")
    money = await made(town, "money", cron="", when="budget 80")
    gym = await made(town, "gym", cron="30 7 * * 1-5")
    await job_desk(town.services).pause("gym")
    async with screen(size=(140, 45)) as on:
        await opened(on, 4)
        assert on.keys("jobs")[-1] == gym.id
        assert line(on, bins.id).startswith("bins on ")
        assert line(on, bins.id).endswith(" 19:00")
        assert [line(on, each.id) for each in (call, money, gym)] == ["call on when it is run", "money on when it is so", "gym off"]
        await on.at("jobs", bins.id)
        await on.until(lambda: "Next times" in sheet(on))
        assert "Runs Tue 19:00, Europe/Berlin Does Tells you: Put the bins out For you Last it has not run yet" in sheet(on)
        assert sheet(on).count(" 19:00") == 7  # next, the schedule, and five times
        assert f"{bins.id} · made by test" in flat(on)
        await on.at("jobs", call.id)
        await on.until(lambda: "Does Has the clone write to Anna: Ask whether to ring. For Anna" in sheet(on))
        await on.at("jobs", gym.id)
        await on.until(lambda: "You switched it off: o switches it on." in sheet(on))
        assert "Next not while it is off" in sheet(on)


async def test_a_job_is_switched_off_and_on_by_one_key_and_enter_switches_nothing(town: Town, screen: OpenScreen) -> None:
    job = await made(town, "bins")
    async with screen() as on:
        await opened(on)
        await on.press("enter", "escape")
        await on.press("o")
        await on.said("bins is off")
        await on.until(lambda: line(on, job.id) == "bins off")
        assert (await town.services.jobs.view(job.id)).state.why == "paused"
        await on.press("o")
        await on.said("bins is on: .*19:00")
        await on.until(lambda: line(on, job.id).endswith(" on"))
        assert (await town.services.jobs.view(job.id)).state.enabled


async def test_a_job_that_is_run_shows_at_once_what_became_of_it(town: Town, screen: OpenScreen, model: ScriptedModel) -> None:
    await owner_is_there(town)
    job = await made(town, "bins", loud=True)
    keeper = timekeeper(town.services, "w1", asking(town.services, model))
    async with screen(size=(120, 30)) as on:
        await opened(on)
        await on.press("r")
        await on.said("bins runs in a moment")
        await on.until(lambda: "now" in line(on, job.id))
        assert await keeper.step() == 1
        await on.until(lambda: "on its way" in sheet(on))
        await town.deliver()
        assert town.channel.texts(OWNER) == ["Put the bins out"]
        platform_id = (await town.services.jobs.runs(job.id))[0].platform_ids[0]
        await on.until(lambda: f"sent {platform_id}" in sheet(on).partition("What became of it")[2])


async def test_without_a_gateway_the_owner_is_told_when_it_runs(town: Town, screen: OpenScreen, model: ScriptedModel) -> None:
    job = await made(town, "bins")
    keeper = timekeeper(town.services, "w1", asking(town.services, model))
    async with screen(size=(140, 45)) as on:
        await opened(on)
        await on.press("r")
        await on.said("bins runs as soon as a gateway does: secondme serve")
        assert await keeper.step() == 1
        await on.until(lambda: "last one waits" in line(on, job.id))
        await on.until(lambda: "No chat of yours is known." in sheet(on))


async def test_what_a_job_would_say_is_shown_and_asks_no_model(town: Town, screen: OpenScreen, model: ScriptedModel) -> None:
    bins = await made(town, "bins")
    await town.let_in("anna")
    await town.writes("anna", "hello you")
    await job_desk(town.services).choose("digest")
    async with screen(size=(100, 40)) as on:
        await opened(on, 2)
        await on.at("jobs", "digest")
        await on.press("t")
        await on.dialog("SheetDialog")
        assert "What Morning digest says now" in flat(on)
        assert "Anna: 1 message" in flat(on)
        await on.press("escape")
        await on.closed()
        await on.at("jobs", bins.id)
        await on.press("t")
        await on.dialog("SheetDialog")
        assert "Put the bins out" in flat(on)
    assert model.prompts == []


async def test_a_ready_made_job_is_looked_at_and_then_switched_on(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hello you")
    async with screen(size=(100, 40)) as on:
        await on.press("5")
        for decision in ("escape", "a"):
            await on.press("n")
            await on.dialog("ChoiceDialog")
            on.app.screen.query_one(OptionList).highlighted = 0
            await on.press("enter")
            await on.dialog("SheetDialog")
            assert "every day 07:30. It says nothing when nothing happened since the last one." in flat(on)
            assert "Anna: 1 message" in flat(on)
            await on.press("enter")
            assert await job_desk(town.services).all() == []
            await on.press(decision)
            await on.closed()
        await on.said("Morning digest is on: every day 07:30")
        await on.until(lambda: "digest" in on.keys("jobs"))
        assert (await town.services.jobs.view("digest")).job.kind == "digest"


@pytest.mark.parametrize(
    ("given", "wrong", "right", "kept"),
    [
        ({}, "99 7 * * *", "5 8 * * 1", CronSchedule(expr="5 8 * * 1", zone="Europe/Berlin")),
        ({"cron": "", "at": "tomorrow 9:00"}, "neverday", "tomorrow 10:00", AtSchedule),
        ({"cron": "", "every": timedelta(days=1)}, "often", "2h", EverySchedule),
    ],
)
async def test_its_time_is_edited_and_asked_for_again_when_it_cannot_be(
    town: Town, screen: OpenScreen, given: dict[str, Any], wrong: str, right: str, kept: Any
) -> None:
    job = await made(town, "bins", **given)
    async with screen(size=(100, 30)) as on:
        await opened(on)
        await on.press("e")
        await on.dialog("ChoiceDialog")
        await on.press("down", "enter")
        await on.dialog("LineDialog")
        on.input().value = wrong
        await on.press("enter")
        await on.until(lambda: on.toasts)
        await on.dialog("LineDialog")
        assert on.input().value == wrong
        on.input().value = right
        await on.press("enter")
        await on.said("bins is changed")
        await on.closed()
    schedule = (await town.services.jobs.view(job.id)).job.schedule
    assert schedule == kept if isinstance(kept, CronSchedule) else isinstance(schedule, kept) and schedule != job.schedule


async def test_words_that_could_not_be_kept_are_not_lost(town: Town, screen: OpenScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await made(town, "bins")
    async with screen(size=(100, 30)) as on:
        await opened(on)
        await on.press("e")
        await on.dialog("ChoiceDialog")
        await on.press("enter")
        await on.dialog("TextDialog")
        with monkeypatch.context() as lost:
            lost.setattr(JobDesk, "edit", _away)
            await on.write(" and the glass")
            await on.press("ctrl+s")
            await on.said("The store does not answer")
            await on.dialog("TextDialog")
        assert on.app.screen.query_one(TextArea).text == "Put the bins out and the glass"
        await on.press("ctrl+s")
        await on.said("bins is changed")
        await on.closed()
        await on.press("e")
        await on.dialog("ChoiceDialog")
        await on.press("down", "down", "enter")
        await on.dialog("LineDialog")
        on.input().value = "rubbish"
        await on.press("enter")
        await on.until(lambda: line(on, job.id).startswith("rubbish "))
    found = (await town.services.jobs.view(job.id)).job
    assert (found.text, found.name) == ("Put the bins out and the glass", "rubbish")


async def _away(*_: Any, **__: Any) -> None:
    raise UnavailableError("store_unreachable", "The store does not answer.", "Try again.")


async def test_a_job_is_deleted_only_after_a_confirmation(town: Town, screen: OpenScreen) -> None:
    job = await made(town, "bins")
    async with screen() as on:
        await opened(on)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert (await town.services.jobs.view(job.id)).job == job
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("bins is deleted")
        await on.until(lambda: on.keys("jobs") == [])
        with pytest.raises(NotFoundError):
            await town.services.jobs.view(job.id)


async def test_what_another_makes_removes_or_stops_is_seen_by_itself(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("5")
        await on.until(lambda: "No jobs yet" in flat(on))
        job = await made(town, "bins")
        await on.until(lambda: line(on, job.id).endswith(" on"))
        await job_desk(town.services).switch_all(on=False)
        on.app.desk.look_again()
        await on.until(lambda: flat(on).count("No job runs by itself. secondme jobs on") == 2)
        await job_desk(town.services).switch_all(on=True)
        on.app.desk.look_again()
        await on.until(lambda: "No job runs by itself" not in flat(on))
        await town.store.client.hset(keys.job_state(job.id), mapping={"enabled": 0, "why": "failed"})
        on.app.desk.look_again()
        await on.until(lambda: line(on, job.id) == "▲ bins stopped failed")
        await on.until(lambda: "It came to nothing too often" in sheet(on))
        await job_desk(town.services).remove(job.id)
        await on.until(lambda: on.keys("jobs") == [])


async def test_words_of_others_are_shown_and_not_obeyed(town: Town, screen: OpenScreen) -> None:
    job = await made(town, "[bold red]x[/]\x1b[2J", text="\x1b]0;title\x07[@click=app.quit]quit[/]")
    async with screen(size=(100, 30)) as on:
        await opened(on)
        assert "\x1b" not in shown(on)
        assert line(on, job.id).startswith("[bold red]x[/]")
        await on.until(lambda: "[@click=app.quit]quit[/]" in on.sheet("jobs"))
