"""Which attachments can be read, and how: settings and what a platform claims decide, before anything is fetched. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from secondme.core.messages import AttachmentKind
from secondme.core.records import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.core.config.models import HearingSettings, SightSettings
    from secondme.core.records import Mail, MailAttachment

Task = Literal["hear", "see", "read"]

_HEARD = frozenset({AttachmentKind.VOICE, AttachmentKind.AUDIO})
_SEEN = frozenset({AttachmentKind.PHOTO, AttachmentKind.STICKER})
_FILES = frozenset({AttachmentKind.DOCUMENT, AttachmentKind.VIDEO})
_PDF = "application/pdf"


class AttachmentRules:
    """What is heard and seen, as the owner's settings say."""

    def __init__(self, hearing: HearingSettings, sight: SightSettings, *, hears: bool) -> None:
        self._hears = hears
        self._sees = sight.enabled
        self._reads = sight.enabled and sight.documents
        self.waits_ms = int(hearing.wait_minutes * 60_000)

    def task(self, attachment: MailAttachment) -> Task | None:
        """How it is read; None when there is nothing to do: it was read, it cannot be, or the owner does not want it."""
        if attachment.reading is not None or self._why_not(attachment):
            return None
        return _kind_of(attachment)

    def is_unread(self, mail: Mail) -> bool:
        """True while something that came with the message is still to be read."""
        return any(self.task(each) for each in mail.attachments)

    def passed_over(self, mail: Mail) -> Iterator[Stage]:
        """A stage for each recording, picture and file of the message that nobody will look into, with why."""
        for each in mail.attachments:
            if each.reading is None and (why := self._why_not(each)):
                yield Stage("not_heard" if _kind_of(each) == "hear" else "not_seen", 0, {"why": why}, mail.message_id)

    def _why_not(self, attachment: MailAttachment) -> str:
        """Why it is not looked into, in snake_case; empty when it is, or when there is nothing to look into."""
        task = _kind_of(attachment)
        if task is None:
            return "not_looked_into" if attachment.kind in _FILES else ""
        if attachment.view_once:
            return "view_once"
        if not {"hear": self._hears, "see": self._sees, "read": self._reads}[task]:
            return "off"
        return "" if attachment.handle else "no_file"


def _kind_of(attachment: MailAttachment) -> Task | None:
    """What it would be read as, wanted or not."""
    mime = attachment.mime.partition(";")[0].strip().lower()
    if attachment.kind in _HEARD:
        return "hear"
    if attachment.kind in _SEEN:
        return "see"
    if attachment.kind is not AttachmentKind.DOCUMENT:
        return None
    if mime.startswith("image/") and mime != "image/svg+xml":
        return "see"
    if mime.startswith("audio/"):
        return "hear"
    return "read" if mime == _PDF or attachment.file_name.lower().endswith(".pdf") else None
