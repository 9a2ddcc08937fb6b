"""What does `migrate pairing` cost beside a bare SCAN with pipelined EXISTS and SET of the same keys? Prints; decides nothing."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from counts import count
from redis.asyncio import Redis

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.config.loader import load
from secondme.core.enums import Tier
from secondme.core.migrate.approvals import ApprovalPlan, PairingMigration
from secondme.core.migrate.store import AdoptionStore
from secondme.core.store.client import Store
from secondme.core.store.server import Role

CONTACTS = count(100_000, 2000)
BATCH = 100
ROUNDS = count(3, 1)
_FILL = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local key = 'HISTORY:49151' .. string.format('%08d', i) .. '@c.us'
  redis.call('ZADD', key, 1, '{"id":"m","role":"user","content":"hi","timestamp":1,"type":"incoming"}')
  redis.call('SADD', key .. ':ids', 'm')
end
"""


class _Nobody:
    """Nobody watches."""

    def item(self, name: str, verdict: str) -> None:
        pass

    def progress(self, tally: object) -> None:
        pass


async def _fill(raw: Redis) -> None:
    await raw.flushall()
    for start in range(0, CONTACTS, 1000):
        await raw.eval(_FILL, 0, str(start), str(start + 999))


async def _floor(raw: Redis, *, write: bool) -> None:
    """The least that any program must do: name the keys, ask who is approved, write the others."""
    cursor, waiting = 0, []
    while True:
        cursor, names = await raw.scan(cursor, match="HISTORY:*", count=1000, _type="zset")
        waiting += [name[8:].decode() for name in names]
        while len(waiting) >= BATCH or (waiting and cursor == 0):
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            pipe = raw.pipeline(transaction=False)
            for contact in batch:
                pipe.exists(f"PAIRING:approved:{contact}")
            there = await pipe.execute()
            if write:
                pipe = raw.pipeline(transaction=False)
                for contact, known in zip(batch, there, strict=True):
                    if not known:
                        pipe.set(
                            f"PAIRING:approved:{contact}", f'{{"contactId":"{contact}","approvedBy":"migration","tier":"standard"}}'
                        )
                await pipe.execute()
        if cursor == 0:
            return


async def _cost(raw: Redis, work: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
    """Best client CPU, server CPU and wall seconds of one whole run."""
    best = (1e9, 1e9, 1e9)
    for _ in range(ROUNDS):
        await _fill(raw)
        info = await raw.info("cpu")
        server, cpu, wall = info["used_cpu_user"] + info["used_cpu_sys"], time.process_time(), time.perf_counter()
        await work()
        spent = time.process_time() - cpu, time.perf_counter() - wall
        info = await raw.info("cpu")
        each = (spent[0], info["used_cpu_user"] + info["used_cpu_sys"] - server, spent[1])
        best = tuple(map(min, best, each))  # type: ignore[assignment]
    return best


async def _measure(home: Path) -> None:
    setup = load({}, {}, home=home)
    async with Store(setup, Role.OWN) as store, Redis(unix_socket_path=str(setup.places.store_socket)) as raw:
        for write in (False, True):

            async def ours(*, write: bool = write) -> None:
                pairing, plan = PairingStore(store, setup.settings.pairing), ApprovalPlan(Tier.STANDARD, write)
                await PairingMigration(AdoptionStore(store), pairing, _Nobody(), plan, {}, 1).run(store)

            async def floor(*, write: bool = write) -> None:
                await _floor(raw, write=write)

            least, mine = await _cost(raw, floor), await _cost(raw, ours)
            what = "--execute" if write else "dry run"
            for name, low, high in zip(("client CPU", "server CPU", "wall"), least, mine, strict=True):
                print(
                    f"migrate pairing {what}, {CONTACTS:,}: {name:<12} {high:6.2f} s  floor {low:6.2f} s  x{high / low:.2f}  goal <= x1.5"
                )
            await raw.config_set("slowlog-log-slower-than", 1000)
            await raw.slowlog_reset()
            await _fill(raw)
            await raw.slowlog_reset()
            await ours()
            slow = max((entry["duration"] for entry in await raw.slowlog_get(128)), default=0)
            print(f"migrate pairing {what}: longest call {slow / 1000:.1f} ms (0.0: none over 1 ms)  goal <= 10 ms")


def measure() -> None:
    """Print the figures."""
    home = Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp"))
    try:
        asyncio.run(_measure(home))
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    measure()
