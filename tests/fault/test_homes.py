"""Many homes on shared servers, in a smaller size than `homes.py` runs by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault.homes import PROMISES, in_a_cluster, in_one_server, told


@pytest.mark.heavy  # a gateway for each home
@pytest.mark.parametrize("scene", [in_one_server, in_a_cluster], ids=lambda scene: scene.__name__)
async def test_homes_on_shared_servers_answer_their_people_whoever_is_killed(scene: Callable[..., Any], home: Path) -> None:
    table, costs = await scene(home, (6, 4, 2), 7)
    print(told(scene.__name__, table, costs))
    assert {name: table[name] for name in PROMISES} == dict.fromkeys(PROMISES, 0)
    assert table["answers"] == table["messages"] == 48
