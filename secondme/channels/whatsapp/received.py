"""Is what the device process handed over a message? Its JSON becomes the port's record, every field checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.manifest import ID
from secondme.core.attachments import Attachment, AttachmentKind
from secondme.core.clock import from_ms
from secondme.core.errors import DataError
from secondme.core.ids import ChannelId, ContactId, MessageId, contact_id, message_id
from secondme.core.messages import ChatKind, InboundMessage

if TYPE_CHECKING:
    from secondme.channels.whatsapp.protocol import Frame

CHANNEL = ChannelId(ID)
_KINDS = frozenset({ChatKind.DIRECT, ChatKind.OWNER})


def read_received(record: Frame) -> InboundMessage:
    """The message. Raises DataError when the record is none: a spool that was tampered with, or a device process gone mad."""
    try:
        kind = ChatKind(record["kind"])
        if kind not in _KINDS:
            raise DataError("whatsapp_bad_message", "The device process handed over a message of no person.")
        contact, phone = contact_id(_text(record["contact"])), _text(record["phone"])
        return InboundMessage(
            channel_id=CHANNEL,
            contact_id=contact,
            normalized_contact_id=phone or contact,
            message_id=message_id(_text(record["id"])),
            text=_text(record["text"]),
            sent_at=from_ms(int(record["sentMs"])),
            display_name=_text(record["name"]),
            phone_number=phone,
            kind=kind,
            from_me=record["fromMe"] is True,
            attachments=tuple(map(_attachment, record["attachments"])),
            reply_to=_reference(record["replyTo"]),
            edit_of=_reference(record["editOf"]),
            aliases=tuple(ContactId(contact_id(_text(alias))) for alias in record["aliases"]),
            backlog=record["backlog"] is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError("whatsapp_bad_message", "The device process handed over something that is no message.") from error


def _attachment(claims: Any) -> Attachment:
    return Attachment(
        AttachmentKind(claims["kind"]),
        _text(claims.get("mime", "")),
        _number(claims.get("sizeBytes")),
        _number(claims.get("durationS")),
        _text(claims.get("fileName", "")),
        _text(claims.get("handle", "")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError
    return value


def _reference(native: object) -> MessageId | str:
    text = _text(native)
    return message_id(text) if text else ""
