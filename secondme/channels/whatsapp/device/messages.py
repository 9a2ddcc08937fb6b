"""WhatsApp's messages as the library gives them, read into what the gateway is told."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.jids import Jid, OwnDevice, PersonJids, Resolve, as_person, person_of
from secondme.core.clock import from_ms
from secondme.core.messages import AttachmentKind, ChatKind
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_LIMIT = 65_536
"""Characters; WhatsApp's own limit for one message."""
HANDLE_LIMIT = 4096
_ATTACHMENTS = 10
_DEPTH = 6
_DEEPEST = 3 * _DEPTH
"""A wrapper, the message in it and the key or context in that are three levels."""
"""Wrappers around wrappers: ephemeral, view once, with caption, edited, and some room."""
_PATH = re.compile(r"/[\x21-\x7e]{1,2000}")
"""What follows the media server's name in an address. Without the slash it could become part of that name."""
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_REVOKE, _EDIT = 0, 14
"""`ProtocolMessage.REVOKE` and `MESSAGE_EDIT`."""
_MOST_OPTIONS = 12
_VIEW_ONCE = frozenset({"viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"})
_LONGEST_S = 90 * 86_400
"""WhatsApp's longest time for disappearing messages."""
_LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, the last that a datetime can be."""

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
        "protocolMessage",  # edits and revocations were read before; the library's own affairs are nothing to answer
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
class WhatsAppContent:
    """What a person said. `attachments` are JSON objects in the port's words."""

    text: str
    attachments: tuple[dict[str, Any], ...] = ()
    reply_to: str = ""
    edit_of: str = ""
    revokes: str = ""
    is_forwarded: bool = False
    expires_s: int = 0
    album: str = ""
    announces: int = 0
    """How many parts of an album it says will follow; then it has nothing else in it."""


def read_content(message: Any) -> WhatsAppContent | None:  # a generated protobuf class
    """What the message says; None when there is nothing in it for a person: reactions, receipts, keys."""
    _mend(message)
    message, is_view_once = _unwrapped(message)
    edit_of = ""
    if message.HasField("protocolMessage") and message.protocolMessage.type == _REVOKE:
        return WhatsAppContent("", revokes=message.protocolMessage.key.ID) if message.protocolMessage.key.ID else None
    if message.HasField("albumMessage"):
        album = message.albumMessage
        return WhatsAppContent("", announces=album.expectedImageCount + album.expectedVideoCount)
    if message.HasField("protocolMessage") and message.protocolMessage.type == _EDIT:
        edit_of = message.protocolMessage.key.ID
        message, is_view_once = _unwrapped(message.protocolMessage.editedMessage)
        if not edit_of:
            return None
    texts: list[str] = []
    attachments: list[dict[str, Any]] = []
    for field, value in message.ListFields():
        if field.name not in _SILENT:
            words, came = _read_field(field.name, value, type(message))
            texts.append(words)
            attachments += came
    if not message.ListFields() and message.ByteSize():  # a kind that is newer than our library
        attachments.append(_claim(AttachmentKind.OTHER))
    text = "\n".join(words for words in texts if words)[:TEXT_LIMIT]
    if not text and not attachments:
        return None
    media = {field.name: value for field, value in message.ListFields() if field.name in _MEDIA}
    if media and (is_view_once or any(getattr(value, "viewOnce", False) for value in media.values())):
        text, attachments = "", [{"kind": each["kind"], "viewOnce": True} for each in attachments]
    context = _context(message)
    return WhatsAppContent(
        text,
        tuple(attachments[:_ATTACHMENTS]),
        reply_to=str(context.stanzaID) if context else "",
        edit_of=edit_of,
        is_forwarded=bool(context and (context.isForwarded or context.forwardingScore)),
        expires_s=min(int(context.expiration), _LONGEST_S) if context else 0,
        album=message.messageContextInfo.messageAssociation.parentMessageKey.ID,
    )


