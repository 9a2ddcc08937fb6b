"""A stand-in for `systemctl --user`, `loginctl` and `journalctl` that behaves as they do: it reads units by systemd's own rules, really
starts them, waits for READY=1, kills what misses its watchdog, stops with SIGTERM and in the end SIGKILL, and remembers.

Run as a script under one of those names, by the wrappers that `install` writes. What is kept lies in $FAKE_SYSTEMD.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_UNESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


def install(directory: Path) -> dict[str, str]:
    """The programs are in `directory`; returns the environment in which they are found, and nothing else of the kind is."""
    state = directory / "state"
    state.mkdir(parents=True)
    for name in ("systemctl", "loginctl", "journalctl"):
        program = directory / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        program.chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin", "FAKE_SYSTEMD": str(state)}


def words_of(command: str) -> list[str]:
    """The arguments in an ExecStart= that begins with `:`, as systemd 252 splits them (config_parse_exec, extract_first_word): quotes only
    at the beginning of a word, C escapes, `%%`. Raises ValueError where systemd would refuse the line."""
    assert command.startswith(":"), "without it, `$` would have to be doubled, except in the program's own path"
    words, at = [], 1
    while at < len(command):
        if command[at].isspace():
            at += 1
            continue
        word, quote = "", ""
        while at < len(command) and (quote or not command[at].isspace()):
            letter = command[at]
            if letter == "\\":
                taken, at = _escape(command, at + 1)
                word += taken
                continue
            if quote and letter == quote:
                quote = ""
            elif not quote and letter in "\"'":
                quote = letter
            else:
                word += letter
            at += 1
        if quote:
            raise ValueError("unbalanced quotes")
        words.append(_specifiers(word))
    if not words[0].startswith("/") or set(words[0]) & set("\"'\\"):
        raise ValueError("not absolute, or with a special character")
    return words


def _escape(text: str, at: int) -> tuple[str, int]:
    letter = text[at]
    if letter in _UNESCAPED:
        return _UNESCAPED[letter], at + 1
    if letter in "\\\"'":
        return letter, at + 1
    if letter == "x":
        return chr(int(text[at + 1 : at + 3], 16)), at + 3
    raise ValueError(f"unknown escape {letter}")


def _specifiers(word: str) -> str:
    """`%%` is one; any other would be replaced by something of the machine's."""
    if re.search(r"(?<!%)(?:%%)*%(?!%)", word):
        raise ValueError("a specifier")
    return word.replace("%%", "%")


def read_unit(text: str) -> dict[str, str]:
    """The last value of each key."""
    lines = [line for line in text.splitlines() if line.strip() and line[0] not in "#;["]
    return dict(line.split("=", 1) for line in lines)


