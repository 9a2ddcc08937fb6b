"""What a contact is: the rules in Lua, beside the same rules in plain Python."""

import asyncio
from dataclasses import dataclass, field

import pytest
from fakes.process import let_in
from fakes.size import sized
from fakes.watching import everything
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondme.core.config.loader import Setup
from secondme.core.enums import Relationship
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.remember.store import RelationshipState, RelationshipStore
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

R = Relationship

ANNA = ContactId("local:anna")
DAY_MS = 86_400_000
NOW = 1_790_000_000_000
SCORED = (R.COLLEAGUE, R.CLIENT, R.MANAGER, R.FRIEND, R.ACQUAINTANCE, R.FAMILY, R.ROMANTIC_PARTNER)


@dataclass
class Model:
    """The rules, without a store."""

    scores: dict[R, float] = field(default_factory=lambda: dict.fromkeys(SCORED, 0.0))
    current: R = R.ACQUAINTANCE
    confidence: float = 0.5
    signals: int = 0
    manual: bool = False
    updated: int | None = None

    def signal(self, kind: R, confidence: float, now: int) -> None:
        if self.manual:
            return
        days = 0.0 if self.updated is None else max(0, now - self.updated) / DAY_MS
        self.scores = {each: score * 0.95**days for each, score in self.scores.items()}
        self.scores[kind] += confidence
        self.signals += 1
        self.updated = max(now, self.updated or 0)
        self.judge()

    def set(self, kind: R | None) -> None:
        if kind is not None:
            self.current, self.confidence, self.manual = kind, 1.0, True
            return
        if self.manual:
            self.current, self.confidence, self.manual = R.ACQUAINTANCE, 0.5, False
        self.judge()

    def judge(self) -> None:
        total = sum(self.scores.values())
        if total == 0:
            return
        best = max(SCORED, key=lambda each: (self.scores[each], each is self.current))
        share = self.scores[best] / total
        if best is self.current:
            self.confidence = share
            return
        self.confidence = min(self.confidence, max(0.5, self.scores[self.current] / total))
        keeps = best is R.ACQUAINTANCE and self.current in {R.FAMILY, R.FRIEND}
        if self.signals >= 3 and share - self.confidence >= 0.3 and not keeps:
            self.current, self.confidence = best, share


@pytest.fixture
async def relations(setup: Setup, store: Store) -> RelationshipStore:
    await let_in(setup, "anna")
    return RelationshipStore(store)


async def hear(relations: RelationshipStore, *kinds: R, confidence: float = 0.9, day: float = 0) -> RelationshipState:
    for kind in kinds:
        standing = await relations.heard(ANNA, kind, confidence, NOW + int(day * DAY_MS))
        assert standing == await relations.of(ANNA)
    return await relations.of(ANNA)


async def test_nobody_known_is_an_acquaintance(relations: RelationshipStore) -> None:
    assert await relations.of(ANNA) == RelationshipState(R.ACQUAINTANCE, 0.5, manual=False, signal_count=0)


async def test_it_takes_three_signals(relations: RelationshipStore) -> None:
    assert (await hear(relations, R.FRIEND, R.FRIEND)).type is R.ACQUAINTANCE
    assert await hear(relations, R.FRIEND) == RelationshipState(R.FRIEND, 1.0, manual=False, signal_count=3)


async def test_signals_that_disagree_change_nothing(relations: RelationshipStore) -> None:
    standing = await hear(relations, *[R.FRIEND, R.COLLEAGUE, R.CLIENT] * 5)
    assert standing == RelationshipState(R.ACQUAINTANCE, 0.5, manual=False, signal_count=15)


@pytest.mark.parametrize(("kind", "after"), [(R.FAMILY, R.FAMILY), (R.FRIEND, R.FRIEND), (R.CLIENT, R.ACQUAINTANCE)])
async def test_family_and_friends_never_become_acquaintances(relations: RelationshipStore, kind: R, after: R) -> None:
    await hear(relations, *[kind] * 3)
    assert (await hear(relations, *[R.ACQUAINTANCE] * 60, day=40)).type is after


async def test_a_certain_judgement_can_be_corrected_later(relations: RelationshipStore) -> None:
    assert (await hear(relations, *[R.COLLEAGUE] * 10)).confidence == 1.0
    assert (await hear(relations, *[R.FRIEND] * 3, day=0)).type is R.COLLEAGUE
    assert (await hear(relations, *[R.FRIEND] * 4, day=60)).type is R.FRIEND


async def test_the_owners_word_is_never_overridden_and_signals_do_not_count_then(
    relations: RelationshipStore, store: Store
) -> None:
    await hear(relations, *[R.FRIEND] * 3)
    said = await relations.set_by_owner(ANNA, R.MANAGER)
    assert said == RelationshipState(R.MANAGER, 1.0, manual=True, signal_count=3) == await relations.of(ANNA)
    before = await everything(store.client, "RELATIONSHIP:*")
    assert await hear(relations, *[R.ROMANTIC_PARTNER] * 20) == said
    assert await everything(store.client, "RELATIONSHIP:*") == before
    assert await relations.set_by_owner(ANNA, None) == RelationshipState(R.FRIEND, 1.0, manual=False, signal_count=3)


