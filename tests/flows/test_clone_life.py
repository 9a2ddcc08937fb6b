"""The clone as its owner lives with it: a real gateway process with Telegram and this machine's own channel before it, a server that speaks
the Messages API behind it. What the owner says while it runs counts at once, and what may not leave does not.
"""

import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fakes.bot_api_rig import OWNER
from fakes.messages_api import Outcome, Request, Say
from fakes.process import command, contact, eventually, let_in, until
from fakes.telegram_town import TelegramTown, contact_of, telegram_town

from secondme.core.admit.store import ContactChoices
from secondme.core.enums import ReplyMode, Tier
from secondme.core.ids import ContactId
from secondme.core.remember.store import StyleStore
from secondme.core.store import keys

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.heavy]  # gateways that live through a day
CONFIG = "[persona]\nname = 'Sam'\n[delivery]\ntimeout_s = 2\n[limits]\nmessages = 1000\n"
FRIENDS = range(4_400_100, 4_400_120)
RESTRICTED = range(4_400_200, 4_400_210)
NONSENSE = 'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in <module>\nKeyError: 1'


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(redis_url: str) -> AsyncIterator[TelegramTown]:
    """One home for all tests here; each has people of its own."""
    home = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    async with telegram_town(home, redis_url, CONFIG) as built:
        await built.let_in(*FRIENDS)
        await built.let_in(*RESTRICTED, tier=Tier.RESTRICTED)
        await let_in(built.setup, "dora")
        yield built
    shutil.rmtree(home, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="module")
async def running(town: TelegramTown) -> TelegramTown:
    """The town with a gateway, which a test before this one may have started."""
    if town.process is None:
        await town.start()
    return town


async def restarted(town: TelegramTown, *faults: str, **settings: str) -> None:
    """A new gateway runs with these settings, and is connected."""
    if town.process is not None:
        await town.stop()
    polls = town.api.polls
    town.process = town.gateway("all", *faults, **settings)
    await eventually(lambda: town.api.polls > polls + 1)


async def of_request(town: TelegramTown, words: str) -> Request:
    """The request that answers these words."""
    found: Request = await eventually(lambda: next((each for each in town.model.requests if words in each.last_text), None))
    return found


async def drafted(town: TelegramTown, who: int, words: str) -> str:
    """The short id of the draft that answers them, as the owner is told it."""
    town.writes(who, words)
    note = await town.told(rf"(?s)\(telegram:{who}, .*{re.escape(words)}")
    return re.findall(r"(?:send|edit) ([0-9a-f]{6})", note)[0]


async def owner_says(town: TelegramTown, words: str, pattern: str) -> str:
    """What the owner is answered to these words; nothing before them counts."""
    before = len(town.api.shown[OWNER])
    town.writes(OWNER, words)
    answers = lambda: [text for text in town.api.shown[OWNER][before:] if re.search(pattern, text)]  # noqa: E731
    return str((await eventually(answers))[0])


async def test_a_persona_that_is_edited_while_it_runs_counts_at_the_next_reply(running: TelegramTown) -> None:
    town, who = running, FRIENDS[0]
    folder = town.setup.places.personas
    folder.mkdir(parents=True, exist_ok=True)
    for number, guide in enumerate(["Ends every message with a dot.", "Never ends a message with a dot."]):
        (folder / "default.md").write_text(guide)
        town.writes(who, f"shall we meet at {number}?")
        assert f"<style_guide>\n{guide}\n</style_guide>" in str(
            (await of_request(town, f"meet at {number}")).body["system"][0]["text"]
        )
        await town.shown(who, number + 1)
    (folder / "work.md").write_text("Dry.")
    assert command(town.home, "persona", "use", "work", "--contact", contact_of(who), **town._environment).returncode == 0
    town.writes(who, "shall we meet at last?")
    assert "<style_guide>\nDry.\n" in (await of_request(town, "meet at last")).body["system"][0]["text"]


async def test_a_mode_counts_for_the_next_message(running: TelegramTown) -> None:
    town, who = running, FRIENDS[1]
    choices = ContactChoices(town.store)
    await choices.set_mode(contact_of(who), ReplyMode.DRAFT)
    await drafted(town, who, "is it a draft?")
    for mode in (ReplyMode.OBSERVE, ReplyMode.OFF):
        await choices.set_mode(contact_of(who), mode)
        await town.confirmed(town.writes(who, f"is it {mode.value}?"))
    await choices.set_mode(contact_of(who), ReplyMode.AUTO)
    town.writes(who, "is it auto?")
    assert await town.shown(who) == ["re: is it auto?"]
    asked = [request.last_text for request in town.model.requests if "is it " in request.last_text]
    assert (asked[0], len(asked)) == ("is it a draft?", 2)
    assert "is it observe?" in str(asked[1])  # it was kept, and is part of the conversation
    assert "is it off?" not in str(town.model.requests[-1].body)


async def test_plain_small_talk_costs_one_call_of_the_small_model(running: TelegramTown) -> None:
    town, who = running, FRIENDS[2]
    town.writes(who, "ok 👍")
    assert await town.shown(who) == ["re: ok 👍"]
    calls = [each for each in (*town.model.requests, *town.model.routed) if "👍" in str(each.body["messages"])]
    assert [each.body["model"] for each in calls] == [town.setup.settings.model.small]


