"""The clone asked by its owner: the answer on stdout, words for others as drafts, and what it all cost."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.messages_api import Fail, MessagesApi, Request, Say, messages_api
from fakes.process import command
from fakes.town import Town
from flows.test_proposals import CODE, TOOLS
from skills.folders import lay, skill_files
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.skills.loader import digest_of

ANNA = ContactId("local:anna")
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        server.script = lambda _: Say("Buy milk.", usage=(100, 20, 900, 0))
        yield server


@pytest.fixture
def run(api: MessagesApi, home: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    env = {
        "SECONDME_REDIS_URL": redis_url,
        "SECONDME_PERSONA__NAME": "Sam",
        "SECONDME_MODEL__API_KEY": "sk-test",
        "SECONDME_MODEL__BASE_URL": api.url,
        "SECONDME_SLEEP__ENABLED": "false",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def invoke(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--home", str(home), *words], input=stdin)

    return lambda *words, stdin=None: asyncio.to_thread(invoke, *words, stdin=stdin)


async def test_the_answer_is_on_stdout_and_nothing_is_sent(town: Town, api: MessagesApi, run: Run) -> None:
    await town.let_in("anna")
    await town.writes("anna", "canary-of-anna")
    result = await run("agent", "--message", "-", "--thinking", "high", stdin="what is on my list?\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Buy milk.\n", "")
    (request,) = api.requests
    assert (request.last_text, request.body["output_config"]) == ("what is on my list?", {"effort": "high"})
    assert "You are Sam's AI assistant and Sam is asking you" in str(request.body["system"])
    assert "canary" not in json.dumps(request.body)
    assert await town.raw_keys("OUTBOX:local*") == await town.raw_keys("HELD:*") == []


@pytest.mark.usefixtures("run")
async def test_what_is_worth_a_line_in_the_log_is_none_on_the_terminal(home: Path, api: MessagesApi) -> None:
    env = {name: value for name, value in os.environ.items() if name.startswith("SECONDME_")}
    api.knows_effort = False
    said = await asyncio.to_thread(command, home, "agent", "--message", "what is on my list?", **env)
    assert (said.returncode, said.stdout, said.stderr) == (0, "Buy milk.\n", "")


async def test_words_for_a_contact_are_a_draft_and_only_the_owner_sends_them(town: Town, api: MessagesApi, run: Run) -> None:
    await town.let_in("anna")
    await town.writes("anna", "will you call?", from_me=False)
    api.script = lambda _: Say("I call you at four.")
    dry = await run("agent", "-m", "say that I call at four", "--to", "anna", "--dry-run", "--json")
    assert (json.loads(dry.stdout)["data"]["outcome"], await town.raw_keys("HELD:*")) == ("composed", [])
    result = await run("agent", "-m", "say that I call at four", "--to", ANNA, "--json")
    data = json.loads(result.stdout)["data"]
    assert (result.exit_code, data["outcome"], data["text"], data["fault"]) == (0, "draft", "I call you at four.", None)
    told = json.dumps(api.requests[-1].body, ensure_ascii=False)
    assert "will you call?" in told
    assert api.requests[-1].last_text == "say that I call at four"
    assert await town.deliver() == []
    await town.drafts.send(data["draftId"])
    await town.deliver()
    assert town.channel.texts(ANNA) == ["I call you at four."]


async def test_a_persona_for_a_contact_is_a_wrong_call_and_nobody_is_asked(town: Town, api: MessagesApi, run: Run) -> None:
    await town.let_in("anna")
    result = await run("agent", "-m", "greet her", "--to", ANNA, "--persona", "work")
    assert (result.exit_code, result.stdout, api.requests) == (2, "", [])


async def test_words_that_fail_the_checks_twice_can_only_leave_in_the_owners_own(town: Town, api: MessagesApi, run: Run) -> None:
    await town.let_in("anna")
    api.script = lambda _: Say("Traceback (most recent call last):\n  File \"/srv/x.py\", line 1\nKeyError: 'a'")
    data = json.loads((await run("agent", "-m", "greet her", "--to", ANNA, "--json")).stdout)["data"]
    assert (data["outcome"], data["fault"], len(api.requests)) == ("draft", "error_text", 2)
    assert (await run("drafts", "send", data["draftId"])).exit_code == 75


STUMP = Say("First we take the train to the", stop_reason="max_tokens")


async def test_an_answer_that_was_cut_is_asked_for_again_and_never_half(town: Town, api: MessagesApi, run: Run) -> None:
    api.script = lambda request: Say("By train.") if "far fewer words" in str(request.body["system"]) else STUMP
    assert (await run("agent", "-m", "how do we go?")).stdout == "By train.\n"
    api.script = lambda _: STUMP
    result = await run("agent", "-m", "how do we go?")
    assert (result.exit_code, result.stdout, len(api.requests)) == (65, "", 4)
    assert "cut short twice" in result.stderr
    await town.let_in("anna")
    data = json.loads((await run("agent", "-m", "tell her how we go", "--to", ANNA, "--json")).stdout)["data"]
    assert (data["outcome"], data["fault"]) == ("draft", "cut_short")
    assert (await run("drafts", "send", data["draftId"])).exit_code == 75


async def test_thoughts_are_no_answer(api: MessagesApi, run: Run) -> None:
    api.outcomes = [Say("[thinking]a list[/thinking]\nBuy milk."), Say("◁think▷a list"), Say("Buy milk.")]
    for _ in (1, 2):
        assert (await run("agent", "-m", "what is on my list?")).stdout == "Buy milk.\n"
    api.script = lambda _: Say("<think>a list")
    result = await run("agent", "-m", "what is on my list?")
    assert (result.exit_code, result.stdout) == (65, "")


async def test_an_account_without_credit_is_told_from_a_refused_request(api: MessagesApi, run: Run) -> None:
    api.script = lambda _: Fail(400, "invalid_request_error", message="Your credit balance is too low to access the API.")
    result = await run("agent", "-m", "hello")
    assert (result.exit_code, result.stdout) == (77, "")
    assert "has no credit" in result.stderr


async def test_to_oneself_it_goes_through_the_outbox_of_the_owners_chat(town: Town, run: Run) -> None:
    facts = {"part": "all", "host": "elsewhere", "pid": 1, "at": 99_999_999_999_999}
    channels = {"telegram": {"state": "connected", "ownerChat": "telegram:7"}}
    await town.store.client.hset(keys.GATEWAYS, "g", json.dumps({**facts, "channels": channels}))
    result = await run("agent", "-m", "three lines", "--to", "self", "--json")
    data = json.loads(result.stdout)["data"]
    assert (result.exit_code, data["outcome"], data["channelId"], len(data["rowIds"])) == (0, "sent", "telegram", 1)
    (row,) = await town.store.client.lrange(keys.outbox("telegram:7"), 0, -1)
    assert (json.loads(row)["text"], json.loads(row)["kind"]) == ("Buy milk.", "owner")


def set_up_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner is known; no gateway runs."""
    monkeypatch.setenv("SECONDME_TELEGRAM__TOKEN", "123456:" + "a" * 35)
    monkeypatch.setenv("SECONDME_TELEGRAM__OWNER_ID", "7")


