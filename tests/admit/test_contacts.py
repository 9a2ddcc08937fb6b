"""Persons: linked contacts share approval and memory, and can be parted or forgotten."""

import asyncio
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import everything

from secondme.core.admit.contacts import ContactService
from secondme.core.enums import Tier
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Challenge
from secondme.core.store import keys
from secondme.core.store.persons import PersonStore

ANNA, TELE, THIRD = ContactId("local:anna"), ContactId("local:tele"), ContactId("local:third")


@pytest.fixture
def contacts(town: Town) -> ContactService:
    town.erased = []  # type: ignore[attr-defined]

    async def erase(contact: ContactId) -> None:
        town.erased.append(contact)  # type: ignore[attr-defined]

    return ContactService(PersonStore(town.store), town.pairing, town.security, erase, by="test")


async def test_linked_contacts_share_the_approval_and_its_tier(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await town.writes("tele", "hi, it is me")
    assert await contacts.link(TELE, ANNA) == "linked"
    record = await town.pairing.approved(TELE)
    assert record is not None
    assert (record.tier, record.approved_by) == (Tier.TRUSTED, "link")
    assert await town.writes("tele", "now?") is Admission.QUEUED
    assert (await town.pairing.stats()).pending == 0
    assert (await town.pairing.stats()).approved == 2
    assert await contacts.link(ANNA, TELE) == "already"
    assert await contacts.members(TELE) == [TELE, ANNA]


async def test_linked_contacts_have_one_memory_and_replies_go_where_the_message_came_from(
    town: Town, contacts: ContactService
) -> None:
    await town.let_in("anna")
    await town.let_in("tele")
    await contacts.link(ANNA, TELE)
    await town.writes("anna", "my cat is called Mia")
    assert await town.work() == ["answered"]
    await town.deliver()
    town.channel.shown.clear()
    await town.writes("tele", "what is my cat called?")
    assert await town.work() == ["answered"]
    await town.deliver()
    assert "my cat is called Mia" in str(town.model.prompts[-1].turns)
    assert {who for who, _ in town.channel.shown.values()} == {TELE}


async def test_contacts_that_are_not_linked_have_no_common_memory(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna")
    await town.let_in("tele")
    await contacts.link(ANNA, TELE)
    await contacts.unlink(TELE)
    await town.writes("anna", "my cat is called Mia")
    await town.writes("tele", "what is my cat called?")
    await town.work()
    for prompt in town.model.prompts:
        assert ("Mia" in str(prompt.turns)) != ("what is my cat" in str(prompt.turns))


@pytest.mark.parametrize("verb", ["revoke", "deny"])
async def test_what_is_decided_about_one_is_decided_about_the_person(town: Town, contacts: ContactService, verb: str) -> None:
    await town.let_in("anna")
    await contacts.link(ANNA, TELE)
    await contacts.link(THIRD, TELE)
    await getattr(town.owner, verb)(TELE)
    expected = Challenge.DENIED if verb == "deny" else Challenge.PROMPTED
    for who in ("anna", "tele", "third"):
        outcome = await town.writes(who, "hello?")
        assert outcome is (Admission.DENIED if verb == "deny" else expected)
    assert not await town.raw_keys("HISTORY:*")


async def test_the_tier_and_a_new_approval_are_shared(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna")
    await contacts.link(ANNA, TELE)
    await town.owner.edit(TELE, tier=Tier.RESTRICTED, notes="careful")
    record = await town.pairing.approved(ANNA)
    assert record is not None
    assert (record.tier, record.notes) == (Tier.RESTRICTED, "careful")
    await town.owner.revoke(ANNA)
    await town.writes("tele", "hi")
    await town.owner.approve(TELE, Tier.TRUSTED)
    assert await town.writes("anna", "hi") is Admission.QUEUED


async def test_a_link_can_be_undone_and_who_came_in_by_it_is_a_stranger_again(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna")
    await contacts.link(ANNA, TELE)
    await town.writes("tele", "remember me")
    assert await contacts.unlink(TELE) == "unlinked_and_revoked"
    assert not await town.raw_keys("HISTORY:local:tele*")
    assert await town.writes("tele", "hi") is Challenge.PROMPTED
    assert await town.writes("anna", "hi") is Admission.QUEUED
    with pytest.raises(NotFoundError):
        await contacts.unlink(TELE)


async def test_two_who_were_both_let_in_stay_so_when_parted(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna")
    await town.let_in("tele", Tier.RESTRICTED)
    await contacts.link(ANNA, TELE)
    assert await contacts.unlink(ANNA) == "unlinked"
    assert await town.writes("anna", "hi") is Admission.QUEUED
    record = await town.pairing.approved(TELE)
    assert record is not None
    assert record.tier is Tier.RESTRICTED


async def test_links_that_cannot_be(town: Town, contacts: ContactService) -> None:
    with pytest.raises(NotFoundError, match="Neither"):
        await contacts.link(ANNA, TELE)
    with pytest.raises(DataError):
        await contacts.link(ANNA, ANNA)
    with pytest.raises(NotFoundError):
        await contacts.link(ANNA, "not an id")
    await town.let_in("anna")
    await town.writes("tele", "hi")
    await town.owner.deny(TELE)
    with pytest.raises(BusyError, match="denied"):
        await contacts.link(ANNA, TELE)
    for pair in (("a1", "a2"), ("b1", "b2")):
        await town.let_in(pair[0])
        await contacts.link(f"local:{pair[0]}", f"local:{pair[1]}")
    with pytest.raises(BusyError, match="persons already"):
        await contacts.link("local:a1", "local:b2")


async def test_a_hundred_links_at_once_make_one_person(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna")
    others = [f"local:p{number}" for number in range(20)]
    results: list[Any] = await asyncio.gather(
        *(contacts.link(ANNA, other) for other in others for _ in range(5)), return_exceptions=True
    )
    done = [result for result in results if result == "linked"]
    members = await contacts.members(ANNA)
    assert len(members) == len(done) + 1
    assert all(isinstance(result, BusyError) or result in {"linked", "already"} for result in results)


async def test_forgetting_leaves_nothing_of_a_person_under_any_of_their_contacts(town: Town, contacts: ContactService) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.let_in("bystander")
    await contacts.link(ANNA, TELE)
    for who in ("anna", "tele"):
        await town.writes(who, f"canary of {who}")
    await town.work()  # held: restricted
    await town.writes("anna", "one more canary")
    await town.control.pause(ANNA, None)
    client = town.store.client
    await client.set(keys.CONTACTS, '[{"id":"local:anna","name":"Anna C"},{"id":"local:else","name":"E"}]')
    await client.zadd(keys.TOKEN_USAGE, {'{"contactId":"local:tele","tokens":3}': 1, '{"contactId":"local:else"}': 2})
    await client.hset(keys.relationship(ANNA), "currentType", "friend")
    await client.set(keys.style(TELE), "{}")
    for make in (*keys.OF_A_CONTACT, keys.mailbox):  # what `doctor --fix` put aside
        await client.set(keys.broken(make(ANNA)), "canary")
    assert sorted(await contacts.forget(TELE)) == sorted([ANNA, TELE])
    found = str(await everything(client))
    for canary in ("canary", "local:anna", "local:tele", "Anna C"):
        assert canary not in found, canary
    for kept in ("local:bystander", "local:else"):
        assert kept in found
    assert town.erased == [TELE, ANNA]  # type: ignore[attr-defined]
    assert (await town.pairing.stats()).approved == 1
    with pytest.raises(NotFoundError):
        await contacts.forget(TELE)
    assert await town.writes("anna", "hello again") is Challenge.PROMPTED


async def test_forgetting_one_who_waits_frees_their_code(town: Town, contacts: ContactService) -> None:
    await town.writes("anna", "hi")
    await contacts.forget(ANNA)
    assert await town.raw_keys("PAIRING:codes:*") == []
    assert (await town.pairing.stats()).pending == 0
