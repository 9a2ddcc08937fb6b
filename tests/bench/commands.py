"""What do the ten most used commands cost beside their floors, and how much disk does the program take? Prints; decides nothing.

CPU seconds and peak memory are those of the whole process, and of the private server that it starts when none runs; the median of five.
Also run by itself: `python tests/bench/commands.py`.
"""

import contextlib
import importlib.util
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from counts import count

ROUNDS = count(5, 1)
ROOT = Path(__file__).parents[2]
FLOORS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import typer": [sys.executable, "-c", "import typer"],
    "an empty typer program": [sys.executable, "-c", "import typer; a = typer.Typer(); a.command()(lambda: None); a()"],
    "import typer, pydantic, redis.asyncio": [sys.executable, "-c", "import typer, pydantic, redis.asyncio"],
}
COMMANDS = {
    "--version": 0.10,
    "--help": None,
    "status": 0.25,
    "pairing list": 0.25,
    "pairing approve --all": None,
    "contacts list": None,
    "drafts list": None,
    "usage": None,
    "config show": None,
    "doctor": 1.0,
}
"""The command, and the goal for its CPU seconds."""
INSTALL_GOAL_MB = 300
DEPENDENCIES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
_MB = 1_000_000

_LAUNCHER = """
import os, sys
for line in sys.stdin:
    words = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if pid == 0:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2): os.dup2(nowhere, stream)
        os.execv(words[0], words)
    _, status, used = os.wait4(pid, 0)
    print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), flush=True)
"""
"""A small parent: a process's peak memory counts from the fork, so a large parent would be measured instead of its child."""


def row(name: str, value: str, beside: str = "", goal: str = "") -> None:
    print(f"{name:<44} {value:>16}  {beside:>22}  {goal}")


def costs(each: dict[str, list[str]]) -> dict[str, tuple[float, float]]:
    """CPU seconds and peak megabytes of these commands, taken in turns so that a busy minute meets them all."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in each}
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdin is not None
        assert launcher.stdout is not None
        for _ in range(ROUNDS):
            for name, words in each.items():
                launcher.stdin.write("\t".join(words) + "\n")
                launcher.stdin.flush()
                status, spent, megabytes = map(float, launcher.stdout.readline().split())
                assert status in {0, 1}, f"{name} ended with {status:.0f}: what it cost says nothing"
                found[name].append((spent, megabytes))
        launcher.stdin.close()
    return {
        name: (statistics.median(spent for spent, _ in rounds), max(megabytes for _, megabytes in rounds))
        for name, rounds in found.items()
    }


def starts(home: Path) -> None:
    """A line for each floor and each command."""
    program = [str(Path(sys.executable).with_name("secondme"))]
    at_home = [*program, "--home", str(home)]
    wanted = {f"secondme {line}": [*(program if line == "--version" else at_home), *line.split()] for line in COMMANDS}
    found = costs({**FLOORS, **wanted})
    floor = found["import typer, pydantic, redis.asyncio"][0]
    for name, (spent, megabytes) in found.items():
        goal = COMMANDS.get(name.removeprefix("secondme "))
        beside = f"{spent / floor:.2f} of the imports" if name in wanted else "a floor"
        row(name, f"{spent:.3f} s {megabytes:.0f} MB", beside, f"goal <= {goal:.2f} s" if goal else "")


def sizes() -> None:
    """The wheel, and everything that installing it brings."""
    if importlib.util.find_spec("hatchling"):
        with tempfile.TemporaryDirectory() as folder:
            build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
            subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
            [wheel] = Path(folder).glob("*.whl")
            row("wheel", f"{wheel.stat().st_size / 1000:.0f} kB")
    else:
        row("wheel", "not built", "hatchling is not here")
    own = sum(path.stat().st_size for path in (ROOT / "secondme").rglob("*") if path.is_file() and path.suffix != ".pyc")
    parts = {name: size_of(each) for name, each in closure(DEPENDENCIES).items()}
    largest = sorted(parts, key=lambda name: -parts[name])[:4]
    beside = ", ".join(f"{name} {parts[name] / _MB:.0f}" for name in largest)
    row("installed: secondme alone", f"{own / _MB:.1f} MB")
    row(
        f"installed: with its {len(parts)} dependencies",
        f"{(own + sum(parts.values())) / _MB:.0f} MB",
        beside,
        f"goal < {INSTALL_GOAL_MB} MB",
    )


def closure(requirements: list[str]) -> dict[str, Distribution]:
    """The distributions that installing these brings, as far as they are installed here."""
    found: dict[str, Distribution] = {}
    wanted = list(requirements)
    while wanted:
        requirement = wanted.pop()
        name = re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower())
        if name in found or "extra ==" in requirement:
            continue
        with contextlib.suppress(PackageNotFoundError):  # it may be for another system
            found[name] = distribution(name)
            wanted += found[name].requires or []
    return found


def size_of(each: Distribution) -> int:
    """Bytes of its files, without what Python compiles from them."""
    paths = [Path(str(each.locate_file(file))) for file in each.files or []]
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.is_file())


def measure() -> None:
    home = Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp"))
    try:
        starts(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sizes()


if __name__ == "__main__":
    measure()
