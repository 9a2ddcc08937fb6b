"""Voice notes by the linked device: the file goes over in pieces, is uploaded, and the message names it as WhatsApp wants it named."""

import asyncio
import base64
import hashlib
from typing import Any

import pytest
from fakes import opus
from fakes.whatsapp_phone import Phone, running

from secondme.channels.whatsapp.device import requests
from secondme.channels.whatsapp.device.library import LibraryError
from secondme.channels.whatsapp.device.receiver import SendLedger
from secondme.channels.whatsapp.device.requests import DeviceRequests, judge_upload
from secondme.channels.whatsapp.protocol import FRAME_LIMIT, PART_BYTES, encode
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.media.ogg import voice_note
from secondme.core.messages import MessageContent, NotSent, Sent, Undeliverable, VoiceNote, VoiceRefused

NOTE = voice_note(opus.silence(9.3), bytes(range(64)))
SPOKEN = MessageContent("the words", voice=NOTE)
MEDIA_AUDIO = 2


async def test_the_message_has_all_that_whatsapp_needs_to_play_it_as_a_voice_note(phone: Phone) -> None:
    async with running(phone):
        sent = await phone.channel.send(phone.contact_id("anna"), SPOKEN, "row-1")
        short = MessageContent("x", expires_s=86_400, voice=voice_note(opus.silence(0.1)))
        await phone.channel.send(phone.contact_id("anna"), short, "row-2")
        await phone.sync()
    upload, (call, other) = phone.named("Upload")[0], phone.named("SendMessage")
    assert (base64.b64decode(upload["data"]), upload["kind"]) == (NOTE.data, MEDIA_AUDIO)
    audio = call["voice"]
    plain = hashlib.sha256(NOTE.data).digest()
    assert (audio.mimetype, audio.PTT, audio.seconds, audio.waveform) == ("audio/ogg; codecs=opus", True, 9, bytes(range(64)))
    assert (audio.URL, audio.directPath, audio.mediaKey) == ("https://mmg.whatsapp.net/v/t62", "/v/t62", b"k" * 32)
    assert (audio.fileSHA256, audio.fileEncSHA256, audio.fileLength) == (plain, hashlib.sha256(plain).digest(), len(NOTE.data))
    assert (call["user"], call["text"], call["expires"], sent) == ("4915112345678", "", 0, Sent(call["id"]))
    assert (other["expires"], other["voice"].seconds) == (86_400, 1), "it goes with the chat, and lasts a second at least"


async def test_a_long_note_goes_over_in_frames_that_are_short_enough(phone: Phone) -> None:
    large = VoiceNote(bytes(range(256)) * 8000, 200.0)
    assert len(large.data) > 5 * PART_BYTES
    frame = {"type": "piece", "id": "x" * 100, "at": 10**9, "data": base64.b64encode(bytes(PART_BYTES)).decode()}
    assert len(encode(frame)) < FRAME_LIMIT
    async with running(phone):
        sends = [
            phone.channel.send(phone.contact_id(who), MessageContent("x", voice=VoiceNote(large.data + who.encode(), 200.0)), who)
            for who in ("anna", "bert")
        ]
        assert all(isinstance(sent, Sent) for sent in await asyncio.gather(*sends))
        assert await phone.heard("anna") == [large.data + b"anna"]
        assert await phone.heard("bert") == [large.data + b"bert"]


async def test_what_was_sent_is_known_as_ours_and_a_second_call_sends_nothing(phone: Phone) -> None:
    anna = phone.contact_id("anna")
    async with running(phone):
        await phone.hold("SendMessage")
        first = asyncio.create_task(phone.channel.send(anna, SPOKEN, "row-1"))
        await phone.until(lambda: phone.named("SendMessage"))
        first.cancel()
        second = asyncio.create_task(phone.channel.send(anna, SPOKEN, "row-1"))
        await asyncio.sleep(0.05)
        phone.order(do="release", name="SendMessage")
        assert isinstance(await second, Sent)
        assert await phone.channel.send(anna, SPOKEN, "row-1") == await second
        assert await phone.heard("anna") == [NOTE.data]
    assert len(phone.named("Upload")) == 1


async def test_what_was_not_uploaded_was_not_sent_and_its_words_can_be_under_the_same_id(phone: Phone) -> None:
    anna = phone.contact_id("anna")
    async with running(phone):
        for number, error in enumerate(("upload failed with status code 413", "failed to refresh media connections: timed out")):
            await phone.set(errors={"Upload": error})
            assert await phone.channel.send(anna, SPOKEN, f"row-{number}") == VoiceRefused("upload_failed")
            assert len(phone.named("SendMessage")) == number
            assert isinstance(await phone.channel.send(anna, MessageContent("the words"), f"row-{number}"), Sent)
        await phone.set(errors={"Upload": "failed to refresh media connections: websocket not connected"})
        assert await phone.channel.send(anna, SPOKEN, "row-2") == NotSent("not_connected")
        assert (await phone.shown("anna"), await phone.heard("anna")) == (["the words"] * 2, [])


async def test_an_upload_that_hangs_holds_up_nobody_else(phone: Phone) -> None:
    async with running(phone):
        await phone.hold("Upload")
        speaking = asyncio.create_task(phone.channel.send(phone.contact_id("anna"), SPOKEN, "row-1"))
        await phone.until(lambda: phone.named("Upload"))
        assert isinstance(await phone.channel.send(phone.contact_id("bert"), MessageContent("text"), "row-2"), Sent)
        phone.order(do="release", name="Upload")
        assert isinstance(await speaking, Sent)


