"""The webhook listener: one small server beside the API for platforms that call us, `/webhooks/<channel id>`, and nothing else to
see.

Anybody can reach it through the owner's tunnel, so a caller learns nothing from it: no words, no versions, one answer for everything
that is not a channel's. Who calls is the channel's to find out (signature, secret token), as far as it can before a body is read; how
much they may send is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from secondme.core.api.limits import Limits
from secondme.core.api.listeners import is_called, keep_listening
from secondme.core.api.middleware import read_body
from secondme.core.api.problems import TOO_DEEP, TOO_SLOW, Refusal, has_body, refuse
from secondme.core.api.sockets import Address, bind_tcp
from secondme.core.log import get_logger
from secondme.core.messages import WebhookAnswer, WebhookRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Receive, Scope, Send

    from secondme.core.api.server import Listener
    from secondme.core.ports import Clock

    Hear = Callable[[WebhookRequest], Awaitable[WebhookAnswer]]
    HearOf = Callable[[str], Hear | None]
    RefusalOf = Callable[[str, WebhookRequest], WebhookAnswer | None]

log = get_logger(__name__)

_HEAR_S = 15.0
"""A channel may take this long to make a call safe; platforms wait 20 s and more, and repeat it."""
_ALL_BODIES_BYTES = 16 * 1024 * 1024
"""Of all requests under way. 64 callers with 3 MB each would be 192 MB for strangers to hold."""
_SMALL_BYTES = 64 * 1024
"""Of each body, not counted in that: an ordinary call always has room."""
_PATH = re.compile(rb"/webhooks/([a-z][a-z0-9_]{1,31})")


class Webhooks:
    """The listener of one gateway."""

    def __init__(
        self,
        hear_of: HearOf,
        address: Address,
        clock: Clock,
        *,
        refusal_of: RefusalOf = lambda *_: None,
        limits: Limits | None = None,
        hear_s: float = _HEAR_S,
    ) -> None:
        """`hear_of` names who answers for a channel, None for everybody who takes no calls; `refusal_of` what the channel answers to a call
        whose headers alone tell that it is not the platform's. `address.port` 0: any free port."""
        self._hear_of = hear_of
        self._refusal_of = refusal_of
        self._address = address
        self._clock = clock
        self._limits = limits or Limits()
        self._hear_s = hear_s
        self._room = _Room(_ALL_BODIES_BYTES)
        self.port: int | None = None
        """The port it listens on, as soon as it does."""
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then end what is under way within two seconds. Never raises: the gateway does not depend on it.

        What is in the way is said once, and tried again, later each time.
        """

        def say_why(error: Exception, cause: str) -> None:
            log.error("webhooks_not_listening", error, port=self._address.port, reason=cause)

        await keep_listening(self._serve, stop, say_why)

    async def _serve(self, stop: asyncio.Event) -> None:
        bound = await asyncio.to_thread(bind_tcp, self._address)  # a name may have to be looked up
        try:
            self.port = bound.getsockname()[1]
            log.info("webhooks_listening", port=self.port)
            self.listening.set()
            if await is_called(bound, stop):
                await (await asyncio.to_thread(self._listener, stop)).serve(sockets=[bound])
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  the top of a task
            log.error("webhooks_crashed", error)
        finally:
            self.listening.clear()
            bound.close()

    def _listener(self, stop: asyncio.Event) -> Listener:
        """What answers: imported when the first platform calls."""
        from secondme.core.api.server import Listener, configured, silence  # noqa: PLC0415  tenths of a second, and 20 MB

        silence()
        return Listener(configured(self._answer, self._limits, date_header=False), stop)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered whatever happens."""
        channel = ""
        answer: WebhookAnswer | Refusal | None
        try:
            channel, hear = self._called(scope)
            answer = _NOTHING_HERE if hear is None else await self._heard(channel, hear, scope, receive)
        except Exception as error:  # noqa: BLE001  the top of a request's task; its words are a stranger's
            log.error("webhook_failed", error, channel=channel)
            answer = _BUG
        if isinstance(answer, Refusal):
            await refuse(answer, self._limits, scope, receive, send)
        elif answer is not None:
            body = answer.body.encode("utf-8", "replace")
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def _called(self, scope: Scope) -> tuple[str, Hear | None]:
        """Which channel is called, and who answers for it. The path is taken as it came: one spelling, no escapes."""
        found = _PATH.fullmatch(scope.get("raw_path") or b"")
        if found is None or scope["method"] not in {"GET", "POST"}:
            return "", None
        channel = found[1].decode("ascii")
        return channel, self._hear_of(channel)

    async def _heard(self, channel: str, hear: Hear, scope: Scope, receive: Receive) -> WebhookAnswer | Refusal | None:
        """What the channel says to the call; None when the caller went away before it was said."""
        request = WebhookRequest(
            method=scope["method"],
            query=scope["query_string"].decode("latin-1"),
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            body=b"",
        )
        if (refused := self._refusal_of(channel, request)) is not None:
            return _wordless(refused.status)
        if request.method == "GET" and has_body(scope["headers"]):
            return _NOTHING_HERE
        with self._room.share() as take:
            try:
                async with asyncio.timeout(self._limits.request_s):
                    body = await read_body(scope, receive, self._limits, take)
            except TimeoutError:
                return _wordless(TOO_SLOW.status)
            if isinstance(body, Refusal):
                return _wordless(HTTPStatus.BAD_REQUEST if body is TOO_DEEP else body.status)
            if body is None:
                return None
            try:
                async with asyncio.timeout(self._hear_s) as time:
                    return await hear(replace(request, body=body))
            except TimeoutError:
                if not time.expired():
                    raise
                log.warning("webhook_took_too_long", channel=channel)
                return _LATER


class _Room:
    """How much of everybody's bodies is in memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    @contextlib.contextmanager
    def share(self) -> Iterator[Callable[[int], bool]]:
        """Counts what one request reads: true while there is room for it, and for a small one always. Given back at the end."""
        mine = 0

        def take(size: int) -> bool:
            nonlocal mine
            mine += size
            self._held += size
            return mine <= _SMALL_BYTES or self._held <= self._most

        try:
            yield take
        finally:
            self._held -= mine


@dataclass(frozen=True, slots=True)
class _Silent(Refusal):
    """A refusal that says nothing but its status."""

    def body(self) -> bytes:
        """No words."""
        return b""


def _wordless(status: int) -> _Silent:
    return _Silent(status, "", "", headers={"content-type": "text/plain"})


_NOTHING_HERE, _BUG, _LATER = map(_wordless, (404, 500, 503))
