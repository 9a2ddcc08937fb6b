"""The control socket: how a command asks a process of its home to read its settings anew, or to start anew.

A line of JSON is asked and a line is answered. The socket is 0600 in a 0700 directory: whoever can open it is the owner of this machine's account
anyway. Gateways and workers have one each, whether the HTTP API is on or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from secondme.core.errors import (
    BusyError,
    ConfigError,
    CredentialsError,
    DataError,
    NotFoundError,
    SecondmeError,
    UnavailableError,
)
from secondme.core.files import private_dir
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

log = get_logger(__name__)

_LINE_BYTES = 64 * 1024
_ASK_S = 5.0
"""How long a question may take to be sent, and its answer to be taken."""

Answer = dict[str, Any]  # JSON has no closer type


@contextlib.asynccontextmanager
async def answering(path: Path, answer: Callable[[str], Awaitable[Answer]]) -> AsyncIterator[None]:
    """Questions that come by `path` are answered meanwhile; what `answer` raises is told to who asked."""
    conversations: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            await _converse(reader, writer, answer)
        except asyncio.CancelledError:
            pass  # the process ends, which the stream's own callback would call an error
        finally:
            conversations.discard(task)
            writer.close()

    _make_room(path)
    server = await asyncio.start_unix_server(accept, path, limit=_LINE_BYTES)
    _shut_to_others(path)
    try:
        yield
    finally:
        server.close()
        _make_room(path)
        for task in list(conversations):
            task.cancel()


def _make_room(path: Path) -> None:
    private_dir(path.parent)
    path.unlink(missing_ok=True)


def _shut_to_others(path: Path) -> None:
    path.chmod(0o600)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[[str], Awaitable[Answer]]) -> None:
    try:
        async with asyncio.timeout(_ASK_S):
            asked = json.loads(await reader.readline() or b"{}")
        try:
            said = await answer(str(asked.get("ask", "")) if isinstance(asked, dict) else "")
        except SecondmeError as error:
            said = {"error": told(error)}
        writer.write(json.dumps(said).encode() + b"\n")
        async with asyncio.timeout(_ASK_S):
            await writer.drain()
    except (OSError, ValueError, TimeoutError):
        pass  # whoever asked went away, or asked nothing
    except Exception as error:  # noqa: BLE001  the top of a task
        log.error("control_failed", error)


async def ask(path: Path, what: str, *, within_s: float = _ASK_S) -> Answer:
    """What the process behind `path` answers. Raises UnavailableError when nobody does, and what the process raised."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES)
            try:
                writer.write(json.dumps({"ask": what}).encode() + b"\n")
                said = json.loads(await reader.readline() or b"null")
            finally:
                writer.close()
    except (OSError, ValueError, TimeoutError) as error:
        raise UnavailableError("process_silent", "The process does not answer.", "secondme doctor gateway") from error
    if not isinstance(said, dict):
        raise UnavailableError("process_silent", "The process does not answer.", "secondme doctor gateway")
    if isinstance(refusal := said.get("error"), dict):
        raise as_error(refusal)
    return said


def told(error: SecondmeError) -> Answer:
    """An error as another process understands it: `as_error` makes one of the same cause of it."""
    kind = next(each.__name__ for each in type(error).__mro__ if each in _CAUSES)
    return {"code": error.code, "message": error.message, "fix": error.fix, "kind": kind}


def as_error(said: Answer) -> SecondmeError:
    """An error as another process told it."""
    kind = next((each for each in _CAUSES if each.__name__ == said.get("kind")), SecondmeError)
    return kind(str(said.get("code", "internal_error")), str(said.get("message", "")), str(said.get("fix", "")))


_CAUSES = (ConfigError, CredentialsError, UnavailableError, BusyError, NotFoundError, DataError, SecondmeError)
