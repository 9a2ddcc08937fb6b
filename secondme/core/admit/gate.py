"""The gate: whether a message is admitted, and what happens to it. One round trip for every approved contact."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.ids import mask_contact_id
from secondme.core.log import get_logger
from secondme.core.messages import Admission, Challenge, ChatKind, InboundMessage, told
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity
from secondme.core.text import clip_utf8, safe_name

if TYPE_CHECKING:
    from secondme.core.admit.pairing import PairingRequests
    from secondme.core.admit.store import GateStore

log = get_logger(__name__)

TEXT_LIMIT_BYTES = 64 * 1024
_MOST_ATTACHMENTS = 32


class Gate:
    """The one way in. Every channel's every message passes `admit`."""

    def __init__(self, gate: GateStore, door: PairingRequests, security: SecurityLog) -> None:
        self._gate = gate
        self._door = door
        self._security = security

    async def admit(self, message: InboundMessage) -> Admission | Challenge:
        """What became of the message. When this returns, the message is safe, or decided against for good.

        Order: not a direct chat -> ignored; taken back -> revoked; an edit -> corrected; from the owner -> takeover; approved -> history, pause, limit, inbox; else the door.
        What cannot be taken for a broken record of its contact is set aside: it is no reason to keep the others waiting.
        Raises UnavailableError when the store does not answer: then nothing is decided and the channel must offer it again.
        """
        try:
            return await self._decide(message)
        except DataError as error:
            log.error("record_broken", contact=mask_contact_id(message.contact_id), code=error.code)
        return await self._set_aside(message)

    async def _set_aside(self, message: InboundMessage) -> Admission | Challenge:
        try:
            text = clip_utf8(told(message.text, message.attachments[:_MOST_ATTACHMENTS]), TEXT_LIMIT_BYTES)
            kept = await self._gate.set_aside(replace(message, text=text, display_name=safe_name(message.display_name)))
        except DataError:  # there is no place left for it; the owner at least knows whose it was
            await self._gate.tell_broken(message.contact_id)
            return Admission.SET_ASIDE
        return Challenge.CLOSED if kept is Admission.STRANGER else kept

    async def _decide(self, message: InboundMessage) -> Admission | Challenge:
        if message.kind is not ChatKind.DIRECT:
            return Admission.IGNORED
        if message.revokes:
            return await self._gate.revoke(message)
        words, attachments = message.text, message.attachments[:_MOST_ATTACHMENTS]
        text, name = clip_utf8(told(words, attachments), TEXT_LIMIT_BYTES), safe_name(message.display_name)
        if not text.strip():
            return Admission.IGNORED
        if text != message.text or name != message.display_name:
            message = replace(message, text=text, display_name=name, attachments=attachments)
        if message.edit_of:
            return await self._gate.correct(message, clip_utf8(words, TEXT_LIMIT_BYTES))
        if message.from_me:
            taken = await self._gate.take_over(message)
            if taken is Admission.TAKEN_OVER:
                self._security.write(SecurityEvent.PAUSE_ACTIVATED, Severity.INFO, message.contact_id, reason="fromMe")
            return taken
        admission = await self._gate.admit(message)
        if admission is Admission.RATE_LIMITED:
            await self._security.record(
                SecurityEvent.RATE_LIMIT_TRIGGERED, Severity.WARN, message.contact_id, channelId=message.channel_id
            )
        if admission is not Admission.STRANGER:
            return admission
        challenge = await self._door.knock(replace(message, text=words) if attachments else message)  # a caption can be a code
        if challenge is Challenge.APPROVED:  # approved between the two steps: the message is an ordinary one by now
            return await self._gate.admit(message)
        return challenge
