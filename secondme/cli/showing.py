"""How does the owner's screen start and end? In this terminal, or in a browser behind a link that works once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from secondme.cli.compose import write_log
from secondme.cli.output import CommandResult
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from secondme.cli.command import Invocation
    from secondme.core.config.loader import Setup

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
"""A screen that ends by these closes the store in order, too."""


async def show_here(setup: Setup) -> CommandResult:
    """The screen ran in this terminal until the owner left. Raises ConfigError without a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        raise ConfigError("no_terminal", "This needs a terminal.", "For scripts: secondme pairing list --json")
    from secondme.cli.tui.app import SecondmeApp
    from secondme.core.clock import SystemClock

    write_log(setup)
    app = SecondmeApp(setup, SystemClock())
    loop = asyncio.get_running_loop()
    for number in _ENDINGS:
        loop.add_signal_handler(number, app.exit)
    await app.run_async()
    if app.failure is not None:
        raise app.failure
    return CommandResult({}, lambda _: None, schema="secondme.tui/1")


async def show_in_browser(invocation: Invocation, port: int) -> CommandResult:
    """The screen was served to this machine's browsers until interrupted."""
    from secondme.cli.tui.web import serve

    write_log(invocation.setup())  # what is wrong with the settings is said here and not in the browser
    await serve(invocation, port)
    return CommandResult({}, lambda _: None, schema="secondme.tui/1")