async def test_the_keys_are_the_predecessors_and_live_as_they_should(relations: RelationshipStore, store: Store) -> None:
    await hear(relations, R.FRIEND)
    raw = await store.client.hgetall("RELATIONSHIP:scores:local:anna")
    assert set(raw) == {*(kind.value.encode() for kind in R), b"currentType", b"currentConfidence", b"signalCount", b"lastUpdated"}
    assert (raw[b"friend"], raw[b"signalCount"], raw[b"lastUpdated"]) == (b"0.90000000000000002", b"1", str(NOW).encode())
    ninety_days = 90 * 86_400
    assert ninety_days - 60 < await store.client.ttl(keys.relationship(ANNA)) <= ninety_days
    await relations.set_by_owner(ANNA, R.FAMILY)
    assert await store.client.get("RELATIONSHIP:manual_override:local:anna") == b"1"
    assert await store.client.ttl(keys.relationship(ANNA)) == -1
    await relations.set_by_owner(ANNA, None)
    assert not await store.client.exists(keys.relationship_override(ANNA))
    assert await store.client.ttl(keys.relationship(ANNA)) > 0


async def test_what_the_predecessor_left_is_read_as_it_is(relations: RelationshipStore, store: Store) -> None:
    left = {
        "friend": "2.5",
        "colleague": "0.5",
        "currentType": "friend",
        "currentConfidence": "0.83",
        "signalCount": "4",
        "lastUpdated": str(NOW),
    }
    await store.client.hset(keys.relationship(ANNA), mapping=left)
    assert await relations.of(ANNA) == RelationshipState(R.FRIEND, 0.83, manual=False, signal_count=4)
    assert await hear(relations, R.FRIEND, confidence=0.5) == RelationshipState(R.FRIEND, 3 / 3.5, manual=False, signal_count=5)
    await store.client.set(keys.relationship_override(ANNA), "1")
    assert (await relations.of(ANNA)).manual


@pytest.mark.parametrize("garbage", ["nan", "-5", "inf", "x", "", "1e999", "\xff"])
async def test_garbage_counts_for_nothing_and_stops_nothing(relations: RelationshipStore, store: Store, garbage: str) -> None:
    names = [*R, "currentConfidence", "signalCount", "lastUpdated"]
    await store.client.hset(keys.relationship(ANNA), mapping={**dict.fromkeys(names, garbage), "currentType": garbage})
    assert (await relations.of(ANNA)).type is R.ACQUAINTANCE
    assert (await hear(relations, *[R.FRIEND] * 3)).type is R.FRIEND


async def test_nothing_is_written_about_who_was_not_let_in(store: Store) -> None:
    relations = RelationshipStore(store)
    assert await relations.heard(ANNA, R.FRIEND, 0.9, NOW) is None
    for kind in (R.FRIEND, None):
        with pytest.raises(NotFoundError):
            await relations.set_by_owner(ANNA, kind)
    assert await everything(store.client) == {}


async def test_signals_at_the_same_time_all_count(relations: RelationshipStore) -> None:
    await asyncio.gather(*(relations.heard(ANNA, R.FRIEND, 0.9, NOW) for _ in range(50)))
    assert await relations.of(ANNA) == RelationshipState(R.FRIEND, 1.0, manual=False, signal_count=50)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SCORED), st.sampled_from([0.5, 0.7, 0.9]), st.integers(-2 * DAY_MS, 40 * DAY_MS)),
        st.tuples(st.sampled_from([*SCORED, None, None, None])),
    ),
    max_size=40,
)


@settings(max_examples=sized(200, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_script_follows_the_rules(setup: Setup, steps: list[tuple[R, float, int] | tuple[R | None]]) -> None:
    asyncio.run(_walk(setup, steps))


async def _walk(setup: Setup, steps: list[tuple[R, float, int] | tuple[R | None]]) -> None:
    model, now = Model(), NOW
    async with Store(setup, Role.ATTACH) as store:
        await store.client.flushall()
        await store.client.set(keys.approved(ANNA), "{}")
        relations = RelationshipStore(store)
        for step in steps:
            if len(step) == 3:
                now += step[2]
                await relations.heard(ANNA, step[0], step[1], now)
                model.signal(step[0], step[1], now)
            else:
                await relations.set_by_owner(ANNA, step[0])
                model.set(step[0])
            found = await relations.of(ANNA)
            assert (found.type, found.manual, found.signal_count) == (model.current, model.manual, model.signals)
            assert found.confidence == pytest.approx(model.confidence)
