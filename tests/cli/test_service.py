"""The gateway as a service: a unit that says exactly what was meant, a gateway that says how it is, and a supervisor that believes it."""

import asyncio
import json
import os
import plistlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fakes import systemd
from fakes.process import DEADLINE_S, settings_of, write_config
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from secondme.cli.app import app as whole
from secondme.cli.app import options
from secondme.cli.command import Invocation
from secondme.cli.commands.service import app as service
from secondme.cli.service.manager import MARKER, Launchd, agent_text, quoted, unit_text
from secondme.cli.service.program import ServiceProgram, program_of
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.files import hold
from secondme.core.gateway.control_socket import ask

pytestmark = pytest.mark.heavy  # services that start, stop and are watched

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" %$\"'\\;#!@:-+"), min_size=1, max_size=40)


class Machine:
    """A machine of one home, with something on it that runs services."""

    def __init__(self, home: Path, room: Path, **env: str) -> None:
        self.home = home
        self.config = room / "config"
        self.env = {**systemd.install(room / "bin"), "XDG_CONFIG_HOME": str(self.config), "HOME": str(room), **env}
        self.state = Path(self.env["FAKE_SYSTEMD"])

    def run(self, *words: str, **env: str) -> Result:
        app = typer.Typer()
        app.callback()(options)
        app.add_typer(service, name="service")
        return CliRunner().invoke(app, ["--home", str(self.home), "service", *words], env={**self.env, **env})

    def type(self, *words: str) -> Result:
        """Any command."""
        return CliRunner().invoke(whole, ["--home", str(self.home), *words], env=self.env)

    def data(self, *words: str, exit_code: int = 0, **env: str) -> dict[str, Any]:
        result = self.run(*words, "--json", **env)
        assert result.exit_code == exit_code, result.stdout + result.stderr
        return dict(json.loads(result.stdout)["data"])

    def until(self, claim: Any) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            result = json.loads(self.run("status", "--json").stdout)["data"]
            if claim(result):
                return dict(result)
            assert time.monotonic() < deadline, result


@pytest.fixture
def machine(home: Path, tmp_path: Path) -> Iterator[Machine]:
    write_config(home)
    machine = Machine(home, tmp_path)
    yield machine
    for facts in machine.state.glob("*.json"):
        known = json.loads(facts.read_text())
        for pid in (known["supervisor"], known["MainPID"]):
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def test_a_service_is_started_watched_told_about_and_stopped_in_order(machine: Machine) -> None:
    (machine.state / "watchdog_s").write_text("1.5")
    made = machine.data("install", "--now")
    assert (made["outcome"], made["started"], made["lingers"]) == ("created", True, False)
    first = machine.until(lambda data: data["status"] == "Running. local connected")
    assert (first["state"], first["enabled"], first["restarts"]) == ("active", True, 0)
    assert Path(f"/proc/{first['pid']}/environ").read_bytes().count(b"WATCHDOG_USEC")
    os.kill(first["pid"], signal.SIGSTOP)  # the loop hangs
    second = machine.until(lambda data: data["restarts"] == 1 and data["state"] == "active")
    assert second["pid"] != first["pid"]
    assert machine.data("stop")["state"] == "inactive"
    assert machine.data("status", exit_code=1).get("pid") is None
    stopped = [
        json.loads(line)["event"] for line in (settings_of(machine.home).places.logs / "secondme.jsonl").read_text().splitlines()
    ]
    assert stopped[-1] == "stopped"
    said = machine.run("logs", "--lines", "500").stdout
    assert '"event": "ready"' in said


def test_a_service_is_started_anew_by_who_runs_it(machine: Machine) -> None:
    machine.data("install", "--now")
    first = machine.data("status")["pid"]
    (machine.home / "config.toml").write_text("broken")
    assert machine.type("restart").exit_code == 78
    write_config(machine.home)
    assert machine.data("status")["pid"] == first
    restarted = machine.type("restart", "--json")
    assert restarted.exit_code == 0, restarted.output
    second = machine.data("status")
    (one,) = json.loads(restarted.stdout)["data"]["restarted"]
    assert one == {"part": "all", "pid": second["pid"], "by": "service"}
    assert (second["state"], second["pid"] != first) == ("active", True)
    machine.data("stop")
    assert machine.type("restart").exit_code == 1


