"""Starts the device process: `python -m secondme.channels.whatsapp.device SOCKET PARENT DIRECTORY`. Only the gateway does."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from secondme.channels.whatsapp.device.session import Session
from secondme.channels.whatsapp.protocol import FrameSocket
from secondme.core.clock import SystemClock
from secondme.core.errors import SecondmeError
from secondme.core.files import hold

LOCK = "device.lock"
_LOCK_S = 1.0
"""For a predecessor that is just ending. Two connections of one session would throw each other out."""
_PDEATHSIG = 1
"""`PR_SET_PDEATHSIG` of `<sys/prctl.h>`."""


class _Ended(Exception):  # noqa: N818  no error
    """A signal told us to end."""


def main(arguments: list[str]) -> NoReturn:
    """The process ends; whatever was not safe is in the spool. Never returns into an interpreter whose threads may hang."""
    number, parent, directory = int(arguments[0]), int(arguments[1]), Path(arguments[2])
    _guard_process(parent, directory)
    gateway = FrameSocket(socket.socket(fileno=number))
    lock = hold(directory / LOCK, _LOCK_S)
    if lock is None:
        gateway.send("failed", code="whatsapp_in_use")
        os._exit(1)
    session = Session(gateway, Path(), SystemClock())
    try:
        try:
            session.run()
        finally:
            _ignore_signals()  # a gateway that dies closes its end and has us signalled: the one may strike while the other is heeded
    except (_Ended, SecondmeError):
        pass
    finally:
        try:
            session.end()
        finally:  # a full disk is no reason to live on
            os._exit(0)


def _guard_process(parent: int, directory: Path) -> None:
    """This process is private, quiet, and dies with its gateway."""
    os.umask(0o077)
    os.chdir(directory)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold messages and keys
    for name in Path().glob("device.db*"):
        name.chmod(0o600)
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _raise_ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway stops us in order
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)


def _raise_ended(number: int, frame: object) -> None:
    """At most once: an end that is begun is not interrupted."""
    del number, frame
    _ignore_signals()
    raise _Ended


def _ignore_signals() -> None:
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)


if __name__ == "__main__":
    main(sys.argv[1:])