async def test_what_fails_the_checks_twice_is_the_owners_to_write_anew(running: TelegramTown) -> None:
    town, who = running, FRIENDS[3]
    usual = town.model.script
    tried = []

    def evil(request: Request) -> Outcome:
        if "what went wrong" not in request.last_text:
            return usual(request)
        tried.append(request)
        return Say(NONSENSE)

    town.model.script = evil
    town.writes(who, "what went wrong?")
    note = await town.told(rf"\(telegram:{who}, .* It can leave only in your own words")
    town.model.script = usual
    assert "Send it" not in note
    assert len(tried) == 2
    assert "A first draft could not be sent" in str(tried[1].body["system"])
    draft = re.findall("edit ([0-9a-f]{6})", note)[0]
    assert "own words" in await owner_says(town, f"send {draft}", "own words")
    assert "says now:" in await owner_says(town, f"edit {draft} Nothing, why?", "The draft for")
    assert "is on its way" in await owner_says(town, f"send {draft}", "on its way")
    assert await town.shown(who) == ["Nothing, why?"]


async def test_a_draft_that_expired_is_never_sent(running: TelegramTown) -> None:
    town, who = running, RESTRICTED[0]
    draft = await drafted(town, who, "may I come?")
    held = keys.held(contact_of(who))
    (raw,) = await town.store.client.lrange(held, 0, -1)
    moment = int(re.findall(rb'"heldAt":(\d+)', raw)[-1])
    await town.store.client.lset(held, 0, raw.replace(b'"heldAt":%d' % moment, b'"heldAt":%d' % (moment - 49 * 3_600_000)))
    assert "No draft has that id." in await owner_says(town, f"send {draft}", "draft")

    async def is_gone() -> bool:
        return not await town.store.client.exists(held)

    await eventually(is_gone)
    assert town.sends_to(who) == []


async def test_observing_learns_from_the_owner_and_answers_nobody(running: TelegramTown) -> None:
    town, dora = running, ContactId("local:dora")
    await ContactChoices(town.store).set_mode(dora, ReplyMode.OBSERVE)
    async with contact(town.home, "dora") as hers, contact(town.home, "dora", as_owner=True) as mine:
        for number in range(12):
            hers.say(f"did you see episode {number}?")
            assert [event.text for event in await until(hers, "accepted")] == ["observed"]
            mine.say(f"jaja claro, vaya final el {number} 😂")
            assert [event.text for event in await until(mine, "accepted")] == ["taken_over"]
        style = StyleStore(town.store)

        async def is_known() -> bool:
            profile = await style.profile(dora)
            return profile is not None and profile.sample_count == 12

        await eventually(is_known)
        own = await style.own(dora)
        assert own[-1].before == "did you see episode 11?"
        while not hers.events.empty():
            assert hers.events.get_nowait().kind not in {"message", "typing"}
    assert not [each for each in town.model.requests if "episode" in str(each.body)]


async def test_a_draft_that_was_sent_while_nothing_ran_leaves_once_when_it_runs_again(running: TelegramTown) -> None:
    town, who = running, RESTRICTED[1]
    draft = await drafted(town, who, "are you awake?")
    await town.stop(signal.SIGKILL)
    outcomes = [command(town.home, "drafts", "send", draft, **town._environment).returncode for _ in range(2)]
    assert outcomes == [0, 65]
    assert town.sends_to(who) == []
    await restarted(town)
    assert await town.shown(who) == ["re: are you awake?"]
    await town.settled(who)
    assert len(town.sends_to(who)) == 1


@pytest.mark.slow  # 14 s: a lease has to run out
async def test_a_draft_whose_sending_was_cut_by_a_kill_is_never_shown_twice(town: TelegramTown) -> None:
    who = RESTRICTED[2]
    await restarted(town)
    draft = await drafted(town, who, "will it be killed?")
    await restarted(town, "sender.delivered:KILL:1")
    assert command(town.home, "drafts", "send", draft, **town._environment).returncode == 0
    assert town.process is not None
    assert await town.process.ended() == -signal.SIGKILL
    assert len(town.sends_to(who)) == 1
    await restarted(town)
    await town.told(rf"\(telegram:{who}, .* It may have gone out already")  # only its owner can look
    assert len(town.sends_to(who)) == 1


async def test_who_asks_whether_it_is_a_machine_is_left_to_the_owner_where_they_want_that(town: TelegramTown) -> None:
    who, asked = FRIENDS[4], len(town.model.requests)
    await restarted(town, SECONDME_DISCLOSURE__POLICY="handover")
    town.writes(who, "honestly, are you a bot?")
    await town.told(rf"telegram:{who} has no answer\. They asked whether they talk with a machine")
    await town.confirmed(town.writes(who, "hello? what now?"))
    assert len([text for text in town.api.shown[OWNER] if f"telegram:{who} has no answer" in text]) == 1
    assert await town.store.client.exists(keys.pause(contact_of(who)))
    assert (town.sends_to(who), len(town.model.requests)) == ([], asked)


async def test_over_the_budget_nobody_is_called_and_with_a_higher_one_everybody_is_answered_once(town: TelegramTown) -> None:
    who, calls = FRIENDS[5:8], len(town.model.requests) + len(town.model.routed)
    await restarted(town, SECONDME_BUDGET__DAILY_USD="0")
    for number, user in enumerate(who):
        town.writes(user, f"is there money for number {number}?")
    await town.told("budget of today is spent")
    for user in who:
        await eventually(lambda user=user: _waits(town, user))
    town.writes(who[0], "and now?")
    assert len(town.model.requests) + len(town.model.routed) == calls
    assert len([text for text in town.api.shown[OWNER] if "budget" in text]) == 1
    await restarted(town)
    for user in who:
        await town.shown(user)
        await town.settled(user)
    assert [len(town.api.shown[user]) for user in who] == [1, 1, 1]
    assert town.api.shown[who[0]] == ["re: and now?"]


async def _waits(town: TelegramTown, user: int) -> Any:
    return await town.store.client.hget(keys.mailbox(contact_of(user)), "waiting") == b"over_budget"
