"""What every test stands on: a home of its own, one real private server per test process, the real scripts."""

import asyncio
import faulthandler
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import certifi
import coverage
import hypothesis
import pytest
import redis.utils
from _pytest.faulthandler import fault_handler_stderr_fd_key  # private, and the only way to the real one
from _pytest.tmpdir import tmppath_result_key  # as above
from fakes.model import ScriptedModel
from fakes.process import Cli
from fakes.size import IS_WHOLE
from fakes.town import Town
from fakes.watching import Ear
from redis import Redis
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.store.client import Store
from secondme.core.store.server import EmbeddedServer, Role

UNTRACED = {
    "attacks",
    "backup",
    "fault",
    "model",
    "test_attacks",
    "test_broken_records",
    "test_canary",
    "test_canary_outside",
    "test_clocks",
    "test_clone_life",
    "test_content_corpus",
    "test_content_speed",
    "test_decisions",
    "test_delivery",
    "test_events",
    "test_export_file",
    "test_files",
    "test_fuzz",
    "test_gate",
    "test_guard",
    "test_hostile",
    "test_images",
    "test_imports",
    "test_interleavings",
    "test_isolation",
    "test_life",
    "test_limits",
    "test_linking",
    "test_looks",
    "test_lost_store",
    "test_meddling",
    "test_media",
    "test_memory_costs",
    "test_memory_isolation",
    "test_misbehaviour",
    "test_model_trouble",
    "test_odd_model",
    "test_phone",
    "test_phone_door",
    "test_phone_images",
    "test_policy",
    "test_predecessor",
    "test_properties",
    "test_scale",
    "test_service",
    "test_sessions",
    "test_shell",
    "test_shut_out",
    "test_signing",
    "test_states",
    "test_telegram",
    "test_telegram_reading",
    "test_telegram_webhook",
    "test_timekeeping",
    "test_tools",
    "test_two_gateways",
    "test_values",
    "test_web",
}
"""Folders and files."""
TRACED_ROWS = 3
"""Of a test with a table: the first, the one in the middle and the last. Seven in ten tests are rows; to trace them all costs as much again
as to run them, and walks the same lines."""
IS_ROW_TOO_MANY = pytest.StashKey[bool]()
DRY_TESTS, NEW_ARCS, NEW_ARCS_IN = 2, 8, {"tui": 150}
"""A file is traced until so many tests of it, one after the other, have walked fewer steps from line to line that nobody in this process had
walked before. The others would walk the same lines, and tracing costs as much again in every library that they pass through; on the screen
most, where nearly all that is done is the library's."""
TRACING = pytest.StashKey[Any]()
NAMESPACE = os.environ.get("TEST_NAMESPACE", "")
"""CI runs what leans on the store most once more with one, beside the tests of the other Python."""
LIMITS_S = {"slow": 1800, "heavy": 600}
"""How long a test with this mark may take, far beyond what it does; `timeout` in pyproject.toml is for the others."""


