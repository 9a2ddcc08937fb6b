"""The whole store as one file, taken and laid down again.

Taken as a replica takes it: the server hands over its state of one moment as an RDB file. Laid down as the base of an append-only file,
which a real server reads before it counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from redis.exceptions import RedisError, ResponseError

from secondme.core.errors import BusyError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.fault_points import point
from secondme.core.files import private_dir, replacement
from secondme.core.store.connections import private_client
from secondme.core.store.failures import explain
from secondme.core.store.namespace import Namespace
from secondme.core.store.server import SHELL_PARENT, EmbeddedServer, Role, find_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

    from secondme.core.ports import Clock


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


_DIRECTORY, _NAME = "appendonlydir", "appendonly.aof"
_BASE = f"{_NAME}.1.base.rdb"
_LOAD_S = 600.0
"""Two million keys a minute, and more, are read."""
_STOP_S = 5.0
_PROBE_S = 0.01
_COMMON_RDB = 11
"""The newest format that Redis and Valkey share (Redis 7.2). Newer ones of Redis hold nothing of ours that it could not."""


def lay_down(snapshot: Path, store: Path) -> None:
    """The directory `store` holds exactly `snapshot`, as the embedded server finds it: a multi-part append-only file with a base and nothing
    after it. `snapshot` is moved, so it must be on the same disk; `store` must not hold a store."""
    private_dir(store)
    directory = store / _DIRECTORY
    directory.mkdir(mode=0o700)
    snapshot.rename(directory / _BASE)
    manifest = directory / f"{_NAME}.manifest"
    with replacement(manifest) as file:
        file.write(f"file {_BASE} seq 1 type b\n".encode())


@contextlib.asynccontextmanager
async def private_store(directory: Path, *, binary: str = "", fsync: str = "everysec") -> AsyncIterator[Redis]:
    """A client of a server that runs on the store in `directory`, as the gateway's own would, for as long as this is open.

    Raises DataError when it cannot read what is there, BusyError when another process uses it.
    """
    room = Path(tempfile.mkdtemp(prefix="secondme-store-", dir="/tmp"))  # 0700; a socket's path must be short
    server = EmbeddedServer(directory, room / "s", role=Role.OWN, binary=binary, fsync=fsync)
    client = private_client(room / "s")
    try:
        try:
            await server.ensure()
        except UnavailableError as error:
            raise DataError("snapshot_unreadable", error.message, "Use another backup.") from error
        yield client
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose()
        await server.stop()
        shutil.rmtree(room, ignore_errors=True)


class Reading:
    """A private server that has read a snapshot, of which it shows one database and in it one namespace. Use as an async context manager. It
    changes no file.

    Nobody else can reach it: its socket is in a directory of its own.
    """

    client: Redis

    def __init__(
        self, snapshot: Path, clock: Clock, *, binary: str = "", database: int = 0, namespace: Namespace | None = None
    ) -> None:
        self._snapshot = snapshot
        self.namespace = namespace or Namespace()
        self._database = database
        self._clock = clock
        self._binary = binary
        self._room = Path()
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        """It has read everything. Raises DataError when it cannot, ConfigError when there is no server for this machine."""
        self._room = Path(tempfile.mkdtemp(prefix="secondme-read-", dir="/tmp"))  # 0700; a socket's path must be short
        try:
            self._start()
            await self._loaded()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """It has ended."""
        await self._end()

    def _start(self) -> None:
        server = find_server(self._binary)
        command = [
            server,
            *("--port", "0"),
            *("--unixsocket", str(self._room / "s")),
            *("--unixsocketperm", "600"),
            *("--dir", str(self._snapshot.parent)),
            *("--dbfilename", self._snapshot.name),
            *("--logfile", str(self._room / "log")),
            *("--loglevel", "warning"),
            *("--daemonize", "no"),
            *("--appendonly", "no"),
            *("--save", ""),
            *("--databases", "16384"),  # whoever made it may have used any
        ]
        if "valkey" in Path(server).name and _version(self._snapshot) > _COMMON_RDB:
            command += ["--rdb-version-check", "relaxed"]
        self._process = subprocess.Popen(  # noqa: S603  the arguments are ours; it ends with us, when the pipe closes
            ["/bin/sh", "-c", SHELL_PARENT, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o077,
        )
        self.client = private_client(self._room / "s", database=self._database, namespace=self.namespace)

    async def _loaded(self) -> None:
        assert self._process is not None
        deadline = self._clock.monotonic() + _LOAD_S
        while self._process.poll() is None:
            with contextlib.suppress(RedisError, OSError):
                await self.client.ping()
                return
            if self._clock.monotonic() > deadline:
                raise UnavailableError("snapshot_slow", "The store's data could not be read in ten minutes.", "Use a faster disk.")
            await self._clock.sleep(_PROBE_S)
        raise DataError(
            "snapshot_unreadable",
            "The server for the store's data cannot read this snapshot.",
            "Set store.server to a redis-server of the kind and version that redis_url has.",
        )

    async def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(RedisError, OSError):
                await self.client.aclose()
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.to_thread(self._process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait()
        shutil.rmtree(self._room, ignore_errors=True)


def _version(snapshot: Path) -> int:
    """The format's number in a snapshot of Redis; 0 in one of Valkey's own."""
    with snapshot.open("rb") as file:
        head = file.read(9)
    return int(head[5:9]) if head.startswith(b"REDIS") and head[5:9].isdigit() else 0
