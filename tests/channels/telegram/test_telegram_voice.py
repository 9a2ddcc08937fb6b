"""Voice notes by Telegram's sendVoice: what arrives, and what a refusal says about the words."""

import socket

import pytest
from fakes import opus
from fakes.bot_api import Body, BotApi, Cut, Fail, Fault, Hang
from fakes.bot_api_rig import PEOPLE, TelegramRig

from secondme.channels.telegram import channel as telegram_channel
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.media.ogg import voice_note
from secondme.core.messages import MessageContent, NotSent, SendOutcome, Sent, Undeliverable, VoiceRefused

ANNA = PEOPLE["anna"]
TO = ContactId(f"telegram:{ANNA}")
NOTE = voice_note(opus.silence(9.3))
FORBIDDEN = "Bad Request: VOICE_MESSAGES_FORBIDDEN"


async def speak(rig: TelegramRig, thread: str = "", to: str = TO) -> SendOutcome:
    outcome: SendOutcome = await rig.channel.send(ContactId(to), MessageContent("the words", thread, voice=NOTE), "row-1")
    return outcome


async def test_it_is_a_voice_message_of_its_length_and_has_no_caption(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running():
        assert await speak(rig) == Sent("101")
    assert api.called("sendVoice") == [
        {"chat_id": ANNA, "duration": 9, "voice": "voice.ogg", "mime": "audio/ogg", "data": NOTE.data},
    ]
    assert api.called("sendMessage") == []


async def test_the_shortest_note_has_a_second(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running():
        await rig.channel.send(TO, MessageContent("x", voice=voice_note(opus.silence(0.1))), "row-1")
    assert api.called("sendVoice")[0]["duration"] == 1


async def test_it_stands_in_its_topic_or_when_that_is_gone_in_the_chat(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running():
        assert isinstance(await speak(rig, "55"), Sent)
        api.faults["sendVoice"].append(Fail(400, "Bad Request: message thread not found"))
        assert isinstance(await speak(rig, "55"), Sent)
    assert [call.get("message_thread_id") for call in api.called("sendVoice")] == [55, 55, None]


async def test_who_forbids_voice_messages_gets_the_words_under_the_same_id(api: BotApi, rig: TelegramRig) -> None:
    api.refuses_voice.add(ANNA)
    async with rig.running():
        assert await speak(rig) == VoiceRefused("voice_forbidden")
        assert isinstance(await rig.channel.send(TO, MessageContent("the words"), "row-1"), Sent)
    assert api.shown[ANNA] == ["the words"]
    assert api.voices[ANNA] == []


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fail(400, FORBIDDEN), VoiceRefused("voice_forbidden")),
        (Fail(403, "Forbidden: VOICE_MESSAGES_FORBIDDEN"), VoiceRefused("voice_forbidden")),
        (Fail(400, "Bad Request: not enough rights to send voice notes to the chat"), VoiceRefused("voice_forbidden")),
        (Fail(400, "Bad Request: wrong file identifier"), VoiceRefused("telegram_refused")),
        (Fail(413), VoiceRefused("telegram_refused")),
        (Fail(400, "Bad Request: chat not found"), Undeliverable("telegram_chat_not_found")),
        (Fail(403, "Forbidden: bot was blocked by the user"), Undeliverable("telegram_blocked")),
        (Fail(401, "Unauthorized"), NotSent("telegram_token_refused")),
        (Fail(429, "Too Many Requests: retry after 30", 30), NotSent("telegram_flood_wait", 30.0)),
        (Fail(418, "teapot"), NotSent("telegram_refused")),
    ],
    ids=str,
)
async def test_a_refusal_says_whether_the_words_may_still_go(
    api: BotApi, rig: TelegramRig, fault: Fault, outcome: SendOutcome
) -> None:
    api.faults["sendVoice"].append(fault)
    async with rig.running():
        assert await speak(rig) == outcome
    assert api.voices[ANNA] == []


@pytest.mark.parametrize("fault", [Cut("before"), Cut("after"), Fail(502), Body(b"{"), Body(b'{"ok":true,"result":[]}')], ids=str)
async def test_when_nobody_knows_it_says_so_and_sends_nothing_twice(api: BotApi, rig: TelegramRig, fault: Fault) -> None:
    api.faults["sendVoice"].append(fault)
    async with rig.running():
        with pytest.raises(UnavailableError) as caught:
            await speak(rig)
    assert caught.value.code == "telegram_send_unknown"
    assert len(api.called("sendVoice")) == 1


async def test_an_answer_that_does_not_come_is_bounded_and_unknown(
    api: BotApi, rig: TelegramRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_channel, "CALL_S", 0.2)
    api.faults["sendVoice"].append(Hang())
    async with rig.running():
        with pytest.raises(UnavailableError, match="Nobody knows"):
            await speak(rig)


async def test_without_a_connection_it_certainly_did_not_go_out(api: BotApi, rig: TelegramRig) -> None:
    assert await speak(rig) == NotSent("not_connected")
    assert await speak(rig, to="local:anna") == Undeliverable("not_a_telegram_contact")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with rig.running():
        bot = rig.channel._bot
        bot._base_url = bot._base_url.replace(api.url, f"http://127.0.0.1:{port}")
        assert await speak(rig) == NotSent("telegram_unreachable")