def _mend(message: Any, depth: int = 0) -> None:
    """Texts that are no UTF-8, which the library hands over as bytes, are text like all others. What nests deeper than we look stays."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if isinstance(value, bytes):
                setattr(message, field.name, value.decode("utf-8", "replace"))
            elif not isinstance(value, str):  # a list of texts
                value[:] = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in list(value)]
        elif field.message_type is not None and depth < _DEEPEST and not field.message_type.GetOptions().map_entry:
            for each in [value] if hasattr(value, "ListFields") else value:
                _mend(each, depth + 1)


def _unwrapped(message: Any) -> tuple[Any, bool]:
    """The message inside its wrappers (ephemeral, view once, document with caption, edited, sent from another device), and whether it
    may be looked at only once."""
    is_view_once = False
    for _ in range(_DEPTH):
        wrapper = next(((field.name, value.message) for field, value in message.ListFields() if _is_wrapper(field)), None)
        if wrapper is None:
            break
        is_view_once |= wrapper[0] in _VIEW_ONCE
        message = wrapper[1]
    return message, is_view_once


def _is_wrapper(field: Any) -> bool:
    return field.message_type is not None and field.message_type.name in {"FutureProofMessage", "DeviceSentMessage"}


def _read_field(name: str, value: Any, message_class: Any) -> tuple[str, list[dict[str, Any]]]:
    """The words and the attachments of one set field."""
    if name in _SAID:
        return next((words for part in _SAID[name] if (words := getattr(value, part))), ""), []
    if name in _MEDIA:
        return getattr(value, "caption", ""), [_media(name, value, message_class)]
    reader = _READERS.get(name)
    return reader(value) if reader is not None else ("", [_claim(AttachmentKind.OTHER)])


def _location(place: Any) -> tuple[str, list[dict[str, Any]]]:
    return place.comment, [_claim(AttachmentKind.LOCATION, fileName=safe_name(place.name or place.address))]


def _contacts(array: Any) -> tuple[str, list[dict[str, Any]]]:
    names = [safe_name(contact.displayName) for contact in array.contacts[:_ATTACHMENTS]]
    return "", [_claim(AttachmentKind.CONTACT, fileName=name) for name in names] or [_claim(AttachmentKind.CONTACT)]


def _poll(poll: Any) -> tuple[str, list[dict[str, Any]]]:
    options = [f"- {safe_name(option.optionName)}" for option in poll.options[:_MOST_OPTIONS]]
    return "\n".join(options), [_claim(AttachmentKind.POLL, fileName=safe_name(poll.name))]


def _event(event: Any) -> tuple[str, list[dict[str, Any]]]:
    begins = from_ms(event.startTime * 1000).strftime("%Y-%m-%d %H:%M UTC") if 0 < event.startTime * 1000 <= _LATEST_MS else ""
    place = safe_name(event.location.name or event.location.address)
    words = "\n".join(part for part in ("called off" if event.isCanceled else "", begins, place, event.description) if part)
    return words, [_claim(AttachmentKind.EVENT, fileName=safe_name(event.name))]


_READERS: dict[str, Callable[[Any], tuple[str, list[dict[str, Any]]]]] = {
    "conversation": lambda words: (words, []),
    "extendedTextMessage": lambda text: (text.text, []),
    "interactiveResponseMessage": lambda response: (response.body.text, []),
    "locationMessage": _location,
    "liveLocationMessage": lambda place: (place.caption, [_claim(AttachmentKind.LOCATION)]),
    "contactMessage": lambda card: ("", [_claim(AttachmentKind.CONTACT, fileName=safe_name(card.displayName))]),
    "contactsArrayMessage": _contacts,
    "eventMessage": _event,
    "pollCreationMessage": _poll,
    "pollCreationMessageV2": _poll,
    "pollCreationMessageV3": _poll,
    "pollCreationMessageV5": _poll,
    "pollCreationMessageV6": _poll,
}


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


def _context(message: Any) -> Any | None:
    """What the message says about itself: what it quotes, by an id, that it was forwarded, and when its chat forgets it. Who wrote what is
    quoted, and what, is only the sender's claim and not read."""
    return next(
        (value.contextInfo for _, value in message.ListFields() if hasattr(value, "contextInfo") and value.HasField("contextInfo")),
        None,
    )


_SECONDS_BELOW = 100_000_000_000
"""A Unix time below this is in seconds (1973 as milliseconds, the year 5138 as seconds)."""


@dataclass(frozen=True, slots=True)
class WhatsAppChat:
    """The conversation of a message. `person` is the other one, or the owner in the owner's own chat; None where nobody is meant."""

    kind: ChatKind
    person: PersonJids | None = None
    from_me: bool = False
    is_echo: bool = False
    """This very device sent it."""


_NOBODY = WhatsAppChat(ChatKind.GROUP)


