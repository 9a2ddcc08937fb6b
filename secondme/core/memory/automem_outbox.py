"""The outbox for AutoMem: which slices wait, which are being stored, which are there under which id, and what must be erased.

    waiting ──take──► sending ──stored──► stored ──(edited, withdrawn)──► doomed ──► gone
                         │ nobody knows whether it arrived: `doubtful`, then adopted as stored, or waiting again

Everything is written down before it is done, so that a restart loses nothing and repeats nothing that was acknowledged. The words of a slice
are kept until it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.memory.sqlite_file import SqliteFile
from secondme.core.retry import backoff_s

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from secondme.core.memory.session_slices import SessionSlice
    from secondme.core.ports import Clock, Random


_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS slice (
    hash TEXT PRIMARY KEY,
    contact TEXT NOT NULL,
    session INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    content TEXT,
    memory_id TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS slice_by_contact ON slice (contact, session);
CREATE INDEX IF NOT EXISTS slice_by_state ON slice (state, due_ms);
CREATE TABLE IF NOT EXISTS said (hash TEXT NOT NULL, place INTEGER NOT NULL, message_id TEXT NOT NULL, PRIMARY KEY (hash, place));
CREATE INDEX IF NOT EXISTS said_by_message ON said (message_id);
CREATE TABLE IF NOT EXISTS erasing (
    contact TEXT PRIMARY KEY, again INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL
)
"""
_LEASE_MS = 60_000
"""How long a call may be on its way before somebody looks whether it arrived: several times its time-out."""
_FIRST_PAUSE_S, _LAST_PAUSE_S = 30.0, 3600.0


@dataclass(frozen=True, slots=True)
class QueuedSlice:
    """A slice on its way."""

    hash: str
    contact: str
    session: int
    at_ms: int
    content: str | None
    memory_id: str | None
    failures: int


_COLUMNS = "hash, contact, session, at_ms, content, memory_id, failures"


