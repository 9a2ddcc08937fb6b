"""Facts in FalkorDB: a graph a contact, in which who and what was spoken of is a node, and a fact stands between two of them.

    (:Entity {name, shown})  <-[:SUBJECT|OBJECT]-  (:Fact {id, …})  -[:FROM]->  (:Message {id})
    (:Fact) -[:SUPERSEDES]-> (:Fact)

A graph's name is made of a hash of the contact's id, and every value is a parameter: a quoted string of FalkorDB's `CYPHER` header, never a
part of a query. A fact whose last message is gone is gone with it, and so are entities that nothing is said of any more.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.text import caseless, clip_utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Value = str | int | list["Value"]

_CALL_S = 2.0
_TEXT_BYTES = 1000
"""Of a fact, an entity or an id."""
_MOST_FACTS = 500
"""In one call."""
_ADD = """
UNWIND $facts AS row
MERGE (s:Entity {name: row[1]}) ON CREATE SET s.shown = row[2]
MERGE (o:Entity {name: row[3]}) ON CREATE SET o.shown = row[4]
MERGE (f:Fact {id: row[0]})
SET f.subject = row[2], f.predicate = row[5], f.object = row[4], f.text = row[6], f.valid_from = row[7], f.valid_to = row[8]
MERGE (f)-[:SUBJECT]->(s)
MERGE (f)-[:OBJECT]->(o)
WITH f, row
UNWIND row[9] AS message
MERGE (m:Message {id: message})
MERGE (f)-[:FROM]->(m)
"""
_SUPERSEDE = """
UNWIND $pairs AS pair
MATCH (new:Fact {id: pair[0]}), (old:Fact {id: pair[1]})
MERGE (new)-[:SUPERSEDES]->(old)
"""
_UNTIE = "MATCH (f:Fact)-[tie:SUBJECT|OBJECT|FROM]->() WHERE f.id IN $ids DELETE tie"
_NEAR = """
UNWIND $names AS name
MATCH (:Entity {name: name})<-[:SUBJECT|OBJECT]-(first:Fact)-[:SUBJECT|OBJECT]->(:Entity)<-[:SUBJECT|OBJECT]-(second:Fact)
WHERE NOT (second)<-[:SUPERSEDES]-()
WITH second AS f, min(CASE WHEN first = second THEN 1 ELSE 2 END) AS hops
WITH f, hops ORDER BY hops, f.id LIMIT $most
MATCH (f)-[:FROM]->(m:Message)
RETURN f.id, f.subject, f.predicate, f.object, f.text, f.valid_from, f.valid_to, hops, m.id ORDER BY hops, f.id, m.id
"""
_FORGET_MESSAGES = "MATCH (m:Message) WHERE m.id IN $ids DETACH DELETE m"
_SOURCELESS = "MATCH (f:Fact) WHERE NOT (f)-[:FROM]->() DETACH DELETE f RETURN count(f)"
_ORPHANS = "MATCH (e:Entity) WHERE NOT (e)<-[:SUBJECT|OBJECT]-() DELETE e"
_ORPHANED_MESSAGES = "MATCH (m:Message) WHERE NOT (m)<-[:FROM]-() DELETE m"


@dataclass(frozen=True, slots=True)
class GraphFact:
    """`subject` `predicate` `object`, as `text` says it, according to these messages. Times are Unix milliseconds, 0 where unknown."""

    id: str
    subject: str
    predicate: str
    object: str
    text: str
    message_ids: tuple[str, ...]
    valid_from_ms: int = 0
    valid_to_ms: int = 0
    supersedes: str = ""
    """The id of a fact that is no longer true since then."""


class GraphStore:
    """The graphs of all contacts in one FalkorDB. Everything raises UnavailableError to be tried later, CredentialsError and ConfigError
    when a human must act first."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet. Raises ConfigError for what is no Redis URL."""
        try:
            self._redis = Redis.from_url(url, socket_connect_timeout=_CALL_S, socket_timeout=_CALL_S, decode_responses=True)
        except ValueError as error:
            raise ConfigError(
                "bad_graph_url", "memory.graph_url is no Redis URL.", "It looks like redis://127.0.0.1:6379."
            ) from error

    async def add(self, contact_id: str, facts: Sequence[GraphFact]) -> None:
        """The facts are there, in place of earlier ones with their ids. A fact without a message is left out. Repeatable."""
        kept = [fact for fact in facts if fact.message_ids]
        for first in range(0, len(kept), _MOST_FACTS):
            part = kept[first : first + _MOST_FACTS]
            await self._query(contact_id, _UNTIE, ids=[_text(fact.id) for fact in part])
            await self._query(contact_id, _ADD, facts=[_row(fact) for fact in part])
        pairs: list[Value] = [[_text(fact.id), _text(fact.supersedes)] for fact in kept if fact.supersedes]
        if pairs:
            await self._query(contact_id, _SUPERSEDE, pairs=pairs)
        await self._query(contact_id, _ORPHANS)
        await self._query(contact_id, _ORPHANED_MESSAGES)

    async def neighbours(self, contact_id: str, entities: Iterable[str], most: int = 20) -> list[GraphFact]:
        """Facts about these entities, then about what is related to them by one fact; those that were superseded are left out."""
        names: list[Value] = [_name(entity) for entity in dict.fromkeys(entities)]
        rows = await self._query(contact_id, _NEAR, names=names, most=most) if names else []
        facts: dict[str, list[Any]] = {}
        sources: dict[str, list[str]] = {}
        for *fact, _hops, message_id in rows:
            facts.setdefault(fact[0], fact)
            sources.setdefault(fact[0], []).append(message_id)
        return [
            GraphFact(id_, subject, predicate, object_, text, tuple(sources[id_]), valid_from, valid_to)
            for id_, subject, predicate, object_, text, valid_from, valid_to in facts.values()
        ]

    async def forget_messages(self, contact_id: str, message_ids: Iterable[str]) -> int:
        """These messages are not there, nor is any fact that was said in no other; how many facts went. Repeatable."""
        ids: list[Value] = [_text(message_id) for message_id in message_ids]
        if not ids:
            return 0
        await self._query(contact_id, _FORGET_MESSAGES, ids=ids)
        ((count,),) = await self._query(contact_id, _SOURCELESS)
        await self._query(contact_id, _ORPHANS)
        return int(count)

    async def forget(self, contact_id: str) -> None:
        """There is no graph of the contact. Repeatable."""
        await self._query(contact_id, "RETURN 1")  # what is not there cannot be deleted, but whoever is asked of is there
        await self._call("GRAPH.DELETE", _graph(contact_id))  # UNLINK frees in another thread, and the server may hang in it

    async def close(self) -> None:
        """Its connections are closed. Repeatable."""
        await self._redis.aclose()

    async def _query(self, contact_id: str, query: str, **values: Value) -> list[list[Any]]:
        header = " ".join(f"{name}={_literal(value)}" for name, value in values.items())
        answer = await self._call("GRAPH.QUERY", _graph(contact_id), f"CYPHER {header} {query}" if header else query)
        return answer[1] if isinstance(answer, list) and len(answer) == 3 else []  # noqa: PLR2004  names, rows, figures

    async def _call(self, *words: str) -> Any:  # Redis's answer
        try:
            async with asyncio.timeout(_CALL_S):
                return await self._redis.execute_command(*words)  # type: ignore[no-untyped-call]  # the library has no type there
        except (AuthenticationError, NoPermissionError) as error:
            fix = "secondme config set memory.graph_url"
            raise CredentialsError("graph_refused", "FalkorDB refused the password in memory.graph_url.", fix) from error
        except ResponseError as error:
            if "unknown command" in str(error).lower():
                raise ConfigError(
                    "no_graph_module", "memory.graph_url is a Redis without FalkorDB.", "Load its module there."
                ) from error
            raise UnavailableError("graph_failed", "FalkorDB did not do what it was asked.") from error
        except (RedisError, TimeoutError, OSError) as error:
            raise UnavailableError("graph_unreachable", "FalkorDB at memory.graph_url does not answer.") from error


def _graph(contact_id: str) -> str:
    return f"secondme:{hashlib.sha256(contact_id.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _text(value: str) -> str:
    return clip_utf8(value.replace("\0", ""), _TEXT_BYTES)


def _name(entity: str) -> str:
    """What an entity is looked up by."""
    return caseless(" ".join(_text(entity).split()))


def _row(fact: GraphFact) -> Value:
    subject, object_ = _text(fact.subject), _text(fact.object)
    ids: Value = [_text(each) for each in fact.message_ids]
    words = (_text(fact.predicate), _text(fact.text))
    return [_text(fact.id), _name(subject), subject, _name(object_), object_, *words, fact.valid_from_ms, fact.valid_to_ms, ids]


def _literal(value: Value) -> str:
    """The value as openCypher writes it: the only place where a value becomes part of what is sent."""
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    if isinstance(value, int):
        return str(int(value))
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
