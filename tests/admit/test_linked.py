"""Linked contacts are one person: one tier and one mode, the strictest of any, in every list, at the gate and where replies leave."""

import itertools
import json
import random
from datetime import timedelta

import pytest
from fakes.house import house
from fakes.town import Town

from secondme.core.enums import Relationship, ReplyMode, Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Admission
from secondme.core.records import ApprovedContact, default_mode, strictest
from secondme.core.store import keys

ANNA, TELE, THIRD = ContactId("local:anna"), ContactId("local:tele"), ContactId("local:third")
TIERS = [Tier.RESTRICTED, Tier.STANDARD, Tier.TRUSTED]
MODES = [ReplyMode.OFF, ReplyMode.OBSERVE, ReplyMode.DRAFT, ReplyMode.AUTO]
EVERY = list(itertools.product(TIERS, [*MODES, None]))
"""Every way in which an approval can say how its contact is answered."""


def approval(contact: str, tier: Tier, mode: ReplyMode | None) -> str:
    """An approval as the store keeps it."""
    record = {"contactId": contact, "phoneNumber": contact, "channelId": "local", "approvedAt": 1, "approvedBy": "owner"}
    return json.dumps({**record, "tier": tier.value, **({"replyMode": mode.value} if mode else {})})


def record_of(contact: str, tier: Tier, mode: ReplyMode | None) -> ApprovedContact:
    return ApprovedContact.decode(approval(contact, tier, mode).encode(), keys.approved(contact))


async def standing(town: Town, contact: ContactId) -> tuple[Tier, ReplyMode | None]:
    """The tier and the word of the owner's that the store has for a contact."""
    record = await town.pairing.approved(contact)
    assert record is not None
    return record.tier, record.reply_mode


async def link(town: Town, *others: ContactId) -> None:
    for other in others:
        await town.services.contacts.link(ANNA, other)


@pytest.mark.parametrize("ways", [2, 3])
def test_the_stricter_wins_whatever_the_order(ways: int) -> None:
    for combination in itertools.product(EVERY, repeat=ways):
        contacts = [record_of(f"local:{number}", *each) for number, each in enumerate(combination)]
        tier, mode = strictest(contacts)
        answered = mode or default_mode(tier)
        assert tier is min((each.tier for each in contacts), key=TIERS.index)
        assert answered is min((each.mode for each in contacts), key=MODES.index)
        assert strictest(contacts[::-1]) == (tier, mode)
        assert strictest([record_of("local:x", tier, mode)] * ways) == (tier, mode)
        if mode is not None:
            assert mode in {each.mode for each in contacts}


async def test_scripts_say_the_same_of_every_combination(town: Town) -> None:
    await town.let_in("anna")
    await link(town, TELE, THIRD)
    client = town.store.client
    triples = random.Random(7).sample(list(itertools.product(EVERY, repeat=3)), 300)
    for combination in [*((*pair, pair[0]) for pair in itertools.product(EVERY, repeat=2)), *triples]:
        members = (ANNA, TELE, THIRD)
        for contact, each in zip(members, combination, strict=True):
            await client.set(keys.approved(contact), approval(contact, *each))
        wanted = strictest([record_of(contact, *each) for contact, each in zip(members, combination, strict=True)])
        await town.services.persons.agree(TELE)
        assert [await standing(town, each) for each in members] == [wanted] * 3, combination


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [ANNA, TELE])
async def test_the_gate_and_the_reply_do_what_the_list_says(town: Town, mode: ReplyMode, first: ContactId) -> None:
    await town.let_in("anna")
    await town.let_in("tele", Tier.TRUSTED)
    await town.services.answering.set_mode(first, mode)
    await link(town, TELE)
    assert {await standing(town, each) for each in (ANNA, TELE)} == {(Tier.STANDARD, None if mode is ReplyMode.AUTO else mode)}
    said = {
        ReplyMode.OFF: Admission.OFF,
        ReplyMode.OBSERVE: Admission.OBSERVED,
        ReplyMode.DRAFT: Admission.QUEUED,
        ReplyMode.AUTO: Admission.QUEUED,
    }
    for who in ("anna", "tele"):
        assert await town.writes(who, "hello?") is said[mode]
        await town.work()
    await town.deliver()
    held, _ = await town.drafts.waiting()
    sent = {contact for contact, _ in town.channel.shown.values()}
    assert {each.contact_id for each in held} == ({ANNA, TELE} if mode is ReplyMode.DRAFT else set())
    assert sent == ({ANNA, TELE} if mode is ReplyMode.AUTO else set())


