"""Access to the screen in the browser: whoever followed the link first, from our own page, and nobody else."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import textual_serve
from aiohttp import WSCloseCode, web

from secondme.cli.tui.web.process import show
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

log = get_logger(__name__)

HOST = "127.0.0.1"
MOST_SCREENS = 4
"""Each is a process."""
_HTTP_PORT = 80
_PAGE = Path(__file__).parent / "page"
_STATIC = Path(textual_serve.__file__).parent / "static"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self' ws://{own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AccessLink:
    """One owner's browser session.

    A browser sends a cookie to every port of this machine, so another user's web server on it could see ours. Hence the screen's path is a
    secret too: a browser sends a cookie only to paths below the cookie's own.
    """

    def __init__(self, command: str, port: int) -> None:
        self._command = command
        self._own = HOST if port == _HTTP_PORT else f"{HOST}:{port}"  # as a browser writes it
        self._origin = f"http://{self._own}"
        self._cookie = f"secondme_{port}"
        self._once: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._path = f"/{secrets.token_urlsafe(32)}"
        self._screens = 0
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def link(self) -> str:
        """Where the owner's browser gets in, once."""
        return f"{self._origin}/open/{self._once}"

    def application(self) -> web.Application:
        """The guarded application."""
        application = web.Application(middlewares=[self._guard])
        application.add_routes(
            [
                web.get("/open/{token}", self._open, name="open", allow_head=False),  # only who gets the cookie uses the link up
                web.get(f"{self._path}/", self._page),
                web.get(f"{self._path}/screen.js", self._script),
                web.get(f"{self._path}/ws", self._screen, allow_head=False),
                web.static(f"{self._path}/static", _STATIC),
            ]
        )
        application.on_response_prepare.append(self._seal)
        application.on_shutdown.append(self._close)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nothing but our own page, in the browser that has the session, gets further."""
        if not self._is_from_us(request):
            return _refusal(403, "Not from here.")
        if request.match_info.route.name != "open" and not self._has_session(request):
            return _refusal(403, "Open the link that `secondme tui --web` printed.")
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return _refusal(answer.status, answer.reason)
        except Exception as error:  # noqa: BLE001  the top of a task
            log.error("web_request_failed", error)
            return _refusal(500, "This is a bug.")

    def _is_from_us(self, request: web.Request) -> bool:
        """It names us as its Host, once, and no other page as its Origin. A program may send none; a WebSocket of a browser always has it."""
        origins = request.headers.getall("Origin", [])
        return request.headers.getall("Host", []) == [self._own] and origins in ([], [self._origin])

    def _has_session(self, request: web.Request) -> bool:
        """It carries the session's cookie, once."""
        pairs = (pair.strip().partition("=") for line in request.headers.getall("Cookie", []) for pair in line.split(";"))
        given = [value for name, _, value in pairs if name == self._cookie]
        return len(given) == 1 and _is_same(given[0], self._session)

    async def _seal(self, request: web.Request, response: web.StreamResponse) -> None:
        del request
        for name, value in _HEADERS.items():
            response.headers[name] = value.format(own=self._own)
        response.headers.pop("Server", None)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        if self._once is None or not _is_same(request.match_info["token"], self._once):
            return _refusal(403, "This link was used before or is not right. Start `secondme tui --web` again for a new one.")
        self._once = None
        response = web.Response(status=303, headers={"Location": f"{self._path}/"})
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="Strict", path=f"{self._path}/")
        return response

    async def _page(self, request: web.Request) -> web.StreamResponse:
        del request
        page = Template((_PAGE / "index.html").read_text("utf-8"))
        return web.Response(text=page.substitute(websocket=f"ws://{self._own}{self._path}/ws"), content_type="text/html")

    async def _script(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(text=(_PAGE / "screen.js").read_text("utf-8"), content_type="text/javascript")

    async def _screen(self, request: web.Request) -> web.StreamResponse:
        if "Origin" not in request.headers:
            return _refusal(403, "Not from here.")
        if self._screens >= MOST_SCREENS:
            return _refusal(429, "Too many screens are open.")
        self._screens += 1
        try:
            return await show(request, self._command, self._sockets)
        finally:
            self._screens -= 1

    async def _close(self, application: web.Application) -> None:
        """Every browser is told, which ends its screen."""
        del application
        async with asyncio.TaskGroup() as group:
            for each in list(self._sockets):
                group.create_task(each.close(code=WSCloseCode.GOING_AWAY))


def _is_same(given: str, secret: str) -> bool:
    """In constant time, whatever bytes a stranger sent."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _refusal(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
