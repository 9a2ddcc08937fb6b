"""The soak run in a smaller size: everything that can go wrong at once, and no promise broken."""

from pathlib import Path

import pytest
from fault.soak import PROMISES, soak, told


@pytest.mark.heavy  # a minute of kills
async def test_no_promise_is_broken_under_everything_that_can_go_wrong_at_once(home: Path) -> None:
    counts, faults = await soak(home, 1_000, 4, seed=7, pause_s=0.02)
    print(told(counts, faults))
    assert {name: counts[name] for name in PROMISES} == dict.fromkeys(PROMISES, 0)
    assert counts["messages"] == 1_000
    assert {kind.partition(" ")[0] for kind in faults} == {"gateway", "worker", "store", "model", "telegram"}
