"""Memory with embeddings and AutoMem behind it: whatever those do, replies come from words, nothing is lost, and what is forgotten is forgotten
there too, later when they were away."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest
from fakes.automem import TOKEN, FakeAutoMem, automem
from fakes.embeddings_api import KEY, EmbeddingsApi, embeddings_api
from fakes.json_vendor import BROKEN, DEEP, MOVED, Fault
from fakes.passing_clock import PassingClock
from fakes.town import Town
from flows.test_memory import ANNA, BEN, LONG_AGO, asked

from secondme.core.errors import BusyError, SecondmeError
from secondme.core.ids import ContactId
from secondme.core.memory.automem import contact_key
from secondme.core.memory.embedding_cache import text_hash
from secondme.core.memory.meaning import MeaningIndex
from secondme.core.memory.messages import MemoryMessage
from secondme.core.store import keys

SECRET, FERRY = "my dog is called Quicksilver", "the ferry leaves at noon"
BURST = f"{SECRET}\nyou know"
AWAY = [Fault(503)] * 500
DAY_S = 86_400.0
Build = Callable[..., Awaitable[Town]]


@pytest.fixture
async def api() -> AsyncIterator[EmbeddingsApi]:
    async with embeddings_api() as server:
        yield server


@pytest.fixture
async def server() -> AsyncIterator[FakeAutoMem]:
    async with automem() as running:
        yield running


@pytest.fixture
async def build(town_with: Callable[..., Town], api: EmbeddingsApi, server: FakeAutoMem) -> AsyncIterator[Build]:
    """A town that embeds and archives, with Anna and Ben in it; built again, it is the same after a restart."""
    made: list[Town] = []

    async def build(**flags: object) -> Town:
        vendors = {"embeddings": "openai", "embedding_base_url": api.url, "embedding_api_key": KEY}
        graph = {"automem_url": server.url, "automem_token": TOKEN}
        chosen = {f"memory__{name}": value for name, value in {**vendors, **graph}.items()} | flags
        made.append(town_with(PassingClock(), **{name: value for name, value in chosen.items() if value is not None}))
        made[-1]._ids = count(1000 * len(made))  # no message has the id of one before the restart
        if len(made) == 1:
            await made[0].let_in("anna")
            await made[0].let_in("ben")
        await made[-1].services.memory_feed.begin()
        return made[-1]

    yield build
    for each in made:
        await each.services.close()


ONLY_WORDS: dict[str, object] = {"memory__automem_url": None, "memory__automem_token": None}
ONLY_AUTOMEM: dict[str, object] = {"memory__embeddings": None}


def meaning_of(town: Town) -> MeaningIndex:
    assert town.services.memory_keeper.meaning is not None
    return town.services.memory_keeper.meaning


async def keeps(town: Town, *texts: str, contact: ContactId = ANNA) -> None:
    said = [MemoryMessage(f"old{text[:9]}{n}", LONG_AGO + n * 1000, "contact", text) for n, text in enumerate(texts)]
    await town.services.memory_keeper.remember(contact, said)


async def embedded(town: Town) -> None:
    """Everything has its vector."""
    while await meaning_of(town).step():
        pass


def without_vector(town: Town, contact: ContactId = ANNA) -> list[str]:
    model = "openai/text-embedding-3-small"
    return [text for _, text in town.services.memories.without_vector(contact, model, 1000)]


async def archived(town: Town) -> None:
    """The conversation is over, and AutoMem has it."""
    town.clock.move(town.services.settings.memory.idle_minutes * 60 + 5)  # type: ignore[attr-defined]
    await town.services.memory_feed.read_ended()


async def later(town: Town) -> None:
    """Hours go by, in which the gateway does what it does again and again."""
    for _ in range(8):
        town.clock.move(3700)  # type: ignore[attr-defined]
        try:
            await town.services.memory_feed.read_ended()
        except SecondmeError:
            continue


# Meaning


async def test_what_means_the_same_is_found_by_its_vector_alone(build: Build) -> None:
    town = await build(memory__weights__keyword=0, **ONLY_WORDS)
    await keeps(town, "hello there", FERRY, "and good night")
    assert await asked(town, "anna", FERRY) == ""  # nothing has a vector yet
    await embedded(town)
    recalled = await asked(town, "anna", FERRY)
    assert FERRY in recalled
    assert await asked(town, "ben", FERRY) == ""


FAULTS = {
    "down": Fault(500),
    "busy": Fault(429, b"{}", {"retry-after": "7"}),
    "key refused": Fault(401),
    "refused": Fault(400),
    "broken": BROKEN,
    "deep": DEEP,
    "moved": MOVED,
    "no rows": Fault(200, b'{"data": []}'),
    "no numbers": Fault(200, b'{"data": [{"index": 0, "embedding": ["a", null]}]}'),
    "no object": Fault(200, b"17"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_the_vendor_answers_words_are_found_and_vectors_come_later(
    fault: str, build: Build, api: EmbeddingsApi
) -> None:
    town = await build(**ONLY_WORDS)
    await keeps(town, FERRY, "bread and butter")
    await keeps(town, "somebody else's", contact=BEN)
    api.faults = [FAULTS[fault]] * 500
    assert [await meaning_of(town).step() for _ in range(3)] == [False] * 3
    assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    api.faults = []
    town.clock.move(61)  # type: ignore[attr-defined]
    await embedded(town)
    assert (without_vector(town), without_vector(town, BEN)) == ([], [])


async def test_one_chat_that_is_refused_does_not_keep_the_others(build: Build, api: EmbeddingsApi) -> None:
    town = await build(**ONLY_WORDS)
    await keeps(town, "this one is refused")
    await keeps(town, "this one is not", contact=BEN)
    api.faults = [Fault(400)]
    assert not await meaning_of(town).step()
    town.clock.move(61)  # type: ignore[attr-defined]
    api.faults = [None, Fault(400), None]
    await embedded(town)
    assert without_vector(town, BEN) == []
    town.clock.move(61)  # type: ignore[attr-defined]
    await embedded(town)
    assert without_vector(town) == ["this one is refused"]


async def test_one_text_that_is_refused_does_not_keep_those_beside_it(build: Build, api: EmbeddingsApi) -> None:
    town = await build(**ONLY_WORDS)
    await keeps(town, "fine", "this one is refused", "fine too")
    api.faults = [Fault(400), None, Fault(400), None]
    await embedded(town)
    assert without_vector(town) == ["this one is refused"]
    await keeps(town, "another one")
    await embedded(town)
    assert without_vector(town) == ["this one is refused"]


async def test_another_length_of_vectors_is_another_model(build: Build, api: EmbeddingsApi) -> None:
    """The vendor changed what it has under the same name."""
    town = await build(**ONLY_WORDS)
    await keeps(town, FERRY, "bread and butter")
    await embedded(town)
    api.dimensions = 16
    await keeps(town, "one message more")
    assert not await meaning_of(town).step()
    assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    assert without_vector(town) == ["one message more"]
    again = await build(**ONLY_WORDS, memory__weights__keyword=0)  # after a restart
    await again.services.memory_feed._begin_anew()
    await embedded(again)
    await asked(again, "anna", FERRY)
    await embedded(again)
    assert FERRY in await asked(again, "anna", FERRY)
    assert "bread and butter" in await asked(again, "anna", "bread and butter")


async def test_another_model_finds_by_words_until_it_has_its_own_vectors(build: Build) -> None:
    town = await build(**ONLY_WORDS)
    await keeps(town, FERRY)
    await embedded(town)
    other = await build(**ONLY_WORDS, memory__embedding_model="text-embedding-3-large")
    assert FERRY in await asked(other, "anna", "when does the ferry leave?")
    await other.services.memory_feed._begin_anew()
    await embedded(other)
    assert other.services.memories.without_vector(ANNA, "openai/text-embedding-3-large", 9) == []


async def test_a_vendor_that_never_answers_is_left_alone_for_a_while(
    build: Build, api: EmbeddingsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondme.core.memory.meaning._QUERY_S", 0.05)
    town = await build(**ONLY_WORDS)
    await keeps(town, FERRY)
    api.hold.clear()
    for _ in range(5):
        assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    assert len(api.requests) == 3
    api.hold.set()
    town.clock.move(61)  # type: ignore[attr-defined]
    assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    assert len(api.requests) == 4


@pytest.mark.parametrize("embeddings", ["openai", "voyage"])
async def test_a_key_that_is_missing_costs_the_vectors_only(embeddings: str, build: Build) -> None:
    town = await build(**ONLY_WORDS, memory__embeddings=embeddings, memory__embedding_base_url="", memory__embedding_api_key=None)
    await keeps(town, FERRY)
    assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    assert town.services.memory_keeper.meaning is None


async def test_the_same_words_are_paid_for_once(build: Build, api: EmbeddingsApi) -> None:
    town = await build(**ONLY_WORDS)
    await keeps(town, "good morning")
    await embedded(town)
    await keeps(town, "good morning", contact=BEN)
    await embedded(town)
    assert [body["input"] for body in api.bodies] == [["good morning"]]


# AutoMem


async def test_what_automem_finds_are_messages_that_stand_here(build: Build, server: FakeAutoMem) -> None:
    town = await build(**ONLY_AUTOMEM, memory__weights__keyword=0)
    await town.writes("anna", "we meet at the harbour")
    assert await town.work() == ["answered"]
    await town.services.memory_feed.catch_up()
    assert server.memories == {}
    await archived(town)
    assert server.contents(f"contact:{contact_key(ANNA)}") == ["Them: we meet at the harbour"]
    await town.store.client.delete(keys.history(ANNA))  # else the prompt has it anyway
    assert "we meet at the harbour" in await asked(town, "anna", "which harbour was it?")
    assert await asked(town, "ben", "which harbour was it?") == ""


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_automem_answers_words_are_found_and_it_gets_everything_later(
    fault: str, build: Build, server: FakeAutoMem
) -> None:
    town = await build(**ONLY_AUTOMEM)
    await keeps(town, FERRY)
    await town.writes("anna", "we meet at the harbour")
    await town.services.memory_feed.catch_up()
    server.faults = [FAULTS[fault]] * 500
    with pytest.raises(SecondmeError):
        await archived(town)
    assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    server.faults = []
    await later(town)
    contents = server.contents(f"contact:{contact_key(ANNA)}")
    assert sorted(line for each in contents for line in each.splitlines() if "harbour" in line or "ferry leaves" in line) == [
        "Them: the ferry leaves at noon",
        "Them: we meet at the harbour",
    ]


async def test_a_conversation_that_turns_out_to_be_longer_is_there_once(build: Build, server: FakeAutoMem) -> None:
    """As after the import of what was said before."""
    town = await build(**ONLY_AUTOMEM)
    keeper = town.services.memory_keeper
    for at, text in ((9, FERRY), (5, "which ferry?"), (1, "good morning")):
        await keeper.remember(ANNA, [MemoryMessage(f"m{at}", LONG_AGO + at * 1000, "contact", text)])
        await keeper.archive_sessions(ANNA)
        await later(town)
    assert server.contents(f"contact:{contact_key(ANNA)}") == [f"Them: good morning\nThem: which ferry?\nThem: {FERRY}"]


async def test_vendors_are_asked_at_once_and_for_all_accounts_of_a_person(
    build: Build, api: EmbeddingsApi, server: FakeAutoMem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another they would take the time that the words need."""
    for name in ("meaning._QUERY_S", "service._RECALL_S"):
        monkeypatch.setattr(f"secondme.core.memory.{name}", 60.0)
    town = await build()
    meaning_of(town)._provider._provider._query_s = 60.0  # type: ignore[attr-defined]
    await keeps(town, FERRY)
    await town.services.contacts.link(ANNA, BEN)
    api.hold.clear()
    server.hold.clear()
    recalling = asyncio.create_task(town.services.memory.recall(ANNA, "when does the ferry leave?", shown=set()))
    async with asyncio.timeout(30):
        while len(api.requests) < 1 or len(server.requests) < 2:
            await asyncio.sleep(0.005)
    api.hold.set()
    server.hold.set()
    assert FERRY in [item.text for item in (await recalling).items]


