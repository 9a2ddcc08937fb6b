"""What the owner wrote stays with whom they wrote it to; over all contacts there are measures only."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from fakes.process import knock, let_in
from fakes.watching import everything

from secondme.core.config.loader import Setup
from secondme.core.ids import ContactId
from secondme.core.records import OwnMessage
from secondme.core.remember.store import StyleStore
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.persons import PersonStore

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
START = datetime(2026, 3, 1, tzinfo=UTC)


def said(count: int, text: str = "ok, see you there", first: int = 0, before: str = "coming?") -> list[OwnMessage]:
    return [
        OwnMessage(id=f"m{at}", at=START + timedelta(minutes=at), text=f"{text} {at}", before=before)
        for at in range(first, first + count)
    ]


@pytest.fixture
async def style(setup: Setup, store: Store) -> StyleStore:
    """Anna and Ben are let in."""
    await let_in(setup, "anna", "ben")
    return StyleStore(store)


async def test_messages_are_kept_oldest_first_and_counted_once(style: StyleStore) -> None:
    assert await style.add(ANNA, said(5)[::-1]) == 5
    assert await style.add(ANNA, said(7)) == 2
    assert await style.add(ANNA, said(7)) == 0
    assert await style.own(ANNA) == said(7)
    assert await style.own(BEN) == []


async def test_the_300_newest_are_kept_and_an_older_one_is_never_new_again(style: StyleStore, store: Store) -> None:
    assert await style.add(ANNA, said(450)) == 300
    assert await style.own(ANNA) == said(300, first=150)
    assert await style.add(ANNA, said(150)) == 0
    assert await style.add(ANNA, said(1, first=450)) == 1
    assert await style.own(ANNA) == said(300, first=151)
    assert await store.client.hlen(keys.STYLE_OVERALL) == 451


async def test_over_all_the_1000_newest_are_kept_and_a_hundred_thousand_are_no_trouble(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(900))
    await style.add(BEN, said(900, first=600))
    assert await store.client.hlen(keys.STYLE_OVERALL) == 1000
    assert await style.add(None, said(100_000, first=5000)) == 1000
    profile = await style.overall()
    assert profile is not None
    assert profile.sample_count == 1000


async def test_nothing_is_kept_of_who_was_not_let_in(setup: Setup, store: Store) -> None:
    style = StyleStore(store)
    await knock(store, setup, "cara")
    before = await everything(store.client)
    for contact in (ContactId("local:cara"), ContactId("local:nobody")):
        assert await style.add(contact, said(20)) == 0
        assert await style.profile(contact) is None
    assert await everything(store.client) == before


async def test_whom_the_owner_named_is_kept(store: Store) -> None:
    assert await StyleStore(store).add(BEN, said(20), named=True) == 20


async def test_the_measures_over_all_hold_no_words_no_names_and_no_contact(style: StyleStore, store: Store) -> None:
    texts = ["Hi Zebedee, the code is 4711", "Zebedee!! 😂😂", "cheers, Zebedee", "см. Зебедей", "澤比迪 再见"]
    messages = [OwnMessage(id=f"zid{at}", at=START, text=text, before="Zebedee asked 4711") for at, text in enumerate(texts)]
    await style.add(ANNA, messages)
    await style.add(None, messages)
    kept = await store.client.hgetall(keys.STYLE_OVERALL)
    assert len(kept) == 10
    everything_there = b" ".join([*kept, *kept.values()]).decode().casefold()
    for word in ("zebedee", "4711", "зебедей", "澤比迪", "anna", "local", "zid", "asked", "code"):
        assert word not in everything_there
    words = {json.loads(raw)["greeting"] for raw in kept.values()} | {json.loads(raw)["signOff"] for raw in kept.values()}
    assert words == {"", "hi", "cheers", "再见"}


async def test_messages_of_two_contacts_with_the_same_id_are_two(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(10))
    await style.add(BEN, said(10))
    assert await store.client.hlen(keys.STYLE_OVERALL) == 20


async def test_a_correction_replaces_the_words_and_what_was_seen_around_them_stays(style: StyleStore) -> None:
    (message,) = said(1)
    await style.add(ANNA, [message])
    await style.add(ANNA, [message.model_copy(update={"before": ""})])
    assert await style.own(ANNA) == [message]
    corrected = message.model_copy(update={"text": "ok, not there"})
    assert await style.add(ANNA, [corrected]) == 0
    assert await style.own(ANNA) == [corrected]


async def test_a_profile_is_made_from_ten_messages_on_and_counts_each_new_one(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(9))
    assert await style.profile(ANNA) is None
    for count in (10, 11):
        await style.add(ANNA, said(count))
        for _ in range(2):
            profile = await style.profile(ANNA)
            assert profile is not None
            assert profile.sample_count == count
        assert 1700 < await store.client.ttl(keys.style_cache(ANNA)) <= 1800
    assert await style.profile(BEN) is None


async def test_a_profile_comes_from_the_cache_and_a_corrupt_one_is_made_anew(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(10))
    profile = await style.profile(ANNA)
    await store.client.delete(keys.own_messages(ANNA))
    assert await style.profile(ANNA) == profile
    await style.add(ANNA, said(12))
    await store.client.set(keys.style_cache(ANNA), "{")
    assert (await style.profile(ANNA)).sample_count == 12  # type: ignore[union-attr]


async def test_a_cached_profile_of_before_is_made_anew(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(12))
    before = {"sampleCount": 11, "meanLength": 20, "medianLength": 20, "emojiPerMessage": 0, "formality": 0.5}
    await store.client.set(keys.style_cache(ANNA), json.dumps({"of": [ANNA], "profile": before}))
    profile = await style.profile(ANNA)
    assert profile is not None
    assert (profile.sample_count, len(profile.lengths), profile.comma_share) == (12, 5, 1)


async def test_measures_of_before_are_counted_beside_those_of_now(style: StyleStore, store: Store) -> None:
    old = {"at": 1_700_000_000_000, "length": 400, "exclamations": 1}
    for at in range(5):
        await store.client.hset(keys.STYLE_OVERALL, f"old{at}", json.dumps(old))
    await style.add(ANNA, said(15))
    profile = await style.overall()
    assert profile is not None
    assert (profile.sample_count, profile.exclamation_share, profile.comma_share) == (20, 0.25, 1)


async def test_a_profile_that_was_overtaken_by_a_message_is_not_kept(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(10))
    await store.client.set(keys.style_cache(ANNA), "mark:1")
    await style.add(ANNA, said(11))
    assert await store.run("keep_style", ("mark:1", "stale", 60), contact=ANNA) == 0
    assert not await store.client.exists(keys.style_cache(ANNA))


OLD = {
    "messageLengths": [40, 60],
    "emojiCounts": [0, 1],
    "formalityScores": [0.2, 0.4],
    "punctuationData": {"ellipsisCount": 6, "exclamationCount": 3, "questionCount": 2, "periodEndCount": 12},
    "greetings": [],
    "signOffs": [],
    "sampleCount": 20,
    "lastUpdated": 1,
}


async def test_what_the_predecessor_knew_counts_until_there_are_ten_messages_of_ours(style: StyleStore, store: Store) -> None:
    await store.client.set(keys.style(ANNA), json.dumps(OLD))
    await style.add(ANNA, said(9))
    profile = await style.profile(ANNA)
    assert profile is not None
    assert (profile.sample_count, profile.mean_length) == (20, 50)
    await style.add(ANNA, said(10))
    assert (await style.profile(ANNA)).sample_count == 10  # type: ignore[union-attr]
    await store.client.set(keys.style(BEN), "garbage")
    assert await style.profile(BEN) is None


async def test_linked_contacts_are_one_person_until_they_are_parted(store: Store, style: StyleStore) -> None:
    links = PersonStore(store)
    await style.add(ANNA, said(10))
    await style.add(BEN, said(5, first=100))
    assert (await style.profile(ANNA)).sample_count == 10  # type: ignore[union-attr]
    await links.link((ANNA, "local"), (BEN, "local"))
    assert await style.own(BEN) == [*said(10), *said(5, first=100)]
    for contact in (ANNA, BEN):
        assert (await style.profile(contact)).sample_count == 15  # type: ignore[union-attr]
    await style.add(BEN, said(6, first=100))
    assert (await style.profile(ANNA)).sample_count == 16  # type: ignore[union-attr]
    await links.unlink(ANNA)
    assert (await style.profile(ANNA)).sample_count == 10  # type: ignore[union-attr]
    assert await style.profile(BEN) is None


async def test_forgetting_a_contact_leaves_none_of_it(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(20))
    await style.profile(ANNA)
    await PersonStore(store).forget(ANNA, "local")
    assert await everything(store.client, "*local:anna*") == {}


async def test_what_cannot_be_read_hides_nothing_else(style: StyleStore, store: Store) -> None:
    await style.add(ANNA, said(12))
    await store.client.hset(keys.own_messages(ANNA), mapping={"x": "{", "m3": "[]"})
    await store.client.hset(keys.STYLE_OVERALL, mapping={"x": "{"})
    assert len(await style.own(ANNA)) == 11
    assert (await style.overall()).sample_count == 12  # type: ignore[union-attr]
    assert await style.add(ANNA, said(12)) == 0
    assert len(await style.own(ANNA)) == 12


def _words_of(messages: Sequence[OwnMessage]) -> str:
    return " ".join(message.text + message.before for message in messages)


async def test_nothing_of_one_contact_is_read_for_another_in_any_order(setup: Setup, store: Store) -> None:
    style, rng = StyleStore(store), Random(5)
    names = [f"c{number}" for number in range(6)]
    await let_in(setup, *names)
    for step in range(200):
        name = rng.choice(names)
        batch = said(rng.randint(1, 8), f"secret-{name}", rng.randint(0, 500), f"canary-{name}")
        await style.add(ContactId(f"local:{name}"), batch)
        other = rng.choice(names)
        read = _words_of(await style.own(ContactId(f"local:{other}"))) + str(await style.profile(ContactId(f"local:{other}")))
        assert not [each for each in names if each != other and f"-{each} " in read + " "], step
    assert "secret" not in str(await style.overall())
