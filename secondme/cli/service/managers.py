"""Who runs services on this machine, and how are they asked to? systemd for a user on Linux, launchd on macOS."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from secondme.cli.service.agent import agent_text, label_of
from secondme.cli.service.calling import ask, must, no_manager
from secondme.cli.service.unit import unit_text

if TYPE_CHECKING:
    from secondme.cli.service.program import Program

_RUNS = frozenset({"initializing", "starting", "running", "degraded", "maintenance", "stopping"})
_SHOWN = ("ActiveState", "SubState", "MainPID", "UnitFileState", "StatusText", "NRestarts", "Result")


@dataclass(frozen=True, slots=True)
class Standing:
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

    def standing(self) -> Standing:
        """How it stands."""

    def linger(self, *, wanted: bool) -> bool | None:
        """Whether the service goes on when nobody is logged in, after that was asked for if `wanted`; None: it cannot be said."""

    def log_words(self, lines: int, *, follow: bool) -> list[str]:
        """The command that prints what the service said."""


class Systemd:
    """systemd's manager of one user."""

    def __init__(self, program: Program) -> None:
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

    def standing(self) -> Standing:
        """As `Manager.standing`."""
        said = must(["systemctl", "--user", "show", f"--property={','.join(_SHOWN)}", self.path.name])
        facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        pid, restarts = facts.get("MainPID", "0"), facts.get("NRestarts", "0")
        return Standing(
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

    def __init__(self, program: Program, logs: Path) -> None:
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

    def standing(self) -> Standing:
        """As `Manager.standing`."""
        answer = ask(["launchctl", "print", self._target])
        if answer.returncode:
            return Standing("inactive", self.path.exists())
        facts = dict(line.strip().split(" = ", 1) for line in answer.stdout.splitlines() if " = " in line)
        pid = facts.get("pid", "")
        state = "active" if facts.get("state") == "running" else "failed"
        return Standing(state, enabled=True, pid=int(pid) if pid.isdigit() else None, result=facts.get("last exit code", ""))

    def linger(self, *, wanted: bool) -> bool | None:
        """As `Manager.linger`."""
        del wanted  # an agent is a logged-in person's
        return None

    def log_words(self, lines: int, *, follow: bool) -> list[str]:
        """As `Manager.log_words`."""
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(self._log)]


def manager_for(program: Program, logs: Path) -> Manager:
    """Who runs services here."""
    return Launchd(program, logs) if sys.platform == "darwin" else Systemd(program)
