"""From a job to words: what the agent reads, when it leaves the model alone, what it never lets through."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fakes.clock import FakeClock
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.config.loader import Setup, load
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import Composed, ModelOutcome, Prompt
from secondme.core.records import Job
from secondme.core.reply.agent import Agent, NoReply, Reply
from secondme.core.reply.budget import Budget
from secondme.core.reply.store import SpendingStore
from secondme.services import Services

Shape = Callable[..., Agent]
FACTS = {"route": "phatic", "reason": "small_talk", "by": "rules", "persona": "", "model": "", "attempts": 1}


@pytest.fixture
def shaped(town: Town, model: ScriptedModel, setup: Setup) -> Shape:
    def make(clock: FakeClock | None = None, **flags: object) -> Agent:
        named = {name if "." in name else f"model.{name}": value for name, value in flags.items()}
        settings, when = load({"persona.name": "Sam", **named}, {}).settings, clock or FakeClock()
        budget = Budget(model, SpendingStore(town.store), settings.budget, settings.model, when)
        return Agent(budget, town.conversation, Services(setup, town.store).voices, settings, UTC, when)

    return make


async def job(town: Town, who: str = "anna", *texts: str) -> Job:
    if not await town.raw_keys(f"PAIRING:approved:local:{who}"):
        await town.let_in(who)
    for text in texts or ("hi",):
        await town.writes(who, text)
    (token,) = await town.tokens()
    begun = await town.inbox.begin(token, "w")
    assert isinstance(begun, Job)
    return begun


async def cause(composing: Agent, begun: Job) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await composing.compose_reply(begun)
    return caught.value


async def test_the_log_names_a_broken_persona_by_file_and_line_once(
    town: Town, shaped: Shape, setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.places.personas.mkdir(parents=True)
    path = setup.places.personas / "default.md"
    path.write_text("---\nname: Sam\ntone: [\n---\nBriefly.\n")
    begun, composing = await job(town), shaped()
    for _ in range(3):
        assert (await cause(composing, begun)).code == "bad_persona"
    (record,) = [each for each in caplog.records if each.message == "persona_broken"]
    assert str(record.__dict__["secondme_facts"]["problem"]).startswith(f"{path}:4: ")
    path.write_text("Briefly.\n")
    assert isinstance(await composing.compose_reply(begun), Reply)


async def test_nothing_of_one_contact_enters_anothers_prompt(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    await town.writes("bob", "hello")
    await town.owner.approve("local:bob", notes="canary-notes")
    await town.writes("bob", "canary-words")
    await town.work()
    await town.deliver()
    model.prompts.clear()
    await shaped().compose_reply(await job(town, "anna", "tell me about bob"))
    assert "canary" not in str(model.prompts[0])
    assert "Bob" not in str(model.prompts[0])


async def test_only_the_newest_turns_are_shown(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    begun = await job(town, "anna", *(f"line {number}" for number in range(9)))
    last = replace(begun, mail=begun.mail[-1:])
    await shaped(history_turns=3).compose_reply(last)
    assert model.prompts[0].turns[0].text == "line 6\nline 7\nline 8"


async def test_turns_older_than_the_window_are_not_shown(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    await town.let_in("anna")
    now = datetime.now(UTC)
    await town.writes("anna", "yesterday", sent_at=now - timedelta(hours=25))
    await town.writes("anna", "this morning", sent_at=now - timedelta(hours=23))
    begun = await job(town, "anna", "now")
    await shaped().compose_reply(replace(begun, mail=begun.mail[-1:]))
    assert model.prompts[0].turns[0].text == "this morning\nnow"


@pytest.mark.parametrize("words", ["", " \n ", "\u200b\u200e", "\x1b\x07", "\ufeff"])
async def test_words_without_anything_to_see_are_a_refusal(town: Town, shaped: Shape, model: ScriptedModel, words: str) -> None:
    model.script = lambda _: Composed(words)
    assert await shaped().compose_reply(await job(town)) == NoReply("empty", FACTS)


async def test_a_reply_is_stripped_of_what_a_terminal_obeys(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    model.script = lambda _: Composed(" \x1b[31mred\u202e\n\u200bline\n")
    assert await shaped().compose_reply(await job(town)) == Reply("[31mred\nline", facts=FACTS)


async def test_a_broken_persona_file_waits_for_a_human(town: Town, shaped: Shape, model: ScriptedModel, setup: Setup) -> None:
    setup.places.personas.mkdir(parents=True, exist_ok=True)
    (setup.places.personas / "default.md").write_bytes(b"\xff")
    error = await cause(shaped(), await job(town))
    assert (type(error), error.code, model.prompts) == (ConfigError, "bad_persona", [])


async def test_a_model_that_says_nothing_is_given_up(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    async def never(prompt: Prompt) -> ModelOutcome:
        await asyncio.Event().wait()
        raise AssertionError(prompt)

    model.script = never
    error = await cause(shaped(timeout_s=0.05), await job(town))
    assert (type(error), error.code) == (UnavailableError, "model_timeout")


def failing(error: SecondmeError) -> Callable[[Prompt], ModelOutcome]:
    def fail(_: Prompt) -> ModelOutcome:
        raise error

    return fail


async def test_after_ten_failures_the_model_is_left_alone_for_15_s(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    clock, begun = FakeClock(), await job(town)
    agent = shaped(clock)
    model.script = failing(UnavailableError("model_failed", "down"))
    codes = [(await cause(agent, begun)).code for _ in range(12)]
    assert codes == ["model_failed"] * 10 + ["model_down"] * 2
    clock.move(14.9)
    error = await cause(agent, begun)
    assert isinstance(error, UnavailableError)
    assert (error.code, round(error.retry_after_s or 0, 3), len(model.prompts)) == ("model_down", 0.1, 10)


async def test_after_the_rest_one_call_may_try_and_its_success_ends_it(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    clock, begun = FakeClock(), await job(town)
    agent = shaped(clock)
    model.script = failing(UnavailableError("model_failed", "down"))
    for _ in range(10):
        await cause(agent, begun)
    clock.move(15)
    assert [(await cause(agent, begun)).code for _ in range(3)] == ["model_failed", "model_down", "model_down"]
    clock.move(15)
    model.script = None
    assert await agent.compose_reply(begun) == await agent.compose_reply(begun) == Reply("re: hi", facts=FACTS)


async def test_only_one_of_many_at_once_tries_a_model_that_was_down(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    clock, begun, trying = FakeClock(), await job(town), asyncio.Event()
    agent = shaped(clock)
    model.script = failing(UnavailableError("model_failed", "down"))
    for _ in range(10):
        await cause(agent, begun)
    clock.move(15)

    async def slow(_: Prompt) -> ModelOutcome:
        assert not trying.is_set(), "a second call tried"
        trying.set()
        return await asyncio.wait_for(asyncio.Event().wait(), 60)  # type: ignore[return-value]

    model.script = slow
    first = asyncio.ensure_future(agent.compose_reply(begun))
    async with asyncio.timeout(60):
        await trying.wait()
    assert [(await cause(agent, begun)).code for _ in range(8)] == ["model_down"] * 8
    first.cancel()


async def test_nine_failures_and_a_success_do_not_add_up(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    agent, begun = shaped(), await job(town)
    for _ in range(3):
        model.script = failing(UnavailableError("model_failed", "down"))
        assert [(await cause(agent, begun)).code for _ in range(9)] == ["model_failed"] * 9
        model.script = None
        assert await agent.compose_reply(begun) == Reply("re: hi", facts=FACTS)


async def test_a_refused_key_is_no_failure_of_the_service(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    agent, begun = shaped(), await job(town)
    model.script = failing(CredentialsError("model_key_refused", "no"))
    assert {(await cause(agent, begun)).code for _ in range(12)} == {"model_key_refused"}


async def test_a_service_that_comes_back_without_our_key_is_called_by_its_cause(
    town: Town, shaped: Shape, model: ScriptedModel
) -> None:
    clock, begun = FakeClock(), await job(town)
    agent = shaped(clock)
    model.script = failing(UnavailableError("model_failed", "down"))
    for _ in range(10):
        await cause(agent, begun)
    clock.move(15)
    model.script = failing(CredentialsError("model_key_refused", "no"))
    assert {(await cause(agent, begun)).code for _ in range(3)} == {"model_key_refused"}


async def test_a_turn_that_cannot_be_read_is_passed_over(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    begun = await job(town)
    await town.store.client.zadd(f"HISTORY:{ContactId('local:anna')}", {b"{broken": 1})
    await shaped().compose_reply(begun)
    assert [turn.text for turn in model.prompts[0].turns] == ["hi"]
