"""Strict at the door: a record is exactly one, or it is a DataError."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.clock import from_ms, to_ms
from secondme.core.errors import DataError
from secondme.core.messages import Attachment, AttachmentKind, describe, told
from secondme.core.records import (
    ApprovedContact,
    DeniedContact,
    HeldReply,
    Invite,
    Mail,
    OutboxRow,
    PairingRequest,
    Pause,
    Record,
    Turn,
)

NOW = 1_700_000_000_000
ROW = {
    "rowId": "r", "replyId": "p", "contactId": "local:anna", "channelId": "local", "kind": "reply", "text": "hi",
    "composedAt": NOW, "typingFrom": NOW, "dueAt": NOW,
}  # fmt: skip
WHO = {"contactId": "local:anna", "phoneNumber": "+49"}
GOOD: list[tuple[type[Record], dict[str, Any]]] = [
    (PairingRequest, {**WHO, "code": "012345", "requestedAt": NOW, "status": "pending", "expiresAt": NOW + 1}),
    (ApprovedContact, {**WHO, "approvedAt": NOW, "approvedBy": "owner", "tier": "standard"}),
    (DeniedContact, {**WHO, "deniedAt": NOW, "deniedBy": "owner", "expiresAt": NOW + 1}),
    (Invite, {"code": "000001", "tier": "trusted", "createdAt": NOW, "expiresAt": NOW + 1}),
    (Turn, {"id": "m", "role": "user", "content": "", "timestamp": NOW, "type": "incoming"}),
    (Mail, {"messageId": "m", "contactId": "c", "channelId": "l", "normalizedContactId": "c", "content": "x", "timestamp": NOW}),
    (OutboxRow, ROW),
    (HeldReply, {"row": ROW, "reason": "tier", "heldAt": NOW}),
    (Pause, {"pausedAt": NOW, "reason": "manual"}),
]
kinds = pytest.mark.parametrize(("kind", "good"), GOOD, ids=[kind.__name__ for kind, _ in GOOD])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@kinds
def test_a_good_record_is_read_and_written_back_in_the_same_words(kind: type[Record], good: dict[str, Any]) -> None:
    record = kind.decode(json.dumps(good), "KEY")
    again = kind.decode(record.encode(), "KEY")
    assert again == record
    assert good.items() <= json.loads(record.encode()).items() or kind is HeldReply
    assert record.to_dict() == json.loads(record.encode())


@kinds
def test_a_field_of_a_newer_version_is_ignored(kind: type[Record], good: dict[str, Any]) -> None:
    assert kind.decode(json.dumps({**good, "future": [1]}), "KEY") == kind.decode(json.dumps(good), "KEY")


@kinds
def test_a_record_without_one_of_its_fields_names_its_key_and_nothing_of_its_content(
    kind: type[Record], good: dict[str, Any]
) -> None:
    for field in good:
        with pytest.raises(DataError) as caught:
            kind.decode(json.dumps({name: value for name, value in good.items() if name != field}), "PAIRING:x:local:anna")
        assert caught.value.message == "The record PAIRING:x:local:anna cannot be read; it was left as it is."


@kinds
@pytest.mark.parametrize("wrong", [None, [], {}, True, -1, 1.5, "x", 10**20, "1700000000000", float("nan")])
def test_a_time_that_is_no_whole_number_of_milliseconds_is_refused(kind: type[Record], good: dict[str, Any], wrong: Any) -> None:
    times = [field for field in good if good[field] in {NOW, NOW + 1} and field != "row"] if kind is not HeldReply else ["heldAt"]
    assert times
    for field in times:
        with pytest.raises(DataError):
            kind.decode(json.dumps({**good, field: wrong}), "KEY")


@pytest.mark.parametrize(
    ("kind", "field", "wrong"),
    [
        (ApprovedContact, "tier", "owner"),
        (ApprovedContact, "tier", "TRUSTED"),
        (PairingRequest, "status", "open"),
        (PairingRequest, "code", 123456),
        (PairingRequest, "displayName", 5),
        (Turn, "role", "system"),
        (OutboxRow, "kind", "error"),
        (HeldReply, "reason", "because"),
        (Pause, "reason", ""),
    ],
)
def test_a_word_outside_the_list_is_refused(kind: type[Record], field: str, wrong: Any) -> None:
    good = dict(GOOD)[kind]
    with pytest.raises(DataError):
        kind.decode(json.dumps({**good, field: wrong}), "KEY")


@kinds
@given(
    raw=st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | json_values.map(lambda v: json.dumps(v).encode())
)
def test_garbage_is_a_data_error_and_never_anything_else(kind: type[Record], good: dict[str, Any], raw: bytes) -> None:
    assert good
    with pytest.raises(DataError):
        kind.decode(raw, "KEY")


@kinds
@given(data=st.data())
def test_a_record_with_one_wrong_value_is_read_or_a_data_error(
    kind: type[Record], good: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(good)))
    raw = json.dumps({**good, field: data.draw(json_values)})
    try:
        record = kind.decode(raw, "KEY")
    except DataError:
        return
    assert kind.decode(record.encode(), "KEY") == record


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  bounds
def test_a_moment_on_the_wire_is_whole_milliseconds_rounded_down(moment: datetime) -> None:
    back = from_ms(to_ms(moment))
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
    assert back.tzinfo is UTC


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
