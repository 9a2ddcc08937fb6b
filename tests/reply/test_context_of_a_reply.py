"""What a reply needs to know comes in one look, and is what each repository says by itself."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.town import Town
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.config.loader import Setup
from secondme.core.enums import Relationship
from secondme.core.errors import DataError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.records import Mail, OwnMessage
from secondme.core.reply.leaks import _index
from secondme.core.reply.store import ReplyContext
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
PREDECESSOR = (
    b'{"messageLengths":[10,20,30,12,9,8,11,10,10,10],"emojiCounts":[0],"formalityScores":[0.2],"punctuationData":{"ellipsisCount":0,'
    b'"exclamationCount":1,"questionCount":1,"periodEndCount":1},"greetings":[],"signOffs":[],"sampleCount":10}'
)


class CountingStore(Store):
    """Remembers what was asked of the server, and how often."""

    trips = 0

    async def call(self, command: Awaitable[Any], extra_s: float = 0.0) -> Any:
        self.trips += 1
        return await super().call(command, extra_s)


async def _begun(town: Town, who: str, *texts: str) -> Any:
    await town.let_in(who)
    for text in texts:
        await town.writes(who, text)
    (token,) = await town.tokens()
    return await town.inbox.begin(token, "w")


@pytest.mark.parametrize("text", ["hi", "could you tell me where we meet tomorrow?"], ids=["small talk", "substance"])
async def test_a_reply_asks_the_store_once_before_it_is_paid_for_and_settled(
    setup: Setup, store: Store, model: ScriptedModel, text: str
) -> None:
    assert await store.client.dbsize() == 0
    async with CountingStore(setup, Role.ATTACH) as counting:
        town = Town(setup, counting, model, Random(7))
        burst = await _begun(town, "anna", text)
        await town.gateway.answer(burst)  # the first one of a minute adds up how the owner writes to everybody
        counting.trips = 0
        await town.gateway.answer(burst)
        assert counting.trips == 3, "the context, the charge and its settlement"
        await town.services.close()


async def _a_life(town: Town, who: str, contact: ContactId, own: int) -> Mail:
    """Turns before and after a message, one that waits to leave and one that may have left, what the owner wrote, and who it is."""
    burst = await _begun(town, who, "one", "two")
    await town.gateway.answer(burst)
    await town.writes(who, "three")
    said = [
        OwnMessage(id=f"{who}{n}", at=datetime.now(UTC) - timedelta(days=n), text=f"well then {n}", before="so?", follows=False)
        for n in range(own)
    ]
    await town.services.style.add(contact, said)
    await town.store.client.set(keys.style(contact), PREDECESSOR)
    await town.services.relationships.heard(contact, Relationship.FRIEND, 0.9, 1)
    return burst.mail[-1]  # type: ignore[no-any-return]


async def _by_themselves(town: Town, contact: ContactId, most: int, before: Mail | None) -> ReplyContext:
    services = town.services
    return ReplyContext(
        members=await services.persons.members(contact),
        turns=await services.history.recent(contact, most, before),
        profile=await services.style.profile(contact),
        own=await services.style.own(contact),
        relationship=await services.relationships.of(contact),
        personas=await services.persona_use.all(),
        has_outages=bool((await services.outages.look())[0]),
        has_skills=any((await services.skill_store.states()).values()),
    )


@pytest.mark.parametrize("linked", [False, True], ids=["alone", "linked"])
@pytest.mark.parametrize("own", [0, 3, 60])
@pytest.mark.parametrize("chosen", [False, True], ids=["nothing chosen", "chosen"])
async def test_one_look_says_what_each_repository_says(town: Town, linked: bool, own: int, chosen: bool) -> None:
    before = await _a_life(town, "anna", ANNA, own)
    await _a_life(town, "ben", BEN, 4)
    if linked:
        await town.services.persons.link((ANNA, "local"), (BEN, "local"))
    if chosen:
        await town.services.relationships.set_by_owner(ANNA, Relationship.FAMILY)
        await town.services.persona_use.set("default", "work")
        await town.services.skill_store.set_state("clock", on=True)
        await town.store.client.hset(keys.MODEL_OUTAGES, "account", '{"code":"c","message":"m","fix":"f","since_ms":1}')
    for _ in range(2):  # the second time with the profile that was kept
        for most, since in ((100, None), (100, before), (1, before)):
            expected = await _by_themselves(town, ANNA, most, since)
            assert await town.services.contexts.of(ANNA, most, since) == expected
    assert (len(expected.members), expected.profile is not None) == (2 if linked else 1, True)


@pytest.mark.parametrize(
    "make", [keys.person_of, keys.history, keys.outbox, keys.held, keys.style_cache, keys.own_messages, keys.relationship]
)
async def test_a_record_of_the_wrong_type_is_its_contacts_trouble(town: Town, make: Any) -> None:
    await _a_life(town, "anna", ANNA, 3)
    await town.store.client.delete(make(ANNA))
    await town.store.client.sadd(make(ANNA), "wrong")
    with pytest.raises(DataError):
        await town.services.contexts.of(ANNA, 10)


async def test_the_predecessors_style_of_the_wrong_type_is_none(town: Town) -> None:
    await _a_life(town, "anna", ANNA, 3)
    await town.store.client.delete(keys.style(ANNA))
    await town.store.client.sadd(keys.style(ANNA), "wrong")
    assert (await town.services.contexts.of(ANNA, 10)).profile is None


async def test_a_choice_of_everybodys_persona_that_cannot_be_read_is_no_contacts_fault(town: Town) -> None:
    burst = await _begun(town, "anna", "hi")
    await town.store.client.set(keys.PERSONA_USE, "wrong")
    with pytest.raises(UnavailableError, match=keys.PERSONA_USE):
        await town.rooms.agent.compose_reply(burst)


@pytest.mark.parametrize("key", [keys.MODEL_OUTAGES, keys.SKILLS_STATE])
async def test_what_is_beside_the_reply_does_not_stop_it(town: Town, key: str) -> None:
    burst = await _begun(town, "anna", "could you tell me where we meet tomorrow?")
    await town.store.client.set(key, "wrong")
    assert getattr(await town.gateway.answer(burst), "why", "") == "answered"


@given(st.lists(st.text(alphabet="abcdefg .,_-éß漢字", max_size=120), max_size=5))
def test_what_was_told_in_parts_is_indexed_as_if_it_was_told_at_once(parts: list[str]) -> None:
    """A reply may not repeat what reaches from one part into the next either."""
    found, whole = _index(tuple(parts)), _index(("\n".join(parts),))
    assert (found.runs, found.letters, found.pieces) == (whole.runs, whole.letters, whole.pieces)
