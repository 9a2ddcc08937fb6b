"""Channel leases: of all the gateways on one store, one serves a channel. The outbox of a channel is one, so a second gateway would send
through the wrong account, and both would ask the platform for the same news.

A lease is a home's, not a process's: a gateway that was killed is followed at once by the next one of its home.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secondme.core.errors import UnavailableError

if TYPE_CHECKING:
    from secondme.core.admit.control_store import ControlStore
    from secondme.core.ports import Clock

_LEASE_S = 15.0
RENEW_S = 5.0
"""How often a lease is renewed, and how often one that is somebody else's is asked for."""
_GIVE_BACK_S = 1.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity_of(home: Path) -> str:
    """This home on this machine and on no other: not the same path elsewhere, nor in another container."""
    boot = place = ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text("ascii").strip()
    with contextlib.suppress(OSError):
        found = home.stat()
        place = f"{found.st_dev}:{found.st_ino}"
    return f"{socket.gethostname()}:{boot}:{home}:{place}"


class ChannelLeases:
    """The leases of one gateway."""

    def __init__(self, control: ControlStore, home: Path, clock: Clock) -> None:
        self._control = control
        self._home = home
        self._clock = clock
        self._identity = identity_of(home)
        self._since: dict[str, int] = {}

    async def take(self, channel: str, account: str) -> dict[str, Any] | None:
        """None when the channel is ours for the next 15 s; else what is known of who has it: host, pid, home, account, since (Unix ms),
        leftMs.

        Repeatable, and to be repeated every five seconds. Raises UnavailableError while the store does not answer.
        """
        since = self._since.setdefault(channel, self._clock.now_ms())
        known = {"host": socket.gethostname(), "pid": os.getpid(), "home": str(self._home), "account": account, "since": since}
        other = await self._control.take_lease(channel, self._identity, known, _LEASE_S)
        if other is not None:
            self._since.pop(channel, None)
        return other

    async def give_back(self, channel: str) -> None:
        """Whoever waits for the channel has it at their next look, if the store answers. Repeatable."""
        if self._since.pop(channel, None) is not None:
            with contextlib.suppress(UnavailableError, TimeoutError):
                async with asyncio.timeout(_GIVE_BACK_S):
                    await self._control.take_lease(channel, self._identity, {}, 0)
