"""What leaves by the library, what is known of it, and what is never sent twice."""

import asyncio
import base64
import subprocess
import sys

import pytest
from fakes.channel_host import RecordingHost
from fakes.process import environment
from fakes.whatsapp_phone import Phone, running
from fakes.whatsapp_protos import e2e

from secondme.channels.whatsapp.device.requests import judge
from secondme.channels.whatsapp.manifest import MANIFEST
from secondme.core.errors import DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import MessageContent, NotSent, Sent, Undeliverable

BEFORE = "websocket not connected"
PERHAPS = [
    "timed out waiting for message send response",
    "websocket disconnected before message send returned response",
    "failed to send message node: write tcp: broken pipe",
    "something new",
]


def test_the_library_takes_no_id_of_ours_so_the_manifest_promises_no_collapse() -> None:
    """When this fails, the library has learnt it: let resends collapse at WhatsApp, and say so in the manifest."""
    program = "from neonize._binder import gocode; import ctypes; print([kind.__name__ for kind in gocode.SendMessage.argtypes])"
    found = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, env=environment(), timeout=60
    )
    assert found.stdout.strip() == str(["c_char_p", "c_char_p", "c_int", "c_char_p", "c_int"])
    assert MANIFEST.collapses_resends is False


def test_only_what_certainly_did_not_go_out_may_be_sent_again() -> None:
    assert judge(BEFORE)["outcome"] == "not_sent"
    assert judge("failed to send message node: " + BEFORE)["outcome"] == "not_sent"
    assert judge("failed to get device list: failed to send usync query: info query timed out")["outcome"] == "not_sent"
    assert judge("server returned error 503")["outcome"] == judge("server returned error 429")["outcome"] == "not_sent"
    assert judge("server returned error 463") == {"outcome": "undeliverable", "reason": "refused_463"}
    assert judge("can't send message to unknown server msgr")["outcome"] == "undeliverable"
    assert [judge(text)["outcome"] for text in PERHAPS] == ["unknown"] * len(PERHAPS)


async def test_what_is_sent_passes_the_librarys_boundary_as_it_was_written(phone: Phone) -> None:
    texts = ["Grüße 🌍 \u202e نص", "two\nlines", "x" * 4000, "*no* _markup_", "@4917098765432 https://example.org"]
    async with running(phone):
        for number, said in enumerate(texts):
            assert isinstance(await phone.channel.send(phone.contact_id("anna"), MessageContent(said), f"row-{number}"), Sent)
        assert isinstance(await phone.channel.send(ContactId("111222333444555@lid"), MessageContent("hidden"), "row-x"), Sent)
        await phone.until(lambda: len(phone.named("SendPresence")) == 6)
    calls = [(call["user"], call["server"], call["text"]) for call in phone.named("SendMessage")]
    assert calls == [*(("4915112345678", "s.whatsapp.net", said) for said in texts), ("111222333444555", "lid", "hidden")]
    assert {call["presence"] for call in phone.named("SendPresence")} == {"unavailable"}, (
        "the owner's phone would not ring any more"
    )


async def test_a_send_that_the_caller_gave_up_on_is_not_sent_again(phone: Phone) -> None:
    content, anna = MessageContent("once"), phone.contact_id("anna")
    async with running(phone):
        await phone.hold("SendMessage")
        first = asyncio.create_task(phone.channel.send(anna, content, "row-1"))
        await phone.until(lambda: phone.named("SendMessage"))
        first.cancel()
        second, third = (asyncio.create_task(phone.channel.send(anna, content, "row-1")) for _ in range(2))
        await asyncio.sleep(0.05)
        phone.order(do="release", name="SendMessage")
        outcomes = [await second, await third, await phone.channel.send(anna, content, "row-1")]
    assert len(set(outcomes)) == 1
    assert isinstance(outcomes[0], Sent)
    assert len(phone.named("SendMessage")) == 1


async def test_a_send_that_nobody_knows_about_raises_and_is_not_repeated_one_that_failed_before_is(phone: Phone) -> None:
    anna = phone.contact_id("anna")
    async with running(phone):
        await phone.set(errors={"SendMessage": PERHAPS[0]})
        for _ in range(2):
            with pytest.raises(UnavailableError) as caught:
                await phone.channel.send(anna, MessageContent("x"), "row-1")
            assert caught.value.code == "whatsapp_send_unknown"
        assert len(phone.named("SendMessage")) == 1
        await phone.set(errors={"SendMessage": BEFORE})
        assert await phone.channel.send(anna, MessageContent("y"), "row-2") == NotSent("not_connected")
        await phone.set(errors={})
        assert isinstance(await phone.channel.send(anna, MessageContent("y"), "row-2"), Sent)


async def test_a_crash_during_a_send_raises_because_nobody_knows(phone: Phone) -> None:
    async with running(phone):
        await phone.hold("SendMessage")
        sending = asyncio.create_task(phone.channel.send(phone.contact_id("anna"), MessageContent("x"), "row-1"))
        await phone.until(lambda: phone.named("SendMessage"))
        phone.order(do="crash", how="exit")
        with pytest.raises(UnavailableError):
            await sending


