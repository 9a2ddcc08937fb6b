"""What a message says and what came with it, for every kind of content there is."""

import base64
from typing import Any

import pytest
from fakes.whatsapp_protos import e2e, from_contact, info, jid, message, phone, source
from hypothesis import example, given
from hypothesis import strategies as st

from secondme.channels.whatsapp.device.messages import (
    HANDLE_LIMIT,
    TEXT_LIMIT,
    WhatsAppContent,
    is_media_path,
    read_content,
    read_message,
    read_time,
)
from secondme.channels.whatsapp.jids import OwnDevice

WRAPPERS = ["ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension", "documentWithCaptionMessage"]


def build(field: str, **values: Any) -> Any:
    content = e2e.Message()
    part = getattr(content, field)
    part.SetInParent()
    for name, value in values.items():
        setattr(part, name, value)
    return content


def wrapped(field: str, content: Any) -> Any:
    outer = e2e.Message()
    getattr(outer, field).message.CopyFrom(content)
    return outer


MEDIA = {
    "mediaKey": b"k" * 32,
    "fileEncSHA256": b"e" * 32,
    "fileSHA256": b"s" * 32,
    "directPath": "/v/t62/1?oh=2",
    "URL": "https://evil.example/",
}

SAYINGS = [
    (e2e.Message(conversation="Hello 🌍"), "Hello 🌍", []),
    (build("extendedTextMessage", text="with a link"), "with a link", []),
    (build("imageMessage", caption="look", mimetype="image/jpeg", fileLength=99), "look", [("photo", "image/jpeg", 99)]),
    (build("videoMessage", caption="watch", mimetype="video/mp4", seconds=7), "watch", [("video", "video/mp4", None)]),
    (build("ptvMessage", seconds=3), "", [("video", None, None)]),
    (build("audioMessage", PTT=True, mimetype="audio/ogg; codecs=opus", seconds=12), "", [("voice message", "audio/ogg", None)]),
    (build("audioMessage", mimetype="audio/mp4"), "", [("audio", "audio/mp4", None)]),
    (build("documentMessage", fileName="menu.pdf", fileLength=120_000), "", [("document", None, 120_000)]),
    (build("stickerMessage", mimetype="image/webp"), "", [("sticker", "image/webp", None)]),
    (build("locationMessage", name="Café", degreesLatitude=1.0), "", [("location", None, None)]),
    (build("liveLocationMessage", caption="on my way"), "on my way", [("location", None, None)]),
    (build("contactMessage", displayName="Bert"), "", [("contact card", None, None)]),
    (build("contactsArrayMessage", displayName="two"), "", [("contact card", None, None)]),
    (build("buttonsResponseMessage", selectedDisplayText="Yes"), "Yes", []),
    (build("listResponseMessage", title="The second"), "The second", []),
    (build("templateButtonReplyMessage", selectedDisplayText="Call me"), "Call me", []),
    (build("pollCreationMessage", name="Pizza?"), "", [("poll", None, None)]),
    (
        build("eventMessage", name="Picnic", startTime=1_772_366_400, description="bring a blanket"),
        "2026-03-01 12:00 UTC\nbring a blanket",
        [("event", None, None)],
    ),
    (build("sendPaymentMessage"), "", [("message that secondme cannot read", None, None)]),
]


@pytest.mark.parametrize("wrapper", ["", *WRAPPERS, "editedMessage", "deviceSentMessage"])
def test_every_kind_of_content_is_read_inside_every_wrapper(wrapper: str) -> None:
    for content, text, attachments in SAYINGS:
        found = read_content(wrapped(wrapper, content) if wrapper else content)
        assert found is not None
        claims = [(claim["kind"], claim.get("mime"), claim.get("sizeBytes")) for claim in found.attachments]
        if "viewOnce" in wrapper and any(field.name in FILES for field, _ in content.ListFields()):
            assert all(claim == {"kind": claim["kind"], "viewOnce": True} for claim in found.attachments)
            assert (found.text, [kind for kind, *_ in claims]) == ("", [kind for kind, *_ in attachments])
        else:
            assert (found.text, claims) == (text, attachments), content


