"""When a platform takes our credentials, and when it does so no more, is written down; and what the owner wants of a channel is heeded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import httpx
import pytest
from fakes.channel import FakeChannel
from fakes.process import eventually
from fakes.town import Town
from fakes.watching import Ear

from secondme.core.channel_plugin import ChannelFactory
from secondme.core.clock import SystemClock
from secondme.core.errors import CredentialsError
from secondme.core.gateway.gateway import Gateway
from secondme.core.messages import ChannelState
from secondme.core.ports import ChannelHost
from secondme.services import Services


class LoggedOut(FakeChannel):
    """A platform that lets us in, and out again when told to."""

    def __init__(self) -> None:
        super().__init__("phone")
        self.out = asyncio.Event()
        self.runs = 0

    async def run(self, host: ChannelHost) -> None:
        self.runs += 1
        for _ in range(3):  # a line that is cut is no new session
            host.report(ChannelState.CONNECTED)
            await asyncio.sleep(0.02)
            host.report(ChannelState.CONNECTING)
            await asyncio.sleep(0.02)
        host.report(ChannelState.CONNECTED)
        await self.out.wait()
        raise CredentialsError("phone_logged_out", "The phone has unlinked this device.")


@asynccontextmanager
async def serving(town: Town, *factories: ChannelFactory) -> AsyncIterator[Gateway]:
    gateway = Gateway(replace(town.rooms, channels=list(factories)), town.setup.settings, SystemClock(), Random(1))
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(gateway.run(stop, ready))
    await ready.wait()
    try:
        yield gateway
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await running


async def test_a_session_begins_once_and_its_end_is_published(town: Town, ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    phone = LoggedOut()
    async with serving(town, phone.factory()) as gateway:
        supervisor = gateway.manager.channels["phone"]
        await eventually(lambda: supervisor.state is ChannelState.CONNECTED and phone.runs == 1)
        await asyncio.sleep(0.3)
        phone.out.set()
        await eventually(lambda: supervisor.state is ChannelState.NEEDS_OWNER)
        assert supervisor.code == "phone_logged_out"
        ends = []
        while not ends:
            ends = [event for event in await ear.heard() if event.get("event") == "auth_session_expired"]
        assert [(event["channelId"], event["code"]) for event in ends] == [("phone", "phone_logged_out")]
        assert len([each for each in caplog.records if "auth_session_created" in each.getMessage()]) == 1
        assert phone.runs == 1
        phone.out.clear()
        await town.control.set_desired_state("phone", on=True)  # the owner linked it anew
        await eventually(lambda: supervisor.state is ChannelState.CONNECTED and phone.runs == 2)


async def test_what_the_owner_wants_of_a_channel_is_heeded_while_it_runs_and_outlives_a_restart(town: Town) -> None:
    one, other = FakeChannel("one"), FakeChannel("other")
    async with serving(town, one.factory(), other.factory()) as gateway:
        first, second = gateway.manager.channels["one"], gateway.manager.channels["other"]
        await eventually(lambda: first.is_open and second.is_open)
        await town.control.set_desired_state("one", on=False)
        await eventually(lambda: first.state is ChannelState.OFF)
        assert second.is_open
    async with serving(town, one.factory(), other.factory()) as gateway:
        first, second = gateway.manager.channels["one"], gateway.manager.channels["other"]
        await eventually(lambda: second.is_open)
        assert first.state is ChannelState.OFF
        await town.control.set_desired_state("one", on=True)
        await eventually(lambda: first.is_open)


async def test_a_channel_that_was_linked_meanwhile_is_built_then(town: Town) -> None:
    made: list[FakeChannel] = []
    factory = ChannelFactory(FakeChannel("late").manifest, lambda: made[-1] if made else None)
    async with serving(town, factory) as gateway:
        supervisor = gateway.manager.channels["late"]
        assert supervisor.state is ChannelState.OFF
        made.append(FakeChannel("late"))
        await town.control.set_desired_state("late", on=True)
        await eventually(lambda: supervisor.is_open)


class Deaf(FakeChannel):
    """Connected, and then nothing more from the platform."""

    def __init__(self) -> None:
        super().__init__("deaf")
        self.manifest = replace(self.manifest, stalled_after_s=0.3)
        self.runs = 0

    async def run(self, host: ChannelHost) -> None:
        self.runs += 1
        host.report(ChannelState.CONNECTED)
        await asyncio.Event().wait()


async def test_a_channel_that_is_connected_but_deaf_is_said_so_and_connected_anew(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondme.core.gateway.channel_supervisor._WATCH_S", 0.05)
    deaf = Deaf()
    async with serving(town, deaf.factory(), FakeChannel("fine").factory()) as gateway:
        supervisor = gateway.manager.channels["deaf"]
        await eventually(lambda: supervisor.state is ChannelState.STALLED)
        assert supervisor.code == "silent"
        assert gateway.manager.states() == {"deaf": "deaf", "fine": "connected"}
        supervisor.alive()
        assert supervisor.state is ChannelState.CONNECTED
        await eventually(lambda: deaf.runs >= 2)
        assert gateway.manager.channels["fine"].is_open


async def test_health_shows_a_channel_that_is_deaf(town: Town) -> None:

    states = {"telegram": "deaf", "local": "connected"}
    stop = asyncio.Event()
    api = Services(town.setup, town.store).api(stop.is_set, None, lambda: dict(states))
    running = asyncio.create_task(api.run(stop))
    transport = httpx.AsyncHTTPTransport(uds=str(town.setup.places.api_socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
        await eventually(town.setup.places.api_socket.exists)
        said = await client.get("/health")
        assert (said.status_code, said.json()["status"], said.json()["channels"]) == (200, "degraded", states)
        states["telegram"] = "connected"
        assert (await client.get("/health")).json()["status"] == "ok"
    stop.set()
    await running