async def test_a_send_that_nobody_knows_about_raises_and_is_not_repeated(phone: Phone) -> None:
    async with running(phone):
        await phone.set(errors={"SendMessage": "timed out waiting for message send response"})
        for _ in range(2):
            with pytest.raises(UnavailableError) as caught:
                await phone.channel.send(phone.contact_id("anna"), SPOKEN, "row-1")
            assert caught.value.code == "whatsapp_send_unknown"
    assert len(phone.named("SendMessage")) == 1


async def test_a_crash_during_an_upload_raises_because_the_gateway_cannot_tell(phone: Phone) -> None:
    async with running(phone):
        await phone.hold("Upload")
        sending = asyncio.create_task(phone.channel.send(phone.contact_id("anna"), SPOKEN, "row-1"))
        await phone.until(lambda: phone.named("Upload"))
        phone.order(do="crash", how="exit")
        with pytest.raises(UnavailableError):
            await sending


async def test_without_a_connection_nothing_was_sent(phone: Phone) -> None:
    assert await phone.channel.send(phone.contact_id("anna"), SPOKEN, "row-1") == NotSent("not_connected")
    assert await phone.channel.send(ContactId("telegram:1"), SPOKEN, "row-1") == Undeliverable("not_a_whatsapp_id")


def test_without_a_connection_the_words_are_not_tried_either() -> None:
    assert judge_upload(LibraryError("websocket not connected")) == {"outcome": "not_sent", "reason": "not_connected"}
    assert judge_upload(TimeoutError()) == {"outcome": "voice_refused", "reason": "upload_timed_out"}
    assert judge_upload(ValueError("not connected")) == {"outcome": "voice_refused", "reason": "upload_failed"}


class SilentLibrary:
    """Uploads what it is given, or waits for ever."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.sent: list[Any] = []
        self._hangs = hangs

    def upload_voice(self, data: bytes, seconds: int, waveform: bytes) -> Any:
        import threading

        if self._hangs:
            threading.Event().wait()
        return data, seconds, waveform

    def send_voice(self, to: Any, message: Any, expires_s: int = 0) -> str:
        self.sent.append((to.user, message, expires_s))
        return "NATIVE"

    def be_away(self) -> None:
        pass


class Answers:
    """The gateway's end."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.frames.append({"type": kind, **fields})


def piece(data: bytes, at: int, name: str = "r") -> dict[str, Any]:
    return {"type": "piece", "id": name, "at": at, "data": base64.b64encode(data).decode()}


SEND = {
    "type": "send",
    "id": "r",
    "to": "4915112345678@c.us",
    "text": "",
    "expiresS": 0,
    "voice": {"sizeBytes": 6, "seconds": 2, "waveform": ""},
}


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([piece(b"abc", 0), piece(b"def", 3)], True),
        ([piece(b"xx", 0), piece(b"abc", 0), piece(b"def", 3)], True),
        ([piece(b"abc", 0), piece(b"zz", 0, "other"), piece(b"def", 3)], True),
        ([], False),
        ([piece(b"abc", 0)], False),
        ([piece(b"def", 3)], False),
        ([piece(b"abc", 0), piece(b"def", 2)], False),
        ([piece(b"abc", 0), piece(b"defg", 3)], False),
        ([piece(b"abc", 0), piece(b"def", 3), piece(b"g", 6)], False),
        ([piece(b"abc", 0), {**piece(b"def", 3), "data": "no base64!"}], False),
        ([piece(b"abc", 0), {**piece(b"def", 3), "data": None}], False),
    ],
)
async def test_only_a_note_that_came_whole_is_uploaded(pieces: list[dict[str, Any]], whole: bool) -> None:
    library, answers = SilentLibrary(), Answers()
    device: Any = DeviceRequests(library, SendLedger(), answers, lambda: True)  # type: ignore[arg-type]  # what it uses of both
    for each in pieces:
        device.keep(each)
    device.ask({**SEND, "call": 1})
    await answered(answers, 1)
    assert library.sent == ([("4915112345678", (b"abcdef", 2, b""), 0)] if whole else [])
    assert answers.frames[0]["outcome"] == ("sent" if whole else "voice_refused")


async def test_pieces_that_nobody_sends_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_KEPT_BYTES", 10)
    library, answers = SilentLibrary(), Answers()
    device: Any = DeviceRequests(library, SendLedger(), answers, lambda: True)  # type: ignore[arg-type]  # as above
    device.keep(piece(b"abcdef", 0))
    device.keep(piece(b"123456", 0, "other"))
    assert {name: bytes(kept) for name, kept in device._voices.items()} == {"other": b"123456"}


async def test_an_upload_that_never_ends_is_given_up_and_the_words_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "UPLOAD_S", 0.05)
    library, answers = SilentLibrary(hangs=True), Answers()
    device: Any = DeviceRequests(library, SendLedger(), answers, lambda: True)  # type: ignore[arg-type]  # as above
    for number in range(3):
        device.keep(piece(b"abcdef", 0))
        device.ask({**SEND, "call": number})
        await answered(answers, number + 1)
    assert [(frame["outcome"], frame["reason"]) for frame in answers.frames] == [("voice_refused", "upload_timed_out")] * 3


async def answered(answers: Answers, count: int) -> None:
    async with asyncio.timeout(30):
        while len(answers.frames) < count:
            await asyncio.sleep(0.005)
