"""Starts a real gateway process in which one named step stops the world. Run as a script; see `process.py`.

python launch.py HOME PART [STEP:SIGNAL:COUNT]...    for example  sender.sending:KILL:3
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path


def main() -> None:
    home, part, *faults_wanted = sys.argv[1:]
    from secondme.cli.commands.serve import serve_home
    from secondme.cli.output import ExitCode, complain
    from secondme.core import fault_points
    from secondme.core.config.loader import load
    from secondme.core.errors import SecondmeError

    wanted = {}
    for fault in faults_wanted:
        step, name, count = fault.split(":")
        wanted[step] = (signal.Signals["SIG" + name], int(count))
    passed: Counter[str] = Counter()

    def hook(step: str) -> None:
        if step in wanted:
            passed[step] += 1
            number, count = wanted[step]
            if passed[step] == count:
                os.kill(os.getpid(), number)

    fault_points.listen(hook)
    try:
        # the demo's stand-in model: no network, no second of importing the SDK in each of many starts
        asyncio.run(serve_home(load({}, home=Path(home)), part, "secondme", ["", ""]))  # type: ignore[arg-type]
    except SecondmeError as error:
        complain(error)
        sys.exit(int(ExitCode.BUG))


if __name__ == "__main__":
    main()