FILES = {"imageMessage", "videoMessage", "ptvMessage", "audioMessage", "documentMessage", "stickerMessage"}


def test_what_a_message_says_of_itself() -> None:
    told = build("extendedTextMessage", text="look")
    told.extendedTextMessage.contextInfo.isForwarded = True
    told.extendedTextMessage.contextInfo.expiration = 604_800
    taken_back = e2e.Message()
    taken_back.protocolMessage.type = 0
    taken_back.protocolMessage.key.ID = "A1"
    assert read_content(told) == WhatsAppContent("look", is_forwarded=True, expires_s=604_800)
    assert read_content(taken_back) == WhatsAppContent("", revokes="A1")
    assert read_content(build("albumMessage", expectedImageCount=3, expectedVideoCount=1)) == WhatsAppContent("", announces=4)


NOTHING = [
    e2e.Message(),
    build("reactionMessage", text="👍"),
    build("encReactionMessage"),
    build("pollUpdateMessage"),
    build("keepInChatMessage"),
    build("pinInChatMessage"),
    build("senderKeyDistributionMessage", groupID="g"),
    build("messageContextInfo", messageSecret=b"x"),
    build("protocolMessage", type=0),
    build("protocolMessage", type=3, ephemeralExpiration=86400),
    *(build("protocolMessage", type=number) for number in (5, 6, 7, 16, 17, 22)),
]


def test_what_is_nothing_to_answer_is_handed_to_nobody() -> None:
    assert [read_content(content) for content in NOTHING] == [None] * len(NOTHING)
    assert read_content(wrapped("ephemeralMessage", build("reactionMessage", text="👍"))) is None


def test_keys_that_travel_with_a_text_do_not_hide_it() -> None:
    content = e2e.Message(conversation="hi")
    content.messageContextInfo.messageSecret = b"x"
    content.senderKeyDistributionMessage.groupID = "g"
    assert read_content(content) == WhatsAppContent("hi")


def test_an_edit_says_which_message_it_corrects() -> None:
    content = e2e.Message()
    content.protocolMessage.type = 14
    content.protocolMessage.key.ID = "ORIGINAL"
    content.protocolMessage.editedMessage.conversation = "new words"
    assert read_content(content) == WhatsAppContent("new words", edit_of="ORIGINAL")
    assert read_content(wrapped("editedMessage", content)) == WhatsAppContent("new words", edit_of="ORIGINAL")
    content.protocolMessage.key.ID = ""
    assert read_content(content) is None


def test_a_kind_that_is_newer_than_the_library_is_said_to_be_there() -> None:
    content = e2e.Message.FromString(bytes([0xFA, 0x7F, 0x03]) + b"new")  # field 2047, which nobody knows
    found = read_content(content)
    assert found is not None
    assert [claim["kind"] for claim in found.attachments] == ["message that secondme cannot read"]


def test_wrappers_without_end_are_not_followed() -> None:
    content = e2e.Message(conversation="deep")
    for _ in range(40):
        content = wrapped("ephemeralMessage", content)
    found = read_content(content)
    assert found is not None
    assert found.text == ""


def test_a_text_has_whatsapps_own_length_at_most() -> None:
    found = read_content(e2e.Message(conversation="x" * 200_000))
    assert found is not None
    assert len(found.text) == TEXT_LIMIT


