"""Real processes of the product: gateways that can be killed at a named step, and commands as a shell runs them."""

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from typer.testing import Result

from secondme.channels.local.client import Event, LocalClient
from secondme.channels.local.protocol import CHANNEL, contact_of
from secondme.core.admit.pairing_store import PairingStore
from secondme.core.admit.store import RequestStore
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.enums import Tier
from secondme.core.ids import ChannelId, MessageId
from secondme.core.messages import InboundMessage
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

Cli = Callable[..., Result]
"""A command run in the test's own process: words in, result out."""
LAUNCH = Path(__file__).with_name("launch.py")
COMMAND = Path(__file__).with_name("launch_command.py")
"""Runs any command, in which a named step stops the world."""
DEADLINE_S = 60.0
"""Far beyond what anything here takes: it ends a hanging test, it decides none."""
WITHOUT_API = "[api]\nenabled = false\n"
"""For a gateway whose API nobody calls: half of what its start costs is the web framework."""


def environment(**extra: str) -> dict[str, str]:
    """What a process is given: enough to find Python, and nothing of the person who runs the tests. It is not traced: the same lines are
    traced in this process, and whole programs would take twice as long."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SECONDME_", "ANTHROPIC_", "COVERAGE_"))}
    return {**kept, **extra}


def write_config(home: Path, text: str = "") -> None:
    """A configuration without pacing and night, plus `text`."""
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.toml").write_text("[pacing]\nenabled = false\n[sleep]\nenabled = false\n" + text)


def settings_of(home: Path, url: str = "", **flags: Any) -> Setup:
    """The settings that a process of this home has; `url` is what it finds in SECONDME_REDIS_URL."""
    return load(flags, {"SECONDME_REDIS_URL": url} if url else {}, home=home)


def command(home: Path, *words: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """One command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "secondme", "--home", str(home), *words],
        capture_output=True,
        text=True,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env=environment(**env),
        timeout=DEADLINE_S,
        check=False,
    )


