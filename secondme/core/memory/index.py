"""The index of one contact's conversation: one SQLite file with every message, its tokens and those of its neighbours, kept in step with
each other.

A message is found by its own words and, with less weight, by those said just before and after it in the same session. Whatever the order
in which messages arrive, are edited and are forgotten, the index is the one that a rebuild from what is left would make.
"""

# ruff: noqa: S608  statements are put together of names of ours; values are bound

from __future__ import annotations

import contextlib
import json
import sqlite3
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, DataError, SecondmeError, UnavailableError
from secondme.core.files import new_file, private_dir
from secondme.core.memory.cipher import connect, database_errors
from secondme.core.memory.fact_table import SCHEMA as FACT_SCHEMA
from secondme.core.memory.fact_table import FactTable
from secondme.core.memory.messages import ANYBODY, MemoryCandidate, MemoryMessage, SpokenBy, candidate_of
from secondme.core.memory.tokens import VERSION, searchable, tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from secondme.core.memory.fact_table import KeptFact
    from secondme.core.memory.facts import Fact

MOST_CHARACTERS = 8_000
"""Of one message; what a longer one says after them is not kept."""
MOST_OF_SESSION = 60
"""Messages."""
_DAY_BEGINS = timedelta(hours=4)
"""After local midnight: who writes at two in the morning has not begun a new day."""
_LATEST_MS = 253_370_764_800_000
"""The year 9999: no local time of an earlier one is out of Python's range."""
_QUARTER_MS = 900_000
_MOST_DAYS = 4_000
"""Quarters of an hour whose day is known by heart: a month of them."""
_CACHE_KIB = 4_000
_MANY = 500
"""Messages of one call, as an import has."""
_SESSIONS = 40
"""How many of the best sessions count."""

_SCHEMA = """
create table meta (name text primary key, value text not null) without rowid;
create table message (
    number integer primary key autoincrement, id text not null unique, at_ms integer not null, rank integer not null,
    speaker text not null, source text not null, body text not null, tokens text not null, edited integer not null default 0,
    session integer not null default 0, previous integer, next integer, expires_ms integer not null default 0,
    forwarded integer not null default 0
);
create index expiring on message (expires_ms) where expires_ms > 0;
create table vector (number integer primary key, model text not null, value blob not null);
create index in_time on message (at_ms, rank, id);
create index by_source on message (source) where source <> '';
"""
_FULL_TEXT = """
create virtual table turn using fts5(own, near, far, tokenize='ascii');
create virtual table session using fts5(words, tokenize='ascii');
create virtual table word using fts5vocab(turn, col);
insert into turn(turn, rank) values ('automerge', 8);
insert into session(session, rank) values ('automerge', 8);
"""
_TABLES = {"meta", "message", "vector", "fact", "fact_source", "fact_refused", "turn", "session", "word"}
"""`number` of a message is the rowid of its turn; a session's is the number of its first message. Tokens are of any script, and to
FTS5's `ascii` tokenizer everything beyond ASCII is part of a word. Merging rarely halves what a message costs."""
_COLUMNS = """
select m.number, m.id, m.at_ms, m.rank, m.speaker, m.session, m.body, m.tokens, t.near, t.far,
    p.id, p.at_ms, p.rank, p.speaker, p.body, p.tokens
from message m join turn t on t.rowid = m.number left join message p on p.number = m.previous
"""
_OF_SOURCE = "source <> '' and instr(' ' || source || ' ', ' ' || ? || ' ') > 0"
_MATCHING = _COLUMNS + (
    "where m.number in (select rowid from turn where turn match ? and rank match 'bm25(1.0, 0.7, 0.35)' order by rank limit ?)"
)


@dataclass(slots=True)
class _Change:
    """What one transaction has done so far that the rest of the index must follow."""

    keys: set[tuple[int, int, str]] = field(default_factory=set)
    """Where in time something came, went or changed."""
    texts: set[int] = field(default_factory=set)
    """Messages, by number, that say something else now."""
    sessions: set[int] = field(default_factory=set)
    """Of messages that are gone."""
    count: int = 0
    messages: int = 0
    words: int = 0
    withdrawn: bool = False
    """Words are gone, and must be from the file too."""


