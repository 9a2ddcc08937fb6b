"""How does `secondme status --watch` stay fresh? It looks again with each event and each second, and draws in place."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any

from secondme.cli.output import CommandResult, Screen, emit_event
from secondme.cli.standing import Line, draw, lines
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.errors import UnavailableError
from secondme.core.store import keys
from secondme.core.store.events import listen
from secondme.core.store.server import Role
from secondme.services import open_services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from secondme.core.config.loader import Setup

_AGAIN_S = 1.0
_CALM_S = 0.25
"""Events that come together cause one look; the last of them is seen within a second."""
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""A page of its own without a cursor, and back to what was there before."""


async def watch_standing(setup: Setup, home: Path | None, *, as_json: bool) -> CommandResult:
    """How things stand was shown, and shown anew with each change, until Ctrl-C; `home` is the one that was typed. Never owns a server: it would stand in the gateway's
    way."""
    stop = asyncio.Event()
    with _until_signal(stop), contextlib.nullcontext() if as_json else _page():
        show = _Lines() if as_json else functools.partial(_draw, home)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(_look(setup, show))
            await stop.wait()
            looking.cancel()
    return CommandResult({}, lambda _: None)


async def _look(setup: Setup, show: Callable[[dict[str, Any], datetime], None]) -> None:
    clock = SystemClock()
    while True:
        try:
            async with open_services(setup, Role.ATTACH) as services:
                shown = -_CALM_S
                async for heard in listen(services.store, *keys.EVENTS):
                    if heard is None or clock.monotonic() - shown >= _CALM_S:
                        show((await services.status()).to_dict(), clock.now())
                        shown = clock.monotonic()
        except UnavailableError as error:
            show({"problem": error.code, "message": error.message, "embedded": setup.settings.redis_url is None}, clock.now())
            await clock.sleep(_AGAIN_S)


class _Lines:
    """One JSON object a line: at first, and when it changed."""

    _last: dict[str, Any] | None = None

    def __call__(self, data: dict[str, Any], now: datetime) -> None:
        """How things stand, or the `problem` that keeps us from knowing."""
        found = {"known": "problem" not in data, **data}
        if found != self._last:
            self._last = found
            emit_event({**found, "at": rfc3339(now)})


def _draw(home: Path | None, data: dict[str, Any], now: datetime) -> None:
    height = shutil.get_terminal_size().lines
    text = io.StringIO()
    screen = Screen(text, home=home)
    screen.is_terminal, screen.is_styled = True, Screen().is_styled
    found = _unknown(data) if "problem" in data else list(lines(data, now))
    draw(screen, [Line("secondme", f"{now.astimezone():%H:%M:%S}   Ctrl-C ends", "dim"), *found], most=max(1, height - 1))
    rows = text.getvalue().splitlines()
    sys.stdout.write("\x1b[H" + "".join(f"{row}\x1b[K\r\n" for row in rows) + "\x1b[J")  # over the old rows: nothing flickers
    sys.stdout.flush()


def _unknown(problem: dict[str, Any]) -> list[Line]:
    """Without a store nothing is known; a private one runs when the gateway does."""
    if problem["embedded"]:
        return [Line("gateway", "not running. Start it: secondme serve", "warn")]
    return [Line("store", problem["message"], "bad")]


@contextlib.contextmanager
def _page() -> Iterator[None]:
    sys.stdout.write(_ENTER)
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


@contextlib.contextmanager
def _until_signal(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
