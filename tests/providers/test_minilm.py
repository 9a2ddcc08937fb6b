"""The local embedding model: what is missing is said, and what is there finds meaning."""

import asyncio
import math
import subprocess
import sys

import pytest

from secondme.core.errors import ConfigError
from secondme.core.ports import EmbeddingProvider
from secondme.core.providers.minilm import _PACKAGES, MiniLm

HAS_MODEL = all(map(__import__("importlib").util.find_spec, _PACKAGES))
with_model = pytest.mark.skipif(not HAS_MODEL, reason="secondme[embed] is not installed: nox -s local-model")


@pytest.fixture(scope="module")
def model() -> EmbeddingProvider:
    return MiniLm()


def test_who_has_not_installed_it_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondme.core.providers.minilm.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        MiniLm()
    assert (caught.value.code, caught.value.fix) == ("no_local_embeddings", "pip install 'secondme[embed]'")


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = "import sys, secondme.core.providers.minilm; sys.exit(bool({'numpy', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@with_model
async def test_texts_of_one_meaning_are_near(model: EmbeddingProvider) -> None:
    texts = ["We meet at the lake on Friday.", "My sister had a baby girl.", "The car broke down again.", ""]
    vectors = await model.embed_batch(texts, "document")
    assert all(len(vector) == model.dimensions and math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in vectors)
    for at, question in enumerate(
        ["Where do we see each other this week?", "Is there a new child in the family?", "What about the vehicle?"]
    ):
        asked = await model.embed(question, "query")
        cosines = [sum(x * y for x, y in zip(asked, vector, strict=True)) for vector in vectors]
        assert max(cosines) == cosines[at]


@with_model
async def test_a_text_has_its_vector_whatever_stands_beside_it(model: EmbeddingProvider) -> None:
    texts = [f"number {at} " + "and more " * (at * 7 % 40) for at in range(70)]
    together = await model.embed_batch(texts, "document")
    alone = [await model.embed(text, "query") for text in texts[::10]]
    for one, other in zip(alone, together[::10], strict=True):
        assert sum(x * y for x, y in zip(one, other, strict=True)) == pytest.approx(1, abs=0.02)  # 8 bits, scaled over the batch


@with_model
async def test_a_closed_model_is_loaded_again(model: EmbeddingProvider) -> None:
    before = await model.embed("hello", "query")
    await model.close()
    assert await model.embed("hello", "query") == before


@with_model
async def test_many_ask_at_once(model: EmbeddingProvider) -> None:
    vectors = await asyncio.gather(*(model.embed(f"text {at}", "query") for at in range(20)))
    assert len({vector.tobytes() for vector in vectors}) == 20


@with_model
async def test_a_very_long_text_counts_by_its_beginning(model: EmbeddingProvider) -> None:
    assert await model.embed("word " * 100_000, "document") == await model.embed("word " * 1000, "document")
