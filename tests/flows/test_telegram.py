"""Telegram from end to end: a real gateway process, the real library, a Bot API that fails as told, and people who write to the bot."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fakes.bot_api import BOT, Cut, Fail
from fakes.bot_api_rig import OWNER
from fakes.bot_api_updates import PHOTO, private, update
from fakes.messages_api import Fail as ModelFails
from fakes.messages_api import Outcome, Request, Say
from fakes.process import eventually
from fakes.telegram_town import TelegramTown, code_in, contact_of, now_s, telegram_town

from secondme.core.enums import Tier
from secondme.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONFIG = "[persona]\nname = 'Sam'\n[delivery]\ntimeout_s = 2\n[limits]\nmessages = 1000\n"
FRIENDS = range(4_300_100, 4_300_120)
WELCOME = "Welcome! You can now chat with me."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(redis_url: str) -> AsyncIterator[TelegramTown]:
    """One gateway for all tests here; each has people of its own."""
    home = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    async with telegram_town(home, redis_url, CONFIG) as built:
        await built.let_in(*FRIENDS)  # before it starts: the owner is told of nobody
        await built.start()
        yield built
    shutil.rmtree(home, ignore_errors=True)


async def test_a_stranger_is_prompted_let_in_by_the_owners_chat_and_answered_exactly_once(town: TelegramTown) -> None:
    anna = 4_300_001
    town.writes(anna, "hello?")
    prompt = (await town.shown(anna))[0]
    assert prompt.startswith("Hi! I'm Sam's AI assistant.")
    code = code_in(prompt)
    note = await town.told(f"telegram:{anna}")
    assert f"approve {code}" in note
    town.writes(OWNER, f"approve {code}")
    assert await town.told("is approved") == "Anna is approved (standard)."
    assert (await town.shown(anna, 2))[1] == WELCOME
    assert town.api.actions.count((anna, "typing")) == 0
    town.writes(anna, "how are you")
    await town.shown(anna, 3)
    await town.settled(anna)
    assert town.api.shown[anna] == [prompt, WELCOME, "re: how are you"]
    assert town.api.actions.count((anna, "typing")) >= 1
    assert [request.last_text for request in town.model.requests] == ["how are you"]
    assert len(town.sends_to(anna)) == 3


async def test_the_link_of_an_invite_lets_in_whoever_presses_start(town: TelegramTown) -> None:
    dora, services = 4_300_002, Services(town.setup, town.store, by="test")
    made = await services.pairing.invite("Dora", Tier.STANDARD, timedelta(hours=1))
    links = await eventually(lambda: _links(services, made.code))
    assert links == {"telegram": f"https://t.me/{BOT['username']}?start={made.code}"}
    town.writes(dora, f"/start {links['telegram'].partition('=')[2]}")
    assert await town.shown(dora) == [WELCOME]
    assert await services.pairing.invites() == ([], [])


async def _links(services: Services, code: str) -> dict[str, str]:
    return (await services.status()).invite_links(code)


async def test_a_429_is_waited_for_as_long_as_telegram_says_and_then_it_is_sent_once(town: TelegramTown) -> None:
    anna = 4_300_102
    town.api.faults["sendMessage"].append(Fail(429, "Too Many Requests: retry after 2", retry_after=2))
    town.writes(anna, "one")
    assert await town.shown(anna) == ["re: one"]
    await town.settled(anna)
    first, second = town.sends_to(anna)
    print(f"asked to wait 2 s, waited {second - first:.3f} s")
    assert second - first >= 1.99
    assert town.api.shown[anna] == ["re: one"]
    assert await town.held_for(anna) == []


async def test_a_second_program_on_the_same_bot_is_a_conflict_that_mends_itself_and_loses_nothing(town: TelegramTown) -> None:
    anna = 4_300_103
    before = len(town.logged("channel_failed"))
    polls = town.api.polls
    async with httpx.AsyncClient() as other:
        answer = await other.get(f"{town.api.url}/bot{town.api.token}/getUpdates", params={"timeout": 0, "limit": 1})
        assert answer.json() == {"ok": True, "result": []}
    assert [each["code"] for each in (await eventually(lambda: town.logged("channel_failed")[before:]))] == ["telegram_conflict"]
    town.writes(anna, "in between")
    assert await town.shown(anna) == ["re: in between"]
    assert town.api.polls > polls + 1
    assert await town.state() == ("connected", "")
    await town.settled(anna)
    assert town.api.shown[anna] == ["re: in between"]


async def test_a_connection_that_is_refused_certainly_sent_nothing_and_is_tried_again(town: TelegramTown) -> None:
    anna = 4_300_104
    before = len(town.logged("not_sent"))
    await town.road.close(keep=b"getUpdates")  # news still come in by the poll that waits
    town.writes(anna, "knock")
    refused = await eventually(lambda: town.logged("not_sent")[before:])
    assert {each["reason"] for each in refused} == {"telegram_unreachable"}
    assert town.api.shown[anna] == []
    await town.road.open()
    assert await town.shown(anna) == ["re: knock"]
    await town.settled(anna)
    assert (town.api.shown[anna], await town.held_for(anna)) == (["re: knock"], [])


async def test_a_cut_connection_is_never_shown_twice_and_its_reply_is_held_for_the_owner(town: TelegramTown) -> None:
    before, after = 4_300_105, 4_300_106
    town.api.faults["sendMessage"].extend([Cut("before")])
    town.writes(before, "lost on the way there")
    await eventually(lambda: town.sends_to(before))
    town.api.faults["sendMessage"].extend([Cut("after")])
    town.writes(after, "lost on the way back")
    await eventually(lambda: town.sends_to(after))
    await eventually(lambda: _held_both(town, before, after))
    assert [(await town.held_for(who))[0].reason for who in (before, after)] == ["ambiguous", "ambiguous"]
    assert (town.api.shown[before], town.api.shown[after]) == ([], ["re: lost on the way back"])
    assert len(town.sends_to(before)) == len(town.sends_to(after)) == 1
    for who, text in ((before, "lost on the way there"), (after, "lost on the way back")):
        assert f"re: {text}" in await town.told(rf"\(telegram:{who}, .* It may have gone out already")
    # The owner looks into the chat, sends the one that did not arrive and drops the other.
    await town.drafts.release(contact_of(before), "telegram", (await town.held_for(before))[0].row.reply_id)
    await town.drafts.discard(contact_of(after), "telegram", (await town.held_for(after))[0].row.reply_id)
    assert await town.shown(before) == ["re: lost on the way there"]
    for who in (before, after):
        town.writes(who, "and now?")
    await town.shown(before, 2)
    await town.shown(after, 2)
    assert town.api.shown[before] == ["re: lost on the way there", "re: and now?"]
    assert town.api.shown[after] == ["re: lost on the way back", "re: and now?"]


async def _held_both(town: TelegramTown, *users: int) -> bool:
    return all([await town.held_for(user) for user in users])


async def test_an_update_that_comes_again_is_answered_once_under_the_same_id_and_under_a_new_one(town: TelegramTown) -> None:
    anna = 4_300_107
    made = town.writes(anna, "once")
    await town.shown(anna)
    for number in range(5):
        town.api.repeat(made)
        town.api.offer(update(made["update_id"] + 500_000 + number, made["message"]))
    last = town.writes(anna, "twice")  # the platform numbers on from where it was
    last["update_id"] = made["update_id"] + 600_000
    town.api._next_update = last["update_id"]
    await town.shown(anna, 2)
    await town.confirmed(last)
    await town.settled(anna)
    assert town.api.shown[anna] == ["re: once", "re: twice"]


async def test_an_edit_of_a_message_that_waits_is_what_gets_answered(town: TelegramTown) -> None:
    anna = 4_300_108

    def script(request: Request) -> Outcome:
        if "see you at six" in request.last_text:
            return ModelFails(529, "overloaded_error", {"retry-after": "1"})
        return Say("re: " + request.last_text.splitlines()[-1])

    town.model.script, seen = script, len(town.model.requests)
    made = town.writes(anna, "see you at six")
    await eventually(lambda: len(town.model.requests) > seen)
    number = made["message"]["message_id"]
    town.api.put(private(anna, number, text="see you at eight", date=now_s(), edit_date=now_s()), "edited_message")
    assert await town.shown(anna) == ["re: see you at eight"]
    edit = town.api.put(private(anna, number, text="see you at nine", date=now_s(), edit_date=now_s()), "edited_message")
    await town.confirmed(edit)
    town.writes(anna, "fine?")
    await town.shown(anna, 2)
    assert town.api.shown[anna] == ["re: see you at eight", "re: fine?"]  # an edit of what was answered asks for no answer
    said = town.model.requests[-1].body["messages"]
    assert [turn["content"] for turn in said] == ["see you at nine", "re: see you at eight", "fine?"]


async def test_the_model_is_told_what_it_cannot_look_at_together_with_the_words_beside_it(town: TelegramTown) -> None:
    anna = 4_300_109
    voice = {"file_id": "v", "file_unique_id": "v", "duration": 12, "mime_type": "audio/ogg", "file_size": 4_001}
    said = []
    for fields in (
        {"photo": PHOTO},
        {"photo": PHOTO, "caption": "look at this"},
        {"voice": voice},
        {"voice": voice, "caption": "listen"},
    ):
        count = len(town.model.requests)
        town.writes(anna, **fields)  # type: ignore[arg-type]
        await eventually(lambda count=count: len(town.model.requests) > count)
        await town.shown(anna, len(said) + 1)
        said.append(town.model.requests[-1].last_text)
    photo, note = (
        "[photo, could not be looked at]",
        "[voice message, 12 s]",
    )  # Telegram has lost the one; nobody listens to the other
    assert said == [photo, f"{photo}\nlook at this", note, f"{note}\nlisten"]
    assert [asked["file_id"] for method, asked in town.calls if method == "getFile"] == ["photo-large"] * 2


@pytest.mark.heavy  # 7 s: two gateways
async def test_what_waited_while_we_were_down_is_answered_and_no_stranger_is_texted_for_old_words(town: TelegramTown) -> None:
    fresh, old, friend, twice = 4_300_010, 4_300_011, 4_300_112, 4_300_113
    old_s = now_s() - 20 * 60
    handled = town.writes(twice, "already safe")
    await town.shown(twice)
    await town.confirmed(handled)
    assert await town.stop() == 0
    town.writes(old, "are you there?", date=old_s)
    town.writes(friend, "from twenty minutes ago", date=old_s)
    town.writes(fresh, "from just now")
    town.api.repeat(handled)  # Telegram may show again what it was told to forget just before
    last = town.writes(twice, "still there?")
    await town.start()
    assert await town.shown(friend) == ["re: from twenty minutes ago"]
    assert (await town.shown(fresh))[0].startswith("Hi! I'm Sam's AI assistant.")
    assert await town.shown(twice, 2) == ["re: already safe", "re: still there?"]
    await town.confirmed(last)
    assert await town.pairing.find(contact_of(old)) is None
    assert (await town.pairing.find(contact_of(fresh))) is not None
    assert (town.api.shown[old], town.sends_to(old)) == ([], [])
    assert not await _anything_of(town, old)


async def _anything_of(town: TelegramTown, user: int) -> list[Any]:
    return [key async for key in town.store.client.scan_iter(match=f"*{user}*")]


async def test_a_topic_a_forward_and_a_quote_reach_the_model_and_the_answer_the_topic(town: TelegramTown) -> None:
    anna = 4_300_111
    town.writes(anna, "when do we leave?", message_thread_id=55, is_topic_message=True)
    await town.shown(anna)
    assert [asked.get("message_thread_id") for asked in asked_of(town, "sendMessage", anna)] == [55]
    assert {asked.get("message_thread_id") for asked in asked_of(town, "sendChatAction", anna)} == {55}
    town.writes(anna, "Sam owes me 200 euros", forward_origin={"type": "hidden_user", "sender_user_name": "Carla", "date": now_s()})
    await town.shown(anna, 2)
    first = {
        "message_id": 8,
        "date": now_s(),
        "chat": {"id": anna, "type": "private"},
        "from": BOT,
        "text": 'The tickets "cost" 40 each. Bye',
    }
    town.writes(
        anna, "[forwarded] sure?", reply_to_message=first, quote={"text": first["text"][:27], "position": 0, "is_manual": True}
    )
    await town.shown(anna, 3)
    asked = [request.last_text for request in town.model.requests[-2:]]
    assert asked == ["[forwarded] Sam owes me 200 euros", "[answers \"The tickets 'cost' 40 each.\"] (forwarded] sure?"]


async def test_a_topic_that_is_gone_is_answered_in_the_chat(town: TelegramTown) -> None:
    anna = 4_300_118
    town.api.faults["sendMessage"].append(Fail(400, "Bad Request: message thread not found"))
    town.writes(anna, "hello?", message_thread_id=56, is_topic_message=True)
    assert await town.shown(anna) == ["re: hello?"]
    assert [asked.get("message_thread_id") for asked in asked_of(town, "sendMessage", anna)] == [56, None]


def asked_of(town: TelegramTown, method: str, user: int) -> list[dict[str, Any]]:
    return [asked for name, asked in town.calls if name == method and asked["chat_id"] == user]
