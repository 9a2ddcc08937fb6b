"""How much of a request is read and for how long, and where an exception ends that nobody expected."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from secondme.core.api.problems import BUG, TOO_DEEP, TOO_LARGE, TOO_SLOW, TOOK_TOO_LONG, Refusal, refuse
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from secondme.core.api.limits import Limits


log = get_logger(__name__)

EVENTS_PATH = "/api/events"
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A JSON string, or the rest of the body when it does not end: it matches at every quote, so the time is linear."""
_BRACKETS = b"[]{}"
_MOST_MARKS = 200_000
"""Quotes and brackets in one body: 20 ms of work here. A thousand contacts have 2,003."""
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


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
                read = await self._read(scope, receive)
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

    async def _read(self, scope: Scope, receive: Receive) -> bytes | Refusal | None:
        """The body; None when the caller went away."""
        most = self._limits.body_bytes
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if announced.isdigit() and int(announced[:20]) > most:
            return TOO_LARGE
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            size += len(message.get("body", b""))
            if size > most:
                return TOO_LARGE
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        body = b"".join(parts)
        return TOO_DEEP if is_too_deep(body, self._limits.json_depth) else body


def is_too_deep(body: bytes, depth: int) -> bool:
    """True when JSON is nested deeper than `depth`, is nothing but brackets and quotes, or its brackets do not match. Nothing is parsed."""
    if sum(map(body.count, (b'"', b"[", b"]", b"{", b"}"))) > _MOST_MARKS:
        return True
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    if len(brackets) <= depth:
        return False
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


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
