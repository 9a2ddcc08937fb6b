"""One person, many spellings; one message, many copies."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from attacks.crowd import at_once
from fakes.watching import everything

from secondme.core.errors import DataError
from secondme.core.ids import ChannelId, ContactId, MessageId, contact_id
from secondme.core.messages import Admission, Challenge, InboundMessage

PHONE = "4915112345678"
WIDE = {"pairing__max_pending_requests": 20_000, "pairing__prompt": "silent", "limits__messages": 100_000}


def _aliases() -> list[str]:
    """500 ids that somebody might take for `4915112345678@c.us`, and that no channel proved to be the same person."""
    numbers = [PHONE, f"+{PHONE}", f"00{PHONE}", PHONE[2:], f"0{PHONE[2:]}", f"{PHONE[:2]}0{PHONE[2:]}", f"{PHONE}0", PHONE[:-1]]
    devices = ["", ":12", ":0", ".0", "_1", ":1.2", "-1"]
    hosts = ["@c.us", "@C.US", "@s.whatsapp.net", "@lid", "@g.us", "@hosted", "@c.us.", "@c.us@c.us", "", "@", "@c"]
    prefixes = ["", "whatsapp:", "lid:", "telegram:", "local:", "tel:", "~", "c:"]
    spelled = [
        "".join(parts) for parts in itertools.product(prefixes, numbers, devices, hosts) if "".join(parts) != f"{PHONE}@c.us"
    ]
    return random.Random(5).sample(sorted(set(spelled)), 500)


def _from(crowd: Any, contact: str, text: str = "hi", **fields: Any) -> InboundMessage:
    message: InboundMessage = crowd.message("x", text, contact_id=ContactId(contact), phone_number=PHONE, **fields)
    return message


async def test_no_alias_of_an_approved_contact_is_let_in(crowd_with: Any) -> None:
    crowd = await crowd_with(**WIDE)
    original, aliases = f"{PHONE}@c.us", _aliases()
    await crowd.receive(_from(crowd, original))
    await crowd.owner.approve(original)
    outcomes = Counter(await at_once(crowd.receive(_from(crowd, alias, normalized_contact_id=original)) for alias in aliases))
    stats = await crowd.pairing.stats()
    print(f"{len(aliases)} aliases of an approved contact: {dict(outcomes)}; approved {stats.approved}")
    assert outcomes == {Challenge.REQUESTED: 500}
    assert (stats.approved, stats.pending) == (1, 500)
    assert await crowd.raw_keys("HISTORY:*") == await crowd.raw_keys("INBOX:*") == []
    assert await crowd.receive(_from(crowd, original)) is Admission.QUEUED


async def test_denying_one_spelling_denies_no_other_and_an_alias_enters_only_as_a_stranger(crowd_with: Any) -> None:
    crowd = await crowd_with(**WIDE)
    original, aliases = f"{PHONE}@c.us", _aliases()
    await crowd.receive(_from(crowd, original))
    await crowd.owner.deny(original)
    outcomes = Counter(await at_once(crowd.receive(_from(crowd, alias)) for alias in aliases))
    for alias in aliases[:250]:
        await crowd.owner.deny(alias)
    still = Counter(await at_once(crowd.receive(_from(crowd, alias)) for alias in aliases))
    print(f"{len(aliases)} aliases of a denied contact: {dict(outcomes)}; half of them denied too: {dict(still)}")
    assert outcomes == {Challenge.REQUESTED: 500}
    assert still == {"denied": 250, "already_pending": 250}
    assert await crowd.receive(_from(crowd, original)) is Admission.DENIED
    assert await crowd.raw_keys("PAIRING:approved:*") == []


def test_an_id_with_anything_but_the_closed_alphabet_is_refused() -> None:
    bad = [f"4915{char}@c.us" for char in map(chr, range(0x250)) if not (char.isascii() and (char.isalnum() or char in "~._+@:-"))]
    bad += ["ab", "x" * 129, "", "4915@c.us\n", "４９１５@c.us", "a{b}c", "a*c", "HISTORY:x y"]  # noqa: RUF001  the point
    for value in bad:
        with pytest.raises(DataError) as caught:
            contact_id(value)
        assert caught.value.message == "That is not a contact id."  # and never repeats it
    print(f"{len(bad)} malformed ids: 0 accepted")
    assert len(bad) > 500


async def test_twenty_variants_of_one_contact_share_one_limit(crowd_with: Any) -> None:
    crowd = await crowd_with(pairing__prompt="silent")
    for who in ("anna", "anna2", "Anna"):
        await crowd.says(who, "hi")
        await crowd.owner.approve(f"local:{who}")
    outcomes = []
    for n in range(20):
        variant = crowd.message(
            "anna",
            f"text {n}",
            message_id=MessageId(f"native-{n}"),
            display_name=f"Name {n}",
            phone_number=f"+49{n}",
            normalized_contact_id=f"other-{n}",
            channel_id=ChannelId("local" if n % 2 else "other"),
        )
        outcomes.append(await crowd.receive(variant))
    buckets = await crowd.raw_keys("SEEN:*")
    print(f"20 variants of one id: {dict(Counter(outcomes))}, buckets {buckets}")
    assert outcomes == [Admission.QUEUED] * 10 + [Admission.RATE_LIMITED] + [Admission.PAUSED] * 9
    assert buckets == ["SEEN:local:anna"]
    assert [await crowd.says(who, "hi") for who in ("anna2", "Anna")] == [Admission.QUEUED] * 2


async def test_ten_thousand_replays_of_a_hundred_messages_are_a_hundred_messages(crowd_with: Any) -> None:
    crowd = await crowd_with(limits__messages=1000)
    await crowd.let_in("anna")
    originals = [crowd.message("anna", f"text {n}") for n in range(100)]
    copies = originals * 100
    random.Random(3).shuffle(copies)
    outcomes = Counter(await at_once(crowd.receive(copy) for copy in copies))
    store = await everything(crowd.store.client)
    turns = await crowd.conversation.recent(ContactId("local:anna"), 1000)
    print(f"10,000 copies of 100 messages: {dict(outcomes)}; turns {len(turns)}, tokens {len(store['QUEUE:messages'])}")
    assert outcomes == {Admission.QUEUED: 100, Admission.DUPLICATE: 9900}
    assert sorted(turn.content for turn in turns) == sorted(message.text for message in originals)
    assert (len(store["INBOX:local:anna"]), len(store["QUEUE:messages"])) == (100, 1)
    assert await crowd.work() == ["answered"]
    assert Counter(await at_once(crowd.receive(copy) for copy in originals)) == {Admission.DUPLICATE: 100}
