"""The screen in a browser on this machine. Nobody else on it, and no page in that browser, gets in.

textual-serve has no authentication of its own. So: loopback only; a link that works once is exchanged for a cookie of the session; every
request must carry it, name us as its Host, and come from our own page (DNS rebinding and cross-site WebSockets, CVE-2026-25253's kind).
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

from secondme.cli.output import Screen
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.cli.run import Invocation

_HOST = "127.0.0.1"
_COOKIE = "secondme_session"
_MOST_SCREENS = 4
"""Each is a process."""
_CLOSE_S = 2.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def serve(invocation: Invocation, port: int) -> None:
    """Browsers of this machine see the screen, until cancelled. Raises ConfigError when the port is taken."""
    with socket.socket(socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
        except OSError as error:
            raise ConfigError("port_taken", f"Port {port} cannot be used: {error.strerror}.", "Choose another --port.") from error
        guarded = GuardedServer(_command(invocation), listening.getsockname()[1])
        runner = web.AppRunner(await guarded.application(), access_log=None, handle_signals=False, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            screen = Screen(sys.stderr)
            screen.line("Open this link; it works once:")
            screen.line(f"  {guarded.link}", "accent")
            screen.line("Ctrl-C stops it.", "dim")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


class GuardedServer(Server):
    """textual-serve behind a door."""

    def __init__(self, command: str, port: int) -> None:
        super().__init__(command, host=_HOST, port=port, title="secondme")
        self.templates_path = self._here() / "templates"
        self._own = f"{_HOST}:{port}"
        self._once: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._screens = 0

    @staticmethod
    def _here() -> Path:
        return Path(__file__).parent

    @property
    def link(self) -> str:
        """Where the owner's browser gets in, once."""
        return f"{self.public_url}/open/{self._once}"

    async def application(self) -> web.Application:
        """The guarded application."""
        application = await self._make_app()
        application.on_startup.clear()  # its banner is not ours
        application.router.add_get("/open/{token}", self._open)
        application.middlewares.append(self._guard)
        return application

    async def _open(self, request: web.Request) -> web.StreamResponse:
        given = request.match_info["token"]
        if self._once is None or not hmac.compare_digest(given.encode(), self._once.encode()):
            return _refusal(403, "This link was used before or is not right. Start `secondme tui --web` again for a new one.")
        self._once = None
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(_COOKIE, self._session, httponly=True, samesite="Strict", path="/")
        return response

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Nothing but our own page, in the browser that has the session, reaches textual-serve."""
        if request.headers.getall("Host", []) != [self._own] or not set(request.headers.getall("Origin", [])) <= {self.public_url}:
            return _refusal(403, "Not from here.")
        if not request.path.startswith("/open/"):
            cookie = request.cookies.get(_COOKIE, "")
            if not hmac.compare_digest(cookie.encode(), self._session.encode()):
                return _refusal(403, "Open the link that `secondme tui --web` printed.")
        if request.path == "/ws":
            return await self._screen(request, handler)
        response = await handler(request)
        response.headers["Content-Security-Policy"] = _POLICY.format(host=self._own)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def _screen(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """A WebSocket has an Origin, always: a program that sends none has no business here."""
        if "Origin" not in request.headers:
            return _refusal(403, "Not from here.")
        if self._screens >= _MOST_SCREENS:
            return _refusal(429, "Too many screens are open.")
        self._screens += 1
        try:
            return await handler(request)
        finally:
            self._screens -= 1


def _refusal(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={"Cache-Control": "no-store"})


def _command(invocation: Invocation) -> str:
    """The same screen, as a command of its own; textual-serve gives it to a shell."""
    words = [sys.executable, "-m", "secondme"]
    if invocation.home is not None:
        words += ["--home", str(invocation.home)]
    for setting in invocation.settings:
        words += ["--set", setting]
    return shlex.join([*words, "tui"])
