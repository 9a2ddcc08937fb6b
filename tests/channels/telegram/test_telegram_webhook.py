"""News by webhook: only Telegram is believed, and 200 means that it is safe."""

import asyncio
import json
import time
from random import Random
from typing import Any

import pytest
from fakes.bot_api import BotApi, Fail
from fakes.bot_api_rig import PEOPLE, TelegramRig
from fakes.bot_api_updates import private, update
from fakes.channel_host import RecordingHost

from secondme.channels.telegram import webhook
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.messages import Admission, Challenge, ChannelState, InboundMessage, WebhookRequest

ANNA = PEOPLE["anna"]
SECRET = "zqzqzq-zqzqzq-zqzqzq"
NAME = "x-telegram-bot-api-secret-token"
URL = "https://me.example.org/telegram"


def call(body: Any, *, secret: str | None = SECRET, method: str = "POST", more: tuple[tuple[str, str], ...] = ()) -> WebhookRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = (("content-type", "application/json"), *(((NAME, secret),) if secret is not None else ()), *more)
    return WebhookRequest(method, "", headers, raw)


def said(text: str, number: int = 7) -> dict[str, Any]:
    return update(900_000 + number, private(ANNA, number, text=text))


@pytest.fixture
def rig(api: BotApi) -> TelegramRig:
    return TelegramRig(api, webhook_url=URL, webhook_secret=SECRET)