redis.utils.get_lib_version = cache(redis.utils.get_lib_version)  # it reads the package's metadata anew for each connection
hypothesis.settings.register_profile("ours", hypothesis.settings.default, deadline=None)  # the clock judges no example
hypothesis.settings.load_profile("ours")


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A short path: unix sockets have little room."""
    home = Path(tempfile.mkdtemp(prefix="sm-", dir="/tmp"))
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url(server_home: Path) -> Iterator[str]:
    """One real server for this test process, started and stopped by the product's own code."""
    server = EmbeddedServer(server_home / "store", server_home / "store.sock", role=Role.OWN)
    asyncio.run(server.ensure())
    yield f"unix://{server_home / 'store.sock'}"
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first of the certificates that clients trust. Reading all of them takes 20 ms each time, and no test calls beyond this machine."""
    path = tmp_path_factory.mktemp("authority") / "one.pem"
    path.write_text("".join(Path(certifi.where()).read_text("utf-8").partition("-----END CERTIFICATE-----")[:2]) + "\n")
    return str(path)


@pytest.fixture(scope="session")
def namesakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs called like ours and its interpreter that only fail: what is tested is never what PATH has."""
    folder = tmp_path_factory.mktemp("namesakes")
    for name in ("python", "python3", "secondme"):
        (folder / name).write_text("#!/bin/sh\necho started from PATH, not from sys.executable >&2\nexit 97\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def new_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A path for each test that asks for one: none is there yet."""
    root = tmp_path_factory.mktemp("each", numbered=False)
    return (root / str(number) for number in count())


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, new_folders: Iterator[Path]) -> Iterator[Path]:
    """As pytest's, which asks for the highest number of all that were made before it, and walks through a folder that goes: two milliseconds for
    each of seven thousand tests, of which few write anything."""
    path = next(new_folders)
    path.mkdir(mode=0o700)
    yield path
    if request.node.stash[tmppath_result_key].get("call", True):
        try:
            path.rmdir()
        except OSError:
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_authority: str, namesakes: Path) -> None:
    """No test sees the person who runs it."""
    monkeypatch.setenv("PATH", f"{namesakes}:{os.environ['PATH']}")
    for name in list(os.environ):
        if name.startswith(("SECONDME_", "ANTHROPIC_", "XDG_")):
            monkeypatch.delenv(name)
    if NAMESPACE:
        monkeypatch.setenv("SECONDME_REDIS_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("SECONDME_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("SSL_CERT_FILE", one_authority)


@pytest.fixture(scope="session")
def dry() -> Counter[Path]:
    """How many traced tests of a file, the last ones of it, have walked nothing new."""
    return Counter()


@pytest.fixture(autouse=True)
def _untraced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, dry: Counter[Path]) -> Iterator[None]:
    """What is done by the thousand, or timed, is not traced, nor are the processes it starts: coverage would double its cost, and the same
    lines are traced elsewhere. Nor is the rest of a file whose tests walk nothing new any more."""
    tracer, tracer_of_threads = sys.gettrace(), threading.gettrace()
    is_named = bool(UNTRACED & {request.path.parent.name, request.path.stem})
    is_traced = not (is_named or request.node.stash.get(IS_ROW_TOO_MANY, False) or dry[request.path] >= DRY_TESTS)
    if not is_traced:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]  # typeshed forgets it
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    before = _arcs()
    yield
    if is_traced and coverage.Coverage.current():  # a debugger traces too
        enough = NEW_ARCS_IN.get(request.path.parent.name, NEW_ARCS)
        dry[request.path] = 0 if _arcs() - before >= enough else dry[request.path] + 1
    sys.settrace(tracer)
    threading.settrace(tracer_of_threads)  # type: ignore[arg-type]  # as above


def _arcs() -> int:
    """How many steps from line to line of the package this process has walked; none where nothing is traced."""
    tracing = coverage.Coverage.current()
    collector = tracing._collector if tracing else None  # private, and what `get_data` has only once tracing has stopped
    return sum(map(len, list(collector.data.values()))) if collector else 0


