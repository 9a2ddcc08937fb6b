"""Who looks after something is told when another process changes it; nobody has to look again and again.

No poll here comes in the length of a test: what happens was told, or was waited for until it was due.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from fakes.house import House, house
from fakes.job_house import job_of
from fakes.model import ScriptedModel
from fakes.process import eventually
from fakes.town import Town

from secondme.core.clock import to_ms
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.jobs.schedule import AtSchedule
from secondme.core.messages import Composed, ModelOutcome, Prompt
from secondme.core.records import NewRow
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import EmbeddedServer, Role
from secondme.services import Services

ANNA, OWNER = ContactId("local:anna"), ContactId("local:owner")
POLLS = (
    "secondme.core.send.sender._POLL_S",
    "secondme.core.queue.upkeep._WAKE_S",
    "secondme.core.gateway.channel_manager._RECONCILE_S",
    "secondme.core.jobs.timekeeper._LOOK_S",
)
NEVER_S = 3600.0

Case = Callable[[Town, Services, House], Awaitable[None]]


@pytest.fixture(autouse=True)
def _nobody_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for poll in POLLS:
        monkeypatch.setattr(poll, NEVER_S)
    monkeypatch.setattr("secondme.core.gateway.gateway._BEGIN_S", 0.1)  # of channels that are off nobody hears that they are there


@pytest.fixture
async def elsewhere(setup: Setup, store: Store) -> AsyncIterator[Services]:
    """The same home in another process: a connection of its own, and nothing that is shared with the gateway."""
    assert store is not None
    async with Store(setup, Role.ATTACH) as other:
        services = Services(setup, other, by="elsewhere")
        yield services
        await services.close()


async def _shown(town: Town, text: str, contact: str = ANNA) -> None:
    await eventually(lambda: any(text in each for each in town.channel.texts(contact)))


async def _own_words(town: Town, elsewhere: Services, _: House) -> None:
    await elsewhere.owner_messages.write(ANNA, "on my way")
    await _shown(town, "on my way")


async def _a_draft(town: Town, elsewhere: Services, _: House) -> None:
    row = NewRow(row_id="r1", reply_id="r1", contact_id=ANNA, channel_id="local", kind="reply", text="a draft")
    await elsewhere.draft_store.suggest(ANNA, "r1", [row])
    await elsewhere.drafts.send("r1")
    await _shown(town, "a draft")


async def _a_note(town: Town, elsewhere: Services, _: House) -> None:
    await elsewhere.notes.say("local", OWNER, "a note")
    await _shown(town, "a note", OWNER)


async def _a_welcome(town: Town, elsewhere: Services, _: House) -> None:
    await town.writes("ben", "hello")
    await eventually(lambda: len(town.channel.texts("local:ben")) == 1)
    await elsewhere.pairing.approve("local:ben", Tier.STANDARD)
    await eventually(lambda: len(town.channel.texts("local:ben")) == 2)


async def _waits_for_the_model(town: Town, elsewhere: Services) -> None:
    """Anna has written, and is answered later: in some minutes, if nobody says sooner."""

    def away(_: Prompt) -> ModelOutcome:
        raise UnavailableError("model_down", "Away.", retry_after_s=200)

    town.model.script = away
    await town.writes("anna", "are you there?")

    async def waits() -> bool:
        return (await elsewhere.control.backlog(("local",))).waiting == {"model_down": 1}

    await eventually(waits)
    town.model.script = lambda _: Composed("here I am")


async def _the_end_of_a_pause(town: Town, elsewhere: Services, _: House) -> None:
    await _waits_for_the_model(town, elsewhere)
    await elsewhere.control.pause(None, timedelta(hours=1))
    await elsewhere.control.resume(None)
    await _shown(town, "here I am")


async def _the_end_of_a_channels_pause(town: Town, elsewhere: Services, _: House) -> None:
    await _waits_for_the_model(town, elsewhere)
    await elsewhere.control.pause_channel("local")
    await elsewhere.control.resume_channel("local")
    await _shown(town, "here I am")


async def _a_channel(_: Town, elsewhere: Services, running: House) -> None:
    await elsewhere.control.set_desired_state("local", on=False)
    await eventually(lambda: running.state("local")[0] == "off")
    await elsewhere.control.set_desired_state("local", on=True)
    await running.connected("local")


async def _a_job(_: Town, elsewhere: Services, __: House) -> None:
    """It is due a moment after it was made; nobody but who made it knew that."""
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    await elsewhere.jobs.put(job_of("soon", AtSchedule(at_ms=to_ms(soon), zone="UTC")))

    async def has_run() -> bool:
        return (await elsewhere.jobs.read("soon")).state.due_ms is None or bool(await elsewhere.jobs.runs("soon"))

    await eventually(has_run)


async def _a_call_of_a_job(_: Town, elsewhere: Services, __: House) -> None:
    await elsewhere.jobs.put(job_of("called", "0 9 1 1 *"))
    assert await elsewhere.jobs.call("called")

    async def has_run() -> bool:
        return bool(await elsewhere.jobs.runs("called"))

    await eventually(has_run)


CASES: tuple[Case, ...] = (
    _own_words,
    _a_draft,
    _a_note,
    _a_welcome,
    _the_end_of_a_pause,
    _the_end_of_a_channels_pause,
    _a_channel,
    _a_job,
    _a_call_of_a_job,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.__name__).strip("_"))
async def test_what_another_process_does_is_noticed_without_looking(town: Town, elsewhere: Services, case: Case) -> None:
    await town.let_in("anna")
    town.channel.owner_chat = OWNER
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        await case(town, elsewhere, running)


async def test_a_reply_of_another_worker_leaves_at_once(town: Town, setup: Setup, store: Store, model: ScriptedModel) -> None:
    """One process holds the channels, another one composes."""
    model.script = lambda _: Composed("from the other one")
    await town.let_in("anna")
    async with house(town, town.channel.factory(), part="gateway") as running:
        await running.connected("local")
        async with house(Town(setup, store, model, Random(5)), part="worker"):
            await town.writes("anna", "are you there?")
            await _shown(town, "from the other one")


async def test_what_waits_is_begun_when_it_is_due(town_with: Callable[..., Town]) -> None:
    """The burst gathers for a moment that this process knows of."""
    town = town_with(pacing__enabled=True, pacing__scale=0.05)
    await town.let_in("anna")
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        await town.writes("anna", "hi")
        await eventually(lambda: len(town.channel.texts(ANNA)) == 1)


async def test_what_could_not_be_told_is_seen_when_the_connection_is_back(town: Town) -> None:
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        client = town.store.client
        await client.hset(keys.CHANNEL_WISHES, "local", '{"on": false, "at": 1}')
        assert running.state("local")[0] == "connected"
        await client.client_kill_filter(_type="pubsub")
        await eventually(lambda: running.state("local")[0] == "off")


async def test_what_waited_for_its_channel_leaves_with_it(town: Town) -> None:
    """Nobody is told again; the channel itself came back."""
    await town.let_in("anna")
    await town.control.set_desired_state("local", on=False)
    async with house(town, town.channel.factory()) as running:
        await town.services.owner_messages.write(ANNA, "when I can")
        await asyncio.sleep(0)
        assert town.channel.texts(ANNA) == []
        await town.control.set_desired_state("local", on=True)
        await running.connected("local")
        await _shown(town, "when I can")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server is asked whether it lives")
async def test_the_kernel_says_when_the_server_has_died(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondme.core.store.server._LOOK_S", NEVER_S)
    server = EmbeddedServer(home / "data" / "store", home / "data" / "store.sock", role=Role.OWN)
    try:
        await server.ensure()
        supervising = asyncio.ensure_future(server.supervise())
        before = server._process
        assert before is not None
        await asyncio.sleep(0)
        os.kill(before.pid, signal.SIGKILL)
        await eventually(lambda: server._process is not before and server._process is not None)
        supervising.cancel()
    finally:
        await server.stop()
