"""What if the API, or what it needs, fails? The gateway goes on."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from api.wire import ask, request
from fakes.clock import FakeClock
from fakes.process import GatewayProcess, contact, eventually, logged, server_pids, settings_of, until, write_config

from secondme.core.api.dependencies import StoreProbe
from secondme.core.errors import UnavailableError

HEALTH = request("GET", "/health", ("Host", "localhost"))


@pytest.mark.parametrize("trouble", ["the web framework cannot be imported", "something else has the socket's name"])
async def test_a_gateway_without_its_api_answers_its_contacts(home: Path, trouble: str) -> None:
    write_config(home)
    env = {}
    if trouble.startswith("the web"):
        (home / "broken" / "fastapi").mkdir(parents=True)
        (home / "broken" / "fastapi" / "__init__.py").write_text("raise RuntimeError('broken')")
        env["PYTHONPATH"] = str(home / "broken")
    else:
        settings_of(home).places.api_socket.mkdir(parents=True)
    with GatewayProcess(home, **env) as gateway:
        event = "api_not_built" if env else "api_not_listening"
        await eventually(lambda: logged(home, event))
        async with contact(home, "anna") as anna:
            anna.say("hello?")
            assert "share this code" in (await until(anna, "message"))[0].text
        gateway.kill(signal.SIGTERM)
        assert await gateway.ended() == 0
    assert len(logged(home, event)) == 1


async def test_health_is_red_while_the_store_does_not_answer_and_green_when_it_does(home: Path) -> None:
    write_config(home, "[store]\ntimeout_s = 0.3\n")
    path = settings_of(home).places.api_socket
    with GatewayProcess(home):
        await eventually(path.exists)
        assert (await ask(path, HEALTH)).status == 200
        (server,) = server_pids(home)
        os.kill(server, signal.SIGSTOP)
        try:
            red = await eventually(lambda: _health(path, 503))
        finally:
            os.kill(server, signal.SIGCONT)
        await eventually(lambda: _health(path, 200))
    assert red == b'{"status":"unavailable","store":"down","gateway":"ready","channels":{"local":"connected"}}'


async def _health(path: Path, status: int) -> bytes | None:
    answer = await ask(path, HEALTH)
    return answer.body if answer.status == status else None


async def test_however_many_ask_for_the_health_the_store_is_asked_twice_a_second() -> None:
    clock, asked, works = FakeClock(), 0, True

    async def ask_the_store() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if not works:
            raise UnavailableError("store_slow", "The store did not answer.")

    pulse = StoreProbe(ask_the_store, clock)
    assert await asyncio.gather(*(pulse.beats() for _ in range(100))) == [True] * 100
    works = False
    clock.move(0.4)
    assert await pulse.beats()
    clock.move(0.2)
    assert await asyncio.gather(*(pulse.beats() for _ in range(100))) == [False] * 100
    assert asked == 2
