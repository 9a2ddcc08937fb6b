"""How an owner links a bot: the token is tried, the owner is proven, and nobody's message is lost meanwhile."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.bot_api import TOKEN, BotApi, Cut, Fail
from fakes.bot_api_rig import OWNER, PEOPLE, HastyClock, TelegramRig, context_of
from fakes.bot_api_updates import person, private

from secondme.channels.telegram import setup
from secondme.channels.telegram.setup import build, connect, forget, is_set_up, unlink
from secondme.core.channel_plugin import Linked, LinkQuestion, Say, Step
from secondme.core.errors import CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.ports import HasOwnerChat

ANNA = PEOPLE["anna"]


def answers(**given: str) -> tuple[list[LinkQuestion], Callable[[LinkQuestion], Awaitable[str]]]:
    asked: list[LinkQuestion] = []

    async def ask(question: LinkQuestion) -> str:
        asked.append(question)
        return given.get(question.name, "")

    return asked, ask


async def steps(
    api: BotApi,
    on_step: Callable[[Step], None] = lambda _: None,
    given: dict[str, str] | None = None,
    clock: HastyClock | None = None,
    **settings: Any,
) -> list[Step]:
    _, ask = answers(**({"token": TOKEN} if given is None else given))
    found: list[Step] = []
    async with asyncio.timeout(20):
        async for step in connect(context_of(api, clock, **{"token": None, "owner_id": None, **settings}), ask):
            found.append(step)
            on_step(step)
    return found


def opens(make: Callable[[str], Any]) -> Callable[[Step], None]:
    """Whoever sees the link does `make(nonce)`."""

    def on_step(step: Step) -> None:
        if isinstance(step, Say) and (link := re.search(r"https://t\.me/clone_bot\?start=([A-Za-z0-9_-]+)$", step.text)):
            make(link[1])

    return on_step


async def test_the_owner_is_who_opens_the_link(api: BotApi) -> None:
    found = await steps(api, opens(lambda nonce: api.write(OWNER, f"/start {nonce}")))
    assert found[-1] == Linked("@clone_bot", {"token": TOKEN, "owner_id": OWNER})
    assert "@clone_bot" in str(found[0])


async def test_the_link_is_another_each_time_and_cannot_be_guessed(api: BotApi) -> None:
    seen: list[str] = []
    for _ in range(20):
        await steps(api, opens(lambda nonce: (seen.append(nonce), api.write(OWNER, f"/start {nonce}"))))
    assert len(set(seen)) == 20
    assert min(map(len, seen)) >= 16


async def test_nothing_is_confirmed_while_the_owner_is_looked_for(api: BotApi) -> None:
    api.webhook = {"url": "https://x.example"}
    for number in range(5):
        api.write(ANNA, f"n{number}")
    await steps(api, opens(lambda nonce: api.write(OWNER, f"/start {nonce}")))
    assert len(api.waiting) == 6
    assert not any("offset" in poll for poll in api.called("getUpdates"))
    assert api.called("deleteWebhook") == [{"drop_pending_updates": False}]
    async with TelegramRig(api).running() as host:
        assert [message.text for message in await host.heard(5)][:5] == [f"n{number}" for number in range(5)]


async def test_no_other_message_makes_anybody_the_owner(api: BotApi) -> None:
    def try_everything(nonce: str) -> None:
        right = f"/start {nonce}"
        group = {"id": -100_1, "type": "supergroup", "title": "g"}
        for message in (
            private(ANNA, text=f"/start {nonce[:-1]}"),
            private(ANNA, text="/start"),
            private(ANNA, text=f" {right}"),
            private(ANNA, text=right.swapcase()),
            private(ANNA, text="x", reply_to_message=private(ANNA, text=right)),
            {**private(ANNA, text=right), "chat": group},
            {**private(ANNA, text=right), "chat": {"id": OWNER, "type": "private"}},
            {**private(ANNA, text=right), "from": {**person(ANNA), "is_bot": True}},
            {**private(ANNA, text=right), "sender_chat": {"id": ANNA, "type": "private"}},
        ):
            api.put(message)
        api.put(private(ANNA, text=right), "edited_message")
        api.write(OWNER, right)

    found = await steps(api, opens(try_everything))
    assert isinstance(found[-1], Linked)
    assert found[-1].settings["owner_id"] == OWNER


async def test_an_id_given_beforehand_needs_no_link(api: BotApi) -> None:
    found = await steps(api, given={"token": f" {TOKEN}\n", "owner_id": " 4200000 "})
    assert found[-1] == Linked("@clone_bot", {"token": TOKEN, "owner_id": OWNER})
    assert api.called("getUpdates") == []


async def test_what_is_set_already_is_not_asked_for(api: BotApi) -> None:
    asked, ask = answers()
    found = [step async for step in connect(context_of(api), ask)]
    assert asked == []
    assert found[-1] == Linked("@clone_bot", {"token": TOKEN, "owner_id": OWNER})


async def test_the_token_is_asked_for_as_a_secret(api: BotApi) -> None:
    asked, ask = answers(token=TOKEN, owner_id="5")
    assert [step async for step in connect(context_of(api, token=None, owner_id=None), ask)]
    assert [(question.name, question.secret) for question in asked] == [("token", True), ("owner_id", False)]


@pytest.mark.parametrize("token", ["", "nonsense", "1:x/../../getMe", "123456789:another-token-that-is-well-formed"])
async def test_a_wrong_token_is_refused(api: BotApi, token: str) -> None:
    with pytest.raises(CredentialsError):
        await steps(api, given={"token": token})


@pytest.mark.parametrize("owner", ["@me", "-5", "0", "٤٢", "4" * 30, "1e5"])
async def test_an_id_that_cannot_be_one_is_refused_and_the_token_is_not(api: BotApi, owner: str) -> None:
    with pytest.raises(
        DataError, match="The token is right, @clone_bot answers; the user id is not: a Telegram user id is a number"
    ):
        await steps(api, given={"token": TOKEN, "owner_id": owner})


async def test_nobody_opening_the_link_ends_after_five_minutes(api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_WAIT_S", 0)
    monkeypatch.setattr(setup, "_LOOK_AGAIN_S", 60.0)
    clock = HastyClock()
    with pytest.raises(UnavailableError) as caught:
        await steps(api, lambda _: clock.slept.append(290.0), clock=clock)
    assert caught.value.code == "telegram_owner_not_seen"
    assert caught.value.fix


async def test_a_link_hidden_behind_a_hundred_messages_is_said_so(api: BotApi) -> None:
    for number in range(100):
        api.write(ANNA, str(number))
    with pytest.raises(UnavailableError) as caught:
        await steps(api, opens(lambda nonce: api.write(OWNER, f"/start {nonce}")))
    assert caught.value.code == "telegram_too_much_waiting"
    assert len(api.waiting) == 101


@pytest.mark.parametrize(("fault", "code"), [(Cut(), "telegram_unreachable"), (Fail(409, "Conflict"), "telegram_conflict")])
async def test_failures_meanwhile_are_said(api: BotApi, fault: Any, code: str) -> None:
    api.faults["getUpdates"].append(fault)
    with pytest.raises(SecondmeError) as caught:
        await steps(api)
    assert caught.value.code == code


async def test_unlinking_removes_the_webhook_and_never_raises(api: BotApi) -> None:
    api.webhook = {"url": "https://x.example"}
    await unlink(context_of(api, webhook_url="https://x.example"))
    assert api.webhook == {}
    for settings in ({"token": None}, {"token": "1:wrong"}, {"api_url": "http://127.0.0.1:9"}):
        await unlink(context_of(api, **settings))


def test_it_is_set_up_with_a_token_and_forgets_nothing_because_it_keeps_nothing(api: BotApi) -> None:
    assert is_set_up(context_of(api))
    assert not is_set_up(context_of(api, token=None))
    assert not is_set_up(context_of(api, token=""))
    forget(context_of(api), ContactId("telegram:1"))
    assert not context_of(api).directory.exists()
    assert build(context_of(api, token=None)).id == "telegram"


def test_the_owners_chat_is_known_as_soon_as_the_owner_is(api: BotApi) -> None:
    channel = build(context_of(api))
    assert isinstance(channel, HasOwnerChat)
    assert channel.owner_chat == f"telegram:{OWNER}"
    unknown = build(context_of(api, owner_id=None))
    assert isinstance(unknown, HasOwnerChat)
    assert unknown.owner_chat is None
