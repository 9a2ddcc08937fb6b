"""How does a snapshot become a store again? It is laid down as the base of an append-only file, and a real server reads it before it counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from secondme.core.config.paths import private_dir
from secondme.core.errors import DataError, UnavailableError
from secondme.core.store.server import SHELL_PARENT, EmbeddedServer, Role, find_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from secondme.core.ports import Clock

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
    descriptor = os.open(manifest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"file {_BASE} seq 1 type b\n".encode())
        file.flush()
        os.fsync(descriptor)


@contextlib.asynccontextmanager
async def private_store(directory: Path, *, binary: str = "", fsync: str = "everysec") -> AsyncIterator[Redis]:
    """A client of a server that runs on the store in `directory`, as the gateway's own would, for as long as this is open.

    Raises DataError when it cannot read what is there, BusyError when another process uses it.
    """
    room = Path(tempfile.mkdtemp(prefix="secondme-store-", dir="/tmp"))  # 0700; a socket's path must be short
    server = EmbeddedServer(directory, room / "s", role=Role.OWN, binary=binary, fsync=fsync)
    client = Redis(unix_socket_path=str(room / "s"), retry=Retry(NoBackoff(), 0))
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
    """A private server that has read a snapshot, of which it shows one database. Use as an async context manager. It changes no file.

    Nobody else can reach it: its socket is in a directory of its own.
    """

    client: Redis

    def __init__(self, snapshot: Path, clock: Clock, *, binary: str = "", database: int = 0) -> None:
        self._snapshot = snapshot
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
        self.client = Redis(unix_socket_path=str(self._room / "s"), db=self._database, retry=Retry(NoBackoff(), 0))

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
