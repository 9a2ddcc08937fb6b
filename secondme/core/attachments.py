"""What came with a message besides its text, and how a model that cannot look at it is told.

A handle is opaque: only the channel that made it can download what it stands for, and only when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from secondme.core.text import safe_name

_MINUTE_S = 60
_KILO = 1000


class AttachmentKind(StrEnum):
    """What an attachment is, in the words a person would use for it."""

    PHOTO = "photo"
    VOICE = "voice message"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT = "contact card"
    OTHER = "message that secondme cannot read"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came with a message. Every field but `kind` is what the sender's platform claims, and may be wrong."""

    kind: AttachmentKind
    mime: str = ""
    size_bytes: int | None = None
    duration_s: int | None = None
    file_name: str = ""
    handle: str = ""
    """What the channel needs to download it, at most 4,096 characters; empty when there is nothing to download."""

    def to_dict(self) -> dict[str, Any]:  # JSON has no closer type
        """As JSON values in camelCase, unset fields left out."""
        facts = {
            "kind": self.kind.value,
            "mime": self.mime,
            "sizeBytes": self.size_bytes,
            "durationS": self.duration_s,
            "fileName": self.file_name,
            "handle": self.handle,
        }
        return {name: value for name, value in facts.items() if value not in {None, ""}}


def describe(attachment: Attachment) -> str:
    """`[voice message, 12 s]`, `[document "menu.pdf", 120 kB]`: what a model or a person is told instead of the thing itself."""
    said = attachment.kind.value
    if attachment.file_name:
        said += f' "{safe_name(attachment.file_name)}"'
    if attachment.duration_s is not None:
        said += f", {_length(attachment.duration_s)}"
    elif attachment.size_bytes is not None and attachment.kind is AttachmentKind.DOCUMENT:
        said += f", {_size(attachment.size_bytes)}"
    return f"[{said}]"


def told(text: str, attachments: tuple[Attachment, ...]) -> str:
    """What a conversation remembers of a message: its attachments in brackets, then its words. Empty when there is neither."""
    return "\n".join(part for part in (*map(describe, attachments), text) if part.strip())


def _length(seconds: int) -> str:
    minutes, rest = divmod(max(0, seconds), _MINUTE_S)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _size(size: int) -> str:
    if size < _KILO:
        return f"{size} B"
    if size < _KILO * _KILO:
        return f"{size // _KILO} kB"
    return f"{size / (_KILO * _KILO):.1f} MB"
