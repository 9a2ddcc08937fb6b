"""A program that is run once: what it says comes back whole or not at all, and nothing of it is left, however it ends."""

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest
from fakes.process import eventually

from secondme.core.program import ProgramEnd, harmless_environment, run_program


async def run(script: str, data: bytes = b"", limit: int = 1000) -> ProgramEnd:
    return await run_program(("/bin/sh", "-c", script), data, limit_bytes=limit, environment=harmless_environment())


def command_of(pid: int) -> str:
    """What runs under this number; empty for nothing, and for a zombie: whoever adopted it has not looked yet."""
    try:
        name, _, state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state.split()[0] == "Z" else name.partition("(")[2]


async def gone(path: Path) -> None:
    """No `sleep` has the number that is in the file. Numbers come back: another program may have it by now."""
    await eventually(lambda: command_of(int(path.read_text())) != "sleep")


async def test_what_it_is_given_and_what_it_says() -> None:
    assert await run("cat", b"x" * 900) == ProgramEnd(0, b"x" * 900)
    assert await run("exit 3") == ProgramEnd(3, b"")
    assert await run("kill -TERM $$") == ProgramEnd(-15, b"")
    assert await run("echo no >&2; echo yes") == ProgramEnd(0, b"yes\n")


async def test_one_that_does_not_read_is_not_waited_for() -> None:
    assert await run("exit 0", b"x" * 5_000_000) == ProgramEnd(0, b"")
    assert (await run("exec 0<&-; echo said", b"x" * 5_000_000)).output == b"said\n"


async def test_one_that_says_too_much_is_ended() -> None:
    assert (await run("yes")) == ProgramEnd(-9, b"", is_too_long=True)
    assert (await run("head -c 1000 /dev/zero")).output == bytes(1000)
    assert (await run("head -c 1001 /dev/zero")).is_too_long


async def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    end = await run(f"sleep 1000 & echo $! > {shlex.quote(str(pid))}; echo said")
    assert end == ProgramEnd(0, b"said\n")
    await gone(pid)


@pytest.mark.parametrize(
    "script", ["sleep 1000", "trap '' TERM INT HUP; while :; do sleep 1; done", "yes > /dev/null", "cat > /dev/null; sleep 1000"]
)
async def test_after_a_time_out_or_a_cancellation_nothing_of_it_is_left(tmp_path: Path, script: str) -> None:
    own, child = tmp_path / "own", tmp_path / "child"
    prepared = (
        f"echo $$ > {shlex.quote(str(own))}.new; sleep 1000 & echo $! > {shlex.quote(str(child))}; mv {own}.new {own}; {script}"
    )
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await run(f"sleep 1000; {script}")
    running = asyncio.create_task(run(prepared, b"x" * 5_000_000))
    await eventually(own.exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not Path(f"/proc/{own.read_text().strip()}").exists(), "it was not reaped"  # noqa: ASYNC240
    await gone(child)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) == descriptors)  # noqa: PTH208


async def test_what_cannot_be_started_is_said() -> None:
    with pytest.raises(FileNotFoundError):
        await run_program(("/nonexistent/program",), b"", limit_bytes=1, environment={})


async def test_it_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECONDME_SPEECH__API_KEY", "ANTHROPIC_API_KEY", "AWS_SECRET", "PYTHONPATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    program = "import os; print(sorted(name for name, value in os.environ.items() if value == 'canary'), os.environ['LC_ALL'])"
    end = await run_program((sys.executable, "-c", program), b"", limit_bytes=1000, environment=harmless_environment())
    assert end.output == b"[] C.UTF-8\n"
