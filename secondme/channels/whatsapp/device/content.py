"""What does a message say, and what came with it? Pure: one end-to-end protobuf message in, plain values out.

Read by field names only, so that nothing here imports the library. No address in a message is ever kept: a file is named by the path
on WhatsApp's own media servers and its key.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from secondme.core.attachments import AttachmentKind
from secondme.core.text import safe_name

TEXT_LIMIT = 65_536
"""Characters; WhatsApp's own limit for one message."""
HANDLE_LIMIT = 4096
_ATTACHMENTS = 10
_DEPTH = 6
"""Wrappers around wrappers: ephemeral, view once, with caption, edited, and some room."""
_PATH = re.compile(r"/[\x21-\x7e]{1,2000}")
"""What follows the media server's name in an address. Without the slash it could become part of that name."""
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_EDIT = 14
"""`ProtocolMessage.MESSAGE_EDIT`."""

_MEDIA = {
    "imageMessage": AttachmentKind.PHOTO,
    "videoMessage": AttachmentKind.VIDEO,
    "ptvMessage": AttachmentKind.VIDEO,
    "audioMessage": AttachmentKind.AUDIO,
    "documentMessage": AttachmentKind.DOCUMENT,
    "stickerMessage": AttachmentKind.STICKER,
}
_SAID = {
    "buttonsResponseMessage": ("selectedDisplayText",),
    "listResponseMessage": ("title", "description"),
    "templateButtonReplyMessage": ("selectedDisplayText",),
}
"""Answers to a business's buttons, and which fields hold their words."""
_SILENT = frozenset(
    {
        "albumMessage",  # announces photos, which come by themselves
        "bcallMessage",
        "call",
        "callLogMesssage",
        "encReactionMessage",
        "fastRatchetKeySenderKeyDistributionMessage",
        "keepInChatMessage",
        "messageContextInfo",
        "messageHistoryBundle",
        "messageHistoryNotice",
        "pinInChatMessage",
        "pollUpdateMessage",
        "protocolMessage",  # an edit was read before; revocations and the library's own affairs are nothing to answer
        "reactionMessage",
        "scheduledCallEditMessage",
        "secretEncryptedMessage",
        "senderKeyDistributionMessage",
        "stickerSyncRmrMessage",
    }
)
_KEYS = ("directPath", "mediaKey", "fileEncSHA256", "fileSHA256", "fileLength", "mimetype")
"""All that a download needs. `URL` is not among them: the library would fetch whatever it says."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a person said. `attachments` are JSON objects in the port's words."""

    text: str
    attachments: tuple[dict[str, Any], ...] = ()
    reply_to: str = ""
    edit_of: str = ""


def read_content(message: Any) -> Content | None:  # a generated protobuf class
    """What the message says; None when there is nothing in it for a person: reactions, receipts, keys, revocations."""
    message = _unwrapped(message)
    edit_of = ""
    if message.HasField("protocolMessage") and message.protocolMessage.type == _EDIT:
        edit_of = message.protocolMessage.key.ID
        message = _unwrapped(message.protocolMessage.editedMessage)
        if not edit_of:
            return None
    said: list[str] = []
    attachments: list[dict[str, Any]] = []
    for field, value in message.ListFields():
        if field.name not in _SILENT:
            words, came = _read_field(field.name, value, type(message))
            said.append(words)
            attachments += came
    if not message.ListFields() and message.ByteSize():  # a kind that is newer than our library
        attachments.append(_claim(AttachmentKind.OTHER))
    text = "\n".join(words for words in said if words)[:TEXT_LIMIT]
    if not text and not attachments:
        return None
    return Content(text, tuple(attachments[:_ATTACHMENTS]), _quoted(message), edit_of)


def _unwrapped(message: Any) -> Any:
    """The message inside its wrappers (ephemeral, view once, document with caption, edited, sent from another device)."""
    for _ in range(_DEPTH):
        inner = next((value.message for field, value in message.ListFields() if _is_wrapper(field)), None)
        if inner is None:
            break
        message = inner
    return message


def _is_wrapper(field: Any) -> bool:
    return field.message_type is not None and field.message_type.name in {"FutureProofMessage", "DeviceSentMessage"}


def _read_field(name: str, value: Any, message_class: Any) -> tuple[str, list[dict[str, Any]]]:
    """The words and the attachments of one set field."""
    if name == "conversation":
        return value, []
    if name == "extendedTextMessage":
        return value.text, []
    if name in _SAID:
        return next((words for part in _SAID[name] if (words := getattr(value, part))), ""), []
    if name == "interactiveResponseMessage":
        return value.body.text, []
    if name in _MEDIA:
        return getattr(value, "caption", ""), [_media(name, value, message_class)]
    if name == "locationMessage":
        return value.comment, [_claim(AttachmentKind.LOCATION, fileName=safe_name(value.name or value.address))]
    if name == "liveLocationMessage":
        return value.caption, [_claim(AttachmentKind.LOCATION)]
    if name == "contactMessage":
        return "", [_claim(AttachmentKind.CONTACT, fileName=safe_name(value.displayName))]
    if name == "contactsArrayMessage":
        names = [safe_name(contact.displayName) for contact in value.contacts[:_ATTACHMENTS]]
        return "", [_claim(AttachmentKind.CONTACT, fileName=name) for name in names] or [_claim(AttachmentKind.CONTACT)]
    return "", [_claim(AttachmentKind.OTHER)]


def _media(name: str, value: Any, message_class: Any) -> dict[str, Any]:
    kind = AttachmentKind.VOICE if name == "audioMessage" and value.PTT else _MEDIA[name]
    mime = _MIME.match(value.mimetype)
    return _claim(
        kind,
        mime=mime[0] if mime else "",
        sizeBytes=min(value.fileLength, 1 << 53) if value.HasField("fileLength") else None,
        durationS=value.seconds if "seconds" in value.DESCRIPTOR.fields_by_name and value.HasField("seconds") else None,
        fileName=safe_name(value.fileName or value.title) if name == "documentMessage" else "",
        handle=_handle(name, value, message_class),
    )


def _handle(name: str, value: Any, message_class: Any) -> str:
    """The media's keys alone, as a message in base64; empty when it cannot be downloaded."""
    if not is_media_path(value.directPath) or not value.mediaKey:
        return ""
    minimal = message_class()
    part = getattr(minimal, name)
    for key in _KEYS:
        if value.HasField(key):
            setattr(part, key, getattr(value, key))
    handle = base64.b64encode(minimal.SerializeToString()).decode()
    return handle if len(handle) <= HANDLE_LIMIT else ""


def is_media_path(path: str) -> bool:
    """True when `path` can only ever be a path on WhatsApp's own media servers."""
    return _PATH.fullmatch(path) is not None and not path.startswith("//")


def _claim(kind: AttachmentKind, **claims: Any) -> dict[str, Any]:
    return {"kind": kind.value, **{name: value for name, value in claims.items() if value not in {None, ""}}}


def _quoted(message: Any) -> str:
    """The id of the message that this one quotes. Who wrote that one, and what, is only the sender's claim and not read."""
    for _, value in message.ListFields():
        if hasattr(value, "contextInfo") and value.HasField("contextInfo"):
            return str(value.contextInfo.stanzaID)
    return ""
