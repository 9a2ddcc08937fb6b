"""The suite keeps its own promises: it runs whoever starts it, every test ends, and what a test starts is what is being tested."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from fakes.process import environment

TESTS = Path(__file__).parent
ROOT = TESTS.parent

_IGNORING = """
import os, signal, sys
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""What `&` in a script and nohup do to a program."""
_INTERRUPTING = """
import os, pytest, signal, subprocess, sys

@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_program_can_be_ended(number):
    words = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait() == -number

def test_this_process_goes_on_ignoring():
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        os.kill(os.getpid(), number)
"""
_HANGING = """
import asyncio, pytest, time, uvloop

def test_waits(): time.sleep(1000)

async def test_awaits(): await asyncio.Event().wait()

@pytest.fixture
def never_torn_down():
    yield
    time.sleep(1000)

def test_is_not_torn_down(never_torn_down): pass

def test_fails_and_is_not_torn_down(never_torn_down): raise ValueError

def test_swallows_the_alarm():
    async def wait(): await asyncio.Event().wait()
    uvloop.run(wait())

def test_comes_last(): pass
"""
_SLOW_TO_END = """
import atexit, time

def test_that_is_traced(): atexit.register(time.sleep, 1000)
"""


def run(tmp_path: Path, text: str, *words: str, before: tuple[str, ...] = ()) -> str:
    """What a run says of these tests, which have our own conftest and settings."""
    (tmp_path / "test_it.py").write_text(text)
    line = [sys.executable, *before, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    env = environment(PYTHONPATH=str(TESTS))
    done = subprocess.run(
        [*line, *words, str(tmp_path)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["0", pytest.param("1", marks=pytest.mark.slow)])  # 14 s: a worker inherits what "0" has
def test_what_whoever_starts_the_run_ignores_does_not_reach_the_programs_that_tests_start(tmp_path: Path, workers: str) -> None:
    said = run(tmp_path, _INTERRUPTING, "-n", workers, "--timeout", "30", before=("-c", _IGNORING))
    assert " 5 passed" in said, said


@pytest.mark.slow  # 15 s: processes that hang, and those that take their place
def test_a_test_that_hangs_fails_by_its_name_and_the_others_run(tmp_path: Path) -> None:
    said = run(tmp_path, _HANGING, "-n", "2", "--timeout", "1", "-o", "timeout_grace=1")
    named = set(re.findall(r"^(?:FAILED|ERROR) .*::(\w+)", said, re.MULTILINE))
    hanging = {"test_waits", "test_awaits", "test_is_not_torn_down", "test_fails_and_is_not_torn_down", "test_swallows_the_alarm"}
    assert named == hanging, said
    assert "2 passed" in said, said  # the last, and the body of the one that is not torn down


@pytest.mark.slow  # 15 s: ten of them xdist waits
def test_what_a_worker_traced_is_kept_however_long_it_takes_to_end(tmp_path: Path) -> None:
    said = run(tmp_path, _SLOW_TO_END, "-n", "1", before=("-m", "coverage", "run", "--rcfile", str(ROOT / "pyproject.toml")))
    assert " 1 passed" in said, said
    assert len(list(tmp_path.glob(".coverage.*"))) == 2, "one of the run, one of its worker"


@pytest.mark.parametrize("name", ["python", "python3", "secondme"])
def test_no_program_from_path_is_taken_for_what_is_tested(name: str) -> None:
    assert subprocess.run([name, "-c", ""], check=False, env=environment()).returncode == 97


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="the source archive has no CI")
def test_the_workflow_and_the_hook_before_a_push_count_the_lines_and_ci_runs_every_measure_once() -> None:
    session = re.search(
        r'SUITE = os.environ.get\("SUITE", "tests"\)\n.*?sessions = \[[^]]*, SUITE\]', (ROOT / "noxfile.py").read_text(), re.DOTALL
    )
    assert session, "`nox` alone runs the session that SUITE names"
    assert '\nNOX_PARALLEL=2 bash -c "$command"' in (ROOT / ".ci" / "run").read_text()
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["checks"]["steps"]
    assert {"run": "nox", "env": {"SUITE": "coverage"}} in steps
    assert {"run": "nox -s bench -- --smoke"} in steps
    assert ".venv/bin/nox -R -s bench -- --smoke" in (ROOT / ".ci" / "run").read_text()
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [(hook["entry"], hook["stages"]) for hook in repository["hooks"] if hook["id"] == "coverage"] == [
        ("nox -s coverage", ["pre-push"])
    ]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["report"]["fail_under"] >= 80