class AutoMemOutbox:
    """The file. Contacts are named by a hash of their id. A damaged file is begun anew: what AutoMem has is found again by its tags."""

    def __init__(self, path: Path, clock: Clock, rng: Random) -> None:
        self._file = SqliteFile(path, _SCHEMA, _VERSION, durable=True)
        self._clock, self._rng = clock, rng

    def replace_sessions(self, contact: str, slices: Mapping[str, SessionSlice], sessions: Iterable[int] | None) -> int:
        """These conversations (None: all of the contact) consist of `slices` (by their hashes) and nothing else; how many of them are new.
        Repeatable.

        Nobody knows what AutoMem has of a contact who is not in this file: their first slices are doubtful.
        """

        def work(connection: sqlite3.Connection) -> int:
            now, new = self._clock.now_ms(), 0
            is_known = connection.execute("SELECT 1 FROM slice WHERE contact = ?", (contact,)).fetchone() is not None
            whole = None if sessions is None else set(sessions)
            rows = connection.execute("SELECT hash, session FROM slice WHERE contact = ?", (contact,)).fetchall()
            _doom(connection, [each for each, number in rows if each not in slices and (whole is None or number in whole)], now)
            for hash_, each in slices.items():
                row = (hash_, contact, each.session, each.at_ms, "waiting" if is_known else "sending", each.content, now)
                found = connection.execute(
                    "INSERT INTO slice (hash, contact, session, at_ms, state, content, due_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET content = excluded.content, state = 'sending', due_ms = excluded.due_ms"
                    " WHERE state = 'doomed' RETURNING 1",
                    row,
                ).fetchone()
                new += found is not None
                said = ((hash_, place, message_id) for place, message_id in enumerate(each.message_ids))
                connection.executemany("INSERT OR REPLACE INTO said VALUES (?, ?, ?)", said)
            return new

        return self._file.do(work)

    def take_waiting(self, most: int) -> list[QueuedSlice]:
        """Slices to be stored now, of contacts who are not being erased; whoever asks meanwhile gets others."""

        def work(connection: sqlite3.Connection) -> list[QueuedSlice]:
            rows = _rows(connection, "waiting", self._clock.now_ms(), most)
            due = self._clock.now_ms() + _LEASE_MS
            connection.executemany(
                "UPDATE slice SET state = 'sending', due_ms = ? WHERE hash = ?", ((due, row.hash) for row in rows)
            )
            return rows

        return self._file.do(work)

    def doubtful(self, most: int) -> list[QueuedSlice]:
        """Slices of which nobody knows whether they were stored."""
        return self._file.do(lambda connection: _rows(connection, "sending", self._clock.now_ms(), most))

    def doomed(self, most: int) -> list[QueuedSlice]:
        """Slices to be deleted now."""
        return self._file.do(lambda connection: _rows(connection, "doomed", self._clock.now_ms(), most))

    def stored(self, ids: Mapping[str, str]) -> list[str]:
        """The slices of these hashes are there under these ids and their words are gone from here; the ids of those that nobody wants
        any more. Repeatable."""

        def work(connection: sqlite3.Connection) -> list[str]:
            unwanted = []
            for hash_, memory_id in ids.items():
                found = connection.execute(
                    "UPDATE slice SET state = CASE state WHEN 'doomed' THEN state ELSE 'stored' END, content = NULL, memory_id = ?,"
                    " failures = 0 WHERE hash = ? RETURNING 1",
                    (memory_id, hash_),
                ).fetchone()
                if found is None:
                    unwanted.append(memory_id)
            return unwanted

        return self._file.do(work)

    def not_stored(self, hashes: Iterable[str]) -> None:
        """These are not there: they wait again, and what is doomed is gone. Repeatable."""

        def work(connection: sqlite3.Connection) -> None:
            each = [(hash_,) for hash_ in hashes]
            connection.executemany(
                "UPDATE slice SET state = 'waiting', memory_id = NULL WHERE hash = ? AND state = 'sending'", each
            )
            _remove(connection, [hash_ for (hash_,) in each if _state(connection, hash_) == "doomed"])

        self._file.do(work)

    def remove(self, hashes: Sequence[str]) -> None:
        """Nothing is known of these slices any more. Repeatable."""
        self._file.do(lambda connection: _remove(connection, hashes))

    def failed(self, rows: Sequence[QueuedSlice], retry_after_s: float | None = None) -> None:
        """What was tried with these rows failed: they are tried again later, each time later than before."""

        def work(connection: sqlite3.Connection) -> None:
            for row in rows:
                due = self._due_ms(row.failures, retry_after_s)
                connection.execute("UPDATE slice SET failures = failures + 1, due_ms = ? WHERE hash = ?", (due, row.hash))

        self._file.do(work)

    def doom_messages(self, contact: str, message_ids: Iterable[str]) -> tuple[set[int], set[str]]:
        """Every slice with one of these messages will be deleted, and its words are gone from here; the conversations that lost some, and all
        messages of theirs that were in slices. Repeatable."""

        def work(connection: sqlite3.Connection) -> tuple[set[int], set[str]]:
            sessions, hashes = set(), set()
            for message_id in message_ids:
                rows = connection.execute(
                    "SELECT slice.hash, session FROM said JOIN slice USING (hash) WHERE message_id = ? AND contact = ?"
                    " AND state <> 'doomed'",
                    (message_id, contact),
                )
                for hash_, session in rows:
                    hashes.add(hash_)
                    sessions.add(session)
            said = "SELECT message_id FROM said JOIN slice USING (hash) WHERE contact = ? AND session = ?"
            messages = {row[0] for session in sessions for row in connection.execute(said, (contact, session))}
            _doom(connection, hashes, self._clock.now_ms())
            return sessions, messages

        return self._file.do(work)

    def doom_contact(self, contact: str) -> None:
        """Nothing of this contact is here but that everything of theirs is to be erased. Repeatable."""

        def work(connection: sqlite3.Connection) -> None:
            now = self._clock.now_ms()
            found = connection.execute("SELECT hash, state, due_ms FROM slice WHERE contact = ?", (contact,)).fetchall()
            is_on_its_way = any(state == "sending" and due_ms > now for _, state, due_ms in found)
            connection.execute(
                "INSERT INTO erasing (contact, again, due_ms) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET due_ms = excluded.due_ms, again = max(again, excluded.again)",
                (contact, is_on_its_way, now),
            )
            _remove(connection, [hash_ for hash_, _, _ in found])

        self._file.do(work)

    def contacts_to_erase(self) -> list[tuple[str, int]]:
        """Contacts of whom everything is to be erased now, with the failures so far."""

        def work(connection: sqlite3.Connection) -> list[tuple[str, int]]:
            query = "SELECT contact, failures FROM erasing WHERE due_ms <= ? ORDER BY due_ms LIMIT 100"
            return connection.execute(query, (self._clock.now_ms(),)).fetchall()

        return self._file.do(work)

    def erased(self, contact: str) -> None:
        """AutoMem has nothing of the contact. What was on its way to it may come late: then it is looked at once more."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM erasing WHERE contact = ? AND again = 0", (contact,))
            later = self._clock.now_ms() + _LEASE_MS
            connection.execute("UPDATE erasing SET again = 0, failures = 0, due_ms = ? WHERE contact = ?", (later, contact))

        self._file.do(work)

    def not_erased(self, contact: str, failures: int, retry_after_s: float | None = None) -> None:
        """Erasing failed: it is tried again later."""
        due = self._due_ms(failures, retry_after_s)
        query = "UPDATE erasing SET failures = failures + 1, due_ms = ? WHERE contact = ?"
        self._file.do(lambda connection: connection.execute(query, (due, contact)))

    def messages_of(self, contact: str, hashes: Iterable[str]) -> dict[str, tuple[int, tuple[str, ...]]]:
        """The conversation and the messages of each of these slices that is a stored one of this contact."""

        def work(connection: sqlite3.Connection) -> dict[str, tuple[int, tuple[str, ...]]]:
            found = {}
            for hash_ in hashes:
                query = "SELECT session FROM slice WHERE hash = ? AND contact = ? AND state = 'stored'"
                row = connection.execute(query, (hash_, contact)).fetchone()
                if row is not None:
                    ids = connection.execute("SELECT message_id FROM said WHERE hash = ? ORDER BY place", (hash_,))
                    found[hash_] = (row[0], tuple(each for (each,) in ids))
            return found

        return self._file.do(work)

    def waiting(self) -> int:
        """How many slices and contacts AutoMem does not yet have as it should."""

        def work(connection: sqlite3.Connection) -> int:
            query = "SELECT (SELECT count(*) FROM slice WHERE state <> 'stored') + (SELECT count(*) FROM erasing)"
            return int(connection.execute(query).fetchone()[0])

        return self._file.do(work)

    def close(self) -> None:
        """The file is closed; the next use opens it again. Repeatable."""
        self._file.close()

    def _due_ms(self, failures: int, retry_after_s: float | None) -> int:
        pause_s = max(backoff_s(failures, _FIRST_PAUSE_S, _LAST_PAUSE_S, self._rng), min(retry_after_s or 0.0, _LAST_PAUSE_S))
        return self._clock.now_ms() + int(pause_s * 1000)


def _rows(connection: sqlite3.Connection, state: str, now_ms: int, most: int) -> list[QueuedSlice]:
    query = (
        f"SELECT {_COLUMNS} FROM slice WHERE state = ? AND due_ms <= ?"  # noqa: S608  a constant
        " AND contact NOT IN (SELECT contact FROM erasing) ORDER BY due_ms, rowid LIMIT ?"
    )
    return [QueuedSlice(*row) for row in connection.execute(query, (state, now_ms, most))]


def _state(connection: sqlite3.Connection, hash_: str) -> str | None:
    row = connection.execute("SELECT state FROM slice WHERE hash = ?", (hash_,)).fetchone()
    return None if row is None else str(row[0])


def _doom(connection: sqlite3.Connection, hashes: Iterable[str], now_ms: int) -> None:
    """What may be at AutoMem is to be deleted there; what only waited is gone."""
    for hash_ in hashes:
        if _state(connection, hash_) == "waiting":
            _remove(connection, [hash_])
        else:
            query = (
                "UPDATE slice SET state = 'doomed', content = NULL, failures = 0, due_ms = ? WHERE hash = ? AND state <> 'doomed'"
            )
            connection.execute(query, (now_ms, hash_))


def _remove(connection: sqlite3.Connection, hashes: Iterable[str]) -> None:
    each = [(hash_,) for hash_ in hashes]
    connection.executemany("DELETE FROM said WHERE hash = ?", each)
    connection.executemany("DELETE FROM slice WHERE hash = ?", each)
