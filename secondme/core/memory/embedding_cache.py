"""The cache of embeddings: what was embedded once is not paid for again, in one SQLite file of bounded size."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from array import array
from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError
from secondme.core.log import get_logger
from secondme.core.memory.sqlite_file import SqliteFile, is_damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from secondme.core.ports import EmbeddingProvider, TextKind, Vector

    T = TypeVar("T")

log = get_logger(__name__)

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    key BLOB PRIMARY KEY,
    text_hash BLOB NOT NULL,
    used INTEGER NOT NULL,
    size INTEGER NOT NULL,
    vector BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_by_text ON entry (text_hash);
CREATE INDEX IF NOT EXISTS entry_by_use ON entry (used, size);
CREATE TABLE IF NOT EXISTS clock (uses INTEGER NOT NULL);
INSERT INTO clock SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM clock)
"""
_ENTRY_BYTES = 200
"""Of an entry beside its vector: two hashes, twice in an index, and SQLite's own."""
_LIMIT_BYTES = 64 * 1024 * 1024


class EmbeddingCache:
    """Vectors by model, length, kind and text; the least recently used go first. It holds no text, only hashes of texts.

    A damaged file is thrown away; a full disk costs the cache and nothing else: no method raises but for `erase`.
    """

    def __init__(self, path: Path, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._file = SqliteFile(path, _SCHEMA, _VERSION, durable=False)
        self._limit_bytes = limit_bytes

    def get(self, model: str, dimensions: int, kind: TextKind, texts: Sequence[str]) -> list[Vector | None]:
        """The vector of each text, None where there is none."""
        keys = [_key(model, dimensions, kind, text) for text in texts]

        def read(connection: sqlite3.Connection) -> list[Vector | None]:
            now = _use(connection)
            found = {}
            for key in dict.fromkeys(keys):
                row = connection.execute("UPDATE entry SET used = ? WHERE key = ? RETURNING vector", (now, key)).fetchone()
                if row is not None and len(row[0]) == 4 * dimensions:
                    found[key] = array("f", row[0])
            return [found.get(key) for key in keys]

        return self._tried(read, [None] * len(keys))

    def put(self, model: str, kind: TextKind, vectors: Sequence[tuple[str, Vector]]) -> None:
        """Each text's vector is kept until others need the room."""

        def write(connection: sqlite3.Connection) -> None:
            now = _use(connection)
            for text, vector in vectors:
                key, size = _key(model, len(vector), kind, text), 4 * len(vector) + _ENTRY_BYTES
                connection.execute("DELETE FROM entry WHERE key = ?", (key,))
                row = (key, text_hash(text), now, size, vector.tobytes())
                connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", row)
            _shrink(connection, self._limit_bytes)

        self._tried(write, None)

    def erase(self, text_hashes: Iterable[bytes]) -> int:
        """Nothing of the texts with these hashes is left, whatever the model; how many entries there were. Repeatable.

        Raises UnavailableError when the file cannot be written: then they may be there still.
        """
        hashes = list(text_hashes)

        def delete(connection: sqlite3.Connection) -> int:
            cursor = connection.executemany("DELETE FROM entry WHERE text_hash = ?", ((each,) for each in hashes))
            return cursor.rowcount

        try:
            with self._file.transaction() as connection:
                return delete(connection)
        except sqlite3.DatabaseError as error:
            self._discard(error)
            return 0

    def close(self) -> None:
        """The file is closed; the next use opens it again. Repeatable."""
        self._file.close()

    def _tried(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            with self._file.transaction() as connection:
                return work(connection)
        except SecondmeError as error:
            log.warning("embedding_cache_unusable", code=error.code)
        except sqlite3.DatabaseError as error:
            self._discard(error)
        return otherwise

    def _discard(self, error: sqlite3.DatabaseError) -> None:
        if not is_damage(error):
            raise error
        log.warning("embedding_cache_discarded", error=type(error).__name__)
        self._file.discard()


class CachedEmbeddings:
    """A provider that is asked only for what the cache does not have."""

    def __init__(self, provider: EmbeddingProvider, cache: EmbeddingCache) -> None:
        self._provider, self._cache = provider, cache

    @property
    def name(self) -> str:
        """As the port says."""
        return self._provider.name

    @property
    def dimensions(self) -> int:
        """As the port says."""
        return self._provider.dimensions

    async def embed(self, text: str, kind: TextKind) -> Vector:
        """As the port says."""
        return (await self.embed_batch((text,), kind))[0]

    async def embed_batch(self, texts: Sequence[str], kind: TextKind) -> list[Vector]:
        """As the port says. A text that comes twice is embedded once; a question seldom does, and may quote what will be forgotten."""
        if kind == "query":
            return await self._provider.embed_batch(texts, kind)
        known: dict[str, Vector] = {}
        if self.dimensions:  # until a vendor has answered once, nobody knows which of two lengths it is now
            found = await asyncio.to_thread(self._cache.get, self.name, self.dimensions, kind, texts)
            known = {text: vector for text, vector in zip(texts, found, strict=True) if vector is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            fresh = list(zip(missing, await self._provider.embed_batch(missing, kind), strict=True))
            await asyncio.to_thread(self._cache.put, self.name, kind, fresh)
            known.update(fresh)
        return [known[text] for text in texts]

    async def close(self) -> None:
        """As the port says."""
        await self._provider.close()
        await asyncio.to_thread(self._cache.close)


def text_hash(text: str) -> bytes:
    """What `erase` knows a text by."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _key(model: str, dimensions: int, kind: TextKind, text: str) -> bytes:
    return hashlib.sha256(f"{model}|{dimensions}|{kind}|{text}".encode("utf-8", "replace")).digest()


def _use(connection: sqlite3.Connection) -> int:
    """A number that grows with every use: the order of uses needs no clock."""
    (number,) = connection.execute("UPDATE clock SET uses = uses + 1 RETURNING uses").fetchone()
    return int(number)


def _shrink(connection: sqlite3.Connection, limit_bytes: int) -> None:
    """The entries take at most `limit_bytes`; a tenth of the room is made at once, so that not every write has to."""
    (total,) = connection.execute("SELECT coalesce(sum(size), 0) FROM entry").fetchone()
    if total <= limit_bytes:
        return
    rows = connection.execute("SELECT key, size FROM entry ORDER BY used, key").fetchall()
    for key, size in rows:
        if total <= limit_bytes * 9 // 10:
            break
        connection.execute("DELETE FROM entry WHERE key = ?", (key,))
        total -= size
