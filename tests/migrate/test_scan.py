"""A walk names every key once, also when the server names some twice; and it never looks at everything at once."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from fakes.watching import calls
from hypothesis import given
from hypothesis import strategies as st
from migrate.world import phone
from redis.asyncio import Redis

from secondme.core.store.client import Store
from secondme.core.store.scan import Recent, scan

CONTACTS, FILLERS = 500, 50_000


class Listening:
    """The real store; remembers every name that the server said, and empties it of fillers in the middle of the walk."""

    def __init__(self, store: Store) -> None:
        self.client: Redis = store.client
        self.said: list[bytes] = []
        self._store = store
        self._shrunk = False

    async def call(self, command: Awaitable[Any]) -> Any:
        answer = await self._store.call(command)
        self.said += answer[1]
        if len(self.said) > CONTACTS // 3 and not self._shrunk:
            self._shrunk = True
            for start in range(0, FILLERS, 5000):
                await self.client.unlink(*(f"filler:{number}" for number in range(start, start + 5000)))
            await asyncio.sleep(0.2)  # the server makes its table smaller by and by
        return answer


async def test_a_key_that_the_server_names_twice_is_named_once(store: Store) -> None:
    """The server does so when its table shrinks during the walk; where depends on its random seed, so other names until it did."""
    for turn in range(40):
        await store.client.flushall()
        await store.client.mset({f"HISTORY:{phone(turn * CONTACTS + number)}": "x" for number in range(CONTACTS)})
        await store.client.mset({f"filler:{number}": "x" for number in range(FILLERS)})
        listening = Listening(store)
        found = [name async for page in scan(listening, "HISTORY:*", 10) for name in page]
        assert len(found) == len(set(found)) == CONTACTS
        if len(listening.said) > CONTACTS:
            print(f"the server named {len(listening.said)} keys, {len(set(listening.said))} of them different")
            return
    raise AssertionError("the server never named a key twice: this test shows nothing")


async def test_no_call_looks_at_everything(store: Store) -> None:
    await store.client.mset({f"HISTORY:{phone(number)}": "x" for number in range(5000)})
    await store.client.config_resetstat()
    sizes = [len(page) async for page in scan(store, "HISTORY:*")]
    asked = await calls(store.client)
    assert (sum(sizes), set(asked)) == (5000, {"scan"})
    assert asked["scan"] >= 4
    assert max(sizes) < 2500


@given(st.lists(st.lists(st.integers(0, 60).map(lambda number: b"%d" % number)), max_size=60))
def test_what_came_within_the_last_names_is_not_fresh_and_no_more_than_twice_as_many_are_remembered(
    pages: list[list[bytes]],
) -> None:
    recent, told = Recent(10), []
    for page in pages:
        fresh = recent.fresh(page)
        assert len(fresh) == len(set(fresh))
        for name in fresh:
            assert name not in told[-10:]
        assert set(page) <= set(fresh) | set(told)
        told += fresh
        assert len(recent._old) + len(recent._new) < 20 + 61