class Unit:
    """What is known of one unit."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.room = Path(os.environ["FAKE_SYSTEMD"])
        self.loaded = self.room / f"{name}.loaded"
        self._facts = self.room / f"{name}.json"
        self.journal = self.room / f"{name}.journal"
        self.wants = self.room / f"{name}.enabled"

    @property
    def facts(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self._facts.read_text()))
        return {"ActiveState": "inactive", "MainPID": 0, "StatusText": "", "NRestarts": 0, "Result": "success", "supervisor": 0}

    def note(self, **facts: Any) -> None:
        fresh = self._facts.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({**self.facts, **facts}))
        fresh.replace(self._facts)


class Supervisor:
    """Runs one unit until it is told to stop."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.keys = read_unit(unit.loaded.read_text())
        self.is_stopping = False
        override = unit.room / "watchdog_s"
        self.watchdog_s = float(override.read_text()) if override.exists() else float(self.keys["WatchdogSec"])
        self.restart_s = min(float(self.keys["RestartSec"]), 0.1)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "is_stopping", True))

    def run(self) -> None:
        while True:
            status, result = self._once()
            if self.is_stopping or status == 0:
                self.unit.note(ActiveState="inactive", MainPID=0, StatusText="", Result=result)
                return
            if str(status) in self.keys["RestartPreventExitStatus"].split() or self.keys["Restart"] != "on-failure":
                self.unit.note(ActiveState="failed", MainPID=0, Result=result or "exit-code")
                return
            self.unit.note(
                ActiveState="activating", MainPID=0, NRestarts=self.unit.facts["NRestarts"] + 1, Result=result or "exit-code"
            )
            time.sleep(self.restart_s)

    def _once(self) -> tuple[int, str]:
        """How its main process ended, and why when that was our doing."""
        address = self.unit.room / f"{os.getpid()}.notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, self.unit.journal.open("ab") as journal:
            line.bind(str(address))
            line.settimeout(0.05)
            process = subprocess.Popen(
                words_of(self.keys["ExecStart"]),
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                env={**self._environment(), "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(int(self.watchdog_s * 1e6))},
                start_new_session=True,
            )
            self.unit.note(ActiveState="activating", MainPID=process.pid)
            result = self._attend(process, line)
            address.unlink()
            return process.wait(), result

    def _environment(self) -> dict[str, str]:
        """A service sees nothing of the shell that asked for it."""
        return {name: os.environ[name] for name in ("HOME", "PATH", "FAKE_ENVIRONMENT") if name in os.environ}

    def _attend(self, process: "subprocess.Popen[bytes]", line: socket.socket) -> str:
        last, is_ready, told, result = time.monotonic(), False, 0.0, "success"
        while process.poll() is None:
            with contextlib.suppress(TimeoutError):
                for word in line.recv(65536).decode().split("\n"):
                    last = time.monotonic() if word == "WATCHDOG=1" else last
                    if word == "READY=1":
                        is_ready, last = True, time.monotonic()
                        self.unit.note(ActiveState="active")
                    if word.startswith("STATUS="):
                        self.unit.note(StatusText=word[7:])
                    if word == "STOPPING=1":
                        self.unit.note(ActiveState="deactivating")
            now = time.monotonic()
            if self.is_stopping and not told:
                told = now
                process.terminate()
            if told and now - told > float(self.keys["TimeoutStopSec"]):
                process.kill()
                result = "timeout"
            if is_ready and not told and now - last > self.watchdog_s:
                result, is_ready = "watchdog", False
                process.send_signal(signal.SIGABRT)
                process.send_signal(signal.SIGCONT)
        return result


def systemctl(words: list[str]) -> int:
    assert words.pop(0) == "--user"
    verb, *rest = words
    if verb in {"is-system-running", "daemon-reload"}:
        return _running() if verb == "is-system-running" else _reload()
    unit = Unit(rest[-1])
    if verb == "show":
        return _show(unit, rest[0].removeprefix("--property=").split(","))
    if not unit.loaded.exists():
        sys.stderr.write(f"Failed to {verb} {unit.name}: Unit {unit.name} not found.\n")
        return 5
    match verb:
        case "enable":
            unit.wants.touch()
        case "disable":
            unit.wants.unlink(missing_ok=True)
            return _stop(unit) if "--now" in rest else 0
        case "start":
            return _start(unit)
        case "stop":
            return _stop(unit)
        case "restart":
            return _stop(unit) or _start(unit)
        case _:
            assert verb == "reset-failed", verb
    return 0


def _running() -> int:
    sys.stdout.write("running\n")
    return 0


def _reload() -> int:
    for path in _directory().glob("*.service"):
        words_of(read_unit(path.read_text())["ExecStart"])
        Unit(path.name).loaded.write_text(path.read_text())
    for loaded in Path(os.environ["FAKE_SYSTEMD"]).glob("*.loaded"):
        if not (_directory() / loaded.stem).exists():
            loaded.unlink()
    return 0


def _show(unit: Unit, names: list[str]) -> int:
    facts = {**unit.facts, "UnitFileState": "enabled" if unit.wants.exists() else "disabled"}
    sys.stdout.write("".join(f"{name}={facts.get(name, '')}\n" for name in names))
    return 0


def _directory() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _start(unit: Unit) -> int:
    if unit.facts["ActiveState"] == "active":
        return 0
    unit.note(ActiveState="activating", NRestarts=0)
    supervisor = subprocess.Popen(
        [sys.executable, __file__, "supervise", unit.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    unit.note(supervisor=supervisor.pid)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if unit.facts["ActiveState"] == "active":
            return 0
        if unit.facts["ActiveState"] in {"failed", "inactive"} or unit.facts["NRestarts"]:
            break
        time.sleep(0.02)
    sys.stderr.write(f"Job for {unit.name} failed because the control process exited with error code.\n")
    return 1


def _stop(unit: Unit) -> int:
    supervisor = unit.facts["supervisor"]
    if supervisor:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        while Path(f"/proc/{supervisor}").exists() and "Z" not in Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2]:
            time.sleep(0.02)
        unit.note(ActiveState="inactive", supervisor=0)
    return 0


def loginctl(words: list[str]) -> int:
    lingers = Path(os.environ["FAKE_SYSTEMD"]) / "linger"
    if words[0] == "enable-linger":
        lingers.touch()
    else:
        sys.stdout.write(f"Linger={'yes' if lingers.exists() else 'no'}\n")
    return 0


def journalctl(words: list[str]) -> int:
    unit = Unit(words[words.index("--unit") + 1])
    lines = unit.journal.read_text(errors="replace").splitlines() if unit.journal.exists() else []
    sys.stdout.write("".join(f"{line}\n" for line in lines[-int(words[words.index("--lines") + 1]) :]))
    return 0


def supervise(words: list[str]) -> int:
    Supervisor(Unit(words[0])).run()
    return 0


if __name__ == "__main__":
    sys.exit(
        {"systemctl": systemctl, "loginctl": loginctl, "journalctl": journalctl, "supervise": supervise}[sys.argv[1]](sys.argv[2:])
    )
