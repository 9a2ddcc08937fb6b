"""Scanning a keyspace of any size in flat memory, in calls that keep nobody waiting; never KEYS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable

    from redis.asyncio import Redis

    from secondme.core.store.namespace import Namespace

_COUNT = 1000
"""Buckets looked at in one call: some 0.2 ms of the server's time."""
_RECENT = 8192
"""Names remembered, at least. SCAN names a key twice only when the server's table has shrunk meanwhile, and then again from the bucket
of the smaller table that it was just in: it comes back within as many names as the table shrank by, times those in a bucket."""


class Keyspace(Protocol):
    """Our own store, or another one that is only read."""

    @property
    def client(self) -> Redis:
        """The client library's connection pool."""

    @property
    def namespace(self) -> Namespace:
        """What the names of its keys begin with; the client puts it there."""

    async def call(self, command: Awaitable[Any]) -> Any:  # the library's types do not know that we decode
        """What one command returned, in bounded time, its errors turned into ours."""


class Recent:
    """Names seen lately: as exact as a set for what comes back soon, and no larger than two generations of them."""

    def __init__(self, size: int = _RECENT) -> None:
        self._size = size
        self._old: set[bytes] = set()
        self._new: set[bytes] = set()

    def fresh(self, names: Iterable[bytes]) -> list[bytes]:
        """Those of `names` that were not seen lately, once each, in order."""
        found = [name for name in dict.fromkeys(names) if name not in self._new and name not in self._old]
        self._new.update(found)
        if len(self._new) >= self._size:
            self._old, self._new = self._new, set()
        return found


async def scan(keyspace: Keyspace, match: str | None = None, count: int = _COUNT) -> AsyncIterator[list[bytes]]:
    """Every key of the home that is there during the whole walk, in pages of some `count` names. Raises UnavailableError."""
    recent, cursor = Recent(), 0
    while True:
        cursor, names = await keyspace.call(keyspace.client.scan(cursor, match=match, count=count))
        found = recent.fresh(keyspace.namespace.bare(names))
        if found:
            yield found
        if cursor == 0:
            return
