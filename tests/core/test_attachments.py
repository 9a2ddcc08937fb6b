"""What a conversation remembers of what came with a message."""

import pytest

from secondme.core.messages import Attachment, AttachmentKind, describe, told


@pytest.mark.parametrize(
    ("attachment", "words"),
    [
        (Attachment(AttachmentKind.VOICE, duration_s=12), "[voice message, 12 s]"),
        (Attachment(AttachmentKind.AUDIO, duration_s=61, size_bytes=5), "[audio, 1 min 1 s]"),
        (Attachment(AttachmentKind.VIDEO, duration_s=-3), "[video, 0 s]"),
        (Attachment(AttachmentKind.PHOTO, size_bytes=10_000), "[photo]"),
        (Attachment(AttachmentKind.DOCUMENT, file_name="menu.pdf", size_bytes=120_400), '[document "menu.pdf", 120 kB]'),
        (Attachment(AttachmentKind.DOCUMENT, size_bytes=999), "[document, 999 B]"),
        (Attachment(AttachmentKind.DOCUMENT, size_bytes=2_300_000), "[document, 2.3 MB]"),
        (Attachment(AttachmentKind.DOCUMENT, file_name="a\x1b]0;x\x07\u202e.exe\n" + "y" * 200), None),
        (Attachment(AttachmentKind.OTHER), "[message that secondme cannot read]"),
    ],
)
def test_an_attachment_is_told_in_words(attachment: Attachment, words: str | None) -> None:
    said = describe(attachment)
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 120
    if words is not None:
        assert said == words


def test_the_words_come_after_what_came_with_them() -> None:
    voice, photo = Attachment(AttachmentKind.VOICE, duration_s=1), Attachment(AttachmentKind.PHOTO)
    assert told("look", (voice, photo)) == "[voice message, 1 s]\n[photo]\nlook"
    assert told("  ", (photo,)) == "[photo]"
    assert told("plain", ()) == "plain"
    assert told("", ()) == ""


def test_what_is_stored_has_only_what_is_known() -> None:
    assert Attachment(AttachmentKind.PHOTO, handle="h").to_dict() == {"kind": "photo", "handle": "h"}
    assert Attachment(AttachmentKind.VOICE, size_bytes=0, duration_s=0).to_dict() == {
        "kind": "voice message",
        "sizeBytes": 0,
        "durationS": 0,
    }
