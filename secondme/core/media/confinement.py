r"""What a child program does about itself before it reads what a stranger sent, and how it answers. Only the standard library.

child  -> "ready\n"                         it has imported what it needs
parent -> all of the file, then the end of the stream
child  -> "OUTCOME LENGTH\n", then LENGTH bytes
"""

from __future__ import annotations

import os
import resource
import sys

READY = b"ready\n"
DONE = "done"
"""The outcome when what was asked for follows. Every other is the code of a refusal."""


def receive() -> bytes:
    """All that the parent sends. The parent bounds it; from here on it knows that this program has started."""
    _write(READY)
    return sys.stdin.buffer.read()


def confine(memory_bytes: int, cpu_s: int, *, with_threads: bool = False) -> None:
    """The process has at most this much address space and time on a CPU, and can start, write and open nothing any more, unless its
    decoder works with threads. What was not imported before cannot be imported after."""
    limits = [
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),  # of those to come; the ones it has stay open
    ]
    if not with_threads:
        limits.append((resource.RLIMIT_NPROC, 0))  # threads and processes are counted alike, and root's not at all
    for limit, most in limits:
        highest = resource.getrlimit(limit)[1]
        value = most if highest == resource.RLIM_INFINITY else min(most, highest)
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            if sys.platform != "darwin":  # macOS does not bound address space; sizes are looked at before anything is decoded
                raise


def answer(outcome: str, payload: bytes = b"") -> None:
    """The parent is told. Once."""
    _write(b"%s %d\n" % (outcome.encode("ascii"), len(payload)))
    _write(payload)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
