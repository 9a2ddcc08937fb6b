"""The records on the wire: the predecessor's names, Unix milliseconds, and lifetimes that agree with them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import Ear, calls

from secondme.core.admit.pairing_store import PairingStore, Stats
from secondme.core.enums import State, Tier
from secondme.core.errors import DataError
from secondme.core.ids import ContactId
from secondme.core.records import Record
from secondme.core.store import keys

TownWith = Callable[..., Town]
ANNA = ContactId("local:anna")


async def _stored(town: Town, key: str) -> tuple[dict[str, Any], int]:
    """The record at `key` and the milliseconds it has left (-1: for ever)."""
    raw = await town.store.client.get(key)
    assert raw is not None
    return json.loads(raw), await town.store.client.pttl(key)


async def test_a_request_has_the_documents_fields_and_lives_as_long_as_it_says(town: Town) -> None:
    now = await town.control.now_ms()
    await town.writes("anna", "hi", phone_number="+4915112345678", display_name="Anna Ö")
    record, left = await _stored(town, "PAIRING:pending:local:anna")
    code = record["code"]
    assert record == {
        "contactId": "local:anna",
        "phoneNumber": "+4915112345678",
        "displayName": "Anna Ö",
        "channelId": "local",
        "code": code,
        "requestedAt": record["requestedAt"],
        "status": "pending",
        "expiresAt": record["requestedAt"] + 1_800_000,
    }
    assert isinstance(record["requestedAt"], int)
    assert now <= record["requestedAt"] < now + 60_000
    assert 1_700_000 < left <= 1_800_000
    assert await town.store.client.get(f"PAIRING:codes:{code}") == b"local:anna"
    assert 1_700_000 < await town.store.client.pttl(f"PAIRING:codes:{code}") <= 1_800_000


async def test_a_request_without_a_name_or_number_leaves_the_name_out_and_keeps_the_id_as_number(town: Town) -> None:
    await town.writes("anna", "hi", phone_number="", display_name="\u200b")
    record, _ = await _stored(town, "PAIRING:pending:local:anna")
    assert "displayName" not in record
    assert record["phoneNumber"] == "local:anna"


async def test_an_approval_has_the_documents_fields_and_lives_for_ever(town: Town) -> None:
    await town.writes("anna", "hi", phone_number="+49")
    await town.owner.approve(ANNA, Tier.TRUSTED, "my sister")
    record, left = await _stored(town, "PAIRING:approved:local:anna")
    assert isinstance(record.pop("approvedAt"), int)
    assert record == {
        "contactId": "local:anna",
        "phoneNumber": "+49",
        "displayName": "Anna",
        "channelId": "local",
        "approvedBy": "test",
        "tier": "trusted",
        "notes": "my sister",
    }
    assert left == -1


async def test_a_denial_has_the_documents_fields_and_ends_after_its_cooldown(town_with: TownWith) -> None:
    town = town_with(pairing__denial_cooldown_hours=2)
    await town.writes("anna", "hi", phone_number="+49")
    await town.owner.deny(ANNA, "spam")
    record, left = await _stored(town, "PAIRING:denied:local:anna")
    assert record["expiresAt"] - record.pop("deniedAt") == 7_200_000
    assert isinstance(record.pop("expiresAt"), int)
    assert record == {
        "contactId": "local:anna",
        "phoneNumber": "+49",
        "displayName": "Anna",
        "channelId": "local",
        "deniedBy": "test",
        "reason": "spam",
    }
    assert 7_100_000 < left <= 7_200_000


async def test_an_invite_lives_as_long_as_the_owner_said(town: Town) -> None:
    invite = await town.owner.invite("Cousin", Tier.RESTRICTED, timedelta(minutes=90))
    record, left = await _stored(town, f"PAIRING:invites:{invite.code}")
    assert record == json.loads(invite.encode())
    assert record["expiresAt"] - record["createdAt"] == 5_400_000
    assert (record["tier"], record["name"]) == ("restricted", "Cousin")
    assert 5_300_000 < left <= 5_400_000


@pytest.mark.parametrize("verb", ["deny", "revoke"])
async def test_who_is_shut_out_leaves_nothing_behind_that_was_learnt_or_kept_about_them(town: Town, verb: str) -> None:
    await town.let_in("anna")
    await town.let_in("ben")
    client = town.store.client
    for who in (ANNA, "local:ben"):
        await client.set(keys.style(who), "{}")
        await client.hset(keys.relationship(who), mapping={"currentType": "friend"})
        await client.set(keys.relationship_override(who), "1")
        await client.rpush(keys.dead(who), "a message nobody could work on")
        await client.zadd(keys.DEAD_INDEX, {who: 1})
        await client.set(keys.last_reply(who), "1")
    await (town.owner.deny(ANNA) if verb == "deny" else town.owner.revoke(ANNA))
    outliving = {
        keys.mailbox(ANNA),
        keys.seen(ANNA),
        keys.denied(ANNA),
    }  # fences against old work and old mail, and the denial itself
    assert set(await town.raw_keys(f"*{ANNA}*")) - outliving == set()
    assert await client.zrange(keys.DEAD_INDEX, 0, -1) == [b"local:ben"]
    others = {
        keys.style("local:ben"),
        keys.relationship("local:ben"),
        keys.relationship_override("local:ben"),
        keys.dead("local:ben"),
    }
    assert others <= set(await town.raw_keys("*local:ben*"))


async def test_only_an_approval_and_the_bookkeeping_of_who_is_in_which_state_live_for_ever(town: Town) -> None:
    await town.let_in("anna")
    for who in ("ben", "cleo"):
        await town.writes(who, "hi")
    await town.writes("cleo", "000000")
    await town.owner.deny("local:ben")
    await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))
    await town.writes("anna", "hi")
    names = await town.raw_keys("*")
    for_ever = {key for key in names if await town.store.client.pttl(key) == -1}
    trimmed = {"OUTBOX:due:local", "QUEUE:messages", "QUEUE:active", "INBOX:local:anna", "EVENTS:log"}
    indexes = {f"PAIRING:index:{name}" for name in ("pending", "approved", "denied", "invites")}
    assert for_ever <= {"PAIRING:approved:local:anna", "PAIRING:stats"} | indexes | trimmed


async def test_editing_keeps_every_field_known_to_us_or_not(town: Town, ear: Ear) -> None:
    await town.let_in("anna")
    await ear.heard()
    record, _ = await _stored(town, "PAIRING:approved:local:anna")
    await town.store.client.set("PAIRING:approved:local:anna", json.dumps({**record, "futureField": {"a": [1]}, "notes": "n"}))
    await town.owner.edit(ANNA, tier=Tier.TRUSTED)
    edited, _ = await _stored(town, "PAIRING:approved:local:anna")
    assert edited == {**record, "futureField": {"a": [1]}, "notes": "n", "tier": "trusted"}
    assert [(event["type"], event["tier"]) for event in await ear.heard()] == [("pairing_edited", "trusted")]


async def test_the_counts_are_right_at_the_moment_after_an_expiry_and_it_is_said_once(town: Town, ear: Ear) -> None:
    for who in ("anna", "ben", "cleo"):
        await town.writes(who, "hi")
    await town.owner.deny("local:cleo")
    await ear.heard()
    for state, who in (("pending", "anna"), ("denied", "cleo")):
        await town.store.client.pexpireat(f"PAIRING:{state}:local:{who}", 1)
        await town.store.client.zadd(f"PAIRING:index:{state}", {f"local:{who}": 1})
    assert [await town.pairing.stats() for _ in range(2)] == [Stats(1, 0, 0)] * 2
    assert await town.store.client.hgetall("PAIRING:stats") == {
        b"pending_count": b"1",
        b"approved_count": b"0",
        b"denied_count": b"0",
    }
    assert [(event["type"], event["contactId"]) for event in await ear.heard()] == [("pairing_expired", "local:anna")]


async def test_an_expiry_nobody_swept_is_said_when_its_contact_knocks_again(town: Town, ear: Ear) -> None:
    await town.writes("anna", "hi")
    await town.store.client.pexpireat("PAIRING:pending:local:anna", 1)
    await town.store.client.zadd("PAIRING:index:pending", {"local:anna": 1})
    await town.writes("anna", "hi")
    assert [event["type"] for event in await ear.heard()] == ["pairing_request", "pairing_expired", "pairing_request"]


async def test_listing_reads_indexes_in_pages_and_never_the_keyspace(town_with: TownWith) -> None:
    town = town_with(pairing__max_pending_requests=2000, pairing__prompt="silent")
    for n in range(620):
        await town.writes(f"s{n}", "hi")
    await town.owner.approve("local:s7")
    await town.owner.approve("local:s3")
    await town.store.client.zadd("PAIRING:index:approved", {"local:s7": 1})  # the older one, also within one millisecond
    await town.store.client.config_resetstat()
    listing = await town.pairing.listing()
    asked = await calls(town.store.client)
    assert (len(listing.pending), len({request.contact_id for request in listing.pending})) == (618, 618)
    assert [contact.contact_id for contact in listing.approved] == ["local:s3", "local:s7"]
    assert [request.expires_at for request in listing.pending] == sorted(request.expires_at for request in listing.pending)
    assert not {"keys", "scan"} & set(asked)


async def test_a_corrupt_record_hides_nobody_else_from_the_list(town: Town) -> None:
    for who in ("anna", "ben", "cleo"):
        await town.writes(who, "hi")
    await town.store.client.set("PAIRING:pending:local:ben", "{")
    listing = await town.pairing.listing()
    assert sorted(request.contact_id for request in listing.pending) == ["local:anna", "local:cleo"]
    assert [error.message for error in listing.corrupt] == [
        "The record PAIRING:pending:local:ben cannot be read; it was left as it is."
    ]


@pytest.mark.parametrize("record", Record.__subclasses__())
def test_every_field_of_every_record_is_camel_case_outside(record: type[Record]) -> None:
    aliases = [field.alias or name for name, field in record.model_fields.items()]
    assert not [alias for alias in aliases if "_" in alias or not alias[0].islower()]


async def _approve_many(town: Town, moments: list[int]) -> list[str]:
    """People who were approved at these moments; their ids, as the list has them."""
    people = [f"local:p{number:04}" for number in range(len(moments))]
    pipe = town.store.client.pipeline(transaction=False)
    for who, at in zip(people, moments, strict=True):
        record = {"contactId": who, "phoneNumber": who, "approvedAt": at, "approvedBy": "x", "tier": "standard"}
        pipe.set(keys.approved(who), json.dumps(record))
        pipe.zadd(keys.INDEX_APPROVED, {who: at})
    await pipe.execute()
    return [who for _, who in sorted(zip(moments, people, strict=True), reverse=True)]


@pytest.mark.parametrize("limit", [1, 7, 149, 150, 151, 500])
async def test_pages_are_the_list_also_where_many_came_in_one_moment(town: Town, limit: int) -> None:
    people = await _approve_many(town, [1_700_000_000_000 + number // 200 for number in range(401)])
    assert [each.contact_id for each in (await town.pairing.listing()).approved] == people
    found, after = [], ""
    while True:
        page = await town.pairing.page(State.APPROVED, lambda _: True, limit=limit, after=after)
        found += [each.contact_id for each in page.people]
        after = page.following
        if not after:
            break
        assert len(page.people) == limit
    assert found == people


@pytest.mark.parametrize("came_back", [False, True])
async def test_a_page_goes_on_where_its_last_contact_has_left(town: Town, came_back: bool) -> None:
    people = await _approve_many(town, [1_700_000_000_000 + number for number in range(10)])
    page = await town.pairing.page(State.APPROVED, lambda _: True, limit=4)
    await town.owner.revoke(people[3])
    if came_back:
        await _approve_many(town, [1_700_000_000_000 + number for number in range(10)])
        await town.store.client.zadd(keys.INDEX_APPROVED, {people[3]: 1_800_000_000_000})
    rest = await town.pairing.page(State.APPROVED, lambda _: True, limit=100, after=page.following)
    assert [each.contact_id for each in rest.people] == people[4:]


async def test_a_long_list_is_read_in_slices_and_a_record_once(town: Town) -> None:
    await _approve_many(town, list(range(1_700_000_000_000, 1_700_000_000_400)))
    store = PairingStore(town.store, town.setup.settings.pairing)
    first, second = [[each async for each in store.slices(State.APPROVED)] for _ in range(2)]
    assert [len(each.entries) for each in first] == [150, 150, 100]
    assert all(
        a is b for one, two in zip(first, second, strict=True) for (_, a), (_, b) in zip(one.entries, two.entries, strict=True)
    )


@pytest.mark.parametrize("place", ["x", "/local:anna", "-5/local:anna", "\u0661/local:anna", "5/"])
async def test_what_is_no_place_is_refused(town: Town, place: str) -> None:
    with pytest.raises(DataError, match="no such page"):
        await town.pairing.page(State.APPROVED, lambda _: True, limit=1, after=place)
