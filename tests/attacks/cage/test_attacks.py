"""No attack gets out of the sandbox, whoever runs it and whatever filter it is already in. Each must work where nothing confines it."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attacks.cage.attacks import ATTACKS
from fakes.process import DEADLINE_S, environment

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the attacks are system calls of it"
)

HERE = Path(__file__).parent
NOBODY = 65_534
WORKING = 55
"""At least as many work unconfined, on any machine: some need root, a keyring, a terminal or a kernel's option."""
OUR_FAULT = {
    "ImportError",
    "ModuleNotFoundError",
    "NameError",
    "AttributeError",
    "TypeError",
    "KeyError",
    "failed",
    "bad_code",
    "bad_call",
}
"""What would stop an attack that the sandbox does not."""


def attacked(uid: int, python: str, modes: list[str], *, in_docker: bool) -> dict[str, dict[str, dict[str, Any]]]:
    """By mode and attack: what came of it."""
    orders = {"uid": uid, "python": python, "modes": modes, "in_docker": in_docker}
    done = subprocess.run(
        [sys.executable, str(HERE / "rig.py"), json.dumps(orders)],
        env=environment(SECRET="CANARY_ENV", PYTHONPATH=os.pathsep.join((str(HERE), *sys.path))),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, dict[str, dict[str, Any]]] = json.loads(done.stdout)
    return results


def assert_nothing_gets_out(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    working = {name for name, result in results["none"].items() if result["ok"]}
    print(f"{len(working)} of {len(ATTACKS)} work unconfined; void: {sorted(ATTACKS.keys() - working)}")
    assert len(working) >= WORKING
    for mode in results.keys() - {"none"}:
        assert results[mode].keys() == ATTACKS.keys()
        assert {name: result["say"] for name, result in results[mode].items() if result["ok"]} == {}
        assert {name: result["say"] for name, result in results[mode].items() if result["say"] in OUR_FAULT} == {}


def python_of_anybody() -> str:
    """An interpreter that another user can start: the one that runs the tests may be in somebody's home."""
    for python in (sys.executable, "/usr/bin/python3"):
        command = [str(Path(python).resolve()), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(command, user=NOBODY, group=NOBODY, cwd="/", check=False, capture_output=True).returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip("no interpreter that another user can start")


def test_there_are_attacks_on_everything() -> None:
    groups = [group for group, _ in ATTACKS.values()]
    assert {group: groups.count(group) for group in groups} == {
        "files": 25,
        "secrets": 13,
        "network": 14,
        "processes": 19,
        "kernel": 12,
    }


def test_no_attack_gets_out() -> None:
    """By the filter alone: Landlock is a second wall, where there is one."""
    assert_nothing_gets_out(attacked(os.getuid(), sys.executable, ["none", "sealed"], in_docker=False))


@pytest.mark.heavy  # 5 s each
@pytest.mark.parametrize("is_nobody", [False, True])
@pytest.mark.parametrize("in_docker", [False, True])
def test_no_attack_gets_out_as_another_user_or_within_a_filter_like_docker_s(is_nobody: bool, in_docker: bool) -> None:  # noqa: FBT001
    if is_nobody and os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    uid, python = (NOBODY, python_of_anybody()) if is_nobody else (os.getuid(), sys.executable)
    assert_nothing_gets_out(attacked(uid, python, ["none", "sealed", "landlock"], in_docker=in_docker))