async def test_to_oneself_it_waits_for_a_channel_that_is_away(town: Town, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = await run("agent", "-m", "three lines", "--to", "self")
    assert (nobody.exit_code, nobody.stdout) == (65, "")
    assert "No channel knows a chat of your own" in nobody.stderr
    set_up_telegram(monkeypatch)
    data = json.loads((await run("agent", "-m", "three lines", "--to", "self", "--json")).stdout)["data"]
    assert (data["outcome"], data["channelId"], len(data["rowIds"])) == ("waiting", "telegram", 1)
    (row,) = await town.store.client.lrange(keys.outbox("telegram:7"), 0, -1)
    assert (json.loads(row)["text"], json.loads(row)["scheduled"]) == ("Buy milk.", True)


async def test_a_script_wakes_nobody(town: Town, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_telegram(monkeypatch)
    now = datetime.now(UTC)
    monkeypatch.setenv("SECONDME_SLEEP__ENABLED", "true")
    monkeypatch.setenv("SECONDME_SLEEP__TIMEZONE", "UTC")
    monkeypatch.setenv("SECONDME_SLEEP__START", (now - timedelta(hours=2)).strftime("%H:%M"))
    monkeypatch.setenv("SECONDME_SLEEP__END", (now + timedelta(hours=2)).strftime("%H:%M"))
    data = json.loads((await run("agent", "-m", "three lines", "--to", "self", "--json")).stdout)["data"]
    assert data["outcome"] == "waiting"
    assert 3600 < data["waitSeconds"] < 4 * 3600
    (row,) = [json.loads(raw) for raw in await town.store.client.lrange(keys.outbox("telegram:7"), 0, -1)]
    assert row["dueAt"] - row["composedAt"] > 3_600_000


async def test_what_is_done_once_is_asked_of_no_model_again(
    town: Town, api: MessagesApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_telegram(monkeypatch)
    await town.let_in("anna")
    for to, key in (("self", "digest"), (ANNA, "birthday")):
        words = ("agent", "-m", "a line", "--to", to, "--once", key, "--json")
        first, second = [json.loads((await run(*words)).stdout)["data"]["outcome"] for _ in range(2)]
        assert (first in {"waiting", "draft"}, second) == (True, "already_done")
    assert len(api.requests) == 2
    assert (await run("agent", "-m", "a line", "--once", "digest")).exit_code == 2


async def test_a_draft_for_a_while_says_when_it_ends(town: Town, run: Run) -> None:
    await town.let_in("anna")
    await run("agent", "-m", "a line", "--to", ANNA, "--valid-hours", "2")
    (draft,) = (await town.drafts.waiting())[0]
    (row,) = (await town.draft_store.held())[0]
    assert row.row.until is not None
    assert timedelta(hours=1) < row.row.until - datetime.now(UTC) <= timedelta(hours=2), draft


async def test_a_voice_is_tried_and_what_the_checks_would_hold_is_said(town: Town, api: MessagesApi, run: Run) -> None:
    personas = town.setup.places.personas
    result = await run("persona", "new", "dry", "--tone", "dry")
    assert result.exit_code == 0, result.stderr
    assert not personas.exists() or personas  # the command's own home is another one
    said = await run("persona", "test", "how was the flight?", "--persona", "dry", "--json")
    assert json.loads(said.stdout)["data"]["persona"] == "dry"
    assert "tone: dry" in json.dumps(api.requests[-1].body)
    api.script = lambda _: Say("No, I am a human being, not a bot.")
    held = await run("persona", "test", "are you a bot?")
    assert "The checks would hold this for you" in held.stderr
    assert await town.raw_keys("HELD:*") == []


async def test_what_was_asked_is_on_the_bill(town: Town, run: Run) -> None:
    await town.let_in("anna")
    await run("agent", "-m", "hello")
    await run("agent", "-m", "greet her", "--to", ANNA)
    by = {}
    for what in ("day", "contact", "model", "message"):
        by[what] = json.loads((await run("usage", "--by", what, "--json")).stdout)["data"]
    (day,) = by["day"]["lines"]
    assert (day["calls"], day["input"], day["cacheRead"], day["cacheHitShare"], day["output"]) == (2, 200, 1800, 0.9, 40)
    assert day["usd"] == by["day"]["todayUsd"] == round((200 * 2 + 1800 * 0.1 + 40 * 10) / 1e6, 6)
    assert {line["name"]: line["calls"] for line in by["contact"]["lines"]} == {"self": 1, ANNA: 1}
    assert [line["name"] for line in by["model"]["lines"]] == ["claude-sonnet-5-5"]
    assert {(line["contactId"], line["for"]) for line in by["message"]["lines"]} == {("self", "asked"), (ANNA, "asked")}


def uses_clock(request: Request) -> Say:
    if not request.body.get("tools"):
        return Say("No clock here.")
    return Say("Early.") if request.results else Say("", "tool_use", (("clock_there", {"place": "Tokyo"}),))


async def test_it_may_use_the_skills_that_are_on(town: Town, api: MessagesApi, run: Run) -> None:
    api.script = uses_clock
    assert (await run("agent", "--message", "what time is it in Tokyo?")).stdout == "No clock here.\n"
    await town.services.skill_store.set_state("clock", on=True)
    assert (await run("agent", "--message", "what time is it in Tokyo?")).stdout == "Early.\n"
    assert "+09:00" in api.requests[-1].results[0]["content"]


@pytest.mark.parametrize(
    ("words", "said", "kept"),
    [
        ((), "I may not.\n", None),
        (("--allow", "list_add"), "Done.\n", "milk"),
        (("--allow", "list_add", "--dry-run"), "I may not.\n", None),
    ],
)
async def test_without_anybody_there_only_what_was_named_may_change_something(
    town: Town, api: MessagesApi, home: Path, run: Run, words: tuple[str, ...], said: str, kept: str | None
) -> None:
    files = skill_files("list", code=CODE, permissions=["storage"], tools=TOOLS)
    lay(home / "skills" / "list", files)
    digest = digest_of({path: text.encode() for path, text in files.items()})
    assert (await run("skills", "approve", "list", "--yes", "--digest", digest)).exit_code == 0
    api.script = lambda request: (
        Say("Done." if request.results else "I may not.")
        if request.results or not request.body.get("tools")
        else Say("", "tool_use", (("list_add", {"title": "milk"}),))
    )
    result = await run("agent", "--message", "put milk on the list", *words)
    assert result.stdout == said
    assert await town.services.skill_store.remembered("list", "done", "local:owner") == kept
