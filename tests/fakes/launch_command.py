"""Runs one real command in which a named step ends the process, or which says how much memory it took. Run as a script.

python launch_command.py STEP:COUNT|- WORD...    the last line on stderr is the peak of the resident memory in KB
"""

import os
import resource
import signal
import sys
from pathlib import Path

from secondme.core import fault_points


def main() -> None:
    wanted, *words = sys.argv[1:]
    step, _, count = wanted.partition(":")
    left = int(count or 0)

    def hook(passed: str) -> None:
        nonlocal left
        left -= passed == step
        if passed == step and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    fault_points.listen(hook)
    from secondme.cli.app import app

    try:
        app(words)
    finally:
        sys.stderr.write(f"{peak_kb()}\n")


def peak_kb() -> int:
    """Of this program alone: what `getrusage` says begins with the process that forked it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
