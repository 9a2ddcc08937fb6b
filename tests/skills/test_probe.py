"""What a machine can do is found by trying."""

import sys

import pytest

from secondme.skills.sandbox.probe import Confinement, ConfinementLevel, ProbeResult, probe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is tried is Linux's")


@pytest.fixture(scope="module")
def whole() -> Confinement:
    """Everything is tried, a limit on time too, which takes one second."""
    return probe()


def test_every_wall_is_tried_and_each_that_is_missing_has_a_cure(whole: Confinement) -> None:
    found = whole
    by_name = {each.name: each for each in found.probes}
    walls = {
        "machine",
        "no_new_privs",
        "seccomp",
        "files",
        "network",
        "local_sockets",
        "programs",
        "processes",
        "threads",
        "signals",
        "memory",
        "cpu",
    }
    assert by_name.keys() == walls | {"landlock", "user_namespaces", "bubblewrap"}
    assert {name for name in walls if not by_name[name].is_ok} == set()
    expected = ConfinementLevel.SEALED_WITH_LANDLOCK if by_name["landlock"].is_ok else ConfinementLevel.SEALED
    assert found.level is expected
    assert found.fix == ""
    assert all(bool(each.fix) is not each.is_ok and each.why for each in found.probes)


def test_an_interpreter_that_does_not_start_is_no_sandbox() -> None:
    found = probe("/bin/false")
    assert found.level is ConfinementLevel.NONE
    assert found.probes == (ProbeResult("python", is_ok=False, why="JSONDecodeError", fix="/bin/false must start."),)
    assert found.fix == "/bin/false must start."


def test_a_quick_look_finds_the_same_but_the_limit_on_time(whole: Confinement) -> None:
    quick = probe(is_quick=True)
    assert quick.level is whole.level
    assert {each.name for each in whole.probes} - {each.name for each in quick.probes} == {"cpu"}
