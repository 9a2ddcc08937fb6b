"""A child can do nothing but answer, and none is left, however it ends."""

import ast
import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace

import pytest
import uvloop
from media.programs import LYING, children

from secondme.core.media.child import ChildAnswer, run_child

_IMPATIENT = replace(LYING, timeout_s=0.5)


async def said(misdeed: str) -> ChildAnswer | None:
    return await run_child(LYING, misdeed.encode())


async def test_it_starts_with_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    answer = await said("start")
    assert answer is not None
    found = ast.literal_eval(answer.payload.decode())
    assert found["environment"].keys() <= {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}  # Python's own coercion, and macOS's
    assert (found["open"], found["leads"]) == ([0, 1, 2], True)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not bound address space")
async def test_its_limits_are_set() -> None:
    answer = await said("limits")
    assert answer is not None
    assert ast.literal_eval(answer.payload.decode()) == {
        "RLIMIT_AS": (256 << 20, 256 << 20),
        "RLIMIT_CPU": (1, 1),
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NOFILE": (0, 0),
        "RLIMIT_NPROC": (0, 0),
    }


@pytest.mark.parametrize("attempt", ["file", "socket"])
async def test_it_opens_nothing(attempt: str) -> None:
    assert await said(attempt) == ChildAnswer("refused", b"")


@pytest.mark.parametrize(
    "misdeed",
    ["too long", "cut off", "longer than it says", "no word", "no number", "processor", "ends"]
    + (["memory"] if sys.platform == "linux" else []),
)
async def test_what_is_no_answer_is_none_and_nobody_is_left(misdeed: str) -> None:
    before = children()
    assert await said(misdeed) is None
    assert children() <= before


async def test_it_is_killed_when_its_time_is_over() -> None:
    before = children()
    assert await run_child(_IMPATIENT, b"sleeps") is None
    assert children() <= before


async def _cancelled(size: int) -> None:
    before = children()
    running = asyncio.ensure_future(run_child(LYING, b"sleeps".ljust(size)))
    async with asyncio.timeout(60):
        while not children() - before:
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert children() <= before


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("size", [6, 20_000_000], ids=["it waits for an answer", "it still gives the file"])
def test_it_is_killed_when_nobody_waits_any_more(size: int, run: Callable[[Coroutine[None, None, None]], None]) -> None:
    run(_cancelled(size))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_files_and_answers_larger_than_any_buffer_pass(
    run: Callable[[Coroutine[None, None, ChildAnswer | None]], ChildAnswer | None],
) -> None:
    file = bytes(range(256)) * 100_000
    roomy = replace(LYING, most_bytes=len(file))
    assert run(run_child(roomy, b"echo" + file)) == ChildAnswer("done", file)
