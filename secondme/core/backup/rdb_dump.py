"""What does the store hold at one moment? A server hands its whole state to a replica as one file; we ask as a replica does.

Nothing that was acknowledged before is missing, and what comes meanwhile is left out. It works on a unix socket, over TLS and with a
password, because it is a connection of the store's own pool. We say that we understand the end mark, so the server writes nothing to
its own disk: a `dump.rdb` beside the data would outlive a contact who is forgotten.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, BinaryIO

from redis.exceptions import RedisError, ResponseError

from secondme.core.errors import BusyError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.fault_points import point
from secondme.core.store.client import explain

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

_SILENCE_S = 60.0
"""A server that prepares a large snapshot writes an empty line every ten seconds."""
_CHUNK = 256 * 1024
_MARK_BYTES = 40
_LINE_BYTES = 4096
_MAGIC = (b"REDIS", b"VALKEY")


async def take_snapshot(client: Redis, into: BinaryIO, *, private: bool) -> int:
    """`into` holds the state of `client`'s server at one moment as RDB; returns its bytes.

    `private`: the server is ours alone, and need not wait five seconds for another replica to come. Raises CredentialsError or
    UnavailableError when the server does not hand it out, and BusyError when it cannot right now.
    """
    try:
        if private:
            await client.config_set("repl-diskless-sync", "yes", "repl-diskless-sync-delay", 0)
        connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    except (RedisError, OSError) as error:
        raise explain(error) from error
    try:
        return await _receive(connection, into)
    except (RedisError, OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise _broken_off() if not isinstance(error, RedisError) else explain(error) from error
    finally:
        await connection.disconnect(nowait=True)  # it is a replica's now, and no command's any more
        await client.connection_pool.release(connection)


async def _receive(connection: AbstractConnection, into: BinaryIO) -> int:
    async with asyncio.timeout(_SILENCE_S):
        await connection.send_command("REPLCONF", "capa", "eof")
        try:
            await connection.read_response()
        except ResponseError as error:
            raise _refused(str(error)) from error
        await connection.send_command("SYNC")
    reader = connection._reader  # noqa: SLF001  the library has no way to read what is no reply
    assert isinstance(reader, asyncio.StreamReader)
    head = await _first_line(reader)
    point("snapshot.begun")
    if head.startswith(b"$EOF:"):
        return await _until_mark(reader, head[5:], into)
    if head.startswith(b"$") and head[1:].isdigit():
        return await _exactly(reader, int(head[1:]), into)
    raise _refused(head.decode("ascii", "replace").removeprefix("-"))


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    """The first line that is not empty: how the snapshot is framed, or why there is none."""
    while True:
        async with asyncio.timeout(_SILENCE_S):
            line = await reader.readuntil(b"\n")
        if len(line) > _LINE_BYTES:
            raise _broken_off()
        if stripped := line.strip():
            return stripped


async def _exactly(reader: asyncio.StreamReader, size: int, into: BinaryIO) -> int:
    left = size
    while left:
        chunk = await _some(reader, min(left, _CHUNK))
        _check_magic(chunk, is_first=left == size)
        into.write(chunk)
        left -= len(chunk)
    return size


async def _until_mark(reader: asyncio.StreamReader, mark: bytes, into: BinaryIO) -> int:
    """Everything before `mark`, which is 160 random bits and so in no data; what could be the beginning of one is held back."""
    if len(mark) != _MARK_BYTES:
        raise _broken_off()
    held, size = b"", 0
    while True:
        chunk = held + await _some(reader, _CHUNK)
        if not size:
            _check_magic(chunk, is_first=True)
        end = chunk.find(mark)
        ready = chunk[:end] if end >= 0 else chunk[:-_MARK_BYTES]
        into.write(ready)
        size += len(ready)
        if end >= 0:
            return size
        held = chunk[len(ready) :]


async def _some(reader: asyncio.StreamReader, most: int) -> bytes:
    async with asyncio.timeout(_SILENCE_S):
        chunk = await reader.read(most)
    if not chunk:
        raise _broken_off()
    return chunk


def _check_magic(chunk: bytes, *, is_first: bool) -> None:
    if is_first and not any(chunk.startswith(magic[: len(chunk)]) for magic in _MAGIC):
        raise DataError(
            "snapshot_unknown", "The store sent something that is no snapshot.", "Point redis_url at the server itself."
        )


def _broken_off() -> SecondmeError:
    return UnavailableError(
        "snapshot_broken_off", "The store broke its snapshot off.", "Look at the disk and memory of its server, then try again."
    )


def _refused(said: str) -> SecondmeError:
    """What the server said instead of a snapshot. Its text is not repeated: it may quote a name of the owner's."""
    word = said.split(" ", 1)[0].upper()
    if word in {"NOPERM", "NOAUTH"}:
        return CredentialsError(
            "snapshot_refused",
            "The store does not let this user take a snapshot.",
            "Give it the right:  ACL SETUSER <user> +sync +replconf",
        )
    if word in {"LOADING", "NOMASTERLINK", "MASTERDOWN", "BUSY"} or "in progress" in said:
        return BusyError("snapshot_busy", "The store cannot be copied right now.", "Try again in a moment.")
    return UnavailableError(
        "snapshot_not_offered",
        "The store's server hands out no snapshot; some hosted ones do not.",
        "Use that host's own backup for the store, or point redis_url at a server that allows SYNC.",
    )
