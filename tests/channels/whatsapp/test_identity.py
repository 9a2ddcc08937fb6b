"""Who is who: two people are never taken for one, and nothing but the library's own word makes two addresses one person."""

from itertools import product
from random import Random
from typing import Any

import pytest
from fakes.whatsapp_protos import OWN_DEVICE, OWN_LID, OWN_PHONE, info, jid, message, source, text

from secondme.channels.whatsapp.device.messages import read_chat, read_message
from secondme.channels.whatsapp.jids import Jid, OwnDevice, PersonJids, as_person, jid_of, person_of
from secondme.core.ids import is_contact_id
from secondme.core.messages import ChatKind

OWN = OwnDevice(OWN_PHONE, OWN_LID, OWN_DEVICE, "The owner")
NOBODYS = ("hosted", "hosted.lid", "bot", "newsletter", "msgr", "interop", "g.us", "broadcast", "call", "")


def unknown(_: Jid) -> None:
    return None


def test_one_persons_addresses_are_one_contact() -> None:
    for server, device in product(("s.whatsapp.net", "c.us"), (0, 1, 12, 99)):
        person = as_person(Jid("4915112345678", server, device))
        assert person is not None
        assert person.contact_id == "4915112345678@c.us"


def test_a_hidden_number_is_a_person_of_its_own_until_the_library_vouches() -> None:
    digits = "4915112345678"
    assert person_of(Jid(digits, "lid", 3), None, unknown) == PersonJids(lid=digits)
    vouched = person_of(Jid(digits, "lid"), Jid("49170999888", "s.whatsapp.net"), unknown)
    assert vouched is not None
    assert (vouched.contact_id, vouched.aliases) == ("49170999888@c.us", (f"{digits}@lid",))


def test_the_librarys_store_is_asked_only_when_the_message_does_not_say() -> None:
    asked: list[Jid] = []

    def resolve(address: Jid) -> Jid:
        asked.append(address)
        return Jid("49170999888", "s.whatsapp.net")

    hidden = Jid("111222333444", "lid", 5)
    assert person_of(hidden, Jid("49160111222", "s.whatsapp.net"), resolve) == PersonJids("49160111222", "111222333444")
    assert asked == []
    assert person_of(hidden, None, resolve) == PersonJids("49170999888", "111222333444")
    assert asked == [Jid("111222333444", "lid")]


@pytest.mark.parametrize("server", NOBODYS)
def test_only_two_servers_have_people(server: str) -> None:
    assert as_person(Jid("4915112345678", server)) is None


@pytest.mark.parametrize(
    "address",
    [
        Jid("0", "s.whatsapp.net"),
        Jid("status", "s.whatsapp.net"),
        Jid("4915112345678:12", "s.whatsapp.net"),
        Jid("٤٩١٥١١٢٣٤٥٦٧٨", "s.whatsapp.net"),
        Jid("4915112345678", "s.whatsapp.net", agent=128),
        Jid("4915112345678", "s.whatsapp.net", integrator=1),
        Jid("13135550002", "s.whatsapp.net"),
        Jid("9" * 21, "lid"),
    ],
)
def test_odd_addresses_are_nobodys(address: Jid) -> None:
    assert as_person(address) is None


def test_ids_and_addresses_belong_together() -> None:
    assert jid_of("4915112345678@c.us") == Jid("4915112345678", "s.whatsapp.net")
    assert jid_of("111222333444@lid") == Jid("111222333444", "lid")
    for other in ("telegram:12345", "4915112345678", "1@c.us", "4915112345678@g.us", "status@broadcast", "49151:12@c.us", "a@lid"):
        assert jid_of(other) is None


def directs(event: Any, resolve: Any = unknown) -> dict[str, Any] | None:
    return read_message(event, OWN, resolve, 0, lambda _: False)


def test_500_generated_aliases_never_merge_two_people() -> None:
    """Pairs of phone and hidden number whose digits collide on purpose, with device suffixes and hosted look-alikes."""
    rng = Random(7)
    pool = [str(rng.randrange(10**10, 10**13)) for _ in range(40)]
    phones = rng.sample(pool, 20)
    people = {phone: rng.choice([lid for lid in pool if lid != phone]) for phone in phones}
    people = {phone: lid for phone, lid in people.items() if list(people.values()).count(lid) == 1}
    by_lid = {lid: phone for phone, lid in people.items()}
    owners: dict[str, set[str]] = {}
    wrong = seen = 0
    while seen < 500:
        phone, lid = rng.choice(list(people.items()))
        server, device = rng.choice(["s.whatsapp.net", "lid", "hosted", "hosted.lid"]), rng.choice([0, 0, 3, 12])
        chat_server = rng.choice(["s.whatsapp.net", "lid"])
        says, knows = rng.random() < 0.5, rng.random() < 0.5
        sender = jid(lid if "lid" in server else phone, server, device)
        alternative = jid(phone) if server == "lid" else jid(lid, "lid")

        def resolve(address: Jid, *, knows: bool = knows) -> Jid | None:
            if not knows:
                return None
            known = by_lid.get(address.user) if address.server == "lid" else people.get(address.user)
            return Jid(known, "s.whatsapp.net" if address.server == "lid" else "lid") if known else None

        where = source(jid(phone if chat_server != "lid" else lid, chat_server), sender, SenderAlt=alternative if says else jid())
        found = directs(message(info(where), text("hi")), resolve)
        seen += 1
        if found is None:
            continue
        ids = {found["contact"], *found["aliases"]}
        wrong += not ids <= {f"{phone}@c.us", f"{lid}@lid"}
        wrong += not all(map(is_contact_id, ids))
        wrong += found["phone"] not in {"", phone}
        wrong += server.startswith("hosted")
        owners.setdefault(found["contact"], set()).add(phone)
    assert wrong == 0
    assert all(len(behind) == 1 for behind in owners.values())
    assert len(owners) > 15


