"""The cache of embeddings: bounded, private, erasable, and never in the way."""

import hashlib
import sqlite3
from array import array
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.embeddings_api import unit
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.errors import UnavailableError
from secondme.core.memory.embedding_cache import CachedEmbeddings, EmbeddingCache, text_hash
from secondme.core.ports import EmbeddingProvider, TextKind, Vector


class CountingProvider:
    """A provider that remembers what it was asked."""

    name = "test/model"

    def __init__(self, dimensions: int = 4) -> None:
        self.dimensions = dimensions
        self.asked: list[tuple[str, ...]] = []
        self.is_closed = False

    async def embed(self, text: str, kind: TextKind) -> Vector:
        return (await self.embed_batch((text,), kind))[0]

    async def embed_batch(self, texts: Sequence[str], kind: TextKind) -> list[Vector]:
        self.asked.append(tuple(texts))
        self.dimensions = self.dimensions or 4
        return [array("f", unit(kind + text, self.dimensions)) for text in texts]

    async def close(self) -> None:
        self.is_closed = True


def vector(seed: str, dimensions: int = 4) -> Vector:
    return array("f", unit(seed, dimensions))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory" / "embeddings.db"


async def test_what_was_embedded_once_is_not_asked_for_again(path: Path) -> None:
    provider = CountingProvider()
    cached: EmbeddingProvider = CachedEmbeddings(provider, EmbeddingCache(path))
    first = await cached.embed_batch(("a", "b", "a"), "document")
    assert first == [vector("documenta"), vector("documentb"), vector("documenta")]
    assert await cached.embed_batch(("b", "c", "a"), "document") == [first[1], vector("documentc"), first[0]]
    assert await cached.embed("a", "query") == vector("querya")
    assert await CachedEmbeddings(CountingProvider(), EmbeddingCache(path)).embed("a", "document") == first[0]
    assert provider.asked == [("a", "b"), ("c",), ("a",)]
    await cached.close()
    assert provider.is_closed


async def test_a_vendor_that_has_not_answered_yet_is_asked_once(path: Path) -> None:
    cache = EmbeddingCache(path)
    cache.put("test/model", "document", [("a", vector("old", 8))])
    provider = CountingProvider(0)
    cached = CachedEmbeddings(provider, cache)
    assert await cached.embed("a", "document") == vector("documenta")
    assert await cached.embed("a", "document") == vector("documenta")
    assert provider.asked == [("a",)]


@pytest.mark.parametrize(
    "other", [("m2", 4, "document", "a"), ("m", 8, "document", "a"), ("m", 4, "query", "a"), ("m", 4, "document", "b")]
)
def test_model_length_kind_and_text_tell_vectors_apart(path: Path, other: tuple[str, int, TextKind, str]) -> None:
    cache = EmbeddingCache(path)
    cache.put("m", "document", [("a", vector("x"))])
    assert cache.get("m", 4, "document", ["a"]) == [vector("x")]
    assert cache.get(*other[:3], [other[3]]) == [None]


def test_the_least_recently_used_go_first(path: Path) -> None:
    cache = EmbeddingCache(path, limit_bytes=10 * (4 * 4 + 200))
    names = [f"t{number}" for number in range(10)]
    for name in names:
        cache.put("m", "document", [(name, vector(name))])
    cache.get("m", 4, "document", names[:2])
    cache.put("m", "document", [("new", vector("new"))])
    left = cache.get("m", 4, "document", [*names, "new"])
    assert [each is not None for each in left] == [True, True, False, False, True, True, True, True, True, True, True]


@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([4, 64, 384])), max_size=8), max_size=12))
def test_it_never_takes_more_than_its_limit(tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int]]]) -> None:
    path = tmp_path_factory.mktemp("cache") / "c.db"
    cache = EmbeddingCache(path, limit_bytes=8000)
    for batch in batches:
        cache.put("m", "document", [(str(text), vector(str(text), dimensions)) for text, dimensions in batch])
    cache.close()
    if batches:
        with sqlite3.connect(path) as connection:
            (size,) = connection.execute("SELECT coalesce(sum(size), 0) FROM entry").fetchone()
        connection.close()
        assert size <= 8000


def test_what_is_erased_leaves_no_byte(path: Path) -> None:
    cache = EmbeddingCache(path)
    marked = array("f", bytes.fromhex("deadbeefdeadbee1deadbee2deadbee3"))
    cache.put("m", "document", [("gone", marked), ("stays", vector("stays"))])
    cache.put("m2", "query", [("gone", marked)])
    assert marked.tobytes() in path.read_bytes()
    assert cache.erase([text_hash("gone"), text_hash("never there")]) == 2
    assert cache.erase([text_hash("gone")]) == 0
    assert cache.get("m", 4, "document", ["gone", "stays"]) == [None, vector("stays")]
    left = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert marked.tobytes() not in left
    assert text_hash("gone") not in left
    assert hashlib.sha256(b"m|4|document|gone").digest() not in left


def test_nobody_else_can_read_it(path: Path) -> None:
    EmbeddingCache(path).put("m", "document", [("a", vector("a"))])
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("is_open", [False, True])
def test_a_damaged_file_is_thrown_away(path: Path, *, is_open: bool) -> None:
    cache = EmbeddingCache(path)
    cache.put("m", "document", [(str(number), vector(str(number), 384)) for number in range(50)])
    if not is_open:
        cache.close()
    damaged = bytearray(path.read_bytes())
    damaged[0:100] = b"\xff" * 100
    damaged[3000:] = b"\xff" * (len(damaged) - 3000)
    path.write_bytes(damaged)
    cache.get("m", 384, "document", [str(number) for number in range(50)])
    cache.put("m", "document", [("a", vector("a"))])
    cache.put("m", "document", [("a", vector("a"))])
    assert cache.get("m", 4, "document", ["a"]) == [vector("a")]
    cache.close()
    assert EmbeddingCache(path).get("m", 4, "document", ["a"]) == [vector("a")]


def test_a_file_of_another_version_is_thrown_away(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    cache = EmbeddingCache(path)
    cache.put("m", "document", [("a", vector("a"))])
    cache.put("m", "document", [("a", vector("a"))])
    assert cache.get("m", 4, "document", ["a"]) == [vector("a")]


async def test_a_disk_that_takes_nothing_costs_the_cache_only(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.mkdir()
    cache, provider = EmbeddingCache(path), CountingProvider()
    assert await CachedEmbeddings(provider, cache).embed("a", "document") == vector("documenta")
    with pytest.raises(UnavailableError):
        cache.erase([text_hash("a")])
