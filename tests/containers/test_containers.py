"""What the container files promise, looked at without an engine: nobody is root, nothing is open, and the program lives in a read-only system."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.process import DEADLINE_S, environment

from secondme.core.config.loader import known_names, load

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STACK: dict[str, Any] = yaml.safe_load((ROOT / "secondme/cli/stack/compose.yaml").read_text())
HOUSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = {**STACK["services"], **HOUSE["services"]}


def test_the_whole_house_is_there() -> None:
    assert set(SERVICES) == {"gateway", "worker", "store", "graph", "memory"}
    assert HOUSE["include"] == [{"path": "secondme/cli/stack/compose.yaml"}]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_restarts_and_gains_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_port_is_open_to_another_machine(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", ["gateway", "worker"])
def test_ours_is_not_root_has_no_capabilities_and_a_read_only_system(name: str) -> None:
    service = SERVICES[name]
    assert (service["user"], service["read_only"], service["cap_drop"], service["init"]) == ("10001:10001", True, ["ALL"], True)
    assert int(service["stop_grace_period"].rstrip("s")) > 10
    assert service["command"] == ["serve", "--role", name]


def test_no_password_is_written_down_and_each_that_is_missing_is_named() -> None:
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "secondme/cli/stack/compose.yaml").read_text()
    for name in ("STORE_PASSWORD", "GRAPH_PASSWORD", "MEMORY_TOKEN"):
        assert f"${{{name}:?" in text
        assert f"{name}=$(openssl rand -hex 24)" in (ROOT / "docs/containers.md").read_text()


def test_what_the_environment_sets_are_settings() -> None:
    names = [name for name in SERVICES["gateway"]["environment"] if name.startswith("SECONDME_")]
    settings = {name.removeprefix("SECONDME_").lower().replace("__", ".") for name in names}
    assert settings <= set(known_names())
    values = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "x", value) for name, value in SERVICES["gateway"]["environment"].items()}
    load({}, {**values, "ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": ""}, home=Path("/nowhere"))


def test_the_image_has_no_compiler_no_root_and_a_health_check() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert not re.search(r"pip install|gcc|build-essential", last)
    assert "HEALTHCHECK" in last
    assert last.index("USER 10001") < last.index("ENTRYPOINT")
    assert 'CMD ["serve"]' in last


_READ_ONLY = """
mount --make-rprivate / && mount -t tmpfs data "$SECONDME_HOME" && mount -o remount,bind,ro / || exit 99
touch /etc/.probe 2>/dev/null && exit 98
"$PYTHON" -m secondme serve 2>/dev/null & serving=$!
for _ in $(seq 200); do
  "$PYTHON" -m secondme status --here --json >/dev/null && { kill $serving; wait $serving; exit $?; }
  sleep 0.1
done
kill $serving; exit 97
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root on Linux can make a system read-only for one process"
)
def test_it_lives_healthy_and_stops_in_a_system_that_cannot_be_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    env = {**environment(), "SECONDME_HOME": str(data), "PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
    script = ["unshare", "--mount", "/bin/sh", "-c", _READ_ONLY]
    status = subprocess.run(script, env=env, stdin=subprocess.DEVNULL, timeout=DEADLINE_S, check=False).returncode
    if status in {1, 99}:
        pytest.skip("this machine lets nobody mount")
    assert status == 0
