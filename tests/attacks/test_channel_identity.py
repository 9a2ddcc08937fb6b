"""Who is who, from what a platform hands over to what the gate decides: each channel's own parser, the real door and the real scripts."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from fakes.bot_api_updates import elsewhere, person, private, update
from fakes.town import Town
from fakes.watching import everything

from secondme.channels.telegram.updates import Skipped, understand
from secondme.channels.whatsapp.channel import read_received
from secondme.channels.whatsapp.jids import LID_SERVER, PHONE_SERVER, Jid, person_of
from secondme.channels.whatsapp_cloud.settings import account_of
from secondme.channels.whatsapp_cloud.webhook import read
from secondme.core.clock import SystemClock
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Challenge, ChatKind, InboundMessage
from secondme.core.store import keys

PHONE, HIDDEN, USER = "4915112345678", "98765432109876", "DE.1A2B3C4D5E"
BUSINESS = account_of({"phone_number_id": "1000", "owner_number": "4900000000"})
WIDE = {"pairing__max_pending_requests": 20_000, "pairing__prompt": "silent", "limits__messages": 100_000}
natives = itertools.count(1)


def now_ms() -> int:
    return SystemClock().now_ms()


def nobody(jid: Jid) -> Jid | None:
    """The library's store knows no other address."""
    del jid


def whatsapp(
    jid: Jid, alternative: Jid | None = None, resolve: Callable[[Jid], Jid | None] = nobody, text: str = "hi"
) -> InboundMessage | None:
    """What the linked device makes of a message from this address."""
    who = person_of(jid, alternative, resolve)
    if who is None:
        return None
    record = {
        "kind": "direct", "contact": who.contact_id, "phone": who.phone, "id": f"W{next(natives)}", "text": text, "sentMs": now_ms(), "name": "Anna",
        "fromMe": False, "attachments": [], "replyTo": "", "editOf": "", "aliases": list(who.aliases), "backlog": False,
    }  # fmt: skip
    return read_received(record)  # type: ignore[arg-type]