async def test_without_a_connection_nothing_was_sent(phone: Phone) -> None:
    anna = phone.contact_id("anna")
    assert await phone.channel.send(anna, MessageContent("x"), "row-1") == NotSent("not_connected")
    assert await phone.channel.send(ContactId("telegram:1"), MessageContent("x"), "row-1") == Undeliverable("not_a_whatsapp_id")
    phone.says_connected = False
    task = asyncio.create_task(phone.channel.run(RecordingHost()))
    await phone.until(lambda: phone.named("Neonize"))
    await phone.until(lambda: phone.channel._device is not None)
    assert await phone.channel.send(anna, MessageContent("x"), "row-1") == NotSent("not_connected")
    await phone.channel.typing(anna)
    with pytest.raises(UnavailableError):
        await phone.channel.contacts()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {call["native"] for call in phone.calls} == {"Neonize"}, "a call before the first event is a nil pointer in Go"


async def test_typing_is_shown_and_the_owners_phone_rings_again_after_the_answer(phone: Phone) -> None:
    anna = phone.contact_id("anna")
    async with running(phone):
        await phone.channel.typing(anna)
        await phone.channel.typing(ContactId("telegram:1"))
        await phone.channel.send(anna, MessageContent("x"), "row-1")
        await phone.until(lambda: len(phone.named("SendPresence")) == 2)
        await phone.set(errors={"SendPresence": "can't send presence without PushName set"})
        await phone.channel.typing(anna)
    assert [call["presence"] for call in phone.named("SendPresence")][:2] == ["available", "unavailable"]
    (composing,) = phone.named("SendChatPresence")
    assert (composing["user"], composing["state"], composing["media"]) == ("4915112345678", 0, 0)


async def test_a_spoken_answer_is_shown_as_recorded(phone: Phone) -> None:
    async with running(phone):
        await phone.channel.typing(phone.contact_id("anna"), recording=True)
    (recording,) = phone.named("SendChatPresence")
    assert (recording["user"], recording["state"], recording["media"]) == ("4915112345678", 0, 1)


async def test_the_address_book_has_phones_and_safe_names_only(phone: Phone) -> None:
    people = [[str(4915100000000 + number), "s.whatsapp.net", f"Person {number}"] for number in range(1200)]
    people += [
        ["111222333444", "lid", "Hidden"],
        ["1203630", "g.us", "A group"],
        ["4917000000000", "s.whatsapp.net", "E\x1b[31mve" * 50],
    ]
    phone.facts["contacts"] = people
    async with running(phone):
        found = await phone.channel.contacts()
        assert await phone.channel.contact(found[-1].contact_id) == found[-1]
        assert await phone.channel.contact(ContactId("111222333444@lid")) is None
        await phone.set(errors={"GetAllContacts": "no"})
        with pytest.raises(UnavailableError):
            await phone.channel.contacts()
    assert len(found) == 1201
    assert (found[0].contact_id, found[0].display_name, found[0].phone_number) == (
        "4915100000000@c.us",
        "Person 0",
        "4915100000000",
    )
    assert len(found[-1].display_name) == 64
    assert "\x1b" not in found[-1].display_name


def handle(path: str = "/v/1", size: int | None = None, url: str = "") -> str:
    content = e2e.Message()
    content.imageMessage.directPath, content.imageMessage.mediaKey = path, b"k" * 32
    if size is not None:
        content.imageMessage.fileLength = size
    if url:
        content.imageMessage.URL = url
    return base64.b64encode(content.SerializeToString()).decode()


async def refusal(phone: Phone, what: str, limit: int = 1000) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await phone.channel.download(what, limit)
    return caught.value


async def test_downloads_are_counted_bounded_and_asked_of_whatsapp_alone(phone: Phone) -> None:
    phone.facts["files"] = {"/v/1": 3_000_000}
    async with running(phone):
        assert len(await phone.channel.download(handle(size=3_000_000), 3_000_000)) == 3_000_000
        assert isinstance(await refusal(phone, handle(size=3_000_000), 2_999_999), DataError)
        assert len(phone.named("DownloadAny")) == 1, "what says that it is too large is not even asked for"
        assert isinstance(await refusal(phone, handle(size=10), 1000), DataError)  # it lied
        asked = len(phone.named("DownloadAny"))
        for hostile in (
            "",
            "no base64!",
            "AAAA",
            handle("@evil.example/x"),
            handle("//evil.example/x"),
            handle(url="https://evil.example/"),
        ):
            assert isinstance(await refusal(phone, hostile), DataError)
        await phone.sync()
        assert len(phone.named("DownloadAny")) == asked
        assert {(call["url"], call["parts"]) for call in phone.named("DownloadAny")} == {("", 1)}
        for error, kind in {
            "download failed with status code 404": NotFoundError,
            "download failed with status code 410": NotFoundError,
            "invalid media hmac": DataError,
            "failed to refresh media connections: info query timed out": UnavailableError,
        }.items():
            await phone.set(errors={"DownloadAny": error})
            assert type(await refusal(phone, handle())) is kind
    assert isinstance(await refusal(phone, handle()), UnavailableError)
