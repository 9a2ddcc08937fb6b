"""Telegram's updates: each becomes a message, a correction or nothing, and is handed on once."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from secondme.channels.telegram.manifest import ID
from secondme.channels.telegram.settings import ID_LIMIT
from secondme.core import fault_points
from secondme.core.clock import from_ms
from secondme.core.errors import DataError, SecondmeError
from secondme.core.ids import ChannelId, ContactId, MessageId, mask_contact_id
from secondme.core.log import get_logger
from secondme.core.messages import Attachment, AttachmentKind, ChatKind, InboundMessage
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from secondme.core.ports import ChannelHost


Json = dict[str, Any]
"""An object as `json.loads` made it."""

DEPTH_LIMIT = 32


def table(value: object) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def positive(value: object) -> int | None:
    """`value` if it is a whole number from 1 to 2**53, which `True` is not."""
    return value if type(value) is int and 0 < value < ID_LIMIT else None


def count(value: object) -> int | None:
    """`value` if it is a whole number from 0 to 2**53."""
    return value if type(value) is int and 0 <= value < ID_LIMIT else None


def text(value: object, limit: int) -> str:
    """`value` if it is a string, at most `limit` characters of it; half a character (a lone surrogate) becomes `?`."""
    return value[:limit].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def is_deeper(value: object, limit: int = DEPTH_LIMIT) -> bool:
    """True when objects and lists lie in each other more than `limit` deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: Json | list[Any]) -> list[Any]:
    return list(outer.values()) if isinstance(outer, dict) else outer


_HANDLE = re.compile(r"[\x21-\x7e]{1,4096}")
_MIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,62}/[A-Za-z0-9][A-Za-z0-9.+_-]{0,126}")
_FILE_NAME_LIMIT = 255

_FILES = {
    "voice": (AttachmentKind.VOICE, "audio/ogg"),
    "audio": (AttachmentKind.AUDIO, "audio/mpeg"),
    "video": (AttachmentKind.VIDEO, "video/mp4"),
    "video_note": (AttachmentKind.VIDEO, "video/mp4"),
    "animation": (AttachmentKind.VIDEO, "video/mp4"),
    "document": (AttachmentKind.DOCUMENT, ""),
}
"""Field -> what it is, and its type when the message does not say. `animation` before `document`: a message with one has both."""

_SERVICE = frozenset({
    "boost_added", "chat_background_set", "channel_chat_created", "connected_website", "delete_chat_photo", "direct_message_price_changed",
    "forum_topic_closed", "forum_topic_created", "forum_topic_edited", "forum_topic_reopened", "general_forum_topic_hidden",
    "general_forum_topic_unhidden", "giveaway_completed", "giveaway_created", "group_chat_created", "left_chat_member",
    "message_auto_delete_timer_changed", "migrate_from_chat_id", "migrate_to_chat_id", "new_chat_members", "new_chat_photo",
    "new_chat_title", "paid_message_price_changed", "pinned_message", "proximity_alert_triggered", "supergroup_chat_created",
    "video_chat_ended", "video_chat_participants_invited", "video_chat_scheduled", "video_chat_started", "write_access_allowed",
})  # fmt: skip
"""Fields of messages that nobody wrote: Telegram tells that something was set or pinned."""


def attachments_of(message: Json) -> tuple[Attachment, ...]:
    """What is in `message` besides its words; OTHER when it has neither words nor anything that is known here."""
    if photo := _photo(message.get("photo")):
        return (photo,)
    for field, (kind, mime) in _FILES.items():
        if isinstance(message.get(field), dict):
            return (_file(kind, message[field], mime),)
    if isinstance(message.get("sticker"), dict):
        return (_file(AttachmentKind.STICKER, message["sticker"], _sticker_mime(message["sticker"])),)
    if isinstance(message.get("contact"), dict):
        return (Attachment(AttachmentKind.CONTACT, file_name=name_of(message["contact"])),)
    if "location" in message or "venue" in message:
        venue = table(message.get("venue"))
        return (Attachment(AttachmentKind.LOCATION, file_name=text(venue.get("title"), _NAME_LIMIT)),)
    if isinstance(message.get("poll"), dict):
        return (Attachment(AttachmentKind.POLL, file_name=text(message["poll"].get("question"), _FILE_NAME_LIMIT)),)
    return () if text(message.get("text"), 1) else (Attachment(AttachmentKind.OTHER),)


