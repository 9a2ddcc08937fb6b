"""macOS: a fresh interpreter for each call, under a Seatbelt profile that denies everything but reading Python itself. UNTESTED.

Written after the profiles that other programs use, and never run: no machine of ours has macOS. What is known to be weaker than on
Linux: memory is not limited (`RLIMIT_AS` does not hold there), Python's own files can be read, and a process whose gateway was killed
ends only with its time on the CPU or when it asks.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from secondme.core.errors import UnavailableError
from secondme.skills.sandbox.skill_call import run_call
from secondme.skills.sandbox.zygote_process import ChildEnd

_ROOT = Path(__file__).parents[3]
_PROFILE = """(version 1)
(deny default)
(allow process-exec (literal (param "PYTHON")))
(allow file-read* (subpath (param "PREFIX")) (subpath (param "PACKAGE")) (subpath "/usr/lib") (subpath "/System/Library")
    (subpath "/usr/share/zoneinfo") (literal "/dev/null") (literal "/dev/urandom") (literal "/"))
(allow file-write-data (literal "/dev/null"))
(allow sysctl-read)
(allow signal (target self))
"""
_RUN = "import sys; sys.path.append(sys.argv[1]); from secondme.skills.sandbox.seatbelt import main; main()"


class SeatbeltProcesses:
    """Children as a zygote's, each a process of its own."""

    def __init__(self, python: str, launcher: str = "/usr/bin/sandbox-exec") -> None:
        self._launcher = launcher
        self._python = str(Path(python).resolve())
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0

    def start_child(self, connection: socket.socket, order: dict[str, Any]) -> int:
        """See `ZygoteProcess`. Raises UnavailableError when there is no Seatbelt."""
        prefix, package = str(Path(sys.base_prefix).resolve()), str(_ROOT / "secondme")
        parameters = {"PYTHON": self._python, "PREFIX": prefix, "PACKAGE": package}
        words = [word for name, value in parameters.items() for word in ("-D", f"{name}={value}")]
        descriptor = connection.fileno()
        try:
            process = subprocess.Popen(  # noqa: S603  the arguments are ours
                [
                    *(self._launcher, *words, "-p", _PROFILE, self._python, "-I", "-S", "-c", _RUN),
                    *(str(_ROOT), json.dumps(order), str(descriptor)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                cwd="/",
                env={"LANG": "C.UTF-8"},
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError("no_sandbox", f"{self._launcher} does not start.") from error
        self._started += 1
        self._processes[self._started] = process
        return self._started

    async def end_child(self, number: int) -> ChildEnd | None:
        """See `ZygoteProcess`."""
        process = self._processes.pop(number)
        process.kill()
        return ChildEnd(await asyncio.to_thread(process.wait), cpu_ms=0)


def main() -> None:
    """Be the child: the order and the descriptor of the connection are the last arguments."""
    order = json.loads(sys.argv[-2])
    sys.exit(run_call(socket.socket(fileno=int(sys.argv[-1])), order["code_bytes"], order["zone"], lambda: _limit(order["cpu_s"])))


def _limit(cpu_s: int) -> None:
    for limit, value in ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))
