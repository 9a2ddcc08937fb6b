"""Runs one command in a process of its own, in which one named step stops the world. Run as a script.

python launch.py STEP:COUNT WORDS...    for example  restore.moved_in:2 --home /tmp/x restore FILE --yes
"""

import os
import signal
import sys
from collections import Counter

import typer


def program() -> typer.Typer:
    """The two commands, as `secondme` has them."""
    from secondme.cli.app import options
    from secondme.cli.commands import backup

    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(options)
    app.command()(backup.backup)
    app.command()(backup.restore)
    return app


def main() -> None:
    from secondme.core import fault_points

    step, _, count = sys.argv.pop(1).partition(":")
    passed: Counter[str] = Counter()

    def hook(name: str) -> None:
        passed[name] += 1
        if name == step and passed[name] == int(count):
            os.kill(os.getpid(), signal.SIGKILL)

    fault_points.listen(hook)
    program()()


if __name__ == "__main__":
    main()
