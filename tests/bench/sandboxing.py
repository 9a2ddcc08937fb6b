"""What do skills cost? A sealed call, the process that calls come from, a look at five hundred folders, the tools' words. Prints; decides nothing."""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from counts import count
from skills.folders import lay, skill_files

from secondme.core.clock import SystemClock
from secondme.core.config.loader import load
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services
from secondme.skills.registry import BUILT_IN
from secondme.skills.sandbox.sandbox import Returned, Sandbox, SandboxCall
from secondme.skills.sealed_reader import _preload

CALLS = count(300, 3)
STARTS = count(5, 1)
LOOKS = count(10, 1)
FOLDERS = count(500, 5)
_CLOCK = (BUILT_IN / "clock" / "skill.py").read_bytes()
_CALENDAR = ("icalendar", "recurring_ical_events")


def row(name: str, value: str, beside: str = "", goal: str = "") -> None:
    print(f"{name:<44} {value:>16}  {beside:>22}  {goal}")


def measure() -> None:
    """Prints the figures. The sandbox's are those of Linux; elsewhere there is another one."""
    if sys.platform == "linux":
        uvloop.run(_sandbox())
    uvloop.run(_registry())


def _call(*, with_calendar: bool = False) -> SandboxCall:
    preload = _preload(_CALENDAR) if with_calendar else None
    return SandboxCall("clock", _CLOCK, "there", {"place": "Tokyo"}, {}, "2026-11-29T10:00:00Z", "Europe/Berlin", preload=preload)


async def _answer(_: dict[str, object]) -> dict[str, object]:
    return {"answer": {"zone": "Asia/Tokyo", "local": "2026-11-29T19:00+09:00", "offset_s": 32_400}}


async def _sandbox() -> None:
    first = [await _first_answer_s(with_calendar=False) for _ in range(STARTS)]
    with_calendar = [await _first_answer_s(with_calendar=True) for _ in range(STARTS)]
    sandbox = Sandbox(SystemClock())
    try:
        await _done(sandbox, _call())
        assert sandbox._zygote is not None
        ours, theirs, wall = time.process_time(), _family_cpu_s(sandbox._zygote.pid), time.perf_counter()
        for _ in range(CALLS):
            await _done(sandbox, _call())
        wall = (time.perf_counter() - wall) / CALLS * 1000
        ours = (time.process_time() - ours) / CALLS * 1000
        theirs = (_family_cpu_s(sandbox._zygote.pid) - theirs) / CALLS * 1000
        small = _resident_mb(sandbox._zygote.pid)
        await _done(sandbox, _call(with_calendar=True))
        large = _resident_mb(sandbox._zygote.pid)
    finally:
        await sandbox.close()
    row("sealed call: gateway and child", f"{ours + theirs:.1f} ms CPU", f"{ours:.1f} ms the gateway's", "goal <= 6 ms")
    row("sealed call: wall, one after the other", f"{wall:.1f} ms")
    row("zygote: memory", f"{small:.0f} MB", f"with calendars {large:.0f} MB", "goal <= 30 MB")
    row("zygote: start to first answer", f"{min(first) * 1000:.0f} ms", f"with calendars {min(with_calendar) * 1000:.0f} ms")


async def _first_answer_s(*, with_calendar: bool) -> float:
    """Wall seconds, for most of it is another process's."""
    call = _call(with_calendar=with_calendar)
    sandbox = Sandbox(SystemClock())
    begun = time.perf_counter()
    try:
        await _done(sandbox, call)
        return time.perf_counter() - begun
    finally:
        await sandbox.close()


async def _done(sandbox: Sandbox, call: SandboxCall) -> None:
    assert isinstance(await sandbox.call(call, _answer), Returned)


def _family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def _registry() -> None:
    with tempfile.TemporaryDirectory(prefix="smb-", dir="/tmp") as folder:
        setup = load({}, {}, home=Path(folder))
        async with Store(setup, Role.OWN) as store:
            services = Services(setup, store)
            tools = [tool for skill in await services.skills.all() for tool in skill.tools]
            words = sum(len(json.dumps([each.name, each.tool.description, each.tool.input_schema])) for each in tools)
            few = await _look_ms(services)
            await asyncio.to_thread(_lay_all, setup.places.skills)
            await services.skills.all()
            many = await _look_ms(services)
            await services.close()
    row(f"skills: a look at {FOLDERS} folders", f"{many:.1f} ms CPU", f"without them {few:.1f} ms", "goal < 50 ms")
    row(f"skills: {len(tools)} built-in tools", f"{words / 4:.0f} tokens", "at 4 characters each", "goal <= 900")


def _lay_all(root: Path) -> None:
    for number in range(FOLDERS):
        lay(root / f"skill-{number}", skill_files(f"skill-{number}"))


async def _look_ms(services: Services) -> float:
    best = 1e9
    for _ in range(LOOKS):
        begun = time.process_time()
        await services.skills.all()
        best = min(best, time.process_time() - begun)
    return best * 1000


if __name__ == "__main__":
    measure()
