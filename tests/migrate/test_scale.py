"""A hundred thousand histories: the same words dry and for real, flat memory, nobody kept waiting, and a kill in the middle."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fakes.process import COMMAND, environment
from fakes.size import sized
from migrate.installation import install, usage
from migrate.world import Silent, everything, fill, phone, talk
from redis import Redis

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.config.loader import load
from secondme.core.enums import Tier
from secondme.core.migrate.approvals import ApprovalPlan, PairingMigration
from secondme.core.migrate.store import AdoptionStore
from secondme.core.store.client import Store
from secondme.core.store.server import Role

pytestmark = pytest.mark.heavy  # a hundred thousand of everything

MANY, FEW = sized(100_000, 25_000), 10_000
SLOWEST_US = 10_000
GROWTH_KB = 4_000
"""Much less than one name for each of 90,000 more contacts would take (some 10,000)."""


def run(home: Path, url: str, fault: str, *words: str) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    return subprocess.run(
        [sys.executable, str(COMMAND), fault, "--home", str(home), "migrate", *words],
        capture_output=True,
        text=True,
        env=environment(SECONDME_REDIS_URL=url),
        timeout=120,
        check=False,
    )


def peak_kb(result: subprocess.CompletedProcess[str]) -> int:
    """The peak of its memory, as it said at its end."""
    return int(result.stderr.splitlines()[-1])


def digest(client: Redis) -> str:
    """What the pairing records and counts are, as one number."""
    found = hashlib.sha256(repr(client.zrange("PAIRING:index:approved", 0, -1, withscores=True)).encode())
    found.update(repr(client.hgetall("PAIRING:stats")).encode())
    names = [f"PAIRING:approved:{phone(number)}" for number in range(MANY)]
    for start in range(0, MANY, 1000):
        found.update(repr(client.mget(names[start : start + 1000])).encode())
    return found.hexdigest()


def test_a_hundred_thousand_histories(raw: Redis, redis_url: str, home: Path) -> None:
    fill(raw, FEW)
    few = run(home, redis_url, "-", "pairing", "--json", "--execute")
    raw.flushall()
    fill(raw, MANY)
    dry, done = (run(home, redis_url, "-", "pairing", "--json", *more) for more in ([], ["--execute"]))
    planned, did = json.loads(dry.stdout)["data"], json.loads(done.stdout)["data"]
    assert did == {**planned, "executed": True}
    assert (did["processed"], did["approved"], did["refused"]) == (MANY, MANY, {})
    assert dry.stderr.splitlines()[:-1] != []
    assert (raw.dbsize(), raw.zcard("PAIRING:index:approved")) == (3 * MANY + 3, MANY)
    assert raw.hget("PAIRING:stats", "approved_count") == str(MANY)
    growth = peak_kb(done) - peak_kb(few)
    print(f"peak memory: {peak_kb(few)} KB for {FEW}, {growth:+} KB for {MANY}; dry {peak_kb(dry)} KB")
    assert growth < GROWTH_KB
    before = digest(raw)
    again = json.loads(run(home, redis_url, "-", "pairing", "--json", "--execute").stdout)["data"]
    assert (again["approved"], again["already"]) == (0, MANY)
    assert (digest(raw), raw.dbsize()) == (before, 3 * MANY + 3)


class Metered(Store):
    """The real store; remembers how long the server worked on each of our calls. By its CPU time: a busy machine adds nothing to it."""

    worked_ms: ClassVar[dict[str, list[float]]] = {}

    async def call(self, command: Awaitable[Any], extra_s: float = 0.0) -> Any:
        before = await self._cpu_ms()
        answer = await super().call(command, extra_s)
        self.worked_ms.setdefault(getattr(command, "__name__", "?"), []).append(await self._cpu_ms() - before)
        return answer

    async def _cpu_ms(self) -> float:
        info = await self.client.info("cpu")
        return float(info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]) * 1000


async def test_no_call_of_ours_keeps_the_server_busy_for_ten_milliseconds(home: Path) -> None:
    """On a server of its own, and looked at again if need be: what a call of ours takes, it takes each time; the server's own chores
    (growing a table, writing its log anew) fall into another call the next time.
    """
    setup = load({}, {}, home=home)
    seen = []
    async with Metered(setup, Role.OWN) as store:
        with Redis(unix_socket_path=str(setup.places.store_socket)) as raw:
            raw.config_set("slowlog-log-slower-than", SLOWEST_US)
            for _ in range(5):
                raw.flushall()
                fill(raw, FEW)
                raw.slowlog_reset()
                store.worked_ms.clear()
                for execute in (False, True, True):
                    pairing, plan = PairingStore(store, setup.settings.pairing), ApprovalPlan(Tier.STANDARD, execute)
                    tally = await PairingMigration(AdoptionStore(store), pairing, Silent(), plan, {}, 1).run(store)
                    assert tally.processed == FEW
                assert {name: len(found) > 30 for name, found in store.worked_ms.items()} == {"execute_command": True, "run": True}
                longest = {name: round(max(found), 2) for name, found in store.worked_ms.items()}
                seen.append((longest, f"{len(raw.slowlog_get(128))} over 10 ms by the clock"))
                if max(longest.values()) < SLOWEST_US / 1000:
                    break
    print(f"the server's CPU time in one call, ms: {seen}")
    assert max(seen[-1][0].values()) < SLOWEST_US / 1000


@pytest.mark.parametrize(
    "batches", [pytest.param(1, marks=pytest.mark.slow), 17, pytest.param(29, marks=pytest.mark.slow)]
)  # 2 s each
def test_a_run_that_was_killed_is_ended_by_the_next(batches: int, raw: Redis, redis_url: str, home: Path) -> None:
    fill(raw, 3000)
    talk(raw, "status@broadcast")
    killed = run(home, redis_url, f"migration.adopted:{batches}", "pairing", "--execute")
    assert killed.returncode == -9
    assert raw.zcard("PAIRING:index:approved") == batches * 100
    assert raw.hget("PAIRING:stats", "approved_count") == str(batches * 100)
    rest = json.loads(run(home, redis_url, "-", "pairing", "--execute", "--json").stdout)["data"]
    expected = {"approved": 3000 - batches * 100, "already": batches * 100, "processed": 3001, "refused": {"broadcast": 1}}
    assert {name: rest[name] for name in expected} == expected
    assert raw.hget("PAIRING:stats", "approved_count") == "3000"
    records = [json.loads(str(each)) for each in raw.mget([f"PAIRING:approved:{phone(number)}" for number in range(3000)])]
    assert Counter(each["approvedBy"] for each in records) == {"migration": 3000}


STEPS = {"migration.turns": 12, "migration.kept": 5, "migration.usage": 1}


@pytest.mark.parametrize(
    "step",
    [each if each == "migration.turns" else pytest.param(each, marks=pytest.mark.slow) for each in STEPS],  # 5 s each
)
def test_a_move_that_was_killed_is_ended_by_the_next(
    step: str, raw: Redis, old: Redis, redis_url: str, other_url: str, home: Path
) -> None:
    now = old.time()[0] * 1000
    install(old, now)
    people = [phone(number) for number in range(30)]
    talk(old, *people)
    old.zadd("LOGS:token_usage", {usage(people[0], now + number, number): now + number for number in range(500)})
    assert run(home, redis_url, "-", "pairing", "--from", other_url, "--execute").returncode == 0
    approvals = {name: str(raw.get(name)) for name in raw.scan_iter("PAIRING:approved:*")}
    words = ("predecessor", "--from", other_url, "--execute", "--json")
    assert run(home, redis_url, f"{step}:{STEPS[step]}", *words).returncode == -9
    assert run(home, redis_url, "-", *words).returncode == 0
    found = everything(raw)
    raw.flushall()
    (home / "config.toml").unlink()
    for name, value in approvals.items():
        raw.set(name, value)
    assert run(home, redis_url, "-", *words).returncode == 0
    quiet = {"EVENTS:log", "PAIRING:index:approved", "PAIRING:stats"}
    volatile = {"CONTROL:paused", "QUEUE:messages"}  # by the clock: when a pause ends, when a token was made
    assert {name for name in found if name not in quiet} == set(everything(raw))
    after = everything(raw)
    differing = {name for name in after if found[name] != after[name]} - volatile
    assert {name for name in differing if not name.startswith(("MAILBOX:", "PAUSE:"))} == set()
