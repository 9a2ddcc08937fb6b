"""The content of one message. Pure: Meta's kinds of message in, words and attachments out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secondme.core.messages import Attachment, AttachmentKind

Raw = Mapping[str, Any]

MEDIA_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
_NAME_CHARACTERS = 512
_MOST_CARDS = 10
_MIME = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}")
_SILENT = frozenset({"reaction", "system", "request_welcome", "ephemeral"})
"""Nothing to answer. A `system` message says that somebody has a new number: whoever has it now is a stranger until approved."""
_MEDIA = {
    "image": AttachmentKind.PHOTO,
    "audio": AttachmentKind.AUDIO,
    "video": AttachmentKind.VIDEO,
    "document": AttachmentKind.DOCUMENT,
    "sticker": AttachmentKind.STICKER,
}


class UnreadableMessageError(Exception):
    """A message is not in the shape that Meta documents. Without words: they would be a stranger's."""


@dataclass(frozen=True, slots=True)
class CloudContent:
    """What a message says."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    edit_of: str = ""
    revokes: str = ""


def content_of(raw: Raw) -> CloudContent | None:
    """What a message says; None when there is nothing to answer. Raises UnreadableError."""
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise UnreadableMessageError
    if kind in _SILENT:
        return None
    if kind == "edit":
        return _edited(_part(raw, "edit"))
    if kind == "revoke":
        revoked = _words(_part(raw, "revoke"), "original_message_id")
        return CloudContent(revokes=revoked) if revoked else None
    if kind in _MEDIA:
        return _media(_MEDIA[kind], _part(raw, kind))
    reader = _READERS.get(kind)
    return reader(raw) if reader is not None else CloudContent(attachments=(Attachment(AttachmentKind.OTHER),))


def _edited(edit: Raw) -> CloudContent:
    """A correction: the new words, and which message they replace."""
    original, message = edit.get("original_message_id"), edit.get("message")
    if not isinstance(original, str) or not original or not isinstance(message, dict) or message.get("type") == "edit":
        raise UnreadableMessageError
    content = content_of(message)
    if content is None:
        raise UnreadableMessageError
    return CloudContent(content.text, content.attachments, original)


def _media(kind: AttachmentKind, media: Raw) -> CloudContent:
    handle = media.get("id")
    if not isinstance(handle, str) or not MEDIA_ID.fullmatch(handle):
        raise UnreadableMessageError
    if kind is AttachmentKind.AUDIO and media.get("voice") is True:
        kind = AttachmentKind.VOICE
    mime = str(media.get("mime_type") or "").partition(";")[0].strip().lower()
    attachment = Attachment(
        kind=kind,
        mime=mime if _MIME.fullmatch(mime) else "",
        file_name=_words(media, "filename")[:_NAME_CHARACTERS],
        handle=handle,
    )
    return CloudContent(_words(media, "caption"), (attachment,))


def _text(raw: Raw) -> CloudContent:
    body = _part(raw, "text").get("body")
    if not isinstance(body, str):
        raise UnreadableMessageError
    return CloudContent(body)


def _button(raw: Raw) -> CloudContent:
    return CloudContent(_words(_part(raw, "button"), "text"))


def _interactive(raw: Raw) -> CloudContent:
    """The title of what was tapped. The id behind it was ours once, and is not what the person read."""
    interactive = _part(raw, "interactive")
    for name in ("button_reply", "list_reply", "nfm_reply"):
        reply = interactive.get(name)
        if isinstance(reply, dict):
            return CloudContent(_words(reply, "title") or _words(reply, "body"))
    return CloudContent(attachments=(Attachment(AttachmentKind.OTHER),))


def _location(raw: Raw) -> CloudContent:
    place = _part(raw, "location")
    words = ", ".join(filter(None, (_words(place, "name"), _words(place, "address"))))
    return CloudContent(words, (Attachment(AttachmentKind.LOCATION),))


def _contacts(raw: Raw) -> CloudContent:
    cards = raw.get("contacts")
    if not isinstance(cards, list):
        raise UnreadableMessageError
    names = [
        _words(_part(card, "name"), "formatted_name") for card in cards[:_MOST_CARDS] if isinstance(card, dict) and "name" in card
    ]
    found = tuple(Attachment(AttachmentKind.CONTACT, file_name=name[:_NAME_CHARACTERS]) for name in names)
    return CloudContent(attachments=found or (Attachment(AttachmentKind.CONTACT),))


_READERS: dict[str, Callable[[Raw], CloudContent]] = {
    "text": _text,
    "button": _button,
    "interactive": _interactive,
    "location": _location,
    "contacts": _contacts,
}


def _part(raw: Raw, name: str) -> Raw:
    part = raw.get(name)
    if not isinstance(part, dict):
        raise UnreadableMessageError
    return part


def _words(raw: Raw, name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
