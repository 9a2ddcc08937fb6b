"""Facts in FalkorDB: a graph a contact, in which who and what was spoken of is a node, and a fact stands between two of them.

    (:Entity {name})  <-[:ABOUT]-  (:Fact {id, text})  -[:FROM]->  (:Message {id})

A graph's name is made of a hash of the contact's id, and every value is a parameter: a quoted string of FalkorDB's `CYPHER` header, never a
part of a query. The contact's file counts; a graph is written anew as a whole whenever its facts are others.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.messages import Speaker
from secondme.core.text import caseless, clip_utf8

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from secondme.core.memory.facts import Fact

    Value = str | int | list["Value"]

_CALL_S = 2.0
_TEXT_BYTES = 1000
"""Of a fact, an entity or an id."""
_MOST_FACTS = 500
"""In one call."""
_MOST_FOUND = 200
_HUBS = frozenset({Speaker.CONTACT.value, Speaker.OWNER.value})
"""Everything is about these two: they lead to everything, and so to nothing."""
_ADD = """
UNWIND $facts AS row
CREATE (f:Fact {id: row[0], text: row[1]})
WITH f, row
UNWIND row[2] AS name
MERGE (e:Entity {name: name})
CREATE (f)-[:ABOUT]->(e)
WITH DISTINCT f, row
UNWIND row[3] AS message
MERGE (m:Message {id: message})
CREATE (f)-[:FROM]->(m)
"""
_NEAR = """
UNWIND $names AS name
MATCH (:Entity {name: name})<-[:ABOUT]-(f:Fact)-[:FROM]->(m:Message)
RETURN DISTINCT m.id LIMIT $most
"""
_NEXT = """
UNWIND $names AS name
MATCH (:Entity {name: name})<-[:ABOUT]-(:Fact)-[:ABOUT]->(via:Entity)<-[:ABOUT]-(f:Fact)-[:FROM]->(m:Message)
WHERE NOT via.name IN $names
RETURN DISTINCT m.id LIMIT $most
"""


class GraphStore:
    """The graphs of all contacts in one FalkorDB. Everything raises UnavailableError to be tried later, CredentialsError and ConfigError
    when a human must act first."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet. Raises ConfigError for what is no Redis URL."""
        try:
            self._redis = Redis.from_url(url, socket_connect_timeout=_CALL_S, socket_timeout=_CALL_S, decode_responses=True)
        except ValueError:  # its text quotes the address, and so the password
            fix = "It looks like redis://127.0.0.1:6379."
            raise ConfigError("bad_graph_url", "memory.graph_url is no Redis URL.", fix) from None

    async def replace(self, contact_id: str, facts: Sequence[Fact]) -> None:
        """The contact's graph has these facts, and nothing else. Repeatable; whoever is interrupted repeats it."""
        await self.forget(contact_id)
        for first in range(0, len(facts), _MOST_FACTS):
            await self._query(contact_id, _ADD, facts=[_row(fact) for fact in facts[first : first + _MOST_FACTS]])

    async def near(self, contact_id: str, names: Collection[str]) -> dict[str, float]:
        """Messages that facts about one of `names` come from (1), and facts about what those are about (1/2)."""
        asked: list[Value] = sorted({_name(name) for name in names} - {*_HUBS, ""})
        if not asked:
            return {}
        further = await self._query(contact_id, _NEXT, names=asked, most=_MOST_FOUND)
        first = await self._query(contact_id, _NEAR, names=asked, most=_MOST_FOUND)
        return {str(message): 0.5 for (message,) in further} | {str(message): 1.0 for (message,) in first}

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


def _row(fact: Fact) -> Value:
    about: list[Value] = sorted({_name(fact.subject), _name(fact.object)} - {*_HUBS, ""})
    sources: list[Value] = [_text(each) for each in fact.sources]
    return [fact.key, _text(fact.text), about, sources]


def _literal(value: Value) -> str:
    """The value as openCypher writes it: the only place where a value becomes part of what is sent."""
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    if isinstance(value, int):
        return str(int(value))
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
