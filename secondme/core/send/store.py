"""What waits to leave, in order. Each step of a row is one script and may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.clock import EPOCH
from secondme.core.records import OutboxRow, Turn
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.config.models import DeliverySettings
    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store

_LEASE_MARGIN_S = 5.0
"""Added to the send time-out: nobody else may judge a send ambiguous while it can still succeed."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A row that this sender, and nobody else, may hand to its channel now."""

    row: OutboxRow
    fence: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a contact's next row does not leave: `dropped` for ever, `held` for the owner, or a step that needs no sending."""

    why: Literal["empty", "early", "busy", "typing", "dropped", "held", "corrupt"]
    reason: str = ""
    rows: int = 0


class OutboxStore:
    """Outboxes in Redis."""

    def __init__(self, store: Store, delivery: DeliverySettings) -> None:
        self._store = store
        self._ambiguous = delivery.ambiguous
        self._max_attempts = delivery.max_attempts
        self._lease_ms = int((delivery.timeout_s + _LEASE_MARGIN_S) * 1000)

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
    ) -> Sending | Stopped:
        """The contact's next row to send, checked at the last moment against approval, pause, kill switch and takeover; or why not.

        `collapses`: the platform shows one id once. While a row is typed, it is due again after `typing_ms`.
        """
        policy = self._ambiguous if self._ambiguous != "auto" else "resend" if collapses else "hold"
        answer = await self._store.run(
            "take",
            (
                keys.outbox(contact),
                keys.outbox_due(channel),
                keys.mailbox(contact),
                keys.approved(contact),
                keys.pending(contact),
                keys.PAUSE_ALL,
                keys.pause(contact),
                keys.held(contact),
                keys.HELD_INDEX,
                keys.channel_pause(channel),
                keys.trace(contact),
            ),
            (contact, sender, self._lease_ms, policy, keys.EVENTS_QUEUE, keys.MAILBOX_TTL_MS, typing_ms),
        )
        match answer[0]:
            case b"send":
                return Sending(OutboxRow.decode(answer[2], keys.outbox(contact)), int(answer[1]))
            case b"held":
                return Stopped("held", answer[1].decode(), answer[2])
            case b"dropped":
                return Stopped("dropped", rows=answer[1])
            case other:
                return Stopped(other.decode())

    async def sent(self, sending: Sending, native_id: str) -> Literal["done", "next", "stale"]:
        """The row has left: it is in the history when it was a reply, `next` when another one follows, `stale` when it was settled before."""
        row = sending.row
        turn_id = native_id or row.row_id
        turn = (
            Turn(id=turn_id, role="assistant", content=row.text, timestamp=EPOCH, type="outgoing") if row.kind == "reply" else None
        )
        answer: bytes = await self._store.run(
            "sent",
            (
                keys.outbox(row.contact_id),
                keys.outbox_due(row.channel_id),
                keys.mailbox(row.contact_id),
                keys.history(row.contact_id),
                keys.history_ids(row.contact_id),
                keys.approved(row.contact_id),
                keys.last_reply(row.contact_id),
                keys.trace(row.contact_id),
            ),
            (
                row.contact_id,
                sending.fence,
                row.row_id,
                turn.encode() if turn else "",
                turn_id,
                keys.HISTORY_CAP,
                keys.HISTORY_TTL_S,
                row.row_id if native_id else "",
            ),
        )
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these three

    async def retry(self, sending: Sending, *, delay_s: float, final: bool) -> Literal["later", "held", "dropped", "stale"]:
        """The row did not leave: it is tried again after `delay_s`, or, when `final` or tried too often, a reply is held and a prompt dropped."""
        row = sending.row
        answer: bytes = await self._store.run(
            "retry",
            (
                keys.outbox(row.contact_id),
                keys.outbox_due(row.channel_id),
                keys.mailbox(row.contact_id),
                keys.held(row.contact_id),
                keys.HELD_INDEX,
                keys.trace(row.contact_id),
            ),
            (
                row.contact_id,
                sending.fence,
                row.row_id,
                int(delay_s * 1000),
                0 if final else self._max_attempts,
                keys.EVENTS_QUEUE,
            ),
        )
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these four
