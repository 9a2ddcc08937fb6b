"""What is known after a send, whatever happens to it; and the typing indicator."""

import asyncio
import socket
from typing import Any

import pytest
from fakes.bot_api import Body, BotApi, Cut, Fail, Fault, Hang
from fakes.bot_api_rig import PEOPLE, TelegramRig

from secondme.channels.telegram import bot as telegram_bot
from secondme.channels.telegram import channel as telegram_channel
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelContact, MessageContent, NotSent, SendOutcome, Sent, Undeliverable

ANNA = PEOPLE["anna"]
TO = ContactId(f"telegram:{ANNA}")


async def send(rig: TelegramRig, text: str = "hi", to: str = TO) -> SendOutcome:
    outcome: SendOutcome = await rig.channel.send(ContactId(to), MessageContent(text), "row-1")
    return outcome


async def test_plain_text_arrives_letter_by_letter_under_telegrams_id(api: BotApi, rig: TelegramRig) -> None:
    text = "*not bold* <b>nor this</b> _x_ https://example.org \n  🌍"
    async with rig.running():
        assert await send(rig, text) == Sent("101")
    assert api.shown[ANNA] == [text]
    assert api.called("sendMessage") == [{"chat_id": ANNA, "text": text}]


@pytest.mark.parametrize(
    ("to", "text", "outcome"),
    [
        ("telegram:999", "hi", Undeliverable("telegram_chat_not_found")),
        (TO, "🌍" * 2_049, Undeliverable("telegram_message_too_long")),
        (TO, " ", Undeliverable("telegram_message_empty")),
        ("local:anna", "hi", Undeliverable("not_a_telegram_contact")),
        ("4915112345678@c.us", "hi", Undeliverable("not_a_telegram_contact")),
        ("telegram:-1001234567890", "hi", Undeliverable("not_a_telegram_contact")),
        ("telegram:@clone", "hi", Undeliverable("not_a_telegram_contact")),
    ],
)
async def test_what_telegram_will_never_take_is_not_tried_again(rig: TelegramRig, to: str, text: str, outcome: SendOutcome) -> None:
    async with rig.running():
        assert await send(rig, text, to) == outcome


async def test_the_longest_message_passes(rig: TelegramRig) -> None:
    async with rig.running():
        assert isinstance(await send(rig, "🌍" * 2_048), Sent)


async def test_who_blocked_the_bot_cannot_be_reached(api: BotApi, rig: TelegramRig) -> None:
    api.blocked.add(ANNA)
    async with rig.running():
        assert await send(rig) == Undeliverable("telegram_blocked")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fail(401, "Unauthorized"), NotSent("telegram_token_refused")),
        (Fail(400, "Bad Request: something new"), Undeliverable("telegram_refused")),
        (Fail(413), Undeliverable("telegram_message_too_long")),
        (Fail(418, "teapot"), NotSent("telegram_refused")),
    ],
)
async def test_a_refusal_says_that_it_did_not_go_out(api: BotApi, rig: TelegramRig, fault: Fault, outcome: SendOutcome) -> None:
    api.faults["sendMessage"].append(fault)
    async with rig.running():
        assert await send(rig) == outcome
    assert api.shown[ANNA] == []


@pytest.mark.parametrize(
    "fault",
    [Cut("before"), Cut("after"), Fail(502), Fail(500, "Internal Server Error"), Body(b"{"), Body(b'{"ok":true,"result":[]}')],
    ids=str,
)
async def test_when_nobody_knows_it_says_so_and_sends_nothing_twice(api: BotApi, rig: TelegramRig, fault: Fault) -> None:
    api.faults["sendMessage"].append(fault)
    async with rig.running():
        with pytest.raises(UnavailableError) as caught:
            await send(rig)
    assert caught.value.code == "telegram_send_unknown"
    assert len(api.called("sendMessage")) == 1


async def test_an_answer_that_does_not_come_is_bounded_and_unknown(
    api: BotApi, rig: TelegramRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_channel, "CALL_S", 0.2)
    api.faults["sendMessage"].append(Hang())
    async with rig.running():
        with pytest.raises(UnavailableError, match="Nobody knows"):
            await send(rig)


async def test_without_a_connection_it_certainly_did_not_go_out(api: BotApi, rig: TelegramRig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with rig.running():
        bot = rig.channel._bot
        bot._base_url = bot._base_url.replace(api.url, f"http://127.0.0.1:{port}")
        assert await send(rig) == NotSent("telegram_unreachable")


async def test_before_and_after_the_run_nothing_is_sent(rig: TelegramRig) -> None:
    assert await send(rig) == NotSent("not_connected")
    async with rig.running():
        pass
    assert await send(rig) == NotSent("not_connected")
    with pytest.raises(UnavailableError):
        await rig.channel.download("photo", 10)


async def test_a_flood_wait_holds_every_send_until_it_is_over(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running():
        api.faults["sendMessage"].append(Fail(429, "Too Many Requests: retry after 30", 30))
        assert await send(rig) == NotSent("telegram_flood_wait", 30.0)
        waiting = await send(rig, to=f"telegram:{PEOPLE['bert']}")
        await rig.channel.typing(TO)
        assert isinstance(waiting, NotSent)
        assert waiting.retry_after_s is not None
        assert 20 < waiting.retry_after_s <= 30
        assert len(api.called("sendMessage")) == 1
        assert api.actions == []
        await rig.clock.sleep(30)
        assert isinstance(await send(rig), Sent)


async def test_typing_is_shown(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running():
        await rig.channel.typing(TO)
        await rig.channel.typing(TO, recording=True)
    assert api.actions == [(ANNA, "typing"), (ANNA, "record_voice")]
    assert rig.manifest.typing_refresh_s < 5


@pytest.mark.parametrize(
    "fault", [Cut(), Fail(400, "Bad Request"), Fail(403, "Forbidden"), Fail(429, "x", 3), Fail(502), Body(b"[]")], ids=str
)
async def test_typing_never_raises(api: BotApi, rig: TelegramRig, fault: Any) -> None:
    api.faults["sendChatAction"].append(fault)
    async with rig.running():
        await rig.channel.typing(TO)
        await rig.channel.typing(ContactId("local:x"))
    assert len(api.called("sendChatAction")) == 1


async def test_typing_is_bounded(api: BotApi, rig: TelegramRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_channel, "_TYPING_S", 0.1)
    api.faults["sendChatAction"].append(Hang())
    async with rig.running(), asyncio.timeout(5):
        await rig.channel.typing(TO)


async def test_a_bot_has_no_address_book_but_knows_by_name_who_has_written_to_it(api: BotApi, rig: TelegramRig) -> None:
    assert await rig.channel.contacts() == []
    with pytest.raises(UnavailableError):
        await rig.channel.contact(TO)
    async with rig.running():
        assert await rig.channel.contact(TO) == ChannelContact(TO, "Anna")
        assert [await rig.channel.contact(ContactId(each)) for each in ("telegram:9", "491512345678@c.us")] == [None, None]
        api.faults["getChat"].append(Fail(500))
        with pytest.raises(UnavailableError):
            await rig.channel.contact(TO)


def test_the_librarys_own_time_outs_come_before_ours() -> None:
    assert max(telegram_bot._CONNECT_S, telegram_bot._READ_S, telegram_bot._WRITE_S, telegram_bot._POOL_S) < telegram_bot.CALL_S
