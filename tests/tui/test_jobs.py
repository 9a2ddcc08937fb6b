"""Jobs on the screen: seen as they stand, switched, run, looked at before they speak, chosen and removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.screen import Screen, shown
from fakes.town import Town
from textual.widgets import OptionList

from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobWish
from secondme.core.jobs.records import JobRecord
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


def states(on: Screen) -> dict[str, str]:
    return {row[1]: row[0] for row in on.rows("jobs")}


def flat(on: Screen) -> str:
    """Every word on the screen, in one line, without borders."""
    return " ".join(shown(on).replace("│", " ").split())


async def opened(on: Screen, count: int = 1) -> None:
    await on.press("j")
    await on.until(lambda: len(on.rows("jobs")) == count)


async def test_a_screen_without_jobs_says_how_to_have_one(town: Town, screen: OpenScreen) -> None:
    del town
    async with screen(size=(80, 24)) as on:
        await on.press("j")
        await on.until(lambda: "No jobs yet" in flat(on))
        await on.press("a")
        await on.dialog("ChoiceDialog")
        assert "Morning digest every day 07:30" in flat(on)
        assert "Your week Sun 18:00" in flat(on)


async def test_jobs_are_listed_with_their_times_and_the_one_under_the_cursor_in_full(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    bins = await made(town, "bins")
    await made(town, "call", kind="write", text="Ask whether to ring.", cron="", on_call=True, target="local:anna")
    await made(town, "money", cron="", when="budget 80")
    await made(town, "gym", cron="30 7 * * 1-5")
    await job_desk(town.services).pause("gym")
    async with screen(size=(140, 45)) as on:
        await opened(on, 4)
        cells = {row[1]: row for row in on.rows("jobs")}
        assert [cells[name][2] for name in ("bins", "call", "money", "gym")] == [
            "Tue 19:00",
            "when it is run",
            "when 80 % of the day's …",
            "Mon-Fri 07:30",
        ]
        assert (cells["bins"][3][:4], cells["bins"][3][-5:]) == ("Tue ", "19:00")
        assert (cells["call"][4], cells["bins"][4], cells["gym"][0]) == ("Anna", "you", "○ off")
        assert "you switched it off" in cells["gym"][6]
        assert [*cells][-1] == "gym"
        on.page("jobs").table.move_cursor(row=[*cells].index("bins"))
        await on.until(lambda: "Next times" in on.text("#page-jobs .detail"))
        detail = on.text("#page-jobs .detail")
        assert f"bins  {bins.id}  Tue 19:00, Europe/Berlin; made by test" in detail
        assert (detail.count("19:00"), "Tells you: Put the bins out" in detail) == (6, True)
        on.page("jobs").table.move_cursor(row=[*cells].index("call"))
        await on.until(lambda: "Has the clone write to Anna: Ask whether to ring." in on.text("#page-jobs .detail"))


async def test_a_job_is_switched_off_and_on_by_one_key(town: Town, screen: OpenScreen) -> None:
    job = await made(town, "bins")
    async with screen() as on:
        await opened(on)
        await on.press("space")
        await on.said("bins is off")
        await on.until(lambda: states(on) == {"bins": "○ off"})
        assert (await town.services.jobs.view(job.id)).state.why == "paused"
        await on.press("space")
        await on.said("bins is on: Tue ")
        await on.until(lambda: states(on) == {"bins": "● on"})


async def test_a_job_that_is_run_shows_at_once_what_became_of_it(town: Town, screen: OpenScreen, model: ScriptedModel) -> None:
    await owner_is_there(town)
    await made(town, "bins", loud=True)
    keeper = timekeeper(town.services, "w1", asking(town.services, model))
    async with screen(size=(120, 30)) as on:
        await opened(on)
        await on.press("r")
        await on.said("bins runs in a moment")
        await on.until(lambda: on.rows("jobs")[0][3] == "now")
        assert await keeper.step() == 1
        await on.until(lambda: on.rows("jobs")[0][-2].strip() == "on its way")
        await town.deliver()
        assert town.channel.texts(OWNER) == ["Put the bins out"]
        await on.until(lambda: on.rows("jobs")[0][-2].strip() == "sent")
        platform_id = (await town.services.jobs.runs((await job_desk(town.services).find("bins")).job.id))[0].platform_ids[0]
        await on.until(lambda: f"sent  {platform_id}" in on.text("#page-jobs .detail"))
        await on.press("enter")
        await on.dialog("SheetDialog")
        assert "What became of bins" in flat(on)
        assert "sent" in flat(on)


async def test_without_a_gateway_the_owner_is_told_when_it_runs(town: Town, screen: OpenScreen, model: ScriptedModel) -> None:
    await made(town, "bins")
    keeper = timekeeper(town.services, "w1", asking(town.services, model))
    async with screen(size=(140, 45)) as on:
        await opened(on)
        await on.press("r")
        await on.said("bins runs as soon as a gateway does: secondme serve")
        assert await keeper.step() == 1
        await on.until(lambda: on.rows("jobs")[0][5:] == ["waits", "no chat of yours is known"])
        assert "No chat of yours is known." in on.text("#page-jobs .detail")


async def test_a_preview_is_what_would_be_said_and_asks_no_model(town: Town, screen: OpenScreen, model: ScriptedModel) -> None:
    await made(town, "bins")
    await town.let_in("anna")
    await town.writes("anna", "hello you")
    await job_desk(town.services).choose("digest")
    async with screen(size=(100, 40)) as on:
        await opened(on, 2)
        place = [row[1] for row in on.rows("jobs")].index("Morning digest")
        on.page("jobs").table.move_cursor(row=place)
        await on.pilot.pause()
        await on.press("p")
        await on.dialog("SheetDialog")
        assert "What Morning digest says now" in flat(on)
        assert "Anna: 1 message" in flat(on)
        await on.press("escape")
        await on.closed()
        on.page("jobs").table.move_cursor(row=1 - place)
        await on.pilot.pause()
        await on.press("p")
        await on.dialog("SheetDialog")
        assert "Put the bins out" in flat(on)
    assert model.prompts == []


async def test_a_ready_made_job_is_looked_at_and_then_switched_on(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hello you")
    async with screen(size=(100, 40)) as on:
        await on.press("j")
        for decision in ("escape", "y"):
            await on.press("a")
            await on.dialog("ChoiceDialog")
            on.app.screen.query_one(OptionList).highlighted = 0
            await on.press("enter")
            await on.dialog("SheetDialog")
            assert "every day 07:30. It says nothing when nothing happened since the last one." in flat(on)
            assert "Anna: 1 message" in flat(on)
            await on.press(decision)
            await on.closed()
            assert (await job_desk(town.services).all() == []) == (decision == "escape")
        await on.said("Morning digest is on: every day 07:30")
        await on.until(lambda: states(on) == {"Morning digest": "● on"})
        assert (await town.services.jobs.view("digest")).job.kind == "digest"


async def test_a_job_is_removed_only_after_a_confirmation(town: Town, screen: OpenScreen) -> None:
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
        await on.said("bins is removed")
        await on.until(lambda: on.rows("jobs") == [])
        with pytest.raises(NotFoundError):
            await town.services.jobs.view(job.id)


async def test_what_another_makes_removes_or_stops_is_seen_by_itself(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("j")
        await on.until(lambda: "No jobs yet" in flat(on))
        job = await made(town, "bins")
        await on.until(lambda: states(on) == {"bins": "● on"})
        await job_desk(town.services).switch_all(on=False)
        await on.until(lambda: "No job runs by itself. secondme jobs on" in flat(on))
        await job_desk(town.services).switch_all(on=True)
        await on.until(lambda: "No job runs by itself" not in flat(on))
        await town.store.client.hset(keys.job_state(job.id), mapping={"enabled": 0, "why": "failed"})
        await on.until(lambda: states(on) == {"bins": "▲ failed"})
        assert "It came to nothing too often" in on.text("#page-jobs .detail")
        await job_desk(town.services).remove(job.id)
        await on.until(lambda: on.rows("jobs") == [])


async def test_words_of_others_are_shown_and_not_obeyed(town: Town, screen: OpenScreen) -> None:
    await made(town, "[bold red]x[/]\x1b[2J", text="\x1b]0;title\x07[@click=app.quit]quit[/]")
    async with screen(size=(100, 30)) as on:
        await opened(on)
        assert "\x1b" not in shown(on)
        assert on.rows("jobs")[0][1].startswith("[bold red]x[/]")
        assert "[@click=app.quit]quit[/]" in on.text("#page-jobs .detail")
