"""Embeddings of vendors: OpenAI's API, which many servers speak, and Voyage's. Every text is sent to them.

Sources: OpenAI's API reference, "Create embeddings"; Voyage AI's, "Text embedding models".
"""

from __future__ import annotations

import asyncio
import math
from array import array
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from secondme.core.errors import CredentialsError, DataError, UnavailableError
from secondme.core.providers.json_server import JsonServer
from secondme.core.retry import backoff_s
from secondme.core.text import clip_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secondme.core.config.models import MemorySettings
    from secondme.core.ports import Clock, EmbeddingProvider, Random, TextKind, Vector

_TEXT_BYTES = 8000
"""Of one text. A token is at least one byte, and OpenAI's models take 8,192 tokens."""
_BATCH_TEXTS, _BATCH_BYTES = 128, 120_000
"""Of one call: the smallest limits that any model of either vendor had; Voyage's large ones take 120,000 tokens."""
_MOST_DIMENSIONS = 4096
_NUMBER_BYTES, _REST_BYTES = 32, 64 * 1024
"""Of an answer: a number with its comma and its spaces, and everything else."""
_TRIES = 3
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 8.0
_LONGEST_PAUSE_S = 20.0
"""A server that wants to be left alone for longer is tried again by whoever asked for the vectors."""
_DOCUMENTS_S, _QUERY_S = 30.0, 4.0
"""How long one call may take; a reply waits for its query, which has so long with all its tries."""
_NOTHING = "."
"""Embedded in place of a text without a word: the APIs refuse an empty one."""


class OpenAiEmbeddings:
    """Vectors from a server that speaks OpenAI's API: the vendor's own, or Ollama, vLLM, LiteLLM and others at `memory.embedding_base_url`."""

    _vendor, _default_base, _default_model = "openai", "https://api.openai.com/v1", "text-embedding-3-small"

    def __init__(
        self, settings: MemorySettings, clock: Clock, rng: Random, *, query_s: float = _QUERY_S, documents_s: float = _DOCUMENTS_S
    ) -> None:
        """Raises ConfigError for an address that is none, CredentialsError without a key where the vendor itself is asked."""
        self._model = settings.embedding_model or self._default_model
        self.name = f"{self._vendor}/{self._model}"
        self.dimensions = 0
        self._clock, self._rng = clock, rng
        self._query_s, self._documents_s = query_s, documents_s
        self._server = JsonServer(
            _base(settings.embedding_base_url) or self._default_base,
            _headers(settings),
            name="The embedding server",
            code="embeddings",
            setting="memory.embedding_api_key",
        )

    async def embed(self, text: str, kind: TextKind) -> Vector:
        """As the port says."""
        return (await self.embed_batch((text,), kind))[0]

    async def embed_batch(self, texts: Sequence[str], kind: TextKind) -> list[Vector]:
        """As the port says. One call at a time; three tries each, and a query has four seconds for them all."""
        vectors: list[Vector] = []
        for batch in _batches(texts):
            try:
                async with asyncio.timeout(self._query_s if kind == "query" else None):
                    vectors += await self._vectors_of(batch, kind)
            except TimeoutError as error:
                raise UnavailableError("embeddings_timeout", "The embedding server did not answer in time.") from error
        return vectors

    async def close(self) -> None:
        """As the port says."""
        await self._server.close()

    async def _vectors_of(self, batch: list[str], kind: TextKind) -> list[Vector]:
        value = await self._answer(self._body(batch, kind), len(batch))
        vectors = await asyncio.to_thread(_vectors, value, len(batch), self.dimensions)  # 128 of them take 40 ms
        self.dimensions = len(vectors[0])
        return vectors

    async def _answer(self, body: dict[str, Any], count: int) -> Any:  # a stranger's JSON
        limit_bytes = count * (self.dimensions or _MOST_DIMENSIONS) * _NUMBER_BYTES + _REST_BYTES
        for failures in range(_TRIES):
            try:
                answer = await self._server.call(
                    "POST", "/embeddings", body=body, timeout_s=self._documents_s, limit_bytes=limit_bytes
                )
                if answer.status == 200:  # noqa: PLR2004  OK
                    return answer.value
                refusal = self._server.refusal(answer)
            except UnavailableError as error:
                refusal = error
            wanted_s = getattr(refusal, "retry_after_s", None) or 0.0
            if not isinstance(refusal, UnavailableError) or failures == _TRIES - 1 or wanted_s > _LONGEST_PAUSE_S:
                raise refusal
            await self._clock.sleep(max(wanted_s, backoff_s(failures, _FIRST_PAUSE_S, _LAST_PAUSE_S, self._rng)))
        raise AssertionError  # the last try returned or raised

    def _body(self, batch: list[str], _kind: TextKind) -> dict[str, Any]:  # as JSON
        return {"model": self._model, "input": batch, "encoding_format": "float"}


