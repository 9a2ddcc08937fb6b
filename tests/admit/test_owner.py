"""What the owner decides, and what a decision leaves behind."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from fakes.town import Town
from fakes.watching import Ear, everything

from secondme.core.admit.pairing import WELCOME, channel_of
from secondme.core.enums import Tier
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ChannelId, ContactId
from secondme.core.messages import Admission, Challenge, ChannelContact, InboundMessage

TownWith = Callable[..., Town]
ANNA = ContactId("local:anna")
RECORDS = ("PAIRING:pending", "PAIRING:approved", "PAIRING:denied")
GARBAGE = [
    "", "garbage", "[]", "null", "7", '"text"', "{}", '{"contactId":"local:anna"}', '{"code":"123456","expiresAt":null}',
    '{"code":"123456","expiresAt":"soon","phoneNumber":"1"}', '{"code":123456,"expiresAt":9999999999999,"phoneNumber":"1"}',
    '{"code":"123456","expiresAt":9999999999999}', '{"tier":"standard"}', '{"tier":"vip","contactId":"local:anna"}', "\x80\xff",
]  # fmt: skip


async def test_an_approval_welcomes_once_and_may_be_repeated(town: Town, ear: Ear) -> None:
    await town.writes("anna", "hi")
    first = await town.owner.approve(ANNA, Tier.TRUSTED, "a\x1b[0m note")
    again = await town.owner.approve(ANNA, Tier.RESTRICTED)
    await town.deliver()
    contact = await town.pairing.approved(ANNA)
    assert contact is not None
    assert (first.outcome, again.outcome) == ("approved", "already_approved")
    assert (contact.tier, contact.notes, contact.approved_by) == (Tier.TRUSTED, "a[0m note", "test")
    assert town.channel.texts(ANNA) == [WELCOME]
    assert [event["type"] for event in await ear.heard()] == ["pairing_request", "pairing_approved"]


async def test_a_denial_beats_an_approval_that_was_decided_before_it(town: Town) -> None:
    await town.writes("anna", "hi")
    request = await town.pairing.find(ANNA)
    assert request is not None
    await town.owner.deny(ANNA, "no")
    with pytest.raises(BusyError, match="denied meanwhile"):
        await town.owner.approve_request(request)
    assert await town.pairing.approved(ANNA) is None


async def test_a_request_that_was_looked_at_approves_no_later_one(town: Town) -> None:
    await town.writes("anna", "hi")
    old = await town.pairing.find(ANNA)
    assert old is not None
    await town.owner.deny(ANNA)
    await town.owner.unblock(ANNA)
    await town.writes("anna", "hi again")
    with pytest.raises(NotFoundError, match="expired, or already decided"):
        await town.owner.approve_request(old)
    assert (await town.pairing.stats()).pending == 1


async def test_a_code_whose_contact_has_a_newer_request_means_nobody(town: Town) -> None:
    await town.writes("anna", "hi")
    request = await town.pairing.find(ANNA)
    assert request is not None
    other = "000000" if request.code != "000000" else "000001"
    await town.store.client.set(f"PAIRING:codes:{other}", ANNA)
    with pytest.raises(NotFoundError, match="No request has this code"):
        await town.owner.approve(other)
    assert (await town.pairing.stats()).approved == 0


@pytest.mark.parametrize("step", ["deny", "revoke"])
async def test_turning_away_erases_what_was_kept_and_ends_the_work_on_it(town: Town, step: str) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "one")
    await town.work()  # a held reply
    await town.writes("anna", "two")
    await town.control.pause(ANNA, None)
    await (town.owner.deny(ANNA) if step == "deny" else town.owner.revoke(ANNA))
    left = {key.partition(":local:")[0] for key in await everything(town.store.client) if key.endswith("local:anna")}
    assert left == ({"PAIRING:denied"} if step == "deny" else set()) | {"MAILBOX", "SEEN", "SPENT"}
    assert await town.raw_keys("HISTORY*") + await town.raw_keys("HELD*") + await town.raw_keys("COUNTER*") == []
    assert await town.work() == ["gone"]
    assert await town.deliver() == []
    assert await town.writes("anna", "hi") is (Admission.DENIED if step == "deny" else Challenge.PROMPTED)


async def test_unknown_names_and_codes_are_not_found_and_say_what_to_type(town: Town) -> None:
    await town.let_in("ben")
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: town.owner.approve("123456"),
        lambda: town.owner.approve(ANNA),
        lambda: town.owner.approve("Anna"),
        lambda: town.owner.approve("telegram:anna"),
        lambda: town.owner.approve("nochannel:12345"),
        lambda: town.owner.approve("4915112345678@somewhere"),
        lambda: town.owner.approve("a b\x1b"),
        lambda: town.owner.deny(ANNA),
        lambda: town.owner.revoke(ANNA),
        lambda: town.owner.unblock("local:ben"),
        lambda: town.owner.edit(ANNA, tier=Tier.TRUSTED),
    ]
    for step in steps:
        with pytest.raises(NotFoundError) as caught:
            await step()
        assert caught.value.fix.startswith("secondme pairing list")
        assert "\x1b" not in caught.value.message
    await town.owner.deny("local:ben")
    with pytest.raises(NotFoundError, match="is denied") as caught:
        await town.owner.approve("local:ben")
    assert caught.value.fix == "secondme pairing unblock local:ben"


IDS = {
    "telegram:123456": "telegram",
    "4915112345678@c.us": "whatsapp",
    "123456789012345@lid": "whatsapp",
    "whatsapp_cloud:4915112345678": "whatsapp_cloud",
}


@pytest.mark.parametrize("contact", IDS)
async def test_who_never_asked_is_approved_by_their_id_and_told_nothing(town: Town, ear: Ear, contact: str) -> None:
    async def look_up(wanted: ContactId) -> ChannelContact | None:
        return ChannelContact(wanted, "Anna\u202e", "4915112345678") if wanted == contact else None

    decision = await town.owner.approve(contact, Tier.TRUSTED, "my sister", look_up)
    assert (decision.outcome, decision.display_name, decision.tier) == ("approved", "Anna", "trusted")
    kept = await town.pairing.approved(ContactId(contact))
    assert kept is not None
    assert (kept.channel_id, kept.notes, kept.phone_number, kept.approved_by) == (
        IDS[contact],
        "my sister",
        "4915112345678",
        "test",
    )
    assert await town.raw_keys("OUTBOX*") == []
    assert [event["type"] for event in await ear.heard() if event["channel"] == "events:pairing"] == ["pairing_approved"]
    assert (await town.owner.approve(contact)).outcome == "already_approved"
    assert (await town.pairing.stats()).approved == 1
    message = town.message("x", "hi", channel_id=ChannelId(IDS[contact]), contact_id=ContactId(contact))
    assert await town.gateway.receive(message) is Admission.QUEUED


TELEGRAM = ContactId("telegram:123456")


def _hello(town: Town) -> InboundMessage:
    return town.message("x", "hi", channel_id=ChannelId("telegram"), contact_id=TELEGRAM, normalized_contact_id=TELEGRAM)


async def test_a_denial_wins_over_an_approval_by_id_until_it_is_lifted(town: Town) -> None:
    await town.gateway.receive(_hello(town))
    await town.owner.deny(TELEGRAM)
    with pytest.raises(NotFoundError, match="is denied") as caught:
        await town.owner.approve(TELEGRAM)
    assert caught.value.fix == f"secondme pairing unblock {TELEGRAM}"
    await town.owner.unblock(TELEGRAM)
    assert (await town.owner.approve(TELEGRAM)).outcome == "approved"


async def test_an_approval_by_id_finds_a_request_that_came_meanwhile(town: Town) -> None:
    await town.gateway.receive(_hello(town))
    with pytest.raises(NotFoundError, match="is gone"):
        await town.pairing.approve_unasked(ChannelContact(TELEGRAM, ""), channel="telegram", by="test", tier=Tier.STANDARD)
    assert (await town.owner.approve(TELEGRAM)).outcome == "approved"


async def test_everybody_who_waits_is_approved_and_nobody_else(town: Town) -> None:
    for who in ("anna", "ben", "cleo"):
        await town.writes(who, "hi")
    await town.owner.deny("local:cleo")
    decisions = await town.owner.approve_all(Tier.RESTRICTED)
    assert sorted((decision.contact_id, decision.tier) for decision in decisions) == [
        ("local:anna", "restricted"),
        ("local:ben", "restricted"),
    ]
    stats = await town.pairing.stats()
    assert (stats.pending, stats.approved, stats.denied) == (0, 2, 1)


async def test_a_hundred_unused_invites_are_enough(town: Town) -> None:
    codes = {(await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))).code for _ in range(100)}
    assert len(codes) == 100
    with pytest.raises(BusyError, match="100 invites"):
        await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))
    await town.store.client.zadd("PAIRING:index:invites", {codes.pop(): 1})
    await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))


@pytest.mark.parametrize(
    ("contact", "channel"), [("49151@c.us", "whatsapp"), ("telegram:5", "telegram"), ("local:a@b", "whatsapp")]
)
def test_an_id_without_a_channel_in_its_record_has_one_by_its_form(contact: str, channel: str) -> None:
    assert channel_of(contact) == channel


# Records that cannot be read


@pytest.mark.parametrize("raw", GARBAGE)
@pytest.mark.parametrize("mode", ["owner", "self_verify"])
async def test_a_corrupt_record_at_any_key_lets_nobody_in_and_stops_no_message(town_with: TownWith, raw: str, mode: str) -> None:
    town = town_with(pairing__mode=mode)
    await town.store.client.set("PAIRING:pending:local:anna", raw.encode("latin-1"))
    await town.store.client.set("PAIRING:codes:123456", "local:anna")
    await town.store.client.set("PAIRING:invites:654321", raw.encode("latin-1"))
    before = await everything(town.store.client, "PAIRING:[pci]*:*")
    outcomes = [await town.writes("anna", text) for text in ("hi", "123456", "654321")]
    assert outcomes[1:] == [Challenge.WRONG_CODE] * 2
    assert outcomes[0] in {Challenge.PROMPTED, Challenge.ALREADY_PENDING}
    assert (await town.pairing.stats()).approved == 0
    after = await everything(town.store.client, "PAIRING:invites:*")
    assert after.items() <= before.items()


@pytest.mark.parametrize("raw", GARBAGE)
@pytest.mark.parametrize("key", RECORDS)
async def test_a_corrupt_record_is_named_and_left_as_it_is(town: Town, raw: str, key: str) -> None:
    value, name = raw.encode("latin-1"), f"{key}:local:anna"
    await town.store.client.set(name, value)
    await town.store.client.zadd(f"PAIRING:index:{key.partition(':')[2]}", {"local:anna": 9_999_999_999_999})
    reads: dict[str, list[Callable[[ContactId], Awaitable[object]]]] = {
        "PAIRING:pending": [town.pairing.find, town.owner.approve, town.owner.deny],
        "PAIRING:approved": [town.pairing.approved, partial(town.owner.edit, tier=Tier.TRUSTED), town.owner.approve],
        "PAIRING:denied": [town.pairing.denied],
    }
    for step in reads[key]:
        with pytest.raises(DataError) as caught:
            await step(ANNA)
        assert name in caught.value.message
        assert caught.value.code == "corrupt_record"
    listing = await town.pairing.listing()
    assert [name in error.message for error in listing.corrupt] == [True]
    assert await town.store.client.get(name) == value


@pytest.mark.parametrize("raw", GARBAGE)
async def test_a_corrupt_approval_can_still_be_denied_and_revoked(town: Town, raw: str) -> None:
    for step in (town.owner.revoke, town.owner.deny):
        await town.store.client.set("PAIRING:approved:local:anna", raw.encode("latin-1"))
        await step(ANNA)
        assert await town.store.client.exists("PAIRING:approved:local:anna") == 0
    denied = await town.pairing.denied(ANNA)
    assert denied is not None
    assert denied.denied_by == "test"


async def test_a_stored_request_that_was_damaged_after_it_was_looked_at_is_not_approved(town: Town) -> None:
    await town.writes("anna", "hi")
    request = await town.pairing.find(ANNA)
    assert request is not None
    for raw in GARBAGE:
        await town.store.client.set("PAIRING:pending:local:anna", raw.encode("latin-1"))
        with pytest.raises(DataError, match="PAIRING:pending:local:anna"):
            await town.owner.approve_request(request)
        assert await town.store.client.get("PAIRING:pending:local:anna") == raw.encode("latin-1")
    assert await town.raw_keys("PAIRING:approved:*") == []
