"""Drafts that were ordered: few at a time, each once, not for ever, and never in the place of what answers somebody."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fakes.town import Town
from fakes.watching import Ear

from secondme.core.enums import Tier
from secondme.core.errors import BusyError, NotFoundError
from secondme.core.gateway.store import TraceStore
from secondme.core.ids import ContactId
from secondme.core.records import NewRow
from secondme.core.store import keys

ANNA = ContactId("local:anna")


async def waiting(town: Town) -> list[str]:
    return [each.text for each in (await town.drafts.waiting())[0]]


async def test_a_fourth_is_refused_and_nothing_is_lost_for_it(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "is the contract fine?")
    await town.work()
    for number in range(3):
        await town.drafts.suggest(ANNA, "local", f"nudge {number}")
    with pytest.raises(BusyError) as caught:
        await town.drafts.suggest(ANNA, "local", "nudge 3")
    assert caught.value.code == "too_many_drafts"
    assert await waiting(town) == ["re: is the contract fine?", "nudge 0", "nudge 1", "nudge 2"]


async def test_one_that_was_ordered_makes_room_for_what_answers_somebody_and_it_is_said(town: Town, ear: Ear) -> None:
    await town.let_in("anna")
    first = await town.drafts.suggest(ANNA, "local", "nudge")
    kept = [held(town, f"answer {number}") for number in range(48)]
    await town.store.client.rpush(keys.held(ANNA), *kept)
    second = await town.drafts.suggest(ANNA, "local", "another nudge")
    assert len(await waiting(town)) == 50
    third = await town.drafts.suggest(ANNA, "local", "a third")
    assert (len(await waiting(town)), "nudge" in await waiting(town)) == (50, False)
    assert {"another nudge", "a third"} < set(await waiting(town)), (second, third)
    assert sum(text.startswith("answer") for text in await waiting(town)) == 48
    assert [each["replyId"] for each in await ear.heard() if each.get("type") == "draft_dropped"] == [first]
    assert ("dropped", "no_room") in [
        (each.stage, each.facts.get("reason")) for each in await TraceStore(town.store).of_contact(ANNA)
    ]


def held(town: Town, text: str) -> str:
    """A reply as it lies there after a crash."""
    row = NewRow(row_id=text, reply_id=text, contact_id=ANNA, channel_id="local", kind="reply", text=text).encode()
    stamped = f'{row[:-1]},"composedAt":1,"typingFrom":1,"dueAt":1}}'
    return f'{{"row":{stamped},"reason":"ambiguous","heldAt":{town.clock.now_ms()}}}'


async def test_what_is_done_once_is_done_once_also_by_many_at_the_same_time(town: Town) -> None:
    await town.let_in("anna")
    made = await asyncio.gather(*(town.drafts.suggest(ANNA, "local", "happy birthday", once="birthday-2026") for _ in range(10)))
    assert sum(each is not None for each in made) == 1
    assert await waiting(town) == ["happy birthday"]
    await town.drafts.drop(next(each for each in made if each))
    assert await town.drafts.suggest(ANNA, "local", "happy birthday", once="birthday-2026") is None
    assert await town.drafts.suggest(ANNA, "local", "happy birthday", once="birthday-2027")
    assert await town.draft_store.is_done("birthday-2026")


async def test_a_draft_ends_at_its_own_time(town: Town) -> None:
    await town.let_in("anna")
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    over = await town.drafts.suggest(ANNA, "local", "too late", until=soon)
    good = await town.drafts.suggest(ANNA, "local", "in time", until=later)
    assert await waiting(town) == ["in time"]
    with pytest.raises(NotFoundError):
        await town.drafts.send(str(over))
    with pytest.raises(NotFoundError):
        await town.drafts.edit(str(over), "still")
    assert await town.draft_store.expire() == 1
    await town.drafts.send(str(good))
    assert await town.deliver() == ["sent"]


@pytest.mark.parametrize("killed", [False, True])
async def test_what_a_script_tells_the_owner_falls_to_the_kill_switch_and_an_answer_does_not(town: Town, killed: bool) -> None:
    me = ContactId("local:me")
    if killed:
        await town.services.pauses.kill()
    await town.services.notes.schedule("local", me, ["three lines", "of news"])
    await town.services.notes.say("local", me, "an answer")
    await town.deliver()
    assert town.channel.texts(me) == (["an answer"] if killed else ["three lines", "of news", "an answer"])


async def test_what_a_script_tells_the_owner_is_told_once_and_when_it_is_due(town: Town) -> None:
    me = ContactId("local:me")
    first = await town.services.notes.schedule("local", me, ["good morning"], after_s=3600, once="digest-1")
    assert len(first) == 1
    assert await town.services.notes.schedule("local", me, ["good morning"], once="digest-1") == []
    assert await town.deliver() == []
    assert await town.services.notes.is_waiting(me, first[0])


async def test_an_answer_to_the_owner_does_not_wait_behind_what_is_for_the_morning(town: Town) -> None:
    me = ContactId("local:me")
    await town.services.notes.schedule("local", me, ["good morning", "two lines"], after_s=3600)
    await town.services.notes.say("local", me, "an answer")
    await town.services.notes.say("local", me, "another")
    await town.deliver()
    assert town.channel.texts(me) == ["an answer", "another"]