def read_jid(proto: Any) -> Jid | None:  # a generated protobuf class
    """The address; None when it is empty."""
    if proto.IsEmpty or not proto.User:
        return None
    return Jid(proto.User, proto.Server, proto.Device, proto.RawAgent, proto.Integrator)


def read_message(
    event: Any, own: OwnDevice, resolve: Resolve, now_ms: int, is_backlog: Callable[[int], bool]
) -> dict[str, Any] | None:
    """The message as a JSON object; None when it is no direct message, our own, or has nothing in it to hand over.

    `is_backlog` is told the sending time in milliseconds.
    """
    chat = read_chat(event.Info, own, resolve)
    if chat.kind not in {ChatKind.DIRECT, ChatKind.OWNER} or chat.person is None or chat.is_echo:
        return None
    content = read_content(event.Message) if event.HasField("Message") else None
    if content is None or not event.Info.ID:
        return None
    sent_ms = read_time(event.Info.Timestamp, now_ms)
    return {
        "id": event.Info.ID,
        "contact": chat.person.contact_id,
        "phone": chat.person.phone,
        "aliases": list(chat.person.aliases),
        "kind": chat.kind.value,
        "fromMe": chat.from_me,
        "name": "" if chat.from_me else safe_name(event.Info.Pushname),  # else it is the owner's name
        "text": content.text,
        "sentMs": sent_ms,
        "attachments": list(content.attachments),
        "replyTo": content.reply_to,
        "editOf": content.edit_of,
        "revokes": content.revokes,
        "forwarded": content.is_forwarded,
        "expiresS": content.expires_s,
        "album": content.album,
        "announces": content.announces,
        "backlog": is_backlog(sent_ms),
    }


def read_time(stamp: int, now_ms: int) -> int:
    """Milliseconds, whether the library gave seconds (as it once did) or milliseconds; now, when it is no time at all."""
    milliseconds = stamp * 1000 if stamp < _SECONDS_BELOW else stamp
    return milliseconds if 0 < milliseconds <= _LATEST_MS else now_ms


def read_chat(info: Any, own: OwnDevice, resolve: Resolve) -> WhatsAppChat:
    """The conversation that the message belongs to. Any doubt makes it nobody's."""
    source = info.MessageSource
    chat, sender = read_jid(source.Chat), read_jid(source.Sender)
    if chat is not None and chat.server == "broadcast":
        return WhatsAppChat(ChatKind.STATUS if chat.user == "status" else ChatKind.BROADCAST)
    if read_jid(source.BroadcastListOwner) is not None or len(source.BroadcastRecipients) or info.Multicast:
        return WhatsAppChat(ChatKind.BROADCAST)
    if chat is None or sender is None or source.IsGroup:
        return _NOBODY
    writer = person_of(sender, read_jid(source.SenderAlt), resolve)
    if writer is None:
        return _NOBODY
    if source.IsFromMe:
        return _own_chat(chat, read_jid(source.RecipientAlt), writer, own, resolve, sender.device)
    if writer.is_same(own.person):  # the library says otherwise: one of the two is wrong
        return _NOBODY
    return WhatsAppChat(ChatKind.DIRECT, writer) if _is_chat_of(chat, writer, resolve) else _NOBODY


def _own_chat(
    chat: Jid, alternative: Jid | None, writer: PersonJids, own: OwnDevice, resolve: Resolve, device: int
) -> WhatsAppChat:
    """A chat in which the owner's account wrote, from one of its devices."""
    if _contradicts(writer, own.person):
        return _NOBODY
    other = person_of(chat, alternative, resolve)
    if other is None:
        return _NOBODY
    is_echo = own.device > 0 and device == own.device
    if other.is_same(own.person):
        return WhatsAppChat(ChatKind.OWNER, PersonJids(own.phone or other.phone, own.lid or other.lid), is_echo=is_echo)
    return WhatsAppChat(ChatKind.DIRECT, other, from_me=True, is_echo=is_echo)


def _is_chat_of(chat: Jid, person: PersonJids, resolve: Resolve) -> bool:
    alone = as_person(chat)
    if alone is None:
        return False
    if alone.is_same(person):
        return True
    vouched = person_of(chat, None, resolve)
    return vouched is not None and vouched.is_same(person)


def _contradicts(one: PersonJids, other: PersonJids) -> bool:
    """True when both have an address of one kind and they differ."""
    return bool(one.phone and other.phone and one.phone != other.phone) or bool(one.lid and other.lid and one.lid != other.lid)