def cloud(phone: str = "", user: str = "", text: str = "hi", **fields: Any) -> InboundMessage | None:
    """What Meta's webhook makes of it."""
    message = {"id": f"wamid.{next(natives)}", "timestamp": str(now_ms() // 1000), "type": "text", "text": {"body": text}, **fields}
    message |= {name: value for name, value in (("from", phone), ("from_user_id", user)) if value}
    value = {
        "metadata": {"phone_number_id": "1000"},
        "contacts": [{"wa_id": PHONE, "profile": {"name": "Anna"}}],
        "messages": [message],
    }
    body = {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": value}]}]}
    return next(iter(read(body, BUSINESS, now_ms()).messages), None)


def telegram(user: int, **fields: Any) -> InboundMessage | None:
    """What the bot makes of it."""
    made = {**private(user, next(natives), text="hi", date=now_ms() // 1000), **fields}
    found = understand(update(1, made), None)
    return None if isinstance(found, Skipped) else found


def _numbers() -> list[str]:
    """Digits that somebody might take for the victim's, the victim's own, and every number one slip away from them."""
    known = [
        PHONE,
        f"00{PHONE}",
        PHONE[2:],
        f"0{PHONE[2:]}",
        f"{PHONE[:2]}0{PHONE[2:]}",
        f"{PHONE}0",
        f"{PHONE}12",
        HIDDEN,
        f"{HIDDEN}0",
    ]
    slips = {PHONE[:at] + digit + PHONE[at + 1 :] for at in range(len(PHONE)) for digit in "0123456789"}
    slips |= {PHONE[:at] + PHONE[at + 1 :] for at in range(len(PHONE))} | {
        PHONE[:at] + PHONE[at] + PHONE[at:] for at in range(len(PHONE))
    }
    return [*known, *sorted(slips - {PHONE})]


def _strangers() -> Iterator[InboundMessage]:
    """Everybody whom a platform vouches to be somebody else than the three victims, however much they look like them."""
    servers = (
        PHONE_SERVER,
        "c.us",
        LID_SERVER,
        "hosted",
        "hosted.lid",
        "g.us",
        "broadcast",
        "newsletter",
        "msgr",
        "interop",
        "bot",
    )
    for digits, server, device, agent in itertools.product(_numbers(), servers, (0, 12), (0, 1, 2)):
        others = [None, Jid(digits, PHONE_SERVER), Jid(digits, LID_SERVER), Jid("4915199999999", PHONE_SERVER), Jid(PHONE, "g.us")]
        for other in others:
            found = whatsapp(Jid(digits, server, device, agent), other)
            if found is not None and found.contact_id != f"{PHONE}@c.us":
                yield found
    for digits, user in itertools.product(
        [*_numbers(), f"+{PHONE}", f"{PHONE}@c.us", f"whatsapp_cloud:{PHONE}", ""],
        (USER, f"{USER}x", USER.lower(), "DE." + PHONE, ""),
    ):
        found = cloud(digits, user)
        if found is not None and found.contact_id not in {f"whatsapp_cloud:{PHONE}", f"whatsapp_cloud:{USER}"}:
            yield found
    disguises: list[dict[str, Any]] = [
        {},
        {"contact": {"phone_number": PHONE, "user_id": 4_300_001}},
        {"forward_from": person(4_300_001)},
    ]
    for digits, fields in itertools.product(_numbers(), disguises):
        found = telegram(int(digits), **{"from": person(int(digits), PHONE, username="id4300001"), **fields})
        if found is not None:
            yield found


async def _victims(town: Any, decide: Callable[[str], Any]) -> list[InboundMessage]:
    """One person on each channel, about whom the owner has decided."""
    found = [whatsapp(Jid(PHONE, PHONE_SERVER)), cloud(PHONE, USER), telegram(4_300_001)]
    victims = [each for each in found if each is not None]
    assert len(victims) == 3
    for victim in victims:
        await town.gateway.receive(victim)
        await decide(victim.contact_id)
    return victims


async def test_no_look_alike_of_an_approved_contact_is_let_in_on_any_channel(town_with: Callable[..., Town]) -> None:
    town = town_with(**WIDE)
    await _victims(town, town.owner.approve)
    every = list(_strangers())
    one_of_each = {each.contact_id: each for each in random.Random(5).sample(every, len(every))}
    chosen = random.Random(6).sample(sorted(one_of_each.values(), key=lambda each: each.contact_id), 500)
    outcomes = Counter([(await town.gateway.receive(each)).value for each in chosen])
    stats = await town.pairing.stats()
    channels = Counter(each.channel_id for each in chosen)
    print(
        f"500 look-alikes {dict(channels)} of {len(one_of_each)} ids: {dict(outcomes)}; approved {stats.approved}; cross-approvals 0"
    )
    assert outcomes == {Challenge.REQUESTED.value: 500}
    assert min(channels.values()) > 50
    assert stats.approved == 3
    assert await town.raw_keys("INBOX:*") == await town.raw_keys("HISTORY:*") == []
    for again in (
        whatsapp(Jid(PHONE, "c.us", 12)),
        whatsapp(Jid(HIDDEN, LID_SERVER), Jid(PHONE, PHONE_SERVER)),
        cloud(PHONE),
        telegram(4_300_001),
    ):
        assert again is not None
        assert await town.gateway.receive(again) is Admission.QUEUED  # and they themselves are known, however they come


async def test_nobody_who_is_denied_comes_back_under_another_id_that_the_platform_vouches_for(
    town_with: Callable[..., Town],
) -> None:
    town = town_with(**WIDE)
    invite = await town.pairing.invite(name="", tier=Tier.STANDARD, ttl=timedelta(hours=1))
    outcomes: Counter[str] = Counter()
    for number in range(250):
        phone, hidden, user = f"49151{number:08}", f"987650000{number:05}", f"DE.U{number:08}"
        lid, jid = Jid(hidden, LID_SERVER), Jid(phone, PHONE_SERVER)
        known = {lid: jid, jid: lid}
        text = invite.code if number % 5 == 0 else "me again"
        first = whatsapp(lid) if number % 2 else cloud(user=user)
        assert first is not None
        await town.gateway.receive(first)
        await town.owner.deny(first.contact_id)
        for again in (
            [
                whatsapp(lid, jid, text=text),
                whatsapp(jid, lid, text=text),
                whatsapp(lid, None, known.get, text),
                whatsapp(jid, None, known.get, text),
            ]
            if number % 2
            else [
                cloud(phone, user, text),
                cloud(phone, user, text, type="unsupported", errors=[]),
                cloud("", user, text),
                cloud(phone, user, f"{text} "),
            ]
        ):
            assert again is not None
            outcomes[(await town.gateway.receive(again)).value] += 1
    print(f"250 denied contacts under {outcomes.total()} other spellings: {dict(outcomes)}; came back 0")
    assert outcomes.total() == 1_000
    assert set(outcomes) == {"denied"}
    stats = await town.pairing.stats()
    assert (stats.approved, stats.pending) == (0, 0)
    assert await town.store.client.exists(keys.invite(invite.code)) == 1  # which is for somebody else


async def test_two_hundred_messages_of_groups_are_not_looked_at_and_leave_nothing(town_with: Callable[..., Town]) -> None:
    town = town_with(**WIDE)
    victim = 4_300_001
    await _victims(town, town.owner.approve)
    before = await everything(town.store.client)
    found = [understand(each, victim) for each in elsewhere(victim)]
    assert len(found) == 200
    messages = [each for each in found if isinstance(each, InboundMessage)]
    groups = [cloud(PHONE, USER, group_id=f"g{number}") for number in range(50)]
    messages += [each for each in groups if each is not None]
    outcomes = Counter([(await town.gateway.receive(each)).value for each in messages])
    nobodies = [whatsapp(Jid(f"{PHONE}-{number}" if number % 2 else f"1203630{number:011}", "g.us")) for number in range(50)]
    print(
        f"200 payloads of Telegram's groups ({len(found) - len(messages) + 50} unreadable), 50 of Meta's: {dict(outcomes)}; 50 of WhatsApp's: no person"
    )
    assert {each.kind for each in messages} <= {ChatKind.GROUP, ChatKind.BROADCAST}
    assert set(outcomes) == {"ignored"}
    assert nobodies == [None] * 50
    assert await everything(town.store.client) == before


def _spellings() -> dict[str, list[InboundMessage | None]]:
    """Twenty ways in which each platform names the same person."""
    phone, hidden = Jid(PHONE, PHONE_SERVER), Jid(HIDDEN, LID_SERVER)
    known = {phone: hidden, hidden: phone}
    linked = [whatsapp(Jid(PHONE, server, device)) for server in (PHONE_SERVER, "c.us") for device in (0, 1, 12, 47)]
    linked += [
        whatsapp(Jid(HIDDEN, LID_SERVER, device, agent), Jid(PHONE, PHONE_SERVER, 3)) for device in (0, 12) for agent in (0, 1)
    ]
    linked += [whatsapp(Jid(HIDDEN, LID_SERVER, device), None, known.get) for device in (0, 1, 2, 99)]
    linked += [whatsapp(Jid(PHONE, PHONE_SERVER, device), Jid(HIDDEN, LID_SERVER), known.get) for device in (0, 1, 2, 99)]
    names: list[dict[str, Any]] = [{}, {"username": "anna"}, {"last_name": "Z"}, {"first_name": ""}, {"language_code": "de"}]
    chats: list[dict[str, Any]] = [{}, {"username": "other"}, {"first_name": "Else"}, {"title": "t"}]
    told = [
        telegram(4_300_001, **{"from": {**person(4_300_001), **name}, "chat": {"id": 4_300_001, "type": "private", **chat}})
        for name in names
        for chat in chats
    ]
    users = ["", USER, "DE.ENT.X1", "not one", "4915199999999"]
    meta = [cloud(PHONE, user, **more) for user in users for more in ({}, {"context": {"from": "4915199999999", "id": "x"}}, {"profile": {"name": "B"}}, {"to": "1"})]  # fmt: skip
    return {"whatsapp": linked, "telegram": told, "whatsapp_cloud": meta}


async def test_twenty_spellings_of_one_person_share_one_limit_on_every_channel(town_with: Callable[..., Town]) -> None:
    town = town_with(pairing__prompt="silent")
    await _victims(town, town.owner.approve)
    for channel, spellings in _spellings().items():
        assert len(spellings) == 20
        outcomes = []
        for each in spellings:
            assert each is not None
            outcomes.append(await town.gateway.receive(each))
        buckets = await town.raw_keys(f"SEEN:{spellings[0].contact_id}*")  # type: ignore[union-attr]
        print(f"{channel}: 20 spellings, {len({each.contact_id for each in spellings if each})} id, {len(buckets)} bucket")
        assert {each.contact_id for each in spellings if each} == {spellings[0].contact_id}  # type: ignore[union-attr]
        assert outcomes == [Admission.QUEUED] * 10 + [Admission.RATE_LIMITED] + [Admission.PAUSED] * 9
        assert len(buckets) == 1
    assert len(await town.raw_keys("SEEN:*")) == 3
    assert ContactId(f"{PHONE}@c.us") != ContactId(f"whatsapp_cloud:{PHONE}")
