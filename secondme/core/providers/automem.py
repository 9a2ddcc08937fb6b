"""AutoMem over HTTP: memories stored, found and erased by tag (verygoodplugins/automem, observed at 8ff266e).

What its documentation does not say and this client knows: 201 is the only success of storing; the same body twice is two memories; tags are
asked for by repeating the parameter and compared in lower case; a question that is too short is answered with whatever is popular; and rows
of others may come along, so that every row's tags are looked at again here.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, CredentialsError, DataError, UnavailableError
from secondme.core.providers.json_server import JsonAnswer, JsonServer
from secondme.core.retry import Breaker
from secondme.core.text import clip_utf8

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from secondme.core.config.models import MemorySettings
    from secondme.core.ports import Clock

MOST_AT_ONCE = 100
"""Memories in one call; the server takes 500, and embeds them before it answers."""
CONTENT_CHARACTERS = 500
"""A longer content may be replaced by a summary."""
_RECALL_S, _CALL_S = 1.0, 10.0
_FAILURES, _PAUSE_S = 3, 60.0
_ANSWER_BYTES = 4 * 1024 * 1024
_QUESTION_BYTES = 1000
"""It stands in the address, which servers cut at some kilobytes."""
_MOST_ROWS = 200
_MOST_PAGES = 500
_ID = re.compile(r"[0-9a-fA-F-]{1,64}", re.ASCII)
_OK, _CREATED, _GONE = 200, 201, 404
_NEVER = frozenset({400, 413, 422})
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class NewMemory:
    """What is stored: `content` of at most 500 characters, `metadata` of plain JSON, `timestamp` in ISO 8601."""

    content: str
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]  # as JSON
    timestamp: str


@dataclass(frozen=True, slots=True)
class FoundMemory:
    """What the server has; `metadata` is a stranger's JSON, `score` 0 where it was listed and not found."""

    id: str
    content: str
    metadata: Mapping[str, Any]  # as above
    score: float


