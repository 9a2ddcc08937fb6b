"""One channel fails in every way there is; its neighbour is answered all the same, and the gateway leaves in time."""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.bot_api import bot_api
from fakes.bot_api_rig import context_of
from fakes.channel import FakeChannel
from fakes.clock import FakeClock
from fakes.house import House, house
from fakes.process import DEADLINE_S, GatewayProcess, environment, eventually, write_config
from fakes.storm import Platform, Stormy, living, message_of, pauses
from fakes.town import Town

from secondme.channels.telegram.manifest import MANIFEST as TELEGRAM
from secondme.channels.telegram.setup import build
from secondme.core.admit.control_store import ControlStore
from secondme.core.channel_manifest import Manifest
from secondme.core.channel_plugin import ChannelFactory
from secondme.core.clock import SystemClock
from secondme.core.errors import CredentialsError
from secondme.core.gateway.channel_manager import ChannelManager
from secondme.core.gateway.channel_supervisor import ChannelSupervisor
from secondme.core.ids import ContactId
from secondme.core.messages import Admission, ChannelState, MessageContent, SendOutcome
from secondme.core.ports import ChannelHost
from secondme.core.store.client import Store

ROUNDS = 30
FLOOD = 5_000
REPORTS_A_SECOND = 1_000
ENDS_WITHIN_S = 10.0
SICK = ContactId("sick:zoe")


class Sick(FakeChannel):
    """Lives as `how` says; it is told when the test is over, whatever it did to its own cancellation."""

    def __init__(self, how: Callable[["Sick", ChannelHost], Awaitable[None]]) -> None:
        super().__init__("sick")
        self.how = how
        self.over = asyncio.Event()
        self.flooded = 0
        self.tried = 0
        self.sending: Callable[[], Awaitable[SendOutcome]] | None = None

    async def run(self, host: ChannelHost) -> None:
        self.host = host
        await self.how(self, host)

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        self.tried += 1
        if self.sending is not None:
            return await self.sending()
        return await super().send(contact_id, content, client_message_id)


async def crash(_channel: Sick, _host: ChannelHost) -> None:
    raise RuntimeError("the library fell over")


async def end(_channel: Sick, _host: ChannelHost) -> None:
    return


async def hang(channel: Sick, _host: ChannelHost) -> None:
    await channel.over.wait()


async def connect(channel: Sick, host: ChannelHost) -> None:
    host.report(ChannelState.CONNECTED)
    await channel.over.wait()


async def never_stop(channel: Sick, host: ChannelHost) -> None:
    host.report(ChannelState.CONNECTED)
    while not channel.over.is_set():
        with suppress(asyncio.CancelledError):
            await channel.over.wait()


async def report_wildly(channel: Sick, host: ChannelHost) -> None:
    states = [*ChannelState]
    while not channel.over.is_set():
        channel.flooded += 1
        host.report(states[channel.flooded % len(states)], f"code_{channel.flooded % 7}")
        await SystemClock().sleep(1 / REPORTS_A_SECOND)