async def test_telegram_is_told_where_to_call_one_at_a_time_and_with_which_secret(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running() as host:
        assert await rig.channel.handle_webhook(call(said("hello"))) == (await rig.channel.handle_webhook(call(said("hello"))))
        assert [message.text for message in host.messages] == ["hello", "hello"]
    assert api.webhook == {
        "url": URL,
        "secret_token": SECRET,
        "allowed_updates": ["message", "edited_message"],
        "max_connections": 1,
        "drop_pending_updates": False,
    }
    assert api.called("getUpdates") == api.called("deleteWebhook") == []


async def test_200_comes_only_when_the_message_is_safe(rig: TelegramRig) -> None:
    async with rig.running() as host:
        host.is_down = True
        assert (await rig.channel.handle_webhook(call(said("keep")))).status == 503
        host.is_down = False
        assert (await rig.channel.handle_webhook(call(said("keep")))).status == 200
    assert len(host.messages) == 1


async def test_calls_at_the_same_time_are_taken_in_their_order(rig: TelegramRig) -> None:
    async with rig.running() as host:
        answers = await asyncio.gather(*(rig.channel.handle_webhook(call(said(f"n{number}", number + 1))) for number in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert [message.text for message in host.messages] == [f"n{number}" for number in range(20)]


class SlowAtFirst(RecordingHost):
    """Takes its time for the first message."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        if not self.offered:
            self.offered.append(message)
            await self.go.wait()
        return await super().receive(message)


async def test_a_call_waits_for_the_one_before_it(rig: TelegramRig) -> None:
    host = SlowAtFirst()
    async with rig.running(host):
        calls = [
            asyncio.create_task(rig.channel.handle_webhook(call(said(text, number))))
            for number, text in enumerate(("first", "second"), 1)
        ]
        await host.until(lambda: len(host.offered) > 0)
        await asyncio.sleep(0.02)
        host.go.set()
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
    assert [message.text for message in host.messages] == ["first", "second"]


async def test_a_call_that_takes_too_long_is_asked_for_again(rig: TelegramRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_HEAR_S", 0.05)
    async with rig.running(SlowAtFirst()) as host:
        assert (await rig.channel.handle_webhook(call(said("slow")))).status == 503
        assert (await rig.channel.handle_webhook(call(said("slow")))).status == 200
    assert len(host.messages) == 1


async def test_of_20000_forged_calls_none_is_accepted_or_read(rig: TelegramRig) -> None:
    rng, body = Random(7), b"[" * 100_000  # reading it would answer 200
    async with rig.running() as host:
        for number in range(20_000):
            answer = await rig.channel.handle_webhook(_forged(number, rng, body))
            assert (answer.status, answer.body) == (403, "")
        assert host.offered == []
        assert (await rig.channel.handle_webhook(call(body))).status == 200


def _forged(number: int, rng: Random, body: bytes) -> WebhookRequest:
    at = rng.randrange(len(SECRET))
    match number % 10:
        case 0:
            wrong: str | None = SECRET[:at] + chr(ord(SECRET[at]) ^ (1 << rng.randrange(7))) + SECRET[at + 1 :]
        case 1:
            wrong = SECRET[:at]
        case 2:
            wrong = SECRET + chr(rng.randrange(0x110000))
        case 3:
            wrong = SECRET.swapcase()
        case 4:
            wrong = None
        case 5:
            return call(body, more=((NAME, SECRET),))  # twice
        case 6:
            return call(
                body, secret=None, more=((NAME.upper(), SECRET), ("x-hub-signature-256", SECRET), ("authorization", SECRET))
            )
        case 7:
            wrong = f" {SECRET}"
        case 8:
            wrong = ""
        case _:
            wrong = "".join(chr(rng.randrange(32, 256)) for _ in range(len(SECRET)))
    return call(body, secret=wrong, method=rng.choice(["POST", "GET"]))


async def test_without_a_secret_nothing_is_ever_accepted(api: BotApi) -> None:
    channel = TelegramRig(api).channel
    assert [(await channel.handle_webhook(call(b"{}", secret=secret))).status for secret in ("", None, "x")] == [403] * 3


async def test_other_methods_and_times_are_refused_to_telegram_too(rig: TelegramRig) -> None:
    assert (await rig.channel.handle_webhook(call(said("early")))).status == 503
    async with rig.running():
        assert (await rig.channel.handle_webhook(call(said("x"), method="GET"))).status == 405
    assert (await rig.channel.handle_webhook(call(said("late")))).status == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b'{"message": ' + b"[" * 33 + b"]" * 33 + b"}",
        b"9" * 5_000,
        b'{"message": {}}',
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_what_nobody_can_read_is_not_asked_for_again(rig: TelegramRig, body: bytes) -> None:
    async with rig.running() as host:
        assert (await rig.channel.handle_webhook(call(body))).status == 200
        assert host.offered == []


async def test_a_message_that_trips_us_is_given_up_after_five_calls(rig: TelegramRig) -> None:
    host = RecordingHost()

    def outcome(_: InboundMessage) -> Admission:
        raise ZeroDivisionError

    host.outcome = outcome
    async with rig.running(host):
        assert [(await rig.channel.handle_webhook(call(said("x")))).status for _ in range(5)] == [503, 503, 503, 503, 200]


async def test_a_webhook_that_telegram_cannot_reach_is_deaf_until_it_can(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running() as host:
        api.webhook_pending, api.webhook_error_s = 3, int(time.time()) - 5
        await host.until(lambda: host.state is ChannelState.STALLED)
        api.webhook_error_s = int(time.time()) - 3_600
        await host.until(lambda: host.state is ChannelState.CONNECTED)
        assert host.signs_of_life > 1
    assert (ChannelState.STALLED, "telegram_webhook_failing") in host.states
    assert set(rig.clock.slept) == {60.0}


async def _fails(rig: TelegramRig) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await asyncio.wait_for(rig.channel.run(RecordingHost()), 20)
    return caught.value


async def test_a_webhook_taken_by_another_program_is_set_again_by_the_next_start(api: BotApi, rig: TelegramRig) -> None:
    host = RecordingHost()
    task = asyncio.create_task(rig.channel.run(host))
    await host.until(lambda: host.signs_of_life > 0)
    api.webhook = {"url": "https://other.example"}
    with pytest.raises(UnavailableError) as caught:
        await task
    assert caught.value.code == "telegram_webhook_lost"


async def test_an_address_that_telegram_refuses_is_the_owners_to_mend(api: BotApi, rig: TelegramRig) -> None:
    api.faults["setWebhook"].append(Fail(400, "Bad Request: bad webhook: HTTPS url must be provided for webhook"))
    error = await _fails(rig)
    assert (type(error), error.code) == (ConfigError, "telegram_webhook_refused")


async def test_looks_that_fail_are_borne_for_a_while(api: BotApi, rig: TelegramRig) -> None:
    api.faults["getWebhookInfo"].extend([Fail(502)] * 4)
    async with rig.running() as host:
        await host.until(lambda: host.signs_of_life > 0)
    api.faults["getWebhookInfo"].extend([Fail(502)] * 5)
    assert (await _fails(rig)).code == "telegram_unreachable"
    api.faults["getWebhookInfo"].append(Fail(401, "Unauthorized"))
    assert isinstance(await _fails(rig), CredentialsError)
