"""AutoMem's HTTP contract with its oddities, as it was observed at 8ff266e: what tests of our client run against without a real one."""

import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from fakes.json_vendor import Asked, Json, JsonVendor, serving

TOKEN = "automem-canary-token"
_MOST_ROWS = 200


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"status": "error", "code": status, "message": message}, status=status)


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2}


def _prefixes(tag: str) -> set[str]:
    """What a tag is found by when its beginning is asked for: whole segments only."""
    parts = re.split(r"([:/])", tag.lower())
    return {"".join(parts[: end + 1]) for end in range(0, len(parts), 2)}


class FakeAutoMem(JsonVendor):
    """The server. Its memories lie in `memories`, by id."""

    def __init__(self, token: str = TOKEN) -> None:
        super().__init__(self._route)
        self.token = token
        self.memories: dict[str, Json] = {}
        self.entity_tags: tuple[str, ...] = ("entity:people:boss",)
        """What enrichment adds to every memory."""
        self.is_summarising = True
        self.forbidden = "\0"
        """A batch with this in it is refused."""
        self.extra_rows: list[Json] = []
        """Rows of others, mixed into every recall and every list."""
        self.is_forgetful = False
        """True: what is deleted by tag is still there."""

    def contents(self, tag: str) -> list[str]:
        return [each["content"] for each in self._tagged([tag])]

    def _tagged(self, tags: list[str]) -> list[Json]:
        wanted = {tag.lower() for tag in tags}
        return [each for each in self.memories.values() if wanted & {tag.lower() for tag in each["tags"]}]

    async def _route(self, asked: Asked) -> web.StreamResponse:
        routes: list[tuple[str, str, Callable[[Asked], web.Response]]] = [
            ("GET", r"/health", self._health),
            ("POST", r"/memory/batch", self._batch),
            ("GET", r"/recall", self._recall),
            ("GET", r"/memory/by-tag", self._list),
            ("DELETE", r"/memory/by-tag", self._delete_tagged),
            ("DELETE", r"/memory/[^/]+", self._delete),
        ]
        if asked.path != "/health" and self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "Unauthorized")
        found = [(method, handler) for method, pattern, handler in routes if re.fullmatch(pattern, asked.path)]
        handler = next((handler for method, handler in found if method == asked.method), None)
        if handler is None:
            return _error(405 if found else 404, "Method Not Allowed" if found else "Not Found")
        return handler(asked)

    def _health(self, _: Asked) -> web.Response:
        return web.json_response(
            {
                "status": "degraded",  # as without Qdrant, for ever
                "falkordb": "connected",
                "qdrant": "disconnected",
                "memory_count": len(self.memories),
                "vector_count": None,
                "vector_dimensions": {"configured": 1024, "effective": 768, "collection": 1024, "mismatch": True},
            }
        )

    def _batch(self, asked: Asked) -> web.Response:
        rows = asked.body.get("memories")
        if not isinstance(rows, list) or not 0 < len(rows) <= 500:
            return _error(400, "'memories' must be a non-empty array")
        if any(not isinstance(row.get("content"), str) for row in rows):
            return _error(500, "Internal Server Error")
        if any(not row["content"].strip() or len(row["content"]) > 2000 or self.forbidden in row["content"] for row in rows):
            return _error(400, "content is required and has at most 2000 characters")
        return web.json_response(
            {"status": "success", "stored": len(rows), "memory_ids": [self._add(row) for row in rows]}, status=201
        )

    def _add(self, row: Json) -> str:
        content, metadata = row["content"].strip(), dict(row.get("metadata", {}))
        if len(content) > 500 and self.is_summarising:
            metadata["original_content"], content = content, f"A summary of {len(content)} characters."
        try:
            timestamp = datetime.fromisoformat(row["timestamp"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError):
            timestamp = datetime.now(UTC)  # silently
        memory_id = str(uuid.uuid4())
        self.memories[memory_id] = {
            "id": memory_id,
            "content": content,
            "tags": [*row.get("tags", []), *self.entity_tags],
            "metadata": {**metadata, "enrichment": {"last_run": "now"}},
            "timestamp": timestamp.isoformat(),
            "last_accessed": None,
            "importance": 0.5,
            "type": "Memory",
        }
        return memory_id

    def _recall(self, asked: Asked) -> web.Response:
        params = dict(asked.params)
        tags = [value for name, value in asked.params if name == "tags"]
        question = _words(params.get("query", ""))
        exact = params.get("tag_match") == "exact"
        rows = []
        for each in self.memories.values():
            own = {tag.lower() for tag in each["tags"]}
            known = own if exact else {prefix for tag in own for prefix in _prefixes(tag)}
            if tags and not {tag.lower() for tag in tags} & known:
                continue
            shared = len(question & _words(each["content"]))
            if question and not shared:
                continue
            kind = "keyword" if question else "trending"
            rows.append(self._row(each, kind, shared / len(question) if question else each["importance"]))
        if not question:  # too short a question: what is popular, whoever's it is
            rows += [self._row(each, "trending", 0.5) for each in self.memories.values()]
        rows += [self._row(each, "relation", 0.9) for each in self.extra_rows]
        rows.sort(key=lambda row: -row["final_score"])
        limit = int(params["limit"]) if params.get("limit", "").isdigit() else 5
        return web.json_response({"status": "success", "results": rows[: max(1, min(limit, 100))], "count": len(rows)})

    def _row(self, memory: Json, kind: str, score: float) -> Json:
        memory["last_accessed"] = datetime.now(UTC).isoformat()
        return {"id": memory["id"], "match_type": kind, "final_score": score, "score": score, "memory": memory, "relations": []}

    def _list(self, asked: Asked) -> web.Response:
        params, tags = dict(asked.params), [value for name, value in asked.params if name == "tags"]
        if not tags:
            return _error(400, "tags is required")
        limit, offset = min(int(params.get("limit", 20)), _MOST_ROWS), int(params.get("offset", 0))
        every = self._tagged(tags)
        shown = every[offset : offset + limit]
        more = {"limit": limit, "offset": offset, "has_more": len(every) > offset + limit}
        return web.json_response(
            {"status": "success", "tags": tags, "count": len(shown), "memories": shown + self.extra_rows[: bool(shown)], **more}
        )

    def _delete_tagged(self, asked: Asked) -> web.Response:
        tags = [value for name, value in asked.params if name == "tags"]
        if not tags:
            return _error(400, "tags is required")
        found = self._tagged(tags)
        for each in [] if self.is_forgetful else found:
            del self.memories[each["id"]]
        return web.json_response({"status": "success", "tags": tags, "deleted_count": len(found)})

    def _delete(self, asked: Asked) -> web.Response:
        memory_id = asked.path.rpartition("/")[2]
        try:
            uuid.UUID(memory_id)
        except ValueError:
            return _error(400, "memory_id must be a valid UUID")
        if self.memories.pop(memory_id, None) is None:
            return _error(404, "Memory not found")
        return web.json_response({"status": "success", "memory_id": memory_id})


def stranger(tags: Any, content: str = "a secret of somebody else") -> Json:
    """A memory of somebody else, as hostile as its tags are."""
    return {"id": str(uuid.uuid4()), "content": content, "tags": tags, "metadata": {"hash": "0" * 32}, "importance": 0.9}


@asynccontextmanager
async def automem() -> AsyncIterator[FakeAutoMem]:
    server = FakeAutoMem()
    async with serving(server):
        yield server
