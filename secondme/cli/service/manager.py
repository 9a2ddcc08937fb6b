"""Service managers: systemd's user units and launchd's agents, written, started, stopped and asked."""

from __future__ import annotations

import difflib
import os
import plistlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from secondme.core.errors import ConfigError, NotFoundError, UnavailableError
from secondme.core.files import replacement
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.cli.service.program import ServiceProgram


_LONGEST_S = 330.0
"""Starting waits until the gateway is ready, or was given up."""


def ask(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What the program answered, whatever its exit code. Raises UnavailableError when there is no such program, or it does not end."""
    try:
        return subprocess.run(  # noqa: S603  the words are ours
            words, capture_output=True, text=True, errors="replace", timeout=_LONGEST_S, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise no_manager(words[0]) from None
    except subprocess.TimeoutExpired:
        raise UnavailableError("service_slow", f"{words[0]} did not answer.", "secondme service logs") from None


def must(words: Sequence[str]) -> str:
    """What it said on stdout. Raises UnavailableError with its first complaint when it failed."""
    answer = ask(words)
    if answer.returncode:
        lines = [line for line in (answer.stderr + answer.stdout).splitlines() if line.strip()]
        said = safe_name(lines[0])[:200].rstrip(".") if lines else f"exit code {answer.returncode}"
        raise UnavailableError(
            "service_failed", f"{words[0]} {words[-2] if len(words) > 1 else ''}: {said}.", "secondme service logs"
        )
    return answer.stdout


def no_manager(what: str) -> UnavailableError:
    """The error for a machine, or a container, in which nobody runs services for a person."""
    return UnavailableError(
        "no_service_manager",
        f"Nobody here runs services for you ({what}).",
        "Run `secondme serve` under what does: docs/service.md says how in Docker, with a supervisor, and without anything.",
    )


MARKER = "Written by `secondme service install`; `secondme service uninstall` removes it."
_UNIT = """\
# {marker}
[Unit]
Description={title}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=:{command}
# A store of gigabytes takes a while to be read.
TimeoutStartSec=300
WatchdogSec=30
# We need ten seconds at most; the store's server then has five.
TimeoutStopSec=20
# The gateway stops its own children, in order.
KillMode=mixed
Restart=on-failure
RestartSec=2
RestartSteps=6
RestartMaxDelaySec=120
# Wrong settings or a refused key do not get better by trying.
RestartPreventExitStatus=2 77 78
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""
"""No PrivateTmp: a home with a long path has its sockets below /tmp, where the other commands look for them. `:` before the program leaves
every `$` alone (systemd.service(5))."""

_UNSAFE = frozenset("\"'\\")
"""What systemd takes in no program's path, however it is escaped; in an argument it does."""
_THROUGH_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')


def unit_text(program: ServiceProgram) -> str:
    """The unit that runs `program`."""
    words = program.words if _UNSAFE.isdisjoint(program.words[0]) else (*_THROUGH_SHELL, *program.words)
    command = " ".join(quoted(word) for word in words)
    return _UNIT.format(marker=MARKER, title=_specifiers(program.title), command=command)


def quoted(word: str) -> str:
    """`word` as one argument of an ExecStart with `:`, whatever printable characters are in it."""
    return '"' + _specifiers(word.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


_UMASK = 0o077
_HEADER = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def label_of(program: ServiceProgram) -> str:
    """What launchd calls the service."""
    return f"local.{program.name}"


def agent_text(program: ServiceProgram, log: Path) -> str:
    """The agent that runs `program`; what it says before it can write its own log is in `log`."""
    said = plistlib.dumps(
        {
            "Label": label_of(program),
            "ProgramArguments": list(program.words),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": 20,
            "Umask": _UMASK,
            "StandardOutPath": "/dev/null",
            "StandardErrorPath": str(log),
        },
        sort_keys=False,
    )
    return said.replace(_HEADER, _HEADER + f"<!-- {MARKER} -->\n".encode(), 1).decode()


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """What became of the file."""

    outcome: Literal["created", "updated", "unchanged"]
    diff: list[str]


def write_definition(manager: Manager) -> DefinitionChange:
    """The service is known, and starts with the machine or at login. Repeatable. Raises ConfigError for a file that is not ours."""
    manager.require()
    old, new = read_ours(manager.path), manager.text()
    if old != new:
        _write(manager.path, new)
    manager.enable()
    if old == new:
        return DefinitionChange("unchanged", [])
    diff = difflib.unified_diff((old or "").splitlines(), new.splitlines(), "before", "now", lineterm="", n=1)
    return DefinitionChange("created", []) if old is None else DefinitionChange("updated", list(diff))


def remove_definition(manager: Manager) -> bool:
    """The service has stopped and its file is gone; False when there was none. Repeatable. Raises ConfigError for a file that is not ours."""
    if read_ours(manager.path) is None:
        return False
    manager.require()
    manager.forget()
    manager.path.unlink(missing_ok=True)
    manager.forgotten()
    return True


def require_installed(manager: Manager) -> None:
    """Raises NotFoundError when there is no such service of ours."""
    if read_ours(manager.path) is None:
        raise NotFoundError("service_not_installed", "The service is not installed.", "secondme service install")
    manager.require()


def read_ours(path: Path) -> str | None:
    """The file's text; None when there is none. Raises ConfigError when somebody else wrote it."""
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("unreadable_service", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    if MARKER not in text:
        raise ConfigError("not_our_service", f"{path} was not written by secondme.", "Move it away first.")
    return text


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path, 0o644) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError("unwritable_service", f"{path} cannot be written: {error.strerror}.", "Check its directory.") from error


_RUNS = frozenset({"initializing", "starting", "running", "degraded", "maintenance", "stopping"})
_SHOWN = ("ActiveState", "SubState", "MainPID", "UnitFileState", "StatusText", "NRestarts", "Result")


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How a service stands. `state` is systemd's word: active, activating, inactive, failed."""

    state: str
    enabled: bool
    pid: int | None = None
    status: str = ""
    restarts: int = 0
    result: str = ""


class Manager(Protocol):
    """What runs services for a person. Every method raises UnavailableError when it cannot be asked."""

    path: Path
    """The file that says what the service is."""

    def text(self) -> str:
        """What that file must hold."""

    def require(self) -> None:
        """There is one here, and it answers."""

    def enable(self) -> None:
        """It has read the file, and starts the service with the machine or at login. Repeatable."""

    def forget(self) -> None:
        """The service is stopped and not started any more; the file may go. Repeatable."""

    def forgotten(self) -> None:
        """It has seen that the file is gone."""

    def start(self) -> None:
        """The service is ready. Repeatable."""

    def stop(self) -> None:
        """The service has stopped. Repeatable."""

    def restart(self) -> None:
        """The service is ready, and was started anew."""

    def standing(self) -> ServiceStatus:
        """How it stands."""

    def linger(self, *, wanted: bool) -> bool | None:
        """Whether the service goes on when nobody is logged in, after that was asked for if `wanted`; None: it cannot be said."""

    def log_words(self, lines: int, *, follow: bool) -> list[str]:
        """The command that prints what the service said."""


class Systemd:
    """systemd's manager of one user."""

    def __init__(self, program: ServiceProgram) -> None:
        self._program = program
        config = os.environ.get("XDG_CONFIG_HOME", "")
        root = Path(config) if config.startswith("/") else Path.home() / ".config"
        self.path = root / "systemd" / "user" / f"{program.name}.service"

    def text(self) -> str:
        """As `Manager.text`."""
        return unit_text(self._program)

    def require(self) -> None:
        """As `Manager.require`."""
        if ask(["systemctl", "--user", "is-system-running"]).stdout.strip() not in _RUNS:
            raise no_manager("no systemd session of this user answers")

    def enable(self) -> None:
        """As `Manager.enable`."""
        self.forgotten()
        must(["systemctl", "--user", "enable", self.path.name])

    def forget(self) -> None:
        """As `Manager.forget`."""
        must(["systemctl", "--user", "disable", "--now", self.path.name])

    def forgotten(self) -> None:
        """As `Manager.forgotten`."""
        must(["systemctl", "--user", "daemon-reload"])

    def start(self) -> None:
        """As `Manager.start`."""
        ask(["systemctl", "--user", "reset-failed", self.path.name])
        must(["systemctl", "--user", "start", self.path.name])

    def stop(self) -> None:
        """As `Manager.stop`."""
        must(["systemctl", "--user", "stop", self.path.name])

    def restart(self) -> None:
        """As `Manager.restart`."""
        must(["systemctl", "--user", "restart", self.path.name])

    def standing(self) -> ServiceStatus:
        """As `Manager.standing`."""
        said = must(["systemctl", "--user", "show", f"--property={','.join(_SHOWN)}", self.path.name])
        facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        pid, restarts = facts.get("MainPID", "0"), facts.get("NRestarts", "0")
        return ServiceStatus(
            facts.get("ActiveState", "inactive"),
            facts.get("UnitFileState", "") == "enabled",
            int(pid) if pid.isdigit() and pid != "0" else None,
            facts.get("StatusText", ""),
            int(restarts) if restarts.isdigit() else 0,
            facts.get("Result", ""),
        )

    def linger(self, *, wanted: bool) -> bool | None:
        """As `Manager.linger`."""
        if wanted:
            must(["loginctl", "enable-linger"])
        answer = ask(["loginctl", "show-user", str(os.getuid()), "--property=Linger"])
        return answer.stdout.strip() == "Linger=yes" if answer.returncode == 0 else None

    def log_words(self, lines: int, *, follow: bool) -> list[str]:
        """As `Manager.log_words`."""
        words = ["journalctl", "--user", "--unit", self.path.name, "--lines", str(lines), "--output", "cat", "--no-pager"]
        return [*words, *(["--follow"] if follow else [])]


class Launchd:
    """launchd's domain of one logged-in person."""

    def __init__(self, program: ServiceProgram, logs: Path) -> None:
        self._program = program
        self._log = logs / f"{program.name}.stderr"
        self.path = Path.home() / "Library" / "LaunchAgents" / f"{label_of(program)}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{label_of(program)}"

    def text(self) -> str:
        """As `Manager.text`."""
        return agent_text(self._program, self._log)

    def require(self) -> None:
        """As `Manager.require`."""
        if ask(["launchctl", "print", self._domain]).returncode:
            raise no_manager("nobody is logged in at the screen")

    def enable(self) -> None:
        """As `Manager.enable`."""
        must(["launchctl", "enable", self._target])

    def forget(self) -> None:
        """As `Manager.forget`."""
        self.stop()
        must(["launchctl", "disable", self._target])

    def forgotten(self) -> None:
        """It reads no file before it is told to."""

    def start(self) -> None:
        """As `Manager.start`."""
        if self.standing().state == "inactive":
            self._log.unlink(missing_ok=True)  # it would grow for ever
            must(["launchctl", "bootstrap", self._domain, str(self.path)])

    def stop(self) -> None:
        """As `Manager.stop`."""
        if self.standing().state != "inactive":
            must(["launchctl", "bootout", self._target])

    def restart(self) -> None:
        """As `Manager.restart`."""
        self.stop()
        self.start()

    def standing(self) -> ServiceStatus:
        """As `Manager.standing`."""
        answer = ask(["launchctl", "print", self._target])
        if answer.returncode:
            return ServiceStatus("inactive", self.path.exists())
        facts = dict(line.strip().split(" = ", 1) for line in answer.stdout.splitlines() if " = " in line)
        pid = facts.get("pid", "")
        state = "active" if facts.get("state") == "running" else "failed"
        return ServiceStatus(state, enabled=True, pid=int(pid) if pid.isdigit() else None, result=facts.get("last exit code", ""))

    def linger(self, *, wanted: bool) -> bool | None:
        """As `Manager.linger`."""
        del wanted  # an agent is a logged-in person's
        return None

    def log_words(self, lines: int, *, follow: bool) -> list[str]:
        """As `Manager.log_words`."""
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(self._log)]


def manager_for(program: ServiceProgram, logs: Path) -> Manager:
    """Who runs services here."""
    return Launchd(program, logs) if sys.platform == "darwin" else Systemd(program)
