"""Learning happens in the background, again and again, from what is safe in the history; and never in a message's way."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from fakes.clock import FakeClock
from fakes.process import let_in
from fakes.watching import everything

from secondme.core.clock import from_ms
from secondme.core.config.loader import Setup
from secondme.core.enums import Relationship
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.records import Turn
from secondme.core.remember.learning import Learner
from secondme.core.remember.store import RelationshipState, RelationshipStore, StyleStore
from secondme.core.remember.style.own_messages import own_messages
from secondme.core.store import keys
from secondme.core.store.client import Store

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
NOW = from_ms(1_790_000_000_000)


def talk(*lines: tuple[str, str, float]) -> list[Turn]:
    """Turns of (who, words, seconds): `a` the contact, `o` the owner, `c` the clone."""
    kinds = {"a": ("user", "incoming"), "o": ("assistant", "fromMe"), "c": ("assistant", "outgoing")}
    return [
        Turn(id=f"t{at}", role=kinds[who][0], type=kinds[who][1], content=words, timestamp=NOW + timedelta(seconds=second))  # type: ignore[arg-type]
        for at, (who, words, second) in enumerate(lines)
    ]


def summed(turns: list[Turn]) -> list[tuple[str, str, bool]]:
    return [(each.text, each.before, each.follows) for each in own_messages(turns)]


def test_an_answer_knows_what_it_answered_and_what_continues_it() -> None:
    turns = talk(
        ("a", "hi", 0),
        ("a", "coming?", 5),
        ("o", "yes", 60),
        ("o", "at 9", 150),
        ("o", "or 10", 241),
        ("a", "ok", 300),
        ("o", "😂", 301),
    )
    assert summed(turns) == [("yes", "hi\ncoming?", False), ("at 9", "", True), ("or 10", "", False), ("😂", "ok", False)]


def test_what_was_answered_already_is_not_before_the_owners_next_words() -> None:
    turns = talk(("a", "hi", 0), ("c", "hello!", 3), ("o", "it's me now", 10), ("c", "no", 11), ("o", "yes", 12))
    assert summed(turns) == [("it's me now", "", False), ("yes", "", False)]


def test_what_its_chat_forgets_is_not_before_anything() -> None:
    first, second, own = talk(("a", "for an hour", 0), ("a", "for good", 1), ("o", "yes", 2))
    assert summed([first.model_copy(update={"expires_at": NOW}), second, own]) == [("yes", "for good", False)]


def test_attachments_are_nobodys_words() -> None:
    turns = talk(
        ("o", "[photo]", 0),
        ("o", '[document "a]b.pdf", 12 kB]\nhere you are', 500),
        ("o", "[photo]\n[voice message, 12 s]\nand this", 1000),
        ("o", "[sic]", 2000),
        ("o", "  ", 3000),
    )
    assert [text for text, _, _ in summed(turns)] == ["here you are", "and this", "[sic]"]


def test_what_was_said_before_is_bounded_newest_last() -> None:
    (message,) = own_messages(talk(*[("a", f"{at:03}" * 50, at) for at in range(20)], ("o", "wow", 30)))
    assert (len(message.before), message.before[-3:]) == (500, "019")


@pytest.fixture
async def learner(setup: Setup, store: Store) -> Learner:
    """Anna and Ben are let in."""
    await let_in(setup, "anna", "ben")
    return Learner(StyleStore(store), RelationshipStore(store), FakeClock())


@pytest.fixture
async def running(learner: Learner) -> AsyncIterator[Learner]:
    task = asyncio.ensure_future(learner.run())
    yield learner
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def tell(store: Store, contact: str, turns: list[Turn]) -> None:
    for at, turn in enumerate(turns):
        await store.client.zadd(keys.history(contact), {turn.encode(): at})


async def eventually(claim: Callable[[], "asyncio.Future[bool]"]) -> None:
    async with asyncio.timeout(30):
        while not await claim():
            await asyncio.sleep(0.01)


async def test_reading_the_history_twice_learns_once(learner: Learner, store: Store) -> None:
    await tell(store, ANNA, talk(*[pair for at in range(6) for pair in (("a", f"q{at}", at * 100), ("o", f"a{at}", at * 100 + 1))]))
    assert (await learner.learn(ANNA), await learner.learn(ANNA)) == (6, 0)
    own = await StyleStore(store).own(ANNA)
    assert [(each.text, each.before) for each in own] == [(f"a{at}", f"q{at}") for at in range(6)]
    assert await StyleStore(store).own(BEN) == []


async def test_a_history_that_has_moved_on_does_not_spoil_what_was_learnt(learner: Learner, store: Store) -> None:
    turns = talk(("a", "dinner?", 0), ("o", "yes", 1), ("o", "at 9", 2))
    await tell(store, ANNA, turns)
    await learner.learn(ANNA)
    before = await StyleStore(store).own(ANNA)
    await store.client.zrem(keys.history(ANNA), turns[0].encode(), turns[1].encode())
    assert await learner.learn(ANNA) == 0
    assert await StyleStore(store).own(ANNA) == before


async def test_wishes_are_kept_once_and_bounded(learner: Learner) -> None:
    begun = time.process_time()
    for number in range(100_000):
        learner.spoke(ContactId(f"local:c{number % 5000}"))
        learner.heard(ANNA, "hola mamá " * 1000)
    assert time.process_time() - begun < 5
    assert (len(learner._spoken), len(learner._heard)) == (1000, 1000)
    assert max(len(each.text) for each in learner._heard) <= 1000


async def test_it_learns_by_itself_what_was_said_and_hinted(running: Learner, store: Store) -> None:
    await tell(store, ANNA, talk(*[("o", f"a{at}", at * 100) for at in range(12)]))
    running.spoke(ANNA)
    for text in ("hola hijo", "ok", "tu abuela", "tu padre y yo", "vale"):
        running.heard(ANNA, text)

    async def learnt() -> bool:
        standing = await RelationshipStore(store).of(ANNA)
        return standing.signal_count == 3 and len(await StyleStore(store).own(ANNA)) == 12

    await eventually(learnt)  # type: ignore[arg-type]
    assert (await RelationshipStore(store).of(ANNA)).type is Relationship.FAMILY


async def test_nothing_is_learnt_of_a_stranger(learner: Learner, store: Store) -> None:
    before = await everything(store.client)
    for number in range(5):
        learner.heard(ContactId("local:eve"), f"mi amor {number}")
        learner.spoke(ContactId("local:eve"))
    await learner.catch_up()
    assert await everything(store.client) == before


class Deaf(RelationshipStore):
    """A real store of relationships that is out of reach as often as it is told to be."""

    failures = 2

    async def heard(
        self, contact: ContactId, relationship: Relationship, confidence: float, now_ms: int
    ) -> RelationshipState | None:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("store_slow", "slow")
        return await super().heard(contact, relationship, confidence, now_ms)


async def test_a_hint_that_could_not_be_counted_still_waits(setup: Setup, store: Store) -> None:
    await let_in(setup, "anna")
    learner = Learner(StyleStore(store), Deaf(store), FakeClock())
    learner.heard(ANNA, "hola hijo")
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await learner.catch_up()
    await learner.catch_up()
    assert (await RelationshipStore(store).of(ANNA)).signal_count == 1


class Failing(StyleStore):
    """A real store of styles whose history fails as often as it is told to."""

    def __init__(self, store: Store, *failures: Exception) -> None:
        super().__init__(store)
        self.failures = [*failures]

    async def said(self, contact: ContactId) -> list[Turn]:
        if self.failures:
            raise self.failures.pop(0)
        return await super().said(contact)


async def test_a_store_that_is_down_is_waited_for_and_nothing_is_lost(setup: Setup, store: Store) -> None:
    await let_in(setup, "anna")
    await tell(store, ANNA, talk(("o", "hello", 0)))
    clock, style = FakeClock(), Failing(store, *[UnavailableError("store_slow", "slow")] * 3)
    learner = Learner(style, RelationshipStore(store), clock)
    task = asyncio.ensure_future(learner.run())
    learner.spoke(ANNA)

    async def learnt() -> bool:
        clock.move(5)
        return len(await style.own(ANNA)) == 1

    await eventually(learnt)  # type: ignore[arg-type]
    assert style.failures == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_crash_is_written_down_once_and_the_rest_goes_on(
    setup: Setup, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await let_in(setup, "anna", "ben")
    await tell(store, BEN, talk(("o", "hello", 0)))
    style = Failing(store, RuntimeError("secret words"), RuntimeError("more secret words"))
    learner = Learner(style, RelationshipStore(store), FakeClock())
    for _ in range(2):
        learner.spoke(ANNA)
        await learner.catch_up()
    learner.spoke(BEN)
    await learner.catch_up()
    assert [record.message for record in caplog.records] == ["learning_failed"]
    assert "secret" not in str([vars(record) for record in caplog.records])
    assert len(await style.own(BEN)) == 1
