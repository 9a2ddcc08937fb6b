"""Facts that the small model reads out of a conversation that is over: through the real SDK, within the budget, never in a pause, never from what
the clone wrote; and whatever the model does, nothing is lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from fakes.messages_api import Cut, EndEarly, Fail, FailInStream, Garbage, MessagesApi, Outcome, Request, Say, messages_api
from fakes.passing_clock import PassingClock
from fakes.process import Cli
from fakes.town import Town
from flows.test_memory import ANNA, BEN
from pydantic import SecretStr

from secondme.core.config.models import ModelSettings
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.memory.fact_table import KeptFact
from secondme.core.memory.messages import MemoryMessage
from secondme.core.providers.claude import Claude

CLONE = "re: which pier is it?"
BOAT = [
    {
        "subject": "contact",
        "kind": "boat",
        "object": "Esmeralda at Peterhafen",
        "text": "Their boat lies at Peterhafen.",
        "from": [1],
    }
]


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        yield server


@pytest.fixture
async def model(api: MessagesApi) -> AsyncIterator[Claude]:
    """The real one; the towns of these tests have it."""
    settings = ModelSettings(api_key=SecretStr("sk-test"), base_url=api.url, name="claude-test", small="claude-small")
    claude = Claude(settings)
    yield claude
    await claude.close()


@pytest.fixture
async def town(town_with: Callable[..., Town], api: MessagesApi) -> AsyncIterator[Town]:
    """Anna said something about her boat, the clone answered, the owner spoke too; half an hour ago."""
    town = town_with(PassingClock(), memory__facts="model", model__small="claude-small")
    await town.let_in("anna")
    await town.let_in("ben")
    await town.services.memory_feed.begin()
    await town.writes("anna", "the Esmeralda lies at Peterhafen now")
    await town.writes("anna", "which pier is it?")
    assert await town.work() == ["answered"]
    await town.deliver()
    await town.services.memory_feed.catch_up()
    own = MemoryMessage("own", town.clock.now_ms() + 1000, "owner", "pier nine")  # through the gateway it would be a pause
    passed_on = MemoryMessage("chain", town.clock.now_ms() + 2000, "contact", "my uncle lives on the moon", forwarded=True)
    town.services.memories.append(ANNA, [own, passed_on])
    api.requests.clear()
    town.clock.move(town.services.settings.memory.idle_minutes * 60 + 5)  # type: ignore[attr-defined]
    yield town
    await town.services.close()


def answers(*outcomes: Outcome) -> Callable[[Request], Outcome]:
    """What the model says when it is asked for facts, one after another, and then always `BOAT`."""
    left = list(outcomes)
    return lambda _: left.pop(0) if left else Say(json.dumps(BOAT))


def facts(town: Town, contact: ContactId = ANNA) -> list[KeptFact]:
    return town.services.memories.facts(contact)


async def later(town: Town) -> None:
    town.clock.move(700)  # type: ignore[attr-defined]
    await town.services.memory_feed.read_ended()


async def test_a_conversation_that_is_over_is_read_once_and_only_what_people_said(town: Town, api: MessagesApi) -> None:
    api.script = answers()
    await town.services.memory_feed.read_ended()
    (request,) = api.requests
    assert request.body["model"] == "claude-small"
    lines = [json.loads(line) for line in request.last_text.splitlines()[1:-1]]
    assert [each["n"] for each in lines] == [1, 2, 4]
    assert [(each["who"], each["said"]) for each in lines] == [
        ("contact", "the Esmeralda lies at Peterhafen now"),
        ("contact", "which pier is it?"),
        ("owner", "pier nine"),
    ]
    assert CLONE not in json.dumps(request.body)
    (kept,) = facts(town)
    assert (kept.fact.kind, kept.fact.object, kept.fact.speaker.value) == ("boat", "Esmeralda at Peterhafen", "contact")
    assert [each.text for each in town.services.memories.messages(ANNA) if each.id in kept.fact.sources] == [
        "the Esmeralda lies at Peterhafen now"
    ]
    assert facts(town, BEN) == []
    await later(town)
    assert len(api.requests) == 1


FAILURES = {
    "busy": Fail(429, "rate_limit_error", {"retry-after": "1"}),
    "down": Fail(500),
    "overloaded": Fail(529, "overloaded_error"),
    "key refused": Fail(401, "authentication_error"),
    "refused": Fail(400, "invalid_request_error"),
    "cut": Cut("before_headers"),
    "cut in the middle": Cut("in_stream"),
    "fails in the middle": FailInStream(),
    "ends early": EndEarly(),
    "garbage": Garbage(),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_model_that_fails_is_asked_again_later_and_nothing_is_lost(failure: str, town: Town, api: MessagesApi) -> None:
    api.script = answers(FAILURES[failure])
    before = town.services.memories.messages(ANNA)
    with pytest.raises(SecondmeError):
        await town.services.memory_feed.read_ended()
    await town.services.memory_feed.read_ended()  # not at once
    assert (len(api.requests), facts(town), town.services.memories.messages(ANNA)) == (1, [], before)
    await later(town)
    assert [each.fact.kind for each in facts(town)] == ["boat"]


RUBBISH = {
    "words": Say("I do not know."),
    "nothing": Say("[]"),
    "no JSON": Say('[{"subject": '),
    "deep": Say("[" * 5000 + "]" * 5000),
    "no source": Say(json.dumps([{**BOAT[0], "from": [99, 0, -1, "1", True]}])),
    "the clone's line": Say(json.dumps([{**BOAT[0], "from": [3]}])),
    "no kind": Say(json.dumps([{**BOAT[0], "kind": "DROP TABLE"}])),
    "no object": Say(json.dumps(BOAT[0])[1:-1]),
    "cut": Say(json.dumps(BOAT), stop_reason="max_tokens"),
    "refused": Say("", stop_reason="refusal"),
}


@pytest.mark.parametrize("answer", RUBBISH)
async def test_an_answer_that_is_none_is_no_fact_and_not_asked_for_again(answer: str, town: Town, api: MessagesApi) -> None:
    api.script = answers(RUBBISH[answer])
    await town.services.memory_feed.read_ended()
    await later(town)
    assert (len(api.requests), facts(town)) == (1, [])


async def test_a_budget_that_is_spent_stops_it_until_there_is_another(
    town: Town, town_with: Callable[..., Town], api: MessagesApi
) -> None:
    api.script = answers()
    poor = town_with(PassingClock(), memory__facts="model", budget__daily_usd_per_contact=0.0000001)
    await poor.services.memory_feed._begin_anew()
    poor.clock.move(3600)  # type: ignore[attr-defined]
    with pytest.raises(UnavailableError) as caught:
        await poor.services.memory_feed.read_ended()
    assert caught.value.code == "over_contact_budget"
    assert (api.requests, facts(poor)) == ([], [])
    await poor.services.close()
    await town.services.memory_feed.read_ended()
    assert (len(api.requests), len(facts(town))) == (1, 1)


@pytest.mark.parametrize(
    ("stop", "go"),
    [
        (("pause", "anna"), ("resume", "anna")),
        (("pause",), ("resume",)),
        (("kill",), ("kill", "--off")),
        (("channels", "pause", "local"), ("channels", "resume", "local")),
    ],
)
async def test_in_a_pause_nothing_is_read_and_after_it_everything(
    stop: tuple[str, ...], go: tuple[str, ...], town: Town, api: MessagesApi, cli: Cli
) -> None:
    api.script = answers()
    assert (await asyncio.to_thread(cli, *stop)).exit_code == 0
    with pytest.raises(UnavailableError):
        await town.services.memory_feed.read_ended()
    assert (api.requests, facts(town)) == ([], [])
    assert (await asyncio.to_thread(cli, *go)).exit_code == 0
    await later(town)
    assert (len(api.requests), len(facts(town))) == (1, 1)


async def test_of_who_is_let_in_no_more_nothing_is_read(town: Town, api: MessagesApi, cli: Cli) -> None:
    assert (await asyncio.to_thread(cli, "pairing", "revoke", ANNA, "--yes")).exit_code == 0
    with pytest.raises(UnavailableError):
        await town.services.memory_feed.read_ended()
    assert (api.requests, facts(town)) == ([], [])


async def test_a_single_message_costs_no_call(town: Town, api: MessagesApi) -> None:
    api.script = answers()
    await town.services.memory_feed.read_ended()
    await town.writes("ben", "hello?")
    await town.services.memory_feed.catch_up()
    town.clock.move(3600)  # type: ignore[attr-defined]
    await later(town)
    assert len(api.requests) == 1


async def test_what_is_forgotten_while_the_model_reads_it_is_no_fact(town: Town, api: MessagesApi) -> None:
    """By another process."""
    (first, *_) = town.services.memories.messages(ANNA)

    def script(_: Request) -> Outcome:
        town.services.memories.forget_messages(ANNA, [first.id])
        return Say(json.dumps(BOAT))

    api.script = script
    await town.services.memory_feed.read_ended()
    assert facts(town) == []


async def test_a_fact_brings_its_message_into_the_prompt_and_goes_with_it(town: Town, api: MessagesApi) -> None:
    api.script = answers()
    await town.services.memory_feed.read_ended()
    (kept,) = facts(town)
    await town.gateway.receive(town.message("anna", "", revokes=kept.fact.sources[0]))
    await town.services.memory_feed.catch_up()
    assert facts(town) == []
    assert not [path for path in town.setup.places.memory.iterdir() if b"Esmeralda" in path.read_bytes()]
