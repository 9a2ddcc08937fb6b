"""Problems: every refusal of the API has one shape, and each cause one status; nowhere else is a number chosen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secondme.core.errors import (
    BusyError,
    ConfigError,
    CredentialsError,
    DataError,
    NotFoundError,
    SecondmeError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

    from secondme.core.api.limits import Limits

_RETRY_AFTER_S = 2
"""The store of a gateway that runs is back within two seconds."""
NAMED_CAUSES = frozenset({"contact_denied", "draft_gone"})
"""Causes of a 404 that are told apart. All others are one answer, to a malformed name too."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way to say no."""

    status: int
    code: str
    message: str
    fix: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, dict[str, str]]:
        """As JSON values: `{"error": {"code", "message", "fix"}}`."""
        return {"error": {"code": self.code, "message": self.message, "fix": self.fix}}

    def body(self) -> bytes:
        """As JSON in ASCII."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()


NOT_FOUND = Refusal(404, "not_found", "There is nothing and nobody of this name here.", "GET /openapi.json lists what there is.")
NOT_ALLOWED = Refusal(405, "method_not_allowed", "This cannot be done here.", "GET /openapi.json lists what can.")
BAD_REQUEST = Refusal(422, "bad_request", "The request cannot be read.", "GET /openapi.json says what it must look like.")
TOO_DEEP = Refusal(422, "body_too_deep", "The body is not JSON, or too deep or too intricate.", "Send a flat object.")
NOT_JSON = Refusal(
    415, "unsupported_media_type", "The body is not said to be JSON.", "Send it with the header Content-Type: application/json."
)
UNREADABLE = Refusal(400, "bad_request", "This is not HTTP.", "Send HTTP/1.1.")
FORBIDDEN = Refusal(
    403, "forbidden", "This is not an address of the API, or the call comes from a web page.", "Call the address in api.listen."
)
UNAUTHORIZED = Refusal(
    401, "unauthorized", "The token is missing or wrong.", "secondme api token", {"www-authenticate": 'Bearer realm="secondme"'}
)
EXPIRED = Refusal(401, "token_expired", "This token has ended.", "secondme api token --name NAME", UNAUTHORIZED.headers)
TOO_MANY_WRONG = Refusal(429, "too_many_attempts", "Too many wrong tokens.", "secondme api token", {"retry-after": "60"})
TOO_LARGE = Refusal(413, "body_too_large", "The body is larger than 3 MB.", "Send less at a time.")
TOO_SLOW = Refusal(408, "request_too_slow", "The request did not arrive in time.", "Try again.")
TOOK_TOO_LONG = Refusal(
    504, "took_too_long", "The answer took too long; what was begun may have been done.", "Look, then try again."
)
OVERLOADED = Refusal(503, "too_many_connections", "Too many connections.", "Close some.", {"retry-after": "2"})
TOO_MANY_STREAMS = Refusal(503, "too_many_streams", "Too many event streams.", "Close one.", {"retry-after": "15"})
BUG = Refusal(500, "internal_error", "This is a bug.", "Please report it with the log line of this time.")


OUT_OF_SCOPE = "out_of_scope"


def out_of_scope(scope: str) -> Refusal:
    """For a token that was made for less."""
    return Refusal(403, OUT_OF_SCOPE, f"This token may not do that: it takes the scope {scope}.", "secondme api tokens")


class RouteRefusedError(Exception):
    """A route is not to be called like this."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def refusal_of(error: SecondmeError) -> Refusal:
    """How the API says what went wrong."""
    match error:
        case NotFoundError():
            if error.code in NAMED_CAUSES:
                return Refusal(404, error.code, error.message, error.fix)
            return NOT_FOUND
        case BusyError():
            return Refusal(409, error.code, error.message, error.fix)
        case DataError():  # a record that cannot be read is our trouble and not the caller's
            return Refusal(500 if error.code == "corrupt_record" else 422, error.code, error.message, error.fix)
        case UnavailableError():
            wait_s = max(1, round(error.retry_after_s)) if error.retry_after_s is not None else _RETRY_AFTER_S
            return Refusal(503, error.code, error.message, error.fix, {"retry-after": str(wait_s)})
        case CredentialsError():
            return Refusal(503, error.code, error.message, error.fix)
        case ConfigError():
            return Refusal(500, error.code, error.message, error.fix)
        case _:
            return BUG


async def refuse(refusal: Refusal, limits: Limits, scope: Scope, receive: Receive, send: Send) -> None:
    """The caller has the answer, and no more than a little of what it still wanted to send was read."""
    body = refusal.body()
    more = has_body(scope["headers"])
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    if more:
        headers["connection"] = "close"
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": more})
    if more:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.linger_s):
                await _throw_away(receive, limits.body_bytes)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _throw_away(receive: Receive, most: int) -> None:
    while most > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        most -= len(message.get("body", b""))


def content_type_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The Content-Type of a request with these headers; empty without one."""
    return next((value for name, value in headers if name == b"content-type"), b"")


def is_json(content_type: bytes) -> bool:
    """True when this Content-Type is JSON's, or that of a form of JSON (`application/problem+json`)."""
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json") and kind.count(b"/") == 1)


def has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True when a request with these headers says that a body follows."""
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)
