"""A program of somebody else, confined: bubblewrap, our filter of system calls, limits, and a watch over its memory.

It sees the system's programs, the folders that the owner named, and nothing else: no file of theirs, no environment, no network but a socket
to the gateway's proxy. Where bubblewrap does not start it is refused, and never run bare.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError
from secondme.core.log import get_logger
from secondme.skills.sandbox import cage, filters
from secondme.skills.sandbox.probe import FIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from secondme.core.ports import Clock

log = get_logger(__name__)

MEMORY_BYTES = 512 << 20
MOST_PROCESSES = 64
WATCH_S = 0.2
"""A program that takes memory as fast as it can has taken some 50 MB more by then."""
_SCRATCH_BYTES = 64 << 20
_LIMITS = {resource.RLIMIT_NOFILE: 256, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: _SCRATCH_BYTES}
"""None on address space: Node reserves gigabytes that it never uses."""
_THREADS = 256
_COUNTED_PER_NAMESPACE = (5, 14)
"""Since this Linux the limit on processes counts those of a user namespace; before, all of the user's."""
_PATH = "/usr/local/bin:/usr/bin:/bin"
_ENVIRONMENT = {"PATH": _PATH, "HOME": "/tmp", "NODE_OPTIONS": "--max-old-space-size=384"}  # noqa: S108  its own, and gone with it
RESERVED = frozenset((*_ENVIRONMENT, "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "NODE_USE_ENV_PROXY"))
"""Environment variables that are ours to set."""
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SHARED = (
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "pki/tls/certs",
    "pki/ca-trust",
    "alternatives",
    "ld.so.cache",
    "localtime",
)
"""Of /etc: what programs need to run and to check certificates. No names of users, no keys."""
_PORT = 3128
_BRIDGE = Path(__file__).with_name("bridge.py")
_PYTHON = "/usr/bin/python3"
NOT_CARRIED = f"Its requests are carried by {_PYTHON}, which is not there."
_TRY_S = 5.0
_KILL_S = 5.0
_NEW, _OLD = ("--clearenv", "--disable-userns"), ("--clearenv",)
"""What bubblewrap understands from 0.8 and from 0.5 on. The filter forbids new namespaces in either case."""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """bubblewrap as it was found to work here. `why_not` says why it does not, and `fix` what helps."""

    program: str = ""
    options: tuple[str, ...] = ()
    has_scratch: bool = True
    """From 0.7 on it can make a folder in memory of limited size; before, there is none to write in."""
    why_not: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start, and what it may see. `way_out`: the proxy's socket; empty: no network at all."""

    command: tuple[str, ...]
    folders: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    way_out: str = ""


def find_bubblewrap(program: str = "bwrap") -> Bubblewrap:
    """How it works here, found out by starting it with all that is needed. Blocking, some 10 ms; never raises."""
    path = shutil.which(program)
    if path is None:
        return Bubblewrap(why_not="bubblewrap is not installed, which confines it.", fix=FIXES["bubblewrap"])
    if filters.this_machine() not in filters.MACHINES:
        return Bubblewrap(why_not=f"Nothing confines it on {filters.this_machine()}.", fix=FIXES["machine"])
    said = b""
    for found in (Bubblewrap(path, _NEW), Bubblewrap(path, _OLD), Bubblewrap(path, _OLD, has_scratch=False)):
        try:
            command = [path, *_options(found, Launch(("true",))), "true"]
            done = subprocess.run(  # noqa: S603  the arguments are ours
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_S, check=False, env={"PATH": _PATH}
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Bubblewrap(why_not=f"bubblewrap does not start: {type(error).__name__}.", fix=FIXES["user_namespaces"])
        if done.returncode == 0:
            return found
        said = said or done.stderr
    words = said.decode("utf-8", "replace").strip().splitlines()
    return Bubblewrap(
        why_not=f"bubblewrap does not start: {words[-1][:120] if words else 'it says nothing'}.", fix=FIXES["user_namespaces"]
    )


def can_be_carried() -> bool:
    """Whether requests of a confined program can be carried out of it: the bridge runs in the system's own Python."""
    return Path(_PYTHON).exists()


class ConfinedProcess:
    """One life of a confined program. `start` it once, `stop` it always."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, errors: int | None, clock: Clock) -> None:
        self.connection = connection
        """Its standard input and output."""
        self.was_too_large = False
        self._process = process
        self._errors = errors
        self._clock = clock
        self._watching = asyncio.ensure_future(self._watch())

    @classmethod
    def start(cls, launch: Launch, bubblewrap: Bubblewrap, clock: Clock, *, keep_errors: bool = False) -> ConfinedProcess:
        """It runs, or is about to fail. Raises UnavailableError `no_sandbox` when nothing confines it.

        The kernel ends it with the thread that runs this, which therefore must be one that lives as long as the gateway.
        """
        if bubblewrap.why_not:
            raise UnavailableError("no_sandbox", bubblewrap.why_not, bubblewrap.fix)
        if launch.way_out and not can_be_carried():
            raise UnavailableError("no_network", NOT_CARRIED, "Install python3.")
        options = _options(bubblewrap, launch)
        errors = os.memfd_create("errors") if keep_errors else None
        descriptors = [_holding("filter", filters.foreign_filter(filters.this_machine()))]
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        try:
            # what others could read on a command line, above all the environment, goes in through a descriptor
            words = [*options, "--seccomp", str(descriptors[0])]
            descriptors.append(_holding("arguments", b"".join(os.fsencode(each) + b"\0" for each in words)))
            process = subprocess.Popen(  # noqa: S603  bubblewrap; what it runs was approved
                [bubblewrap.program, "--args", str(descriptors[1]), "--", *_inner(launch)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL if errors is None else errors,
                pass_fds=descriptors,
                preexec_fn=_before_start(os.getpid()),  # noqa: PLW1509  system calls only, which need no lock that another thread could hold
                cwd="/",
                env={},
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise UnavailableError("no_sandbox", f"bubblewrap does not start: {error.strerror}.", FIXES["bubblewrap"]) from error
        finally:
            theirs.close()
            for each in descriptors:
                os.close(each)
        return cls(process, ours, errors, clock)

    @property
    def pid(self) -> int:
        """Of the outermost process."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """True when it has ended."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The end of what it wrote to standard error, if that is kept."""
        if self._errors is None:
            return ""
        size = os.fstat(self._errors).st_size
        return os.pread(self._errors, 600, max(0, size - 600)).decode("utf-8", "replace").strip()

    async def stop(self) -> None:
        """It is dead, and within milliseconds so is all that came of it. Repeatable."""
        self._process.kill()  # the first process of its namespace dies with it, and the kernel then kills all others
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)  # whoever reads is told; of a closed socket nobody would be
        await asyncio.to_thread(self._process.wait, _KILL_S)
        self.connection.close()
        self._watching.cancel()
        await asyncio.wait([self._watching])
        if self._errors is not None:
            os.close(self._errors)
            self._errors = None

    async def _watch(self) -> None:
        while not self.is_over:
            processes, size_bytes = _usage(self._process.pid)
            if size_bytes > MEMORY_BYTES or processes > MOST_PROCESSES:
                log.warning("mcp_server_too_large", processes=processes, mb=size_bytes >> 20)
                self.was_too_large = True
                self._process.kill()
            await self._clock.sleep(WATCH_S)


def _options(bubblewrap: Bubblewrap, launch: Launch) -> list[str]:
    """bubblewrap's, but for the filter."""
    words = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL", *bubblewrap.options]
    words += ["--ro-bind", "/usr", "/usr"]
    for path in (Path("/", name) for name in _TOP):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    words += [word for name in _SHARED for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--size", str(_SCRATCH_BYTES), "--tmpfs", "/tmp"] if bubblewrap.has_scratch else ["--dir", "/tmp"]  # noqa: S108  its own
    environment = {**_ENVIRONMENT, **launch.environment}
    if launch.way_out:
        words += ["--ro-bind", launch.way_out, "/run/out.sock", "--ro-bind", str(_BRIDGE), "/run/bridge.py"]
        proxy = f"http://127.0.0.1:{_PORT}"
        environment |= dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy) | {
            "NODE_USE_ENV_PROXY": "1"
        }
    words += [word for folder in launch.folders for word in ("--ro-bind", folder, folder)]
    words += [word for name, value in environment.items() for word in ("--setenv", name, value)]
    return [*words, "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108  as above


def _inner(launch: Launch) -> Sequence[str]:
    """What bubblewrap runs: the command, behind what limits its processes and carries its requests."""
    limit = Path("/usr/bin/prlimit")
    release = tuple(int(part) for part in os.uname().release.split(".")[:2] if part.isdigit())
    limited = [str(limit), f"--nproc={_THREADS}"] if limit.exists() and release >= _COUNTED_PER_NAMESPACE else []
    carried = [_PYTHON, "-I", "-S", "/run/bridge.py", str(_PORT)] if launch.way_out else []
    return [*limited, *carried, *launch.command]


def _before_start(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        cage.die_with_parent(parent)
        for limit, value in _LIMITS.items():
            highest = resource.getrlimit(limit)[1]
            value = value if highest == resource.RLIM_INFINITY else min(value, highest)  # noqa: PLW2901  it may be lower already
            resource.setrlimit(limit, (value, value))

    return prepare


def _holding(name: str, data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    descriptor = os.memfd_create(name)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _usage(process: int) -> tuple[int, int]:
    """Of the process and all that came of it: how many, and bytes of memory; no more are counted than are allowed. 0.3 ms of work."""
    todo, count, pages = [process], 0, 0
    while todo and count <= MOST_PROCESSES:
        number = todo.pop()
        count += 1
        try:
            pages += int(Path(f"/proc/{number}/statm").read_text("ascii").split()[1])
            for thread in Path(f"/proc/{number}/task").iterdir():
                todo += map(int, (thread / "children").read_text("ascii").split())
        except (OSError, IndexError):  # it ended meanwhile
            continue
    return count, pages * resource.getpagesize()
