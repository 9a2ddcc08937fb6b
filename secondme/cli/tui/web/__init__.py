"""The screen in a browser on this machine, and the phone page. Nobody else on it, and no page in that browser, gets in.

textual-serve's own server has no authentication, so only its process and its page's script are used here, behind a door: loopback only;
links that work once are exchanged for a cookie of the session; every request must carry it, name us as its Host, and come from our own page
(DNS rebinding and cross-site WebSockets, CVE-2026-25253's kind). A phone comes through a tunnel of the owner's own, whose address they name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import shutil
import signal
import socket
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from secondme.cli.output import Screen
from secondme.cli.qr import dark_on_white, draw_qr
from secondme.cli.tui.web.door import AccessLink
from secondme.cli.tui.web.origins import HOST, named_site
from secondme.cli.tui.web.process import END_S
from secondme.cli.tui.web.relay import ApiRelay
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.cli.command import Invocation
    from secondme.core.config.loader import Setup


async def serve(invocation: Invocation, setup: Setup, port: int, at: str = "") -> None:
    """Browsers saw the screen and the phone page until SIGINT or SIGTERM, and every screen has ended. `at` is the address of the owner's
    tunnel. Raises ConfigError when it is none, or the port is taken."""
    named = named_site(at) if at else None
    _silence()
    stop = asyncio.Event()
    with _listening(port) as listening, contextlib.redirect_stdout(sys.stderr):  # a screen that does not start says why: no result
        relay = ApiRelay(setup.places.api_socket, is_on=setup.settings.api.enabled)
        minutes = setup.settings.takeover.pause_minutes
        door = AccessLink(_command(invocation), listening.getsockname()[1], relay, named=named, takeover_minutes=minutes)
        runner = web.AppRunner(door.application(), access_log=None, handle_signals=False, shutdown_timeout=END_S + 1)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            with _stop_on_signals(stop):
                _say(Screen(sys.stderr), door, has_tunnel=named is not None)
                await stop.wait()
        finally:
            await runner.cleanup()


def _say(screen: Screen, door: AccessLink, *, has_tunnel: bool) -> None:
    screen.line("Open one of these links; each works once:")
    screen.line(f"  the screen  {door.link}", "accent")
    screen.line(f"  on a phone  {door.phone_link}", "accent")
    if has_tunnel and screen.is_terminal:
        columns, lines = shutil.get_terminal_size()
        code = draw_qr(door.phone_link, columns - 1, lines, has_blocks=screen.shows_marks)
        screen.stream.writelines(f"{line}\n" for line in dark_on_white(code))
    screen.line("Ctrl-C stops it.", "dim")


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen()  # of two that bound the same free port, the second learns it here
        except OSError as error:
            raise ConfigError("port_taken", f"Port {port} cannot be used: {error.strerror}.", "Choose another --port.") from error
        yield listening


@contextlib.contextmanager
def _stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM sets `stop`; the second does what it does by default."""
    loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _silence() -> None:
    """The libraries' loggers say nothing: they quote requests, which anybody on this machine can send."""
    for name in ("aiohttp", "textual-serve"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _command(invocation: Invocation) -> str:
    """The same screen, as a command of its own; textual-serve gives it to a shell, which becomes it. `-P`: a module that lies in the current
    directory is not ours."""
    words = [sys.executable, "-P", "-m", "secondme"]
    if invocation.home is not None:
        words += ["--home", str(invocation.home)]
    for setting in invocation.settings:
        words += ["--set", setting]
    return f"exec {shlex.join([*words, 'tui'])}"
