"""What do lists of ten thousand people cost, how long do they keep everybody else waiting, and what does a line of the log cost?"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from counts import count

from secondme.core.api.routes import list_approved
from secondme.core.config.loader import load
from secondme.core.ids import ContactId
from secondme.core.log import get_logger, set_up
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services

PEOPLE = count(10_000, 300)
ROUNDS = count(5, 1)
LINES = count(20_000, 100)

Row = Callable[[str, str, str, str], None]


def measure(row: Row) -> None:
    """Prints a row for each list, and one for the log."""
    home = Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp"))
    try:
        asyncio.run(_lists(home / "home", row))
        _log(home, row)
    finally:
        set_up("info", None, console=False)
        shutil.rmtree(home, ignore_errors=True)


async def _lists(home: Path, row: Row) -> None:
    async with Store(load({}, {}, home=home), Role.OWN) as store:
        await _fill(store)
        services = Services(load({}, {}, home=home), store, by="bench")
        names = [ContactId(f"telegram:{number}") for number in range(PEOPLE)]
        can = cast("Any", SimpleNamespace(people=services.pairing_store))
        what = f"{PEOPLE:,} people"
        cpu, held = await _cost(lambda: list_approved(can))
        row(f"API, {what}: the loop is held", f"{held:.1f} ms", f"{cpu:.0f} ms CPU in all", "goal <= 5 ms")
        cpu, held = await _cost(lambda: list_approved(can, limit=100))
        row(f"API, {what}: a page of 100", f"{held:.1f} ms", f"{cpu:.1f} ms CPU in all", "goal <= 5 ms")
        cpu, _ = await _cost(lambda: services.conversations.newest_ms(names))
        whole, held = await _cost(lambda: services.conversation_desk.ranked(limit=50))
        row(
            f"ranking of {PEOPLE:,} conversations",
            f"{cpu:.1f} ms CPU",
            f"whole page {whole:.0f}, held {held:.1f}",
            "goal <= 20 ms CPU",
        )


async def _fill(store: Store) -> None:
    pipe = store.client.pipeline(transaction=False)
    for number in range(PEOPLE):
        who, at = f"telegram:{number}", 1_796_000_000_000 + number * 7919 % 100_000
        pipe.set(
            keys.approved(who),
            f'{{"contactId":"{who}","phoneNumber":"+49170{number:07}","displayName":"Person {number}","approvedAt":{at},'
            '"approvedBy":"bench","tier":"standard","channelId":"telegram"}',
        )
        pipe.zadd(keys.INDEX_APPROVED, {who: at})
        turn = f'{{"id":"m{number}","role":"user","content":"how are you today?","timestamp":{at},"type":"incoming"}}'
        pipe.zadd(keys.history(who), {turn: at})
    await pipe.execute()


async def _cost(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Milliseconds of CPU, and the longest that nothing else had its turn; the best of some rounds behind a first one."""
    best = (1e9, 1e9)
    await work()
    for _ in range(ROUNDS):
        begun = time.process_time()
        await work()
        spent = time.process_time() - begun
        task, longest = asyncio.ensure_future(work()), 0.0
        while not task.done():
            before = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - before)
        await task
        best = (min(best[0], spent * 1e3), min(best[1], longest * 1e3))
    return best


def _log(home: Path, row: Row) -> None:
    set_up("info", home, console=False)
    log, best = get_logger("secondme.bench"), 1e9
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(LINES):
            log.info("received", contact="4915****89@c.us", outcome="queued")
        best = min(best, (time.process_time() - begun) / LINES)
    row("a line of the log", f"{best * 1e6:.1f} us CPU", "", "goal <= 6.6 us")


if __name__ == "__main__":
    measure(print)
