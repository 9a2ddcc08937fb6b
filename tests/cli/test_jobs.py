"""`secondme jobs`, `remind` and `hooks` as they are typed: what is answered, what is refused, and with which exit code."""

import asyncio
import json
from typing import Any

import pytest
from fakes.process import Cli
from fakes.town import Town

from secondme.core.enums import Tier


async def data_of(cli: Cli, *words: str) -> dict[str, Any]:
    result = await asyncio.to_thread(cli, *words, "--json")
    envelope: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == envelope["exit_code"], result.output
    return envelope


async def test_a_reminder_says_when_it_will_be_and_how_to_take_it_back(cli: Cli, town: Town) -> None:
    assert town
    said = await asyncio.to_thread(cli, "remind", "in 2h", "call", "the", "dentist", "--zone", "Europe/Berlin")
    assert said.exit_code == 0
    assert "Europe/Berlin, in 2 h: call the dentist" in said.stdout
    assert "secondme jobs remove" in said.stdout
    (job,) = (await data_of(cli, "jobs", "list"))["data"]["jobs"]
    assert (job["name"], job["kind"], job["target"], job["enabled"]) == ("call the dentist", "say", "self", True)
    assert (await data_of(cli, "jobs", "remove", job["id"]))["data"]["outcome"] == "removed"
    assert (await data_of(cli, "jobs", "list"))["data"]["jobs"] == []


