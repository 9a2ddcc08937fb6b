"""What the phone page asks of the HTTP API, handed on to the socket of this home's gateway: exactly these calls, and of each only what it needs.

The socket is the owner's alone, and this process is the owner's: it holds the key, and the browser has none. Nothing that the browser says about
itself is handed on, neither its cookie nor any other header.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from secondme.core.ids import is_contact_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp.typedefs import Handler

CONNECT_S = 2.0
ANSWER_S = 12.0
"""A little more than the API gives itself for an answer."""
SILENCE_S = 40.0
"""Of an event stream, which says something every 15 seconds."""
LOOK_S = 2.0
"""How soon it is seen that whoever followed the events has left."""
MOST_STREAMS = 8
"""A quarter of those that the API serves."""
MOST_BYTES = 256 * 1024
"""Of a call: the longest draft, however it is written down."""
MOST_ANSWER_BYTES = 16 * 1024 * 1024
_ORIGIN = "http://localhost"
"""By which the API knows calls of its socket."""
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_EVENT = re.compile(r"[0-9]{1,15}-[0-9]{1,15}", re.ASCII)
_QUERY_VALUE = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_FORMS = {
    "draft": re.compile(r"[0-9a-f]{4,64}", re.ASCII),
    "channel": re.compile(r"[a-z][a-z0-9_]{1,31}", re.ASCII),
    "invite": re.compile(r"[0-9]{6}", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A method and a path of the API, the names of what its query may hold, and whether it has a body."""

    method: str
    path: str
    query: frozenset[str] = frozenset()
    has_body: bool = False


CALLS = (
    Call("GET", "/api/status"),
    Call("GET", "/api/events"),
    Call("GET", "/api/pairing"),
    Call("GET", "/api/pairing/invites"),
    Call("POST", "/api/pairing/invites", has_body=True),
    Call("DELETE", "/api/pairing/invites/{invite}"),
    Call("POST", "/api/pairing/{contact}", has_body=True),
    Call("DELETE", "/api/pairing/{contact}"),
    Call("GET", "/api/drafts"),
    Call("PATCH", "/api/drafts/{draft}", has_body=True),
    Call("DELETE", "/api/drafts/{draft}"),
    Call("POST", "/api/drafts/{draft}/send", frozenset({"anyway"})),
    Call("GET", "/api/conversations", frozenset({"search", "limit", "before"})),
    Call("GET", "/api/conversations/{contact}", frozenset({"limit", "before"})),
    Call("POST", "/api/conversations/{contact}/messages", has_body=True),
    Call("POST", "/api/pause", has_body=True),
    Call("DELETE", "/api/pause"),
    Call("DELETE", "/api/pause/{contact}"),
    Call("POST", "/api/kill"),
    Call("DELETE", "/api/kill"),
    Call("POST", "/api/channels/{channel}/pause"),
    Call("POST", "/api/channels/{channel}/resume"),
)
"""All that can be asked through here."""