def hostile_places() -> Any:
    """Groups, lists, status, channels and chats whose person is not the sender."""
    anna, bert, hidden = jid("4915112345678"), jid("4917098765432"), jid("111222333444", "lid")
    for sender, alternative in product((anna, hidden, jid("4915112345678", device=4)), (jid(), bert, anna, hidden)):
        for chat in (jid("120363000000000000", "g.us"), jid("4915112345678-1600000000", "g.us")):
            for is_group in (True, False):
                yield source(chat, sender, SenderAlt=alternative, IsGroup=is_group)
        yield source(anna, sender, SenderAlt=alternative, IsGroup=True)
        yield source(jid("status", "broadcast"), sender, SenderAlt=alternative)
        yield source(jid("1600000000", "broadcast"), sender, SenderAlt=alternative)
        yield source(jid("120363000000000001", "newsletter"), sender, SenderAlt=alternative)
        yield source(anna, sender, SenderAlt=alternative, BroadcastListOwner=anna)
        yield source(jid(), sender, SenderAlt=alternative)
        yield source(jid("4930123456"), sender, SenderAlt=alternative)
        yield source(sender, jid(), SenderAlt=alternative)
        for server in NOBODYS:
            yield source(jid("4915112345678", server), sender, SenderAlt=alternative)


def test_200_payloads_of_groups_lists_status_and_channels_hold_no_direct_message() -> None:
    places = list(hostile_places())
    kinds = [read_chat(info(place), OWN, unknown) for place in places]
    assert len(places) >= 200
    assert [chat for chat in kinds if chat.kind is ChatKind.DIRECT] == []
    assert [directs(message(info(place), text("hi"))) for place in places] == [None] * len(places)
    assert read_chat(info(source(jid("status", "broadcast"), jid("4915112345678"))), OWN, unknown).kind is ChatKind.STATUS
    assert read_chat(info(source(jid("160", "broadcast"), jid("4915112345678"))), OWN, unknown).kind is ChatKind.BROADCAST


def test_a_message_to_many_is_no_direct_message() -> None:
    anna = jid("4915112345678")
    assert read_chat(info(source(anna, anna), multicast=True), OWN, unknown).kind is ChatKind.BROADCAST


def test_identity_never_comes_from_a_quote() -> None:
    quoting = text("")
    quoting.extendedTextMessage.text = "look what Bert wrote"
    quoting.extendedTextMessage.contextInfo.participant = "4917098765432@s.whatsapp.net"
    quoting.extendedTextMessage.contextInfo.remoteJID = "4917098765432@s.whatsapp.net"
    quoting.extendedTextMessage.contextInfo.stanzaID = "QUOTED"
    quoting.ClearField("conversation")
    anna = jid("4915112345678")
    found = directs(message(info(source(anna, anna)), quoting))
    assert found is not None
    assert (found["contact"], found["replyTo"]) == ("4915112345678@c.us", "QUOTED")
    assert "4917098765432" not in str(found)


def test_an_account_that_says_it_is_the_owner_but_has_another_address_is_nobody() -> None:
    anna, own = jid("4915112345678"), jid(OWN_PHONE)
    assert directs(message(info(source(anna, anna, IsFromMe=True)), text("resume all"))) is None
    assert directs(message(info(source(own, anna, IsFromMe=True)), text("resume all"))) is None
    assert directs(message(info(source(own, own)), text("resume all"))) is None


def test_the_owners_hidden_address_is_the_owner_even_before_we_know_it() -> None:
    """Missing a message of the owner would let the clone go on talking."""
    hidden, anna = jid(OWN_LID, "lid"), jid("4915112345678")
    found = read_message(
        message(info(source(anna, hidden, IsFromMe=True)), text("I am here")), OwnDevice(OWN_PHONE), unknown, 0, lambda _: False
    )
    assert found is not None
    assert (found["contact"], found["fromMe"]) == ("4915112345678@c.us", True)
