"""The gate's two scripts: a contact's message, and the owner's own. Each is one round trip and may be repeated."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING

from secondme.core.clock import to_ms
from secondme.core.messages import Admission
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.config.models import LimitSettings, TakeoverSettings
    from secondme.core.messages import InboundMessage
    from secondme.core.store.client import Store


class GateStore:
    """Decides about messages."""

    def __init__(self, store: Store, limits: LimitSettings, takeover: TakeoverSettings) -> None:
        self._store = store
        self._takeover_ms = int(takeover.pause_minutes * 60_000)
        self._tail: tuple[str | int, ...] = (
            limits.messages,
            limits.window_s,
            int(limits.pause_minutes * 60_000),
            keys.HISTORY_CAP,
            keys.HISTORY_TTL_S,
            keys.INBOX_CAP,
            keys.SEEN_TTL_MS,
            keys.MAILBOX_TTL_MS,
            keys.EVENTS_PAUSE,
        )

    async def admit(self, message: InboundMessage) -> Admission:
        """What became of the message; when this returns, it is safe. One round trip; a stranger causes no write."""
        contact = message.contact_id
        sent_ms = to_ms(message.sent_at)
        identity, content = quoted(message.message_id), quoted(message.text)
        mail = (
            f'{{"messageId":{identity},"contactId":"{contact}","channelId":"{message.channel_id}",'
            f'"normalizedContactId":{quoted(message.normalized_contact_id)},"contactName":{quoted(message.display_name)},'
            f'"content":{content},"timestamp":{sent_ms}{_extras(message)}}}'
        )
        answer: bytes = await self._store.run(
            "admit",
            (
                keys.approved(contact),
                keys.denied(contact),
                keys.seen(contact),
                keys.history(contact),
                keys.history_ids(contact),
                keys.PAUSE_ALL,
                keys.pause(contact),
                keys.counter(contact),
                keys.inbox(contact),
                keys.mailbox(contact),
                keys.QUEUE,
                keys.QUEUE_ACTIVE,
                keys.PAUSED_INDEX,
                keys.channel_pause(message.channel_id),
                keys.trace(contact),
            ),
            (
                contact,
                message.message_id,
                _turn(identity, "user", content, sent_ms, "incoming"),
                sent_ms,
                mail,
                message.channel_id,
                message.normalized_contact_id,
                *self._tail,
            ),
        )
        return _ADMISSIONS[answer]

    async def correct(self, message: InboundMessage) -> Admission:
        """What was said before is said in the new words: CORRECTED, or IGNORED when it is not kept any more; STRANGER, and nothing
        written, for who was not let in. Nobody can correct what somebody else said. Repeatable.
        """
        contact = message.contact_id
        answer: bytes = await self._store.run(
            "correct",
            (keys.approved(contact), keys.history(contact), keys.inbox(contact)),
            (message.edit_of, quoted(message.text), "assistant" if message.from_me else "user"),
        )
        return _ADMISSIONS[answer]

    async def take_over(self, message: InboundMessage) -> Admission:
        """The owner's own words are in the history, the contact is paused, and what waited to be said is dropped. Repeatable.

        OWN_ECHO when the message is one that we sent; STRANGER, and nothing written, when the contact was never let in.
        """
        contact = message.contact_id
        sent_ms = to_ms(message.sent_at)
        turn = _turn(quoted(message.message_id), "assistant", quoted(message.text), sent_ms, "fromMe")
        answer: bytes = await self._store.run(
            "takeover",
            (
                keys.approved(contact),
                keys.seen(contact),
                keys.history(contact),
                keys.history_ids(contact),
                keys.pause(contact),
                keys.inbox(contact),
                keys.mailbox(contact),
                keys.outbox(contact),
                keys.outbox_due(message.channel_id),
                keys.PAUSED_INDEX,
                keys.held(contact),
                keys.HELD_INDEX,
                keys.trace(contact),
            ),
            (
                contact,
                message.message_id,
                turn,
                sent_ms,
                self._takeover_ms,
                keys.HISTORY_CAP,
                keys.HISTORY_TTL_S,
                keys.SEEN_TTL_MS,
                keys.EVENTS_PAUSE,
            ),
        )
        return _ADMISSIONS[answer]


def _extras(message: InboundMessage) -> str:
    """What few messages have, as further fields of their mail."""
    if not message.attachments and not message.reply_to:
        return ""
    attachments = json.dumps([attachment.to_dict() for attachment in message.attachments])
    return f',"attachments":{attachments},"replyTo":{quoted(message.reply_to)}'


def _turn(identity: str, role: str, content: str, sent_ms: int, kind: str) -> str:
    """A Turn as JSON, in the predecessor's key order. Put together by hand: the gate is the hot path, and text is quoted once."""
    return f'{{"id":{identity},"role":"{role}","content":{content},"timestamp":{sent_ms},"type":"{kind}"}}'


_ADMISSIONS: dict[bytes, Admission] = {member.value.encode(): member for member in Admission}
