"""Events: published once by the script that changed something, heard by whoever listens. Nothing is kept for the absent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from secondme.core.store.client import Store, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


_SUBSCRIBE_S = 5.0
_SILENCE_S = 1.0


async def listen(
    store: Store, *channels: str, missed: Callable[[], None] | None = None
) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
    """Events as (channel, JSON object), and None at first and after each second of silence, so that a caller can look around.

    Raises UnavailableError when the store goes away. When it is back so soon that the library connects again unseen, `missed` is called
    before the next event: what was published meanwhile is lost.
    """
    subscription = _Subscription(store.client.connection_pool, ignore_subscribe_messages=True)
    try:
        async with asyncio.timeout(_SUBSCRIBE_S):
            await subscription.subscribe(*channels)
        connects = subscription.connects
        yield None
        while True:
            message = await subscription.get_message(timeout=_SILENCE_S)
            if subscription.connects != connects:
                connects = subscription.connects
                if missed is not None:
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
