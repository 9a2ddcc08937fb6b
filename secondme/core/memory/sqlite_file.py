"""A private SQLite file: 0600, deleted bytes overwritten, opened by several processes, one connection for all threads of each."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError
from secondme.core.files import private_dir
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

log = get_logger(__name__)

_BUSY_S = 5.0
"""How long a writer waits for another process."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF
"""The part of a result code that names the kind (SQLite, "Result and Error Codes")."""


class SqliteFile:
    """A file with the tables of `schema`, made when it is missing. One of another `version` counts as damaged. `durable`: what was written
    survives a power cut."""

    def __init__(self, path: Path, schema: str, version: int, *, durable: bool) -> None:
        self._path, self._schema, self._version = path, schema, version
        self._synchronous = "FULL" if durable else "OFF"
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is written, or nothing is. Raises UnavailableError while the disk or another process does not let us,
        sqlite3.DatabaseError when the file is damaged (`is_damage`)."""
        with self._lock:
            try:
                connection = self._open or self._connect()
                self._open = connection
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except (sqlite3.OperationalError, OSError) as error:
                if isinstance(error, sqlite3.Error) and is_damage(error):
                    raise
                fix = "Check the free space and the owner of the memory directory."
                raise UnavailableError("memory_file_unusable", f"{self._path.name} cannot be used: {error}.", fix) from error

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, in one transaction; a damaged file is begun anew for it. Raises as `transaction`."""
        try:
            with self.transaction() as connection:
                return work(connection)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            log.error("memory_file_discarded", error, file=self._path.name)
            self.discard()
        with self.transaction() as connection:
            return work(connection)

    def discard(self) -> None:
        """The file and everything in it is gone; the next use makes it anew. Repeatable."""
        self.close()
        for ending in ("", "-journal", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)

    def close(self) -> None:
        """The file is closed; the next use opens it again. Repeatable."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _connect(self) -> sqlite3.Connection:
        private_dir(self._path.parent)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA journal_mode = TRUNCATE")  # a write-ahead log would keep what was deleted
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in {0, self._version}:
                raise sqlite3.DatabaseError(f"version {version}")  # noqa: TRY301  as damage, by whoever asked
            connection.executescript(f"BEGIN IMMEDIATE; {self._schema}; PRAGMA user_version = {self._version:d}; COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


def is_damage(error: sqlite3.Error) -> bool:
    """True when the file itself is no good, and not just locked or full."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & _PRIMARY in _DAMAGED
