"""How do things stand? One answer for `status`, the HTTP API and the TUI: processes, channels, who waits, what waits and why."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.core.store.control import Backlog, ControlStore, EverybodyPaused
    from secondme.core.store.pairing import PairingStore, Stats


@dataclass(frozen=True, slots=True)
class Process:
    """A gateway or worker that gave a sign of life within 15 s and is not known to be gone."""

    part: str
    pid: int
    version: str
    started_ms: int
    channels: Mapping[str, str]
    """Channel -> running, restarting, stopping."""

    @property
    def is_gateway(self) -> bool:
        """True when it runs the channels."""
        return self.part in {"all", "gateway"}


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of everything at one moment."""

    processes: list[Process]
    pairing: Stats
    everybody: EverybodyPaused | None
    backlog: Backlog
    store_kind: str
    """`embedded` or `redis_url`."""

    @property
    def runs(self) -> bool:
        """True when a gateway runs."""
        return any(process.is_gateway for process in self.processes)

    @property
    def channels(self) -> dict[str, str]:
        """Channel -> its state in the gateway that runs it."""
        return {name: state for process in self.processes if process.is_gateway for name, state in process.channels.items()}

    def to_dict(self) -> dict[str, Any]:  # JSON has no closer type
        """As JSON values, times in RFC 3339 UTC: the data of `secondme.status/1`."""
        everybody, backlog = self.everybody, self.backlog
        paused = None
        if everybody is not None:
            paused = {
                "since": rfc3339(from_ms(everybody.since_ms)),
                "until": rfc3339(from_ms(everybody.until_ms)) if everybody.until_ms else None,
                "killed": everybody.killed,
            }
        return {
            "processes": [
                {
                    "part": process.part,
                    "pid": process.pid,
                    "version": process.version,
                    "startedAt": rfc3339(from_ms(process.started_ms)),
                    "channels": dict(process.channels),
                }
                for process in self.processes
            ],
            "store": {"kind": self.store_kind},
            "pairing": {"pending": self.pairing.pending, "approved": self.pairing.approved, "denied": self.pairing.denied},
            "paused": paused,
            "queue": {
                "contacts": backlog.contacts,
                "messages": backlog.queued,
                "waiting": backlog.waiting,
                "oldest": rfc3339(from_ms(backlog.oldest_ms)) if backlog.oldest_ms else None,
                "unsent": backlog.unsent,
                "held": backlog.held,
                "dead": backlog.dead,
            },
        }


async def overview(control: ControlStore, pairing: PairingStore, channels: tuple[str, ...], *, embedded: bool) -> Overview:
    """How things stand now. A handful of round trips, bounded work. Raises UnavailableError when the store does not answer."""
    signs = [sign for sign in await control.alive() if not _was_killed(sign)]
    return Overview(
        processes=[_process(sign) for sign in signs],
        pairing=await pairing.stats(),
        everybody=await control.everybody(),
        backlog=await control.backlog(channels),
        store_kind="embedded" if embedded else "redis_url",
    )


def _process(sign: dict[str, Any]) -> Process:  # written by a process of any version
    channels = sign.get("channels")
    return Process(
        part=str(sign.get("part", "")),
        pid=int(sign.get("pid") or 0),
        version=str(sign.get("version", "")),
        started_ms=int(sign.get("startedAt") or 0),
        channels={str(name): str(state) for name, state in channels.items()} if isinstance(channels, dict) else {},
    )


def _was_killed(sign: dict[str, Any]) -> bool:
    """True when the process of a recent sign of life was on this machine and is gone: it had no time to say farewell."""
    if sign.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(sign.get("pid", 0)), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
