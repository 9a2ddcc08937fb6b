"""A program that is run once: bytes in, bytes out, both bounded, and nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHUNK = 65_536
_HARMLESS = frozenset({"HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"})


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """What it came to. `status` is its exit status, or the negative number of the signal that ended it."""

    status: int
    output: bytes = field(repr=False)
    is_too_long: bool = False
    """It wrote more than was allowed, and was ended; `output` is empty then."""


def harmless_environment() -> dict[str, str]:
    """What a program of somebody else needs to start: where things are, and the language. No secrets of ours or of the owner's."""
    return {name: value for name, value in os.environ.items() if name in _HARMLESS or name.startswith(("LC_", "XDG_"))}


async def run_program(command: Sequence[str], data: bytes, *, limit_bytes: int, environment: Mapping[str, str]) -> ProgramEnd:
    """Its standard output, at most `limit_bytes`, after it was given `data`; what it writes to standard error is lost. However this ends,
    by the caller's time-out too, the program is reaped and every process of its group is killed, also one that outlives it.

    Raises OSError when it cannot be started, ValueError when a word of the command has a null character.
    """
    reading, writing = os.pipe()  # of our own: asyncio's would not let us wait for the program while another process holds it
    with os.fdopen(reading, "rb", 0) as pipe:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=writing,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            return await _conversed(process, pipe, data, limit_bytes)
        finally:
            _kill_group(process)
            await process.wait()


async def _conversed(process: asyncio.subprocess.Process, pipe: object, data: bytes, limit_bytes: int) -> ProgramEnd:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_feed(process, data))
            group.create_task(_end_with(process))
            output = bytearray()
            while chunk := await reader.read(_CHUNK):
                output += chunk
                if len(output) > limit_bytes:
                    _kill_group(process)
                    break
    finally:
        transport.close()
    is_too_long = len(output) > limit_bytes
    return ProgramEnd(await process.wait(), b"" if is_too_long else bytes(output), is_too_long)


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):  # it need not read all of it
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _end_with(process: asyncio.subprocess.Process) -> None:
    """What it started ends with it, and so does what they hold: its output is whole."""
    await process.wait()
    _kill_group(process)


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: on macOS, when only zombies are left
        os.killpg(process.pid, signal.SIGKILL)
