"""How long somebody who may still be writing is waited for: at most as said, whatever the senders' clocks show."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fakes.town import Town
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.config.models import PacingSettings
from secondme.core.ids import ContactId
from secondme.core.queue.worker import Answered, Deferred
from secondme.core.records import Job
from secondme.core.send.pacing import gathering_s
from secondme.core.store import keys

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNA = ContactId("local:anna")
offsets = st.lists(st.floats(-100_000, 100_000), min_size=1, max_size=50)
settings = st.builds(PacingSettings, gather_s=st.floats(0, 60), gather_max_s=st.floats(0, 300), scale=st.floats(0, 10))


@given(offsets, settings)
def test_nobody_is_waited_for_longer_than_the_quiet_that_is_asked_for(ago: list[float], pacing: PacingSettings) -> None:
    wait_s = gathering_s([NOW + timedelta(seconds=each) for each in ago], NOW, pacing)
    assert 0 <= wait_s <= min(pacing.gather_s, pacing.gather_max_s) * pacing.scale


@given(offsets)
def test_without_pacing_nobody_is_waited_for(ago: list[float]) -> None:
    assert gathering_s([NOW + timedelta(seconds=each) for each in ago], NOW, PacingSettings(enabled=False)) == 0.0


@given(st.lists(st.integers(10, 20_000), min_size=1, max_size=40), st.integers(100, 10_000), st.integers(100, 40_000))
def test_who_goes_on_writing_is_answered_when_they_pause_or_the_first_has_waited_its_most(
    pauses_ms: list[int], quiet_ms: int, most_ms: int
) -> None:
    pacing = PacingSettings(gather_s=quiet_ms / 1000, gather_max_s=most_ms / 1000)
    coming = [NOW + timedelta(milliseconds=sum(pauses_ms[:at])) for at in range(len(pauses_ms) + 1)]
    now = NOW
    while (wait_s := gathering_s([each for each in coming if each <= now], now, pacing)) > 1e-6:
        now += timedelta(seconds=wait_s)
    stops = next((at for at, pause in enumerate(pauses_ms) if pause > quiet_ms), len(pauses_ms))
    expected_ms = min(sum(pauses_ms[:stops]) + quiet_ms, most_ms)
    assert now - NOW == timedelta(milliseconds=expected_ms)


@pytest.mark.parametrize("ahead", [timedelta(seconds=2), timedelta(minutes=5), timedelta(days=4000), timedelta(days=-4000)])
async def test_a_clock_that_goes_wrong_delays_nobody(town_with: Callable[..., Town], ahead: timedelta) -> None:
    town = town_with(pacing__enabled=True, queue__stale_after_hours=1e9)
    await town.let_in("anna")
    before = datetime.now(UTC)
    await town.writes("anna", "when shall we meet?", sent_at=before + ahead)
    (token,) = await town.tokens()
    job = await town.inbox.begin(token, "w")
    assert isinstance(job, Job)
    assert isinstance(await town.gateway.answer(job), Deferred) is (ahead > timedelta(0))
    later = replace(job, now_ms=job.now_ms + 4_100)  # as when the wait is over
    assert isinstance(await town.gateway.answer(later), Answered)


async def test_what_is_dated_in_the_future_does_not_push_what_comes_after_it_there(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "from tomorrow", sent_at=datetime.now(UTC) + timedelta(days=1))
    await town.writes("anna", "from today")
    newest = (await town.store.client.zrange(keys.history(ANNA), -1, -1, withscores=True))[0][1]
    assert newest <= datetime.now(UTC).timestamp() * 1000 + 1000
