"""Who listens to a running gateway from outside: commands that go on, and callers of its event stream."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
from fakes.process import environment, eventually


@asynccontextmanager
async def running(home: Path, name: str, *words: str, **env: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A command that goes on, its two outputs in files of its name."""
    with (home / f"{name}.out").open("wb") as out, (home / f"{name}.err").open("wb") as err:
        line = [sys.executable, "-m", "secondme", "--home", str(home), *words]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(**env))  # noqa: ASYNC220
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        await eventually(lambda: process.poll() is not None)


async def stream(path: Path, heard: list[str]) -> None:
    """Every line of the event stream, as long as there is one."""
    while True:
        with suppress(httpx.HTTPError):
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with (
                httpx.AsyncClient(transport=transport, base_url="http://secondme", timeout=60) as client,
                client.stream("GET", "/api/events") as answer,
            ):
                async for line in answer.aiter_lines():
                    heard.append(line)  # noqa: PERF401  each as it comes: who reads the list does not wait for the end
        await asyncio.sleep(0.05)
