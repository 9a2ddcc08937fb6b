"""How does one caller receive events as they happen? As server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from secondme.core.api.refusals import TOO_MANY_STREAMS, refuse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from secondme.core.api.hub import EventHub
    from secondme.core.api.limits import Limits

_RETRY_MS = 2_000
_HEARTBEAT = b":\n\n"


class Seats:
    """How many streams there are."""

    def __init__(self) -> None:
        self.taken = 0


class EventStream(Response):
    """Events after `last_event_id`, or from now on when it is None; until the caller leaves or the gateway stops.

    A caller that does not read is cut off by the listener's stall limit. One that reads too slowly to follow is told that it missed
    something: memory holds the newest events once, and not once for each caller.
    """

    media_type = "text/event-stream"

    def __init__(self, hub: EventHub, seats: Seats, limits: Limits, last_event_id: str | None) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._hub = hub
        self._seats = seats
        self._limits = limits
        self._last_event_id = last_event_id

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
        while not (self._hub.is_closed and at >= self._hub.head):
            piece = self._hub.after(at)
            if piece is None:
                at = self._hub.head
                await _give(send, self._hub.reset())
            elif piece[1]:
                at = piece[0]
                await _give(send, piece[1])
            else:
                await self._hub.news(self._limits.heartbeat_s)
                if at == self._hub.head:
                    await _give(send, _HEARTBEAT)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _give(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})
