"""Events: published once by the script that changed something, heard by whoever listens. Nothing is kept for the absent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from secondme.core.errors import SecondmeError
from secondme.core.store.client import Store, explain

if TYPE_CHECKING:
    from secondme.core.ports import Clock

_SUBSCRIBE_S = 5.0
_SILENCE_S = 1.0
_AGAIN_S = 0.5

Heard = tuple[str, dict[str, Any]]
"""The channel of an event, and the event: a JSON object."""

Follow = Callable[[Callable[[], None], Callable[[SecondmeError], None]], AsyncIterator[Heard | None]]
"""`follow` for every event of a home: `missed` and `lost` are given."""


async def follow(
    store: Store,
    *channels: str,
    clock: Clock,
    missed: Callable[[], None] = lambda: None,
    lost: Callable[[SecondmeError], None] = lambda _: None,
) -> AsyncIterator[Heard | None]:
    """As `listen`, for ever: `lost` is told why there is no connection, and unless it raises, another one is tried."""
    while True:
        try:
            async with contextlib.aclosing(listen(store, *channels, missed=missed)) as events:
                async for heard in events:
                    yield heard
        except SecondmeError as error:
            lost(error)
        await clock.sleep(_AGAIN_S)


async def listen(store: Store, *channels: str, missed: Callable[[], None] = lambda: None) -> AsyncGenerator[Heard | None, None]:
    """Events, and None at first and after each second of silence, so that a caller can look around.

    Raises UnavailableError when the store goes away. `missed` is called before the first event, and when the store is back so soon that
    the library connects again unseen: what was published before is lost.
    """
    subscription = _Subscription(store.client.connection_pool, ignore_subscribe_messages=True)
    try:
        async with asyncio.timeout(_SUBSCRIBE_S):
            await subscription.subscribe(*channels)
        connects = subscription.connects
        missed()
        yield None
        while True:
            message = await subscription.get_message(timeout=_SILENCE_S)
            if subscription.connects != connects:
                connects = subscription.connects
                missed()
            event = _decode(message["data"]) if message else None
            yield (message["channel"].decode(), event) if message and event is not None else None
    except (RedisError, OSError, TimeoutError) as error:
        raise explain(error) from error
    finally:
        await subscription.aclose()  # type: ignore[no-untyped-call]  # the library's stubs leave it out


class _Subscription(PubSub):
    """Counts how often the library connected again, which it does unseen."""

    connects = 0

    async def on_connect(self, connection: Any) -> None:  # the library leaves it untyped
        """Called for a connection that takes the place of a lost one."""
        self.connects += 1
        await super().on_connect(connection)


def _decode(raw: Any) -> dict[str, Any] | None:  # whatever anybody published
    try:
        event = json.loads(raw)
    except (ValueError, TypeError):
        return None
    return event if isinstance(event, dict) else None
