"""Tools in a contact's reply, through the whole corridor: the real registry, the real sandbox, the real store; only the model is scripted."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.process import DEADLINE_S, WITHOUT_API, contact, environment, until, write_config
from fakes.town import Town

from secondme.core.enums import Tier
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import Asked, ChannelContact, Composed, ModelOutcome, ModelRefused, Prompt, ToolCall, Usage
from secondme.core.store import keys


def asks(
    name: str, given: dict[str, object], say: Callable[[Prompt], ModelOutcome] | None = None
) -> Callable[[Prompt], ModelOutcome]:
    """A model that uses one tool once, and then says what it was told."""

    def script(prompt: Prompt) -> ModelOutcome:
        if prompt.exchanges and say is not None:
            return say(prompt)
        if prompt.exchanges:
            return Composed("Half past five in the morning over there.", Usage(10, 5))
        if not prompt.tools:
            return Composed("no tools", Usage(10, 5))
        block = {"type": "tool_use", "id": "t1", "name": name, "input": given}
        return Asked((block,), (ToolCall("t1", name, given),), Usage(10, 5))

    return script


TOKYO = asks("clock_there", {"place": "Tokyo"})


async def test_a_reply_may_use_a_skill_that_is_on(town: Town) -> None:
    await town.let_in("anna")
    await town.services.skill_store.set_state("clock", on=True)
    town.model.script = TOKYO
    await town.writes("anna", "what time is it in Tokyo?")
    assert await town.work() == ["answered"]
    assert len(town.model.prompts) == 2
    assert "+09:00" in town.model.prompts[1].exchanges[0].results[0][1].text
    (run,) = await town.services.skill_store.runs(10)
    assert (run.skill, run.tool, run.code, run.contact_id) == ("clock", "there", "ok", "local:anna")
    trace = "".join(row.decode() for row in await town.store.client.lrange(keys.trace("local:anna"), 0, -1))
    assert "clock_there" in trace
    assert "+09:00" not in trace


async def test_nobody_is_offered_anything_while_no_skill_is_on(town: Town) -> None:
    await town.let_in("anna")
    town.model.script = TOKYO
    await town.writes("anna", "what time is it in Tokyo?")
    await town.work()
    assert [(prompt.tools, prompt.exchanges) for prompt in town.model.prompts] == [((), ())]


@pytest.mark.parametrize(
    ("tier", "offered"), [(Tier.RESTRICTED, []), (Tier.STANDARD, ["clock_there"]), (Tier.TRUSTED, ["clock_there"])]
)
async def test_the_tier_decides(town: Town, tier: Tier, offered: list[str]) -> None:
    await town.let_in("anna", tier)
    await town.services.skill_store.set_state("clock", on=True)
    await town.writes("anna", "what time is it in Tokyo?")
    await town.work()
    assert [tool.name for tool in town.model.prompts[0].tools] == offered


async def test_small_talk_needs_no_tools(town: Town) -> None:
    await town.let_in("anna")
    await town.services.skill_store.set_state("clock", on=True)
    await town.writes("anna", "thanks!")
    await town.work()
    assert town.model.prompts[0].tools == ()


async def test_a_skill_that_is_switched_off_is_gone_at_the_next_reply(town: Town) -> None:
    await town.let_in("anna")
    await town.services.skill_store.set_state("clock", on=True)
    town.model.script = TOKYO
    await town.writes("anna", "what time is it in Tokyo?")
    await town.work()
    await town.services.skill_store.set_state("clock", on=False)
    await town.writes("anna", "and in Osaka?")
    await town.work()
    assert town.model.prompts[-1].tools == ()


async def test_the_kill_switch_in_the_middle_stops_the_rounds_and_keeps_the_message(town: Town) -> None:
    await town.let_in("anna")
    await town.services.skill_store.set_state("clock", on=True)

    def killed(prompt: Prompt) -> ModelOutcome:
        raise AssertionError(prompt)

    first = asks("clock_there", {"place": "Tokyo"}, killed)

    async def kill_and_ask(prompt: Prompt) -> ModelOutcome:
        outcome = first(prompt)
        await town.control.kill()
        return outcome

    town.model.script = kill_and_ask
    await town.writes("anna", "what time is it in Tokyo?")
    with pytest.raises(UnavailableError, match="may not be answered"):
        await town.work()
    assert await town.services.skill_store.runs(10) == []
    assert await town.store.client.llen(keys.inbox(ContactId("local:anna"))) == 1


async def test_a_model_that_only_asks_is_no_reply(town: Town) -> None:
    await town.let_in("anna")
    await town.services.skill_store.set_state("clock", on=True)
    block = {"type": "tool_use", "id": "t1", "name": "clock_there", "input": {"place": "Tokyo"}}
    town.model.script = lambda prompt: (
        Asked((block,), (ToolCall("t1", "clock_there", {"place": "Tokyo"}),)) if prompt.may_ask else ModelRefused("tool_use")
    )
    await town.writes("anna", "what time is it in Tokyo?")
    assert await town.work() == ["unanswered"]
    assert len(await town.services.skill_store.runs(10)) == 2


async def test_every_round_is_charged(town: Town) -> None:
    await town.let_in("anna")
    await town.services.skill_store.set_state("clock", on=True)
    town.model.script = TOKYO
    await town.writes("anna", "what time is it in Tokyo?")
    await town.work()
    report = await town.services.spending.account(town.clock.now_ms(), 1, ["local:anna"])
    assert report.contacts["local:anna"].calls == 2  # the tool, the words


_SERVING = """
import asyncio, json, sys
from pathlib import Path
from secondme.cli.commands.serve import serve_home
from secondme.core.config.loader import load
asyncio.run(serve_home(load({}, home=Path(sys.argv[1])), "all", "secondme", ["", ""]))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("secondme.skills.") or name in {"secondme.skills", "icalendar"})))
"""


@pytest.mark.parametrize("is_on", [False, True])
async def test_a_gateway_that_has_answered_without_skills_has_imported_nothing_of_them(
    town: Town, redis_url: str, home: Path, *, is_on: bool
) -> None:
    """What nobody uses costs neither time nor memory."""
    known = ChannelContact(contact_id=ContactId("local:anna"), display_name="Anna")
    await town.pairing.approve_unasked(known, channel="local", by="test", tier=Tier.STANDARD)
    await town.services.skill_store.set_state("clock", on=is_on)
    write_config(home, WITHOUT_API)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVING, str(home)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(SECONDME_REDIS_URL=redis_url),
    )
    async with asyncio.timeout(DEADLINE_S), contact(home, "anna") as anna:
        anna.say("what time is it in Tokyo?")
        await until(anna, "message")
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
    loaded = set(json.loads(out.decode().splitlines()[-1]))
    assert "icalendar" not in loaded
    assert ("secondme.skills.toolbox" in loaded) is is_on
    assert is_on or loaded == set()
