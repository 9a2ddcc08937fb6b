"""Whatever happens at the door, in any order: one state per contact, counts that agree with the keys, one event per change."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from model.corridor import CONTACTS, Corridor, open_corridor, walks

from secondme.core.enums import Tier
from secondme.core.errors import BusyError, NotFoundError
from secondme.core.messages import Admission, Challenge
from secondme.core.records import Invite, PairingRequest

MOST_PENDING, MOST_PROMPTS, TRIES = 2, 4, 3
contacts = st.sampled_from(CONTACTS)
tiers = st.sampled_from(list(Tier))
passed: Counter[str] = Counter()


class PairingMachine(RuleBasedStateMachine):
    corridor: Corridor
    self_verify: bool

    @initialize()
    def begin(self) -> None:
        self.town = self.corridor.town
        self.do(self.corridor.empty())
        self.pending: dict[str, PairingRequest] = {}
        self.approved: dict[str, Tier] = {}
        self.denied: set[str] = set()
        self.attempts: Counter[str] = Counter()
        self.told: set[str] = set()
        self.invites: list[Invite] = []
        self.seen_requests: list[PairingRequest] = []
        self.events: list[tuple[str, str]] = []
        self.prompts, self.turns = 0, Counter[str]()
        self.full_was_said = False

    def do(self, step: Any) -> Any:
        return self.corridor.do(step)

    def says(self, who: str, text: str) -> Any:
        return self.do(self.town.writes(who, text))

    # What the model expects of each step

    def _inside(self, who: str) -> Admission | None:
        """What becomes of any message of a contact that stands in front of no door."""
        if who in self.approved:
            self.turns[who] += 1
            return Admission.QUEUED
        return Admission.DENIED if who in self.denied else None

    def _let_in(self, who: str, tier: Tier, event: str) -> None:
        self.pending.pop(who, None)
        self.told.discard(who)
        self.attempts.pop(who, None)
        self.approved[who] = tier
        self.events.append((event, who))

    def _turn_away(self, who: str) -> None:
        for state in (self.pending, self.approved, self.attempts, self.turns):
            state.pop(who, None)
        self.told.discard(who)
        self.denied.add(who)
        self.events.append(("pairing_denied", who))

    def _wrong(self, who: str) -> Challenge:
        self.attempts[who] += 1
        if self.attempts[who] < TRIES:
            return Challenge.WRONG_CODE
        self._turn_away(who)
        return Challenge.DENIED

    # Contacts

    @rule(who=contacts)
    def knock(self, who: str) -> None:
        expected: Any = self._inside(who)
        if expected is None and who in self.pending:
            expected = Challenge.ALREADY_PENDING
        if expected is None and len(self.pending) >= MOST_PENDING:
            expected = Challenge.CLOSED
            self.full_was_said or self.events.append(("pairing_full", ""))
            self.full_was_said = True
        if expected is None:
            expected = Challenge.PROMPTED if self.prompts < MOST_PROMPTS else Challenge.REQUESTED
            self.prompts += expected is Challenge.PROMPTED
            self.events.append(("pairing_request", who))
        outcome = self.says(who, "hello")
        assert outcome is expected
        if outcome in {Challenge.PROMPTED, Challenge.REQUESTED}:
            request = self.do(self.town.pairing.find(f"local:{who}"))
            self.pending[who] = request
            self.seen_requests.append(request)
        passed[f"knock {outcome}"] += 1

    @rule(who=contacts, digits=st.integers(0, 999_999))
    def sends_a_wrong_code(self, who: str, digits: int) -> None:
        live = {request.code for request in self.pending.values()} | {invite.code for invite in self.invites}
        code = next(text for n in range(1000) if (text := f"{(digits + n) % 1_000_000:06d}") not in live)
        expected = self._inside(who) or self._wrong(who)
        assert self.says(who, code) is expected
        passed["wrong code"] += 1

    @precondition(lambda self: self.pending)
    @rule(who=st.none() | contacts, data=st.data())
    def sends_a_live_code(self, who: str | None, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.pending)))
        who = who or owner
        code = self.pending[owner].code
        expected: Any = self._inside(who)
        if expected is None and owner != who:
            expected = self._wrong(who)
        elif expected is None and self.self_verify:
            self._let_in(who, Tier.RESTRICTED, "pairing_verified")
            expected = Challenge.WELCOMED
        elif expected is None:
            self.told.add(who)
            expected = Challenge.NEEDS_OWNER
        assert self.says(who, f" {code}\n") is expected
        passed[f"live code {expected}"] += 1

    @precondition(lambda self: self.invites)
    @rule(who=contacts, data=st.data())
    def sends_an_invite(self, who: str, data: st.DataObject) -> None:
        invite = data.draw(st.sampled_from(self.invites))
        expected: Any = self._inside(who)
        if expected is None:
            self.invites.remove(invite)
            self._let_in(who, invite.tier, "pairing_verified")
            expected = Challenge.WELCOMED
        assert self.says(who, invite.code) is expected
        passed[f"invite {expected}"] += 1

    # The owner

    @rule(tier=tiers)
    def invites_somebody(self, tier: Tier) -> None:
        self.invites.append(self.do(self.town.owner.invite("Friend", tier, timedelta(hours=1))))

    @precondition(lambda self: self.seen_requests)
    @rule(tier=tiers, by_code=st.booleans(), data=st.data())
    def approves_what_was_looked_at(self, tier: Tier, by_code: bool, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.seen_requests))
        who = request.contact_id.removeprefix("local:")
        is_live = self.pending.get(who) == request
        step = self.town.owner.approve(request.code, tier) if by_code else self.town.owner.approve_request(request, tier)
        if who in self.approved and not by_code:
            assert self.do(step).outcome == "already_approved"
        elif who in self.denied and not by_code:
            with pytest.raises(BusyError, match="denied meanwhile"):
                self.do(step)
        elif not is_live:
            with pytest.raises(NotFoundError):
                self.do(step)
        else:
            self._let_in(who, tier, "pairing_approved")
            assert self.do(step).outcome == "approved"
        passed["approval"] += 1

    @rule(who=contacts)
    def approves_a_contact(self, who: str) -> None:
        step = self.town.owner.approve(f"local:{who}", Tier.TRUSTED)
        if who in self.pending:
            self._let_in(who, Tier.TRUSTED, "pairing_approved")
            assert self.do(step).outcome == "approved"
        elif who in self.approved:
            assert self.do(step).outcome == "already_approved"
        else:
            with pytest.raises(NotFoundError):
                self.do(step)

    @rule(who=contacts)
    def denies(self, who: str) -> None:
        step = self.town.owner.deny(f"local:{who}", "no")
        if who in self.pending or who in self.approved:
            self._turn_away(who)
            assert self.do(step).outcome == "denied"
        elif who in self.denied:
            assert self.do(step).outcome == "already_denied"
        else:
            with pytest.raises(NotFoundError):
                self.do(step)

    @rule(who=contacts)
    def revokes(self, who: str) -> None:
        step = self.town.owner.revoke(f"local:{who}")
        if who not in self.approved:
            with pytest.raises(NotFoundError):
                self.do(step)
            return
        del self.approved[who]
        self.turns.pop(who, None)
        self.events.append(("pairing_revoked", who))
        assert self.do(step).outcome == "revoked"

    @rule(who=contacts)
    def unblocks(self, who: str) -> None:
        step = self.town.owner.unblock(f"local:{who}")
        self.attempts.pop(who, None)
        if who not in self.denied:
            with pytest.raises(NotFoundError):
                self.do(step)
            return
        self.denied.remove(who)
        self.events.append(("pairing_unblocked", who))
        assert self.do(step).outcome == "unblocked"

    @rule(who=contacts, tier=tiers)
    def changes_a_tier(self, who: str, tier: Tier) -> None:
        step = self.town.owner.edit(f"local:{who}", tier=tier)
        if who not in self.approved:
            with pytest.raises(NotFoundError):
                self.do(step)
            return
        self.approved[who] = tier
        self.events.append(("pairing_edited", who))
        assert self.do(step).tier == tier

    # Time

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), knocks_again=st.booleans())
    def a_request_expires(self, data: st.DataObject, knocks_again: bool) -> None:
        who = data.draw(st.sampled_from(sorted(self.pending)))
        code = self.pending.pop(who).code
        self.told.discard(who)
        self.do(self._end("pending", who, f"PAIRING:codes:{code}", f"PAIRING:told:local:{who}", f"OUTBOX:local:{who}"))
        self.events.append(("pairing_expired", who))
        if knocks_again:  # before anybody swept
            self.knock(who)
        passed["expiry"] += 1

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def an_overdue_request_decides_nothing(self, data: st.DataObject) -> None:
        """Expiry is judged by the record, also in the moment in which the server has not removed it yet."""
        who = data.draw(st.sampled_from(sorted(self.pending)))
        request = self.pending.pop(who)
        overdue = json.dumps({**json.loads(request.encode()), "expiresAt": 1000})
        self.do(self.corridor.client.set(f"PAIRING:pending:local:{who}", overdue))
        with pytest.raises(NotFoundError):
            self.do(self.town.owner.approve_request(request))
        assert self.says(who, request.code) is self._wrong(who)
        self.told.discard(who)
        self.do(self._end("pending", who, f"PAIRING:codes:{request.code}", f"PAIRING:told:local:{who}", f"OUTBOX:local:{who}"))
        if who not in self.denied:
            self.events.append(("pairing_expired", who))

    @precondition(lambda self: self.denied)
    @rule(data=st.data())
    def a_denial_expires(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.denied)))
        self.denied.remove(who)
        self.do(self._end("denied", who))

    @precondition(lambda self: self.invites)
    @rule()
    def an_invite_expires(self) -> None:
        code = self.invites.pop(0).code
        self.do(self.corridor.client.pexpireat(f"PAIRING:invites:{code}", 1))
        self.do(self.corridor.client.zadd("PAIRING:index:invites", {code: 1}, xx=True))

    async def _end(self, state: str, who: str, *more: str) -> None:
        """What the server does when the time of a record is over."""
        pipe = self.corridor.client.pipeline()
        for key in (f"PAIRING:{state}:local:{who}", *more):
            pipe.pexpireat(key, 1)
        pipe.zadd(f"PAIRING:index:{state}", {f"local:{who}": 1}, xx=True)
        await pipe.execute()

    # What is always true

    @invariant()
    def every_key_count_and_event_is_the_models(self) -> None:
        stats, heard, (keys, *records) = self.do(self._look())
        assert (stats.pending, stats.approved, stats.denied) == (len(self.pending), len(self.approved), len(self.denied))
        self._compare_events(heard)
        self._compare_keys([key.decode() for key in keys])
        self._compare_records(records)

    async def _look(self) -> tuple[Any, list[dict[str, Any]], list[Any]]:
        stats = await self.town.pairing.stats()
        pipe = self.corridor.client.pipeline(transaction=False)
        pipe.keys("*")
        for index in (*_STATES, "invites"):
            pipe.zrange(f"PAIRING:index:{index}", 0, -1)
        pipe.hgetall("PAIRING:stats")
        pipe.mget(["none"] + [f"PAIRING:codes:{request.code}" for request in self.pending.values()])
        pipe.mget(["none"] + [f"PAIRING:approved:local:{who}" for who in self.approved])
        for who in CONTACTS:
            pipe.zcard(f"HISTORY:local:{who}")
        return stats, await self.corridor.ear.heard(), await pipe.execute()

    def _compare_events(self, heard: list[dict[str, Any]]) -> None:
        said = [
            (event.get("type") or event["event"], event.get("contactId", "").removeprefix("local:"))
            for event in heard
            if event["channel"] in {"events:pairing", "events:security"} and event.get("event") not in _SAID_TWICE
        ]
        assert said == self.events
        self.events.clear()

    def _compare_keys(self, keys: list[str]) -> None:
        states = {state: {key.rpartition(":")[2] for key in keys if key.startswith(f"PAIRING:{state}:")} for state in _STATES}
        assert states == {"pending": set(self.pending), "approved": set(self.approved), "denied": set(self.denied)}
        codes = {key.rpartition(":")[2] for key in keys if key.startswith("PAIRING:codes:")}
        assert codes == {request.code for request in self.pending.values()}
        invites = {key.rpartition(":")[2] for key in keys if key.startswith("PAIRING:invites:")}
        assert invites == {invite.code for invite in self.invites}
        assert {key.rpartition(":")[2] for key in keys if key.startswith("PAIRING:told:")} == self.told
        kept = {
            key.split(":")[2] for key in keys if key.startswith(("HISTORY:", "INBOX:", "MISSED:local", "HELD:local", "DEAD:local"))
        }
        assert kept == {who for who in self.approved if self.turns[who]}

    def _compare_records(self, records: list[Any]) -> None:
        *indexes, invites, counted, looked_up, approved = records[: -len(CONTACTS)]
        wanted = [{f"local:{who}".encode() for who in state} for state in (self.pending, self.approved, self.denied)]
        assert [set(index) for index in indexes] == wanted
        assert set(invites) == {invite.code.encode() for invite in self.invites}
        counts = (int(counted[name]) for name in (b"pending_count", b"approved_count", b"denied_count"))
        assert tuple(counts) == (len(self.pending), len(self.approved), len(self.denied))
        assert looked_up[1:] == [f"local:{who}".encode() for who in self.pending]
        assert [json.loads(record)["tier"] for record in approved[1:]] == list(self.approved.values())
        assert records[-len(CONTACTS) :] == [self.turns[who] for who in CONTACTS]


_SAID_TWICE = {"pairing_code_attempt", "pairing_denied"}
"""What the door also tells as a security event; the model knows the pairing event of it."""
_STATES = ("pending", "approved", "denied")


@pytest.mark.parametrize("mode", ["owner", "self_verify"])
def test_the_door_agrees_with_a_plain_model_of_it(redis_url: str, tmp_path: Path, mode: str) -> None:
    flags = {
        "pairing__mode": mode,
        "pairing__self_verify_tier": "restricted",
        "pairing__max_pending_requests": 2 * MOST_PENDING,  # of one channel, half
        "pairing__max_prompts_per_hour": MOST_PROMPTS,
        "pairing__wrong_codes_per_contact": TRIES,
        "limits__messages": 1000,
    }
    passed.clear()
    with open_corridor(redis_url, tmp_path / "home", **flags) as opened:

        class Machine(PairingMachine):
            corridor = opened
            self_verify = mode == "self_verify"

        run_state_machine_as_test(Machine, settings=walks(examples=50, steps=40))
    print(f"{mode}: {dict(sorted(passed.items()))}")
    for step in ("knock prompted", "approval", "wrong code"):  # the walks go through the door, whatever else they meet there
        assert passed[step] > 0, step
