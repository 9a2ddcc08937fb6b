"""A store whose clock is five hours ahead and is put back while replies are paced: a real gateway on a real server, and libfaketime under that."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fakes.process import command, eventually
from fakes.telegram_town import TelegramTown, telegram_town
from redis import Redis

from secondme.core.store import keys
from secondme.core.store.server import find_server

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: apt install faketime")
ANNA, BEN = 4_600_001, 4_600_002
SLOW = "[pacing]\nthink_min_s = 0\nthink_max_s = 0\nmin_s = 8\nmax_s = 8\njitter = 0\ngather_s = 1\n[sleep]\nenabled = false\n"


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


class WrongClock:
    """What programs are told that the time is, beside the real one."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.put("+0")
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def put(self, offset: str) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(offset + "\n")
        fresh.replace(self._file)


@asynccontextmanager
async def server(folder: Path, clock: WrongClock) -> AsyncIterator[str]:
    path = folder / "s.sock"
    words = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(  # noqa: ASYNC220
        [find_server(), *words], env={**os.environ, **clock.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await eventually(path.exists)
        with Redis(unix_socket_path=str(path)) as client:
            clock.put("+5h")
            is_told = abs(client.time()[0] - time.time() - 5 * 3600) < 60  # type: ignore[index]
            clock.put("+0")
            if not is_told:
                pytest.skip("libfaketime does not reach the server")
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait(20)


async def test_paced_replies_leave_in_time_and_a_pause_ends_when_it_should(home: Path) -> None:
    clock = WrongClock(home)
    async with server(home, clock) as url, telegram_town(home / "h", url) as town:
        (home / "h" / "config.toml").write_text(SLOW)
        await town.let_in(ANNA, BEN)
        clock.put("+5h")
        with town.gateway():
            await paused_for_a_minute(town, BEN)
            town.writes(ANNA, "are you there")
            await eventually(lambda: town.store.client.zscore(keys.outbox_due("telegram"), f"telegram:{ANNA}"))
            assert town.api.shown[ANNA] == []
            clock.put("+0")
            began = time.monotonic()
            assert await town.shown(ANNA) == ["re: are you there"]
            assert time.monotonic() - began < 30
            await eventually(lambda: town.logged("clock_put_back"))
            assert await town.store.client.pttl(keys.pause(f"telegram:{BEN}")) <= 60_000
            town.writes(ANNA, "and now")
            assert len(await town.shown(ANNA, 2)) == 2
            assert len(town.sends_to(ANNA)) == 2


async def paused_for_a_minute(town: TelegramTown, user: int) -> None:
    environment = {**town._environment}
    said = await asyncio.to_thread(command, town.home, "pause", f"telegram:{user}", "--for", "1m", **environment)
    assert said.returncode == 0, said.stderr


async def test_what_was_left_by_a_gateway_that_died_meanwhile_leaves_after_its_restart(home: Path) -> None:
    clock = WrongClock(home)
    async with server(home, clock) as url, telegram_town(home / "h", url) as town:
        (home / "h" / "config.toml").write_text(SLOW)
        await town.let_in(ANNA)
        clock.put("+5h")
        with town.gateway() as first:
            town.writes(ANNA, "are you there")
            await eventually(lambda: town.store.client.zscore(keys.outbox_due("telegram"), f"telegram:{ANNA}"))
            town.writes(ANNA, "hello?")
            await eventually(lambda: town.store.client.exists(keys.mailbox(f"telegram:{ANNA}")))
            first.kill()
        clock.put("+0")
        with town.gateway():
            shown = await town.shown(ANNA)
            assert shown[0].startswith("re: ")
            await town.settled(ANNA)
