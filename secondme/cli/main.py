"""Where the installed command starts and ends. Scripts ask often, so neither may cost what it need not: docs/decisions/0019.

`--version` is answered before anything else is imported. While modules load, the garbage collector would look through ten thousand new
objects again and again, none of which is garbage. And a process that ends need not take all of them apart one by one.
"""

import os
import sys

_OBJECTS = 20_000
"""New objects between two looks of the garbage collector; 700 is Python's own number, from a time of smaller programs."""


_UNWRITTEN = 69
"""As `ExitCode.UNAVAILABLE`, which is not imported before it is known what was asked for."""
_LAST_STANDARD = 2


def main() -> None:
    """The program. Ends the process."""
    if "_SECONDME_COMPLETE" in os.environ:
        _end_at_once_by_ctrl_c()
    if sys.stdout is None or sys.stderr is None or sys.stdin is None:
        _open_what_is_shut()
    try:
        if sys.argv[1:] == ["--version"]:
            from secondme import __version__

            sys.stdout.write(f"secondme {__version__}\n")
            sys.stdout.flush()
            return
        program()
    except OSError as error:  # a page of help that cannot be written: everything else is said where it belongs
        sys.stderr.write(f"secondme: The output cannot be written: {error.strerror}.\n")
        _leave(_UNWRITTEN)
        raise
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            _leave(ended.code or 0)
        raise


def _end_at_once_by_ctrl_c() -> None:
    """Ctrl-C ends this process without a word: it completes somebody's line, who is still typing."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _open_what_is_shut() -> None:
    """Input and output that were closed (`>&-`) are the null device: else the next file or socket that is opened would take their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(descriptor, True)  # noqa: FBT003  the library's own form
    os.close(descriptor)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123  for as long as we live


def program() -> None:
    """The command that was typed has run. Raises SystemExit with its exit code."""
    import gc

    gc.set_threshold(_OBJECTS, 20, 20)
    from secondme.cli.marks import say_plainly

    say_plainly()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else it reads what every installed package says of itself
    from secondme.cli.app import app

    app()


def _leave(code: int) -> None:
    """The process has ended, after everything that asked to be run at the end. Returns when other threads are at work: it ends the
    ordinary way then."""
    import atexit

    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        return
    atexit._run_exitfuncs()  # noqa: SLF001  the one way to end early and leave nothing of it out
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        pass  # whoever read it has gone
    os._exit(code)
