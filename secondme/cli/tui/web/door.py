"""Access to the screen and the phone page in browsers: whoever followed a link first, from our own pages, and nobody else."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import textual_serve
from aiohttp import WSCloseCode, web

from secondme.cli.tui.web.origins import WebOrigin, own_site
from secondme.cli.tui.web.process import show
from secondme.cli.tui.web.relay import MOST_BYTES
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.typedefs import Handler

    from secondme.cli.tui.web.relay import ApiRelay

log = get_logger(__name__)

MOST_SCREENS = 4
"""Each is a process."""
_PHONE_S = 7 * 86_400
"""How long a phone keeps its cookie: its system ends browsers as it likes. What it opens ends with this process all the same."""
_PAGE = Path(__file__).parent / "page"
_PHONE = Path(__file__).parent / "phone"
_STATIC = Path(textual_serve.__file__).parent / "static"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SCREEN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self' {websocket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PHONE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Of the phone page and of what it asks for: nothing inline, and no text that could become markup."""
_HEADERS = {
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

    def __init__(
        self, command: str, port: int, relay: ApiRelay, *, named: WebOrigin | None = None, takeover_minutes: float = 60
    ) -> None:
        """`command` starts a screen; `named` is where a tunnel of the owner's brings browsers from, beside this machine's own address;
        `takeover_minutes` is how long the clone is silent where the owner writes."""
        self._command = command
        self._relay = relay
        self._takeover_minutes = takeover_minutes
        own = own_site(port)
        self._sites = {site.host: site for site in (own, named) if site is not None}
        self._cookie = f"secondme_{port}"
        self._session = secrets.token_urlsafe(32)
        self._path = f"/{secrets.token_urlsafe(32)}"
        self._screen_once, self._phone_once = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._ways = {self._screen_once: f"{self._path}/", self._phone_once: f"{self._path}/phone/"}
        """What each link that was not used yet opens."""
        self.link = f"{own.origin}/open/{self._screen_once}"
        """Where a browser gets to the screen, once."""
        self.phone_link = f"{(named or own).origin}/open/{self._phone_once}"
        """Where another one gets to the phone page, once."""
        self._screens = 0
        self._sockets: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """The guarded application."""
        application = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        application.add_routes(
            [
                web.get("/open/{token}", self._open, name="open", allow_head=False),  # only who gets the cookie uses the link up
                web.get(f"{self._path}/", self._page),
                web.get(f"{self._path}/screen.js", self._script),
                web.get(f"{self._path}/ws", self._screen, allow_head=False),
                web.static(f"{self._path}/static", _STATIC),
                web.get(f"{self._path}/phone/", self._phone),
                *(web.get(f"{self._path}/phone/{file.name}", self._phone) for file in _phone_files()),
                *self._relay.routes(self._path),
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
        """It names one of our addresses as its Host, once, and no page of another as its Origin. A program may send none; a WebSocket of a
        browser always has it, and so has whatever changes something."""
        site, origins = self._site(request), request.headers.getall("Origin", [])
        may_lack = request.method in {"GET", "HEAD"}
        return site is not None and (origins == [site.origin] or (not origins and may_lack))

    def _site(self, request: web.Request) -> WebOrigin | None:
        """By which of our addresses it came."""
        hosts = request.headers.getall("Host", [])
        return self._sites.get(hosts[0]) if len(hosts) == 1 else None

    def _has_session(self, request: web.Request) -> bool:
        """It carries the session's cookie, once."""
        pairs = (pair.strip().partition("=") for line in request.headers.getall("Cookie", []) for pair in line.split(";"))
        given = [value for name, _, value in pairs if name == self._cookie]
        return len(given) == 1 and _is_same(given[0], self._session)

    async def _seal(self, request: web.Request, response: web.StreamResponse) -> None:
        site = self._site(request)
        is_phone = request.path.startswith((f"{self._path}/phone/", f"{self._path}/api/"))
        policy = _PHONE_POLICY if is_phone else _SCREEN_POLICY.format(websocket=site.websocket if site else "")
        for name, value in {**_HEADERS, "Content-Security-Policy": policy}.items():
            response.headers[name] = value
        response.headers.pop("Server", None)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        given = request.match_info["token"]
        token = next((each for each in self._ways if _is_same(given, each)), None)
        site = self._site(request)
        if token is None or site is None:
            return _refusal(403, "This link was used before or is not right. Start `secondme tui --web` again for a new one.")
        where = self._ways.pop(token)
        response = web.Response(status=303, headers={"Location": where})
        response.set_cookie(
            self._cookie,
            self._session,
            httponly=True,
            samesite="Strict",
            path=f"{self._path}/",
            secure=True if site.is_secure else None,
            max_age=_PHONE_S if token == self._phone_once else None,
        )
        return response

    async def _page(self, request: web.Request) -> web.StreamResponse:
        site = self._site(request)
        page = Template((_PAGE / "index.html").read_text("utf-8"))
        address = f"{site.websocket if site else ''}{self._path}/ws"
        return web.Response(text=page.substitute(websocket=address), content_type="text/html")

    async def _phone(self, request: web.Request) -> web.StreamResponse:
        file = _PHONE / (request.path.rpartition("/")[2] or "index.html")  # one of those that there are routes for
        text = file.read_text("utf-8")
        if file.suffix == ".html":
            text = Template(text).substitute(takeover_minutes=f"{self._takeover_minutes:g}")
        return web.Response(text=text, content_type=_KINDS[file.suffix])

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
        """Every browser is told, which ends its screen, and nothing is asked of the gateway any more."""
        del application
        await self._relay.close()
        async with asyncio.TaskGroup() as group:
            for each in list(self._sockets):
                group.create_task(each.close(code=WSCloseCode.GOING_AWAY))


def _phone_files() -> Sequence[Path]:
    return [file for file in _PHONE.iterdir() if file.suffix in _KINDS and file.name != "index.html"]


def _is_same(given: str, secret: str) -> bool:
    """In constant time, whatever bytes a stranger sent."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _refusal(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
