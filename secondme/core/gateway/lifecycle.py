"""The lifecycle of one process: what it says of itself, its settings read anew while it runs, and its end so that it starts anew."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Literal

from secondme import __version__
from secondme.core.config.reload import Reloaded, take_over
from secondme.core.errors import BusyError, DataError, SecondmeError
from secondme.core.files import write_private
from secondme.core.gateway.control_socket import told
from secondme.core.ids import new_id
from secondme.core.log import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from secondme.core.config.loader import Setup
    from secondme.core.config.paths import Places

log = get_logger(__name__)


class Lifecycle:
    """What a process that serves can be asked to do with itself."""

    def __init__(
        self,
        setup: Setup,
        part: str,
        stop: asyncio.Event,
        ready: asyncio.Event,
        *,
        check: Callable[[Setup], Awaitable[None]],
        taken: Callable[[Reloaded], Awaitable[None]],
        may_restart: bool = True,
    ) -> None:
        """`check` raises what would keep a process from serving with these settings; `taken` hears of what was taken over. Without
        `may_restart` nothing is left of this home when the process ends."""
        self._setup = setup
        self._part = part
        self._stop = stop
        self._ready = ready
        self._check = check
        self._taken = taken
        self._may_restart = may_restart
        self._run = new_id()
        self.is_restarting = False

    async def answer(self, what: str) -> dict[str, Any]:
        """What is answered on the control socket. Raises as what was asked, DataError for anything else."""
        match what:
            case "about":
                return self.about()
            case "check":
                await self.check()
                return self.about()
            case "reload":
                found = await self.reload()
                return {"taken": list(found.taken), "waiting": list(found.waiting)}
            case "restart":
                return {"outcome": await self.restart()}
            case _:
                raise DataError("unknown_question", "This process does not know that question.", "secondme restart")

    def about(self) -> dict[str, Any]:
        """Who this is. `run` is another after each start."""
        return {
            "pid": os.getpid(),
            "part": self._part,
            "run": self._run,
            "ready": self._ready.is_set() and not self._stop.is_set(),
            "version": __version__,
        }

    async def check(self) -> None:
        """It could start anew with the settings as they are now. Raises ConfigError, UnavailableError or BusyError with what is in the way."""
        if not self._may_restart:
            raise BusyError(
                "demo_ends",
                "The demo keeps nothing, so there is nothing to start anew.",
                "Stop it with Ctrl-C, and: secondme serve --demo",
            )
        await self._check(self._setup.again())

    async def reload(self) -> Reloaded:
        """The settings are as the files say now, as far as a process that runs can take them over. Raises ConfigError; then nothing changes."""
        found = take_over(self._setup.settings, self._setup.again().settings)
        log.info("settings_reloaded", taken=len(found.taken), waiting=len(found.waiting))
        await self._taken(found)
        return found

    async def restart(self) -> Literal["restarting", "already_restarting"]:
        """It ends in order and starts anew. Raises as `check`; then it goes on as before. Repeatable."""
        if self.is_restarting:
            return "already_restarting"
        if self._stop.is_set():
            raise BusyError("stopping", "It is being stopped.", "When it has ended: secondme serve")
        await self.check()
        if self._stop.is_set():
            return await self.restart()
        self.is_restarting = True
        write_private(self._setup.places.restart_note(os.getpid()), json.dumps({"part": self._part}))
        log.info("restarting")
        self._stop.set()
        return "restarting"

    def end_instead(self) -> bool:
        """It ends, and does not start anew; false when it was not about to."""
        if not self.is_restarting:
            return False
        self.is_restarting = False
        self._setup.places.restart_note(os.getpid()).unlink(missing_ok=True)
        return True


def note_failure(places: Places, error: SecondmeError) -> None:
    """Whoever waits for this process to start anew knows what came in its way. Nothing happens when nobody does."""
    note = places.restart_note(os.getpid())
    with contextlib.suppress(SecondmeError, OSError):
        if note.exists():
            write_private(note, json.dumps(told(error)))


def clear_notes(places: Places, is_alive: Callable[[int], bool]) -> None:
    """Notes of this process, which is ready, and of processes that are gone are no more."""
    for note in places.restart_notes():
        with contextlib.suppress(OSError, ValueError):
            pid = pid_of(note)
            if pid == os.getpid() or not is_alive(pid):
                note.unlink(missing_ok=True)


def pid_of(note: Path) -> int:
    """Whose note it is. Raises ValueError for a file of another name."""
    return int(note.stem.removeprefix("restarting-"))
