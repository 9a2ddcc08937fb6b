"""Nobody was let in, and many try."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attacks.crowd import at_once
from fakes.size import sized
from fakes.watching import everything

from secondme.core import log
from secondme.core.enums import Tier
from secondme.core.messages import Admission, Challenge

CANARY = "xyzzy-canary"
"""A word that nothing but a stranger's message contains."""

MANY = sized(10_000, 2_500)


@pytest.fixture
def logged(tmp_path: Path) -> Any:
    """The log file, at its most talkative."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log.set_up("debug", folder, console=False)
    yield folder / "secondme.jsonl"
    log.set_up("info", None, console=False)


def _text(number: int) -> str:
    return (f"hello {CANARY} {number}", f"{CANARY}\n123456", f"/approve {CANARY}", f"123456 {CANARY}", CANARY * 2000)[number % 5]


async def test_a_thousand_messages_of_two_hundred_strangers_leave_requests_and_nothing_else(crowd_with: Any, logged: Path) -> None:
    crowd = await crowd_with()
    most_pending, outcomes = 0, Counter[str]()
    for turn in range(5):
        for start in range(0, 200, 20):
            said = [crowd.says(f"s{who}", _text(turn + who)) for who in range(start, start + 20)]
            outcomes.update(await at_once(said))
            most_pending = max(most_pending, (await crowd.pairing.stats()).pending)
    stored = await everything(crowd.store.client)
    await crowd.deliver()
    prompts = Counter(contact for contact, _, _ in crowd.channel.raw)
    kinds = Counter(key.split(":local:")[0] for key in stored if ":local:" in key)
    written = await asyncio.to_thread(logged.read_text)
    print(f"1,000 messages of 200 strangers: {dict(outcomes)}; keys {dict(kinds)}")
    print(f"prompts {sum(prompts.values())}, at most {max(prompts.values())} each; pending never over {most_pending}")
    assert sum(outcomes.values()) == written.count('"event": "received"') == 1000
    assert written.count('"event": "pairing_request"') == 50  # half of the places: they are all of one channel
    assert set(kinds) == {"PAIRING:pending", "OUTBOX"}
    assert not [
        key for key in stored if key.startswith(("HISTORY", "INBOX", "QUEUE", "MAILBOX", "SEEN", "COUNTER", "DEAD", "HELD"))
    ]
    assert (sum(prompts.values()), max(prompts.values()), most_pending) == (30, 1, 50)
    assert CANARY not in repr(stored)
    assert CANARY not in written
    assert not [text for _, text, _ in crowd.channel.raw if CANARY in text]


async def test_ten_thousand_strangers_who_echo_their_own_code_stay_outside_in_mode_owner(crowd_with: Any) -> None:
    flags = {"pairing__max_pending_requests": 20_000, "pairing__max_prompts_per_hour": 1000, "pairing__prompt": "silent"}
    crowd = await crowd_with(**flags)
    asked = await at_once(crowd.says(f"s{who}", "hi") for who in range(MANY))
    listing = await crowd.pairing.listing()
    codes = {request.contact_id.removeprefix("local:"): request.code for request in listing.pending}
    echoed = Counter(await at_once(crowd.says(who, code) for who, code in codes.items()))
    again = Counter(await at_once(crowd.says(who, f" {code}\n") for who, code in list(codes.items())[:1000]))
    told = [len(rows) for key, rows in (await everything(crowd.store.client, "OUTBOX:local:*")).items()]
    stats = await crowd.pairing.stats()
    print(
        f"10,000 strangers echo their own code: {dict(echoed)}, again: {dict(again)}; approved {stats.approved}; told {sum(told)}"
    )
    assert Counter(asked) == {Challenge.REQUESTED: MANY}
    assert len(set(codes.values())) == MANY
    assert (echoed, again) == ({Challenge.NEEDS_OWNER: MANY}, {Challenge.NEEDS_OWNER: 1000})
    assert (stats.approved, stats.pending) == (0, MANY)
    assert await crowd.raw_keys("PAIRING:approved:*") == []
    assert told == [1] * MANY


async def _used_memory(crowd: Any) -> int:
    """Bytes of the server's data: connections' buffers come and go and are left out."""
    return int((await crowd.store.client.info("memory"))["used_memory_dataset"])


@pytest.mark.parametrize(
    "flood", [sized(20_000, 6_000), pytest.param(100_000, marks=pytest.mark.slow)]
)  # the second takes half a minute
async def test_a_flood_of_new_ids_fills_its_channels_fifty_places_and_no_memory_and_invites_still_work(
    crowd_with: Any, ear_on: Any, flood: int
) -> None:
    crowd = await crowd_with()
    await at_once(crowd.says(f"early{who}", "hi") for who in range(50))
    ear = await ear_on(crowd)
    before, keys_before = await _used_memory(crowd), await crowd.store.client.dbsize()
    outcomes, most_pending = Counter[str](), 0
    for start in range(0, flood, 2000):
        said = (crowd.says(f"flood{who}", "let me in", display_name="x" * 500) for who in range(start, start + 2000))
        outcomes.update(await at_once(said))
        most_pending = max(most_pending, (await crowd.pairing.stats()).pending)
    grown, keys_grown = await _used_memory(crowd) - before, await crowd.store.client.dbsize() - keys_before
    invites = [await crowd.owner.invite("Friend", Tier.STANDARD, timedelta(hours=1)) for _ in range(100)]
    used = Counter(await at_once(crowd.says(f"friend{number}", invite.code) for number, invite in enumerate(invites)))
    print(f"{flood:,} new ids: {dict(outcomes)}; pending never over {most_pending}; store +{grown:,} bytes, +{keys_grown} keys")
    print(f"the owner's invites meanwhile: {dict(used)}")
    full = [event for event in await ear.heard() if event.get("event") == "pairing_full"]
    assert outcomes == {Challenge.CLOSED: flood}
    assert (most_pending, keys_grown <= 1, grown < 1_000_000) == (50, True, True)
    assert used == {Challenge.WELCOMED: 100}
    assert len(full) == 1
    assert await crowd.says("friend7", "hi") is Admission.QUEUED


async def test_a_request_holds_the_strangers_name_and_nothing_they_said(crowd_with: Any) -> None:
    crowd = await crowd_with()
    await crowd.says("anna", CANARY, display_name="\x1b[31mAnna\u202e\n[bold]", phone_number="+49151")
    record = json.loads(await crowd.store.client.get("PAIRING:pending:local:anna"))
    assert record["displayName"] == "[31mAnna [bold]"
    assert set(record) == {"contactId", "phoneNumber", "displayName", "channelId", "code", "requestedAt", "status", "expiresAt"}
