"""Is the one contact found that the owner means, however they are named, and never another one?"""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.admit import contact_lookup
from secondme.core.admit.contact_lookup import (
    APPROVED,
    CHAT,
    COMMANDS,
    CONVERSATION,
    DENIABLE,
    DENIED,
    ERASABLE,
    EXACTLY,
    KNOWN,
    WAITING,
    SeveralContactsError,
    Wanted,
    meant_contact,
    meant_person,
)
from secondme.core.admit.pairing_store import Listing
from secondme.core.clock import from_ms
from secondme.core.enums import State, Tier
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest

NOW = from_ms(1_800_000_000_000)


def approved(contact: str, name: str = "", number: str = "") -> ApprovedContact:
    return ApprovedContact(
        contact_id=contact,
        phone_number=number or contact,
        display_name=name or None,
        approved_at=NOW,
        approved_by="owner",
        tier=Tier.STANDARD,
    )


def waiting(contact: str, name: str, code: str) -> PairingRequest:
    return PairingRequest.model_validate(
        {
            "contactId": contact,
            "phoneNumber": contact,
            "displayName": name,
            "channelId": "local",
            "code": code,
            "requestedAt": NOW,
            "status": "pending",
            "expiresAt": NOW,
        }
    )


def denied(contact: str, name: str) -> DeniedContact:
    return DeniedContact(
        contact_id=contact, phone_number=contact, display_name=name, denied_at=NOW, denied_by="owner", expires_at=NOW
    )


PEOPLE = Listing(
    pending=[waiting("local:ben", "Mum", "123456"), waiting("telegram:777000111", "Olga", "654321")],
    approved=[
        approved("491512345678@c.us", "Mum", "+49 151 2345678"),
        approved("5511987654321@c.us", "João", "5511987654321"),
        approved("telegram:12345678", "Maria José"),
        approved("local:maria-jose", "María José"),
        approved("local:mario", "Mario"),
        approved("whatsapp_cloud:4930111222", "Rita Smith", "4930111222"),
        approved("local:twin", "Twin"),
        approved("telegram:55", "twin"),
    ],
    denied=[denied("local:cara", "Cara")],
    invites=[],
    corrupt=[],
)


@pytest.mark.parametrize(
    ("typed", "wanted", "meant"),
    [
        ("491512345678@c.us", APPROVED, "491512345678@c.us"),
        (" 491512345678@s.whatsapp.net ", APPROVED, "491512345678@c.us"),
        ("mum", APPROVED, "491512345678@c.us"),  # and not the stranger who calls themselves so
        ("MARÍA JOSÉ", APPROVED, "local:maria-jose"),
        ("mari\u0301a jose\u0301", APPROVED, "local:maria-jose"),
        ("maria-jose", APPROVED, "local:maria-jose"),
        ("mario", APPROVED, "local:mario"),
        ("+49 151 2345678", APPROVED, "491512345678@c.us"),
        ("0049 (151) 234-5678", APPROVED, "491512345678@c.us"),
        ("0151/2345678", APPROVED, "491512345678@c.us"),
        ("491512345678", APPROVED, "491512345678@c.us"),
        ("+55 11 8765-4321", APPROVED, "5511987654321@c.us"),  # Brazil, without the ninth digit
        ("030 111222", APPROVED, "whatsapp_cloud:4930111222"),
        ("4915", APPROVED, "491512345678@c.us"),
        ("4915…", APPROVED, "491512345678@c.us"),
        ("whatsapp_cloud:4930", APPROVED, "whatsapp_cloud:4930111222"),
        ("telegram:1234", APPROVED, "telegram:12345678"),
        ("12345678", APPROVED, "telegram:12345678"),
        ("123456", DENIABLE, "local:ben"),
        ("654321", KNOWN, "telegram:777000111"),
        ("cara", DENIED, "local:cara"),
        ("local:nobody", EXACTLY, "local:nobody"),
        ("local:mar", EXACTLY, "local:mar"),  # as it stands, and nobody's beginning
        ("telegram:1234567", WAITING, "telegram:1234567"),
        ("777 000 111", WAITING, "telegram:777000111"),
    ],
)
def test_the_one_who_is_meant_is_found(typed: str, wanted: Wanted, meant: str) -> None:
    assert meant_contact(typed, PEOPLE, wanted) == meant