async def test_a_reply_that_is_on_its_way_is_held_when_a_link_makes_its_contact_stricter(town: Town) -> None:
    await town.let_in("anna")
    await town.let_in("tele", Tier.RESTRICTED)
    await town.writes("anna", "hello?")
    await town.work()
    await link(town, TELE)
    await town.deliver()
    (draft,) = (await town.drafts.waiting())[0]
    assert (draft.contact_id, draft.reason, town.channel.shown) == (ANNA, "mode", {})


async def test_who_comes_in_by_a_link_is_answered_as_the_other_is(town: Town) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await town.services.answering.set_mode(ANNA, ReplyMode.OFF)
    await town.services.choices.set_persona(ANNA, "family")
    await town.services.answering.set_speech(ANNA, "never")
    await link(town, TELE)
    record = await town.pairing.approved(TELE)
    assert record is not None
    assert (record.mode, record.persona, record.speech) == (ReplyMode.OFF, "family", "never")
    assert await town.writes("tele", "hi") is Admission.OFF


@pytest.mark.parametrize("named", [ANNA, TELE])
async def test_the_owner_can_say_otherwise_of_the_person_by_any_of_their_contacts(town: Town, named: ContactId) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await town.let_in("tele", Tier.RESTRICTED)
    await link(town, TELE)
    record = await town.services.answering.set_mode(named, ReplyMode.AUTO)
    assert (record.tier, record.mode) == (Tier.RESTRICTED, ReplyMode.AUTO)
    assert {await standing(town, each) for each in (ANNA, TELE)} == {(Tier.RESTRICTED, ReplyMode.AUTO)}
    assert (await town.owner.edit(named, tier=Tier.TRUSTED)).tier == "trusted"
    assert {await standing(town, each) for each in (ANNA, TELE)} == {(Tier.TRUSTED, ReplyMode.AUTO)}
    await town.services.answering.set_mode(named, None)
    assert {await standing(town, each) for each in (ANNA, TELE)} == {(Tier.TRUSTED, None)}


async def test_a_later_approval_is_no_laxer_than_the_person_and_says_so(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await link(town, TELE)
    await town.store.client.delete(keys.approved(TELE))
    await town.writes("tele", "me again")
    decision = await town.owner.approve(TELE, Tier.TRUSTED)
    assert (decision.outcome, decision.tier) == ("approved", "restricted")
    assert await standing(town, TELE) == (Tier.RESTRICTED, None)


async def test_an_invite_makes_nobody_laxer_than_their_person(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await link(town, TELE)
    await town.store.client.delete(keys.approved(TELE))
    invite = await town.owner.invite("Tele", Tier.TRUSTED, timedelta(days=1))
    await town.writes("tele", invite.code)
    assert await standing(town, TELE) == (Tier.RESTRICTED, None)


async def test_persons_of_an_older_version_agree_when_a_gateway_starts(town: Town) -> None:
    await town.let_in("anna")
    await town.let_in("alone", Tier.TRUSTED)
    await link(town, TELE, THIRD)
    for contact, tier, mode in (
        (ANNA, Tier.TRUSTED, None),
        (TELE, Tier.STANDARD, ReplyMode.OBSERVE),
        (THIRD, Tier.RESTRICTED, None),
    ):
        await town.store.client.set(keys.approved(contact), approval(contact, tier, mode))
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
    assert {await standing(town, each) for each in (ANNA, TELE, THIRD)} == {(Tier.RESTRICTED, ReplyMode.OBSERVE)}
    assert await standing(town, ContactId("local:alone")) == (Tier.TRUSTED, None)


async def test_a_broken_approval_of_one_contact_stops_nothing(town: Town) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await link(town, TELE)
    await town.store.client.delete(keys.approved(TELE))
    await town.store.client.rpush(keys.approved(TELE), "wrong")
    await town.services.persons.agree(ANNA)
    assert (await town.owner.edit(ANNA, tier=Tier.RESTRICTED)).tier == "restricted"
    assert (await town.services.answering.set_mode(ANNA, ReplyMode.OFF)).mode is ReplyMode.OFF


async def test_a_person_is_paused_resumed_and_related_as_one(town: Town) -> None:
    await town.let_in("anna")
    await link(town, TELE)
    await town.services.pauses.pause(TELE)
    assert [await town.writes(who, "hi") for who in ("anna", "tele")] == [Admission.PAUSED] * 2
    assert {each.contact for each in await town.services.pauses.missed(ANNA)} == set()
    assert await town.services.pauses.resume(ANNA) == "resumed"
    assert {each.contact for each in await town.services.pauses.missed(ANNA)} == {ANNA, TELE}
    assert await town.services.pauses.answer_missed(TELE) == 2
    await town.services.relationships.set_by_owner(TELE, Relationship.FAMILY)
    assert (await town.services.relationships.of(ANNA)).type is Relationship.FAMILY
