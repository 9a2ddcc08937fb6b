"""Two homes on one store: a channel has one gateway, replies leave through its account alone, and the other one takes over."""

import asyncio
import signal
from pathlib import Path

import pytest
from fakes.bot_api import bot_api
from fakes.process import WITHOUT_API, GatewayProcess, command, eventually, logged, write_config
from fakes.town import Town

from secondme.core.admit.control_store import ControlStore
from secondme.core.clock import SystemClock
from secondme.core.gateway.channel_leases import ChannelLeases, identity_of

pytestmark = pytest.mark.heavy  # two gateways in each scene, and leases that are waited for


async def holder_of(control: ControlStore, channel: str) -> int:
    return int((await control.leases([channel])).get(channel, {}).get("pid", 0))


@pytest.fixture
def homes(home: Path) -> tuple[Path, Path]:
    for name in ("one", "two"):
        write_config(home / name, WITHOUT_API)
    return home / "one", home / "two"


async def test_the_second_gateway_says_who_serves_and_ends_with_75_and_the_next_of_the_home_follows_at_once(
    homes: tuple[Path, Path], redis_url: str, town: Town
) -> None:
    one, two = homes
    with GatewayProcess(one, SECONDME_REDIS_URL=redis_url) as first:
        await eventually(lambda: logged(one, "ready"))
        assert await holder_of(town.control, "local") == first.process.pid
        refused = await asyncio.to_thread(command, two, "serve", SECONDME_REDIS_URL=redis_url)
        assert refused.returncode == 75
        assert f"(pid {first.process.pid}, home {one / 'data'}) since 2" in refused.stderr
        assert await holder_of(town.control, "local") == first.process.pid
        first.kill(signal.SIGKILL)
        await first.ended()
    with GatewayProcess(one, SECONDME_REDIS_URL=redis_url) as again:  # no lease is waited for
        await eventually(lambda: len(logged(one, "ready")) == 2)
        assert await holder_of(town.control, "local") == again.process.pid
        again.kill(signal.SIGTERM)
        assert await again.ended() == 0
    assert await holder_of(town.control, "local") == 0


async def test_a_gateway_goes_on_with_its_other_channels_and_takes_over_when_the_lease_ends(
    homes: tuple[Path, Path], redis_url: str, town: Town
) -> None:
    one, two = homes
    async with bot_api() as api:
        telegram = {"SECONDME_TELEGRAM__TOKEN": api.token, "SECONDME_TELEGRAM__API_URL": api.url, "SECONDME_REDIS_URL": redis_url}
        with GatewayProcess(one, SECONDME_REDIS_URL=redis_url) as first:
            await eventually(lambda: logged(one, "ready"))
            with GatewayProcess(two, **telegram) as second:
                await eventually(lambda: api.polls)
                (said,) = await eventually(lambda: logged(two, "channel_in_use"))
                assert (said["channel"], said["pid"]) == ("local", first.process.pid)
                assert await holder_of(town.control, "telegram") == second.process.pid
                await eventually(lambda: states_are(town, "connected", "connected"))
                first.kill(signal.SIGTERM)
                await first.ended()
                await eventually(lambda: holder_is(town.control, second.process.pid))


async def states_are(town: Town, local: str, telegram: str) -> bool:
    states = {each.id: each.state for each in (await town.services.status()).channels}
    return (states["local"], states["telegram"]) == (local, telegram)


async def holder_is(control: ControlStore, pid: int) -> bool:
    return await holder_of(control, "local") == pid


async def test_a_lease_that_nobody_renews_is_waited_for(homes: tuple[Path, Path], redis_url: str, town: Town) -> None:
    one, _ = homes
    await town.control.take_lease("local", "a container that was killed", {"host": "gone", "pid": 1}, 6)
    with GatewayProcess(one, SECONDME_REDIS_URL=redis_url) as gateway:
        await eventually(lambda: logged(one, "ready"))
        assert await holder_of(town.control, "local") == gateway.process.pid


async def test_a_lease_is_a_homes_and_nobody_elses(town: Town, tmp_path: Path) -> None:
    clock = SystemClock()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two, again = (ChannelLeases(town.control, tmp_path / name, clock) for name in ("one", "two", "one"))
    assert await one.take("local", "a") is None
    other = await two.take("local", "b")
    assert other is not None
    assert (other["account"], other["home"], other["holder"]) == ("a", str(tmp_path / "one"), identity_of(tmp_path / "one"))
    assert await again.take("local", "a") is None
    await two.give_back("local")
    assert await two.take("local", "b") is not None
    await one.give_back("local")
    assert await two.take("local", "b") is None
    assert 14_000 < await town.store.client.pttl("CHANNEL:lease:local") <= 15_000


@pytest.mark.usefixtures("town")
async def test_the_doctor_names_the_gateway_that_serves_in_our_place(homes: tuple[Path, Path], redis_url: str) -> None:
    one, two = homes
    async with bot_api() as api:
        telegram = {"SECONDME_TELEGRAM__TOKEN": api.token, "SECONDME_TELEGRAM__API_URL": api.url, "SECONDME_REDIS_URL": redis_url}
        with GatewayProcess(one, SECONDME_REDIS_URL=redis_url) as first:
            await eventually(lambda: logged(one, "ready"))
            with GatewayProcess(two, **telegram):
                await eventually(lambda: logged(two, "channel_in_use"))
                await eventually(lambda: api.polls)
                said = await asyncio.to_thread(command, two, "doctor", "gateway", **telegram)
    assert "local is served by the gateway on" in said.stdout
    assert f"pid {first.process.pid}" in said.stdout
