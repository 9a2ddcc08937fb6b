"""The real gateway and the real SDK against a model that fails every third time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from fakes.messages_api import Cut, Fail, MessagesApi, Outcome, Request, Say, messages_api
from fakes.town import Town

from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.gateway.gateway import Gateway
from secondme.core.ids import ContactId
from secondme.core.messages import Admission
from secondme.core.providers.claude import Claude
from secondme.services import Services

DEADLINE_S = 90.0
PEOPLE = [f"p{number}" for number in range(20)]
EACH = 10
TROUBLE: tuple[Outcome, ...] = (
    Fail(429, "rate_limit_error", {"retry-after": "0.1"}),
    Fail(529, "overloaded_error", {"retry-after": "0.2"}),
    Cut("before_headers"),
    Cut("in_stream"),
)


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        yield server


@pytest.fixture
def setup(redis_url: str, tmp_path: Path, api: MessagesApi) -> Setup:
    flags = {"redis_url": redis_url, "pacing.enabled": False, "sleep.enabled": False, "limits.messages": 1000, "queue.slots": 16}
    model = {"model.api_key": "sk-test", "model.base_url": api.url, "model.name": "claude-test"}
    return load({**flags, **model}, {}, home=tmp_path / "home")


@asynccontextmanager
async def gateway(town: Town, setup: Setup) -> AsyncIterator[None]:
    """The whole gateway of one process, with the real provider."""
    claude = Claude(setup.settings.model)
    agent = Services(setup, town.store).agent(claude)
    running = Gateway(replace(town.rooms, agent=agent), setup.settings, SystemClock(), Random(3))
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(running.run(stop, ready))
    try:
        await ready.wait()
        yield
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await task
        await claude._client.close()


class Moody:
    """Fails every third time or so, and remembers which lines it answered."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.failed = 0
        self.answered: set[str] = set()

    def __call__(self, request: Request) -> Outcome:
        if self.rng.random() < 0.3:
            self.failed += 1
            return self.rng.choice(TROUBLE)
        lines = request.last_text.splitlines()
        self.answered.update(lines)
        return Say("got " + lines[-1])


async def talk(town: Town, who: str) -> None:
    """Write in pairs, each pair once the one before was answered."""
    for number in range(0, EACH, 2):
        for text in (f"{who} {number}", f"{who} {number + 1}"):
            assert await town.writes(who, text) is Admission.QUEUED
        while f"got {who} {number + 1}" not in town.channel.texts(f"local:{who}"):
            await town.inbox.hurry()
            await asyncio.sleep(0.05)


async def test_200_messages_of_20_contacts_survive_30_percent_errors(town: Town, setup: Setup, api: MessagesApi) -> None:
    for who in PEOPLE:
        await town.let_in(who)
    api.script = moody = Moody(Random(11))
    async with gateway(town, setup), asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as talks:
        for who in PEOPLE:
            talks.create_task(talk(town, who))
    written = {f"{who} {number}" for who in PEOPLE for number in range(EACH)}
    lost = written - moody.answered
    print(f"{len(written)} messages, {len(api.requests)} requests, {moody.failed} failed, {len(lost)} lost")
    assert lost == set()
    assert moody.failed > 20
    for who in PEOPLE:
        numbers = [int(text.split()[-1]) for text in town.channel.texts(f"local:{who}")]
        assert numbers == sorted(set(numbers))
        turns = await town.conversation.recent(ContactId(f"local:{who}"), 100)
        assert [turn.content for turn in turns if turn.role == "user"] == [f"{who} {number}" for number in range(EACH)]
    assert await town.raw_keys("DEAD:*") == await town.raw_keys("HELD:*") == await town.raw_keys("INBOX:*") == []


async def test_one_message_outlives_every_kind_of_trouble(town: Town, setup: Setup, api: MessagesApi) -> None:
    await town.let_in("anna")
    api.outcomes = list(TROUBLE)
    async with gateway(town, setup), asyncio.timeout(DEADLINE_S):
        await town.writes("anna", "hi")
        while not town.channel.texts("local:anna"):
            await town.inbox.hurry()
            await asyncio.sleep(0.05)
    assert [request.last_text for request in api.requests] == ["hi"] * 5
    assert town.channel.texts("local:anna") == ["re: hi"]