async def test_an_automem_that_never_answers_is_left_alone_for_a_while(
    build: Build, server: FakeAutoMem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondme.core.memory.service._RECALL_S", 60.0)  # three seconds: each call has one
    town = await build(**ONLY_AUTOMEM)
    await keeps(town, FERRY)
    server.hold.clear()
    for _ in range(5):
        assert FERRY in await asked(town, "anna", "when does the ferry leave?")
    assert len(server.requests) == 3


# Forgetting


async def revoked(town: Town, message_id: str) -> None:
    await town.gateway.receive(town.message("anna", "", revokes=message_id))
    await town.services.memory_feed.catch_up()


async def corrected(town: Town, message_id: str) -> None:
    await town.writes("anna", "never mind", edit_of=message_id)
    await town.services.memory_feed.catch_up()


async def expired(town: Town, message_id: str) -> None:
    del message_id
    town.clock.move(8 * DAY_S)  # type: ignore[attr-defined]
    await town.services.memory_feed.expire()


async def forgotten_by_id(town: Town, message_id: str) -> None:
    assert (await town.services.memory_desk.forget_messages(ANNA, [message_id])).left == 0


async def forgotten_whole(town: Town, message_id: str) -> None:
    del message_id
    assert (await town.services.memory_desk.forget_all(ANNA)).left == 0


async def grown_old(town: Town, message_id: str) -> None:
    del message_id
    town.clock.move(101 * DAY_S)  # type: ignore[attr-defined]
    await town.services.memory_feed.tidy()


async def left(town: Town, message_id: str) -> None:
    del message_id
    await town.services.contacts.forget(ANNA)


WAYS = {
    "revoked": (revoked, True),
    "corrected": (corrected, True),
    "expired": (expired, True),
    "by id": (forgotten_by_id, True),
    "whole": (forgotten_whole, False),
    "too old": (grown_old, False),
    "contact": (left, False),
}
"""How something is forgotten, and whether the rest of its conversation stays."""


@pytest.mark.parametrize("is_away", [False, True], ids=["there", "away"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_forgotten_is_forgotten_by_the_vendors_too(
    way: str, build: Build, server: FakeAutoMem, *, is_away: bool
) -> None:
    forget, has_rest = WAYS[way]
    town = await build(memory__keep_days=100)
    secret = town.message("anna", SECRET, expires_s=int(7 * DAY_S) if way == "expired" else 0)
    for each in (secret, town.message("anna", FERRY)):
        await town.gateway.receive(each)
    await town.services.memory_feed.catch_up()
    await embedded(town)
    await archived(town)
    await town.services.memory.recall(ANNA, BURST, shown=set())
    cache = town.setup.places.memory / "embeddings.cache"
    assert text_hash(SECRET) in cache.read_bytes()
    tag = f"contact:{contact_key(ANNA)}"
    assert "Quicksilver" in str(server.contents(tag))
    server.faults = list(AWAY) if is_away else []
    await forget(town, str(secret.message_id))
    assert not [each for each in (SECRET, BURST) if text_hash(each) in cache.read_bytes()]
    files = [path for path in town.setup.places.memory.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"Quicksilver" in path.read_bytes()]
    assert ("Quicksilver" in str(server.contents(tag))) is is_away
    server.faults = []
    await later(town)
    assert "Quicksilver" not in str(server.memories)
    assert (FERRY in str(server.contents(tag))) is has_rest


async def test_vectors_that_nobody_makes_any_more_are_forgotten_too(build: Build) -> None:
    town = await build(**ONLY_WORDS)
    await keeps(town, SECRET, FERRY)
    await embedded(town)
    without = await build(**ONLY_WORDS, memory__embeddings=None)
    await without.services.memory_desk.forget_messages(ANNA, [f"old{SECRET[:9]}0"])
    data = (town.setup.places.memory / "embeddings.cache").read_bytes()
    assert (text_hash(SECRET) in data, text_hash(FERRY) in data) == (False, True)


async def test_a_file_that_somebody_reads_keeps_nothing_from_being_forgotten(build: Build, server: FakeAutoMem) -> None:
    town = await build()
    secret = town.message("anna", SECRET)
    await town.gateway.receive(secret)
    await town.services.memory_feed.catch_up()
    await embedded(town)
    await archived(town)
    town.services.memories.read(ANNA, lambda index: index._db.execute("pragma busy_timeout = 1").fetchall(), otherwise=[])
    reader = sqlite3.connect(town.services.memories.files(ANNA)[0])
    reader.execute("begin")
    assert reader.execute("select count(*) from message").fetchone() == (1,)
    with pytest.raises(BusyError):
        await town.services.memory_keeper.forget_messages(ANNA, [str(secret.message_id)])
    reader.close()
    await town.services.memory_keeper.forget_messages(ANNA, [str(secret.message_id)])
    await later(town)
    files = {path.name: path.read_bytes() for path in town.setup.places.memory.iterdir()}
    assert not [name for name, data in files.items() if b"Quicksilver" in data or text_hash(SECRET) in data]
    assert "Quicksilver" not in str(server.memories)