class AutoMem:
    """One AutoMem. After three failures in a row nobody calls it for a minute.

    Everything raises UnavailableError to be tried later, CredentialsError and ConfigError when a human must act first.
    """

    def __init__(self, settings: MemorySettings, clock: Clock, *, recall_s: float = _RECALL_S, call_s: float = _CALL_S) -> None:
        """Raises ConfigError when `memory.automem_url` is no address, or its token none that could be sent."""
        token = settings.automem_token.get_secret_value() if settings.automem_token else ""
        if not token.isascii() or (token and not token.isprintable()):
            fix = "secondme config set memory.automem_token"
            raise ConfigError("bad_automem_token", "AutoMem's token has characters that no token has.", fix)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._server = JsonServer(settings.automem_url, headers, name="AutoMem", code="automem", setting="memory.automem_token")
        self._breaker = Breaker(
            clock, "automem_down", "AutoMem has failed too often and is left alone for a moment.", most=_FAILURES, pause_s=_PAUSE_S
        )
        self._recall_s, self._call_s = recall_s, call_s

    async def store(self, memories: Sequence[NewMemory]) -> list[str] | None:
        """The ids of the memories, in their order; at most a hundred. None: it will not take them as they are, and has none of them. Not
        repeatable: a second call stores them again.

        When it raises UnavailableError or DataError nobody knows whether they were stored.
        """
        rows = [
            {"content": each.content, "tags": list(each.tags), "metadata": dict(each.metadata), "timestamp": each.timestamp}
            for each in memories
        ]
        said = await self._call("POST", "/memory/batch", _CREATED, *_NEVER, body={"memories": rows})
        ids = _object(said).get("memory_ids")
        if _object(said).get("status") == "error":
            return None
        if not isinstance(ids, list) or len(ids) != len(rows) or not all(map(_is_id, ids)) or len(set(ids)) != len(ids):
            raise DataError("automem_unreadable", "AutoMem does not say what it stored.")
        return ids

    async def recall(self, question: str, tag: str, most: int) -> list[FoundMemory]:
        """What it finds for `question` among the memories with exactly this tag, in its order; within a second."""
        params = [
            ("query", clip_utf8(question, _QUESTION_BYTES)),
            ("tags", tag),
            ("tag_mode", "all"),
            ("tag_match", "exact"),
            ("limit", str(most)),
            ("expand_relations", "true"),
        ]
        value = _object(await self._call("GET", "/recall", _OK, params=params, timeout_s=self._recall_s))
        rows = value.get("results")
        found = []
        for row in rows[:_MOST_ROWS] if isinstance(rows, list) else []:
            if not isinstance(row, dict) or row.get("match_type") == "trending":  # what is popular is no answer
                continue
            memory = _memory(row.get("memory"), tag, _score(row.get("final_score", row.get("score"))))
            if memory is not None:
                found.append(memory)
        return found[:most]

    async def with_tag(self, tag: str) -> AsyncIterator[FoundMemory]:
        """Every memory with exactly this tag."""
        for page in range(_MOST_PAGES):
            params = [("tags", tag), ("limit", str(_MOST_ROWS)), ("offset", str(page * _MOST_ROWS))]
            value = _object(await self._call("GET", "/memory/by-tag", _OK, params=params))
            rows = value.get("memories")
            for row in rows[:_MOST_ROWS] if isinstance(rows, list) else []:
                memory = _memory(row, tag, 0.0)
                if memory is not None:
                    yield memory
            if value.get("has_more") is not True or not rows:
                return

    async def has_tag(self, tag: str) -> bool:
        """True while a memory has this tag. Raises DataError when it does not say."""
        value = _object(await self._call("GET", "/memory/by-tag", _OK, params=[("tags", tag), ("limit", "1")]))
        count, rows = value.get("count"), value.get("memories")
        if type(count) is not int or not isinstance(rows, list):
            raise DataError("automem_unreadable", "AutoMem does not say what it has.")
        return count > 0 or bool(rows)

    async def delete_with_tag(self, tag: str) -> None:
        """The memories with this tag are deleted; some may be left, or be added meanwhile: count them. Repeatable."""
        await self._call("DELETE", "/memory/by-tag", _OK, params=[("tags", tag)])

    async def delete(self, memory_id: str) -> None:
        """This memory is gone. Repeatable."""
        if _is_id(memory_id):  # it goes into an address
            await self._call("DELETE", f"/memory/{memory_id}", _OK, _GONE)

    async def close(self) -> None:
        """Its connections are closed. Repeatable."""
        await self._server.close()

    async def _call(
        self,
        method: str,
        path: str,
        *wanted: int,
        params: Sequence[tuple[str, str]] = (),
        body: Any = None,  # as JSON
        timeout_s: float | None = None,
    ) -> Any:  # a stranger's JSON
        self._breaker.check()
        with self._counted():
            answer = await self._exchange(method, path, params=params, body=body, timeout_s=timeout_s or self._call_s)
            return self._expected(answer, *wanted)

    async def _exchange(
        self, method: str, path: str, *, timeout_s: float, params: Sequence[tuple[str, str]] = (), body: Any = None
    ) -> JsonAnswer:
        return await self._server.call(method, path, params=params, body=body, timeout_s=timeout_s, limit_bytes=_ANSWER_BYTES)

    def _expected(self, answer: JsonAnswer, *wanted: int) -> Any:  # a stranger's JSON
        if answer.status in wanted:
            return answer.value
        if answer.status in _SUCCESS:
            raise DataError("automem_unreadable", "AutoMem answers with a success that is none.")
        raise self._server.refusal(answer)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """A failure inside counts against the server; an answer that is a refusal shows that it works."""
        try:
            yield
        except UnavailableError:
            self._breaker.failed()
            raise
        except (ConfigError, CredentialsError, DataError):
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()


def _object(value: Any) -> dict[str, Any]:  # a stranger's JSON
    return value if isinstance(value, dict) else {}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _score(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1e6 else 0.0  # noqa: PLR2004  NaN is not in there


def _memory(row: Any, tag: str, score: float) -> FoundMemory | None:  # a stranger's JSON
    """A row with exactly this tag; None for any other, whatever the server was asked."""
    tags = row.get("tags") if isinstance(row, dict) else None
    if not isinstance(tags, list) or tag.lower() not in {each.lower() for each in tags if isinstance(each, str)}:
        return None
    memory_id, content, metadata = row.get("id"), row.get("content"), row.get("metadata")
    if not _is_id(memory_id) or not isinstance(content, str):
        return None
    return FoundMemory(memory_id, content[: 4 * CONTENT_CHARACTERS], metadata if isinstance(metadata, dict) else {}, score)
