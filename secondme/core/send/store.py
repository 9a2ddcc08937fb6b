"""The outbox and the drafts: what waits to leave, in order, and what waits for the owner. Each step is one script and may be repeated."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from secondme.core.clock import EPOCH, from_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.records import HeldReply, NewRow, OutboxRow, Turn
from secondme.core.store import keys
from secondme.core.store.events import Nudge, nudge

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from secondme.core.config.models import DeliverySettings, DraftSettings, JobSettings
    from secondme.core.ids import ContactId
    from secondme.core.records import Stage
    from secondme.core.store.client import Store
    from secondme.core.store.clock_store import ClockSetBack


_LEASE_MARGIN_S = 5.0
"""Added to the send time-out: nobody else may judge a send ambiguous while it can still succeed."""
_BROKEN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Sending:
    """A row that this sender, and nobody else, may hand to its channel now."""

    row: OutboxRow
    fence: int


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Why a contact's next row does not leave: `dropped` for ever, `held` for the owner, or a step that needs no sending.

    `reason` says why it is held, or in which topic to type.
    """

    why: Literal["empty", "early", "busy", "typing", "dropped", "held", "corrupt"]
    reason: str = ""
    rows: int = 0


class OutboxStore:
    """Outboxes in Redis."""

    def __init__(self, store: Store, delivery: DeliverySettings) -> None:
        self._store = store
        self._delivery = delivery

    async def due(self, channel: str, limit: int) -> tuple[list[ContactId], float | None]:
        """Contacts of `channel` whose next step is due, and the seconds until the first that is not (None: nothing waits)."""
        ready: list[ContactId] = []
        for contact, wait_s in await self._store.due(keys.outbox_due(channel), limit):
            if wait_s > 0:
                return ready, wait_s
            ready.append(contact)
        return ready, None

    async def take(
        self, contact: ContactId, channel: str, sender: str, *, collapses: bool = True, typing_ms: int = 5000
    ) -> Sending | NotTaken:
        """The contact's next row to send, checked at the last moment against approval, pause, kill switch and takeover; or why not.

        `collapses`: the platform shows one id once. While a row is typed, it is due again after `typing_ms`.
        """
        chosen = self._delivery.ambiguous
        policy = chosen if chosen != "auto" else "resend" if collapses else "hold"
        lease_ms = int((self._delivery.timeout_s + _LEASE_MARGIN_S) * 1000)
        answer = await self._store.run(
            "take",
            (contact, sender, lease_ms, policy, keys.EVENTS_QUEUE, keys.MAILBOX_TTL_MS, typing_ms),
            contact=contact,
            channel=channel,
        )
        match answer[0]:
            case b"send":
                return Sending(OutboxRow.decode(answer[2], keys.outbox(contact)), int(answer[1]))
            case b"held":
                return NotTaken("held", answer[1].decode(), answer[2])
            case b"dropped":
                return NotTaken("dropped", rows=answer[1])
            case b"typing":
                return NotTaken("typing", answer[1].decode())
            case other:
                return NotTaken(other.decode())

    async def replan(self, channel: str, change: ClockSetBack) -> None:
        """The clock was put back: what waits in the outboxes of `channel` leaves as long after its planning as was planned."""
        for contact in await self._store.call(self._store.client.zrange(keys.outbox_due(channel), 0, -1)):
            with contextlib.suppress(DataError):  # a broken outbox, whose owner is told elsewhere
                await self._store.run(
                    "replan_rows",
                    (contact.decode(), change.by_ms, change.since_ms),
                    contact=contact.decode(),
                    channel=channel,
                )

    async def give_up(self, contact: ContactId, channel: str) -> None:
        """Nothing can be sent to the contact, whose record is broken: it is tried again in an hour, and the owner is told."""
        await self._store.postpone(keys.outbox_due(channel), contact, _BROKEN_S)
        await self._store.tell_broken(contact)

    async def head(self, contact: ContactId) -> OutboxRow | None:
        """The contact's next row, as it waits; None when there is none. Raises DataError when it cannot be read."""
        raw = await self._store.call(self._store.client.lindex(keys.outbox(contact), 0))
        return None if raw is None else OutboxRow.decode(raw, keys.outbox(contact))

    async def precede(self, row: OutboxRow, before: OutboxRow) -> bool:
        """`before` leaves before `row`, if its contact was never told as much and `row` is still the next one. Repeatable; True when this
        call put it there."""
        return bool(await self._store.run("precede", (row.row_id, before.encode()), contact=row.contact_id) == b"told")

    async def sent(self, sending: Sending, native_id: str, stage: Stage | None = None) -> Literal["done", "next", "stale"]:
        """The row has left: it is in the history when it was a reply, `next` when another one follows, `stale` when it was settled before.
        `stage`: what it passed on its way out, for its trace."""
        row = sending.row
        turn_id = native_id or row.row_id
        spoken_by: dict[str, Literal["outgoing", "fromMe"]] = {"reply": "outgoing", "own": "fromMe"}
        by = spoken_by.get(row.kind)
        turn = None if by is None else Turn(id=turn_id, role="assistant", content=row.text, timestamp=EPOCH, type=by)
        answer: bytes = await self._store.run(
            "sent",
            (
                row.contact_id,
                sending.fence,
                row.row_id,
                turn.encode() if turn else "",
                turn_id,
                row.row_id if native_id else "",
                row.expires_s * 1000,
                stage.name if stage else "",
                "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in (stage.facts if stage else {}).items()),
            ),
            contact=row.contact_id,
            channel=row.channel_id,
        )
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these three

    async def retry(self, sending: Sending, *, delay_s: float, final: bool) -> Literal["later", "held", "dropped", "stale"]:
        """The row did not leave: it is tried again after `delay_s`, or, when `final` or tried too often, a reply is held and a prompt dropped."""
        row = sending.row
        answer: bytes = await self._store.run(
            "retry",
            (
                row.contact_id,
                sending.fence,
                row.row_id,
                int(delay_s * 1000),
                0 if final else self._delivery.max_attempts,
                keys.EVENTS_QUEUE,
            ),
            contact=row.contact_id,
            channel=row.channel_id,
        )
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these four


