"""A home that is looked at: its faults are real, its doctor is the real command, and a printed fix is typed as it stands."""

import asyncio
import json
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.core.store.server import find_server

T = TypeVar("T")
Json = dict[str, Any]
KEY = "sk-test-good"
BASICS = '[sleep]\ntimezone = "Europe/Madrid"\n[model]\nname = "claude-test"\nsmall = "claude-test"\n'
"""What onboarding leaves, with a model's server that is the test's own."""


class Background:
    """A loop in a thread of its own, where servers answer while a command runs in the test's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._opened = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def open(self, server: AbstractAsyncContextManager[T]) -> T:
        return asyncio.run_coroutine_threadsafe(self._opened.enter_async_context(server), self._loop).result(20)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._opened.aclose(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@dataclass
class Seen:
    """What the doctor said."""

    exit_code: int
    checks: dict[str, Json]

    @property
    def findings(self) -> dict[str, Json]:
        return {finding["id"]: finding for check in self.checks.values() for finding in check["findings"]}

    def only(self, identity: str) -> Json:
        """The one finding there is."""
        assert list(self.findings) == [identity], self.findings
        assert self.exit_code == 1
        return self.findings[identity]

    def status(self, check: str) -> str:
        return str(self.checks[check]["status"])


@dataclass
class Ward:
    """One home, and everything the doctor is told about it by files."""

    home: Path
    ledger: list[tuple[str, str, str, str]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def configure(self, text: str = "", basics: str = BASICS, **secrets: str) -> None:
        """config.toml is `basics` and `text`; `.env` has the secrets, by their dotted names with `__`."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        self._write("config.toml", basics + text)
        self.secrets |= secrets
        self._write(".env", "".join(f"SECONDME_{name.upper()}='{value}'\n" for name, value in self.secrets.items()))

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)

    def run(self, *words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(words), input=stdin)

    def doctor(self, *words: str) -> Seen:
        result = self.run("doctor", *words, "--json")
        assert result.exit_code in {0, 1}, result.output
        envelope = json.loads(result.stdout)
        assert envelope["schema"] == "secondme.doctor/1"
        assert envelope["data"]["healthy"] is (result.exit_code == 0)
        return Seen(result.exit_code, {check["id"]: check for check in envelope["data"]["checks"]})

    def mend(self, finding: Json, stdin: str | None = None) -> None:
        """The fix, typed as it stands: ours in this process, others in a shell. A sentence that ends in a command of ours is that one."""
        fix = finding["fix"]
        at = fix.find("secondme ")
        if at >= 0:
            result = self.run(*shlex.split(fix[at:])[1:], stdin=stdin)
            assert result.exit_code in {0, 1}, (fix, result.output)
        else:
            subprocess.run(fix, shell=True, check=True, timeout=20)

    def is_found(self, identity: str, what: str) -> Json:
        """The finding, the only one of a whole look."""
        finding = self.doctor().only(identity)
        assert finding["what"]
        assert finding["fix"]
        self.ledger.append((what, identity, finding["severity"], finding["fix"]))
        return finding

    def is_clean(self) -> None:
        seen = self.doctor()
        assert (seen.findings, seen.exit_code) == ({}, 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def valkey(directory: Path, port: int = 0, **options: str) -> Iterator[Redis]:
    """A server of its own on 127.0.0.1, an option's `_` being a dash."""
    port = port or free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "", "--appendonly", "yes"]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", value]
    process = subprocess.Popen([find_server(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = Redis(port=port, password=options.get("requirepass"), decode_responses=True)
    try:
        until(client.ping)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def until(claim: Any) -> None:
    """Return when `claim` is true, however long it takes; what it raises meanwhile is no answer."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if claim():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.01)


def address_of(client: Redis, user: str = "", password: str = "") -> str:
    port = client.connection_pool.connection_kwargs["port"]
    return f"redis://{user}:{password}@127.0.0.1:{port}" if password else f"redis://127.0.0.1:{port}"


def holding(path: Path, recorded: str) -> subprocess.Popen[bytes]:
    """A process that holds a lock and does nothing else; the file says that `recorded` does."""
    code = (
        "import fcntl,sys,time\n"
        "f=open(sys.argv[1],'a+'); fcntl.flock(f,fcntl.LOCK_EX); f.truncate(0); f.write(sys.argv[2]); f.flush()\n"
        "print('held',flush=True); time.sleep(600)"
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", code, str(path), recorded], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"held\n"
    path.chmod(0o600)
    return process


def listening(path: Path) -> None:
    """A socket that somebody made and nobody listens at any more."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
