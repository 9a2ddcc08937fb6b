"""The owner speaks themselves, at every moment of a reply's life: nothing follows. And a burst gets one reply."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.house import house
from fakes.model import ScriptedModel
from fakes.process import eventually
from fakes.town import Town

from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Composed, ModelOutcome, Prompt
from secondme.core.store import keys

ANNA = ContactId("local:anna")
SLOW: dict[str, Any] = {
    "pacing__enabled": True,
    "pacing__gather_s": 0,
    "pacing__think_min_s": 0,
    "pacing__think_max_s": 0,
    "pacing__jitter": 0,
}
MOMENTS = ["composed", "waiting", "typed"]
QUESTION = "when shall we meet tonight?"


class Slow:
    """A model that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def __call__(self, prompt: Prompt) -> ModelOutcome:
        self.asked.set()
        await self.may.wait()
        return Composed(f"re: {prompt.turns[-1].text}")


async def reach(town: Town, slow: Slow, moment: str) -> None:
    """The reply to Anna is being composed, waits for its time, or is typed."""
    await town.gateway.receive(town.message("anna", QUESTION))
    await slow.asked.wait()
    if moment == "composed":
        return
    slow.may.set()
    if moment == "waiting":
        await eventually(lambda: town.store.client.llen(keys.outbox(ANNA)))
    else:
        await eventually(lambda: town.channel.typed)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_nothing_is_said_after_the_owner_spoke(
    town_with: Callable[..., Town], model: ScriptedModel, moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = Slow()
    delay_s = 1.5 if moment == "typed" else 30.0
    typing = (
        {"pacing__min_s": 1.5, "pacing__max_s": 1.5}
        if moment == "typed"
        else {"pacing__think_min_s": 30, "pacing__think_max_s": 30}
    )
    town = town_with(**{**SLOW, **typing, "pacing__max_s": delay_s})
    model.script = slow
    await town.let_in("anna")
    async with house(town, town.channel.factory()) as built:
        town.gateway = built.gateway
        await reach(town, slow, moment)
        begun = time.perf_counter()
        assert await built.gateway.receive(town.message("anna", "I am on my way", from_me=True)) is Admission.TAKEN_OVER
        took_s = time.perf_counter() - begun
        slow.may.set()
        # From here on nothing of Anna's is in the outbox or the inbox, and the worker's own finish is refused by its fence.
        await eventually(lambda: _is_idle(town))
        assert town.channel.texts(ANNA) == []
        await asyncio.sleep(delay_s if moment == "typed" else 0)  # as long as the reply would have needed
        assert (town.channel.texts(ANNA), town.channel.raw) == ([], [])
    with capsys.disabled():
        print(f"\ntakeover while a reply is {moment}: in force {took_s * 1000:.1f} ms after it was received")
    assert took_s < 1
    history = [turn.content for turn in await town.conversation.said(ANNA)]
    assert history == [QUESTION, "I am on my way"]


async def _is_idle(town: Town) -> bool:
    client = town.store.client
    lease = await client.hget(keys.mailbox(ANNA), "lease_owner")
    return lease is None and not await client.llen(keys.outbox(ANNA)) and not await client.llen(keys.inbox(ANNA))


async def test_a_burst_of_five_messages_gets_one_reply(town_with: Callable[..., Town], model: ScriptedModel) -> None:
    town = town_with(**{**SLOW, "pacing__gather_s": 0.6, "pacing__min_s": 0, "pacing__typing_s_per_character": 0})
    await town.let_in("anna")
    async with house(town, town.channel.factory()) as built:
        for number in range(5):
            await built.gateway.receive(town.message("anna", f"and what about number {number}?"))
            await asyncio.sleep(0.1)  # as a person writes; each within the time that is waited for more
        await eventually(lambda: town.channel.texts(ANNA))
        await eventually(lambda: _is_idle(town))
    assert town.channel.texts(ANNA) == ["re: and what about number 4?"]
    assert len(model.prompts) == 1
    assert model.prompts[0].turns[-1].text == "\n".join(f"and what about number {number}?" for number in range(5))


async def test_somebody_who_never_stops_writing_is_answered_all_the_same(town_with: Callable[..., Town]) -> None:
    town = town_with(
        **{
            **SLOW,
            "pacing__gather_s": 5,
            "pacing__gather_max_s": 0.8,
            "pacing__min_s": 0,
            "pacing__typing_s_per_character": 0,
            "limits__messages": 1000,
        }
    )
    await town.let_in("anna")
    async with house(town, town.channel.factory()) as built:
        async with asyncio.timeout(20):
            number = 0
            while not town.channel.texts(ANNA):
                await built.gateway.receive(town.message("anna", f"and what about number {number}?"))
                number += 1
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("before", [None, timedelta(hours=8), timedelta(minutes=1)], ids=["until lifted", "longer", "shorter"])
@pytest.mark.parametrize("where", ["on the phone", "on the screen"])
async def test_a_pause_that_lasts_longer_is_not_shortened_when_the_owner_speaks(
    town: Town, before: timedelta | None, where: str
) -> None:
    await town.let_in("anna")
    await town.control.pause(ANNA, before)
    first = await town.control.contact_pause(ANNA)
    if where == "on the phone":
        await town.writes("anna", "me, myself", from_me=True)
    else:
        await town.services.owner_messages.write(ANNA, "me, myself")
    pause = await town.control.contact_pause(ANNA)
    assert pause is not None
    if before == timedelta(minutes=1):
        assert pause.reason == "fromMe"
        assert pause.until is not None
        assert first is not None
        assert first.until is not None
        assert pause.until > first.until
    else:
        assert pause == first
