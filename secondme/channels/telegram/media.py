"""What came with a Telegram message besides its words? Source: Bot API, "Message" and the types it names."""

from __future__ import annotations

import re

from secondme.channels.telegram.values import Json, count, table, text
from secondme.core.attachments import Attachment, AttachmentKind

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
        return (Attachment(AttachmentKind.CONTACT),)
    if "location" in message or "venue" in message:
        return (Attachment(AttachmentKind.LOCATION),)
    return () if text(message.get("text"), 1) else (Attachment(AttachmentKind.OTHER),)


def is_service(message: Json) -> bool:
    """True when nobody wrote `message`."""
    return not _SERVICE.isdisjoint(message)


def _photo(sizes: object) -> Attachment | None:
    """The largest of the sizes that Telegram made of a picture."""
    found = [table(size) for size in sizes] if isinstance(sizes, list) else []
    if not found:
        return None
    largest = max(found, key=lambda size: (count(size.get("width")) or 0) * (count(size.get("height")) or 0))
    return _file(AttachmentKind.PHOTO, largest, "image/jpeg")


def _file(kind: AttachmentKind, file: Json, mime: str) -> Attachment:
    handle, said = text(file.get("file_id"), 4097), text(file.get("mime_type"), 256)
    return Attachment(
        kind,
        mime=said if _MIME.fullmatch(said) else mime,
        size_bytes=count(file.get("file_size")),
        duration_s=count(file.get("duration")),
        file_name=text(file.get("file_name"), _FILE_NAME_LIMIT),
        handle=handle if _HANDLE.fullmatch(handle) else "",
    )


def _sticker_mime(sticker: Json) -> str:
    if sticker.get("is_animated") is True:
        return "application/x-tgsticker"
    return "video/webm" if sticker.get("is_video") is True else "image/webp"