_MOST_CONTACTS = 1000
_MOST_ROWS = 50


def once_of(key: str) -> str:
    """What stands for something that is done once, among what the owner was told."""
    return f"once:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


class DraftStore:
    """Held replies in Redis. Each decision is one script."""

    def __init__(self, store: Store, settings: DraftSettings, jobs: JobSettings) -> None:
        self._store = store
        self._settings = settings
        self._jobs = jobs

    @property
    def _lives_ms(self) -> int:
        return int(self._settings.expire_hours * 3_600_000)

    async def held(self) -> tuple[list[HeldReply], list[DataError]]:
        """Every held row that has not expired, oldest first per contact, and what could not be read. Three round trips."""
        client = self._store.client
        contacts = [raw.decode() for raw in await self._store.call(client.zrange(keys.HELD_INDEX, 0, _MOST_CONTACTS - 1))]
        if not contacts:
            return [], []
        pipe = client.pipeline(transaction=False)
        pipe.time()
        for contact in contacts:
            pipe.lrange(keys.held(contact), 0, _MOST_ROWS - 1)
        ((seconds, _), *lists), broken = await self._store.look(pipe)
        found: list[HeldReply] = []
        corrupt = [DataError("corrupt_record", f"The record {key} cannot be read; it was left as it is.") for key in broken]
        for contact, items in zip(contacts, lists, strict=True):
            for item in items or ():
                try:
                    found.append(HeldReply.decode(item, keys.held(contact)))
                except DataError as error:
                    corrupt.append(error)
        now = from_ms(int(seconds) * 1000)
        return [each for each in found if self.ends(each) > now], corrupt

    async def newest_turns(self, contacts: Collection[ContactId]) -> dict[ContactId, str]:
        """The id of what was said last with each, as `release` looks at it; empty where nothing is known."""
        if not contacts:
            return {}
        pipe = self._store.client.pipeline(transaction=False)
        for contact in contacts:
            pipe.zrevrange(keys.history(contact), 0, 0)
        found, _ = await self._store.look(pipe)
        return {contact: _turn_id(newest) for contact, newest in zip(contacts, found, strict=True)}

    def ends(self, held: HeldReply) -> datetime:
        """When a draft is no more."""
        ends = held.held_at + timedelta(milliseconds=self._lives_ms)
        return min(ends, held.row.until) if held.row.until is not None else ends

    async def release(self, contact: ContactId, channel: str, reply: str, *, anyway: bool = False) -> int:
        """How many rows of this held reply are on their way, through the same checks as any other.

        Raises NotFoundError when it is gone or expired; BusyError while the contact is not approved, is paused, or the checks found
        a fault in the reply as it is; of what a job wrote also when something was said since (unless `anyway`), or enough of it was sent.
        """
        return await self._settle(contact, channel, reply, "send", anyway=anyway)

    async def discard(self, contact: ContactId, channel: str, reply: str) -> int:
        """How many rows of this held reply were dropped. Raises NotFoundError when it is gone."""
        return await self._settle(contact, channel, reply, "drop")

    async def revise(self, contact: ContactId, reply: str, rows: Sequence[NewRow]) -> None:
        """The held reply says what `rows` say, which is the owner's own doing. Raises NotFoundError when it is gone or expired."""
        encoded = [row.encode() for row in rows]
        replaced: int = await self._store.run("revise", (reply, self._lives_ms, *encoded), contact=contact)
        if not replaced:
            raise _gone()

    async def suggest(self, contact: ContactId, reply: str, rows: Sequence[NewRow], *, once: str = "") -> bool:
        """`rows` wait for the owner; False when they did already, or were decided about, `once` being what tells them apart for a week.

        Raises NotFoundError when the contact was not approved, BusyError while enough of what was ordered waits for it.
        """
        done = once_of(once) if once else ""
        encoded = [row.encode() for row in rows]
        given: tuple[str | int, ...] = (
            contact,
            keys.EVENTS_QUEUE,
            reply,
            self._settings.ordered_per_contact,
            done,
            keys.TOLD_TTL_MS,
            *encoded,
        )
        answer: bytes = await self._store.run("suggest", given, contact=contact)
        match answer:
            case b"not_approved":
                raise NotFoundError(
                    "not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved"
                )
            case b"too_many":
                said = f"{self._settings.ordered_per_contact} drafts that were ordered wait for {contact} already."
                raise BusyError("too_many_drafts", said, "secondme drafts list")
            case _:
                return answer == b"held"

    async def write_own(
        self, contact: ContactId, rows: Sequence[NewRow], *, pause_ms: int, once: str, digest: str
    ) -> Literal["queued", "already_done"]:
        """`rows`, the owner's own words, are the next that leave, and the clone is silent there for `pause_ms`: what it had to say, here or
        later, is dropped. `already_done` when the same was written for `once` within a week.

        Raises NotFoundError when the contact was not approved; BusyError while the kill switch is on, when `once` stood for other words,
        and while much of the owner's waits already.
        """
        done = once_of(once) if once else ""
        given: tuple[str | int, ...] = (
            contact,
            pause_ms,
            keys.EVENTS_PAUSE,
            done,
            f"{done}:{digest}",
            keys.TOLD_TTL_MS,
            _MOST_ROWS,
        )
        answer: bytes = await self._store.run(
            "write_own", (*given, *(row.encode() for row in rows)), contact=contact, channel=rows[0].channel_id
        )
        match answer:
            case b"queued":
                await nudge(self._store, Nudge.OUTBOX)
                return "queued"
            case b"done":
                return "already_done"
            case b"not_approved":
                raise NotFoundError(
                    "not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved"
                )
            case b"killed":
                raise BusyError("killed", "The kill switch is on: nothing is sent to anybody.", "secondme kill --off")
            case b"reused":
                raise BusyError("key_reused", "This key was used for other words.", "Use a key for one message.")
            case _:
                said = f"{_MOST_ROWS} messages of yours to {contact} have not left yet."
                raise BusyError("too_many_unsent", said, "secondme channels list")

    async def is_done(self, once: str) -> bool:
        """True when what is done `once` was done within a week."""
        return await self._store.call(self._store.client.zscore(keys.OWNER_TOLD, once_of(once))) is not None

    async def expire(self) -> int:
        """How many rows were dropped because nobody looked at them in time. Repeatable."""
        dropped = 0
        for raw in await self._store.call(self._store.client.zrange(keys.HELD_INDEX, 0, _MOST_CONTACTS - 1)):
            contact = raw.decode()
            with contextlib.suppress(DataError):  # the doctor finds it; the others' drafts expire all the same
                dropped += await self._store.run("expire", (contact, self._lives_ms, keys.EVENTS_QUEUE), contact=contact)
        return dropped

    async def _settle(self, contact: ContactId, channel: str, reply: str, verb: str, *, anyway: bool = False) -> int:
        limits = self._jobs.limits
        given = (
            contact,
            reply,
            verb,
            self._lives_ms,
            int(anyway),
            limits.sent_per_hour,
            limits.sent_per_day,
            limits.contact_per_day,
            limits.contact_per_week,
        )
        answer = await self._store.run("release", given, contact=contact, channel=channel)
        match answer[0]:
            case b"missing":
                raise _gone()
            case b"gone":
                raise BusyError("not_approved", f"{contact} is not an approved contact any more.", "secondme drafts drop")
            case b"paused":
                raise BusyError("paused", f"{contact} is paused, so nothing is sent to them.", "secondme resume")
            case b"overtaken":
                said = "Something was said in that conversation since a job wrote this."
                raise BusyError("overtaken", said, "Look at both; then: secondme drafts send ID --anyway")
            case b"limit":
                said = "Jobs have written to people often enough for now."
                raise BusyError("proactive_limit", said, "Send it later, or write to them yourself: [jobs.limits] says how often.")
            case b"unfit":
                raise BusyError("unfit", "The checks found a fault in that draft.", "Write it anew: secondme drafts edit")
            case _:
                await nudge(self._store, Nudge.OUTBOX)
                return int(answer[1])


def _turn_id(newest: Sequence[bytes] | None) -> str:
    """The id of the only one of these turns; empty for none, and for one that cannot be read."""
    try:
        turn = json.loads(newest[0]) if newest else None
    except ValueError:
        turn = None
    found = turn.get("id") if isinstance(turn, dict) else None
    return found if isinstance(found, str) else ""


def _gone() -> NotFoundError:
    return NotFoundError("no_such_draft", "That draft is gone.", "secondme drafts list")
