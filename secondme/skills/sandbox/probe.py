"""What this machine can do to confine a skill, found by trying it in throw-away processes.

Never by reading files that say so: WSL2 has Landlock and no list of security modules, and a container's own filter is in no file. The
module is both sides: `probe` starts itself as a clean Python, which forks a process for each attempt.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.skills.sandbox import cage, filters

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMEOUT_S = 30.0
"""It takes about one second: that is how finely the kernel limits time on a CPU."""
_BUBBLEWRAP_S = 5.0
_MEMORY_BYTES = 256 << 20
_NOT_CONFINED, _NO_MEMORY = 200, 201
_SAYINGS = {0: "done", _NOT_CONFINED: "it could not be confined", _NO_MEMORY: "no more memory"}
"""By how an attempt's process ends, beside the numbers of errors, which are lower."""
_CLONE_NEWUSER = 0x10000000
_SANDBOX_EXEC = "/usr/bin/sandbox-exec"
_ROOT = Path(__file__).parents[3]
_RUN = "import sys; sys.path.append(sys.argv[1]); from secondme.skills.sandbox.probe import main; main()"


class ConfinementLevel(Enum):
    """How well a skill's code is confined here."""

    SEALED_WITH_LANDLOCK = "sealed+landlock"
    """Two walls of the kernel, either of which suffices for files."""
    SEALED = "sealed"
    """The filter of system calls."""
    SEATBELT = "seatbelt"
    """macOS, untested."""
    NONE = "none"
    """Skills with code are refused."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One thing that was tried. `why` says what happened, `fix` what the owner can do if it should not have."""

    name: str
    is_ok: bool
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Confinement:
    """All that was tried, and what follows. `fix` is empty unless the level is `none`."""

    level: ConfinementLevel
    probes: tuple[ProbeResult, ...]
    fix: str = ""


_OPTIONAL = frozenset(("landlock", "user_namespaces", "bubblewrap"))
"""What a sealed skill does not need."""
FIXES = {
    "machine": "Skills with code run on x86_64 and aarch64 only.",
    "no_new_privs": "Use Linux 3.5 or newer.",
    "seccomp": "Use a kernel with CONFIG_SECCOMP_FILTER, or a container whose profile allows prctl and seccomp, as Docker's default does.",
    "landlock": "Use Linux 5.13 or newer, started with lsm=landlock,... if its configuration leaves it out.",
    "user_namespaces": "MCP servers need them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run outside the container.",
    "bubblewrap": "Install bubblewrap, for instance with sudo apt install bubblewrap.",
}
_OTHER_FIX = "The kernel does not hold what it promised. Report it with the output of secondme skills sandbox --json."