def test_a_handle_has_the_keys_and_no_address_and_is_short() -> None:
    for field in ("imageMessage", "videoMessage", "ptvMessage", "audioMessage", "documentMessage", "stickerMessage"):
        more = {"JPEGThumbnail": b"t" * 9000} if field == "imageMessage" else {}
        found = read_content(build(field, **MEDIA, **more))
        assert found is not None
        handle = found.attachments[0]["handle"]
        assert len(handle) <= HANDLE_LIMIT
        minimal = e2e.Message.FromString(base64.b64decode(handle))
        part = getattr(minimal, field)
        assert (part.directPath, part.mediaKey, part.URL) == (MEDIA["directPath"], MEDIA["mediaKey"], "")
        assert "evil" not in str(found)


@pytest.mark.parametrize(
    "path", ["", "@evil.example/x", "//evil.example/x", "https://evil.example", "/a b", "/a\nb", "/" + "x" * 5000, "x/y"]
)
def test_a_path_that_could_become_another_servers_address_gives_no_handle(path: str) -> None:
    found = read_content(build("imageMessage", **{**MEDIA, "directPath": path}))
    assert found is not None
    assert "handle" not in found.attachments[0]
    assert not is_media_path(path)


def test_file_names_and_types_are_made_safe() -> None:
    found = read_content(
        build("documentMessage", fileName="a\x1b]0;x\x07\u202egpj.exe" + "x" * 500, mimetype="<script>", title="t")
    )
    assert found is not None
    claim = found.attachments[0]
    assert claim["fileName"].startswith("a]0;xgpj.exe")
    assert len(claim["fileName"]) <= 64
    assert "mime" not in claim


NO_TEXT = [
    (b"\n\x02a\xff", "a\ufffd"),  # conversation
    (b"\x32\x04\n\x02a\xff", "a\ufffd"),  # extendedTextMessage.text
    (b"\x1a\x04\x1a\x02a\xff", "a\ufffd"),  # imageMessage.caption
    (b"\xc2\x02\x08\n\x06\x32\x04\n\x02a\xff", "a\ufffd"),  # ephemeralMessage.message.extendedTextMessage.text
]


@pytest.mark.parametrize(("data", "text"), NO_TEXT)
def test_words_that_are_no_utf_8_are_words(data: bytes, text: str) -> None:
    found = read_content(e2e.Message.FromString(data))
    assert found is not None
    assert (found.text, [each["kind"] for each in found.attachments]) == (text, ["photo"] if data[0] == 0x1A else [])


@given(st.binary(max_size=400))
@example(b"\n\x01\xff")
@example(b"\x32\x05\n\x01a\x8a\x01\x00")
def test_any_bytes_that_are_a_protobuf_are_read_or_nothing(data: bytes) -> None:
    try:
        content = e2e.Message.FromString(data)
    except Exception:  # noqa: BLE001  no message at all
        return
    found = read_content(content)
    assert found is None or found.text or found.attachments


def test_times_are_read_in_seconds_and_in_milliseconds() -> None:
    assert read_time(1_800_000_000, 5) == 1_800_000_000_000
    assert read_time(1_800_000_000_123, 5) == 1_800_000_000_123
    for no_time in (0, -1, 10**18, -(10**18)):
        assert read_time(no_time, 5) == 5


def read(event: Any) -> dict[str, Any] | None:
    return read_message(event, OwnDevice("4915550000001", "900000000000001", 12), lambda _: None, 0, lambda _: False)


def test_a_message_without_content_or_id_is_nothing() -> None:
    where = source(phone("anna"), phone("anna"))
    assert read(message(info(where), None)) is None
    assert read(message(info(where, native=""), e2e.Message(conversation="hi"))) is None


def test_names_are_cleaned_and_the_owners_own_name_is_never_a_contacts() -> None:
    event = from_contact("anna", "hi")
    event.Info.Pushname = "An\x1b[31mna\u202e"
    found = read(event)
    assert found is not None
    assert found["name"] == "An[31mna"
    mine = message(
        info(source(phone("anna"), jid("4915550000001"), IsFromMe=True), name="The owner"), e2e.Message(conversation="hi")
    )
    found = read(mine)
    assert found is not None
    assert found["name"] == ""
