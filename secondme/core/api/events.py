"""Events as they happen: one subscription to the store for all callers, the newest kept in memory, sent as server-sent events."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from secondme.core.api.problems import TOO_MANY_STREAMS, refuse
from secondme.core.clock import from_ms, rfc3339
from secondme.core.log import get_logger
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from secondme.core.api.limits import Limits
    from secondme.core.store.events import Follow

log = get_logger(__name__)

_MOST_BYTES = 8_192
"""Of one event. Ours have some hundred; whoever else may publish must not fill the memory."""
_BATCH = 32
_ID = re.compile(r"([0-9a-f]{1,32})-([0-9]{1,15})", re.ASCII)
_NAME = re.compile(r"[a-z][a-z_]{0,63}", re.ASCII)
_LAST_MS = 253_402_300_799_000
RESET = "reset"
"""The name of the event that says: something may have been missed, read the lists again."""


class EventHub:
    """The newest events, numbered. Streams read them by number; none of them has a queue of its own that could grow."""

    def __init__(self, follow: Follow, *, epoch: str, kept: int) -> None:
        """`follow` as `Services.follow`; `epoch` tells this process's numbers from an earlier one's."""
        self._follow = follow
        self._epoch = epoch
        self._kept: deque[bytes] = deque(maxlen=kept)
        self._news = asyncio.Event()
        self.head = 0
        """The number of the newest event."""
        self.is_closed = False

    async def run(self) -> None:
        """Listen until cancelled. Each time that listening begins, streams are told that they may have missed something."""
        async for heard in self._follow(self.miss, lambda error: log.debug("api_events_interrupted", code=error.code)):
            if heard is not None:
                self.tell(*heard)

    def tell(self, channel: str, event: dict[str, Any]) -> None:
        """An event of the store's `channel` is the newest one."""
        source = channel.removeprefix("events:")
        word = event.get("type") or event.get("action") or event.get("event")
        name = word if isinstance(word, str) and _NAME.fullmatch(word) and word != RESET else source
        self._add(name, {**{key: _shown(value) for key, value in event.items()}, "channel": source, "at": _moment(event)})

    def miss(self) -> None:
        """Something may have happened that nobody heard: every stream is told to read the lists again."""
        self._add(RESET, {})

    def close(self) -> None:
        """Every stream ends after what it has not sent yet. Repeatable."""
        self.is_closed = True
        self._wake()

    def id_of(self, number: int) -> str:
        """What a caller sends as Last-Event-ID to go on after this event."""
        return f"{self._epoch}-{number}"

    def number_of(self, event_id: str) -> int | None:
        """The number of an event that was sent earlier, None when this process did not send it or has forgotten what followed it."""
        match = _ID.fullmatch(event_id)
        if match is None or match[1] != self._epoch:
            return None
        number = int(match[2])
        return number if self._oldest() - 1 <= number <= self.head else None

    def after(self, number: int) -> tuple[int, bytes] | None:
        """The next events after `number` as one piece of a stream, and the number of the last of them; None when they are forgotten."""
        skipped = number - self._oldest() + 1
        if skipped < 0:
            return None
        last = min(self.head, number + _BATCH)
        return last, b"".join(self._kept[index] for index in range(skipped, skipped + last - number))

    def reset(self) -> bytes:
        """A piece of a stream that says that it goes on from the newest event, and that others were missed."""
        return _piece(self.id_of(self.head), RESET, {})

    async def news(self, timeout_s: float) -> None:
        """Return when there is a newer event, at the end, or after `timeout_s`."""
        waiting = self._news
        try:
            async with asyncio.timeout(timeout_s):
                await waiting.wait()
        except TimeoutError:
            return

    def _oldest(self) -> int:
        return self.head - len(self._kept) + 1

    def _add(self, name: str, event: dict[str, Any]) -> None:
        piece = _piece(self.id_of(self.head + 1), name, event)
        if len(piece) > _MOST_BYTES:
            log.warning("api_event_too_large", size=len(piece))
            piece = _piece(self.id_of(self.head + 1), RESET, {})
        self.head += 1
        self._kept.append(piece)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        if not self.is_closed:
            self._news = asyncio.Event()


def _piece(event_id: str, name: str, event: dict[str, Any]) -> bytes:
    data = json.dumps(event, separators=(",", ":"))
    return f"id: {event_id}\nevent: {name}\ndata: {data}\n\n".encode("ascii", "replace")


def _shown(value: Any) -> Any:  # whatever JSON held
    return safe_text(value) if isinstance(value, str) else value


def _moment(event: dict[str, Any]) -> str | None:
    stamp = event.get("timestamp")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 <= stamp <= _LAST_MS:
        return None
    return rfc3339(from_ms(int(stamp)))


_RETRY_MS = 2_000
_HEARTBEAT = b":\n\n"


class StreamSlots:
    """How many streams there are."""

    def __init__(self) -> None:
        self.taken = 0


class EventStream(Response):
    """Events after `last_event_id`, or from now on when it is None; until the caller leaves, may listen no more, or the gateway
    stops.

    A caller that does not read is cut off by the listener's stall limit. One that reads too slowly to follow is told that it missed
    something: memory holds the newest events once, and not once for each caller.
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
        known = self._hub.head if self._last_event_id is None else self._hub.number_of(self._last_event_id)
        at = self._hub.head if known is None else known
        beginning = f"retry: {_RETRY_MS}\nid: {self._hub.id_of(at)}\n\n".encode()
        await _give(send, beginning if known is not None else beginning + self._hub.reset())
        while self._may_listen() and not (self._hub.is_closed and at >= self._hub.head):
            piece = self._hub.after(at)
            if piece is None:
                at = self._hub.head
                await _give(send, self._hub.reset())
            elif piece[1]:
                at = piece[0]
                await _give(send, piece[1])
            else:
                await self._hub.news(self._limits.heartbeat_s)
                if self._may_listen() and at == self._hub.head:
                    await _give(send, _HEARTBEAT)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _give(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})
