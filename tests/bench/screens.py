"""The owner's screen with very many people: how long the loop stands still while they are scrolled through. A key that is pressed meanwhile
waits for no longer than that. Stalls are the CPU time of one turn of the loop, so a busy machine makes none."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from counts import count
from textual.app import App
from textual.widgets import OptionList

from secondme.cli.commands.tui import _collect_when_idle
from secondme.cli.tui.app import SecondmeApp
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

PEOPLE = count(10_000, 300)
TALKS = count(500, 20)
PRESSES = count(120, 10)
_LOOKS = count(3, 1)

Row = Callable[[str, str, str, str], None]


def measure(row: Row) -> None:
    """Print the figures."""
    home = Path(tempfile.mkdtemp(prefix="sms-", dir="/tmp"))
    try:
        asyncio.run(_all(home, row))
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _all(home: Path, row: Row) -> None:
    setup = load({"sleep.enabled": False}, {}, home=home)
    async with Store(setup, Role.OWN) as store:
        await _fill(store)
        over_url = load({"redis_url": f"unix://{setup.places.store_socket}", "sleep.enabled": False}, {}, home=home)
        floor = await _floor()
        _collect_when_idle()
        for page, digit, rows in (("people", "4", PEOPLE), ("chats", "2", PEOPLE)):
            worst, cpu = await _scrolled(over_url, digit)
            told = f"screen: {rows:,} {page}, {PRESSES} pages scrolled"
            row(told, f"{1000 * worst:.0f} ms", f"{cpu / PRESSES * 1000:.1f} ms CPU a page", "goal: no stall > 50 ms")
        row(f"screen: the library's list with {PEOPLE:,} rows", f"{1000 * floor:.0f} ms", "its longest stall", "")


async def _fill(store: Store) -> None:
    """People, half a thousand of whom talked."""
    now = int(time.time() * 1000)
    pipe = store.client.pipeline(transaction=False)
    for number in range(PEOPLE):
        who = f"local:p{number}"
        record = {
            "contactId": who,
            "phoneNumber": who,
            "displayName": f"Person {number}",
            "approvedAt": now + number,
            "approvedBy": "cli",
            "tier": "standard",
        }
        pipe.set(keys.approved(who), json.dumps(record))
        pipe.zadd(keys.INDEX_APPROVED, {who: now + number})
        if number < TALKS:
            for at in range(5):
                turn = {
                    "id": f"t{at}",
                    "role": "user",
                    "content": f"words {at} of {number}, long enough to fill a line of the list",
                    "timestamp": now - at,
                    "type": "incoming",
                }
                pipe.zadd(keys.history(who), {json.dumps(turn): now - at})
    await pipe.execute()


@asynccontextmanager
async def _watched() -> AsyncIterator[list[float]]:
    """The CPU time of each turn of the loop, seconds."""
    turns: list[float] = []

    async def watch() -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            turns.append(now - before)
            before = now

    task = asyncio.create_task(watch())
    try:
        yield turns
    finally:
        task.cancel()


async def _scrolled(setup: Setup, digit: str) -> tuple[float, float]:
    """The longest turn of the loop while a page is scrolled through, and the CPU time of all of it, seconds."""
    app = SecondmeApp(setup, SystemClock())
    async with app.run_test(size=(140, 45)) as pilot:
        while app.is_looking:
            await asyncio.sleep(0.01)
        await pilot.press(digit)
        rows = app.page.rows  # type: ignore[attr-defined]
        while len(rows.keys) < PEOPLE:
            await asyncio.sleep(0.01)
        began = time.process_time()
        async with _watched() as turns:
            for look in range(_LOOKS):
                for _ in range(PRESSES // _LOOKS):
                    rows.action_page(1)
                    await asyncio.sleep(0.01)
                app.desk.look_again()
                await asyncio.sleep(0.3 + look / 10)
        return max(turns), time.process_time() - began


async def _floor() -> float:
    """The same rows in the library's own list."""

    class Plain(App[None]):
        def compose(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            yield OptionList(*(f"Person {number}\n  words of {number}" for number in range(PEOPLE)))

    app = Plain()
    async with app.run_test(size=(140, 45)):
        options = app.query_one(OptionList)
        async with _watched() as turns:
            for _ in range(PRESSES):
                options.action_page_down()
                await asyncio.sleep(0.01)
        return max(turns)