def test_a_service_whose_gateway_starts_anew_by_itself_is_the_same_one_to_who_runs_it(machine: Machine) -> None:
    machine.data("install", "--now")
    first = machine.until(lambda data: data["status"] == "Running. local connected")
    path = settings_of(machine.home).places.control_sockets()[0]
    run = asyncio.run(ask(path, "about"))["run"]
    assert asyncio.run(ask(path, "restart")) == {"outcome": "restarting"}

    def is_anew(data: dict[str, Any]) -> bool:
        try:
            return bool(asyncio.run(ask(path, "about"))["run"] != run and data["status"] == "Running. local connected")
        except UnavailableError:
            return False

    second = machine.until(is_anew)
    assert (second["pid"], second["restarts"], second["state"]) == (first["pid"], 0, "active")
    assert machine.data("stop")["state"] == "inactive"


def test_what_runs_under_us_does_not_get_the_supervisors_line(machine: Machine) -> None:
    machine.data("install", "--now")
    pid = machine.data("status")["pid"]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    for child in children:
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{child}/environ").read_bytes()


def test_installing_again_changes_nothing_and_another_wish_is_shown_as_a_difference(machine: Machine) -> None:
    first = machine.data("install")
    text = Path(first["path"]).read_text()
    assert machine.data("install")["outcome"] == "unchanged"
    updated = machine.data("install", "--role", "gateway", "--linger")
    assert (updated["outcome"], updated["lingers"]) == ("updated", True)
    assert any(line.startswith("+ExecStart") and '"--role" "gateway"' in line for line in updated["diff"])
    assert machine.data("install", "--role", "worker")["path"] != first["path"]
    machine.home = machine.home / "other"
    other = machine.data("install")
    assert other["path"] != first["path"]
    assert machine.data("uninstall")["outcome"] == "removed"
    assert machine.data("uninstall")["outcome"] == "absent"
    assert MARKER in text
    assert Path(first["path"]).exists()


def test_a_file_that_somebody_else_wrote_is_left_alone(machine: Machine) -> None:
    path = Path(machine.data("install")["path"])
    path.write_text("[Service]\nExecStart=/bin/true\n")
    for word in ("install", "uninstall", "start"):
        refused = machine.run(word)
        assert (refused.exit_code, refused.stderr.count("\n")) == (78, 1)
    assert path.read_text().startswith("[Service]")