class _Row(NamedTuple):
    number: int
    at_ms: int
    rank: int
    id: str
    session: int
    previous: int | None
    next: int | None


class CorruptIndexError(DataError):
    """The file is no index, or a damaged one. Nothing in it was changed."""


class ConversationIndex:
    """An open index. One thread at a time may use it; several processes may open the same file.

    Every method may raise CorruptIndexError, BusyError while another process writes, and UnavailableError when the disk refuses.
    """

    def __init__(self, path: Path, *, idle_minutes: float = 30, zone: tzinfo = UTC, key: str | None = None) -> None:
        """Opens the file, which is made (0600) when it is missing, encrypted with `key` where there is one. An index that other rules made is
        made anew from its messages."""
        self._idle_ms, self._zone = int(idle_minutes * 60_000), zone
        self._days: dict[int, date] = {}
        private_dir(path.parent)
        with contextlib.suppress(FileExistsError):
            new_file(path).close()
        self._rules = json.dumps({"tokens": VERSION, "idle_minutes": idle_minutes, "zone": str(zone)})
        with _reported():
            self._db = connect(path, key)
        self._facts = FactTable(self._db)
        try:
            self._open()
        except SecondmeError:
            self._db.close()
            raise

    def _open(self) -> None:
        with _reported():
            for setting in (
                "journal_mode=wal",
                "synchronous=normal",  # a killed process loses nothing; after a power cut, what the history still has is added again
                "secure_delete=on",
                "temp_store=memory",
                f"cache_size=-{_CACHE_KIB}",
                "wal_autocheckpoint=2000",  # 8 MB; a checkpoint costs a hundred times what a message does
            ):
                self._db.execute(f"pragma {setting}")
            if not self._has_tables():
                with self._transaction():
                    if not self._has_tables():  # else another process made them just now
                        for statement in (_SCHEMA + FACT_SCHEMA + _FULL_TEXT).split(";"):
                            self._db.execute(statement)
                        self._note("rules", self._rules)
            if not {row[0] for row in self._db.execute("select name from sqlite_master where type = 'table'")} >= _TABLES:
                raise CorruptIndexError("memory_corrupt", "A file of the memory lacks a part.")
            known = dict(self._db.execute("select name, value from meta"))
        if known.get("rules") != self._rules:
            self.rebuild()
        if "withdrawn" in known:
            self.scrub()

    def _has_tables(self) -> bool:
        return self._db.execute("select 1 from sqlite_master where name = 'meta'").fetchone() is not None

    def close(self) -> None:
        """The file is closed; closing twice is allowed."""
        self._db.close()

    def append(self, messages: Iterable[MemoryMessage]) -> int:
        """The messages are in the index and on the disk; returns how many are new or say something else than before.

        Repeatable: a message whose id is known is kept as it is, at its time, unless its text has changed: that is an edit.
        """
        with self._changing() as change:
            for message in messages:
                self._put(message, change)
        if change.count >= _MANY:
            with _reported():
                self._db.execute("pragma wal_checkpoint(truncate)")  # now, and not with the next message
        return change.count

    def edit(self, message_id: str, text: str, by: Collection[str] = ANYBODY) -> bool:
        """True when the message is known, and one of `by` said it; it says `text` now, what it said before is in no file any more, and no fact
        comes from it. Repeatable."""
        with self._changing() as change:
            row = self._known(message_id)
            is_theirs = row is not None and self._speaker(message_id) in by
            if row and is_theirs:
                self._say(row, text, change)
        return is_theirs

    def forget(self, message_ids: Collection[str], by: Collection[str] = ANYBODY) -> int:
        """Nothing of these messages, as far as one of `by` said them, is left in any file, and no fact that came from nothing else; returns how
        many messages there were. Repeatable, also after BusyError."""
        which = "id in (select value from json_each(?)) and speaker in (select value from json_each(?))"
        return self._forget(which, json.dumps(list(message_ids)), json.dumps(list(by)))

    def expired(self, now_ms: int) -> list[str]:
        """Ids of what its chat forgets by now."""
        with _reported():
            rows = self._db.execute("select id from message where expires_ms > 0 and expires_ms <= ?", (now_ms,))
            return [row[0] for row in rows]

    def next_expiry(self) -> int | None:
        """When the next message expires, in ms; None when none does."""
        with _reported():
            row = self._db.execute("select min(expires_ms) from message where expires_ms > 0").fetchone()
        return None if row[0] is None else int(row[0])

    def older(self, at_ms: int) -> list[str]:
        """Ids of everything older than `at_ms`."""
        with _reported():
            return [row[0] for row in self._db.execute("select id from message where at_ms < ?", (at_ms,))]

    def disown(self, digest: str, message_ids: Collection[str]) -> list[str]:
        """Those of these messages that came only with the import of this digest; of the others it is no longer said that they came with it.
        Repeatable."""
        with _reported(), self._transaction():
            rows = self._db.execute(
                f"select number, id, source from message where {_OF_SOURCE} and id in (select value from json_each(?))",
                (digest, json.dumps(list(message_ids))),
            ).fetchall()
            shared = [(number, source.split()) for number, _, source in rows if source != digest]
            self._db.executemany(
                "update message set source = ? where number = ?",
                [(" ".join(each for each in sources if each != digest), number) for number, sources in shared],
            )
        return [name for _, name, source in rows if source == digest]

    def rebuild(self) -> None:
        """Tokens, sessions and the full text are made anew from the messages. Repeatable."""
        with self._changing() as change:
            for table in ("word", "turn", "session"):
                self._db.execute(f"drop table {table}")
            for statement in _FULL_TEXT.split(";"):
                self._db.execute(statement)
            self._db.execute("update message set session = 0, previous = null, next = null")
            self._db.execute("delete from meta where name in ('messages', 'words')")
            for number, at_ms, rank, name, body in self._db.execute("select number, at_ms, rank, id, body from message").fetchall():
                marked = tokens(body)
                self._db.execute("update message set tokens = ? where number = ?", (" ".join(marked), number))
                change.keys.add((at_ms, rank, name))
                change.messages += 1
                change.words += len(searchable(marked))
            change.withdrawn = True
            self._note("rules", self._rules)

    def scrub(self) -> None:
        """Words of forgotten messages are in no file any more. Raises BusyError while another process reads; repeatable."""
        with _reported():
            for table in ("turn", "session"):
                self._db.execute(f"insert into {table}({table}) values ('optimize')")  # FTS5 keeps deleted words until it merges
            busy, _, _ = self._db.execute("pragma wal_checkpoint(truncate)").fetchone()
            if busy:
                raise BusyError("memory_busy", "Another process is reading the same memory.", "Try again.")
            self._db.execute("delete from meta where name = 'withdrawn'")

    def messages(self) -> list[MemoryMessage]:
        """Every message, in its order."""
        with _reported():
            rows = self._db.execute(
                "select id, at_ms, speaker, body, rank, source, expires_ms, forwarded from message order by at_ms, rank, id"
            )
            return [MemoryMessage(*row) for row in rows]

    def spoken(self, sessions: Collection[int] | None = None, *, own: bool = False) -> list[tuple[str, int, SpokenBy, str, int]]:
        """Id, time, speaker, text and session of the messages of these sessions (None: of all), in their order; `own`: not of those that were
        only passed on."""
        which = "" if sessions is None else " where session in (select value from json_each(?))"
        which += f"{' and' if which else ' where'} not forwarded" if own else ""
        values = () if sessions is None else (json.dumps(list(sessions)),)
        with _reported():
            rows = self._db.execute(
                f"select id, at_ms, speaker, body, session from message{which} order by at_ms, rank, id", values
            )
            return rows.fetchall()

    def said_in(self, message_ids: Collection[str]) -> list[tuple[str, int, SpokenBy, str, int]]:
        """As `spoken`, of the messages with these ids."""
        with _reported():
            rows = self._db.execute(
                "select id, at_ms, speaker, body, session from message where id in (select value from json_each(?))"
                " order by at_ms, rank, id",
                (json.dumps(list(message_ids)),),
            )
            return rows.fetchall()

    def of_source(self, digest: str) -> set[str]:
        """Ids of the messages that came with the import of this digest, and were not heard when they were said."""
        with _reported():
            return {row[0] for row in self._db.execute(f"select id from message where {_OF_SOURCE}", (digest,))}

    def said_live(self, from_ms: int, to_ms: int) -> list[tuple[bool, int, str]]:
        """What did not come with an import, from `from_ms` up to and with `to_ms`: whether the contact said it, when, and its text."""
        with _reported():
            rows = self._db.execute(
                "select speaker, at_ms, body from message where source = '' and at_ms between ? and ?", (from_ms, to_ms)
            )
            return [(speaker == "contact", at_ms, body) for speaker, at_ms, body in rows]

    def unread(self, before_ms: int) -> list[int]:
        """Sessions that ended before `before_ms` and whose end was not yet marked by `mark_read`, oldest first."""
        with _reported():
            known = dict(self._db.execute("select name, value from meta where name = 'read_ms'"))
            rows = self._db.execute(
                "select session, max(at_ms) as ended from message group by session having ended > ? and ended < ? order by ended",
                (int(known.get("read_ms", 0)), before_ms),
            )
            return [row[0] for row in rows]

    def mark_read(self, session: int) -> None:
        """The session, and all that ended before it, were read for facts. Repeatable."""
        with _reported(), self._transaction():
            ended = self._db.execute("select max(at_ms) from message where session = ?", (session,)).fetchone()[0]
            self._note("read_ms", str(ended or 0))

    def has(self, message_ids: Collection[str]) -> set[str]:
        """Those of the ids that are known."""
        with _reported():
            known = self._db.execute(
                "select id from message where id in (select value from json_each(?))", (json.dumps(list(message_ids)),)
            )
            return {row[0] for row in known}

    def size(self) -> tuple[int, int]:
        """How many messages there are, and how many words that are looked for in all of them."""
        with _reported():
            known = dict(self._db.execute("select name, value from meta"))
        return int(known.get("messages", 0)), int(known.get("words", 0))

    def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """In how many messages each of the terms is; one that is nowhere is left out."""
        with _reported():
            counts = self._db.execute(
                "select term, doc from word where col = 'own' and term in (select value from json_each(?))",
                (json.dumps(list(terms)),),
            )
            return dict(counts.fetchall())

    def vocabulary(self, prefix: str) -> list[str]:
        """The terms that begin with `prefix`."""
        with _reported():
            rows = self._db.execute(
                "select term from word where term >= ? and term < ? and col = 'own'", (prefix, prefix + "\U0010ffff")
            )
            return [row[0] for row in rows]

    def matching(self, terms: Collection[str], most: int) -> list[MemoryCandidate]:
        """The `most` messages that have the most of the terms, in no order."""
        with _reported():
            return [candidate_of(row) for row in self._db.execute(_MATCHING, (_any_of(terms), most))] if terms else []

    def named(self, message_ids: Collection[str]) -> list[MemoryCandidate]:
        """The messages with these ids, as far as they are known, in no order."""
        with _reported():
            asked = json.dumps(list(message_ids))
            return [
                candidate_of(row)
                for row in self._db.execute(f"{_COLUMNS} where m.id in (select value from json_each(?))", (asked,))
            ]

    def sessions(self, terms: Collection[str]) -> dict[int, float]:
        """Scores of the sessions that have the most of the terms; higher is better."""
        if not terms:
            return {}
        with _reported():
            rows = self._db.execute(
                "select rowid, -rank from session where session match ? order by rank limit ?", (_any_of(terms), _SESSIONS)
            )
            return dict(rows.fetchall())

    def add_facts(self, facts: Iterable[Fact]) -> int:
        """The facts, as far as their messages are known, are kept; returns how many are new. Repeatable."""
        kept = []
        for fact in facts:
            sources = tuple(each for each in fact.sources if each in self.has(fact.sources))
            if sources:
                kept.append(replace(fact, sources=sources))
        with _reported(), self._transaction():
            return self._facts.add(kept)

    def facts(self) -> list[KeptFact]:
        """Every fact, the newest first."""
        with _reported():
            return self._facts.all()

    def newest_facts(self, most: int) -> list[KeptFact]:
        """As FactTable.newest."""
        with _reported():
            return self._facts.newest(most)

    def facts_about(self, text: str) -> list[tuple[KeptFact, float]]:
        """As FactTable.about."""
        with _reported():
            return self._facts.about(text)

    def forget_facts(self, keys: Collection[str]) -> int:
        """These facts are in no file any more; what was said stays. Repeatable."""
        with self._changing() as change:
            count = self._facts.forget(keys)
            change.withdrawn = count > 0
        return count

    def correct_fact(self, key: str, value: str, at_ms: int) -> bool:
        """True when the fact is known: the owner's `value` stands in its place, and what it said is in no file any more."""
        with self._changing() as change:
            change.withdrawn = is_known = self._facts.correct(key, value, at_ms)
        return is_known

    def keep_vectors(self, model: str, vectors: Mapping[str, bytes]) -> None:
        """The messages with these ids have these vectors of `model`, in place of older ones; unknown ids are passed over. Repeatable."""
        with _reported(), self._transaction():
            self._db.executemany(
                "insert or replace into vector select number, ?, ? from message where id = ?",
                [(model, value, message_id) for message_id, value in vectors.items()],
            )

    def without_vector(self, model: str, most: int, dimensions: int = 0) -> list[tuple[str, str]]:
        """Ids and texts of up to `most` messages that have no vector of `model`, of this length where that is known, the newest first."""
        with _reported():
            return self._db.execute(
                "select m.id, m.body from message m left join vector v"
                " on v.number = m.number and v.model = ? and ? in (0, length(v.value))"
                " where v.number is null and m.tokens <> '' order by m.at_ms desc, m.rank desc, m.id desc limit ?",
                (model, dimensions, most),
            ).fetchall()

    def vectors(self, model: str) -> list[tuple[str, int, bytes]]:
        """Id, session and vector of every message that has one of `model`, in their order."""
        with _reported():
            return self._db.execute(
                "select m.id, m.session, v.value from message m join vector v using (number) where v.model = ? order by m.at_ms, m.rank, m.id",
                (model,),
            ).fetchall()

    def faults(self) -> list[str]:
        """What SQLite and FTS5 find wrong with the file; empty for a sound one. Reads all of it."""
        found = []
        try:
            with _reported():
                found = [row[0] for row in self._db.execute("pragma integrity_check") if row[0] != "ok"]
                for table in ("turn", "session"):
                    self._db.execute(f"insert into {table}({table}, rank) values ('integrity-check', 0)")
        except CorruptIndexError as error:
            found.append(error.message)
        return found

    # What follows changes the file, always within a transaction.

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_Change]:
        """A transaction after which the whole index follows what was changed; words that are gone are then scrubbed from the files."""
        change = _Change()
        with _reported(), self._transaction():
            yield change
            self._settle(change)
            if change.messages or change.words:
                for name, more in (("messages", change.messages), ("words", change.words)):
                    self._db.execute(
                        "insert into meta values (?, ?) on conflict do update set value = value + excluded.value", (name, more)
                    )
            if change.withdrawn:
                self._note("withdrawn", "1")
        if change.withdrawn:
            self.scrub()

    def _note(self, name: str, value: str) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (name, value))

    def _speaker(self, message_id: str) -> str:
        row = self._db.execute("select speaker from message where id = ?", (message_id,)).fetchone()
        return str(row[0]) if row else ""

    def _known(self, message_id: str) -> tuple[int, int, int, str, str, str, str] | None:
        found = self._db.execute("select number, at_ms, rank, id, body, tokens, source from message where id = ?", (message_id,))
        row: tuple[int, int, int, str, str, str, str] | None = found.fetchone()
        return row

    def _put(self, message: MemoryMessage, change: _Change) -> None:
        row = self._known(message.id)
        if row:
            self._say(row, message.text, change)
            sources = " ".join(dict.fromkeys(f"{row[6]} {message.source}".split())) if message.source else ""
            if row[6] and row[6] != sources:  # without a source it is known for itself, and stays when the import is taken back
                self._db.execute("update message set source = ? where number = ?", (sources, row[0]))
            return
        at_ms = min(max(message.at_ms, 0), _LATEST_MS)
        body = _kept(message.text)
        marked = tokens(body)
        self._db.execute(
            "insert into message (id, at_ms, rank, speaker, source, body, tokens, expires_ms, forwarded) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                at_ms,
                message.rank,
                message.speaker,
                message.source,
                body,
                " ".join(marked),
                message.expires_ms,
                message.forwarded,
            ),
        )
        change.keys.add((at_ms, message.rank, message.id))
        change.count += 1
        change.messages += 1
        change.words += len(searchable(marked))

    def _say(self, row: tuple[int, int, int, str, str, str, str], text: str, change: _Change) -> None:
        number, at_ms, rank, name, before, marked_before, _ = row
        body = _kept(text)
        if body == before:
            return
        marked = tokens(body)
        self._db.execute("update message set body = ?, tokens = ?, edited = 1 where number = ?", (body, " ".join(marked), number))
        self._facts.forget_sources([name])
        self._db.execute("delete from vector where number = ?", (number,))
        change.keys.add((at_ms, rank, name))
        change.texts.add(number)
        change.count += 1
        change.words += len(searchable(marked)) - len(searchable(marked_before.split()))
        change.withdrawn = True

    def _forget(self, which: str, *values: str | int) -> int:
        with self._changing() as change:
            rows = self._db.execute(
                f"select number, at_ms, rank, id, session, tokens from message where {which}", values
            ).fetchall()
            for number, at_ms, rank, name, session, marked in rows:
                self._db.execute("delete from turn where rowid = ?", (number,))
                self._db.execute("delete from vector where number = ?", (number,))
                self._db.execute("delete from message where number = ?", (number,))
                change.keys.add((at_ms, rank, name))
                change.sessions.add(session)
                change.words -= len(searchable(marked.split()))
            self._facts.forget_sources([row[3] for row in rows])
            change.count = len(rows)
            change.messages = -len(rows)
            change.withdrawn = bool(rows) or bool(self._db.execute("select 1 from meta where name = 'withdrawn'").fetchone())
        return change.count

    def _settle(self, change: _Change) -> None:
        """Sessions and full text follow what was changed: from the session in which each change lies, up to where all is as it was."""
        keys = sorted(change.keys)
        gone, kept = set(change.sessions), set[int]()
        done = 0
        while done < len(keys):
            stretch, done = self._stretch(keys, done)
            before = [row for members in stretch for row in members]
            gone.update(row.session for row in before)
            kept.update(members[0].number for members in stretch)
            self._write(before, [row for members in stretch for row in _linked(members)], change.texts)
        self._db.executemany("delete from session where rowid = ?", [(number,) for number in gone - kept if number])

    def _stretch(self, keys: list[tuple[int, int, str]], done: int) -> tuple[list[list[_Row]], int]:
        """The messages around `keys[done]` whose session may be another one now, as they are stored, in the sessions that they have by the
        rules; and how many keys are done."""
        left = self._db.execute(
            "select f.at_ms, f.rank, f.id from message m join message f on f.number = m.session"
            " where (m.at_ms, m.rank, m.id) < (?, ?, ?) order by m.at_ms desc, m.rank desc, m.id desc limit 1",
            keys[done],
        ).fetchone()
        stretch: list[list[_Row]] = []
        last = None
        reading = self._db.execute(
            "select number, at_ms, rank, id, session, previous, next from message where (at_ms, rank, id) >= (?, ?, ?)"
            " order by at_ms, rank, id",
            left or keys[done],
        )
        for row in map(_Row._make, reading):
            if last is None or len(stretch[-1]) == MOST_OF_SESSION or self._breaks(last, row.at_ms):
                if stretch and row.session == row.number:
                    done = bisect_left(keys, row[1:4], done)
                    if done == len(keys) or keys[done] != row[1:4]:
                        break
                stretch.append([])
            stretch[-1].append(row)
            last = row.at_ms
        else:
            done = len(keys)
        reading.close()
        return stretch, done

    def _breaks(self, before_ms: int, after_ms: int) -> bool:
        """True when a new session begins: after so long a silence, and with a new day."""
        return after_ms - before_ms >= self._idle_ms or self._day(before_ms) != self._day(after_ms)

    def _day(self, at_ms: int) -> date:
        quarter = at_ms // _QUARTER_MS  # of an hour: no zone's clock changes within one
        if quarter not in self._days:
            if len(self._days) > _MOST_DAYS:
                self._days.clear()
            local = from_ms(max(quarter * _QUARTER_MS, _QUARTER_MS * 100)).astimezone(self._zone).replace(tzinfo=None)
            self._days[quarter] = (local - _DAY_BEGINS).date()
        return self._days[quarter]

    def _write(self, before: Sequence[_Row], after: Sequence[_Row], texts: set[int]) -> None:
        """The rows in `after` are stored, and the full text of those whose neighbours, or whose words, are others than `before`."""
        place = {row.number: at for at, row in enumerate(after)}
        moved = [(old.number, new) for old, new in zip(before, after, strict=True) if old != new]
        self._db.executemany(
            "update message set session = ?, previous = ?, next = ? where number = ?",
            [(new.session, new.previous, new.next, number) for number, new in moved],
        )
        changed = [place[number] for number in {number for number, _ in moved} | (texts & place.keys())]
        turns = {
            near
            for at in changed
            for near in range(max(at - 2, 0), min(at + 3, len(after)))
            if after[near].session == after[at].session
        }
        dirty = {after[at].session for at in changed}
        if not dirty:
            return
        members = [row for row in after if row.session in dirty]
        words = self._words_of([row.number for row in members])

        def around(at: int, distance: int) -> str:
            near = [after[each] for each in (at - distance, at + distance) if 0 <= each < len(after)]
            return " ".join(words[row.number] for row in near if row.session == after[at].session)

        self._db.executemany(
            "insert or replace into turn (rowid, own, near, far) values (?, ?, ?, ?)",
            [(after[at].number, words[after[at].number], around(at, 1), around(at, 2)) for at in sorted(turns)],
        )
        said: dict[int, list[str]] = {}
        for row in members:
            said.setdefault(row.session, []).append(words[row.number])
        self._db.executemany(
            "insert or replace into session (rowid, words) values (?, ?)",
            [(number, " ".join(each)) for number, each in said.items()],
        )

    def _words_of(self, numbers: Sequence[int]) -> dict[int, str]:
        rows = self._db.execute(
            "select number, tokens from message where number in (select value from json_each(?))", (json.dumps(numbers),)
        )
        return {number: " ".join(searchable(marked.split())) for number, marked in rows}


