"""What a stranger causes: one request, at most one prompt, and the outcome of the codes they send. Each is one script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.admit.pairing_store import TRIES
from secondme.core.clock import to_ms
from secondme.core.errors import BusyError, DataError
from secondme.core.ids import new_code, new_id
from secondme.core.messages import Challenge
from secondme.core.records import PairingRequest
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondme.core.config.models import PairingSettings
    from secondme.core.ids import ContactId
    from secondme.core.messages import InboundMessage
    from secondme.core.records import NewRow
    from secondme.core.store.client import Store


_MOST_ALIASES = 8

News = Literal["", "request", "existing", "full", "own_code", "invite", "self_verified", "wrong_code", "locked_out"]


@dataclass(frozen=True, slots=True)
class Knock:
    """What became of a stranger's message, and what of it is new and worth a line in the security log."""

    challenge: Challenge
    news: News = ""
    """Empty when nothing changed: somebody who repeats themselves must not fill the log."""
    closed_the_door: bool = False
    """This was the wrong code that closed invites and self-verification for everybody."""


class DoorStore:
    """Requests and codes in Redis."""

    def __init__(self, store: Store, settings: PairingSettings) -> None:
        self._store = store
        self._settings = settings
        self._ttl_ms = int(settings.code_expiration_minutes * 60_000)
        self._cooldown_ms = int(settings.denial_cooldown_hours * 3_600_000)

    async def challenge(self, message: InboundMessage, prompt: Callable[[str], NewRow] | None) -> Knock:
        """A request for the sender exists, unless something forbids it; `prompt(code)` is the row that tells them, None for silence.

        Repeatable: a second message within the code's life changes nothing.
        """
        contact = message.contact_id
        for _ in range(TRIES):
            code = new_code()
            row = prompt(code) if prompt else None
            answer: bytes = await self._store.run(
                "challenge",
                (
                    keys.approved(contact),
                    keys.denied(contact),
                    keys.pending(contact),
                    keys.code(code),
                    keys.invite(code),
                    *keys.PAIRING_INDEXES,
                    keys.PAIRING_STATS,
                    keys.PAIRING_PROMPTS,
                    keys.PAIRING_FULL,
                    keys.outbox(contact),
                    keys.outbox_due(message.channel_id),
                    keys.PAUSE_ALL,
                    keys.history(contact),
                    keys.told(contact),
                ),
                (
                    contact,
                    message.phone_number or contact,
                    message.display_name,
                    message.channel_id,
                    code,
                    self._ttl_ms,
                    self._settings.max_pending_requests,
                    self._settings.max_prompts_per_hour,
                    row.encode() if row else "",
                    row.row_id if row else "",
                    "1" if self._settings.auto_approve_existing else "0",
                    keys.EVENTS_PAIRING,
                    keys.EVENTS_SECURITY,
                    to_ms(message.sent_at),
                    int(self._settings.prompt_max_age_minutes * 60_000),
                ),
            )
            if answer != b"collision":
                return _KNOCKS[answer]
        raise BusyError("no_free_code", "Too many live codes; try again in a moment.")

    async def is_any_denied(self, contacts: Sequence[ContactId]) -> bool:
        """True when one of `contacts` is in the cooldown after a denial."""
        return bool(
            await self._store.call(self._store.client.exists(*(keys.denied(contact) for contact in contacts[:_MOST_ALIASES])))
        )

    async def redeem(self, message: InboundMessage, digits: str, welcome: NewRow, notice: NewRow) -> Knock:
        """The outcome of six digits from a stranger. `welcome` is said when they open the door, `notice` once when only the owner can.

        Not repeatable as such: a second call counts as a second attempt, as it must.
        """
        contact = message.contact_id
        for _ in range(TRIES):
            raw = await self._store.call(self._store.client.get(keys.pending(contact))) or b""
            own = _code_in(raw, keys.pending(contact))
            answer: bytes = await self._store.run(
                "redeem",
                (
                    keys.approved(contact),
                    keys.denied(contact),
                    keys.pending(contact),
                    keys.code(own or "none"),
                    keys.invite(digits),
                    keys.attempts(contact),
                    keys.PAIRING_WRONG,
                    keys.PAIRING_CLOSED,
                    *keys.PAIRING_INDEXES,
                    keys.INDEX_INVITES,
                    keys.PAIRING_STATS,
                    keys.outbox(contact),
                    keys.outbox_due(message.channel_id),
                    keys.told(contact),
                    keys.PAUSE_ALL,
                ),
                (
                    contact,
                    message.phone_number or contact,
                    message.display_name,
                    message.channel_id,
                    digits,
                    own,
                    self._settings.mode.value,
                    self._settings.self_verify_tier.value,
                    self._settings.wrong_codes_per_contact,
                    self._cooldown_ms,
                    self._settings.wrong_codes_per_hour,
                    welcome.encode(),
                    notice.encode(),
                    new_id(),
                    keys.EVENTS_PAIRING,
                    keys.EVENTS_SECURITY,
                    raw,
                ),
            )
            if answer != b"changed":
                return _KNOCKS[answer]
        raise BusyError("pairing_changed", "The request kept changing; try again.")


def _code_in(raw: bytes, key: str) -> str:
    """The code of the request that `raw` holds; empty for one that cannot be read: then only an invite can open the door."""
    try:
        return PairingRequest.decode(raw, key).code if raw else ""
    except DataError:
        return ""


_KNOCKS = {
    b"approved": Knock(Challenge.APPROVED),
    b"existing": Knock(Challenge.APPROVED, news="existing"),
    b"denied": Knock(Challenge.DENIED),
    b"already_pending": Knock(Challenge.ALREADY_PENDING),
    b"too_old": Knock(Challenge.TOO_OLD),
    b"closed": Knock(Challenge.CLOSED),
    b"full": Knock(Challenge.CLOSED),
    b"full_now": Knock(Challenge.CLOSED, news="full"),
    b"prompted": Knock(Challenge.PROMPTED, news="request"),
    b"requested": Knock(Challenge.REQUESTED, news="request"),
    b"needs_owner": Knock(Challenge.NEEDS_OWNER, news="own_code"),
    b"needs_owner_again": Knock(Challenge.NEEDS_OWNER),
    b"welcomed_invite": Knock(Challenge.WELCOMED, news="invite"),
    b"welcomed_own": Knock(Challenge.WELCOMED, news="self_verified"),
    b"wrong_code": Knock(Challenge.WRONG_CODE, news="wrong_code"),
    b"wrong_code_closing": Knock(Challenge.WRONG_CODE, news="wrong_code", closed_the_door=True),
    b"locked_out": Knock(Challenge.DENIED, news="locked_out"),
    b"locked_out_closing": Knock(Challenge.DENIED, news="locked_out", closed_the_door=True),
}