def is_service(message: Json) -> bool:
    """True when nobody wrote `message`."""
    return not _SERVICE.isdisjoint(message)


def _photo(sizes: object) -> Attachment | None:
    """The largest of the sizes that Telegram made of a picture."""
    photos = [table(size) for size in sizes] if isinstance(sizes, list) else []
    if not photos:
        return None
    largest = max(photos, key=lambda size: (count(size.get("width")) or 0) * (count(size.get("height")) or 0))
    return _file(AttachmentKind.PHOTO, largest, "image/jpeg")


def _file(kind: AttachmentKind, file: Json, mime: str) -> Attachment:
    handle, claimed = text(file.get("file_id"), 4097), text(file.get("mime_type"), 256)
    return Attachment(
        kind,
        mime=claimed if _MIME.fullmatch(claimed) else mime,
        size_bytes=count(file.get("file_size")),
        duration_s=count(file.get("duration")),
        file_name=text(file.get("file_name"), _FILE_NAME_LIMIT),
        handle=handle if _HANDLE.fullmatch(handle) else "",
    )


def _sticker_mime(sticker: Json) -> str:
    if sticker.get("is_animated") is True:
        return "application/x-tgsticker"
    return "video/webm" if sticker.get("is_video") is True else "image/webp"


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
_START = re.compile(r"/start ([0-9]{6})", re.ASCII)
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
    contact, phone, words = ContactId(f"{_PREFIX}{who}"), _own_number(message, who), _words(message)
    if who != owner_id and (invited := _START.fullmatch(words)):
        words = invited[1]  # the link of an invite was opened: Telegram typed the command, nobody did
    return InboundMessage(
        channel_id=_CHANNEL,
        contact_id=contact,
        normalized_contact_id=phone or contact,
        message_id=MessageId(f"{number}-edit-{_moment(message.get('edit_date')) or sent_s}" if is_edit else str(number)),
        text=words,
        sent_at=from_ms(sent_s * 1000),
        display_name=name_of(sender),
        phone_number=phone,
        kind=ChatKind.OWNER if who == owner_id else ChatKind.DIRECT,
        attachments=attachments_of(message),
        reply_to=_reply_to(message, who),
        quoted=_quoted(message) if _reply_to(message, who) else "",
        edit_of=str(number) if is_edit else "",
        is_forwarded="forward_origin" in message or "forward_date" in message,
        album=_album(message),
        thread=str(positive(message.get("message_thread_id")) or "") if message.get("is_topic_message") is True else "",
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
    number = _NUMBER.fullmatch(text(card.get("phone_number"), 32).translate(_PUNCTUATION))
    return number[1] if number else ""


_ALBUM = re.compile(r"[\x21-\x7e]{1,64}")
_LINK = re.compile(r"https?://[\x21-\x7e]{1,2000}")
_MOST_LINKS, _MOST_OPTIONS = 20, 12
_QUOTE_LIMIT = 500


def _album(message: Json) -> str:
    group = text(message.get("media_group_id"), 65)
    return group if _ALBUM.fullmatch(group) else ""


def _words(message: Json) -> str:
    """What was written, with the addresses of links behind their words, the place of a venue, and the choices of a poll."""
    name = "text" if text(message.get("text"), 1) else "caption"
    words = _with_links(text(message.get(name), _TEXT_LIMIT), message.get("entities" if name == "text" else "caption_entities"))
    address = text(table(message.get("venue")).get("address"), _FILE_NAME_LIMIT)
    options = table(message.get("poll")).get("options")
    choices = (
        [f"- {text(table(each).get('text'), _FILE_NAME_LIMIT)}" for each in options[:_MOST_OPTIONS]]
        if isinstance(options, list)
        else []
    )
    return "\n".join(part for part in (words, address, *choices) if part)


def _with_links(words: str, entities: object) -> str:
    """`words`, each link that hides behind some of them written out. Telegram counts UTF-16 units."""
    units = words.encode("utf-16-le")
    for entity in reversed(entities[:_MOST_LINKS] if isinstance(entities, list) else []):
        link = table(entity)
        begin, length, url = count(link.get("offset")), count(link.get("length")), text(link.get("url"), 2009)
        if link.get("type") == "text_link" and begin is not None and length and _LINK.fullmatch(url):
            shown, end = units[2 * begin : 2 * (begin + length)].decode("utf-16-le", "replace"), 2 * (begin + length)
            if end <= len(units) and shown.strip() != url:
                units = units[:end] + f" ({url})".encode("utf-16-le") + units[end:]
    return units.decode("utf-16-le", "replace")


def _quoted(message: Json) -> str:
    """What the message answers, in the words that Telegram itself shows: the part that was chosen, or all of it."""
    whole = table(message.get("reply_to_message"))
    part = text(table(message.get("quote")).get("text"), _QUOTE_LIMIT)
    return part or text(whole.get("text"), _QUOTE_LIMIT) or text(whole.get("caption"), _QUOTE_LIMIT)


def _reply_to(message: Json, who: int) -> str:
    """The id of the message of the same chat that this one answers, or empty."""
    quoted = table(message.get("reply_to_message"))
    number = positive(quoted.get("message_id"))
    return str(number) if number is not None and table(quoted.get("chat")).get("id") == who else ""


def name_of(sender: Json) -> str:
    """The name that a user or a private chat has given itself, in one visible line."""
    return safe_name(f"{text(sender.get('first_name'), _NAME_LIMIT)} {text(sender.get('last_name'), _NAME_LIMIT)}")


def _moment(value: object) -> int | None:
    seconds = positive(value)
    return seconds if seconds is not None and seconds <= _LATEST_S else None


log = get_logger(__name__)

_ATTEMPTS = 5
"""How often a message is offered that cannot be taken for a reason of its own; as often as a worker tries one."""


class Intake:
    """Hands updates over to the host, one after the other."""

    def __init__(self, host: ChannelHost, owner_id: int | None) -> None:
        self._host = host
        self._owner_id = owner_id
        self._failed = 0
        self._failing: Any = None  # the id of the update that failed last, whatever it is

    async def take(self, update: Json) -> bool:
        """True when Telegram may forget `update`: it is safe, or nobody will ever be able to read it. False: offer it again."""
        message = understand(update, self._owner_id)
        if isinstance(message, Skipped):
            if message is Skipped.UNREADABLE:
                log.warning("telegram_update_skipped", reason=message.value)
            return True
        try:
            await self._host.receive(message)
        except DataError as error:
            return self._is_given_up(update, message, error)
        except SecondmeError as error:
            log.info("telegram_message_refused", contact=mask_contact_id(message.contact_id), code=error.code)
            return False
        except Exception as error:  # noqa: BLE001  the top of one update's work: one that trips us must not stop the others for ever
            return self._is_given_up(update, message, error)
        fault_points.point("channel.admitted")
        return True

    def _is_given_up(self, update: Json, message: InboundMessage, error: Exception) -> bool:
        identity = update.get("update_id")
        self._failed = self._failed + 1 if identity == self._failing else 1
        self._failing = identity
        log.error("telegram_message_failed", error, contact=mask_contact_id(message.contact_id), attempt=self._failed)
        return self._failed >= _ATTEMPTS
