"""Calls of skills as tests make them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.shared_sandbox import SharedSandbox

from secondme.core.clock import SystemClock
from secondme.skills.sandbox.sandbox import CallFailed, Sandbox, SandboxCall, SandboxLimits

NOW = "2026-11-29T10:00:00Z"
Outcome = Any
"""A returned value, or a failure."""


@asynccontextmanager
async def open_sandbox(**words: Any) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(words.pop("clock", None) or SystemClock(), **words)
    try:
        yield sandbox
    finally:
        await sandbox.close()


def call_of(code: str | bytes, function: str = "run", input: dict[str, Any] | None = None, **words: Any) -> SandboxCall:  # noqa: A002
    """A call of one function. What is left of `words` are limits."""
    config, zone = words.pop("config", {}), words.pop("zone", "UTC")
    source = code.encode() if isinstance(code, str) else code
    return SandboxCall("parcel", source, function, input or {}, config, NOW, zone, SandboxLimits(**words))


async def echo(question: dict[str, Any]) -> dict[str, Any]:
    """The gateway answers with the question."""
    return {"answer": question}


async def outcome_of(sandbox: Sandbox | SharedSandbox, call: SandboxCall, ask: Any = echo) -> Outcome:
    """The value, or the failure."""
    result = await sandbox.call(call, ask)
    return result if isinstance(result, CallFailed) else result.value


def zygote_of(sandbox: Sandbox) -> int | None:
    """The process that children come from, while there is one."""
    return None if sandbox._zygote is None else sandbox._zygote.pid


def descendants(process: int) -> list[int]:
    """The processes that it started and those that they started, as far as they live; no zombies."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended meanwhile
            continue
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(path.parent.name))
    found, todo = [], [process]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def rss_bytes() -> int:
    """What this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
