"""What does launchd read? A property list in the person's own agents: started at login and again after a failure."""

from __future__ import annotations

import plistlib
from typing import TYPE_CHECKING

from secondme.cli.service.unit import MARKER

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.service.program import Program

_UMASK = 0o077
_HEADER = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def label_of(program: Program) -> str:
    """What launchd calls the service."""
    return f"local.{program.name}"


def agent_text(program: Program, log: Path) -> str:
    """The agent that runs `program`; what it says before it can write its own log is in `log`."""
    said = plistlib.dumps(
        {
            "Label": label_of(program),
            "ProgramArguments": list(program.words),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": 20,
            "Umask": _UMASK,
            "StandardOutPath": "/dev/null",
            "StandardErrorPath": str(log),
        },
        sort_keys=False,
    )
    return said.replace(_HEADER, _HEADER + f"<!-- {MARKER} -->\n".encode(), 1).decode()