class VoyageEmbeddings(OpenAiEmbeddings):
    """Vectors from Voyage, which wants to know whether a text is a question or something to be found."""

    _vendor, _default_base, _default_model = "voyage", "https://api.voyageai.com/v1", "voyage-3.5-lite"

    def _body(self, batch: list[str], kind: TextKind) -> dict[str, Any]:  # as JSON
        return {"model": self._model, "input": batch, "input_type": kind}


def embedding_provider(settings: MemorySettings, clock: Clock, rng: Random) -> EmbeddingProvider | None:
    """What `memory.embeddings` names; None for `none`. Nothing is loaded or asked yet. Raises ConfigError, CredentialsError."""
    match settings.embeddings:
        case "openai":
            return OpenAiEmbeddings(settings, clock, rng)
        case "voyage":
            return VoyageEmbeddings(settings, clock, rng)
        case "local":
            from secondme.core.providers.minilm import MiniLm  # noqa: PLC0415  only who chose it has it

            return MiniLm()
        case "none":
            return None


def _base(address: str) -> str:
    """Where the API is: a copied path of the call is cut off, a server's bare address gets the usual `/v1`."""
    base = address.strip().rstrip("/").removesuffix("/embeddings")
    return f"{base}/v1" if base and not urlsplit(base).path else base


def _headers(settings: MemorySettings) -> dict[str, str]:
    fix = "secondme config set memory.embedding_api_key"
    if settings.embedding_api_key is None:
        if settings.embedding_base_url:
            return {}
        raise CredentialsError("no_embeddings_key", "No key for the embeddings is set.", fix)
    key = settings.embedding_api_key.get_secret_value()
    if not key.isascii() or not key.isprintable():
        raise CredentialsError("embeddings_key_refused", "The key for the embeddings has characters that no key has.", fix)
    return {"authorization": f"Bearer {key}"}


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts as they are sent, in as few calls as may be."""
    batch: list[str] = []
    size = 0
    for text in texts:
        sent = clip_utf8(text, _TEXT_BYTES) if text.strip() else _NOTHING
        size += len(sent.encode())
        if batch and (len(batch) == _BATCH_TEXTS or size > _BATCH_BYTES):
            yield batch
            batch, size = [], len(sent.encode())
        batch.append(sent)
    if batch:
        yield batch


def _vectors(value: Any, count: int, dimensions: int) -> list[Vector]:  # a stranger's JSON
    """The vectors in an answer, in the order of their texts. Raises DataError for anything else."""
    rows = value.get("data") if isinstance(value, dict) else None
    if not isinstance(rows, list) or len(rows) != count or not all(isinstance(row, dict) for row in rows):
        raise _unusable("another number of vectors than texts")
    by_index = {row.get("index", at): row.get("embedding") for at, row in enumerate(rows) if type(row.get("index", at)) is int}
    if by_index.keys() != set(range(count)):
        raise _unusable("vectors that belong to no text")
    vectors = [_unit(by_index[at]) for at in range(count)]
    wrong = {len(vector) for vector in vectors} - {dimensions or len(vectors[0])}
    if wrong:
        raise _unusable(f"vectors of another length ({min(wrong)})")
    return vectors


def _unit(numbers: Any) -> Vector:  # a stranger's JSON
    if not isinstance(numbers, list) or not 0 < len(numbers) <= _MOST_DIMENSIONS:
        raise _unusable("a vector that is none")
    try:
        length = math.hypot(*numbers)
        if not math.isfinite(length) or length <= 0:
            raise _unusable("a vector without a direction")
        return array("f", [number / length for number in numbers])
    except (TypeError, OverflowError) as error:
        raise _unusable("a vector of what are no numbers") from error


def _unusable(what: str) -> DataError:
    return DataError("embeddings_unusable", f"The embedding server sent {what}.", "Check memory.embedding_model and its address.")
