"""The owner's choices for one contact, and for everybody."""

import json

import pytest
from fakes.process import knock, let_in
from fakes.town import Town
from fakes.watching import Ear

from secondme.core.admit.contacts import ContactService
from secondme.core.admit.store import ContactChoices
from secondme.core.config.loader import Setup
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.reply.store import PersonaUse
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.persons import PersonStore

ANNA = ContactId("local:anna")


@pytest.fixture
async def choices(setup: Setup, store: Store) -> ContactChoices:
    """Anna is let in, with a field that we do not know."""
    await let_in(setup, "anna", tier=Tier.RESTRICTED)
    record = json.loads(await store.client.get(keys.approved(ANNA)) or "")
    await store.client.set(keys.approved(ANNA), json.dumps({**record, "notes": "Ö {}", "ofTomorrow": [1, {"a": "b"}]}))
    return ContactChoices(store)


async def stored(store: Store) -> dict[str, object]:
    return dict(json.loads(await store.client.get(keys.approved(ANNA)) or ""))


async def test_a_choice_is_kept_and_taken_back_and_leaves_the_rest_alone(choices: ContactChoices, store: Store) -> None:
    before = await stored(store)
    assert (await choices.set_persona(ANNA, "família")).persona == "família"
    assert (await choices.set_mode(ANNA, ReplyMode.OBSERVE)).mode is ReplyMode.OBSERVE
    assert await stored(store) == {**before, "persona": "família", "replyMode": "observe"}
    assert (await choices.set_persona(ANNA, None)).persona is None
    record = await choices.set_mode(ANNA, None)
    assert (record.reply_mode, record.mode) == (None, ReplyMode.DRAFT)
    assert await stored(store) == before
    assert await store.client.ttl(keys.approved(ANNA)) == -1


async def test_a_choice_is_said_as_an_edit_of_the_contact(choices: ContactChoices, ear: Ear) -> None:
    await choices.set_mode(ANNA, ReplyMode.OFF)
    (event,) = await ear.heard()
    assert event.pop("timestamp") > 0
    assert event == {"channel": "events:pairing", "type": "pairing_edited", "contactId": ANNA, "tier": "restricted"}


async def test_nobody_who_was_not_let_in_gets_a_choice(setup: Setup, store: Store) -> None:
    await knock(store, setup, "ben")
    for contact in (ContactId("local:ben"), ContactId("local:nobody")):
        with pytest.raises(NotFoundError):
            await ContactChoices(store).set_persona(contact, "x")
        assert not await store.client.exists(keys.approved(contact))


@pytest.mark.parametrize("raw", ["", "nonsense", "[]", '{"tier":"owner"}', '{"tier":"trusted","approvedAt":1,"contactId":7}'])
async def test_a_corrupt_approval_is_left_as_it_is(store: Store, raw: str) -> None:
    await store.client.set(keys.approved(ANNA), raw)
    with pytest.raises(DataError):
        await ContactChoices(store).set_mode(ANNA, ReplyMode.AUTO)
    assert await store.client.get(keys.approved(ANNA)) == raw.encode()


async def test_what_is_used_for_everybody_and_for_a_relationship(store: Store) -> None:
    use = PersonaUse(store)
    assert await use.all() == {}
    await use.set("relationship:friend", "pals")
    await use.set("default", "me")
    await use.set("default", "home")
    assert await use.all() == {"default": "home", "relationship:friend": "pals"}
    assert await use.clear("default")
    assert not await use.clear("default")
    assert await use.all() == {"relationship:friend": "pals"}


async def test_a_slot_that_is_none_of_ours_is_neither_written_nor_read(store: Store) -> None:
    use = PersonaUse(store)
    for slot in ("relationship:boss", "contact:x", ""):
        with pytest.raises(ValueError, match="no such slot"):
            await use.set(slot, "x")
    await store.client.hset(keys.PERSONA_USE, mapping={"relationship:boss": "x", "default": "", b"\xff": b"\xff"})
    assert await use.all() == {}


async def nothing(_: ContactId) -> None:
    """No files to erase."""


async def test_a_choice_is_for_every_contact_of_the_person(town: Town) -> None:
    for who in ("anna", "ann2", "ben"):
        await town.let_in(who)
    links, choices = PersonStore(town.store), ContactChoices(town.store)
    await ContactService(links, town.pairing, town.security, nothing, by="test").link("local:anna", "local:ann2")
    await choices.set_mode(ContactId("local:ann2"), ReplyMode.DRAFT)
    await choices.set_persona(ANNA, "family")
    assert set(await links.members(ANNA)) == {ANNA, ContactId("local:ann2")}
    records = {who: await town.pairing.approved(ContactId(f"local:{who}")) for who in ("anna", "ann2", "ben")}
    assert {who: (record.mode, record.persona) for who, record in records.items() if record} == {
        "anna": (ReplyMode.DRAFT, "family"),
        "ann2": (ReplyMode.DRAFT, "family"),
        "ben": (ReplyMode.AUTO, None),
    }
