"""Who may call the API: a guard that is asked before anything looks at what is called for, and what each caller may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002  the framework reads it

from secondme.core.api.problems import (
    EXPIRED,
    FORBIDDEN,
    NOT_JSON,
    TOO_MANY_WRONG,
    UNAUTHORIZED,
    Refusal,
    RouteRefusedError,
    content_type_of,
    has_body,
    is_json,
    out_of_scope,
    refuse,
)
from secondme.core.api.scopes import needed
from secondme.core.api.sockets import Address, own_hosts
from secondme.core.clock import from_ms
from secondme.core.retry import AttemptLimit
from secondme.core.tokens import OWNER, Caller, NamedTokens, TokenFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from secondme.core.api.limits import Limits
    from secondme.core.ports import Clock


_LONGEST = 512
"""Bytes of a header that are looked at; a token is 43."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The tokens that are accepted."""

    whole: TokenFile | None
    """The one that may do everything; None where only named ones are accepted."""
    named: NamedTokens
    clock: Clock

    def caller(self, offered: bytes) -> Caller | Refusal:
        """What this token may do, or why it may not."""
        if self.whole is not None and self.whole.admits(offered):
            return OWNER
        match self.named.caller(offered, from_ms(self.clock.now_ms())):
            case None:
                return UNAUTHORIZED
            case "expired":
                return EXPIRED
            case found:
                return found


_CALLER, _LASTS = "secondme.caller", "secondme.lasts"


async def permitted(request: Request) -> None:
    """For every route: the caller's token covers it, and a body that it takes is JSON. Raises RouteRefusedError."""
    route = request.scope["route"]
    if route.path == _HEALTH:
        return
    scopes, caller = needed(request.method, route.path, route.tags), caller_of(request)
    if not any(caller.covers(scope) for scope in scopes):
        raise RouteRefusedError(out_of_scope(" or ".join(scopes)))
    if route.body_field is not None and await request.body() and not is_json(content_type_of(request.scope["headers"])):
        raise RouteRefusedError(NOT_JSON)


def caller_of(request: Request) -> Caller:
    """Who calls."""
    found: Caller = request.scope[_CALLER]
    return found


def lasting(request: Request) -> Callable[[], bool]:
    """Whether who began this call would still be let through: for an answer that goes on and on."""
    found: Callable[[], bool] = request.scope[_LASTS]
    return found


_HEALTH = "/health"


@dataclass(frozen=True, slots=True)
class Alarms:
    """Who is told of calls that were refused."""

    refused: Callable[[str, int], Awaitable[None]]
    """Gets why the last call was refused (`host`, `origin`, `websocket`, `token`), and how many since it was last told, once a minute."""
    out_of_scope: Callable[[Caller, str, int], Awaitable[None]]
    """Gets whose token did not cover a call, of which route, and how many since it was last told, once a minute of a name."""


class ScopeRefusals:
    """Calls outside a token's scope: `tell` as `Alarms.out_of_scope`."""

    def __init__(self, tell: Callable[[Caller, str, int], Awaitable[None]], clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._counts: dict[str, AttemptLimit] = {}
        """By name: a home has fifty at most."""

    async def note(self, caller: Caller, route: str) -> None:
        """One more was refused."""
        if count := self._counts.setdefault(caller.name, AttemptLimit(1, self._clock)).refused():
            await self._tell(caller, route, count)


class Guard:
    """Lets a request through to `app`, or refuses it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        hosts: frozenset[str],
        address: Address | None = None,
        tokens: Keys | None = None,
        attempts: AttemptLimit,
        alarm: Callable[[str, int], Awaitable[None]],
    ) -> None:
        """`address` is that of a TCP listener; `tokens` None means that whoever reaches the listener may call. `alarm` as
        `Alarms.refused`."""
        self._app = app
        self._limits = limits
        self._hosts = hosts
        self._address = address
        self._tokens = tokens
        self._attempts = attempts
        self._alarm = alarm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Whatever is wrong with it, it is answered before its body is read."""
        why, found = self._judge(scope)
        if isinstance(found, Caller):
            scope[_CALLER] = found
            scope[_LASTS] = lambda: isinstance(self._judge(scope)[1], Caller)
            await self._app(scope, receive, send)
            return
        refusal = found
        await refuse(refusal, self._limits, scope, receive, send)
        if count := self._attempts.refused():
            await self._alarm(why, count)

    def _judge(self, scope: Scope) -> tuple[str, Caller | Refusal]:
        headers = scope["headers"]
        hosts = self._hosts
        if self._address is not None and scope.get("server"):
            hosts |= own_hosts(self._address, *scope["server"])
        if _only(headers, b"host") not in hosts:
            return "host", FORBIDDEN
        if any(name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in headers):
            return "websocket", FORBIDDEN
        if _count(headers, b"origin") and _only(headers, b"origin") not in {f"http://{host}" for host in hosts if host}:
            return "origin", FORBIDDEN
        if self._tokens is None:
            return "", OWNER
        if scope["method"] == "GET" and scope["path"] == _HEALTH and not has_body(headers):
            return "", NOBODY
        offered = _bearer(_only(headers, b"authorization"))
        found = UNAUTHORIZED if offered is None else self._tokens.caller(offered)
        if isinstance(found, Caller):
            return "", found
        return "token", TOO_MANY_WRONG if self._attempts.is_one_too_many() else found


NOBODY = Caller("", frozenset())
"""Whoever asks for the health without a token."""


def _count(headers: list[tuple[bytes, bytes]], wanted: bytes) -> int:
    return sum(name == wanted for name, _ in headers)


def _only(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    """The value of a header that is there exactly once, in lower case but for the token; None otherwise."""
    found = [value for name, value in headers if name == wanted]
    if len(found) != 1 or len(found[0]) > _LONGEST:
        return None
    text = found[0].decode("latin-1").strip()
    return text if wanted == b"authorization" else text.lower()


def _bearer(header: str | None) -> bytes | None:
    scheme, _, token = (header or "").partition(" ")
    return token.strip().encode("latin-1") if scheme.lower() == "bearer" and token else None
