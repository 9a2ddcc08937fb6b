"""A timer that many set and one waits for."""

import asyncio

import pytest
from fakes.clock import FakeClock

from secondme.core.wake_timer import WakeTimer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def _ends_after(timer: WakeTimer, clock: FakeClock, most_s: float, steps: int = 40) -> int:
    """In which second of the clock a wait of at most so long ends."""
    waiting = asyncio.ensure_future(timer.wait(most_s))
    for second in range(steps):
        await _turns()
        if waiting.done():
            return second
        clock.move(1)
    raise AssertionError("it never ends")


@pytest.mark.parametrize(
    ("before", "most_s", "ends"), [((), 7, 7), ((3,), 7, 3), ((9,), 7, 7), ((5, 2, 4), 7, 2), ((0,), 7, 0), ((), 0, 0)]
)
async def test_it_ends_at_the_earliest_moment_it_was_set_to(
    clock: FakeClock, before: tuple[int, ...], most_s: int, ends: int
) -> None:
    timer = WakeTimer(clock)
    for delay_s in before:
        timer.set(delay_s)
    assert await _ends_after(timer, clock, most_s) == ends


@pytest.mark.parametrize(("meanwhile", "ends"), [(0, 2), (3, 5), (30, 10)])
async def test_what_is_set_while_it_is_waited_for_counts(clock: FakeClock, meanwhile: int, ends: int) -> None:
    timer = WakeTimer(clock)
    waiting = asyncio.ensure_future(_ends_after(timer, clock, 10))
    while clock.monotonic() < 2:
        await asyncio.sleep(0)
    timer.set(meanwhile)
    assert await waiting == ends


async def test_afterwards_it_is_set_to_nothing(clock: FakeClock) -> None:
    timer = WakeTimer(clock)
    timer.set(1)
    assert await _ends_after(timer, clock, 5) == 1
    assert await _ends_after(timer, clock, 5) == 5


async def test_cancelled_it_leaves_nothing_running(clock: FakeClock) -> None:
    waiting = asyncio.ensure_future(WakeTimer(clock).wait(5))
    await _turns()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await _turns()
    assert asyncio.all_tasks() == {asyncio.current_task()}
