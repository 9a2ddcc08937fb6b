"""The facts of one contact, beside what was said: each with the messages it comes from, and gone with the last of them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from secondme.core.memory.facts import Fact
from secondme.core.memory.tokens import searchable, tokens
from secondme.core.messages import Speaker

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Sequence

SCHEMA = """
create table if not exists fact (
    key text primary key, subject text not null, kind text not null, object text not null, words text not null, speaker text not null,
    at_ms integer not null, replaces text not null, tokens text not null, until_ms integer not null default 0
) without rowid;
create table if not exists fact_source (key text not null, message text not null, primary key (key, message)) without rowid;
create index if not exists fact_of_message on fact_source (message);
create table if not exists fact_refused (key text primary key) without rowid;
"""
"""`fact_refused` holds hashes: what the owner did not want is not drawn from the same messages again."""
_MOST = 2_000
"""Facts of one contact; the oldest leave."""
_HOPS = 2


@dataclass(frozen=True, slots=True)
class KeptFact:
    """A fact as it is kept. `until_ms` is when a newer one replaced it; 0 while it holds."""

    key: str
    fact: Fact
    until_ms: int = 0


class FactTable:
    """The facts in the file of an index. Every change must stand in a transaction of the index."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, facts: Iterable[Fact]) -> int:
        """The facts are kept, but for those that the owner did not want; how many are new. Known ones gain their sources; of a kind that has
        one value the newest holds. Repeatable."""
        count = 0
        for fact in facts:
            if self._db.execute("select 1 from fact_refused where key = ?", (fact.key,)).fetchone():
                continue
            added = self._db.execute(
                "insert or ignore into fact (key, subject, kind, object, words, speaker, at_ms, replaces, tokens)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_columns(fact), fact.replaces, _tokens(f"{fact.object} {fact.kind.replace('_', ' ')} {fact.text}")),
            )
            count += added.rowcount
            self._db.execute("update fact set at_ms = max(at_ms, ?) where key = ?", (fact.at_ms, fact.key))
            self._db.executemany("insert or ignore into fact_source values (?, ?)", [(fact.key, each) for each in fact.sources])
            if fact.replaces:
                self._order(fact.replaces)
        surplus = "select key from fact order by at_ms desc, key limit -1 offset ?"
        self._drop([row[0] for row in self._db.execute(surplus, (_MOST,))])
        return count

    def all(self) -> list[KeptFact]:
        """Every fact, the newest first; also those that hold no longer."""
        return self._kept("order by at_ms desc, key limit ?", _MOST)

    def newest(self, most: int) -> list[KeptFact]:
        """The facts that hold, at most so many, the newest first."""
        return self._kept("where until_ms = 0 order by at_ms desc, key limit ?", most)

    def _kept(self, which: str, most: int) -> list[KeptFact]:
        columns = "key, subject, kind, object, words, speaker, at_ms, until_ms"
        rows = self._db.execute(f"select {columns} from fact {which}", (most,)).fetchall()  # noqa: S608  words of ours
        return [
            KeptFact(key, Fact(subject, kind, value, words, Speaker(speaker), at_ms, self._sources(key)), until_ms)
            for key, subject, kind, value, words, speaker, at_ms, until_ms in rows
        ]

    def forget(self, keys: Collection[str]) -> int:
        """These facts are gone, and are not taken again from what was said; how many there were. What one of them had replaced holds again.
        Repeatable."""
        known = [key for key in keys if self._db.execute("select 1 from fact where key = ?", (key,)).fetchone()]
        self._db.executemany("insert or ignore into fact_refused values (?)", [(key,) for key in known])
        return self._drop(known)

    def correct(self, key: str, value: str, at_ms: int) -> bool:
        """True when the fact is known; it is forgotten, and the owner's word stands in its place, from the same messages."""
        found = next((each.fact for each in self.all() if each.key == key), None)
        if found is None:
            return False
        self.forget([key])
        text = f"{found.kind.replace('_', ' ')}: {value}"
        self._allow(right := replace(found, object=value, text=text, speaker=Speaker.OWNER, at_ms=at_ms))
        self.add([right])
        return True

    def _allow(self, fact: Fact) -> None:
        self._db.execute("delete from fact_refused where key = ?", (fact.key,))

    def forget_sources(self, message_ids: Collection[str]) -> int:
        """No fact comes from these messages any more; those that came from nothing else are gone, and how many those were. Repeatable."""
        asked = json.dumps(list(message_ids))
        touched = [
            row[0]
            for row in self._db.execute(
                "select distinct key from fact_source where message in (select value from json_each(?))", (asked,)
            )
        ]
        self._db.execute("delete from fact_source where message in (select value from json_each(?))", (asked,))
        return self._drop([key for key in touched if not self._sources(key)])

    def about(self, text: str) -> list[tuple[KeptFact, float]]:
        """The facts that hold and have to do with `text`, with a score up to 1, the best first: those that share words with it, and, for less,
        those that share somebody or something with them."""
        asked = set(searchable(tokens(text)))
        scores: dict[str, float] = {}
        for key, marked in self._db.execute("select key, tokens from fact where until_ms = 0") if asked else ():
            words = set(marked.split())
            if shared := len(asked & words):
                scores[key] = shared / min(len(asked), len(words))
        kept = [each for each in self.all() if not each.until_ms] if scores else []
        spread = self._spread(kept, scores)
        found = [(each, spread[each.key]) for each in kept if each.key in spread]
        return sorted(found, key=lambda each: -each[1])

    def _spread(self, kept: Sequence[KeptFact], scores: dict[str, float]) -> dict[str, float]:
        """Scores after two hops over what facts have in common, half of it a hop; the contact and the owner are in common to all."""
        by_entity: dict[str, list[str]] = defaultdict(list)
        entities = {each.key: set(_entities(each.fact)) for each in kept}
        for key, names in entities.items():
            for name in names:
                by_entity[name].append(key)
        spread, newest = dict(scores), dict(scores)
        for _ in range(_HOPS - 1):
            reached = {
                other: score / 2
                for key, score in newest.items()
                for name in entities[key]
                for other in by_entity[name]
                if other not in spread
            }
            spread |= reached
            newest = reached
        return spread

    def _order(self, replaces: str) -> None:
        """Of the facts that replace each other the newest holds, the others until the next one was said."""
        rows = self._db.execute("select key, at_ms from fact where replaces = ? order by at_ms desc, key", (replaces,)).fetchall()
        until = [0, *(at_ms for _, at_ms in rows)]
        self._db.executemany("update fact set until_ms = ? where key = ?", [(until[at], key) for at, (key, _) in enumerate(rows)])

    def _drop(self, keys: Collection[str]) -> int:
        count = 0
        for key in keys:
            row = self._db.execute("select replaces from fact where key = ?", (key,)).fetchone()
            if row is None:
                continue
            self._db.execute("delete from fact where key = ?", (key,))
            self._db.execute("delete from fact_source where key = ?", (key,))
            if row[0]:
                self._order(row[0])
            count += 1
        return count

    def _sources(self, key: str) -> tuple[str, ...]:
        return tuple(row[0] for row in self._db.execute("select message from fact_source where key = ? order by message", (key,)))


def _columns(fact: Fact) -> tuple[str, str, str, str, str, str, int]:
    return fact.key, fact.subject, fact.kind, fact.object, fact.text, fact.speaker.value, fact.at_ms


def _tokens(text: str) -> str:
    return " ".join(searchable(tokens(text)))


def _entities(fact: Fact) -> Iterator[str]:
    for name in (fact.subject, fact.object):
        words = _tokens(name)
        if words and name not in {Speaker.CONTACT.value, Speaker.OWNER.value}:
            yield words
