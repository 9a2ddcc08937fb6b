"""Real processes of the product: gateways that can be killed at a named step, and commands as a shell runs them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from secondme.channels.local.client import Event, LocalClient
from secondme.core.clock import SystemClock
from secondme.core.settings import load

LAUNCH = Path(__file__).with_name("launch.py")
DEADLINE_S = 60.0
"""Far beyond what anything here takes: it ends a hanging test, it decides none."""


def environment(**extra: str) -> dict[str, str]:
    """What a process is given: enough to find Python, and nothing of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SECONDME_", "ANTHROPIC_"))}
    return {**kept, **extra}


def write_config(home: Path, text: str = "") -> None:
    """A configuration without pacing and night, plus `text`."""
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.toml").write_text("[pacing]\nenabled = false\n[sleep]\nenabled = false\n" + text)


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

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it has ended (negative: the signal that ended it)."""
        async with asyncio.timeout(DEADLINE_S):
            while self.process.poll() is None:
                await asyncio.sleep(0.01)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


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