def test_a_key_that_is_only_in_the_shell_is_said_and_is_nowhere_in_the_unit(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = "sk-only-here"
    data = machine.data("install")
    assert data["onlyInShell"] == ["ANTHROPIC_API_KEY"]
    shown = machine.run("install").stdout
    assert ".env" in shown
    assert "sk-only-here" not in shown + Path(data["path"]).read_text() + json.dumps(data)
    del machine.env["ANTHROPIC_API_KEY"]
    env = machine.home / ".env"
    env.write_text("ANTHROPIC_API_KEY=sk-there\n")
    env.chmod(0o600)
    assert (machine.data("install")["onlyInShell"], machine.data("install")["hasModelKey"]) == ([], True)


def test_a_configuration_that_is_wrong_fails_once_and_is_not_tried_for_ever(machine: Machine) -> None:
    machine.data("install")
    (machine.home / "config.toml").write_text("[pairing]\nmode = 7\n")
    env = {"SECONDME_PAIRING__MODE": "owner"}  # the shell's own repairs it, which a service does not have
    refused = machine.run("start", **env)
    assert (refused.exit_code, refused.stderr.count("\n")) == (69, 1)
    assert machine.data("status", exit_code=1, **env)["state"] == "failed"
    assert "pairing.mode" in machine.run("logs", **env).stdout


def test_a_gateway_that_runs_in_a_terminal_is_not_fought_with(machine: Machine) -> None:
    machine.data("install")
    (machine.home / "data").mkdir(exist_ok=True)
    held = hold(machine.home / "data" / "gateway.lock")
    assert held is not None
    assert json.loads(machine.run("start", "--json").stdout)["errors"][0]["code"] == "gateway_running"
    os.close(held)


def test_where_nobody_runs_services_it_is_said_and_no_file_is_left(machine: Machine) -> None:
    (Path(machine.env["PATH"].partition(":")[0]) / "systemctl").write_text("#!/bin/sh\necho offline\nexit 1\n")
    for path in (machine.env["PATH"], "/nowhere"):
        refused = machine.run("install", PATH=path)
        assert (refused.exit_code, refused.stderr.count("\n"), "docs/service.md" in refused.stderr) == (69, 1, True)
    assert not machine.config.exists()


@given(PRINTABLE, PRINTABLE)
def test_systemd_reads_every_path_as_it_was_meant(program: str, home: str) -> None:
    words = (f"/{program}", "--home", f"/{home}", "serve")
    assert systemd.words_of(":/x " + " ".join(quoted(word) for word in words)) == ["/x", *words]
    text = unit_text(ServiceProgram(words, "secondme", f"secondme of {home}"))
    read = systemd.words_of(systemd.read_unit(text)["ExecStart"])
    assert read == list(words) or (read[3:] == list(words) and read[:3] == ["/bin/sh", "-c", 'exec "$0" "$@"'])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze to ask")
@pytest.mark.parametrize("special", ["", "\"q\" 'r' \\s "])
def test_systemds_own_parser_agrees(tmp_path: Path, special: str) -> None:
    nasty = f"{tmp_path}/a b%h {special}$HOME ; ä仕/secondme"
    (tmp_path / "secondme-x.service").write_text(unit_text(ServiceProgram((nasty, "--home", nasty), "secondme-x", "x % y")))
    words = ["systemd-analyze", "verify", "--user", str(tmp_path / "secondme-x.service")]
    said = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, check=False
    ).stderr
    assert (f"Command {nasty} is not executable" in said) is (not special), said  # the shell is, and looks for the other itself
    known = ("is not executable", "RestartSteps", "RestartMaxDelay")
    assert [line for line in said.splitlines() if not any(word in line for word in known)] == []


def test_a_home_that_cannot_be_spoken_is_refused() -> None:
    for name in ("a\nb", "a\x1bb", "a\udcffb"):
        with pytest.raises(ConfigError, match="characters"):
            program_of(Invocation(Path("/tmp") / name, ()), "all")


def test_launchd_gets_the_same_words_and_is_asked_in_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "launchctl").write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\n[ "$1" = print ] && [ "${2#*/*/}" != "$2" ] && [ ! -e "$0.up" ] && exit 113\n'
        '[ "$1" = bootstrap ] && touch "$0.up"\n[ "$1" = bootout ] && rm "$0.up"\nprintf "\\tstate = running\\n\\tpid = 42\\n"\n'
    )
    (tmp_path / "launchctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = ServiceProgram(("/a b/secondme", "--home", "/<ä>&", "serve"), "secondme", "secondme")
    manager = Launchd(program, tmp_path)
    manager.require()
    manager.enable()
    manager.start()
    assert (manager.standing().state, manager.standing().pid) == ("active", 42)
    manager.forget()
    assert manager.standing().state == "inactive"
    asked = [line.split()[0] for line in (tmp_path / "launchctl.log").read_text().splitlines() if not line.startswith("print")]
    assert asked == ["enable", "bootstrap", "bootout", "disable"]
    said = plistlib.loads(agent_text(program, tmp_path / "log").encode())
    assert (said["ProgramArguments"], said["RunAtLoad"], said["Umask"]) == (list(program.words), True, 0o077)
    assert MARKER in agent_text(program, tmp_path / "log")


def test_a_service_looks_where_the_shell_said_everything_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SECONDME_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    words = program_of(Invocation(None, ()), "all").words
    assert words[:2] == ("/usr/bin/env", f"XDG_DATA_HOME={tmp_path}")
    assert program_of(Invocation(tmp_path, ()), "all").words[0] != "/usr/bin/env"