def data_of(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The `data` of a command's envelope."""
    return json.loads(result.stdout)["data"]  # type: ignore[no-any-return]


class GatewayProcess:
    """One gateway. `faults` are `STEP:SIGNAL:COUNT`."""

    def __init__(self, home: Path, part: str = "all", *faults: str, **env: str) -> None:
        self.home = home
        with (home / f"stderr-{part}.log").open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCH), str(home), part, *faults],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment(**env),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def hears(self) -> Self:
        """Itself, once people can talk to it."""
        socket, end = settings_of(self.home).places.local_socket, time.monotonic() + DEADLINE_S
        while not socket.exists() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        return self

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    def is_stopped(self) -> bool:
        """True while it is frozen by SIGSTOP. Linux only."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    async def ended(self) -> int:
        """Its exit status, once it has ended (negative: the signal that ended it)."""
        await eventually(lambda: self.process.poll() is not None)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """One program on a terminal of its own, as a person sees it. `words` run as they are, a string through the shell. With `controls`
    the terminal is the session's own: programs find it as /dev/tty, and its Ctrl-C is a signal."""

    def __init__(self, words: list[str] | str, *, size: tuple[int, int] = (80, 24), controls: bool = False, **env: str) -> None:
        self.output = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._raw = b""
        self.process = subprocess.Popen(
            words,
            shell=isinstance(words, str),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal if controls else None,  # noqa: PLW1509  one system call
            env=environment(**{"TERM": "xterm", **env}),
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def hang_up(self) -> None:
        """The terminal is gone."""
        os.close(self._master)

    def read_until(self, pattern: str) -> re.Match[str]:
        """The first match of `pattern` in what was shown since the last one."""
        return self._read(lambda: re.search(pattern, self.output[self._seen :]))

    _seen = 0

    def _read(self, found: Callable[[], re.Match[str] | None]) -> re.Match[str]:
        deadline = time.monotonic() + DEADLINE_S
        while (match := found()) is None:
            assert time.monotonic() < deadline, self.output
            assert self._more(0.2) or self.process.poll() is None, self.output
        self._seen += match.end()
        return match

    def _more(self, wait_s: float) -> bool:
        if not select.select([self._master], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the program has closed it
            time.sleep(0.01)
            return False
        self._raw += data
        self.output = self._raw.decode("utf-8", "surrogateescape")
        return bool(data)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def rests(self) -> None:
        """It waits for what is typed. A key that comes between a prompt and the wait for its answer is seen with the next one only."""
        deadline = time.monotonic() + DEADLINE_S
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline, self.output
            time.sleep(0.01)

    @property
    def echoes(self) -> bool:
        """What is typed is seen."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def leave(self) -> int:
        """Its exit status, after Ctrl-D. Pressed again as a person would: while a message is drawn, the terminal is not in raw mode for
        a moment, and a key pressed just then does not reach the prompt."""
        return self.ended(pressing="\x04")

    def ended(self, pressing: str = "") -> int:
        """Its exit status, once it has ended and all it said was read."""
        deadline = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.output
            self.type(pressing)
            self._more(0.05)
        while self._more(0.01):
            pass
        return self.process.returncode


_OURS = re.compile(r"\x1b\[(0|1|2|31|32|33|36)m")
_OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\udc80-\udcff]")


def obeyed(output: str) -> list[str]:
    """Characters that a terminal would obey or an eye would miss, beyond our own colours."""
    return _OBEYED.findall(_OURS.sub("", output))


@asynccontextmanager
async def contact(home: Path, name: str, *, as_owner: bool = False) -> AsyncIterator[LocalClient]:
    """A contact's terminal, connected as soon as a gateway is there."""
    client = LocalClient(load({}, {}, home=home).places.local_socket, name, SystemClock(), from_owner=as_owner)
    running = asyncio.ensure_future(client.run())
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(client: LocalClient, kind: str, count: int = 1) -> list[Event]:
    """The next `count` events of a kind; others are passed over."""
    found: list[Event] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            event = await client.events.get()
            if event.kind == kind:
                found.append(event)
    return found


async def eventually(claim: Callable[[], Awaitable[Any]] | Callable[[], Any]) -> Any:
    """The first true value of `claim`, however long it takes."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            value = claim()
            value = await value if asyncio.iscoroutine(value) else value
            if value:
                return value
            await asyncio.sleep(0.02)


def server_pids(home: Path) -> list[int]:
    """The private servers of this home that run now."""
    wanted, found = str(settings_of(home).places.store_socket).encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            if wanted in title and b"-server" in title.split(b"\0")[0]:
                found.append(int(entry.name))
    return found


def logged(home: Path, event: str) -> list[dict[str, Any]]:
    """What the processes of this home wrote down about `event`."""
    path = settings_of(home).places.logs / "secondme.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


async def let_in(setup: Setup, *names: str, tier: Tier = Tier.STANDARD) -> None:
    """Each of `names` knocked and was approved; nobody was told."""
    async with Store(setup, Role.BORROW) as store:
        pairing = PairingStore(store, setup.settings.pairing)
        for name in names:
            await knock(store, setup, name)
            request = await pairing.find(contact_of(name))
            assert request is not None
            await pairing.approve(request, by="test", tier=tier)


async def knock(store: Store, setup: Setup, name: str) -> None:
    """A request of `name` waits; nobody was told."""
    contact = contact_of(name)
    message = InboundMessage(ChannelId(CHANNEL), contact, contact, MessageId("knock"), "hello", datetime.now(UTC), name)
    await RequestStore(store, setup.settings.pairing).challenge(message, None)


def code_of(raw: Redis, contact: str) -> str:
    """The code that a waiting contact was shown; `raw` decodes."""
    return str(json.loads(str(raw.get(keys.pending(contact))))["code"])


@dataclass
class Books:
    """What several contacts wrote and saw, to be compared with what their gateway's store ever wrote down."""

    said: dict[str, list[str]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    shown: dict[str, list[str]] = field(default_factory=dict)

    async def note(self, name: str, client: LocalClient) -> None:
        """Write down what happens at this contact's end, until cancelled."""
        while True:
            event = await client.events.get()
            if event.kind == "accepted":
                assert event.text in {"queued", "duplicate"}, event
                self.accepted.add(event.id)
            elif event.kind == "message":
                self.shown.setdefault(name, []).append(event.id)

    def say(self, name: str, client: LocalClient, text: str) -> None:
        self.said.setdefault(name, []).append(client.say(text))

    def counts(self, appended: Path) -> dict[str, int]:
        """The table: of every accepted message, how often it was answered, and in which order."""
        replies = replies_in(appended)
        lost = answered_twice = inversions = 0
        for name, said in self.said.items():
            answered = [said.index(message) for row in self.shown.get(name, []) for message in replies.get(row, [])]
            lost += len({said.index(message) for message in self.accepted.intersection(said)} - set(answered))
            answered_twice += len(answered) - len(set(answered))
            inversions += sum(later < earlier for earlier, later in pairwise(answered))
        return {
            "said": sum(map(len, self.said.values())),
            "accepted": len(self.accepted),
            "replies": sum(map(len, self.shown.values())),
            "lost": lost,
            "answered twice": answered_twice,
            "inversions": inversions,
        }


def replies_in(store_directory: Path) -> dict[str, list[str]]:
    """Row -> ids of the messages it answers, for every row that ever entered an outbox: from the server's append-only file."""
    rows = {}
    for path in sorted(store_directory.glob("appendonlydir/*.incr.aof")):
        for words in _commands(path.read_bytes()):
            if words[0].upper() == b"RPUSH" and words[1].startswith(b"OUTBOX:"):
                row = json.loads(words[2])
                rows[row["rowId"]] = list(row.get("answers", []))
    return rows


def _commands(raw: bytes) -> Iterator[list[bytes]]:
    """The commands of an append-only file (RESP arrays of bulk strings); a truncated last one is left out."""
    at = 0
    while (end := raw.find(b"\r\n", at)) >= 0:
        words = []
        count, at = int(raw[at + 1 : end]), end + 2
        for _ in range(count):
            end = raw.find(b"\r\n", at)
            if end < 0:
                return
            size, at = int(raw[at + 1 : end]), end + 2
            words.append(raw[at : at + size])
            at += size + 2
        if at > len(raw):
            return
        yield words
