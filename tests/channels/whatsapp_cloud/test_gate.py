"""Row 19 of the attack table, through the real gate: duplicated, replayed and reordered calls of Meta."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.whatsapp_cloud.cloud import Running
from fakes.graph_api import change, envelope, signed, text
from fakes.town import Town

from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Challenge, ChannelState, InboundMessage
from secondme.core.store import keys

PEOPLE = [f"49151123456{number:02d}" for number in range(20)]
WIDE = {"limits__messages": 100_000, "pairing__prompt": "silent"}


class GateHost:
    """Hands every message to the real gate and counts what became of it."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.outcomes: Counter[str] = Counter()

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        outcome = await self._town.rooms.gate.admit(message)
        self.outcomes[outcome.value] += 1
        return outcome

    def report(self, state: ChannelState, code: str = "") -> None: ...

    def alive(self) -> None: ...


Scene = tuple[Any, GateHost, Town]


async def _let_in(cloud: Any, host: GateHost, town: Town) -> None:
    for who in PEOPLE:
        assert await cloud.hears(change(text(who, "may I?", f"wamid.knock.{who}", cloud.now_s))) == 200
        await town.owner.approve(f"whatsapp_cloud:{who}")
    host.outcomes.clear()


@pytest.fixture
async def scene(running: Running, town_with: Callable[..., Town]) -> AsyncIterator[Scene]:
    """The channel before the real gate; its clock is the store's, which has one of its own."""
    town = town_with(**WIDE)
    host = GateHost(town)
    async with running(host) as cloud:
        cloud.clock.ms = time.time_ns() // 1_000_000
        yield cloud, host, town


async def test_ten_thousand_replays_of_a_hundred_calls_are_a_hundred_messages(scene: Scene) -> None:
    cloud, host, town = scene
    await _let_in(cloud, host, town)
    calls = [signed(envelope(change(text(PEOPLE[n % 20], f"text {n}", f"wamid.{n}", cloud.now_s)))) for n in range(100)]
    replays = calls * 100
    random.Random(19).shuffle(replays)
    statuses: Counter[int] = Counter()
    started = time.process_time()
    for start in range(0, len(replays), 100):
        answers = await asyncio.gather(*map(cloud.channel.handle_webhook, replays[start : start + 100]))
        statuses.update(answer.status for answer in answers)
    took = time.process_time() - started
    print(f"\n{len(replays)} replays of 100 calls: {dict(host.outcomes)}; {len(replays) / took:,.0f} a second of processor time")
    assert statuses == {200: 10_000}
    assert host.outcomes == {"queued": 100, "duplicate": 9_900}


async def test_a_conversation_keeps_the_order_in_which_first_copies_arrived(scene: Scene) -> None:
    cloud, host, town = scene
    rng = random.Random(20)
    await _let_in(cloud, host, town)
    messages = [text(PEOPLE[n % 20], f"text {n}", f"wamid.{n}", cloud.now_s) for n in range(400)]
    rng.shuffle(messages)
    batches = []
    while messages:
        size = rng.randint(1, 5)
        batches.append(messages[:size])
        messages = messages[size:]
    calls = [batch for batch in batches for _ in range(rng.randint(1, 5))]
    rng.shuffle(calls)
    answers = await asyncio.gather(*[cloud.channel.handle_webhook(signed(envelope(change(*batch)))) for batch in calls])
    assert {answer.status for answer in answers} == {200}
    first_copies = list(dict.fromkeys((raw["from"], raw["id"]) for batch in calls for raw in batch))
    for who in PEOPLE:
        mail = await town.store.client.lrange(keys.inbox(ContactId(f"whatsapp_cloud:{who}")), 0, -1)
        assert [json.loads(each)["messageId"] for each in mail] == [native for sender, native in first_copies if sender == who]
    print(f"\n400 messages in {len(calls)} calls: {dict(host.outcomes)}")
    assert host.outcomes["queued"] == 400


async def test_a_call_from_before_the_gates_memory_is_refused_before_it_could_be_answered_again(scene: Scene) -> None:
    cloud, host, town = scene
    await _let_in(cloud, host, town)
    call = signed(envelope(change(text(PEOPLE[0], "once", "wamid.1", cloud.now_s))))
    assert (await cloud.channel.handle_webhook(call)).status == 200
    cloud.clock.ms += (7 * 24 + 2) * 3_600_000
    assert (await cloud.channel.handle_webhook(call)).status == 200
    assert host.outcomes == {"queued": 1}


async def test_of_strangers_who_write_by_the_hundred_nothing_is_kept(scene: Scene) -> None:
    cloud, host, town = scene
    for number in range(100):
        who = f"3460012{number:04d}"
        assert await cloud.hears(change(text(who, "secret words", f"wamid.{number}", cloud.now_s))) == 200
    assert set(host.outcomes) <= {"requested", "closed"}
    assert await town.raw_keys("HISTORY:*") == await town.raw_keys("INBOX:*") == []