@pytest.fixture(autouse=True)
def _logging_as_new() -> Iterator[None]:
    """What one test sets up of the logging is not there for the next."""
    loggers = [logging.getLogger(name) for name in (None, "secondme", "secondme.security")]
    before = [(each.level, each.propagate, each.disabled, list(each.handlers)) for each in loggers]
    yield
    for logger, (level, propagate, disabled, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate, logger.disabled, logger.handlers = propagate, disabled, handlers


@pytest.fixture
def home() -> Iterator[Path]:
    """A short, empty home for tests that start processes."""
    path = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def setup(redis_url: str, tmp_path: Path) -> Setup:
    """Settings for tests in this process: the shared server, no pacing, no night."""
    return load(
        {
            "redis_url": redis_url,
            "redis_namespace": NAMESPACE,
            "pacing.enabled": False,
            "sleep.enabled": False,
            "persona.name": "Sam",
        },
        {},
        home=tmp_path / "home",
    )


@pytest.fixture
async def store(setup: Setup, redis_url: str) -> AsyncIterator[Store]:
    """A connected store, empty at the start."""
    async with Store(setup, Role.ATTACH) as connected:
        with Redis.from_url(redis_url) as everything:
            everything.flushall()
            everything.config_resetstat()
        yield connected


@pytest.fixture
def model() -> ScriptedModel:
    """A model that says what the test tells it to."""
    return ScriptedModel()


@pytest.fixture
async def town(setup: Setup, store: Store, model: ScriptedModel) -> AsyncIterator[Town]:
    """Every real room on the real store, with a channel that only remembers what it was given."""
    built = Town(setup, store, model, Random(7))
    yield built
    await built.services.close()


@pytest.fixture
def town_with(redis_url: str, store: Store, model: ScriptedModel, tmp_path: Path) -> Callable[..., Town]:
    """Builds a town on the test's store whose settings the test chooses; `__` stands for the dot in a setting's name."""

    def build(clock: SystemClock | None = None, **flags: Any) -> Town:
        basics = {"redis_url": redis_url, "pacing.enabled": False, "sleep.enabled": False, "persona.name": "Sam"}
        dotted = {name.replace("__", "."): value for name, value in flags.items()}
        return Town(load({**basics, **dotted}, {}, home=tmp_path / "home"), store, model, Random(7), clock)

    return build


@pytest.fixture
async def ear(store: Store) -> AsyncIterator[Ear]:
    """Hears every event of the test's store."""
    listening = Ear(store)
    await listening.open()
    yield listening
    await listening.close()


@pytest.fixture
def raw(redis_url: str) -> Redis:
    """The server behind every command, empty at the start."""
    client = Redis.from_url(redis_url, decode_responses=True)
    client.flushall()
    return client


@pytest.fixture
def cli(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command."""
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)

    def run(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(words), input=stdin)

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    """One setting more than pytest-timeout has."""
    parser.addini(
        "timeout_grace", "Seconds that a test which ran out of time has to end, and one that failed to clean up.", default="60"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A run that was started with `&` or nohup inherits ignored signals, and would pass them on: a test that interrupts a program would wait
    for ever. A handler that does nothing is the same for this process, and what it starts has the default."""
    if config.option.numprocesses:
        return  # tests run in workers, which are to inherit the same
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """pytest-timeout fails a test by an alarm, which a task or a loop written in C may swallow. Then this process ends, and xdist says during
    which test and goes on with a new one."""
    _end_after(settings.timeout, item)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """A test that failed has no alarm any more; it still ends."""
    if isinstance(node, pytest.Item):
        _end_after(0, node)


def _end_after(limit_s: float, item: pytest.Item) -> None:
    """This process ends when the limit and the grace are over, and says where it was."""
    grace_s = float(item.config.getini("timeout_grace"))
    faulthandler.dump_traceback_later(limit_s + grace_s, exit=True, file=item.config.stash[fault_handler_stderr_fd_key])


def pytest_runtest_logfinish() -> None:
    """The test is over."""
    faulthandler.cancel_dump_traceback_later()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where one mark is asked for, a file that never says it is not imported: three quarters of them, by each worker."""
    asked: str = config.option.markexpr
    if asked in LIMITS_S and not IS_WHOLE and collection_path.match("test_*.py"):
        return asked not in collection_path.read_text("utf-8") or None
    return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """What was traced is written down now: xdist kills a worker that has not ended ten seconds later, which a busy machine may take."""
    if tracing := coverage.Coverage.current():
        tracing.save()


def pytest_collection(session: pytest.Session) -> None:
    """What is imported is traced by the first worker: every other one would walk the same lines."""
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
        session.stash[TRACING] = sys.gettrace()
        sys.settrace(None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tracing goes on. And what five thousand tests have imported stays anyway: the collector need not walk through it again and again, a
    third of a second each time; nor look for cycles after every seven hundred objects. Together a quarter of what the tests cost."""
    if tracing := session.stash.get(TRACING, None):
        sys.settrace(tracing)
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Which rows of a table are traced. What is marked slow runs with `-m slow`, what is marked heavy with `-m heavy` or where its file or
    folder is named; both in the whole suite (`nox -s whole`)."""
    tables: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        tables[item.nodeid.partition("[")[0]].append(item)
    for rows in tables.values():
        traced = {index * (len(rows) - 1) // (TRACED_ROWS - 1) for index in range(TRACED_ROWS)}
        for index, item in enumerate(rows):
            item.stash[IS_ROW_TOO_MANY] = index not in traced
    for item in items:
        limits = [limit for mark, limit in LIMITS_S.items() if IS_WHOLE or item.get_closest_marker(mark)]
        if limits and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(limits)))
    asked: str = config.option.markexpr
    if IS_WHOLE or "slow" in asked:
        return
    is_named = [Path(each).name for each in config.args] != config.getini("testpaths")
    left_out = {"slow"} if is_named or "heavy" in asked else {"slow", "heavy"}
    chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        chosen[not any(mark.name in left_out for mark in item.iter_markers())].append(item)
    config.hook.pytest_deselected(items=chosen[False])
    items[:] = chosen[True]
