"""MCP servers as tests start them: real programs in real bubblewrap."""

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from secondme.core.clock import SystemClock
from secondme.core.errors import SecondmeError
from secondme.skills.lock import McpServerApproval
from secondme.skills.mcp.client import McpClient
from secondme.skills.mcp.confined import Bubblewrap, ConfinedProcess, Launch, find_bubblewrap
from secondme.skills.mcp.pins import file_digest
from secondme.skills.mcp.stdio import StdioTransport

STRANGERS = Path(__file__).with_name("strangers")
PYTHON = str(Path(sys.executable).resolve())
LIBRARY = tuple({sys.base_prefix, str(Path(sys.base_prefix).resolve())} - {"/usr"})
"""Folders that Python itself needs."""
clock = SystemClock()


@cache
def here() -> Bubblewrap:
    """bubblewrap on this machine."""
    return find_bubblewrap()


def missing_program() -> Bubblewrap:
    """A machine without it."""
    return find_bubblewrap("/nowhere/bwrap")


needs_bubblewrap = pytest.mark.skipif(bool(here().why_not), reason=f"{here().why_not} {here().fix}")


def stranger(mode: str = "honest") -> tuple[str, ...]:
    """The command of the stranger."""
    return (PYTHON, "-I", "-S", str(STRANGERS / "stranger.py"), mode)


def sdk_server() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command of the SDK's server, and the folders it needs."""
    return (sys.executable, str(STRANGERS / "sdk_server.py")), (*LIBRARY, sys.prefix, str(STRANGERS))


def everything_server() -> Path | None:
    """npm's server-everything: where SERVER_EVERYTHING says, as `nox -s third-party` installs it, or where `npm install -g` puts it."""
    named = [Path(each) for each in (os.environ.get("SERVER_EVERYTHING"),) if each]
    roots = [*named, *(Path(each) for each in ("/usr/lib/node_modules", "/usr/local/lib/node_modules"))]
    found = (root / "@modelcontextprotocol/server-everything/dist/index.js" for root in roots)
    return next((path.resolve() for path in found if shutil.which("node") and path.exists()), None)


def launch_of(command: tuple[str, ...], folders: tuple[str, ...] = (), **more: Any) -> Launch:
    return Launch(command, folders or (*LIBRARY, str(STRANGERS)), **more)


def approval_of(mode: str = "honest", **more: Any) -> McpServerApproval:
    """The stranger, with nothing of it approved yet."""
    command = stranger(mode)
    files = {path: file_digest(path) for path in (command[0], command[3])}
    folders = more.pop("folders", (*LIBRARY, str(STRANGERS)))
    return McpServerApproval(command=command, files=files, folders=folders, **more)


@asynccontextmanager
async def talking(launch: Launch, call_s: float = 60.0) -> AsyncIterator[McpClient]:
    """A session that is open."""
    process = ConfinedProcess.start(launch, here(), clock, keep_errors=True)
    client = McpClient(StdioTransport(process, clock), call_s)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def outcome_of(mode: str, call_s: float = 60.0) -> str:
    """What a call of the stranger came to: its words, or a code."""
    async with talking(launch_of(stranger(mode)), call_s) as client:
        try:
            return (await client.call("echo", {"x": 1})).text
        except SecondmeError as error:
            return error.code
