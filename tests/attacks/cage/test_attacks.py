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

from secondme.skills.mcp.confined import find_bubblewrap

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
CONTAINED = {
    "listen": "in a network of its own",
    "exec_shell": "programs are what it is for",
    "exec_from_memory": "as above",
    "fork_once": "counted",
    "fork_bomb": "killed as soon as they are 64",
    "thread_bomb": "256 at most",
    "thread_bomb_of_small_stacks": "256 at most",
    "memory_bomb": "killed as soon as it is seen",
    "address_space_bomb": "nothing that is used",
    "raise_own_limits": "to those that it was given",
}
"""What a program of somebody else's may do in bubblewrap, and why nobody but itself notices."""


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
    for mode in results.keys() - {"none", "bubblewrap"}:
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


def as_whom(is_nobody: bool) -> tuple[int, str]:
    """The user, and an interpreter that they can start."""
    if not is_nobody:
        return os.getuid(), sys.executable
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    return NOBODY, python_of_anybody()


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


@pytest.mark.heavy  # 25 s each
@pytest.mark.parametrize("is_nobody", [pytest.param(False, marks=pytest.mark.slow), True])  # 20 s each
def test_programs_of_others_do_nothing_that_others_notice(is_nobody: bool) -> None:
    if find_bubblewrap().why_not:
        pytest.skip("bubblewrap does not start")
    uid, python = as_whom(is_nobody)
    results = attacked(uid, python, ["none", "bubblewrap"], in_docker=False)
    assert_nothing_gets_out(results)
    confined = results["bubblewrap"]
    assert confined.keys() == ATTACKS.keys()
    assert {name: result["say"] for name, result in confined.items() if result["ok"] and name not in CONTAINED} == {}
    assert {
        name: result["say"] for name, result in confined.items() if result["say"] in OUR_FAULT or "CANARY" in result["say"]
    } == {}


@pytest.mark.heavy
def test_programs_of_others_do_not_start_where_bubblewrap_cannot_confine_them() -> None:
    assert attacked(os.getuid(), sys.executable, ["bubblewrap"], in_docker=True) == {"bubblewrap": {}}


@pytest.mark.heavy  # 5 s each
@pytest.mark.parametrize(
    ("in_docker", "is_nobody"),
    [(False, True), (True, True), *(pytest.param(inside, False, marks=pytest.mark.slow) for inside in (False, True))],
)  # 13 s each
def test_no_attack_gets_out_as_another_user_or_within_a_filter_like_docker_s(is_nobody: bool, in_docker: bool) -> None:
    uid, python = as_whom(is_nobody)
    assert_nothing_gets_out(attacked(uid, python, ["none", "sealed", "landlock"], in_docker=in_docker))
