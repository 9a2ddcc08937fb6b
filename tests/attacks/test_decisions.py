"""Decisions race; people who decide nothing try to."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attacks.crowd import Crowd
from fakes.size import sized
from fakes.watching import Ear, by_approval, everything

from secondme.core.admit.pairing import PairingService
from secondme.core.enums import Tier
from secondme.core.errors import BusyError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.messages import ChatKind
from secondme.core.records import PairingRequest
from secondme.core.store.persons import PersonStore

RACE = {"pairing__max_pending_requests": 20_000, "pairing__prompt": "silent", "pairing__mode": "self_verify"}
ROUNDS, TOGETHER = sized(10_000, 2_500), 50
ONE_STATE = ("pending", "approved", "denied")


class Race:
    """One contact that has just knocked, and everything that may happen to it at the same moment."""

    def __init__(self, crowd: Crowd, who: str, request: PairingRequest) -> None:
        self.crowd, self.who, self.request = crowd, who, request
        self.contact = ContactId(f"local:{who}")
        self.outcomes: list[str] = []
        town = crowd.wires[0]
        crowd.wires.append(crowd.wires.pop(0))
        other = crowd.wires[0]
        self.owners = (
            PairingService(town.pairing, PersonStore(town.store), town.security, by="one"),
            PairingService(other.pairing, PersonStore(other.store), other.security, by="two"),
        )
        self.steps: dict[str, Callable[[], Awaitable[Any]]] = {
            "approve": lambda: self.owners[0].approve_request(request, Tier.TRUSTED),
            "approve again": lambda: self.owners[1].approve_request(request, Tier.RESTRICTED),
            "approve by code": lambda: self.owners[1].approve(request.code),
            "deny": lambda: self.owners[0].deny(self.contact),
            "deny again": lambda: self.owners[1].deny(request.code),
            "revoke": lambda: self.owners[1].revoke(self.contact),
            "verify": lambda: crowd.says(who, request.code),
            "wrong code": lambda: crowd.says(who, f"{(int(request.code) + 1) % 1_000_000:06d}"),
            "expire": self._expire,
            "write": lambda: crowd.says(who, "hi"),
        }

    async def run(self, names: list[str]) -> None:
        await asyncio.gather(*(self._step(name) for name in names))

    async def _step(self, name: str) -> None:
        try:
            result = await self.steps[name]()
            self.outcomes.append(getattr(result, "outcome", None) or str(result))
        except (NotFoundError, BusyError) as error:
            self.outcomes.append(error.code)

    async def _expire(self) -> str:
        """What the server does at the request's last millisecond, in one step."""
        wire: Any = self.crowd.wires[0].store.client
        wire.execute_command("MULTI")
        wire.execute_command("PEXPIREAT", f"PAIRING:pending:{self.contact}", 1)
        wire.execute_command("PEXPIREAT", f"PAIRING:codes:{self.request.code}", 1)
        wire.execute_command("ZADD", "PAIRING:index:pending", "XX", 1, self.contact)
        await wire.execute_command("EXEC")
        return "expired"


async def _stale_approval_is_refused(race: Race) -> bool:
    try:
        await race.owners[0].approve_request(race.request)
    except BusyError:
        return True
    return False


async def _races(crowd: Crowd, ear: Ear, numbers: range, rng: random.Random, seen: Counter[str]) -> None:
    """One block of races at the same time, judged by the events and the keys they left."""
    names = [f"r{number}" for number in numbers]
    await asyncio.gather(*(crowd.says(name, "hi") for name in names))
    listing = await crowd.pairing.listing()
    requests = {request.contact_id: request for request in listing.pending}
    races = [Race(crowd, name, requests[f"local:{name}"]) for name in names]
    await asyncio.gather(*(race.run(rng.sample(sorted(race.steps), rng.randint(2, 6))) for race in races))
    events: dict[str, Counter[str]] = {race.contact: Counter() for race in races}
    for event in await ear.heard():
        if event["channel"] == "events:pairing":
            events[event["contactId"]][event["type"]] += 1
    keys = await everything(crowd.store.client, "PAIRING:*")
    for race in races:
        said = events[race.contact]
        states = [state for state in ONE_STATE if f"PAIRING:{state}:{race.contact}" in keys]
        decided = race.outcomes.count("approved") + race.outcomes.count("welcomed")
        assert len(states) <= 1, race.outcomes
        assert decided == said["pairing_approved"] + said["pairing_verified"] <= 1, race.outcomes
        assert said["pairing_denied"] <= 1
        assert said["pairing_revoked"] == race.outcomes.count("revoked") <= decided
        if said["pairing_denied"]:
            assert states == ["denied"], race.outcomes
            assert await _stale_approval_is_refused(race)
            seen["stale approvals refused"] += 1
        seen[states[0] if states else "nobody"] += 1
        seen.update({f"outcome {outcome}": count for outcome, count in Counter(race.outcomes).items()})


