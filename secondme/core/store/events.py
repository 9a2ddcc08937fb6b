"""Events: published once by the script that changed something, heard by whoever listens, and kept a while for those who come back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from secondme.core.errors import SecondmeError
from secondme.core.store import keys
from secondme.core.store.failures import explain

if TYPE_CHECKING:
    from secondme.core.ports import Clock
    from secondme.core.store.client import Store

_SUBSCRIBE_S = 5.0
_SILENCE_S = 1.0
QUIET_S = 60.0
"""Between two looks around of who has nothing to look for in silence."""
_AGAIN_S = 0.5
FIRST_ID = "0-0"
"""Before every event there can be."""

Heard = tuple[str, dict[str, Any]]
"""The channel of an event, and the event: a JSON object."""

Follow = Callable[[Callable[[], None], Callable[[SecondmeError], None]], AsyncIterator[Heard | None]]
"""`follow` for every event of a home: `missed` and `lost` are given."""


class Nudge(StrEnum):
    """What somebody should look at now."""

    OUTBOX = "outbox"
    LATER = "later"
    CHANNELS = "channels"
    JOBS = "jobs"


async def nudge(store: Store, what: Nudge) -> None:
    """Who looks after this, in whichever process, looks now. Never fails: a nudge that is lost costs seconds, because all of them look by
    themselves too."""
    with contextlib.suppress(SecondmeError):
        await store.say(keys.NUDGES, json.dumps({"type": what}))


async def follow(
    store: Store,
    *channels: str,
    clock: Clock,
    silence_s: float = _SILENCE_S,
    missed: Callable[[], None] = lambda: None,
    lost: Callable[[SecondmeError], None] = lambda _: None,
) -> AsyncIterator[Heard | None]:
    """As `listen`, for ever: `lost` is told why there is no connection, and unless it raises, another one is tried."""
    while True:
        try:
            async with contextlib.aclosing(listen(store, *channels, missed=missed, silence_s=silence_s)) as events:
                async for heard in events:
                    yield heard
        except SecondmeError as error:
            lost(error)
        await clock.sleep(_AGAIN_S)


async def listen(
    store: Store, *channels: str, missed: Callable[[], None] = lambda: None, silence_s: float = _SILENCE_S
) -> AsyncGenerator[Heard | None, None]:
    """Events, and None at first and after each `silence_s` of silence, so that a caller can look around.

    Raises UnavailableError when the store goes away. `missed` is called before the first event, and when the store is back so soon that
    the library connects again unseen: what was published before is lost.
    """
    subscription = _Subscription(store.client.connection_pool, ignore_subscribe_messages=True)
    try:
        async with asyncio.timeout(_SUBSCRIBE_S):
            await (subscription.ssubscribe if store.namespace else subscription.subscribe)(*channels)
        connects = subscription.connects
        missed()
        yield None
        while True:
            message = await subscription.get_message(timeout=silence_s)
            if subscription.connects != connects:
                connects = subscription.connects
                missed()
            event = _decode(message["data"]) if message else None
            yield (store.namespace.bare_one(message["channel"]).decode(), event) if message and event is not None else None
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

    async def handle_message(self, response: Any, *args: Any, **options: Any) -> Any:  # the library's signature
        """As in the library; raises its ConnectionError when the server ends a subscription, as a node does whose keys move to another."""
        if response and response[0] == b"sunsubscribe":
            raise RedisConnectionError("the subscription was ended")
        return await super().handle_message(response, *args, **options)  # type: ignore[no-untyped-call]  # as above


def _decode(raw: Any) -> dict[str, Any] | None:  # whatever anybody published
    try:
        event = json.loads(raw)
    except (ValueError, TypeError):
        return None
    return event if isinstance(event, dict) else None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of the log. `id` is later than that of every earlier one, whichever process published it."""

    id: str
    channel: str
    event: dict[str, Any] | None
    """None when it is no JSON object."""
    size: int
    """Bytes of it."""


class EventLog:
    """The newest events that were published, as they were. What comes back reads on from the last one it has."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def newest(self) -> str:
        """The id of the newest event, of one that is gone too; `0-0` when there was none. Raises UnavailableError, or DataError when the
        log is none."""
        if await self._store.call(self._store.client.exists(keys.EVENTS_LOG)) == 0:
            return FIRST_ID
        return (await self._facts())[0]

    async def after(self, last: str, most: int) -> list[LoggedEvent] | None:
        """At most `most` events that followed `last`, oldest first; None when some of them may be gone, or `last` is of another log.
        Raises as `newest`."""
        client = self._store.client
        page = await self._store.call(client.xrange(keys.EVENTS_LOG, last, "+", count=most + 1))
        if page and page[0][0].decode() == last:
            return [_logged(*entry) for entry in page[1:]]
        if not await self._is_whole_after(last):
            return None
        return [_logged(*entry) for entry in page[:most]]

    async def _is_whole_after(self, last: str) -> bool:
        """Whether everything that followed `last`, which is no more in the log, is in it."""
        oldest = await self._store.call(self._store.client.xrange(keys.EVENTS_LOG, "-", "+", count=1))
        if not oldest:
            return last == await self.newest()
        newest, is_untrimmed = await self._facts()
        if last == FIRST_ID:
            return is_untrimmed
        return _order(oldest[0][0].decode()) <= _order(last) <= _order(newest)

    async def _facts(self) -> tuple[str, bool]:
        """The newest id there ever was, and whether nothing ever left."""
        found = await self._store.call(self._store.client.xinfo_stream(keys.EVENTS_LOG))
        return found["last-generated-id"].decode(), int(found["entries-added"]) == int(found["length"])


def _order(entry: str) -> tuple[int, int]:
    at, _, number = entry.partition("-")
    return int(at), int(number)


def _logged(entry: bytes, fields: dict[bytes, bytes]) -> LoggedEvent:
    raw = fields.get(b"event", b"")
    return LoggedEvent(entry.decode(), fields.get(b"channel", b"").decode("utf-8", "replace"), _decode(raw), len(raw))
