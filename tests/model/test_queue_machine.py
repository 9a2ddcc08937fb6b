"""Whatever happens to a contact's mail, in any order: one token while there is some, nothing lost, nothing out of order."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from model.corridor import CONTACTS, Corridor, open_corridor, walks

from secondme.core.ids import ContactId
from secondme.core.messages import Admission, InboundMessage, Pace
from secondme.core.records import Burst, NewRow, Token
from secondme.core.store import keys

WORKERS = ("w1", "w2")
TRIES = 2
BATCH = 50
NEVER = timedelta(hours=1)
WRITERS = CONTACTS[:2]
ACTIONS = (
    *(["writes", "takes", "settles"] * 4),
    *(["begins", "takes_over_from_the_dead", "everything_is_due", "the_owner_interrupts", "the_frozen_wake"] * 2),
    *("is_delivered_again", "the_owner_acts", "the_owner_stops_everybody_for_a_while"),
    *("dies", "every_lease_ends", "loses_its_token", "nothing_is_broken"),
)
contacts = st.sampled_from(WRITERS)
workers = st.sampled_from(WORKERS)
passed: Counter[str] = Counter()


def local(who: str) -> ContactId:
    return ContactId(f"local:{who}")


def name_of(token: Token) -> str:
    return token.contact_id.removeprefix("local:")


class QueueMachine(RuleBasedStateMachine):
    corridor: Corridor
    take: ClassVar[dict[str, Callable[[int], Any]]]

    @initialize()
    def begin_empty(self) -> None:
        self.town, self.inbox = self.corridor.town, self.corridor.town.inbox
        self.do(self.corridor.empty())
        self.sent: dict[str, list[InboundMessage]] = defaultdict(list)
        self.waiting: dict[str, list[str]] = defaultdict(list)
        self.answered: dict[str, list[str]] = defaultdict(list)
        """In the outbox, in order: what waits there goes when the owner takes over."""
        self.own: dict[str, list[str]] = defaultdict(list)
        """What the owner wrote themselves, in order: it stays in the outbox whatever they write next."""
        self.dead: dict[str, list[str]] = defaultdict(list)
        self.began: Counter[str] = Counter()
        self.paused: set[str] = set()
        self.all_paused = False
        self.approved: set[str] = set()
        self.hands: dict[str, list[Token]] = {worker: [] for worker in WORKERS}
        self.bursts: dict[str, list[Burst]] = {worker: [] for worker in WORKERS}
        self.valid: dict[str, tuple[str, int]] = {}
        """The one worker and fence that may settle a contact."""
        self.fences: Counter[str] = Counter()
        for who in WRITERS:
            self.lets_in(who)

    def do(self, step: Any) -> Any:
        return self.corridor.do(step)

    @rule(action=st.sampled_from(ACTIONS), who=contacts, worker=workers, data=st.data())
    def goes_on(self, action: str, who: str, worker: str, data: st.DataObject) -> None:
        """One rule, so that every walk has a share of everything."""
        getattr(self, action)(who, worker, data)

    # Contacts and the owner

    def writes(self, who: str, _worker: str, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, 3))):
            self._receive(self.town.message(who, "hi"), is_new=True)

    def is_delivered_again(self, who: str, _worker: str, data: st.DataObject) -> None:
        if self.sent[who]:
            self._receive(data.draw(st.sampled_from(self.sent[who])), is_new=False)

    def the_owner_acts(self, who: str, _worker: str, data: st.DataObject) -> None:
        steps = ["lets_in", "is_revoked", "is_taken_over", "is_written_to", "is_paused", "is_resumed", "is_resumed"]
        getattr(self, data.draw(st.sampled_from(steps)))(who)

    def the_owner_interrupts(self, _who: str, worker: str, data: st.DataObject) -> None:
        """While a reply is being composed; the worker does not know and goes on."""
        for burst in self.bursts[worker][:1]:
            getattr(self, data.draw(st.sampled_from(["is_taken_over", "is_written_to", "is_revoked"])))(name_of(burst.token))
            if data.draw(st.booleans()):
                self._finish(worker, burst)
            self.lets_in(name_of(burst.token))
            self.is_resumed(name_of(burst.token))

    def the_owner_stops_everybody_for_a_while(self, who: str, worker: str, data: st.DataObject) -> None:
        self.is_paused(None)
        self.writes(who, worker, data)
        self.begins(who, worker, data)
        self.is_resumed(None)

    def _receive(self, message: InboundMessage, *, is_new: bool) -> None:
        who = message.contact_id.removeprefix("local:")
        if who not in self.approved:
            return
        expected = Admission.DUPLICATE
        if is_new:
            self.sent[who].append(message)
            expected = Admission.KILLED if self.all_paused else Admission.PAUSED if who in self.paused else Admission.QUEUED
        assert self.do(self.town.gateway.receive(message)) is expected
        if expected is Admission.QUEUED:
            self.waiting[who].append(message.message_id)
        passed[str(expected)] += 1

    def lets_in(self, who: str) -> None:
        if who not in self.approved and not self.all_paused:  # the door is shut while everybody is paused
            self.do(self.town.writes(who, "hello"))
            self.do(self.town.owner.approve(local(who)))
            self.approved.add(who)

    def is_revoked(self, who: str) -> None:
        if who in self.approved:
            self.do(self.town.owner.revoke(local(who)))
            self.approved.remove(who)
            self.paused.discard(who)
            self._drop(who)
            self.own[who].clear()
            passed["revoked"] += 1

    def is_taken_over(self, who: str) -> None:
        if who in self.approved:
            assert self.do(self.town.writes(who, "me", from_me=True)) is Admission.TAKEN_OVER
            self.paused.add(who)
            self._drop(who)
            passed["taken over"] += 1

    def is_written_to(self, who: str) -> None:
        """By the owner, from a program: as from their phone, but for these words, which are still to leave."""
        if who in self.approved:
            once = f"{who}{len(self.own[who])}"
            first, again = (self.do(self.town.services.owner_messages.write(local(who), "me too", once=once)) for _ in range(2))
            assert again.outcome == "already_done" or first.outcome == "already_done"
            if first.outcome == "queued":
                self.own[who] += first.row_ids
                self.paused.add(who)
                self._drop(who)
                passed["written to"] += 1

    def _drop(self, who: str) -> None:
        self.waiting[who].clear()
        self.answered[who].clear()
        self.valid.pop(who, None)

    def is_paused(self, who: str | None) -> None:
        self.do(self.town.control.pause(local(who) if who else None, NEVER))
        if who:
            self.paused.add(who)
        else:
            self.all_paused = True

    def is_resumed(self, who: str | None) -> None:
        self.do(self.town.control.resume(local(who) if who else None))
        if who:
            self.paused.discard(who)
        else:
            self.all_paused = False

    # Workers

    def takes(self, _who: str, worker: str, data: st.DataObject) -> None:
        taken = self.do(self._take(worker, 2))
        self.hands[worker] += taken
        for token in taken if data.draw(st.booleans()) else []:
            self._begin(worker, token, finishes=data.draw(st.booleans()))

    async def _take(self, worker: str, count: int) -> list[Token]:
        """Reads only when there is something, for a read that waits takes the server a tenth of a second."""
        (group,) = await self.corridor.client.xinfo_groups(keys.QUEUE)
        is_new = await self.corridor.client.xrange(keys.QUEUE, b"(" + group["last-delivered-id"], "+", count=1)
        return await self.take[worker](count) if is_new else []

    def begins(self, _who: str, worker: str, data: st.DataObject) -> None:
        if self.hands[worker]:
            self._begin(worker, data.draw(st.sampled_from(self.hands[worker])), finishes=data.draw(st.booleans()))

    def _begin(self, worker: str, token: Token, *, finishes: bool) -> None:
        who = name_of(token)
        outcome = self.do(self.inbox.begin(token, worker))
        passed[f"begin {outcome if isinstance(outcome, str) else 'burst'}"] += 1
        if outcome != "busy":
            self.hands[worker].remove(token)
        match outcome:
            case Burst():
                self._has_begun(who, worker, outcome)
                if finishes:
                    self._finish(worker, outcome)
            case "busy":
                assert self.valid[who][0] != worker
            case "gone":
                assert who not in self.approved
            case "paused":
                assert self.all_paused or who in self.paused
                self.valid.pop(who, None)
            case "empty":
                self._bury(who, until=None)
                self.valid.pop(who, None)

    def _has_begun(self, who: str, worker: str, burst: Burst) -> None:
        assert who in self.approved
        assert who not in self.paused
        assert not self.all_paused
        self._bury(who, until=burst.mail[0].message_id)
        ids = [mail.message_id for mail in burst.mail]
        assert ids == self.waiting[who][: len(ids)]
        assert len(ids) == (1 if burst.attempt >= 3 else min(BATCH, len(self.waiting[who])))
        assert burst.fence > self.fences[who]
        self.fences[who] = burst.fence
        self.began[ids[0]] += 1
        self.valid[who] = (worker, burst.fence)
        self.bursts[worker].append(burst)

    def _bury(self, who: str, until: str | None) -> None:
        """What stands before `until` was begun too often and is kept aside."""
        while self.waiting[who] and self.waiting[who][0] != until:
            message = self.waiting[who].pop(0)
            assert self.began[message] >= TRIES
            self.dead[who].append(message)
            passed["dead letter"] += 1

    def settles(self, _who: str, worker: str, data: st.DataObject) -> None:
        if self.bursts[worker]:
            step = data.draw(st.sampled_from([self._finish, self._finish, self._put_off, self._put_off_for_long, self._renew]))
            step(worker, data.draw(st.sampled_from(self.bursts[worker])))

    def _finish(self, worker: str, burst: Burst) -> None:
        who = name_of(burst.token)
        ids = tuple(mail.message_id for mail in burst.mail)
        row = NewRow(row_id="r", reply_id="r", contact_id=local(who), channel_id="local", kind="reply", text="re", answers=ids)
        is_valid = self.valid.get(who) == (worker, burst.fence)
        assert self.do(self.inbox.finish(burst, worker, [(row, Pace(0, 0))])) is is_valid
        self.bursts[worker].remove(burst)
        passed[f"finish {'done' if is_valid else 'stale'}"] += 1
        if is_valid:
            del self.valid[who]
            self.answered[who] += ids
            del self.waiting[who][: len(ids)]

    def _put_off(self, worker: str, burst: Burst, delay_s: int = 0) -> None:
        who = name_of(burst.token)
        is_valid = self.valid.get(who) == (worker, burst.fence)
        step = self.inbox.defer(burst.token, worker, burst.fence, delay_s=delay_s, reason="later", forgive=delay_s > 0)
        assert self.do(step) is is_valid
        self.bursts[worker].remove(burst)
        if is_valid:
            del self.valid[who]

    def _put_off_for_long(self, worker: str, burst: Burst) -> None:
        self._put_off(worker, burst, delay_s=3600)

    def _renew(self, worker: str, burst: Burst) -> None:
        assert self.do(self.inbox.renew(burst, worker)) is (self.valid.get(name_of(burst.token)) == (worker, burst.fence))

    # What goes wrong, and what mends it

    def dies(self, _who: str, worker: str, _data: object) -> None:
        """It forgets everything; what it held is still its in the stream."""
        self.hands[worker].clear()
        self.bursts[worker].clear()

    def takes_over_from_the_dead(self, _who: str, worker: str, _data: object) -> None:
        """Every lease ends, and every token is as old as that."""
        self.do(self._age())
        for token in self.do(self.inbox.claim(worker, 100)):
            is_ours = any(name_of(burst.token) == name_of(token) for burst in self.bursts[worker])
            if not is_ours and self.do(self.inbox.defer(token, worker, None, delay_s=0, reason="reclaimed", forgive=False)):
                self.valid.pop(name_of(token), None)
                passed["reclaimed"] += 1

    def the_frozen_wake(self, who: str, worker: str, data: object) -> None:
        """After somebody else was given their contacts, and perhaps began."""
        for frozen in WORKERS:
            if frozen != worker:
                self.takes_over_from_the_dead(who, worker, data)
                for burst in list(self.bursts[frozen]):
                    self._finish(frozen, burst)

    def every_lease_ends(self, _who: str, _worker: str, _data: object) -> None:
        self.do(self._age())

    async def _age(self) -> None:
        client = self.corridor.client
        for who in WRITERS:
            if await client.hexists(keys.mailbox(local(who)), "lease_until"):
                await client.hset(keys.mailbox(local(who)), "lease_until", "1")
        for entry in await client.xpending_range(keys.QUEUE, keys.QUEUE_GROUP, "-", "+", 100):
            owner, message = entry["consumer"], entry["message_id"]
            await client.xclaim(keys.QUEUE, keys.QUEUE_GROUP, owner, 0, [message], idle=600_000, justid=True)

    def loses_its_token(self, who: str, _worker: str, _data: object) -> None:
        """No code of ours does this; a restored backup might."""
        had_mail = bool(self.waiting[who])
        self.do(self._lose(who))
        for worker in WORKERS:
            self.hands[worker] = [token for token in self.hands[worker] if name_of(token) != who]
            self.bursts[worker] = [burst for burst in self.bursts[worker] if name_of(burst.token) != who]
        self.valid.pop(who, None)
        assert self.do(self.inbox.repair()) == had_mail
        passed["mended"] += had_mail

    async def _lose(self, who: str) -> None:
        client = self.corridor.client
        for entry, fields in await client.xrange(keys.QUEUE):
            if fields[b"contactId"].decode() == local(who):
                await client.xack(keys.QUEUE, keys.QUEUE_GROUP, entry)
                await client.xdel(keys.QUEUE, entry)
        await client.zrem(keys.QUEUE_LATER, local(who))
        await client.hdel(keys.mailbox(local(who)), "lease_owner", "lease_until")

    def everything_is_due(self, *_: object) -> None:
        self.do(self.inbox.hurry())
        self.do(self.inbox.wake())

    def nothing_is_broken(self, *_: object) -> None:
        assert self.do(self.inbox.repair()) == 0

    # What is always true

    @invariant()
    def mail_is_where_the_model_has_it_with_exactly_one_token(self) -> None:
        boxes, stream, later, active = self.do(self._look())
        tokens = Counter(fields[b"contactId"].decode() for _, fields in stream)
        tokens.update(contact.decode() for contact in later)
        for who, (mail, outbox, dead, fence) in zip(WRITERS, boxes, strict=True):
            assert [json.loads(item)["messageId"] for item in mail] == self.waiting[who]
            assert [answer for row in outbox for answer in json.loads(row).get("answers", ())] == self.answered[who]
            assert [row["rowId"] for row in map(json.loads, outbox) if row["kind"] == "own"] == self.own[who]
            assert [json.loads(item)["messageId"] for item in dead] == self.dead[who]
            assert tokens[local(who)] <= 1
            if self.waiting[who]:
                assert (tokens[local(who)], local(who).encode() in active) == (1, True)
            assert int(fence or 0) >= self.fences[who]

    async def _look(self) -> tuple[list[list[Any]], list[Any], list[bytes], set[bytes]]:
        pipe = self.corridor.client.pipeline(transaction=False)
        for who in WRITERS:
            pipe.lrange(keys.inbox(local(who)), 0, -1)
            pipe.lrange(keys.outbox(local(who)), 0, -1)
            pipe.lrange(keys.dead(local(who)), 0, -1)
            pipe.hget(keys.mailbox(local(who)), "fence")
        pipe.xrange(keys.QUEUE)
        pipe.zrange(keys.QUEUE_LATER, 0, -1)
        pipe.smembers(keys.QUEUE_ACTIVE)
        *rows, stream, later, active = await pipe.execute()
        return [rows[n : n + 4] for n in range(0, len(rows), 4)], stream, later, active

    def teardown(self) -> None:
        """In the end everything that waits can be answered."""
        if not hasattr(self, "valid"):
            return
        for who in (None, *WRITERS):
            self.is_resumed(who)
        self.dies("", "w1", None)
        self.dies("", "w2", None)
        self.takes_over_from_the_dead("", "w1", None)
        self.everything_is_due()
        for _ in range(100):
            self.hands["w1"] = self.do(self._take("w1", 10))
            if not self.hands["w1"]:
                break
            for token in list(self.hands["w1"]):
                burst = self.do(self.inbox.begin(token, "w1"))
                self.hands["w1"].remove(token)
                if isinstance(burst, Burst):
                    self._has_begun(name_of(token), "w1", burst)
                    self._finish("w1", burst)
                else:
                    self._bury(name_of(token), until=None)
        assert not any(self.waiting.values())
        self.mail_is_where_the_model_has_it_with_exactly_one_token()


def test_the_queue_agrees_with_a_plain_model_of_it(redis_url: str, tmp_path: Path) -> None:
    passed.clear()
    flags = {"limits__messages": 1000, "queue__max_attempts": TRIES, "pairing__prompt": "silent"}
    with open_corridor(redis_url, tmp_path / "home", **flags) as opened:
        readers = AsyncExitStack()
        inbox = opened.town.inbox

        class Machine(QueueMachine):
            corridor = opened
            take: ClassVar = {name: opened.do(readers.enter_async_context(inbox.reading(name, 0.001))) for name in WORKERS}

        try:
            run_state_machine_as_test(Machine, settings=walks(examples=80, steps=50))
        finally:
            opened.do(readers.aclose())
    print(f"queue: {dict(sorted(passed.items()))}")
    for step in (
        "queued",
        "begin burst",
        "finish done",
        "mended",
        "reclaimed",
    ):  # the walks go where mail is, whatever else they meet
        assert passed[step] > 0, step
