"""Meaning: vectors of what was said, made in the background by whatever the owner chose; keywords answer while there are none."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError, SecondmeError
from secondme.core.ids import ContactId
from secondme.core.log import get_logger
from secondme.core.retry import Breaker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from secondme.core.memory.library import Memories
    from secondme.core.ports import Clock, EmbeddingProvider, Vector

log = get_logger(__name__)

_BATCH = 64
_QUERY_S = 1.0
"""A question that takes longer is answered by its words alone."""
_REST_S = 60.0
"""After the provider refused."""
_FAILURES = 3


class MeaningIndex:
    """Keeps vectors in the contacts' files, and says how near messages are to a question."""

    def __init__(self, memories: Memories, provider: EmbeddingProvider, clock: Clock) -> None:
        self._memories = memories
        self._provider = provider
        self._clock = clock
        self._waiting: dict[ContactId, None] = {}
        self._rests_until = 0.0
        self._has_worked = False
        """Since this process began: what is refused now is refused for what it says."""
        self._refused: defaultdict[ContactId, set[str]] = defaultdict(set)
        """Messages that the provider takes in no company; their words find them."""
        self._compared: set[ContactId] = set()
        """Contacts whose vectors were compared with a question's since this process began."""
        self._breaker = Breaker(
            clock,
            "embeddings_down",
            "Embeddings have failed too often and are left alone for a moment.",
            most=_FAILURES,
            pause_s=_REST_S,
        )

    def changed(self, *contacts: ContactId) -> None:
        """Something may be without a vector."""
        self._waiting |= dict.fromkeys(contacts)

    async def step(self) -> bool:
        """One batch gets its vectors; false when there is nothing to do, or the provider rests after a refusal. Never raises one of ours."""
        if not self._waiting or self._clock.monotonic() < self._rests_until:
            return False
        contact = next(iter(self._waiting))
        model = self._provider.name
        refused = self._refused[contact]
        most = _BATCH + len(refused)
        found = await asyncio.to_thread(self._memories.without_vector, contact, model, most, self._provider.dimensions)
        todo = [(message_id, text) for message_id, text in found if message_id not in refused][:_BATCH]
        if not todo:
            del self._waiting[contact]
            return bool(self._waiting)
        try:
            kept = await self._vectors(todo)
            refused |= {message_id for message_id, _ in todo} - kept.keys()
            await asyncio.to_thread(self._memories.keep_vectors, contact, model, kept)
        except SecondmeError as error:
            self._rests_until = self._clock.monotonic() + _REST_S
            del self._waiting[contact]
            self._waiting[contact] = None  # last: what is refused of one keeps nobody else
            log.warning("embedding_put_off", provider=model, code=error.code)
            return False
        return True

    async def _vectors(self, todo: Sequence[tuple[str, str]]) -> dict[str, Vector]:
        """By id: the vectors of the texts, but for those that the provider refuses whatever it is sent them with. Raises when it refuses all."""
        texts = [text for _, text in todo]
        try:
            vectors = await self._provider.embed_batch(texts, "document")
        except ConfigError:
            kept = {}
            for message_id, text in todo if len(todo) > 1 else ():
                with suppress(ConfigError):
                    kept[message_id] = (await self._provider.embed_batch([text], "document"))[0]
            if not kept and (len(todo) > 1 or not self._has_worked):
                raise  # it is not what they say
            return kept
        self._has_worked = True
        return {message_id: vector for (message_id, _), vector in zip(todo, vectors, strict=True)}

    async def near(self, contacts: Iterable[ContactId], text: str) -> dict[str, Mapping[str, tuple[float, float]]]:
        """By contact: how near its messages are to `text`, for MemoryHints. Empty when the provider does not answer in time; one that fails
        three times in a row is left alone for a minute."""
        try:
            async with asyncio.timeout(_QUERY_S):
                asked = await self._query(text)
                found: dict[str, Mapping[str, tuple[float, float]]] = {}
                for each in contacts:
                    found[each] = await asyncio.to_thread(self._memories.meanings, each, self._provider.name, asked)
        except (SecondmeError, TimeoutError) as error:
            log.info("question_not_embedded", code=error.code if isinstance(error, SecondmeError) else "timed_out")
            return {}
        fresh = {
            ContactId(each) for each in found
        } - self._compared  # now it is known how long vectors are: some may be of another length
        self._compared |= fresh
        self.changed(*fresh)
        return found

    async def _query(self, text: str) -> Vector:
        self._breaker.check()
        try:
            vector = await self._provider.embed(text, "query")
        except (SecondmeError, asyncio.CancelledError):  # it took too long, most likely
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return vector

    async def close(self) -> None:
        """No connection is open. Repeatable."""
        await self._provider.close()