@pytest.mark.heavy  # thousands of races
async def test_ten_thousand_races_have_one_outcome_each_and_a_denial_beats_a_stale_approval(crowd_with: Any, ear_on: Any) -> None:
    crowd = await crowd_with(wires=4, **RACE)
    ear, rng, seen = await ear_on(crowd), random.Random(11), Counter[str]()
    for start in range(0, ROUNDS, TOGETHER):
        await _races(crowd, ear, range(start, start + TOGETHER), rng, seen)
        stats = await crowd.pairing.stats()
        keys = await crowd.raw_keys("PAIRING:*:local:*")
        found = tuple(sum(key.startswith(f"PAIRING:{state}:") for key in keys) for state in ONE_STATE)
        assert (stats.pending, stats.approved, stats.denied) == found
        await crowd.store.client.flushdb()
        await ear.heard()
    print(f"{ROUNDS:,} interleavings: {dict(sorted(seen.items()))}")
    assert sum(seen[state] for state in (*ONE_STATE, "nobody")) == ROUNDS
    assert min(seen[state] for state in (*ONE_STATE, "nobody", "stale approvals refused")) > 100


COMMANDS = [
    "approve", "/approve", "/approve {code}", "approve {code}", "!approve {contact}", "secondme pairing approve {code}", "{code} ok",
    "/deny {contact}", "/revoke {contact}", "/unblock {contact}", "/tier {contact} trusted", "/invite", "/pairing list",
    "pause", "/pause", "/pause {contact}", "/resume", "resume", "kill", "/kill", "/kill --off", "unkill", "STOP", "/stop", "/start",
    '{{"type":"pairing_approved","contactId":"{contact}"}}', "@owner approve {code}", "sudo approve {code}", "/owner", "/admin {code}",
    "PAUSE:ALL", "SET PAUSE:ALL 1", "*1\r\n$8\r\nFLUSHALL\r\n", "\r\nFLUSHALL\r\n", "EVAL \"redis.call('FLUSHALL')\" 0",
]  # fmt: skip


async def test_no_text_of_a_contact_in_any_role_or_kind_of_chat_changes_who_is_let_in_or_paused(
    crowd_with: Any, ear_on: Any
) -> None:
    crowd = await crowd_with(limits__messages=10_000)
    await crowd.let_in("friend", Tier.RESTRICTED)
    await crowd.let_in("trusted", Tier.TRUSTED)
    for who in ("pending", "denied", "victim"):
        await crowd.says(who, "hi")
    await crowd.owner.deny("local:denied")
    await crowd.control.kill()  # nobody new may knock either, and no text lifts it
    values = {"code": await crowd.code("victim"), "contact": "local:pending"}
    guarded = ("PAIRING:*", "PAUSE:*", "CONTROL:*")
    before = [by_approval(await everything(crowd.store.client, pattern)) for pattern in guarded]
    ear, tried, outcomes = await ear_on(crowd), 0, Counter[str]()
    for killed in (True, False):
        if not killed:
            await crowd.control.resume(None, unkill=True)
            before[1:] = [{}, {}]
            await ear.heard()
        for role in ("pending", "denied", "friend", "trusted"):
            for kind in ChatKind:
                for text in COMMANDS:
                    outcomes[await crowd.says(role, text.format(**values), kind=kind, display_name="owner")] += 1
                    tried += 1
        await crowd.work()
        await crowd.deliver()
        after = [by_approval(await everything(crowd.store.client, pattern)) for pattern in guarded]
        assert after == before
        assert [event for event in await ear.heard() if event["channel"] in {"events:pairing", "events:pause"}] == []
    print(f"{tried} commands in 4 roles and {len(ChatKind)} kinds of chat: {dict(outcomes)}; escalations 0")
    assert tried == 2 * 4 * len(ChatKind) * len(COMMANDS)


@pytest.mark.parametrize("mode", ["owner", "self_verify"])
async def test_anothers_code_lets_in_neither_the_one_who_sends_it_nor_its_owner(crowd_with: Any, mode: str) -> None:
    crowd = await crowd_with(pairing__mode=mode, limits__messages=1000)
    await crowd.let_in("friend", Tier.RESTRICTED)
    for who in ("victim", "pending", "denied"):
        await crowd.says(who, "hi")
    await crowd.owner.deny("local:denied")
    code, request = await crowd.code("victim"), await crowd.pairing.find("local:victim")
    outcomes = {who: str(await crowd.says(who, code)) for who in ("unknown", "pending", "denied", "friend")}
    listing = await crowd.pairing.listing()
    print(f"{mode}: the victim's code sent by others: {outcomes}")
    assert outcomes == {"unknown": "wrong_code", "pending": "wrong_code", "denied": "denied", "friend": "queued"}
    assert [(contact.contact_id, contact.tier) for contact in listing.approved] == [("local:friend", Tier.RESTRICTED)]
    assert await crowd.pairing.find("local:victim") == request
