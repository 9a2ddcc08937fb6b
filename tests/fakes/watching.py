"""What a test can see of the store from outside: every event, every key, every word."""

import json
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from secondme.core.store import keys
from secondme.core.store.client import Store

_MARK = "events:heard"


class Ear:
    """Hears everything that is published. `heard` waits for a mark of its own, so nothing is missed and nothing is slept."""

    def __init__(self, store: Store) -> None:
        self._client = store.client
        self._namespace = store.namespace
        self._pubsub: PubSub = store.client.pubsub(ignore_subscribe_messages=True)
        self._marks = 0

    async def open(self) -> None:
        if self._namespace:
            await self._pubsub.ssubscribe(*keys.EVENTS, _MARK)
        else:
            await self._pubsub.psubscribe("events:*")
        await self.heard()

    async def heard(self) -> list[dict[str, Any]]:
        """The events since the last call, in order, each with its `channel`."""
        self._marks += 1
        execute: Any = self._client.execute_command
        await execute("SPUBLISH" if self._namespace else "PUBLISH", _MARK, str(self._marks))
        events: list[dict[str, Any]] = []
        while True:
            message = await self._pubsub.get_message(timeout=5)
            if message is None:
                continue
            channel = self._namespace.bare_one(message["channel"]).decode()
            if channel == _MARK:
                if int(message["data"]) == self._marks:
                    return events
                continue
            events.append({"channel": channel, **json.loads(message["data"])})

    async def close(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]


def by_approval(found: dict[str, Any]) -> dict[str, Any]:
    """`found`, its approvals as the owner gave them: by which other name somebody goes since is no decision."""
    return {
        name: {**json.loads(value), "nowCalled": None} if name.startswith("PAIRING:approved:") else value
        for name, value in found.items()
    }


async def everything(client: Redis, pattern: str = "*") -> dict[str, Any]:
    """Every key that matches, with its whole value as the server holds it."""
    names = sorted([key async for key in client.scan_iter(match=pattern, count=1000)])
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.type(name)
    kinds = [kind.decode() for kind in await pipe.execute()]
    there = [(name, kind) for name, kind in zip(names, kinds, strict=True) if kind != "none"]
    pipe = client.pipeline(transaction=False)
    for name, kind in there:
        _READ[kind](pipe, name)
    return {name.decode(): value for (name, _), value in zip(there, await pipe.execute(), strict=True)}


_READ: dict[str, Callable[[Any, bytes], Any]] = {
    "string": lambda pipe, name: pipe.get(name),
    "list": lambda pipe, name: pipe.lrange(name, 0, -1),
    "set": lambda pipe, name: pipe.smembers(name),
    "zset": lambda pipe, name: pipe.zrange(name, 0, -1, withscores=True),
    "hash": lambda pipe, name: pipe.hgetall(name),
    "stream": lambda pipe, name: pipe.xrange(name),
}


async def calls(client: Redis) -> dict[str, int]:
    """How often each command was called since the statistics were reset; our own looking is left out."""
    stats = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items() if name not in _OURS}


_OURS = {"cmdstat_info", "cmdstat_config|resetstat", "cmdstat_client|setinfo", "cmdstat_hello", "cmdstat_client|setname"}