async def flood(channel: Sick, host: ChannelHost) -> None:
    """5,000 messages of 50 strangers, each stranger's in their order."""
    host.report(ChannelState.CONNECTED)

    async def write(who: int) -> None:
        for number in range(FLOOD // 50):
            await host.receive(message_of(f"sick:s{who}", f"{number}", f"m{who}-{number}"))
            channel.flooded += 1

    async with asyncio.TaskGroup() as strangers:
        for who in range(50):
            strangers.create_task(write(who))
    await channel.over.wait()


async def send_raises() -> SendOutcome:
    raise RuntimeError("the library fell over")


async def send_hangs() -> SendOutcome:
    await asyncio.Event().wait()
    raise AssertionError


def refusing(error: Exception) -> ChannelFactory:
    def build_it() -> Any:
        raise error

    return ChannelFactory(Manifest("sick", "Sick", "s", "nowhere"), build_it)


@dataclass
class Case:
    """A way of failing, and how the channel must stand then. None: whatever it says last."""

    factory: Callable[[], tuple[ChannelFactory, Sick | None]]
    stands: tuple[str, str] | None
    with_reply: bool = False
    """A contact of the sick channel is answered too, as far as the channel lets it."""


def lives(how: Callable[[Sick, ChannelHost], Awaitable[None]], sending: Callable[[], Awaitable[SendOutcome]] | None = None) -> Any:
    def make() -> tuple[ChannelFactory, Sick]:
        channel = Sick(how)
        channel.sending = sending
        return channel.factory(), channel

    return make


CASES = {
    "a refused token": Case(lambda: (refusing(CredentialsError("telegram_token_refused", "No.")), None), ("needs_owner", "telegram_token_refused")),
    "a library that is missing": Case(lambda: (refusing(ImportError("no such module")), None), ("needs_owner", "library_missing")),
    "a crash while it is built": Case(lambda: (refusing(RuntimeError("boom")), None), ("waiting", "crashed")),
    "a crash while it runs": Case(lives(crash), ("waiting", "crashed")),
    "an end by itself": Case(lives(end), ("waiting", "ended")),
    "no connection, and no failure either": Case(lives(hang), ("connecting", "")),
    "a send that raises": Case(lives(connect, send_raises), ("connected", ""), with_reply=True),
    "a flood": Case(lives(flood), ("connected", "")),
    "1,000 reports a second": Case(lives(report_wildly), None),
}  # fmt: skip


class Healthy:
    """Contacts of the neighbour, and how long each waits for an answer."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.round = 0

    async def p95_ms(self, rounds: int = ROUNDS) -> float:
        """Of `rounds` messages, each written when the one before was answered, all of which were answered."""
        waits = []
        assert self.town.channel.host is not None
        for _ in range(rounds):
            self.round += 1
            who, text = f"h{self.round % 5}", f"ping {self.round}"
            begun = time.perf_counter()
            assert await self.town.channel.host.receive(self.town.message(who, text)) is Admission.QUEUED
            async with asyncio.timeout(DEADLINE_S):
                while f"re: {text}" not in self.town.channel.texts(f"local:{who}"):
                    await asyncio.sleep(0.001)
            waits.append((time.perf_counter() - begun) * 1000)
        return sorted(waits)[int(len(waits) * 0.95)]


@pytest.fixture
def town(town_with: Callable[..., Town]) -> Town:
    return town_with(limits__messages=100_000, queue__drain_s=1)


async def populate(town: Town) -> Healthy:
    for number in range(5):
        await town.let_in(f"h{number}")
    town.channel.raw.clear()
    message = message_of(SICK, "hi", "knock")
    await town.gateway.receive(message)
    await town.owner.approve(SICK)
    await town.store.client.delete(f"OUTBOX:{SICK}", "OUTBOX:due:sick")
    return Healthy(town)


@asynccontextmanager
async def beside(town: Town, factory: ChannelFactory, channel: Sick | None) -> AsyncIterator[House]:
    try:
        async with house(town, town.channel.factory(), factory) as there:
            await there.connected("local")
            yield there
            if channel is not None and channel.how is not never_stop:
                channel.over.set()
    finally:
        if channel is not None:
            channel.over.set()


@pytest.mark.heavy  # 10 s: every way to fail
async def test_a_channel_that_fails_in_any_way_does_not_keep_its_neighbour_from_being_answered(town: Town) -> None:
    healthy = await populate(town)
    async with house(town, town.channel.factory()) as there:
        await there.connected("local")
        alone = min(await healthy.p95_ms(), await healthy.p95_ms())
    print(f"\n{'neighbour':<40}{'p95 ms':>8}   alone {alone:.1f} ms")
    for name, case in CASES.items():
        factory, channel = case.factory()
        async with beside(town, factory, channel) as there:
            if case.stands is not None:
                await eventually(lambda case=case, there=there: there.state("sick") == case.stands)
            if case.with_reply:
                assert channel is not None
                await there.gateway.receive(message_of(SICK, f"{name}: answer me", f"m-{name}"))
                await eventually(lambda channel=channel: channel.tried)
            p95 = await healthy.p95_ms()
            print(f"{name:<40}{p95:>8.1f}   {there.state('sick')}")
            if channel is not None and channel.how is flood:
                await eventually(lambda channel=channel: channel.flooded == FLOOD)
            if case.stands is not None:
                await eventually(
                    lambda case=case, there=there: there.state("sick") == case.stands
                )  # not in the middle of its next try

                async def is_signed(case: Case = case, there: House = there) -> bool:
                    signed = await there.signed("sick")
                    return (signed["state"], signed.get("code", "")) == case.stands

                await eventually(is_signed)
            assert there.state("local") == ("connected", "")
            assert p95 < max(5_000, alone * 50)  # a neighbour that holds up the others does it for its time-out, or for ever
        assert there.ended_after_s is not None
        assert there.ended_after_s < ENDS_WITHIN_S


async def test_a_telegram_token_that_is_refused_is_the_owners_business_and_nobody_elses(town: Town) -> None:
    healthy = await populate(town)
    async with bot_api() as api:
        context = context_of(api, SystemClock(), token="1:wrong")  # type: ignore[arg-type]
        async with house(town, town.channel.factory(), ChannelFactory(TELEGRAM, lambda: build(context))) as there:
            await eventually(lambda: there.state("telegram") == ("needs_owner", "telegram_token_refused"))
            assert await healthy.p95_ms(5) > 0
            assert there.state("local") == ("connected", "")
            assert (await there.signed("telegram"))["code"] == "telegram_token_refused"


@pytest.mark.slow  # 5 s: it may take so long
async def test_the_gateway_leaves_in_time_beside_a_run_that_will_not_stop_and_a_send_that_hangs(
    town_with: Callable[..., Town],
) -> None:
    drain_s = 2.0  # 8 by default: and two seconds later, at the latest, everything has ended
    town = town_with(limits__messages=100_000, queue__drain_s=drain_s)
    healthy = await populate(town)
    channel = Sick(never_stop)
    channel.sending = send_hangs
    async with beside(town, channel.factory(), channel) as there:
        await eventually(lambda: there.state("sick") == ("connected", ""))
        await there.gateway.receive(message_of(SICK, "answer me", "m"))
        await eventually(lambda: channel.tried)
        print(f"neighbour's p95 {await healthy.p95_ms(10):.1f} ms")
    print(f"the gateway ended after {there.ended_after_s:.1f} s, of which it may drain for {drain_s:.0f}")
    assert there.ended_after_s is not None
    assert there.ended_after_s < drain_s + 5


STUCK = """
import asyncio
from secondme.core.channel_manifest import Manifest
from secondme.core.messages import ChannelState

MANIFEST = Manifest("stuck", "Stuck", "s", "stuck_channel")

class Stuck:
    id = "stuck"
    async def run(self, line):
        line.report(ChannelState.CONNECTED)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

def is_set_up(context):
    return True

def build(context):
    return Stuck()
"""


def package_channel(folder: Path, source: str) -> str:
    """A package with a channel of its own, as pip would have installed it: where Python finds it."""
    known = folder / "stuck_channel-1.0.dist-info"
    known.mkdir(parents=True)
    (folder / "stuck_channel.py").write_text(source)
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck-channel\nVersion: 1.0\n")
    (known / "entry_points.txt").write_text("[secondme.channels]\nstuck = stuck_channel:MANIFEST\n")
    return str(folder)


@pytest.mark.slow  # 6 s: it may take so long
async def test_a_process_ends_although_a_packages_channel_will_not(
    home: Path, tmp_path: Path, store: Store, redis_url: str
) -> None:
    write_config(home)
    signs = ControlStore(store)
    path = os.pathsep.join([package_channel(tmp_path / "site", STUCK), os.environ.get("PYTHONPATH", "")])
    with GatewayProcess(home, SECONDME_REDIS_URL=redis_url, PYTHONPATH=path, SECONDME_API__ENABLED="false") as process:

        async def is_connected() -> bool:
            return any(each["channels"].get("stuck", {}).get("state") == "connected" for each in await signs.alive())

        await eventually(is_connected)
        process.kill(signal.SIGTERM)
        begun = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                await process.ended()
        print(f"the process ended after {time.monotonic() - begun:.1f} s with {process.process.poll()}")
        assert process.process.poll() == 0


# One connection in a time of its own


async def test_a_connection_that_is_lost_each_second_is_tried_ever_later_and_loses_nothing_that_was_not_confirmed() -> None:
    platform, written = Platform(FakeClock()), iter(range(100_000))
    rng = random.Random(2)

    def happens() -> None:
        platform.waiting.append(f"message {next(written)}")
        platform.down = rng.random() < 0.5

    async with living(platform) as supervisor:
        await platform.passes(300, each=happens)
        assert (supervisor.state, supervisor.code) == (ChannelState.WAITING, "crashed")
        runs_in_5_min, waited = len(platform.begun), pauses(platform)
        assert set(platform.confirmed) <= set(platform.received)
        platform.life_s, platform.down = None, False
        await platform.passes(400)
        assert supervisor.state is ChannelState.CONNECTED
    assert platform.received == platform.confirmed
    lost = {f"message {number}" for number in range(next(written))} - set(platform.received)
    print(
        f"{runs_in_5_min} connections in 5 minutes, most at once {platform.most}; pauses {[round(each, 1) for each in waited]} s; lost {len(lost)}"
    )
    assert (platform.most, lost) == (1, set())
    expected = [min(60.0, 0.5 * 2.0**failures) for failures in range(1, 8)]
    for pause, middle in zip(pauses(platform)[:7], expected, strict=True):
        assert 0.8 * middle <= pause <= 1.2 * middle + 0.5
    assert all(later > earlier for earlier, later in itertools.pairwise(waited[:6]))
    assert pauses(platform)[7] >= 240  # the breaker opened


async def test_two_connections_do_not_come_back_in_step() -> None:
    seen = []
    for seed in (1, 2, 3):
        platform = Platform(FakeClock())
        async with living(platform, seed):
            await platform.passes(150)
        seen.append([round(pause, 2) for pause in pauses(platform)])
    print(seen)
    assert len({tuple(each) for each in seen}) == 3


async def test_a_connection_that_held_for_an_hour_is_tried_again_at_once_however_often_that_happened() -> None:
    for says_so in (False, True):
        platform = Platform(FakeClock(), life_s=3_600, says_so=says_so)
        async with living(platform):
            await platform.passes(12 * 3_700, step_s=8.0)
        waited = pauses(platform)
        print(f"says so {says_so}: {len(platform.begun)} connections of an hour, pauses {[round(each) for each in waited]} s")
        assert len(waited) >= 11
        assert max(waited) <= 2 * 8.0


async def test_a_channel_that_hangs_is_begun_again_and_never_twice_at_once() -> None:
    platform = Platform(FakeClock())

    class Hangs(FakeChannel):
        async def run(self, host: ChannelHost) -> None:  # noqa: ARG002  it never says a word
            platform.begun.append(platform.clock.monotonic())
            platform.live += 1
            platform.most = max(platform.most, platform.live)
            try:
                await asyncio.Event().wait()
            finally:
                platform.live -= 1
                platform.lost.append(platform.clock.monotonic())

    def build_it() -> Any:
        return Hangs("stormy")

    platform.factory = lambda name="stormy": ChannelFactory(Manifest(name, "S", "s", "nowhere"), build_it)  # type: ignore[method-assign]
    async with living(platform) as supervisor:
        assert (supervisor.state, supervisor.code) == (ChannelState.CONNECTING, "")
        await platform.passes(121, step_s=0.5)
        assert (supervisor.state, supervisor.code) == (ChannelState.WAITING, "hangs")
        await platform.passes(300, step_s=0.5)
    assert platform.most == 1
    assert len(platform.begun) == 4


async def test_a_quiet_channel_that_connects_anew_or_stops_has_two_minutes_for_it() -> None:
    platform = Platform(FakeClock())

    class Quiet(FakeChannel):
        async def run(self, host: ChannelHost) -> None:
            platform.begun.append(platform.clock.monotonic())
            host.report(ChannelState.CONNECTED)
            await platform.clock.sleep(1200)  # and nobody writes
            host.report(ChannelState.CONNECTING)
            await platform.clock.sleep(100)
            host.report(ChannelState.CONNECTED)
            await platform.clock.sleep(1200)
            host.report(ChannelState.CONNECTING)
            await asyncio.Event().wait()

    platform.factory = lambda name="stormy": ChannelFactory(Manifest(name, "S", "s", "nowhere"), lambda: Quiet("stormy"))  # type: ignore[method-assign]
    async with living(platform) as supervisor:
        await platform.passes(1290, step_s=0.5)
        assert (supervisor.state, supervisor.code) == (ChannelState.CONNECTING, "")
        await platform.passes(1200, step_s=0.5)
        assert (supervisor.state, supervisor.code) == (ChannelState.CONNECTED, "")
        await platform.passes(120, step_s=0.5)
        assert (supervisor.state, supervisor.code) == (ChannelState.CONNECTING, "")
        assert len(platform.begun) == 1
        await platform.passes(20, step_s=0.5)
        assert len(platform.begun) == 2, "and no longer"


async def test_what_a_channel_says_after_its_run_has_ended_does_not_count() -> None:
    platform = Platform(FakeClock())
    hosts: list[ChannelHost] = []

    class Late(Stormy):
        async def run(self, host: ChannelHost) -> None:
            hosts.append(host)
            await super().run(host)

    def build_it() -> Any:
        return Late(platform)

    platform.factory = lambda name="stormy": ChannelFactory(Manifest(name, "S", "s", "nowhere"), build_it)  # type: ignore[method-assign]
    async with living(platform) as supervisor:
        await platform.passes(1.25)
        assert supervisor.state is ChannelState.WAITING
        hosts[0].report(ChannelState.CONNECTED)  # a thread of the library's, or a run that would not end
        assert supervisor.state is ChannelState.WAITING
        assert not supervisor.is_open


async def test_an_owner_who_reconnects_each_second_for_five_minutes_has_one_connection(town: Town) -> None:
    platform = Platform(FakeClock(), life_s=None)
    control = ControlStore(town.store)
    manager = ChannelManager([platform.factory()], control, platform.receive, platform.clock, random.Random(1))  # type: ignore[arg-type]

    async def tell(_: ChannelSupervisor) -> None:
        return

    running = asyncio.ensure_future(manager.run(tell))
    try:
        await eventually(lambda: platform.begun)
        for number in range(300):
            platform.waiting.append(f"message {number}")
            await control.set_desired_state("stormy", on=True)
            begun = len(platform.begun)
            manager.nudge()  # as the gateway does when it is told
            platform.clock.move(1.0)
            async with asyncio.timeout(DEADLINE_S):
                while len(platform.begun) == begun:
                    await asyncio.sleep(0.001)
        await platform.passes(2)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    print(
        f"{len(platform.begun)} connections, most at once {platform.most}; {len(platform.received)} messages received, {len(platform.waiting)} left"
    )
    assert (platform.most, platform.live) == (1, 0)
    assert set(platform.received) == {f"message {number}" for number in range(300)}
    assert platform.confirmed == platform.received


# What is not linked is not imported

_IMPORTED = """
import json, sys, asyncio
from pathlib import Path
from secondme.core.config.loader import load
from secondme.core.store.server import Role
from secondme.services import build_model, open_services

async def main():
    setup = load({}, home=Path(sys.argv[1]))
    async with open_services(setup, Role.ATTACH) as services:
        gateway = services.gateway(build_model(setup.settings, demo=True))
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(gateway.run(stop, ready))
            states = {name: each.state for name, each in gateway.manager.channels.items()}
            wanted = set(sys.argv[2:])
            while {name for name, each in gateway.manager.channels.items() if each.state == "connected"} != wanted:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            stop.set()
    heavy = ["telegram", "neonize", "httpx", "PIL", "segno", "anthropic", "textual", "aiohttp"]
    print(json.dumps([name for name in heavy if name in sys.modules]))
asyncio.run(main())
"""


async def imported(home: Path, *connected: str, **env: str) -> list[str]:
    """Which heavy packages a gateway imported that has connected to exactly these channels."""
    line = [sys.executable, "-c", _IMPORTED, str(home), *connected]
    process = await asyncio.create_subprocess_exec(
        *line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(**env)
    )
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return list(json.loads(out.decode().splitlines()[-1]))


async def test_a_gateway_imports_only_what_its_channels_need(home: Path, redis_url: str) -> None:
    write_config(home)
    async with bot_api() as api:
        telegram = {"SECONDME_TELEGRAM__TOKEN": api.token, "SECONDME_TELEGRAM__API_URL": api.url}
        nothing = await imported(home, "local", SECONDME_REDIS_URL=redis_url)
        linked = await imported(home, "local", "telegram", SECONDME_REDIS_URL=redis_url, **telegram)
    print(f"nothing linked: {nothing}; Telegram linked: {linked}")
    assert nothing == []
    assert {"telegram", "httpx"} <= set(linked)
    assert not {"neonize", "PIL", "segno", "anthropic", "textual"} & set(linked)