@pytest.mark.parametrize(
    ("words", "code", "fix"),
    [
        (("remind", "tomorrow 25:00", "tea"), "bad_time", "tomorrow 9:00"),
        (("remind", "yesterday 9:00", "tea"), "bad_time", "tomorrow 9:00"),
        (("remind", "2020-01-01 9:00", "tea"), "past", "tomorrow 9:00"),
        (("remind", "05/06 9:00", "tea"), "bad_time", ""),
        (("remind", "tomorrow 9:00 sharp", "tea"), "bad_time", "tomorrow 9:00"),
        (("remind", "tomorrow 9:00", "tea", "--zone", "Europe/Belin"), "unknown_zone", "Europe/Berlin"),
        (("jobs", "add", "x", "--cron", "*/5 * * * *", "--say", "hi"), "too_often", "*/15"),
        (("jobs", "add", "x", "--cron", "0 0 30 2 *", "--say", "hi"), "bad_schedule", ""),
        (("jobs", "add", "x", "--cron", "* * * * * *", "--say", "hi"), "bad_schedule", "30 7"),
        (("jobs", "add", "x", "--every", "5m", "--say", "hi"), "too_often", "15m"),
        (("jobs", "add", "x", "--say", "hi"), "no_schedule", "--help"),
        (("jobs", "add", "x", "--when", "moonrise", "--say", "hi"), "unknown_trigger", "owed"),
        (("jobs", "add", "x", "--when", "budget 500", "--say", "hi"), "bad_trigger", "budget 80"),
        (("jobs", "add", "x", "--cron", "0 9 * * *", "--say", " "), "no_words", "--say"),
        (("jobs", "add", "x", "--cron", "0 9 * * *", "--write", "hi", "--to", "nobody"), "unknown_contact", "contacts"),
        (("jobs", "show", "nothing"), "unknown_job", "jobs"),
        (("jobs", "ready", "nothing"), "unknown_job", "jobs ready"),
        (("hooks", "add", "github", "--job", "nothing"), "unknown_job", "jobs"),
        (("hooks", "remove", "nothing"), "unknown_hook", "hooks list"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_with_what_to_type(
    cli: Cli, town: Town, words: tuple[str, ...], code: str, fix: str
) -> None:
    assert town
    envelope = await data_of(cli, *words)
    assert envelope["exit_code"] == 65
    assert [error["code"] for error in envelope["errors"]] == [code]
    assert fix in envelope["errors"][0]["fix"]
    assert (await data_of(cli, "jobs", "list"))["data"]["jobs"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "add", "x", "--cron", "0 9 * * *"),
        ("jobs", "add", "x", "--cron", "0 9 * * *", "--say", "a", "--ask", "b"),
        ("jobs", "add", "x", "--cron", "0 9 * * *", "--write", "a"),
        ("jobs", "add", "x", "--cron", "0 9 * * *", "--say", "a", "--to", "anna"),
        ("hooks", "add", "Git Hub", "--job", "x"),
        ("remind", "in 2h"),
    ],
)
async def test_what_does_not_go_together_is_a_usage_error(cli: Cli, town: Town, words: tuple[str, ...]) -> None:
    assert town
    assert (await asyncio.to_thread(cli, *words)).exit_code == 2


async def test_a_job_is_made_shown_changed_paused_run_and_removed(cli: Cli, town: Town) -> None:
    assert town
    made = (await data_of(cli, "jobs", "add", "tea", "--cron", "0 16 * * 1-5", "--say", "Tea!", "--zone", "Europe/Berlin"))["data"]
    assert made["schedule"] == {"kind": "cron", "expr": "0 16 * * 1-5", "zone": "Europe/Berlin"}
    assert made["next"] is not None
    shown = await asyncio.to_thread(cli, "jobs", "show", "tea")
    assert "0 16 * * 1-5" in shown.stdout
    assert shown.stdout.count("Europe/Berlin") == 5
    assert (await data_of(cli, "jobs", "edit", "tea", "--text", "Coffee!"))["data"]["text"] == "Coffee!"
    assert (await data_of(cli, "jobs", "pause", "tea"))["data"]["enabled"] is False
    assert (await data_of(cli, "jobs", "resume", "tea"))["data"]["enabled"] is True
    run = await data_of(cli, "jobs", "run", "tea")
    assert (run["data"]["outcome"], run["data"]["why"], run["exit_code"]) == ("waiting", "no owner chat", 1)
    assert [each["outcome"] for each in (await data_of(cli, "jobs", "runs", "tea"))["data"]["runs"]] == ["waiting"]
    assert (await data_of(cli, "jobs", "off"))["data"]["off"] is True
    assert (await data_of(cli, "jobs", "list"))["data"]["off"] is True
    await data_of(cli, "jobs", "on")
    assert (await data_of(cli, "jobs", "remove", made["id"]))["data"]["outcome"] == "removed"


async def test_what_is_only_tried_keeps_nothing(cli: Cli, town: Town) -> None:
    assert town
    tried = (await data_of(cli, "jobs", "add", "tea", "--every", "2h", "--say", "Tea!", "--dry-run"))["data"]
    assert len(tried["next"]) == 5
    assert (await data_of(cli, "jobs", "list"))["data"]["jobs"] == []


async def test_a_ready_made_job_shows_what_it_would_say_and_is_on_with_a_word(cli: Cli, town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hello there")
    preview = (await data_of(cli, "jobs", "ready", "digest"))["data"]
    assert "Anna: 1 message" in preview["preview"]
    assert preview["on"] is False
    assert {each["id"] for each in (await data_of(cli, "jobs", "ready"))["data"]["ready"]} == {
        "digest", "owed", "week", "watch", "promises", "birthdays", "followup",
    }  # fmt: skip
    assert (await data_of(cli, "jobs", "ready", "digest", "--yes"))["data"]["on"] is True
    assert [each["id"] for each in (await data_of(cli, "jobs", "ready"))["data"]["ready"] if each["on"]] == ["digest"]
    assert "Anna: 1 message" in (await data_of(cli, "jobs", "preview", "digest"))["data"]["text"]


async def test_who_may_be_written_to_is_said_by_name_and_ends(cli: Cli, town: Town) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    given = (await data_of(cli, "jobs", "allow", "anna", "greet", "--yes", "--for", "30d"))["data"]
    assert (given["contactId"], given["category"], given["reach"]) == ("local:anna", "greet", "self")
    assert [each["category"] for each in (await data_of(cli, "jobs", "allowed"))["data"]["grants"]] == ["greet"]
    assert (await asyncio.to_thread(cli, "jobs", "allow", "anna", "write", "--yes")).exit_code == 65
    await data_of(cli, "jobs", "disallow", "anna", "greet")
    assert (await data_of(cli, "jobs", "allowed"))["data"]["grants"] == []


async def test_a_hook_is_a_token_of_one_job(cli: Cli, town: Town) -> None:
    assert town
    job = (await data_of(cli, "jobs", "add", "deploy", "--on-call", "--say", "Deployed."))["data"]["id"]
    made = (await data_of(cli, "hooks", "add", "github", "--job", "deploy"))["data"]
    assert (made["job"], len(made["token"])) == (job, 43)
    (listed,) = (await data_of(cli, "hooks", "list"))["data"]["hooks"]
    assert "token" not in listed
    assert (await data_of(cli, "hooks", "rotate", "github"))["data"]["token"] != made["token"]
    assert (await data_of(cli, "hooks", "test", "github"))["data"]["outcome"] == "called"
    assert await town.services.jobs.read(job)
    assert (await town.services.jobs.read(job)).calls == 1
    await data_of(cli, "hooks", "remove", "github")
    assert (await data_of(cli, "hooks", "list"))["data"]["hooks"] == []
