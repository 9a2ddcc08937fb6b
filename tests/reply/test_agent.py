"""From a burst to words: what the agent reads, when it leaves the model alone, what it never lets through."""

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
from secondme.core.messages import Composed, ModelOutcome, ModelRefused, ModelSize, Prompt
from secondme.core.records import Burst
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
        services = Services(setup, town.store)
        return Agent(budget, services.outages, services.contexts, services.voices, settings, UTC, when)

    return make


async def burst(town: Town, who: str = "anna", *texts: str) -> Burst:
    if not await town.raw_keys(f"PAIRING:approved:local:{who}"):
        await town.let_in(who)
    for text in texts or ("hi",):
        await town.writes(who, text)
    (token,) = await town.tokens()
    begun = await town.inbox.begin(token, "w")
    assert isinstance(begun, Burst)
    return begun


async def cause(composing: Agent, begun: Burst) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await composing.compose_reply(begun)
    return caught.value


async def test_the_log_names_a_broken_persona_by_file_and_line_once(
    town: Town, shaped: Shape, setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.places.personas.mkdir(parents=True)
    path = setup.places.personas / "default.md"
    path.write_text("---\nname: Sam\ntone: [\n---\nBriefly.\n")
    begun, composing = await burst(town), shaped()
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
    await shaped().compose_reply(await burst(town, "anna", "tell me about bob"))
    assert "canary" not in str(model.prompts[0])
    assert "Bob" not in str(model.prompts[0])


async def test_only_the_newest_turns_are_shown(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    begun = await burst(town, "anna", *(f"line {number}" for number in range(9)))
    last = replace(begun, mail=begun.mail[-1:])
    await shaped(history_turns=3).compose_reply(last)
    assert model.prompts[0].turns[0].text == "line 6\nline 7\nline 8"


async def test_turns_older_than_the_window_are_not_shown(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    await town.let_in("anna")
    now = datetime.now(UTC)
    await town.writes("anna", "yesterday", sent_at=now - timedelta(hours=25))
    await town.writes("anna", "this morning", sent_at=now - timedelta(hours=23))
    begun = await burst(town, "anna", "now")
    await shaped().compose_reply(replace(begun, mail=begun.mail[-1:]))
    assert model.prompts[0].turns[0].text == "this morning\nnow"


@pytest.mark.parametrize("words", ["", " \n ", "\u200b\u200e", "\x1b\x07", "\ufeff"])
async def test_words_without_anything_to_see_are_a_refusal(town: Town, shaped: Shape, model: ScriptedModel, words: str) -> None:
    model.script = lambda _: Composed(words)
    assert await shaped().compose_reply(await burst(town)) == NoReply("empty", FACTS)


async def test_a_reply_is_stripped_of_what_a_terminal_obeys(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    model.script = lambda _: Composed(" \x1b[31mred\u202e\n\u200bline\n")
    assert await shaped().compose_reply(await burst(town)) == Reply("[31mred\nline", facts=FACTS)


QUESTION = "when and where do we meet tomorrow?"
STUMP = "Sure, the first train leaves at 9:12 from platform 4, so we should be the"


@pytest.mark.parametrize(("text", "limits"), [("hi", [512, 2048]), (QUESTION, [2048, 2048])])
@pytest.mark.parametrize("first", [Composed(STUMP, is_cut=True), ModelRefused("cut_short")])
async def test_a_reply_that_was_cut_is_composed_again_and_shorter(
    town: Town, shaped: Shape, model: ScriptedModel, text: str, limits: list[int], first: ModelOutcome
) -> None:
    model.script = lambda prompt: Composed("At nine.") if "far fewer words" in str(prompt.system) else first
    reply = await shaped().compose_reply(await burst(town, "anna", text))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.hold, reply.fault) == ("At nine.", "", "")
    assert [prompt.max_tokens for prompt in model.prompts] == limits


@pytest.mark.parametrize("text", ["hi", QUESTION])
async def test_a_reply_that_was_cut_twice_is_the_owners(town: Town, shaped: Shape, model: ScriptedModel, text: str) -> None:
    model.script = lambda _: Composed(STUMP, is_cut=True)
    reply = await shaped().compose_reply(await burst(town, "anna", text))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.hold, reply.fault, len(model.prompts)) == (STUMP, "unfit", "cut_short", 2)
    model.script = lambda _: ModelRefused("cut_short")
    none = await shaped().compose_reply(await burst(town, "bob", text))
    assert isinstance(none, NoReply)
    assert (none.reason, len(model.prompts)) == ("cut_short", 4)


async def test_thoughts_are_taken_off_or_composed_again_or_the_owners(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    said = [Composed("[thinking]she greets[/thinking] Hey!")]
    model.script = lambda _: said.pop(0)
    agent, begun = shaped(), await burst(town)
    assert await agent.compose_reply(begun) == Reply("Hey!", facts=FACTS)
    said[:] = [Composed("◁think▷she greets"), Composed("Hey!")]
    assert await agent.compose_reply(begun) == Reply("Hey!", facts={**FACTS, "attempts": 2})
    said[:] = [Composed("(thinking: she greets"), Composed("<think>she greets")]
    reply = await agent.compose_reply(begun)
    assert isinstance(reply, Reply)
    assert (reply.hold, reply.fault) == ("unfit", "tool_trace")


async def test_a_broken_persona_file_waits_for_a_human(town: Town, shaped: Shape, model: ScriptedModel, setup: Setup) -> None:
    setup.places.personas.mkdir(parents=True, exist_ok=True)
    (setup.places.personas / "default.md").write_bytes(b"\xff")
    error = await cause(shaped(), await burst(town))
    assert (type(error), error.code, model.prompts) == (ConfigError, "bad_persona", [])


async def test_a_model_that_says_nothing_is_given_up(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    async def never(prompt: Prompt) -> ModelOutcome:
        await asyncio.Event().wait()
        raise AssertionError(prompt)

    model.script = never
    error = await cause(shaped(timeout_s=0.05), await burst(town))
    assert (type(error), error.code) == (UnavailableError, "model_timeout")


def failing(error: SecondmeError) -> Callable[[Prompt], ModelOutcome]:
    def fail(_: Prompt) -> ModelOutcome:
        raise error

    return fail


async def test_after_ten_failures_the_model_is_left_alone_for_15_s(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    clock, begun = FakeClock(), await burst(town)
    agent = shaped(clock)
    model.script = failing(UnavailableError("model_failed", "down"))
    codes = [(await cause(agent, begun)).code for _ in range(12)]
    assert codes == ["model_failed"] * 10 + ["model_down"] * 2
    clock.move(14.9)
    error = await cause(agent, begun)
    assert isinstance(error, UnavailableError)
    assert (error.code, round(error.retry_after_s or 0, 3), len(model.prompts)) == ("model_down", 0.1, 10)


async def test_after_the_rest_one_call_may_try_and_its_success_ends_it(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    clock, begun = FakeClock(), await burst(town)
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
    clock, begun, trying = FakeClock(), await burst(town), asyncio.Event()
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
    agent, begun = shaped(), await burst(town)
    for _ in range(3):
        model.script = failing(UnavailableError("model_failed", "down"))
        assert [(await cause(agent, begun)).code for _ in range(9)] == ["model_failed"] * 9
        model.script = None
        assert await agent.compose_reply(begun) == Reply("re: hi", facts=FACTS)


async def test_a_refused_key_is_no_failure_of_the_service(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    agent, begun = shaped(), await burst(town)
    model.script = failing(CredentialsError("model_key_refused", "no"))
    assert {(await cause(agent, begun)).code for _ in range(12)} == {"model_key_refused"}


KEY = CredentialsError("model_key_refused", "The key is refused.", "Set another.")
REFUSED = ConfigError("model_request_refused", "The request is refused.", "Check it.")


async def outages(town: Town) -> dict[str, str]:
    return {scope: each.message for scope, each in (await town.services.outages.look())[0].items()}


@pytest.mark.parametrize(
    ("error", "text", "scope"),
    [(KEY, "hi", "account"), (KEY, QUESTION, "account"), (REFUSED, QUESTION, "large"), (REFUSED, "hi", "small")],
)
async def test_what_only_a_human_can_mend_is_written_down_until_a_reply_ends_it(
    town: Town, shaped: Shape, model: ScriptedModel, error: SecondmeError, text: str, scope: str
) -> None:
    agent, begun, clock = shaped(), await burst(town, "anna", text), FakeClock()
    model.script = failing(error)
    await cause(agent, begun)
    first, _ = await town.services.outages.look()
    await cause(shaped(clock), begun)
    assert (await outages(town), (await town.services.outages.look())[0]) == ({scope: error.message}, first)
    model.script = None
    await agent.compose_reply(begun)
    assert await outages(town) == {}


async def test_a_request_of_one_contact_that_is_refused_is_not_over_because_another_is_answered(
    town: Town, shaped: Shape, model: ScriptedModel
) -> None:
    clock = FakeClock()
    agent, anna, bob = shaped(clock), await burst(town, "anna", QUESTION), await burst(town, "bob", QUESTION)
    model.script = failing(REFUSED)
    await cause(agent, anna)
    model.script = None
    await agent.compose_reply(bob)
    assert await outages(town) == {"large": REFUSED.message}
    clock.move(6 * 3600 + 1)
    await agent.compose_reply(bob)
    assert await outages(town) == {}


async def test_a_router_that_is_refused_is_no_outage(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    model.router = failing(REFUSED)
    assert isinstance(await shaped().compose_reply(await burst(town, "anna", "the red one, I suppose")), Reply)
    assert model.routed
    assert await outages(town) == {}


async def test_small_talk_that_is_refused_beside_messages_is_one_outage(town: Town) -> None:
    store = town.services.outages
    for size, scopes in ((ModelSize.SMALL, {"small"}), (ModelSize.LARGE, {"small", "large"})):
        await store.begin(REFUSED, size, "local:anna", 1)
        assert (await outages(town)).keys() == scopes
    await store.end(ModelSize.SMALL, "local:anna", 2, stale_ms=9)
    await store.begin(REFUSED, ModelSize.SMALL, "local:anna", 3)
    assert (await outages(town)).keys() == {"large"}


async def test_a_service_that_comes_back_without_our_key_is_called_by_its_cause(
    town: Town, shaped: Shape, model: ScriptedModel
) -> None:
    clock, begun = FakeClock(), await burst(town)
    agent = shaped(clock)
    model.script = failing(UnavailableError("model_failed", "down"))
    for _ in range(10):
        await cause(agent, begun)
    clock.move(15)
    model.script = failing(CredentialsError("model_key_refused", "no"))
    assert {(await cause(agent, begun)).code for _ in range(3)} == {"model_key_refused"}


async def test_a_turn_that_cannot_be_read_is_passed_over(town: Town, shaped: Shape, model: ScriptedModel) -> None:
    begun = await burst(town)
    await town.store.client.zadd(f"HISTORY:{ContactId('local:anna')}", {b"{broken": 1})
    await shaped().compose_reply(begun)
    assert [turn.text for turn in model.prompts[0].turns] == ["hi"]
