"""The screen in a browser on this machine. Nobody else on it, and no page in that browser, gets in.

textual-serve's own server has no authentication, so only its process and its page's script are used here, behind a door: loopback only; a
link that works once is exchanged for a cookie of the session; every request must carry it, name us as its Host, and come from our own page
(DNS rebinding and cross-site WebSockets, CVE-2026-25253's kind).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import signal
import socket
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from secondme.cli.output import Screen
from secondme.cli.tui.web.door import HOST, AccessLink
from secondme.cli.tui.web.process import END_S
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.cli.command import Invocation


async def serve(invocation: Invocation, port: int) -> None:
    """Browsers of this machine saw the screen until SIGINT or SIGTERM, and every screen has ended. Raises ConfigError when the port is
    taken."""
    _silence()
    stop = asyncio.Event()
    with _listening(port) as listening, contextlib.redirect_stdout(sys.stderr):  # a screen that does not start says why: no result
        door = AccessLink(_command(invocation), listening.getsockname()[1])
        runner = web.AppRunner(door.application(), access_log=None, handle_signals=False, shutdown_timeout=END_S + 1)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            with _stop_on_signals(stop):
                screen = Screen(sys.stderr)
                screen.line("Open this link; it works once:")
                screen.line(f"  {door.link}", "accent")
                screen.line("Ctrl-C stops it.", "dim")
                await stop.wait()
        finally:
            await runner.cleanup()


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
