"""The owner writes to a contact as themselves, from the command line, the screen or a program: a takeover, as from their own phone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.admit.pairing import channel_of
from secondme.core.errors import DataError, NotFoundError
from secondme.core.ids import ContactId, is_contact_id, new_id
from secondme.core.records import NewRow
from secondme.core.security_log import SecurityEvent, Severity
from secondme.core.send.split import split_where_needed
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.config.models import TakeoverSettings
    from secondme.core.gateway.store import ConversationStates
    from secondme.core.records import ApprovedContact
    from secondme.core.security_log import SecurityLog
    from secondme.core.send.store import DraftStore

_LONGEST = 16_000
"""Characters of one message that the owner writes."""


@dataclass(frozen=True, slots=True)
class OwnWords:
    """What became of what the owner wrote: it is on its way, in these rows; or it was before, for the same key."""

    outcome: Literal["queued", "already_done"]
    row_ids: tuple[str, ...] = ()


class OwnerMessages:
    """Writes to contacts as the owner. Command line, API and screen all come here."""

    def __init__(
        self,
        states: ConversationStates,
        pairing: PairingStore,
        outgoing: DraftStore,
        security: SecurityLog,
        *,
        takeover: TakeoverSettings,
        by: str,
    ) -> None:
        self._states = states
        self._pairing = pairing
        self._outgoing = outgoing
        self._security = security
        self._takeover = takeover
        self._by = by

    async def write(self, contact: str, text: str, *, once: str = "") -> OwnWords:
        """The owner's own words are on their way to the contact, as they stand, cut only where a platform would not take them whole. It is a
        takeover, as from the owner's own phone: the clone is silent there for `takeover.pause_minutes`, and what it had to say is dropped,
        drafts that the owner wrote anew excepted. No pause holds the words back; the kill switch does: from then on they wait as a draft.

        With `once` it happens once within a week, however often it is asked for. Raises NotFoundError when the contact was not approved;
        BusyError while the kill switch is on, when `once` stood for other words, or while 50 messages of the owner's wait already;
        DataError without words, with more than 16,000 characters, or for a broken record.
        """
        if len(text) > _LONGEST:
            raise DataError("too_long", f"A message has at most {_LONGEST:,} characters.", "Send it in parts.")
        clean = safe_text(text)
        texts = split_where_needed(clean)
        if not texts:
            raise DataError("empty_message", "A message needs words.")
        approved = await approved_of(self._pairing, contact)
        who = ContactId(approved.contact_id)
        rows = _own_rows(who, approved.channel_id or channel_of(who), texts, await self._states.expires_s(who))
        digest = hashlib.sha256(f"{who}\n{clean}".encode()).hexdigest()[:16]
        pause_ms = int(self._takeover.pause_minutes * 60_000)
        outcome = await self._outgoing.write_own(who, rows, pause_ms=pause_ms, once=once, digest=digest)
        if outcome == "already_done":
            return OwnWords(outcome)
        self._security.write(SecurityEvent.PAUSE_ACTIVATED, Severity.INFO, who, reason="fromMe", by=self._by)
        return OwnWords(outcome, tuple(row.row_id for row in rows))


async def approved_of(pairing: PairingStore, contact: str) -> ApprovedContact:
    """The approval of the contact. Raises NotFoundError when there is none, DataError when it cannot be read."""
    approved = await pairing.approved(ContactId(contact)) if is_contact_id(contact) else None
    if approved is None:
        raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")
    return approved


def _own_rows(contact: ContactId, channel: str, texts: Sequence[str], expires_s: int) -> list[NewRow]:
    reply = new_id()
    return [
        NewRow(
            row_id=f"{reply}-{number}",
            reply_id=reply,
            contact_id=contact,
            channel_id=channel,
            kind="own",
            text=text,
            expires_s=expires_s,
        )
        for number, text in enumerate(texts)
    ]