def probe(python: str = sys.executable, *, is_quick: bool = False) -> Confinement:
    """What was found, after about a second; a quick one leaves the limit on time out, and takes a tenth of that. Blocking; never raises."""
    if sys.platform != "linux":
        return _of_macos()
    try:
        done = subprocess.run(  # noqa: S603  the arguments are ours
            [python, "-I", "-S", "-c", _RUN, str(_ROOT), *(["quick"] if is_quick else [])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        results = tuple(ProbeResult(**each) for each in json.loads(done.stdout))
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired) as error:
        results = (ProbeResult("python", is_ok=False, why=type(error).__name__, fix=f"{python} must start."),)
    lacking = [each for each in results if not each.is_ok and each.name not in _OPTIONAL]
    if lacking:
        return Confinement(ConfinementLevel.NONE, results, lacking[0].fix)
    has_landlock = any(each.name == "landlock" and each.is_ok for each in results)
    return Confinement(ConfinementLevel.SEALED_WITH_LANDLOCK if has_landlock else ConfinementLevel.SEALED, results)


def _of_macos() -> Confinement:
    if sys.platform == "darwin" and Path(_SANDBOX_EXEC).exists():
        return Confinement(ConfinementLevel.SEATBELT, (ProbeResult("seatbelt", is_ok=True, why="untested"),))
    fix = "Skills with code need Linux or macOS."
    return Confinement(ConfinementLevel.NONE, (ProbeResult("machine", is_ok=False, why=sys.platform, fix=fix),), fix)


def main() -> None:
    """Try everything and print it as JSON. For a process of its own."""
    tried = _tried(is_quick="quick" in sys.argv)
    results = [_judged(name, is_ok=is_ok, why=why) for name, (is_ok, why) in tried.items()]
    print(json.dumps([asdict(each) for each in results]))  # noqa: T201  it is read by `probe`


def _judged(name: str, *, is_ok: bool, why: str) -> ProbeResult:
    return ProbeResult(name, is_ok, why, "" if is_ok else FIXES.get(name, _OTHER_FIX))


def _tried(*, is_quick: bool) -> dict[str, tuple[bool, str]]:
    """By name: whether it is as it should be, and what happened."""
    machine = filters.this_machine()
    if machine not in filters.MACHINES:
        return {"machine": (False, machine)}
    found = {"machine": (True, machine)}
    spinning = 0 if is_quick else _start(_spin, cpu_s=1)  # the only slow one runs beside the others
    wanted = {
        "no_new_privs": (cage.forbid_new_privileges, False, 0),
        "seccomp": (lambda: cage.load_filter(filters.foreign_filter(machine)), False, 0),
        "files": (lambda: os.open("/", os.O_RDONLY), True, errno.EPERM),
        "network": (lambda: socket.socket(socket.AF_INET), True, errno.EPERM),
        "local_sockets": (lambda: socket.socket(socket.AF_UNIX), True, errno.EPERM),
        "programs": (lambda: os.execv(sys.executable, [sys.executable, "-c", ""]), True, errno.EPERM),  # noqa: S606  a program is what is tried
        "processes": (_fork, True, errno.EPERM),
        "threads": (_start_thread, True, errno.EPERM),
        "signals": (lambda: os.kill(os.getppid(), 0), True, errno.EPERM),
        "memory": (lambda: bytearray(2 * _MEMORY_BYTES), True, _NO_MEMORY),
        "user_namespaces": (_enter_user_namespace, False, 0),
    }
    for name, (attempt, is_confined, status) in wanted.items():
        got = _wait(_start(attempt, cpu_s=2 if is_confined else 0))
        found[name] = (got == status, _SAYINGS.get(got) or errno.errorcode.get(got, f"signal {-got}"))
    abi = cage.landlock_abi()
    found["landlock"] = (abi > 0, f"ABI {abi}" if abi else "the kernel has none")
    if spinning:
        got = _wait(spinning)
        found["cpu"] = (got == -signal.SIGKILL, f"signal {-got}" if got < 0 else _SAYINGS.get(got, "it ended"))
    return found | {"bubblewrap": _bubblewrap()}


def _start(attempt: Callable[[], object], *, cpu_s: int) -> int:
    """A process that tries it, confined if it has a limit on time. It ends with 0, the error's number, or one of `_SAYINGS`."""
    process = os.fork()
    if process:
        return process
    status = _NOT_CONFINED
    try:
        if cpu_s:
            cage.enter(memory_bytes=_MEMORY_BYTES, cpu_s=cpu_s)
        status = 0
        attempt()
    except MemoryError:
        status = _NO_MEMORY
    except OSError as error:
        status = status or error.errno or _NOT_CONFINED
    finally:
        os._exit(status)


def _wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _spin() -> None:
    while True:
        pass


def _fork() -> None:
    if not os.fork():
        os._exit(0)


def _start_thread() -> None:
    try:
        threading.Thread(target=int, daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EPERM, str(error)) from error


def _enter_user_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")


def _bubblewrap() -> tuple[bool, str]:
    """What a program in it would need: every namespace of its own."""
    program = shutil.which("bwrap")
    if program is None:
        return False, "it is not installed"
    try:
        done = subprocess.run(  # noqa: S603  the arguments are ours
            [program, "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_BUBBLEWRAP_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, type(error).__name__
    return done.returncode == 0, done.stderr.decode("utf-8", "replace").strip()[:200] or program
