"""Containers are started by Docker Compose when the owner says so, with passwords of their own; what cannot be is said beforehand.

Docker is a stand-in on PATH that takes the same words and really starts a server with the password that it was given.
"""

import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fakes.messages_api import MessagesApi
from fakes.process import command
from typer.testing import CliRunner

from secondme.cli.app import app
from secondme.core.store.server import find_server

WORDS = ("onboard", "--non-interactive", "--persona-name", "Sam", "--store", "docker", "--json")
DOCKER = """#!{python}
import json, os, pathlib, subprocess, sys
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[:1] == ["info"]:
    sys.exit({info})
if words[:2] == ["compose", "version"]:
    sys.exit({compose})
env = dict(line.split("=", 1) for line in pathlib.Path(words[words.index("--env-file") + 1]).read_text().splitlines())
if {up}:
    print("no space left on device"); sys.exit(1)
password, port = (env[name].strip("'") for name in ("STORE_PASSWORD", "STORE_PORT"))
subprocess.run([{server!r}, "--port", port, "--bind", "127.0.0.1", "--requirepass", password, "--daemonize", "yes",
    "--pidfile", str(here / "pid"), "--dir", str(here), "--save", ""], check=True, stdout=subprocess.DEVNULL)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the stand-in is; it runs and works until a test says otherwise."""
    place = tmp_path / "bin"
    place.mkdir()
    install(place)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    yield place
    if (place / "pid").exists():
        os.kill(int((place / "pid").read_text()), signal.SIGTERM)


def install(place: Path, *, info: int = 0, compose: int = 0, up: int = 0) -> None:
    text = DOCKER.format(python=sys.executable, info=info, compose=compose, up=up, server=find_server())
    (place / "docker").write_text(text)
    (place / "docker").chmod(0o755)


@pytest.fixture
def home(tmp_path: Path, api: MessagesApi, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-good")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    return tmp_path / "home"


def test_the_containers_run_and_the_gateways_store_is_in_them(engine: Path, home: Path) -> None:
    result = CliRunner().invoke(app, ["--home", str(home), *WORDS])
    assert result.exit_code == 0, result.output
    up = [json.loads(line) for line in (engine / "calls").read_text().splitlines()][-1]
    assert up == [
        "compose",
        "--file",
        str(home / "compose.yaml"),
        "--env-file",
        str(home / "stack.env"),
        "up",
        "--detach",
        "--wait",
    ]
    env = (home / ".env").read_text()
    assert all(name in env for name in ("SECONDME_REDIS_URL", "SECONDME_MEMORY__GRAPH_URL", "SECONDME_MEMORY__AUTOMEM_TOKEN"))
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in (".env", "stack.env", "compose.yaml")} == {0o600}
    assert set(yaml.safe_load((home / "compose.yaml").read_text())["services"]) == {"store", "graph", "memory"}
    assert command(home, "pairing", "list", "--json").returncode == 0
    for line in (home / "stack.env").read_text().splitlines():
        assert line.partition("=")[2].strip("'") not in result.output or "PORT" in line


def test_a_second_run_keeps_the_passwords(engine: Path, home: Path) -> None:
    CliRunner().invoke(app, ["--home", str(home), *WORDS])
    before = (home / "stack.env").read_text()
    os.kill(int((engine / "pid").read_text()), signal.SIGTERM)
    assert CliRunner().invoke(app, ["--home", str(home), *WORDS]).exit_code == 0
    assert (home / "stack.env").read_text() == before


@pytest.mark.parametrize(
    ("broken", "said"), [({"info": 1}, "Docker does not run here"), ({"compose": 1}, "Docker Compose is not installed here")]
)
def test_without_docker_it_cannot_be_chosen(engine: Path, home: Path, broken: dict[str, int], said: str) -> None:
    install(engine, **broken)
    result = CliRunner().invoke(app, ["--home", str(home), *WORDS])
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["message"]) == (78, f"--store: {said}.")
    assert not (home / "config.toml").exists()


def test_what_docker_says_when_it_fails_is_passed_on(engine: Path, home: Path) -> None:
    install(engine, up=1)
    result = CliRunner().invoke(app, ["--home", str(home), *WORDS])
    (error,) = json.loads(result.stdout)["errors"]
    assert (result.exit_code, error["code"], "no space left on device" in error["message"]) == (69, "containers_not_started", True)
    assert not (home / "config.toml").exists()
