"""`secondme tui`: the owner's screen, in this terminal or in a browser behind a link that works once, where there is a page for phones too."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult

if TYPE_CHECKING:
    from secondme.core.config.loader import Setup

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
"""A screen that ends by these closes the store in order, too."""
_NEVER = 1_000_000
"""Collections of the middle generation before one of everything."""


@command("secondme.tui/1", has_json=False)
async def tui(
    invocation: Invocation,
    web: Annotated[
        bool, typer.Option("--web", help="Show it in a browser, and a page for phones, behind links that work once.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --web: the port; 0 takes a free one.")] = 0,
    at: Annotated[
        str, typer.Option("--at", metavar="URL", help="With --web: the address that your tunnel to this machine has, for a phone.")
    ] = "",
) -> CommandResult:
    """See everything live on one screen, and decide there. Let people in, send drafts, pause, stop."""
    from secondme.services import set_up_log

    setup = invocation.setup()
    if at and not web:
        raise typer.BadParameter("--at is the address of --web.")
    if not web:
        await _show_here(setup)
        return CommandResult({}, lambda _: None)
    from secondme.cli.tui.web import serve

    set_up_log(setup)  # what is wrong with the settings is said here and not in the browser
    await serve(invocation, setup, port, at)
    return CommandResult({}, lambda _: None)


def _collect_when_idle() -> None:
    """Garbage that needs a look at everything is left for the screen to collect while nobody presses a key: it takes up to 80 ms, and a key
    would wait for it. What was imported lives as long as we do, and is not looked at."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)


async def _show_here(setup: Setup) -> None:
    """The screen ran in this terminal until the owner left. Raises ConfigError without a terminal."""
    from secondme.core.errors import ConfigError
    from secondme.services import set_up_log

    if not (sys.stdin.isatty() and sys.stdout.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        raise ConfigError("no_terminal", "This needs a terminal.", "For scripts: secondme pairing list --json")
    from secondme.cli.tui.app import SecondmeApp
    from secondme.core.clock import SystemClock

    set_up_log(setup)
    app = SecondmeApp(setup, SystemClock())
    _collect_when_idle()
    loop = asyncio.get_running_loop()
    for number in _ENDINGS:
        loop.add_signal_handler(number, app.exit)
    await app.run_async()
    if app.failure is not None:
        raise app.failure
