"""What may one connection do to the process? The web server's own HTTP protocol, with a bound on everything a caller can hold open."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from secondme.core.api.refusals import OVERLOADED, UNREADABLE, Refusal

if TYPE_CHECKING:
    import asyncio

    from secondme.core.api.limits import Limits

HEADERS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
"""In every answer: nobody keeps it, and no browser takes it for something else."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 on one connection."""

    def __init__(self, *args: Any, limits: Limits, **options: Any) -> None:  # passed through to the web server untouched
        super().__init__(*args, **options)
        self._limits = limits
        self._waiting_since = 0.0
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """True while the header of a request is awaited, and nothing of one is being answered."""
        return self.conn.their_state is h11.IDLE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the web server
        """Called for each new connection."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections and not self._make_room():
            self._say(OVERLOADED)
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is gone."""
        self._stop(self._head_timer)
        self._stop(self._stall_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with what the caller sent."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Called when an answer was handed to the operating system, or waits for the caller to take it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_stall()
        else:
            self._watch_head()

    def timeout_keep_alive_handler(self) -> None:
        """Called when an idle connection has been kept long enough."""
        super().timeout_keep_alive_handler()
        self._watch_stall()

    def pause_writing(self) -> None:
        """Called when the caller does not take what was written."""
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        """Called when it takes it again."""
        super().resume_writing()
        self._stop(self._stall_timer)
        self._stall_timer = None

    def send_400_response(self, msg: str) -> None:
        """Called for bytes that are no HTTP."""
        del msg
        self._say(UNREADABLE)

    def _say(self, refusal: Refusal) -> None:
        """Answer without a request, and close. An answer that was begun is broken off instead: there is no way to take it back."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        body = refusal.body()
        said = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close", **refusal.headers}
        lines = [
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
            *(f"{name}: {value}" for name, value in (*HEADERS, *said.items())),
        ]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()
        self._watch_stall()

    def _make_room(self) -> bool:
        """The connection that has awaited a header for longest is closed; False when every other one is being answered."""
        waiting = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self and each.is_waiting]
        if not waiting:
            return False
        longest = min(waiting, key=lambda each: each._waiting_since)  # noqa: SLF001  one of us
        self.connections.discard(longest)
        longest.transport.abort()
        return True

    def _watch_head(self) -> None:
        if not self.is_waiting:
            self._stop(self._head_timer)
            self._head_timer = None
        elif self._head_timer is None and not self.transport.is_closing():
            self._waiting_since = self.loop.time()
            self._head_timer = self.loop.call_later(self._limits.head_s, self.transport.abort)

    def _watch_stall(self) -> None:
        if self._stall_timer is None and self.transport.get_write_buffer_size() > 0:
            self._stall_timer = self.loop.call_later(self._limits.stall_s, self.transport.abort)

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
