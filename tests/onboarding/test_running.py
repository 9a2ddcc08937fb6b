"""At the end it runs: as a service where something runs services, and the owner sees who writes first."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import systemd
from fakes.messages_api import MessagesApi
from fakes.process import command, environment
from fakes.wizard import QUESTIONS, Wizard, plain

pytestmark = pytest.mark.heavy  # gateways and services that the wizard starts

FLAGS = ("onboard", "--non-interactive", "--persona-name", "Sam", "--json")


@pytest.fixture
def machine(tmp_path: Path, api: MessagesApi) -> Iterator[dict[str, str]]:
    """The variables of a machine with a supervisor; whatever it started is stopped in the end."""
    env = {**systemd.install(tmp_path / "bin"), "XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    env |= {"ANTHROPIC_API_KEY": "sk-good", "ANTHROPIC_BASE_URL": api.url}
    yield env
    command(tmp_path / "home", "service", "uninstall", **env)


def test_a_script_makes_it_a_service_that_runs(tmp_path: Path, machine: dict[str, str]) -> None:
    home = tmp_path / "home"
    result = command(home, *FLAGS, "--service", "--start", **machine)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["data"]["service"] is True
    standing = json.loads(command(home, "service", "status", "--json", **machine).stdout)["data"]
    assert standing["state"] == "active"
    assert json.loads(command(home, "status", "--json").stdout)["data"]["processes"][0]["part"] == "all"


def test_where_nothing_runs_services_a_script_is_told_and_nobody_is_asked(tmp_path: Path, machine: dict[str, str]) -> None:
    alone = {
        **machine,
        "PATH": environment()["PATH"].replace(str(tmp_path / "bin"), ""),
        "XDG_RUNTIME_DIR": "",
        "DBUS_SESSION_BUS_ADDRESS": "",
    }
    result = command(tmp_path / "home", *FLAGS, "--service", **alone)
    assert result.returncode == 69
    assert (tmp_path / "home" / "config.toml").exists()


def test_at_a_terminal_the_service_starts_and_the_first_message_is_seen(tmp_path: Path, machine: dict[str, str]) -> None:
    home = tmp_path / "home"
    with Wizard(home, machine["ANTHROPIC_BASE_URL"], **machine) as wizard:
        for name in [each for each in QUESTIONS if each not in {"provider", "base_url", "api_key", "digest", "start", "write"}]:
            wizard.answer(name)
        wizard.read_until("as a service")
        wizard.type("y")
        wizard.answer("digest", "y")
        wizard.answer("start", "y")
        wizard.answer("write")
        wizard.read_until("A note comes at 7:30")
        wizard.read_until("the service goes on")
        command(home, "chat", "--as", "Anna", "--message", "hello", "--wait", "1")
        wizard.read_until(r"Anna asks to be approved:\s+.*pairing approve local:anna")
        wizard.interrupt()
        assert wizard.ended() == 0, plain(wizard.output)
    assert json.loads(command(home, "service", "status", "--json", **machine).stdout)["data"]["state"] == "active"
