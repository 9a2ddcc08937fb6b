"""Whatever a skill does: a typed outcome, no process left, and a gateway that neither waits nor grows."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.size import sized
from skills.calls import call_of, descendants, echo, open_sandbox, outcome_of, rss_bytes, zygote_of

from secondme.skills.sandbox.sandbox import AT_ONCE, CallFailed, Sandbox

CODE = Path(__file__).with_name("misbehaving.py").read_bytes()
WALL_S = 0.7
"""For those that never end; none of the others comes near it on any machine that runs tests."""
OUTLASTING = {
    "spin": "timed_out",
    "regex_bomb": "timed_out",
    "stops_itself": "timed_out",
    "ignores_signals": "timed_out",
    "never_returns": "timed_out",
}
FAILING = {
    "threads_that_spin": "failed",
    "closes_its_connection": "ended",
    "floods_with_questions": "asks_too_often",
    "asks_for_ever": "asks_too_often",
    "endless_line": "too_long",
    "huge_result": "too_long",
    "many_lines": "too_much",
    "brackets": "too_long",
    "deep": "too_deep",
    "deep_behind_a_string": "too_deep",
    "open_strings": "not_json",
    "not_a_number": "not_json",
    "infinite": "not_json",
    "half_a_character": "not_json",
    "bad_utf8": "not_json",
    "long_number": "not_json",
    "no_object": "not_json",
    "two_things_at_once": "not_json",
    "no_json": "not_json",
    "ends": "ended",
    "crashes": "ended",
    "exits": "ended",
    "takes_all_memory": "failed",
    "claims_a_code_of_ours": "failed",
    "recurses": "failed",
}
RETURNING = {
    "two_answers": "first",
    "answers_and_stays": "done",
    "prints_a_lot": "printed into nothing",
    "forges_its_answer": "forged",
}
STALL_S = 0.05


async def misbehave(sandbox: Sandbox, function: str, wall_s: float = 20.0) -> Any:
    """The value, or the code of the failure."""
    outcome = await outcome_of(sandbox, call_of(CODE, function, wall_s=wall_s))
    return outcome.code if isinstance(outcome, CallFailed) else outcome


async def test_every_misbehaviour_has_its_outcome_and_leaves_no_process() -> None:
    expected = OUTLASTING | FAILING | RETURNING
    assert len(expected) >= 30
    async with open_sandbox() as sandbox:
        limits = {name: WALL_S if name in OUTLASTING else 20.0 for name in expected}
        outcomes = await asyncio.gather(*(misbehave(sandbox, name, limits[name]) for name in expected))
        assert expected == dict(zip(expected, outcomes, strict=True))
        zygote = zygote_of(sandbox)
        assert zygote is not None
        assert descendants(zygote) == []


async def test_time_on_the_cpu_is_limited_whatever_time_there_is() -> None:
    async with open_sandbox() as sandbox:
        outcome = await outcome_of(sandbox, call_of(CODE, "spin", cpu_s=1, wall_s=100.0))
        assert outcome == CallFailed("timed_out", "It used more time on the CPU than it may.")


async def _misbehave_for(sandbox: Sandbox, calls: int) -> None:
    names = itertools.cycle([*FAILING, *RETURNING])
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            await misbehave(sandbox, next(names))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(caller())


async def _longest_stall(stop: asyncio.Event) -> float:
    """The most that this thread worked between two ticks, which bounds what held the loop. What another process makes it wait is not its own
    doing."""
    longest, last = 0.0, time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(0.001)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    return longest


async def _grows_by(calls: int) -> int:
    async with open_sandbox() as sandbox:
        await _misbehave_for(sandbox, 33)  # what is imported late and kept for reuse is there now
        before = rss_bytes()
        await _misbehave_for(sandbox, calls)
        zygote = zygote_of(sandbox)
        assert zygote is not None
        assert descendants(zygote) == []
        return rss_bytes() - before


async def test_a_hundred_bad_calls_leave_nothing_in_memory() -> None:
    assert await _grows_by(120) < 5_000_000


@pytest.mark.slow  # two minutes; a hundred and twenty calls are in the suite
async def test_thousands_of_bad_calls_leave_nothing_in_memory() -> None:
    assert await _grows_by(sized(10_000, 1500)) < 5_000_000


@pytest.mark.heavy  # 10 s
async def test_the_gateway_s_loop_is_never_held() -> None:
    stop = asyncio.Event()
    async with open_sandbox() as sandbox:
        await outcome_of(sandbox, call_of(CODE, "exits"))  # the start of the zygote is measured by nobody
        ticking = asyncio.ensure_future(_longest_stall(stop))
        await _misbehave_for(sandbox, sized(5000, 500))
        stop.set()
    longest = await ticking
    print(f"longest stall: {longest * 1000:.1f} ms")
    assert longest < STALL_S


async def test_a_flood_is_not_read_to_its_end_while_an_answer_is_on_its_way() -> None:
    """The child writes and never reads: what it is told waits in its socket, and what it says is bounded."""
    flood = 'import os\ndef run(input, ask):\n    while True: os.write(3, b\'{"ask": 1, "op": "x", "pad": "\' + b\'y\' * 5000 + b\'"}\\n\')\n'
    async with open_sandbox() as sandbox:
        before = rss_bytes()

        async def large(_: dict[str, Any]) -> dict[str, Any]:
            return {"answer": "z" * 900_000}

        outcome = await outcome_of(sandbox, call_of(flood, wall_s=WALL_S), large)
        assert outcome == CallFailed("timed_out")
        assert rss_bytes() - before < 20_000_000


async def test_an_answer_that_is_too_long_is_not_sent() -> None:
    code = "def run(input, ask):\n    try: ask('x')\n    except AskError as error: return error.code\n"

    async def huge(_: dict[str, Any]) -> dict[str, Any]:
        return {"answer": "z" * 2_000_000}

    async with open_sandbox() as sandbox:
        assert await outcome_of(sandbox, call_of(code), huge) == "too_long"
        assert await outcome_of(sandbox, call_of(code), echo) is None
