"""The zygote as the gateway sees it: started, asked for children, pinged, and certainly ended with all of them."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secondme.core.errors import UnavailableError
from secondme.core.log import get_logger
from secondme.skills.sandbox.skill_call import PACKET_BYTES

log = get_logger(__name__)

_START_S = 20.0
"""It is ready within 0.2 s; a loaded machine may take longer."""
_KILL_S = 5.0
"""A killed child has ended within milliseconds; a zygote that does not say so is not working."""
_ROOT = Path(__file__).parents[3]
"""Where the package is. The zygote has no other way to it."""
_RUN = "import sys; sys.path.append(sys.argv[1]); from secondme.skills.sandbox.zygote import main; main()"
_ENVIRONMENT = {"LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Preload:
    """What the zygote imports beside the standard library: `modules` found in `paths` or in the standard library, and time `zones`."""

    modules: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended: its status, negative for a signal, and what it spent."""

    status: int
    cpu_ms: int


class ZygoteProcess:
    """One life of the zygote. `start` it once, `stop` it always."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self.started = 0
        """How many children it was asked for."""
        self.running: dict[int, asyncio.Future[ChildEnd | None]] = {}
        """The calls whose child may be alive."""
        self.is_over = False
        self._process = process
        self._control = control
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_ping_open = False
        self._hearing = asyncio.ensure_future(self._hear())

    @classmethod
    async def start(cls, python: str, preload: Preload) -> ZygoteProcess:
        """It has imported everything and can be asked. Raises UnavailableError when it does not start.

        The kernel ends it with the thread that runs this, which therefore must be one that lives as long as the gateway.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: ASYNC220, S603  a fork and an exec of a program of ours; what it waits for is the exec
                    [python, "-I", "-S", "-c", _RUN, str(_ROOT), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    cwd="/",
                    env=_ENVIRONMENT,
                    start_new_session=True,  # Ctrl-C in the terminal is for the gateway, which then ends it in order
                )
            except OSError as error:
                ours.close()
                raise UnavailableError("no_sandbox", f"{python} does not start.") from error
        zygote = cls(process, ours)
        try:
            await zygote._prepare(preload)
        except BaseException:
            await zygote.stop()
            raise
        return zygote

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def start_child(self, connection: socket.socket, order: dict[str, Any]) -> int:
        """A child is on its way and has its own copy of `connection`. The number it is called by from now on."""
        self.started += 1
        self.running[self.started] = asyncio.get_running_loop().create_future()
        packet = json.dumps({**order, "start": self.started}).encode()
        try:
            socket.send_fds(self._control, [packet], [connection.fileno()])
        except OSError:  # it is gone, or does not read
            self._lose()
        return self.started

    async def end_child(self, number: int) -> ChildEnd | None:
        """The child is dead, killed if need be. None when it went down with the zygote."""
        ended = self.running[number]
        try:
            if not ended.done():
                self._tell({"kill": number})
            async with asyncio.timeout(_KILL_S):
                end = await asyncio.shield(ended)
        except TimeoutError:
            log.error("zygote_deaf", running=len(self.running))
            self._lose()
            end = None
        finally:
            self.running.pop(number, None)
        if end is None:
            await self.wait()
        return end

    def ping(self) -> bool:
        """False when the last ping was not answered. Another one is on its way otherwise."""
        if self._is_ping_open:
            return False
        self._is_ping_open = True
        self._tell({"ping": self.started})
        return True

    async def stop(self) -> None:
        """It has ended, and so has every child of it. Repeatable."""
        self._lose()
        try:
            await self.wait()
        finally:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])
            self._control.close()

    async def wait(self) -> None:
        """It was waited for: the kernel has killed its children by then (`PR_SET_PDEATHSIG`)."""
        await asyncio.to_thread(self._process.wait)

    async def _prepare(self, preload: Preload) -> None:
        self._tell({"modules": preload.modules, "paths": preload.paths, "zones": preload.zones})
        try:
            async with asyncio.timeout(_START_S):
                await self._ready
        except TimeoutError as error:
            raise UnavailableError("no_sandbox", "The process that skills start from is not ready in time.") from error
        log.debug("zygote_started", pid=self.pid)

    async def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while packet := await loop.sock_recv(self._control, PACKET_BYTES):
                self._take(json.loads(packet))
        except OSError:
            log.debug("zygote_hung_up")
        except ValueError as error:
            log.error("zygote_garbled", error)
        self._lose()

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"ended": int(number), "status": int(status), "cpu_ms": int(cpu_ms)}:
                ended = self.running.get(number)
                if ended is not None and not ended.done():
                    ended.set_result(ChildEnd(status, cpu_ms))
            case {"pong": _}:
                self._is_ping_open = False
            case {"ready": missing}:
                if missing:
                    log.warning("zygote_without_modules", missing=", ".join(missing))
                if not self._ready.done():
                    self._ready.set_result(None)
            case _:
                raise ValueError

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            self._lose()

    def _lose(self) -> None:
        """It is killed, and nobody waits for its word any more."""
        self.is_over = True
        self._process.kill()
        if not self._ready.done():
            self._ready.set_exception(UnavailableError("no_sandbox", "The process that skills start from ended at once."))
            self._ready.exception()  # it may be that nobody asks
        for ended in self.running.values():
            if not ended.done():
                ended.set_result(None)
