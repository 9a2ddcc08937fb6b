"""Readiness, liveness and stopping, told to a supervisor in one line each over its socket, as systemd does (sd_notify(3)).

The sign of life comes from the loop that does the work: when that hangs, nothing else says that all is well, and we are started anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

_PART = 3
"""Of the time that the supervisor waits: two signs may be late."""
_STATUS_S = 10.0
"""How often the status is looked at when nobody wants a sign of life."""


class Readiness:
    """The supervisor that started us, if there is one. None of it can fail the gateway."""

    def __init__(self, address: str, watchdog_s: float | None, environ: Mapping[str, str] | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._period_s = _STATUS_S if watchdog_s is None else watchdog_s / _PART
        self._wants_signs = watchdog_s is not None
        self._status = ""
        self.environ = dict(environ or {})
        """The variables that were taken: for this very process, when it starts anew."""

    @classmethod
    def take_from(cls, environ: MutableMapping[str, str]) -> Readiness:
        """What the supervisor said, which no program that we start gets to see: it is for this process."""
        taken = {name: environ.pop(name) for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") if name in environ}
        address, usec, pid = (taken.get(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
        is_for_us = usec.isdigit() and int(usec) > 0 and pid in {"", str(os.getpid())}
        return cls(address, int(usec) / 1_000_000 if is_for_us else None, taken)

    async def report(
        self,
        ready: asyncio.Event,
        stop: asyncio.Event,
        states: Callable[[], Mapping[str, str]],
        is_restarting: Callable[[], bool] = lambda: False,
    ) -> None:
        """The supervisor knows when `ready` and `stop` come, that the loop lives meanwhile, and how the channels (`states`) stand. A process that
        starts anew is the same one to it, which reads its settings."""
        if not self._address:
            return
        was_ready = False
        while not stop.is_set():
            words = ["WATCHDOG=1"] if self._wants_signs else []
            if ready.is_set():
                words += [] if was_ready else ["READY=1"]
                was_ready = True
                words += self._news(states())
            self._tell(words)
            await _first_of(self._period_s, stop, *(() if was_ready else (ready,)))
        if is_restarting():
            now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._tell(["RELOADING=1", f"MONOTONIC_USEC={now_us}", "STATUS=Starting anew."])
        else:
            self._tell(["STOPPING=1", "STATUS=Stopping. What waits is kept."])

    def _news(self, states: Mapping[str, str]) -> list[str]:
        """The status, when it is not the one that was told last."""
        said = ", ".join(f"{name} {state.replace('_', ' ')}" for name, state in sorted(states.items()) if state != "off")
        status = f"STATUS=Running. {said}".rstrip()
        if status == self._status:
            return []
        self._status = status
        return [status]

    def _tell(self, words: list[str]) -> None:
        if words:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)  # noqa: FBT003  the library's own form
                line.sendto("\n".join(words).encode(), self._address)


async def _first_of(timeout_s: float, *events: asyncio.Event) -> None:
    """One of `events` is set, or the time is over."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
