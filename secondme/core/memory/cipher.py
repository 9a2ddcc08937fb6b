"""Memories encrypted at rest, with SQLCipher: a key a contact, in a file beside the memories that backups leave out.

Whoever is forgotten loses the key, and so what older backups hold of them is noise. SQLCipher is SQLite with encrypted pages, and its
Python module has the same interface and errors of its own.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import sys
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, Any

from secondme.core.errors import BusyError, ConfigError, DataError, UnavailableError
from secondme.core.files import private_dir, read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

_KEY_BYTES = 32
_PLAIN = b"SQLite format 3\0"
_WAIT_S = 5.0
_SILENT = "pragma cipher_log_level = none"
"""It writes on the terminal otherwise."""


class MemoryKeys:
    """The keys in `directory`, each named as its memory is. Raises ConfigError, and OSError when the disk refuses."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, name: str) -> str | None:
        """The key, 64 hexadecimal digits, or None. Raises DataError for a file that is none."""
        found = read_private(self._path(name))
        if found is not None and (len(found) != 2 * _KEY_BYTES or not found.isascii() or not found.isalnum()):
            raise DataError("memory_key_damaged", "A key of the memory is damaged.", f"Put back {self._path(name)}.")
        return found

    def make(self, name: str) -> str:
        """The key, which is made and on the disk when there was none."""
        known = self.find(name)
        if known is None:
            private_dir(self._directory)
            known = secrets.token_hex(_KEY_BYTES)
            write_private(self._path(name), known)
        return known

    def forget(self, name: str) -> None:
        """There is no key of that name. Repeatable."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.key"


def connect(path: Path, key: str | None) -> sqlite3.Connection:
    """The database, without transactions of Python's own, for any thread; encrypted with `key`, or plain. Raises ConfigError when SQLCipher
    is needed and not installed."""
    library: Any = sqlite3 if key is None else _cipher()
    connection: sqlite3.Connection = library.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    if key is not None:
        connection.execute(_SILENT)
        connection.execute(f"pragma key = {_literal(key)}")
    return connection


def database_errors() -> tuple[type[Exception], ...]:
    """What either library raises."""
    cipher = sys.modules.get("sqlcipher3.dbapi2")
    return (sqlite3.DatabaseError,) if cipher is None else (sqlite3.DatabaseError, cipher.DatabaseError)


def is_plain(path: Path) -> bool:
    """True when the file is a database that is not encrypted; false also when there is nothing in it."""
    with path.open("rb") as file:
        return file.read(len(_PLAIN)) == _PLAIN


def recode(path: Path, old: str | None, new: str | None) -> None:
    """The database at `path` is encrypted with `new` instead of `old` (None: not at all), with all that it had; killed in between, it is as
    before. Raises BusyError, and changes nothing, while another process has it open."""
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}.{os.getpid()}.new")
    cipher: Any = _cipher()
    try:
        with closing(cipher.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute(_SILENT)
            if old is not None:
                connection.execute(f"pragma key = {_literal(old)}")
            connection.execute("pragma locking_mode = exclusive")
            connection.execute("pragma wal_checkpoint(truncate)")
            (mode,) = connection.execute("pragma journal_mode = delete").fetchone()  # no log is left that belongs to the old pages
            if mode != "delete":
                raise BusyError("memory_busy", "Another process has the same memory open.", "Close it.")
            connection.execute("begin exclusive")
            connection.execute("commit")  # in this mode the lock stays until the connection is closed
            for left in path.parent.glob(f".{path.name}.*.new"):  # by one who was killed: nobody else is at it now
                left.unlink(missing_ok=True)
            fresh.touch(0o600)
            connection.execute(f"attach database ? as fresh key {_literal(new)}", (str(fresh),))
            connection.execute("select sqlcipher_export('fresh')")
            connection.execute("detach database fresh")
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(path)
    except cipher.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise BusyError("memory_busy", "Another process has the same memory open.", "Close it.") from error
        raise UnavailableError("memory_unusable", "A file of the memory cannot be read or written.", "Check free space.") from error
    finally:
        fresh.unlink(missing_ok=True)


def copy_encrypted(source: Path, copy: Path, key: str) -> None:
    """`copy` is the database at one moment, encrypted with the same key. Raises DataError when it cannot be read, ConfigError as `connect`."""
    try:
        with closing(connect(source, key)) as there, closing(connect(copy, key)) as here:
            there.backup(here)
            here.execute("pragma journal_mode = delete")
    except database_errors() as error:
        raise DataError("database_unreadable", f"{source} cannot be copied.", "Stop the gateway, or look at the file.") from error


def _literal(key: str | None) -> str:
    """As a statement names a key: 256 bits as they are, or nothing."""
    return "''" if key is None else f"\"x'{bytes.fromhex(key).hex()}'\""


def _cipher() -> Any:  # it has no types, and sqlite3's interface
    try:
        return import_module("sqlcipher3.dbapi2")
    except ImportError as error:
        raise ConfigError("memory_cipher_missing", "memory.encrypt needs SQLCipher.", "pip install 'secondme[encrypt]'") from error
