"""Voice notes by the Cloud API: the file is uploaded first, and then named in a message."""

import pytest
from channels.whatsapp_cloud.cloud import ANNA, Cloud, Running
from fakes import opus
from fakes.graph_api import Reply, Trouble, failure

from secondme.channels.whatsapp_cloud import client
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.media.ogg import voice_note
from secondme.core.messages import MessageContent, NotSent, SendOutcome, Sent, Undeliverable, VoiceRefused

TO_ANNA = ContactId(f"whatsapp_cloud:{ANNA}")
NOTE = voice_note(opus.silence(9.3))


async def speak(cloud: Cloud, contact: str = TO_ANNA) -> SendOutcome:
    return await cloud.channel.send(ContactId(contact), MessageContent("the words", voice=NOTE), "row-1")


async def test_the_file_is_uploaded_and_sent_as_a_voice_message_without_its_words(cloud: Cloud) -> None:
    assert await speak(cloud) == Sent("wamid.OUT1")
    upload, message = cloud.api.calls[-2:]
    assert upload.path == "/v24.0/106540352242922/media"
    assert upload.upload is not None
    assert (upload.upload.name, upload.upload.mime, upload.upload.data) == ("voice.ogg", "audio/ogg", NOTE.data)
    assert upload.upload.fields == {"messaging_product": "whatsapp", "type": "audio/ogg"}
    assert message.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": ANNA,
        "type": "audio",
        "audio": {"id": "777000", "voice": True},
        "biz_opaque_callback_data": "row-1",
    }


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (failure(100), VoiceRefused("upload_refused")),
        (failure(131053), VoiceRefused("upload_refused")),
        (failure(10, 403), VoiceRefused("upload_refused")),
        (Reply(413, raw=b"<html>"), VoiceRefused("upload_refused")),
        (failure(1, 500), VoiceRefused("upload_failed")),
        (Reply(502, raw=b"<html>"), VoiceRefused("upload_failed")),
        (Reply(200, {}), VoiceRefused("upload_failed")),
        (Reply(200, {"id": "../../messages"}), VoiceRefused("upload_failed")),
        (Reply(200, {"id": 7}), VoiceRefused("upload_failed")),
        (Reply(200, raw=b"x" * 300_000), VoiceRefused("upload_failed")),
        ("cut", VoiceRefused("upload_failed")),
        (failure(130429, 429), NotSent("rate_limited", 10.0)),
        (failure(80007), NotSent("rate_limited", 10.0)),
        (Reply(429), NotSent("rate_limited", 10.0)),
        (failure(190, 401), NotSent("token_refused")),
    ],
    ids=str,
)
async def test_what_was_not_uploaded_was_not_sent(cloud: Cloud, trouble: Trouble, outcome: SendOutcome) -> None:
    cloud.api.upload_reply = trouble
    assert await speak(cloud) == outcome
    assert [call.path for call in cloud.api.calls if call.method == "POST"] == ["/v24.0/106540352242922/media"]


async def test_an_upload_that_hangs_is_given_up(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_UPLOAD_S", 0.2)
    cloud.api.upload_reply = "hang"
    assert await speak(cloud) == VoiceRefused("upload_failed")


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (failure(131053), VoiceRefused("refused")),
        (failure(131051), VoiceRefused("refused")),
        (failure(100), VoiceRefused("refused")),
        (failure(131047), Undeliverable("outside_24h_window")),
        (failure(131026), Undeliverable("unreachable")),
        (failure(130429, 429), NotSent("rate_limited", 10.0)),
        (failure(190, 401), NotSent("token_refused")),
    ],
    ids=str,
)
async def test_a_definite_no_says_whether_the_words_may_still_go(cloud: Cloud, trouble: Trouble, outcome: SendOutcome) -> None:
    cloud.api.troubles.append(trouble)
    assert await speak(cloud) == outcome
    assert cloud.api.voices == {}


@pytest.mark.parametrize("trouble", [failure(1, 500), Reply(200, {"messages": []}), "cut", failure(131053, 500)], ids=str)
async def test_when_nobody_knows_whether_it_went_out_it_says_so(cloud: Cloud, trouble: Trouble) -> None:
    cloud.api.troubles.append(trouble)
    with pytest.raises(UnavailableError):
        await speak(cloud)
    assert len([call for call in cloud.api.calls if call.path.endswith("/messages")]) == 1


async def test_a_message_that_hangs_leaves_the_question_open(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CALL_S", 0.2)
    cloud.api.troubles.append("hang")
    with pytest.raises(UnavailableError):
        await speak(cloud)


async def test_nothing_is_uploaded_for_nobody_or_without_a_connection(running: Running) -> None:
    async with running() as cloud:
        before = len(cloud.api.calls)
        assert await speak(cloud, "telegram:12345") == Undeliverable("not_a_contact")
        assert len(cloud.api.calls) == before
    assert await speak(cloud) == NotSent("whatsapp_cloud_not_connected")
