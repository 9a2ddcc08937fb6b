"""The embedding calls of OpenAI and Voyage, with vectors that follow from the words alone."""

import hashlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from fakes.json_vendor import Asked, Json, JsonVendor, serving

KEY = "sk-embed-canary-77"


def direction(text: str, dimensions: int) -> list[float]:
    """A vector for the text, not of unit length: related to nothing, but always the same."""
    numbers: list[float] = []
    while len(numbers) < dimensions:
        numbers += [byte - 127.5 for byte in hashlib.sha256(f"{len(numbers)}{text}".encode()).digest()]
    return numbers[:dimensions]


def unit(text: str, dimensions: int) -> list[float]:
    numbers = direction(text, dimensions)
    return [number / math.hypot(*numbers) for number in numbers]


class EmbeddingsApi(JsonVendor):
    """Answers `POST …/embeddings` like the vendor; a request that the vendor would refuse is refused."""

    def __init__(self, dimensions: int = 8) -> None:
        super().__init__(self._embeddings)
        self.dimensions = dimensions
        self.rows: Any = None
        """Instead of the rows that belong to the texts."""

    async def _embeddings(self, asked: Asked) -> web.StreamResponse:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": f"bad key {asked.headers.get('authorization')}"}}, status=401)
        texts = asked.body["input"]
        if not asked.path.endswith("/embeddings") or not all(texts) or len(texts) > 2048:
            return web.json_response({"error": {"message": "refused", "type": "invalid_request_error"}}, status=400)
        rows: list[Json] = [
            {"object": "embedding", "index": at, "embedding": direction(text, self.dimensions)} for at, text in enumerate(texts)
        ]
        shown = list(reversed(rows)) if self.rows is None else self.rows  # their order is nobody's promise
        return web.json_response({"object": "list", "data": shown, "model": asked.body["model"], "usage": {"total_tokens": 1}})


@asynccontextmanager
async def embeddings_api(dimensions: int = 8) -> AsyncIterator[EmbeddingsApi]:
    api = EmbeddingsApi(dimensions)
    async with serving(api):
        yield api
