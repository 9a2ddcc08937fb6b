"""A child that does not do what ours do; the file it is given names what it does instead."""

import os
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

from secondme.core.media.confinement import DONE, answer, confine, receive


def main() -> None:
    said = receive()
    if said.startswith(b"echo"):
        answer(DONE, said[4:])
        return
    misdeed = _MISDEEDS[said.decode().strip()]
    before = {"environment": dict(os.environ), "open": _open_descriptors(), "leads": os.getsid(0) == os.getpid()}
    confine(256 << 20, 1)
    misdeed(before)


def _open_descriptors() -> list[int]:
    """Those that it was started with."""
    found = []
    for number in range(64):
        try:
            os.fstat(number)
            found.append(number)
        except OSError:
            continue
    return found


def _jpeg(width: int, height: int) -> bytes:
    """A JPEG of a size, as far as its headers go."""
    head = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    frame = b"\xff\xc0\0\x11\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
    return head + frame + b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0ab\xff\xd9"


def _refused(attempt: Callable[[], object]) -> None:
    try:
        attempt()
        answer("allowed")
    except OSError:
        answer("refused")


def _talk_for_ever(_: object) -> None:
    while True:
        os.write(1, bytes(1 << 16))


def _spin(_: object) -> None:
    while True:
        pass


def _say_pid(_: object) -> None:
    os.write(1, b"%d" % os.getpid())
    time.sleep(600)


def _limits(_: object) -> None:
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_NPROC")
    answer(DONE, repr({name: resource.getrlimit(getattr(resource, name)) for name in names}).encode())


_MISDEEDS: dict[str, Callable[[object], object]] = {
    "good": lambda _: answer(DONE, _jpeg(256, 10)),
    "metadata": lambda _: answer(DONE, b"\xff\xd8\xff\xe1\0\x04ab\xff\xd9"),
    "too large": lambda _: answer(DONE, _jpeg(257, 10)),
    "no size": lambda _: answer(DONE, _jpeg(0, 10)),
    "a code of its own": lambda _: answer("picture_of_a_stranger"),
    "too long": _talk_for_ever,
    "cut off": lambda _: os.write(1, b"done 100\nshort"),
    "longer than it says": lambda _: os.write(1, b"done 3\nlonger"),
    "no word": lambda _: None,
    "no number": lambda _: os.write(1, b"done \xd9\xa3\nabc"),
    "memory": lambda _: answer(DONE, bytes(512 << 20)[:10]),
    "processor": _spin,
    "ends": lambda _: os._exit(3),
    "file": lambda _: _refused(lambda: Path("/etc/hosts").read_bytes()),
    "socket": lambda _: _refused(socket.socket),
    "start": lambda before: answer(DONE, repr(before).encode()),
    "limits": _limits,
    "sleeps": _say_pid,
}
