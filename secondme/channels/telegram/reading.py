"""Who wrote what? An update of the Bot API becomes a message, as pure calculation on JSON that is not trusted.

Who wrote it is `from` of a private chat that has the same id, and nothing else: Telegram fills in both. A forward, a quote, a name, a
contact card or a bot it was written through says nothing about that. Source: Bot API, "Update", "Message", "Chat", "Contact".
"""

from __future__ import annotations

import re
from enum import StrEnum

from secondme.channels.telegram.manifest import ID
from secondme.channels.telegram.media import attachments_of, is_service
from secondme.channels.telegram.values import Json, is_deeper, positive, table, text
from secondme.core.clock import from_ms
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.messages import ChatKind, InboundMessage
from secondme.core.text import safe_name

_CHANNEL = ChannelId(ID)
_FIELDS = {"message": False, "edited_message": True, "channel_post": False, "edited_channel_post": True}
"""Field of an update -> whether the message in it corrects one."""
_TEXT_LIMIT = 16_384
"""Four times what Telegram allows today."""
_NAME_LIMIT = 256
_CHATS = {"group": ChatKind.GROUP, "supergroup": ChatKind.GROUP, "channel": ChatKind.BROADCAST}
_LATEST_S = 253_402_300_799
"""The end of the year 9999, and of `datetime`."""
_PREFIX = "telegram:"
_NUMBER = re.compile(r"\+?([1-9][0-9]{6,14})", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " ()-.")
_LENT = ("sender_chat", "sender_business_bot", "business_connection_id")
"""With one of these, somebody speaks in another's name; no private chat with a bot has any."""
_BORROWED = ("forward_origin", "forward_from", "forward_date", "via_bot", "external_reply", "quote")
"""With one of these, what is in a message need not come from who sent it."""


_PRIVATE = frozenset({"message", "edited_message"})
"""Updates that a private chat can cause; a channel's post is never a person's message, whatever chat it claims."""


class Skipped(StrEnum):
    """Why there is no message in an update."""

    NOTHING = "nothing_in_it"
    """It is no message, or one that nobody wrote."""
    UNREADABLE = "unreadable"
    """It is not what the Bot API describes."""


def understand(update: object, owner_id: int | None) -> InboundMessage | Skipped:
    """The message in `update`. Of a group or a channel only that there was one. Never raises."""
    if not isinstance(update, dict) or is_deeper(update):
        return Skipped.UNREADABLE
    for field, is_edit in _FIELDS.items():
        if field in update:
            message = table(update[field])
            kind = table(message.get("chat")).get("type")
            if kind == "private" and field in _PRIVATE:
                return _private(message, owner_id, is_edit=is_edit)
            return _elsewhere(message, kind)
    return Skipped.NOTHING


def native_id(contact_id: str) -> int | None:
    """The user id in a contact id of ours; None when it is not one."""
    digits = contact_id.removeprefix(_PREFIX)
    if digits == contact_id or not re.fullmatch(r"[1-9][0-9]{0,15}", digits, re.ASCII):
        return None
    return positive(int(digits))


def _private(message: Json, owner_id: int | None, *, is_edit: bool) -> InboundMessage | Skipped:
    sender, number = table(message.get("from")), positive(message.get("message_id"))
    who, sent_s = positive(sender.get("id")), _moment(message.get("date"))
    if who is None or number is None or sent_s is None:
        return Skipped.UNREADABLE
    if not _is_person_alone(message, who):
        return Skipped.UNREADABLE
    if is_service(message):
        return Skipped.NOTHING
    contact, phone = ContactId(f"{_PREFIX}{who}"), _own_number(message, who)
    return InboundMessage(
        channel_id=_CHANNEL,
        contact_id=contact,
        normalized_contact_id=phone or contact,
        message_id=MessageId(f"{number}-edit-{_moment(message.get('edit_date')) or sent_s}" if is_edit else str(number)),
        text=text(message.get("text"), _TEXT_LIMIT) or text(message.get("caption"), _TEXT_LIMIT),
        sent_at=from_ms(sent_s * 1000),
        display_name=_name(sender),
        phone_number=phone,
        kind=ChatKind.OWNER if who == owner_id else ChatKind.DIRECT,
        attachments=attachments_of(message),
        reply_to=_quoted(message, who),
        edit_of=str(number) if is_edit else "",
    )


def _elsewhere(message: Json, kind: object) -> InboundMessage | Skipped:
    """A group's or a channel's message, under the chat's own id and without a word of it."""
    chat_id, number, sent_s = (
        table(message.get("chat")).get("id"),
        positive(message.get("message_id")),
        _moment(message.get("date")),
    )
    if not isinstance(kind, str) or kind not in _CHATS or type(chat_id) is not int or positive(-chat_id) is None:
        return Skipped.UNREADABLE
    if number is None or sent_s is None:
        return Skipped.UNREADABLE
    return InboundMessage(
        channel_id=_CHANNEL,
        contact_id=ContactId(f"{_PREFIX}{chat_id}"),
        normalized_contact_id=f"{_PREFIX}{chat_id}",
        message_id=MessageId(str(number)),
        text="",
        sent_at=from_ms(sent_s * 1000),
        kind=_CHATS[kind],
    )


def _is_person_alone(message: Json, who: int) -> bool:
    """True when `who` is a person, writing in their own name in their own chat with the bot."""
    sender, chat = table(message.get("from")), table(message.get("chat"))
    return (
        type(chat.get("id")) is int
        and chat["id"] == who
        and sender.get("is_bot") is False
        and not any(field in message for field in _LENT)
    )


def _own_number(message: Json, who: int) -> str:
    """E.164 digits, when the sender shared their own contact card: Telegram itself puts the user id into it. Else empty."""
    card = table(message.get("contact"))
    if positive(card.get("user_id")) != who or any(field in message for field in _BORROWED):
        return ""
    found = _NUMBER.fullmatch(text(card.get("phone_number"), 32).translate(_PUNCTUATION))
    return found[1] if found else ""


def _quoted(message: Json, who: int) -> str:
    """The id of the message of the same chat that this one answers, or empty."""
    quoted = table(message.get("reply_to_message"))
    number = positive(quoted.get("message_id"))
    return str(number) if number is not None and table(quoted.get("chat")).get("id") == who else ""


def _name(sender: Json) -> str:
    return safe_name(f"{text(sender.get('first_name'), _NAME_LIMIT)} {text(sender.get('last_name'), _NAME_LIMIT)}")


def _moment(value: object) -> int | None:
    seconds = positive(value)
    return seconds if seconds is not None and seconds <= _LATEST_S else None