class ApiRelay:
    """Calls of the phone page, on their way to the gateway of this home. Whoever comes here was let in by the door."""

    def __init__(self, socket: Path, *, is_on: bool) -> None:
        """`socket` is where the API of a gateway of this home listens, `is_on` whether one would listen."""
        self._socket = socket
        self._is_on = is_on
        self._http: aiohttp.ClientSession | None = None
        self._streams: set[aiohttp.ClientResponse] = set()
        self._taken = 0

    def routes(self, prefix: str) -> Iterator[web.RouteDef]:
        """A route below `prefix` for each of `CALLS`."""
        for call in CALLS:
            yield web.route(
                call.method, f"{prefix}{call.path}", self._handler(call), **({"allow_head": False} if call.method == "GET" else {})
            )

    def _handler(self, call: Call) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            path = _path(call, request)
            if path is None:
                return _trouble(404, "not_found", "There is nothing and nobody of this name here.")
            if call.path == "/api/events":
                return await self._follow(request, path)
            return await self._ask(call, request, path)

        return handle

    async def close(self) -> None:
        """Every stream ends, and nothing is asked any more. Repeatable."""
        for each in list(self._streams):
            each.close()
        if self._http is not None:
            await self._http.close()

    async def _ask(self, call: Call, request: web.Request, path: str) -> web.StreamResponse:
        body = b""
        if call.has_body and request.body_exists:
            if request.content_type != "application/json":
                return _trouble(415, "not_json", "The body is not JSON.")
            try:
                async with asyncio.timeout(ANSWER_S):
                    body = await request.read()
            except TimeoutError:
                return _trouble(408, "request_too_slow", "The request did not arrive in time.")
        headers = {"Content-Type": "application/json"} if body else {}
        key = request.headers.get("Idempotency-Key", "")
        if _KEY.fullmatch(key):
            headers["Idempotency-Key"] = key
        url = f"{_ORIGIN}{path}{_query(call, request)}"
        try:
            async with self._session().request(
                call.method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                return await _whole(answer)
        except TimeoutError:
            return _trouble(504, "took_too_long", "The answer took too long; what was begun may have been done.")
        except (aiohttp.ClientConnectorError, FileNotFoundError):
            return self._nobody()
        except aiohttp.ClientError:  # it went away while it was asked
            return _trouble(502, "gateway_left", "The gateway went away; what was begun may have been done.")

    async def _follow(self, request: web.Request, path: str) -> web.StreamResponse:
        if self._taken >= MOST_STREAMS:
            return _trouble(503, "too_many_streams", "Too many pages follow what happens.")
        last = request.headers.get("Last-Event-ID", "")
        headers = {"Last-Event-ID": last} if _EVENT.fullmatch(last) else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        self._taken += 1
        try:
            async with self._session().get(f"{_ORIGIN}{path}", headers=headers, timeout=timeout, allow_redirects=False) as answer:
                if answer.status != web.HTTPOk.status_code:
                    return await _whole(answer)
                return await self._pass_on(request, answer)
        except (aiohttp.ClientConnectorError, FileNotFoundError):
            return self._nobody()
        except (TimeoutError, aiohttp.ClientError):  # before anything was answered
            return _trouble(502, "gateway_left", "The gateway went away.")
        finally:
            self._taken -= 1

    async def _pass_on(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """What happens was told until one of both left."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        self._streams.add(answer)
        try:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                while not answer.content.at_eof():
                    piece = await _piece(answer)
                    if request.transport is None or request.transport.is_closing():
                        break
                    if piece:
                        await stream.write(piece)
        finally:
            self._streams.discard(answer)
        return stream

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(self._socket), limit=MOST_STREAMS * 2),
                timeout=aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                trust_env=False,
            )
        return self._http

    def _nobody(self) -> web.Response:
        if not self._is_on:
            return _trouble(
                503, "api_off", "The HTTP API is off, and this page speaks through it.", "secondme config set api.enabled true"
            )
        return _trouble(503, "no_gateway", "No gateway runs, so nobody is answered.", "secondme serve")


def _path(call: Call, request: web.Request) -> str | None:
    """The path to ask for, built anew from names that can be names of what is asked for; None when one cannot."""
    names = dict(request.match_info)
    for kind, name in names.items():
        form = _FORMS.get(kind)
        if not (form.fullmatch(name) if form is not None else _is_whole_id(name)):
            return None
    return call.path.format(**{kind: quote(name, safe="") for kind, name in names.items()})


def _is_whole_id(name: str) -> bool:
    """True for the id of a contact. A code, and the names of other routes beside it, are none: ids say which channel they are of."""
    return is_contact_id(name) and not {":", "@"}.isdisjoint(name)


def _query(call: Call, request: web.Request) -> str:
    given = [(name, value) for name, value in request.query.items() if name in call.query and _QUERY_VALUE.fullmatch(value)]
    return f"?{urlencode(given)}" if given else ""


async def _whole(answer: aiohttp.ClientResponse) -> web.Response:
    """The answer as the API gave it, of its headers the kind alone."""
    body = await answer.content.read(MOST_ANSWER_BYTES + 1)
    while len(body) <= MOST_ANSWER_BYTES and not answer.content.at_eof():
        body += await answer.content.read(MOST_ANSWER_BYTES + 1)
    if len(body) > MOST_ANSWER_BYTES or answer.content_type != "application/json":
        return _trouble(502, "odd_answer", "What answered is not the HTTP API.", "secondme doctor")
    return web.Response(status=answer.status, body=body, content_type="application/json")


async def _piece(answer: aiohttp.ClientResponse) -> bytes:
    """What came next; nothing when it is time to look whether anybody still listens."""
    try:
        async with asyncio.timeout(LOOK_S) as looking:
            return await answer.content.readany()
    except TimeoutError:
        if not looking.expired():  # the gateway's own silence
            raise
        return b""


def _trouble(status: int, code: str, message: str, fix: str = "") -> web.Response:
    """A refusal in the API's own shape."""
    body = json.dumps({"error": {"code": code, "message": message, "fix": fix}})
    return web.Response(status=status, text=body, content_type="application/json")
