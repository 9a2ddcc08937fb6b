"""How much of a request is read and for how long, and where an exception ends that nobody expected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.core.api.problems import (
    BUG,
    OVERLOADED,
    TOO_DEEP,
    TOO_LARGE,
    TOO_SLOW,
    TOOK_TOO_LONG,
    Refusal,
    content_type_of,
    is_json,
    refuse,
)
from secondme.core.log import get_logger
from secondme.core.text import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from secondme.core.api.limits import Limits


log = get_logger(__name__)

EVENTS_PATH = "/api/events"


class RequestLimiter:
    """The outermost layer: nothing that goes wrong behind it reaches the web server, which would write a stranger's words into a log."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered whatever happens."""
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001  the top of a request's task; the path is left out, it holds a contact's id
            log.error("api_failed", error, method=_method(scope))
            if not started:
                await refuse(BUG, self._limits, scope, receive, send)


class Bounded:
    """Reads a request whole before anything acts on it, and ends it in time. The event stream may last; its request may not."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of a caller that was let through."""
        deadline = asyncio.get_running_loop().time() + self._limits.request_s
        try:
            async with asyncio.timeout_at(deadline):
                is_parsed = is_json(content_type_of(scope["headers"]))
                read = await read_body(scope, receive, self._limits, is_parsed=is_parsed)
        except TimeoutError:
            read = TOO_SLOW
        if isinstance(read, Refusal):
            await refuse(read, self._limits, scope, receive, send)
        elif read is not None:
            await self._run(scope, _replay(read, receive), send, None if scope["path"] == EVENTS_PATH else deadline)

    async def _run(self, scope: Scope, receive: Receive, send: Send, deadline: float | None) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout_at(deadline) as time:
                await self._app(scope, receive, sending)
        except TimeoutError:
            if not time.expired():
                raise
            if not started:  # else the web server closes the connection, which tells the caller that the answer is not whole
                await refuse(TOOK_TOO_LONG, self._limits, scope, receive, send)


async def read_body(
    scope: Scope, receive: Receive, limits: Limits, take: Callable[[int], bool] = lambda _: True, *, is_parsed: bool = True
) -> bytes | Refusal | None:
    """The body, bounded while it is read; None when the caller went away. `take` says whether there is room for so many bytes more.
    One that is not `is_parsed` may be as deep as it likes."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if announced.isdigit() and int(announced[:20]) > limits.body_bytes:
        return TOO_LARGE
    parts: list[bytes] = []
    size, is_whole = 0, False
    while not is_whole:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limits.body_bytes:
            return TOO_LARGE
        if not take(len(parts[-1])):
            return OVERLOADED
        is_whole = not message.get("more_body", False)
    body = b"".join(parts)
    return TOO_DEEP if is_parsed and is_too_deep(body, limits.json_depth) else body


def _replay(body: bytes, receive: Receive) -> Receive:
    """What an application reads when all of the body is here; then what the web server says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _method(scope: Scope) -> str:
    method = str(scope.get("method", ""))
    return method if method in {"GET", "POST", "PATCH", "DELETE"} else "other"
