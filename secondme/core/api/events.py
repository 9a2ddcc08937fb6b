"""Events as they happen: one subscription to the store for all callers, who read the store's log and send it as server-sent events."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Literal

from starlette.responses import Response

from secondme.core.api.problems import TOO_MANY_STREAMS, refuse
from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import DataError, SecondmeError
from secondme.core.log import get_logger
from secondme.core.store.events import FIRST_ID
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from secondme.core.api.limits import Limits
    from secondme.core.store.events import EventLog, Follow, LoggedEvent

log = get_logger(__name__)

_MOST_BYTES = 8_192
"""Of one event. Ours have some hundred; whoever else may publish must not fill the memory."""
_BATCH = 32
_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,15}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z_]{0,63}", re.ASCII)
_LAST_MS = 253_402_300_799_000
RESET = "reset"
"""The name of the event that says: something may have been missed, read the lists again."""
HELLO = "hello"
"""The name of the first event of each stream: its id is where the stream begins."""


class EventHub:
    """The store's log of events, and who waits for the next one. Streams read it by its ids; nothing of it is kept here."""

    def __init__(self, follow: Follow, events: EventLog) -> None:
        """`follow` as `Services.follow`."""
        self._follow = follow
        self._events = events
        self._news = asyncio.Event()
        self.is_closed = False

    async def run(self) -> None:
        """Listen until cancelled. Whoever waits looks into the log when something is published, and each time that listening begins."""
        async for heard in self._follow(self._wake, lambda error: log.debug("api_events_interrupted", code=error.code)):
            if heard is not None:
                self._wake()

    def close(self) -> None:
        """Every stream ends after what it has not sent yet. Repeatable."""
        self.is_closed = True
        self._wake()

    async def newest(self) -> str:
        """What a caller sends as Last-Event-ID to hear all that comes from now on. Raises UnavailableError or DataError."""
        return await self._events.newest()

    async def after(self, last: str) -> tuple[str, bytes] | None:
        """The next events after `last` as one piece of a stream, and the id of the last of them; None when they are gone. Raises as
        `newest`."""
        found = await self._events.after(last, _BATCH)
        if found is None:
            return None
        return found[-1].id if found else last, b"".join(map(_told, found))

    def next_news(self) -> asyncio.Event:
        """What is set when there is a newer event, or at the end. Taken before the log is read, it is set for whatever that reading missed."""
        return self._news

    def _wake(self) -> None:
        self._news.set()
        if not self.is_closed:
            self._news = asyncio.Event()


def _told(logged: LoggedEvent) -> bytes:
    """An event of the log as a piece of a stream."""
    if logged.event is None or logged.size > _MOST_BYTES:
        log.warning("api_event_unfit", size=logged.size)
        return _piece(logged.id, RESET, {})
    event, source = logged.event, logged.channel.removeprefix("events:")
    word = event.get("type") or event.get("action") or event.get("event")
    name = word if isinstance(word, str) and _NAME.fullmatch(word) and word not in {RESET, HELLO} else source
    name = name if _NAME.fullmatch(name) else "status"
    return _piece(
        logged.id, name, {**{key: _shown(value) for key, value in event.items()}, "channel": _shown(source), "at": _moment(event)}
    )


def _piece(event_id: str, name: str, event: dict[str, Any]) -> bytes:
    data = json.dumps(event, separators=(",", ":"))
    place = f"id: {event_id}\n" if event_id else ""
    return f"{place}event: {name}\ndata: {data}\n\n".encode("ascii", "replace")


def _shown(value: Any) -> Any:  # whatever JSON held
    return safe_text(value) if isinstance(value, str) else value


def _moment(event: dict[str, Any]) -> str | None:
    stamp = event.get("timestamp")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 <= stamp <= _LAST_MS:
        return None
    return rfc3339(from_ms(int(stamp)))


_RETRY_MS = 2_000
_HEARTBEAT = b":\n"
"""A comment, without the empty line that ends an event: some readers take every one of those for an event."""


class StreamSlots:
    """How many streams there are."""

    def __init__(self) -> None:
        self.taken = 0


class EventStream(Response):
    """Events after `last_event_id`, or from now on when it is None; until the caller leaves, may listen no more, or the gateway
    stops.

    A caller that does not read is cut off by the listener's stall limit. One that reads too slowly to follow is told that it missed
    something: the store keeps the newest events once, and nobody has a queue of its own that could grow.
    """

    media_type = "text/event-stream"

    def __init__(
        self, hub: EventHub, seats: StreamSlots, limits: Limits, last_event_id: str | None, may_listen: Callable[[], bool]
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._hub = hub
        self._seats = seats
        self._limits = limits
        self._last_event_id = last_event_id
        self._may_listen = may_listen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one caller, if there is room for it."""
        if self._seats.taken >= self._limits.streams:
            await refuse(TOO_MANY_STREAMS, self._limits, scope, receive, send)
            return
        self._seats.taken += 1
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._write(send))
                while (await receive())["type"] != "http.disconnect":
                    pass
                writing.cancel()
        finally:
            self._seats.taken -= 1

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        at = await self._begin()
        await _give(send, f"retry: {_RETRY_MS}\n".encode() + _piece(at, HELLO, {}))
        while True:
            news = self._hub.next_news()
            at, piece, follows = await self._next(at)
            if not self._may_listen():
                break
            if piece:
                await _give(send, piece)
            if follows != "more" and self._hub.is_closed:
                break
            if follows != "more":
                await self._wait(news, send, is_unsure=follows == "unsure")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> str:
        """After which event the stream begins; empty when that is not known."""
        if self._last_event_id is not None:
            return self._last_event_id if _ID.fullmatch(self._last_event_id) else ""
        try:
            return await self._hub.newest()
        except SecondmeError:
            return ""

    async def _next(self, at: str) -> tuple[str, bytes, Literal["more", "nothing", "unsure"]]:
        """How far the stream is after the next piece, the piece, and what follows it."""
        try:
            found = await self._hub.after(at) if at else None
            if found is not None:
                return *found, "more" if found[1] else "nothing"
            newest = await self._hub.newest()
        except DataError:  # no log, which the doctor finds: something happened, and nobody knows what
            return at, _piece(at or FIRST_ID, RESET, {}), "nothing"
        except SecondmeError:
            return at, b"", "unsure"
        return newest, _piece(newest, RESET, {}), "more"

    async def _wait(self, news: asyncio.Event, send: Send, *, is_unsure: bool) -> None:
        """Until there is news, or it is time to ask again; a silent stream shows that it lives."""
        while not news.is_set() and self._may_listen():
            try:
                async with asyncio.timeout(self._limits.heartbeat_s):
                    await news.wait()
            except TimeoutError:
                await _give(send, _HEARTBEAT)
                if is_unsure:
                    return


async def _give(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})