def _linked(members: Sequence[_Row]) -> Iterator[_Row]:
    """The messages of one session with its number and their neighbours."""
    for at, row in enumerate(members):
        previous = members[at - 1].number if at else None
        yield row._replace(
            session=members[0].number, previous=previous, next=members[at + 1].number if at + 1 < len(members) else None
        )


def _any_of(terms: Collection[str]) -> str:
    """A full-text query for any of the terms: they are letters and digits of some script, and nothing of FTS5's own."""
    return " OR ".join(f'"{term}"' for term in terms)


def _kept(text: str) -> str:
    """`text` as far as it is kept, without halves of characters, which no file can hold."""
    shown = text[:MOST_CHARACTERS]
    return shown if shown.isascii() else shown.encode("utf-8", "replace").decode()


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """What SQLite raises is one of ours."""
    try:
        yield
    except database_errors() as error:
        match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF:  # without one, Python found text that is none
            case sqlite3.SQLITE_ERROR if "vtable constructor failed" not in str(error):
                raise  # our own fault, which no file can be blamed for
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
                raise CorruptIndexError("memory_corrupt", "A file of the memory is damaged.") from error
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise BusyError("memory_busy", "Another process is writing the same memory.", "Try again.") from error
            case _:
                raise UnavailableError(
                    "memory_unusable", "A file of the memory cannot be read or written.", "Check free space."
                ) from error