@pytest.mark.parametrize(
    ("typed", "wanted", "code", "said", "fix"),
    [
        ("local:mroi", APPROVED, "unknown_contact", "No approved contact", "Did you mean local:mario?"),
        ("telegram:9", APPROVED, "unknown_contact", "No approved contact", "secondme contacts list"),
        ("whatsapp_cloud", APPROVED, "unknown_contact", "No approved contact", "secondme contacts list"),
        ("whatsapp_cloud:", APPROVED, "unknown_contact", "No approved contact", ""),
        ("telegram:zeno", APPROVED, "unknown_contact", "No approved contact", "secondme contacts list"),
        ("Rita", APPROVED, "unknown_contact", "No approved contact", "Did you mean Rita Smith?"),
        ("telegram:1234567", APPROVED, "unknown_contact", "No approved contact", "Did you mean telegram:12345678?"),
        ("1234567", APPROVED, "unknown_contact", "No approved contact", "Did you mean Maria José?"),
        ("Twin", APPROVED, "ambiguous_contact", "local:twin (Twin, approved), telegram:55 (twin, approved)", "by its id"),
        ("local:mar", ERASABLE, "unknown_contact", "No approved contact", "Did you mean local:maria-jose or local:mario?"),
        ("telegram:1234", CONVERSATION, "unknown_contact", "No approved contact", "Did you mean telegram:12345678?"),
        ("local:mari", APPROVED, "ambiguous_contact", "2 contacts: local:maria-jose", "by its id"),
        ("local:ben", APPROVED, "not_approved", "Mum (local:ben) waits and was not", "secondme pairing approve 123456"),
        ("cara", APPROVED, "contact_denied", "Cara (local:cara) is denied.", "secondme pairing unblock local:cara"),
        ("Mum", WAITING, "unknown_contact", "Nobody with that code or id waits.", "Did you mean local:ben?"),
        ("ben", WAITING, "unknown_contact", "Nobody with that code or id waits.", "Did you mean local:ben?"),
        ("7770", WAITING, "unknown_contact", "Nobody with that code or id waits.", "Did you mean telegram:777000111?"),
        ("olg", WAITING, "unknown_contact", "Nobody with that code or id waits.", "Did you mean telegram:777000111?"),
        ("Rita", WAITING, "unknown_contact", "Nobody with that code or id waits.", "secondme contacts list"),
        ("mario", DENIED, "not_denied", "Mario (local:mario) is approved and not denied.", "secondme contacts list"),
        ("", APPROVED, "unknown_contact", "No approved contact", "secondme contacts list"),
        ("\u200b", APPROVED, "unknown_contact", "No approved contact", "secondme contacts list"),
    ],
)
def test_nobody_else_is(typed: str, wanted: Wanted, code: str, said: str, fix: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        meant_contact(typed, PEOPLE, wanted)
    assert (caught.value.code, said in caught.value.message, fix in caught.value.fix) == (code, True, True), vars(caught.value)


def test_only_those_are_offered_for_whom_the_verb_makes_sense() -> None:
    of_paused = replace(APPROVED, likeliest=frozenset({"telegram:55"}))
    assert meant_contact("Twin", PEOPLE, of_paused) == "telegram:55"
    with pytest.raises(NotFoundError) as caught:
        meant_contact("maro", PEOPLE, of_paused)
    assert caught.value.fix == "secondme contacts list"
    assert meant_contact("mario", PEOPLE, of_paused) == "local:mario"  # and it is said that there is nothing to resume


async def test_of_a_linked_person_any_contact_will_do_unless_it_is_about_one_channel() -> None:
    async def members(contact: ContactId) -> list[ContactId]:
        return [contact, *(ContactId(each) for each in ("local:twin", "telegram:55") if each != contact)]

    async def alone(contact: ContactId) -> list[ContactId]:
        return [contact]

    assert await meant_person("twin", PEOPLE, APPROVED, members, COMMANDS) == "telegram:55"
    for wanted, persons in ((CONVERSATION, members), (APPROVED, alone)):
        with pytest.raises(SeveralContactsError):
            await meant_person("twin", PEOPLE, wanted, persons, COMMANDS)


def test_in_the_owners_chat_the_way_on_is_a_word_of_that_chat() -> None:
    for typed, fix in (("local:ben", "approve 123456"), ("xyz", "list shows who there is.")):
        with pytest.raises(NotFoundError) as caught:
            meant_contact(typed, PEOPLE, APPROVED, CHAT)
        assert caught.value.fix == fix


@given(
    st.one_of(st.text(max_size=30), st.sampled_from([each.contact_id for each in PEOPLE.approved]).map(lambda each: each[:-1])),
    st.sampled_from([APPROVED, DENIED, DENIABLE, KNOWN, WAITING, EXACTLY]),
)
def test_whatever_is_typed_means_somebody_who_fits_or_a_whole_id_or_nobody(typed: str, wanted: Wanted) -> None:
    states = {State.PENDING: PEOPLE.pending, State.APPROVED: PEOPLE.approved, State.DENIED: PEOPLE.denied}
    fitting = {each.contact_id for state in wanted.states for each in states[state]}  # type: ignore[attr-defined]
    with contextlib.suppress(NotFoundError):
        found = meant_contact(typed, PEOPLE, wanted)
        assert found in fitting or (wanted.takes_anybody and contact_lookup.is_whole_id(typed))
