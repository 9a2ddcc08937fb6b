"""Embeddings of vendors, against a local server that speaks both APIs and fails as told."""

import asyncio
import logging
from array import array
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.embeddings_api import KEY, EmbeddingsApi, embeddings_api, unit
from fakes.json_vendor import BROKEN, DEEP, HUGE, MOVED, PACKED, Fault
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from secondme.core.config.models import MemorySettings
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.providers.embeddings import (
    OpenAiEmbeddings,
    VoyageEmbeddings,
    _batches,
    _vectors,
    embedding_provider,
)


class Pauses(FakeClock):
    """Remembers how long was waited, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Longest:
    def uniform(self, a: float, b: float, /) -> float:
        return max(a, b)


Connect = Callable[..., OpenAiEmbeddings]


@pytest.fixture
async def api() -> AsyncIterator[EmbeddingsApi]:
    async with embeddings_api() as server:
        yield server


@pytest.fixture
def clock() -> Pauses:
    return Pauses()


@pytest.fixture
async def connect(api: EmbeddingsApi, clock: Pauses) -> AsyncIterator[Connect]:
    made: list[OpenAiEmbeddings] = []

    def make(kind: type[OpenAiEmbeddings] = OpenAiEmbeddings, key: str | None = KEY, **more: Any) -> OpenAiEmbeddings:
        secret = None if key is None else SecretStr(key)
        settings = MemorySettings(embedding_base_url=api.url, embedding_api_key=secret)
        made.append(kind(settings, clock, Longest(), **more))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def failure(provider: OpenAiEmbeddings, texts: tuple[str, ...] = ("hi",)) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await provider.embed_batch(texts, "document")
    assert KEY not in f"{caught.value!r} {caught.value.message} {caught.value.fix}"
    return caught.value


@pytest.mark.parametrize("kind", [OpenAiEmbeddings, VoyageEmbeddings])
async def test_vectors_are_of_unit_length_and_in_the_order_of_their_texts(connect: Connect, kind: type) -> None:
    provider = connect(kind)
    texts = ("first", "second", "Grüße 👋🏽", "second")
    vectors = await provider.embed_batch(texts, "document")
    assert [list(vector) for vector in vectors] == [pytest.approx(unit(text, 8), abs=1e-6) for text in texts]
    assert await provider.embed("first", "document") == vectors[0]
    assert provider.dimensions == 8


async def test_each_vendor_is_asked_as_its_reference_says(api: EmbeddingsApi, connect: Connect) -> None:
    await connect().embed("hi", "query")
    await connect(VoyageEmbeddings).embed_batch(("hi",), "query")
    await connect(VoyageEmbeddings).embed_batch(("hi",), "document")
    assert [asked.path for asked in api.requests] == ["/v1/embeddings"] * 3
    assert api.bodies == [
        {"model": "text-embedding-3-small", "input": ["hi"], "encoding_format": "float"},
        {"model": "voyage-3.5-lite", "input": ["hi"], "input_type": "query"},
        {"model": "voyage-3.5-lite", "input": ["hi"], "input_type": "document"},
    ]


@pytest.mark.parametrize(
    ("address", "path"),
    [("", "/v1/embeddings"), ("/", "/v1/embeddings"), ("/api/v3", "/api/v3/embeddings"), ("/v1/embeddings", "/v1/embeddings")],
)
async def test_an_address_is_taken_as_people_copy_it(api: EmbeddingsApi, clock: Pauses, address: str, path: str) -> None:
    settings = MemorySettings(embedding_base_url=api.url + address, embedding_api_key=SecretStr(KEY))
    provider = OpenAiEmbeddings(settings, clock, Longest())
    await provider.embed("hi", "query")
    await provider.close()
    assert api.requests[0].path == path


async def test_many_texts_are_sent_in_calls_that_every_model_takes(api: EmbeddingsApi, connect: Connect) -> None:
    texts = [f"text {number}" for number in range(300)]
    vectors = await connect().embed_batch(texts, "document")
    assert [len(body["input"]) for body in api.bodies] == [128, 128, 44]
    assert [text for body in api.bodies for text in body["input"]] == texts
    assert list(vectors[299]) == pytest.approx(unit("text 299", 8), abs=1e-6)


@given(st.lists(st.text(max_size=40).map(lambda text: text * 300), max_size=200))
def test_no_call_is_larger_than_a_model_takes_and_no_text_is_empty_or_lost(texts: list[str]) -> None:
    batches = list(_batches(texts))
    assert sum(map(len, batches)) == len(texts)
    for batch in batches:
        sizes = [len(text.encode()) for text in batch]
        assert 0 < len(batch) <= 128
        assert all(0 < size <= 8000 for size in sizes)
        assert sum(sizes) <= 120_000
        assert all(text.strip() for text in batch)


async def test_a_busy_server_is_asked_three_times_and_when_it_says(api: EmbeddingsApi, connect: Connect, clock: Pauses) -> None:
    api.faults = [Fault(429, b"{}", {"retry-after": "3"}), Fault(503, b"<html>")]
    assert len(await connect().embed_batch(("a", "b"), "document")) == 2
    assert clock.pauses == [3.0, 1.0]
    api.faults = [Fault(500, b"oops")] * 9
    error = await failure(connect())
    assert (type(error), error.code, len(api.faults)) == (UnavailableError, "embeddings_failed", 6)


async def test_who_wants_to_be_left_alone_for_long_is_left_to_the_caller(
    api: EmbeddingsApi, connect: Connect, clock: Pauses
) -> None:
    api.faults = [Fault(429, b"{}", {"retry-after": "600"})]
    error = await failure(connect())
    assert isinstance(error, UnavailableError)
    assert (error.code, error.retry_after_s, clock.pauses) == ("embeddings_rate_limited", 600.0, [])


@pytest.mark.parametrize(
    ("fault", "kind", "code", "tries"),
    [
        (
            Fault(401, b'{"error": {"message": "no such key: ' + KEY.encode() + b'"}}'),
            CredentialsError,
            "embeddings_key_refused",
            1,
        ),
        (Fault(402, b""), CredentialsError, "embeddings_no_credit", 1),
        (Fault(429, b'{"error": {"code": "insufficient_quota"}}'), CredentialsError, "embeddings_no_credit", 1),
        (Fault(400, b"{}"), ConfigError, "embeddings_request_refused", 1),
        (Fault(404, b"<html>"), ConfigError, "embeddings_request_refused", 1),
        (MOVED, ConfigError, "embeddings_request_refused", 1),
        (BROKEN, UnavailableError, "embeddings_unreadable", 3),
        (DEEP, UnavailableError, "embeddings_unreadable", 3),
        (HUGE, UnavailableError, "embeddings_unreadable", 3),
        (PACKED, UnavailableError, "embeddings_unreadable", 3),
    ],
)
async def test_what_keeps_from_vectors_is_an_error_of_its_cause(
    api: EmbeddingsApi, connect: Connect, fault: Fault, kind: type[SecondmeError], code: str, tries: int
) -> None:
    api.faults = [fault] * 3
    error = await failure(connect())
    assert (type(error), error.code, len(api.requests)) == (kind, code, tries)


async def test_nobody_listening_is_unavailable(clock: Pauses) -> None:
    settings = MemorySettings(embedding_base_url="http://127.0.0.1:9", embedding_api_key=SecretStr(KEY))
    assert (await failure(OpenAiEmbeddings(settings, clock, Longest()))).code == "embeddings_unreachable"


async def test_a_reply_does_not_wait_for_a_server_that_says_nothing(api: EmbeddingsApi, connect: Connect) -> None:
    api.hold.clear()
    with pytest.raises(UnavailableError) as caught:
        await connect(query_s=0.05).embed("hi", "query")
    assert caught.value.code == "embeddings_timeout"
    error = await failure(connect(documents_s=0.05))
    assert error.code == "embeddings_timeout"


async def test_a_cancelled_call_ends_at_once(api: EmbeddingsApi, connect: Connect) -> None:
    api.hold.clear()
    asking = asyncio.create_task(connect().embed_batch(("hi",), "document"))
    await api.arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


GOOD = [1.0, 2.0]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        "no list",
        [{"index": 0, "embedding": GOOD}],
        [{"index": 0, "embedding": GOOD}] * 3,
        [{"index": 0, "embedding": GOOD}, {"index": 0, "embedding": GOOD}],
        [{"index": 0, "embedding": GOOD}, {"index": 2, "embedding": GOOD}],
        [{"index": 0, "embedding": GOOD}, {"index": "1", "embedding": GOOD}],
        [{"index": False, "embedding": GOOD}, {"index": True, "embedding": GOOD}],
        [{"index": 0, "embedding": GOOD}, GOOD],
        [{"embedding": GOOD}, {}],
        [{"embedding": GOOD}, {"embedding": [1.0]}],
        [{"embedding": GOOD}, {"embedding": []}],
        [{"embedding": GOOD}, {"embedding": [0.0, 0]}],
        [{"embedding": GOOD}, {"embedding": ["1", "2"]}],
        [{"embedding": GOOD}, {"embedding": [None, 1]}],
        [{"embedding": GOOD}, {"embedding": [1.0, float("nan")]}],
        [{"embedding": GOOD}, {"embedding": [1.7e308, 1.7e308]}],
        [{"embedding": GOOD}, {"embedding": [10**400, 1]}],
        [{"embedding": GOOD}, {"embedding": {"0": 1.0, "1": 2.0}}],
        [{"embedding": [1.0] * 5000}, {"embedding": [1.0] * 5000}],
        [{"embedding": [1.0, 2.0, 3.0]}, {"embedding": [1.0, 2.0, 3.0]}],
    ],
)
def test_what_are_no_vectors_of_the_texts_is_refused(rows: Any) -> None:
    with pytest.raises(DataError) as caught:
        _vectors({"data": rows}, 2, 2)
    assert caught.value.code == "embeddings_unusable"


def test_rows_without_numbers_of_their_own_are_in_order() -> None:
    assert _vectors({"data": [{"embedding": [3, 4]}, {"embedding": [0, -2]}]}, 2, 0) == [
        array("f", [0.6, 0.8]),
        array("f", [0, -1]),
    ]


async def test_a_model_that_changes_its_length_is_refused(api: EmbeddingsApi, connect: Connect) -> None:
    provider = connect()
    await provider.embed("hi", "document")
    api.dimensions = 16
    error = await failure(provider)
    assert (type(error), error.code, provider.dimensions) == (DataError, "embeddings_unusable", 8)


def test_a_key_is_needed_where_the_vendor_itself_is_asked() -> None:
    with pytest.raises(CredentialsError):
        OpenAiEmbeddings(MemorySettings(), FakeClock(), Longest())
    with pytest.raises(CredentialsError):
        OpenAiEmbeddings(MemorySettings(embedding_api_key=SecretStr("sk-\n")), FakeClock(), Longest())
    with pytest.raises(ConfigError):
        OpenAiEmbeddings(MemorySettings(embedding_base_url="ftp://there"), FakeClock(), Longest())
    OpenAiEmbeddings(MemorySettings(embedding_base_url="http://127.0.0.1:11434"), FakeClock(), Longest())


@pytest.mark.parametrize(
    ("name", "expected"), [("none", None), ("openai", "openai/text-embedding-3-small"), ("voyage", "voyage/voyage-3.5-lite")]
)
def test_the_setting_names_the_provider(name: Any, expected: str | None) -> None:
    settings = MemorySettings(embeddings=name, embedding_api_key=SecretStr(KEY))
    provider = embedding_provider(settings, FakeClock(), Longest())
    assert (provider and provider.name) == expected


async def test_neither_key_nor_words_are_in_the_log(api: EmbeddingsApi, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await connect().embed("a very private sentence", "document")
    api.faults = [Fault(500), BROKEN, Fault(401, KEY.encode())]
    await failure(connect(), ("another private sentence",))
    said = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert KEY not in said
    assert "private sentence" not in said
