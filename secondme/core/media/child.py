"""A child process that reads one file of a stranger: one of our own programs, started, given the file, listened to, killed and waited for."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from secondme.core.errors import UnavailableError
from secondme.core.log import get_logger
from secondme.core.media.confinement import READY

log = get_logger(__name__)

_RUN = "import importlib, sys; sys.path += sys.argv[2].splitlines(); importlib.import_module(sys.argv[1]).main()"
_ROOT = Path(__file__).parents[3]
"""Where our package is: `-S` leaves out every other way to it."""
_HEAD = re.compile(rb"([a-z_]{1,40}) ([0-9]{1,9})\n")
_PIECE_BYTES = 64 * 1024
_KILL_S = 5.0
"""A killed child has ended within milliseconds."""


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """One of our programs: a module whose `main` confines itself and speaks as `confinement` says."""

    module: str
    packages: tuple[str, ...]
    """What it imports beside the standard library and our own package; what is not installed is left out."""
    timeout_s: float
    most_bytes: int
    """Of what it answers with. More is taken for no answer."""
    folders: tuple[str, ...] = ()
    """Where else it finds modules."""


@dataclass(frozen=True, slots=True)
class ChildAnswer:
    """What a child said, whole. It has read a stranger's file, so its word is to be checked like a stranger's."""

    outcome: str
    payload: bytes


async def run_child(program: ChildProgram, data: bytes, *arguments: str) -> ChildAnswer | None:
    """The answer to `data`. None when the child ended without one: a limit or the time-out killed it, or it said what none of ours says.

    The child is gone when this returns or raises, cancelled too. It has no environment, no descriptor of ours but its end of a socket, and a
    session of its own. Raises UnavailableError when the machine cannot start it. One child each call: the caller bounds how many.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(program, arguments, theirs)
        said = b""
        try:
            ours.settimeout(0)
            async with asyncio.timeout(program.timeout_s):
                said = await _exchange(ours, data, program.most_bytes)
        except TimeoutError:
            log.warning("media_child_timeout", program=program.module)
            return None
        finally:
            process.kill()
            await _reap(process)
    if not said.startswith(READY):
        raise _no_child(f"{program.module} ended with {process.returncode} before it was ready.")
    return _understood(said, process.returncode, program)


def _start(program: ChildProgram, arguments: tuple[str, ...], theirs: socket.socket) -> subprocess.Popen[bytes]:
    folders = [str(_ROOT), *program.folders, *(folder for name in program.packages for folder in _folder_of(name))]
    try:
        return subprocess.Popen(  # noqa: S603  a fork and an exec of a program of ours
            [sys.executable, "-I", "-S", "-c", _RUN, program.module, "\n".join(dict.fromkeys(folders)), *arguments],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,  # libraries quote what they read
            cwd="/",
            env={},
            start_new_session=True,  # Ctrl-C in the terminal is for the gateway
        )
    except OSError as error:
        raise _no_child(f"{sys.executable} does not start: {error.strerror}.") from error


def _folder_of(package: str) -> list[str]:
    """Where a package is installed, without importing it; empty when it is not."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [] if found is None else [str(Path(folder).parent) for folder in found.submodule_search_locations or ()]


async def _exchange(ours: socket.socket, data: bytes, most_bytes: int) -> bytes:
    """All that the child says until it hangs up, but not much more than it may."""
    loop = asyncio.get_running_loop()
    said = bytearray()
    with contextlib.suppress(OSError):  # it wants no more, or is gone; what it said before is still there
        await loop.sock_sendall(ours, data)
        ours.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionError):  # it ended without having read everything
        while len(said) <= most_bytes + _PIECE_BYTES and (piece := await loop.sock_recv(ours, _PIECE_BYTES)):
            said += piece
    return bytes(said)


async def _reap(process: subprocess.Popen[bytes]) -> None:
    """It was waited for. Shielded: cancelled here, nobody else would wait for it."""
    try:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, process.wait, _KILL_S))
    except subprocess.TimeoutExpired:
        log.error("media_child_not_gone", pid=process.pid)


def _understood(said: bytes, status: int | None, program: ChildProgram) -> ChildAnswer | None:
    head = _HEAD.match(said, len(READY))
    if head is not None and int(head[2]) == len(said) - head.end() <= program.most_bytes:
        return ChildAnswer(head[1].decode("ascii"), said[head.end() :])
    log.info("media_child_ended", program=program.module, status=status)
    return None


def _no_child(why: str) -> UnavailableError:
    return UnavailableError("no_media_child", f"What was sent cannot be looked at: {why}", "Run: secondme doctor")
